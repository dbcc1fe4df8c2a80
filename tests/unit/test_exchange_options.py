"""The option chain: contracts, the model of their prices, and the day around which it is put."""

from __future__ import annotations

from datetime import date
from math import exp
from typing import Any

import pytest

from saudagar.exchange.limits import CallLimit
from saudagar.exchange.options import WithOptions, chain, expiries, greeks, is_monthly, open_interest, underlying_of
from saudagar.exchange.process import SyntheticSource
from saudagar.exchange.server import open_source
from saudagar.exchange.synthetic import SyntheticDay
from saudagar.exchange.universe import NIFTY, universe
from saudagar.market.ist import DAY, at
from saudagar.market.sessions import Calendar
from saudagar.model import MINUTE, Instrument, InstrumentKind, Right
from saudagar.model.errors import DataError, UnknownInstrument

FRIDAY = date(2026, 11, 20)
SPOT = 24_812_35
INDEX = NIFTY.instrument


def test_expiries_are_tuesdays_or_the_session_before() -> None:
    assert expiries(FRIDAY, Calendar()) == (date(2026, 11, 23), date(2026, 12, 1), date(2026, 12, 29))
    assert expiries(date(2026, 11, 2), Calendar()) == (date(2026, 11, 3), date(2026, 11, 9), date(2026, 11, 23))
    assert [is_monthly(each) for each in (date(2026, 11, 23), date(2026, 12, 1), date(2026, 12, 29))] == [
        True,
        False,
        True,
    ]


def test_contracts_have_ids_of_their_own_and_the_brokers_names() -> None:
    contracts = chain(FRIDAY, SPOT, 40, Calendar())
    assert len(contracts) == 3 * 81 * 2
    for field in ("id", "dhan_id", "upstox_id", "kite_id", "kite_symbol"):
        assert len({getattr(each, field) for each in contracts}) == len(contracts), field
    assert all(int(each.kite_id) < 2**32 and int(each.dhan_id) < 2**31 for each in contracts)
    assert {each.strike % 50_00 for each in contracts} == {0}
    names = {each.symbol: each.kite_symbol for each in contracts}
    assert names["NIFTY-2026-11-23-24800-CE"] == "NIFTY26NOV24800CE"
    assert names["NIFTY-2026-12-01-24800-PE"] == "NIFTY26D0124800PE"


def test_calls_and_puts_agree_and_the_greeks_have_their_signs() -> None:
    now = at(FRIDAY, "10:00")
    for call, put in zip(*[iter(chain(FRIDAY, SPOT, 10, Calendar()))] * 2, strict=True):
        c, p = greeks(call, SPOT, now), greeks(put, SPOT, now)
        assert call.expiry is not None
        years = (at(call.expiry, "15:30") - now) / (365 * DAY)
        assert c.price - p.price == pytest.approx(SPOT / 100 - call.strike / 100 * exp(-0.065 * years), abs=1e-6)
        assert c.delta - p.delta == pytest.approx(1)
        assert c.gamma == pytest.approx(p.gamma)
        assert c.vega == pytest.approx(p.vega)
        assert c.theta < 0
        assert 5 < c.iv < 40
        assert open_interest(call, SPOT) % call.lot_size == 0


def test_delta_is_the_slope_of_the_price() -> None:
    now = at(FRIDAY, "10:00")
    call = chain(FRIDAY, SPOT, 0, Calendar())[2]
    model = greeks(call, SPOT, now)
    # the smile moves with the spot, so the slope is near delta and not delta itself
    slope = (greeks(call, SPOT + 100, now).price - greeks(call, SPOT - 100, now).price) / 2
    assert slope == pytest.approx(model.delta, abs=0.1)


def day(**words: Any) -> SyntheticDay:
    return SyntheticDay(3, FRIDAY, universe(4), start="09:15", end="09:20", **words)


def test_the_day_itself_stays_as_it_was() -> None:
    with_options = WithOptions(day(), strikes=3)
    plain = list(day().steps())
    for (ts, ticks), (other_ts, others) in zip(with_options.steps(), plain, strict=True):
        assert ts == other_ts
        assert ticks[: len(others)] == others
        assert all(tick.instrument.startswith("NSE_FNO:") for tick in ticks[len(others) :])


def test_quotes_are_on_their_grid_and_repeat() -> None:
    first, second = (list(WithOptions(day(), strikes=3).steps()) for _ in range(2))
    assert first == second
    volumes: dict[str, int] = {}
    seen = 0
    for _, ticks in first:
        for tick in ticks:
            if not tick.instrument.startswith("NSE_FNO:"):
                continue
            seen += 1
            assert tick.ltp > 0
            assert tick.ltp % 5 == 0
            assert tick.volume > volumes.get(tick.instrument, 0)
            volumes[tick.instrument] = tick.volume
            assert [price for price, _ in tick.asks] == sorted(price for price, _ in tick.asks)
            assert [price for price, _ in tick.bids] == sorted((price for price, _ in tick.bids), reverse=True)
            assert tick.bids[0][0] < tick.ltp < tick.asks[0][0]
    assert len(volumes) == 3 * 7 * 2
    assert seen > 1_000


def test_history_and_closes_come_from_the_index() -> None:
    source = WithOptions(day(), strikes=1)
    list(source.steps())
    option = source.instruments[-1]
    bars = source.history(option.id, MINUTE, at(FRIDAY, "09:15"), at(FRIDAY, "09:20"))
    assert len(bars) == 5
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)
    assert source.previous_close(option.id) > 0
    assert source.previous_close(INDEX.id) == NIFTY.previous_close
    assert source.history(INDEX.id, MINUTE, 0, at(FRIDAY, "09:20")) == day_after(source)
    assert underlying_of(option, source.instruments) is not None
    with pytest.raises(UnknownInstrument):
        underlying_of(option, ())


def day_after(source: WithOptions) -> Any:
    return source._source.history(INDEX.id, MINUTE, 0, at(FRIDAY, "09:20"))


def test_options_are_asked_for_and_need_their_index() -> None:
    plain = open_source(SyntheticSource(instruments=3))
    assert {each.kind for each in plain.instruments} == {InstrumentKind.EQUITY, InstrumentKind.INDEX}
    listed = open_source(SyntheticSource(instruments=3, options=2))
    assert sum(each.right is not None for each in listed.instruments) == 3 * 5 * 2
    stocks = [each for each in universe(3) if each.kind is InstrumentKind.EQUITY]
    with pytest.raises(DataError, match="NIFTY"):
        WithOptions(SyntheticDay(1, FRIDAY, stocks))


def test_an_expired_hour_still_has_a_price() -> None:
    contract: Instrument = chain(FRIDAY, SPOT, 0, Calendar())[0]
    assert contract.expiry is not None
    assert contract.right is Right.CALL
    last = greeks(contract, SPOT, at(contract.expiry, "15:30"))
    assert last.price >= max(0.0, (SPOT - contract.strike) / 100 - 1)


def test_every_window_has_its_own_count() -> None:
    now = [0]
    limit = CallLimit(((1, 2), (10, 3)), lambda: now[0])
    assert [limit.allows() for _ in range(3)] == [True, True, False]
    now[0] = 1
    assert not limit.allows()  # the ten seconds are used up
    now[0] = 10
    assert limit.allows()
    assert CallLimit((), lambda: 0).allows(1_000_000)
