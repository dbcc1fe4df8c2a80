"""The synthetic day: its steps, its ticks, its history, and what it refuses."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from itertools import pairwise

import pytest

from saudagar.exchange.core import MatchingCore
from saudagar.exchange.synthetic import SyntheticDay
from saudagar.exchange.synthetic_course import MOODS, Noise, growth
from saudagar.exchange.universe import listing, universe
from saudagar.market.ist import DAY, at, ist, ist_day
from saudagar.market.sessions import Calendar
from saudagar.model import (
    MINUTE,
    SECOND,
    Instrument,
    InstrumentId,
    InstrumentKind,
    OrderTerms,
    OrderType,
    Product,
    Segment,
    Side,
    Tick,
)
from saudagar.model.errors import CalendarError, DataError, UnknownInstrument

NIFTY = InstrumentId("NSE_INDEX:NIFTY")
RELIANCE = InstrumentId("NSE_EQ:RELIANCE")
TODAY = date(2026, 11, 20)
EVER = 2**62


@pytest.fixture(scope="module")
def played() -> tuple[SyntheticDay, list[tuple[int, list[Tick]]]]:
    """One whole day of 21 instruments, played to its end."""
    source = SyntheticDay(7)
    return source, list(source.steps())


def by_instrument(steps) -> dict[InstrumentId, list[Tick]]:
    ticks = defaultdict(list)
    for _, each in steps:
        for tick in each:
            ticks[tick.instrument].append(tick)
    return ticks


@pytest.mark.unmeasured  # it makes the whole day, which the others share
def test_the_day_goes_second_by_second_to_the_auction_s_end(played):
    source, steps = played
    assert [ist(steps[n][0]).strftime("%H:%M:%S") for n in (0, 1, -1)] == ["09:15:00", "09:15:01", "15:35:00"]
    assert {later[0] - earlier[0] for earlier, later in pairwise(steps)} == {source.step_ns}
    assert all(tick.ts == ts for ts, ticks in steps for tick in ticks)
    assert steps[-1][1] == []
    assert len(source.instruments) == 21


def test_ticks_are_possible_ones(played):
    source, steps = played
    ticks = by_instrument(steps)
    for instrument in source.instruments:
        mine = ticks[instrument.id]
        close = source.previous_close(instrument.id)
        assert all(instrument.on_tick(tick.ltp) for tick in mine)
        assert all(abs(tick.ltp - close) < close * 0.2 for tick in mine)
        volumes = [tick.volume for tick in mine]
        assert volumes == sorted(volumes)
        if not instrument.segment.tradable:
            assert volumes[-1] == 0
            assert not any(tick.bids or tick.asks for tick in mine)
            continue
        assert 0.3 * listing(instrument.id).volume < volumes[-1] < 3 * listing(instrument.id).volume
        for tick in mine[:-1:37]:
            assert len(tick.bids) == len(tick.asks) == 5
            assert tick.ltp in (tick.bids[0][0], tick.asks[0][0])
            prices = [price for price, _ in (*reversed(tick.bids), *tick.asks)]
            assert prices == sorted(set(prices))
            assert all(instrument.on_tick(price) for price in prices)
            assert all(size > 0 for _, size in (*tick.bids, *tick.asks))


def test_not_every_stock_trades_in_every_second(played):
    _, steps = played
    counts = {name: len(ticks) for name, ticks in by_instrument(steps).items() if name != NIFTY}
    assert all(6_000 < count < 20_000 for count in counts.values())


def test_the_day_is_alive(played):
    """An opening gap, more volume at both ends, and bursts of volume with the largest moves."""
    source, _ = played
    gaps, shares, bursts = [], [], 0
    for instrument in source.instruments[1:]:
        bars = source.history(instrument.id, MINUTE, at(TODAY, "09:15"), EVER)
        assert len(bars) == 360
        gaps.append(abs(bars[0].open / source.previous_close(instrument.id) - 1))
        volumes = [bar.volume for bar in bars]
        shares.append((sum(volumes[:30]) + sum(volumes[-30:])) / sum(volumes))
        largest = sorted(bars, key=lambda bar: -abs(bar.close - bar.open))[:20]
        bursts += sum(bar.volume for bar in largest) > 1.5 * 20 * sum(volumes) / len(volumes)
    assert max(gaps) > 0.003
    assert sum(shares) / len(shares) > 60 / 360 * 1.3
    assert bursts >= 15
    assert {mood.name for mood in MOODS} >= {"quiet", "breakout"}


def test_the_index_moves_with_its_members(played):
    source, steps = played
    weights = {each.id: listing(each.id).weight for each in source.instruments[1:]}
    newest, checked = {}, 0
    for second, (_, ticks) in enumerate(steps[:21_600]):
        newest.update((tick.instrument, tick.ltp) for tick in ticks)
        if second % 50 == 0:
            checked += 1
            moved = sum(weights[name] * newest[name] / source.previous_close(name) for name in weights)
            exact = source.previous_close(NIFTY) * moved / sum(weights.values())
            assert abs(newest[NIFTY] - exact) <= 5
    assert checked == 432


def test_the_closing_auction_prints_once_and_the_index_jumps_after_it(played):
    source, steps = played
    late = [(ts, ticks) for ts, ticks in steps if ts >= at(TODAY, "15:15")]
    prints = [(ts, ticks) for ts, ticks in late if any(tick.instrument != NIFTY for tick in ticks)]
    assert len(prints) == 1
    moment, ticks = prints[0]
    assert at(TODAY, "15:28") <= moment < at(TODAY, "15:30")
    assert {tick.instrument for tick in ticks} == {each.id for each in source.instruments[1:]}
    index = [(ts, tick.ltp) for ts, each in late for tick in each if tick.instrument == NIFTY]
    before = {value for ts, value in index if ts <= moment}
    after = {value for ts, value in index if ts > moment}
    assert len(before) == len(after) == 1
    assert before != after
    assert min(ts for ts, _ in index if ts > moment) == moment + SECOND


def test_history_and_ticks_agree(played):
    source, steps = played
    ticks = by_instrument(steps)[RELIANCE][:-1]
    bars = source.history(RELIANCE, MINUTE, at(TODAY, "09:15"), EVER)
    assert sum(bar.volume for bar in bars) == ticks[-1].volume
    assert sum(bar.ticks for bar in bars) == len(ticks)
    for bar in bars[::17]:
        inside = [tick.ltp for tick in ticks if bar.start <= tick.ts < bar.end]
        assert (bar.open, bar.high, bar.low, bar.close) == (inside[0], max(inside), min(inside), inside[-1])
    hours = source.history(RELIANCE, 60 * MINUTE, at(TODAY, "09:15"), EVER)
    assert [bar.volume for bar in hours] == [sum(bar.volume for bar in bars[n : n + 60]) for n in range(0, 360, 60)]
    assert ist(hours[-1].end).strftime("%H:%M") == "15:15"


def test_days_chain_by_their_closes(played):
    source, steps = played
    for instrument in source.instruments[:4]:
        days = source.history(instrument.id, DAY, 0, EVER)
        assert len(days) == 11
        assert days[-2].close == source.previous_close(instrument.id)
        assert days[-1].close == by_instrument(steps)[instrument.id][-1].ltp
        past = source.history(instrument.id, MINUTE, 0, at(TODAY, "09:15"))
        sessions = {ist_day(bar.start) for bar in past}
        assert len(sessions) == 10
        assert date(2026, 11, 8) not in sessions, "a muhurat session of unknown hours is left out"
        assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in past)
        assert all(instrument.on_tick(price) for bar in past for price in (bar.open, bar.high, bar.low, bar.close))


def test_history_knows_no_future():
    source = SyntheticDay(7, instruments=universe(3))
    assert source.history(RELIANCE, MINUTE, at(TODAY, "09:15"), EVER) == []
    for ts, _ in source.steps():
        if ts == at(TODAY, "09:17:30"):
            break
    bars = source.history(RELIANCE, MINUTE, at(TODAY, "09:15"), EVER)
    assert [ist(bar.start).strftime("%H:%M") for bar in bars] == ["09:15", "09:16"]
    assert len(source.history(RELIANCE, DAY, 0, EVER)) == 10, "today's day bar is not closed"
    five = source.history(RELIANCE, 5 * MINUTE, at(TODAY, "09:15"), EVER)
    assert five == []


def test_a_late_start_has_the_morning_behind_it():
    whole = SyntheticDay(7, instruments=universe(3))
    late = SyntheticDay(7, instruments=universe(3), start="11:00", end="11:01")
    expected = [step for step in whole.steps() if at(TODAY, "11:00") <= step[0] <= at(TODAY, "11:01")]
    steps = list(late.steps())
    assert steps == expected
    assert len(steps) == 61
    assert len(late.history(RELIANCE, MINUTE, at(TODAY, "09:15"), EVER)) == 106


def test_a_day_plays_again_from_the_beginning():
    source = SyntheticDay(7, instruments=universe(4), end="09:20")
    assert list(source.steps()) == list(source.steps())


def test_before_the_closing_auction_existed_trading_went_on_to_half_past_three():
    source = SyntheticDay(1, date(2026, 7, 31), universe(3))
    steps = list(source.steps())
    assert ist(steps[-1][0]).strftime("%H:%M:%S") == "15:30:00"
    busy = [ts for ts, ticks in steps if ticks]
    assert ist(busy[-1]).strftime("%H:%M:%S") == "15:29:59"
    assert len(source.history(RELIANCE, DAY, 0, EVER)) == 11


def test_a_drill_day_pauses():
    source = SyntheticDay(1, date(2024, 5, 18), universe(3))
    times = {ist(ts).strftime("%H:%M") for ts, ticks in source.steps() if ticks}
    assert min(times) == "09:15"
    assert max(times) == "12:29"
    assert not any("10:00" <= clock < "11:30" for clock in times)


def test_many_instruments():
    source = SyntheticDay(3, instruments=universe(300), end="09:16")
    steps = list(source.steps())
    assert len(steps[0][1]) == 300
    assert len({tick.instrument for tick in steps[0][1]}) == 300


def test_stocks_alone_and_the_index_alone():
    stocks = SyntheticDay(3, instruments=universe(300)[200:203], end="09:16")
    assert all(tick.bids for _, ticks in stocks.steps() for tick in ticks)
    index = SyntheticDay(3, instruments=universe(1))
    values = [tick.ltp for _, ticks in index.steps() for tick in ticks]
    assert len(values) == 21_600
    assert 0.85 * 2_481_235 < min(values) < max(values) < 1.15 * 2_481_235


@pytest.mark.parametrize("day", [date(2026, 11, 21), date(2026, 11, 24)])
def test_no_session_no_day(day):
    with pytest.raises(CalendarError, match="no session"):
        SyntheticDay(1, day)


@pytest.mark.parametrize(("start", "end"), [("09:00", None), ("11:00", "10:00"), ("16:00", None)])
def test_nothing_to_play(start, end):
    with pytest.raises(DataError, match="nothing to play"):
        SyntheticDay(1, start=start, end=end)


@pytest.mark.parametrize("interval", [0, -MINUTE, SECOND, MINUTE + 1, 2 * DAY])
def test_odd_intervals(interval):
    with pytest.raises(DataError, match="whole minutes"):
        SyntheticDay(1).history(RELIANCE, interval, 0, EVER)


def test_unknown_instruments():
    source = SyntheticDay(1, instruments=universe(2))
    with pytest.raises(UnknownInstrument, match="TCS"):
        source.previous_close(InstrumentId("NSE_EQ:TCS"))
    odd = Instrument(segment=Segment.NSE_EQ, symbol="NOBODY", kind=InstrumentKind.EQUITY, tick_size=5)
    with pytest.raises(UnknownInstrument, match="NOBODY"):
        SyntheticDay(1, instruments=[odd])


def test_the_core_trades_on_it():
    """Demo and paper in one: a market order in the morning, an auction order at the close."""
    source = SyntheticDay(7, instruments=universe(3))
    closes = {each.id: source.previous_close(each.id) for each in source.instruments}
    core = MatchingCore(source.instruments, Calendar(), capital=10**9, previous_close=closes)
    market = OrderTerms(quantity=10, order_type=OrderType.MARKET)
    orders = {}
    for ts, ticks in source.steps():
        core.advance(ts, ticks)
        for clock in ("09:30", "15:21"):
            if ts == at(TODAY, clock):
                orders[clock] = core.place(
                    tag=clock, instrument=RELIANCE, side=Side.BUY, terms=market, product=Product.INTRADAY
                )
    assert {order.status for order in orders.values()} == {"FILLED"}
    assert orders["15:21"].trades[0].price == core.last(RELIANCE).ltp
    assert ist(orders["15:21"].updated).strftime("%H:%M") in ("15:28", "15:29")


def test_noise_is_fair():
    noise = Noise(1, 2)
    uniform, normal = noise.uniform(100_000), noise.normal(100_000)
    assert 0 <= uniform.min() < uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 0.01
    assert abs(normal.mean()) < 0.02
    assert abs(normal.std() - 1) < 0.02
    assert abs(growth(normal[:1] * 0) - 1) == 0
    assert abs(float(growth(normal[:1] * 0 + 0.1)[0]) - 1.1051709) < 1e-6
