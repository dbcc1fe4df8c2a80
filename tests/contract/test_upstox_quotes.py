"""`UpstoxQuotes` through the real SDK: against the simulated exchange, and against answers that make no sense."""

import asyncio
import json
from datetime import date

import pytest
from tests.contract.conftest import IDEA, MARKET_DAY, NIFTY, RELIANCE

from saudagar.brokers.governor import Governor
from saudagar.brokers.upstox.broker import UpstoxOrderSettings
from saudagar.brokers.upstox.lane import READS
from saudagar.brokers.upstox.quotes import MOST, UpstoxQuotes
from saudagar.exchange.options import WithOptions
from saudagar.exchange.process import Account
from saudagar.market.master import Master
from saudagar.model import SECOND, Instrument, InstrumentKind, Right, Segment
from saudagar.model.errors import AuthError, BrokerError, DataError, RateLimited, Unsupported

CANARY = "CANARY-TOKEN"
NAMELESS = Instrument(segment=Segment.NSE_EQ, symbol="NEW", kind=InstrumentKind.EQUITY, tick_size=5)
CRUDE = Instrument(
    segment=Segment.MCX_COMM, symbol="CRUDE", kind=InstrumentKind.FUTURE, tick_size=100, upstox_id="MCX_FO|1"
)


def on_quotes(host, work, *, lookup=None, token=CANARY, **options):
    async def main():
        settings = UpstoxOrderSettings(token=token, rest_host=host, timeout=(1.0, 0.4))
        quotes = UpstoxQuotes(settings, lookup or Master(MARKET_DAY, ()), **options)
        await quotes.start()
        try:
            return await work(quotes)
        finally:
            await quotes.stop()

    return asyncio.run(main())


def answered(server, data, work, **options):
    server.answer = lambda *_: (200, json.dumps({"status": "success", "data": data}).encode())
    return on_quotes(f"http://127.0.0.1:{server.port}", work, **options)


# -- the simulated exchange --------------------------------------------------------------------------------------


@pytest.fixture
def market(scripted_market):
    return scripted_market(around=lambda day: WithOptions(day, strikes=2))


def at(market, work, **options):
    lookup = Master(MARKET_DAY, tuple(line.instrument for line in market.exchange.tape.lines.values()))
    return on_quotes(market.upstox, work, lookup=lookup, token=Account().upstox_token, **options)


def test_quotes_are_what_the_market_shows(market):
    found = at(market, lambda quotes: quotes.quotes([RELIANCE, IDEA, NIFTY]))
    lines = market.exchange.tape.lines
    assert set(found) == {RELIANCE.id, IDEA.id, NIFTY.id}
    for name, quote in found.items():
        line = lines[name]
        assert (quote.ltp, quote.volume, quote.ts) == (line.tick.ltp, line.tick.volume, line.tick.ts)
        assert (quote.open, quote.high, quote.low) == (line.day.open, line.day.high, line.day.low)
        assert quote.previous_close == line.previous_close
        assert (quote.lower_limit, quote.upper_limit) == line.band
        assert quote.bid == (line.tick.bids[0][0] if line.tick.bids else 0)
        assert quote.ask == (line.tick.asks[0][0] if line.tick.asks else 0)


def test_expiries_and_a_chain_with_greeks(market):
    async def work(quotes):
        days = await quotes.expiries(NIFTY)
        return days, await quotes.option_chain(NIFTY, days[0]), quotes.refusals

    days, chain, refusals = at(market, work)
    assert days == [date(2026, 11, 23), date(2026, 12, 1), date(2026, 12, 29)]  # the 24th is a holiday
    assert (chain.underlying, chain.expiry, refusals) == (NIFTY.id, days[0], {})
    assert chain.spot == market.exchange.tape.lines[NIFTY.id].tick.ltp
    assert [(row.strike, row.right) for row in chain.rows] == [
        (strike, right) for strike in range(23_900_00, 24_101_00, 50_00) for right in (Right.CALL, Right.PUT)
    ]
    lines = market.exchange.tape.lines
    for row in chain.rows:
        line = lines[row.instrument]
        assert (line.instrument.strike, line.instrument.right) == (row.strike, row.right)
        assert (row.ltp, row.volume, row.bid) == (line.tick.ltp, line.tick.volume, line.tick.bids[0][0])
        assert row.open_interest > 0
        assert 5 < row.iv < 50  # percent a year
        assert (0 < row.delta < 1) is (row.right is Right.CALL)
        assert row.theta < 0 < row.vega
        assert row.gamma > 0


def test_a_chain_that_is_not_there_names_those_that_are(market):
    with pytest.raises(DataError, match=r"2026-11-24; known expiries: 2026-11-23, 2026-12-01, 2026-12-29"):
        at(market, lambda quotes: quotes.option_chain(NIFTY, date(2026, 11, 24)))
    with pytest.raises(DataError, match="known expiries: none"):
        at(market, lambda quotes: quotes.option_chain(IDEA, date(2026, 11, 23)))


def test_a_wrong_token_is_told_as_such(market):
    with pytest.raises(AuthError, match="Log in again"):
        on_quotes(market.upstox, lambda quotes: quotes.quotes([RELIANCE]))


# -- answers of all kinds ----------------------------------------------------------------------------------------


def shares(count):
    return [
        Instrument(
            segment=Segment.NSE_EQ, symbol=f"S{n}", kind=InstrumentKind.EQUITY, tick_size=5, upstox_id=f"NSE_EQ|I{n}"
        )
        for n in range(count)
    ]


def test_many_are_asked_for_in_calls_that_fit_a_request_line_and_each_once(server):
    many = shares(MOST + 1)
    answered(server, {}, lambda quotes: quotes.quotes([*many, many[0]]))
    sizes = [path.count("NSE_EQ") for _, path, _ in server.requests]
    assert sizes == [MOST, 1]
    widest = f"NSE_EQ|{'I' * 12}"  # a share's key is an ISIN
    assert len(server.requests[0][1]) + MOST * (len(widest) - len("NSE_EQ|I249")) < 8_000


ROW = {"instrument_token": RELIANCE.upstox_id, "last_price": 1300.5}


@pytest.mark.parametrize(
    "row",
    [
        ROW | {"last_price": 1e20},
        ROW | {"last_price": -1},
        ROW | {"last_price": "soon"},
        ROW | {"ohlc": [1]},
        ROW | {"depth": "deep"},
        ROW | {"volume": -5},
        ROW | {"volume": 1.5},
        ROW | {"instrument_token": "NSE_EQ|OTHER"},
        ROW | {"instrument_token": None},
        ROW | {"instrument_token": ["NSE_EQ|INE002A01018"]},
        "a text",
        None,
    ],
)
def test_rows_that_cannot_be_are_counted_and_the_others_kept(server, row):
    async def work(quotes):
        return await quotes.quotes([RELIANCE, IDEA]), quotes.refusals

    good = {"instrument_token": IDEA.upstox_id, "last_price": 10.05}
    found, refusals = answered(server, {"NSE_EQ:RELIANCE": row, "NSE_EQ:IDEA": good}, work)
    assert {name: quote.ltp for name, quote in found.items()} == {IDEA.id: 1005}
    assert refusals == {"bad quote": 1}


def test_what_upstox_leaves_out_is_nothing_and_what_never_traded_is_absent(server):
    rows = {
        "a": ROW | {"depth": {"buy": [{"quantity": 0, "price": 0, "orders": 0}], "sell": []}, "last_trade_time": None},
        "b": {"instrument_token": IDEA.upstox_id, "last_price": 0},
    }
    found = answered(server, rows, lambda quotes: quotes.quotes([RELIANCE, IDEA]))
    [quote] = found.values()
    assert (quote.instrument, quote.ltp, quote.bid, quote.ask, quote.ts) == (RELIANCE.id, 130050, 0, 0, 0)


def half(key="NSE_FO|1", **greeks):
    market = {"ltp": 10.5, "volume": 65, "oi": 130.0, "bid_price": 10.45, "ask_price": 0}
    return {"instrument_key": key, "market_data": market, "option_greeks": {"iv": 12.5, "delta": 0.5} | greeks}


def test_a_chain_keeps_what_makes_sense(server):
    """One side missing, a volatility that could not be solved for, a contract of no master, and nonsense."""
    rows = [
        {"strike_price": 24100, "underlying_spot_price": 24010.25, "call_options": half(iv=0, delta=1)},
        {"strike_price": 24000, "call_options": half(), "put_options": half("NSE_FO|2", vega=None)},
        {"strike_price": 0, "call_options": half()},
        {"strike_price": 24200, "put_options": [1]},
        {"strike_price": 24300, "put_options": half() | {"market_data": {"ltp": -1}}},
    ]

    async def work(quotes):
        return await quotes.option_chain(NIFTY, date(2026, 11, 23)), quotes.refusals

    chain, refusals = answered(server, rows, work)
    assert refusals == {"bad option": 3}
    assert (chain.spot, len(chain.rows)) == (24_010_25, 3)
    first, second, third = chain.rows
    assert [(row.strike, row.right) for row in chain.rows] == [
        (24_000_00, Right.CALL), (24_000_00, Right.PUT), (24_100_00, Right.CALL),
    ]  # fmt: skip
    assert (first.ltp, first.bid, first.ask, first.iv, first.delta, first.instrument) == (1050, 1045, 0, 12.5, 0.5, "")
    assert (second.vega, second.theta) == (None, None)
    assert (third.iv, third.delta) == (None, None)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((200, b""), BrokerError),
        ((200, b"<html>"), BrokerError),
        ((200, b'{"status":"success","data":7}'), BrokerError),
        ((200, b'{"status":"error"}'), BrokerError),
        ((502, b"gone"), BrokerError),
        ((429, b'{"status":"error","errors":[{"errorCode":"UDAPI10005","message":"Too many"}]}'), RateLimited),
        ((401, b'{"status":"error","errors":[{"errorCode":"UDAPI100050","message":"Invalid token"}]}'), AuthError),
        ("reset", BrokerError),
        (None, BrokerError),
    ],
)
def test_what_is_no_answer_is_an_error_of_its_kind_and_tells_no_secret(server, answer, kind):
    server.answer = lambda *_: answer
    host = f"http://127.0.0.1:{server.port}"
    for ask in (
        lambda quotes: quotes.quotes([RELIANCE]),
        lambda quotes: quotes.expiries(NIFTY),
        lambda quotes: quotes.option_chain(NIFTY, date(2026, 11, 23)),
    ):
        with pytest.raises(BrokerError) as failed:
            on_quotes(host, ask)
        assert type(failed.value) is kind
        assert CANARY not in str(failed.value)
    assert len(server.requests) == 3, "a question that failed is not asked again by itself"


def test_an_expiry_that_is_no_date_is_a_fault(server):
    with pytest.raises(BrokerError, match="expiry"):
        answered(server, [{"expiry": "soon"}], lambda quotes: quotes.expiries(NIFTY))


def test_what_upstox_cannot_know_never_reaches_the_wire(server):
    for ask in (
        lambda quotes: quotes.quotes([NAMELESS]),
        lambda quotes: quotes.expiries(NAMELESS),
        lambda quotes: quotes.option_chain(CRUDE, date(2026, 11, 23)),
    ):
        with pytest.raises(Unsupported):
            answered(server, {}, ask)
    assert server.requests == []


def test_calls_stay_within_the_limits_that_upstox_publishes(server):
    assert [(window.period // SECOND, window.most) for window in READS] == [(1, 50), (60, 500), (1_800, 2_000)]
    narrow = Governor(READS[:1], share=0.02, patience=0.05, clock=lambda: 0)

    async def work(quotes):
        await quotes.quotes([RELIANCE])
        with pytest.raises(RateLimited):
            await quotes.quotes([RELIANCE])

    answered(server, {}, work, governor=narrow)
    assert len(server.requests) == 1
