"""`KiteQuotes` through the real SDK against the simulated exchange: prices on request, expiries, option chains."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date

import msgspec
import pytest
from tests.contract.suite.floor import Floor
from tests.contract.suite.market import FUTURE, IDEA, LEVEL, NIFTY, PRICE, RELIANCE, TRADED, CalledDay, Lookup

from saudagar.brokers.governor import Governor
from saudagar.brokers.kite.client import KiteSettings
from saudagar.brokers.kite.quotes import CALLS, MOST, KiteQuotes
from saudagar.exchange.faults import FaultKind, FaultRule
from saudagar.model import Instrument, InstrumentKind, Right, Segment
from saudagar.model.errors import AuthError, BrokerError, DataError, RateLimited, Unsupported

NEAR, FAR = date(2026, 11, 24), date(2026, 12, 29)
STRIKES = range(18_000_00, 30_600_00, 50_00)  # 252 of them: with calls and puts more than one call takes


def option(expiry: date, strike: int, right: Right, number: int, **changes) -> Instrument:
    fields = {
        "segment": Segment.NSE_FNO,
        "symbol": f"NIFTY-{expiry}-{strike // 100}-{right.value}",
        "kind": InstrumentKind.OPTION,
        "tick_size": 5,
        "lot_size": 65,
        "underlying": "NIFTY",
        "expiry": expiry,
        "strike": strike,
        "right": right,
        "dhan_id": str(number),
        "upstox_id": f"NSE_FO|{number}",
        "kite_id": str(number * 256 + 2),
        "kite_symbol": f"NIFTY{expiry:%y%b}{strike // 100}{right.value}".upper(),
    }
    return Instrument(**fields | changes)


OPTIONS = tuple(
    option(expiry, strike, right, 50_000 + number)
    for number, (expiry, strike, right) in enumerate(
        [(NEAR, strike, right) for strike in STRIKES for right in Right]
        + [(FAR, 24_000_00, right) for right in (Right.PUT, Right.CALL)]
    )
)
STRANGER = msgspec.structs.replace(RELIANCE, symbol="GONE", kite_symbol="GONE", kite_id="257")
OTHERS = (  # of another exchange, and of another underlying
    option(date(2026, 11, 26), 80_000_00, Right.CALL, 60_001, segment=Segment.BSE_FNO, underlying="NIFTY"),
    option(date(2026, 11, 25), 24_000_00, Right.CALL, 60_002, symbol="BANKNIFTY-X", underlying="BANKNIFTY"),
)


@pytest.fixture(scope="module")
def floor() -> Iterator[Floor]:
    made = Floor(CalledDay((*TRADED, *OPTIONS)), names=("kite",))
    yield made
    made.close()


def settings(floor: Floor, **changes) -> KiteSettings:
    account = floor.account
    fields = {
        "api_key": account.kite_key,
        "token": account.kite_token,
        "rest_url": f"http://127.0.0.1:{floor.wires['kite'].port}",
        "timeout": (1.0, 2.0),
    }
    return KiteSettings(**fields | changes)


def asking(floor: Floor, work, governor: Governor | None = None, **changes):
    async def main():
        quotes = KiteQuotes(settings(floor, **changes), Lookup((*TRADED, *OPTIONS, *OTHERS)), governor=governor)
        await quotes.start()
        try:
            return await work(quotes), quotes.refusals
        finally:
            await quotes.stop()

    return asyncio.run(main())


def test_quotes_are_those_of_the_market(floor: Floor):
    found, refusals = asking(floor, lambda quotes: quotes.quotes([RELIANCE, NIFTY, STRANGER, FUTURE]))
    assert list(found) == [RELIANCE.id, NIFTY.id, FUTURE.id]  # of what Kite does not know it says nothing
    share, index = found[RELIANCE.id], found[NIFTY.id]
    steps = floor.exchange.steps
    assert (share.ltp, share.bid, share.ask, share.volume) == (PRICE, PRICE - 10, PRICE + 10, LEVEL * steps)
    assert (share.open, share.high, share.low, share.previous_close) == (PRICE,) * 4
    assert share.ts == floor.exchange.tape.now
    assert (share.lower_limit, share.upper_limit) == floor.exchange.core.band(RELIANCE.id)
    assert (index.ltp, index.bid, index.volume, index.ts) == (24_000_00, 0, 0, 0)
    assert refusals == {}


def test_more_than_one_call_takes_are_asked_for_in_several(floor: Floor):
    before = floor.exchange.wire.calls["kite.quote"]
    found, _ = asking(floor, lambda quotes: quotes.quotes(OPTIONS))
    assert set(found) == {each.id for each in OPTIONS}
    assert len(OPTIONS) > MOST
    assert floor.exchange.wire.calls["kite.quote"] == before + 2
    assert asking(floor, lambda quotes: quotes.quotes([])) == ({}, {})
    assert floor.exchange.wire.calls["kite.quote"] == before + 2


def test_expiries_and_the_chain_come_from_the_master(floor: Floor):
    async def work(quotes: KiteQuotes):
        assert await quotes.expiries(NIFTY) == [NEAR, FAR]
        assert await quotes.expiries(FUTURE) == [NEAR, FAR]  # a contract's options are its underlying's
        assert await quotes.expiries(RELIANCE) == []
        near = await quotes.option_chain(NIFTY, NEAR)
        assert (near.underlying, near.expiry, near.spot) == (NIFTY.id, NEAR, 24_000_00)
        assert [(row.strike, row.right) for row in near.rows] == [(s, r) for s in STRIKES for r in Right]
        assert {row.instrument for row in near.rows} == {each.id for each in OPTIONS if each.expiry == NEAR}
        assert {(row.ltp, row.bid, row.ask) for row in near.rows} == {(PRICE, PRICE - 5, PRICE + 5)}
        assert {(row.iv, row.delta) for row in near.rows} == {(None, None)}
        assert max(near.rows, key=lambda row: row.open_interest).strike == 24_000_00
        far = await quotes.option_chain(NIFTY, FAR)
        assert [row.right for row in far.rows] == [Right.CALL, Right.PUT]
        with pytest.raises(DataError, match=r"2026-11-25; known expiries: 2026-11-24, 2026-12-29"):
            await quotes.option_chain(NIFTY, date(2026, 11, 25))
        with pytest.raises(DataError, match="none"):
            await quotes.option_chain(IDEA, NEAR)

    asking(floor, work)


def test_a_contract_without_a_price_is_in_the_chain_and_an_underlying_without_one_is_an_error(floor: Floor):
    async def work(quotes: KiteQuotes):
        quotes._lookup = Lookup((NIFTY, option(NEAR, 24_010_00, Right.CALL, 70_001), STRANGER))
        (row,) = (await quotes.option_chain(NIFTY, NEAR)).rows
        assert (row.strike, row.ltp, row.bid, row.volume) == (24_010_00, 0, 0, 0)
        unknown = msgspec.structs.replace(NIFTY, kite_symbol="NIFTY 51")
        with pytest.raises(BrokerError, match="no price of NSE_INDEX:NIFTY"):
            await quotes.option_chain(unknown, NEAR)

    asking(floor, work)


def test_what_has_no_name_at_kite_is_not_asked_for(floor: Floor):
    before = floor.exchange.wire.calls["kite.quote"]
    nameless = msgspec.structs.replace(RELIANCE, kite_symbol="")
    with pytest.raises(Unsupported, match="no Kite symbol"):
        asking(floor, lambda quotes: quotes.quotes([IDEA, nameless]))
    assert floor.exchange.wire.calls["kite.quote"] == before


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.TOO_MANY, RateLimited),
        (FaultKind.GARBLED, BrokerError),
        (FaultKind.SERVER_ERROR, BrokerError),
        (FaultKind.DROP_AFTER_ACCEPT, BrokerError),
        (FaultKind.DROP_BEFORE_ACCEPT, BrokerError),
    ],
)
def test_a_failed_question_is_no_empty_answer(floor: Floor, kind: FaultKind, error: type[BrokerError]):
    floor.faults(FaultRule(kind=kind, endpoint="kite.quote", count=1))
    try:
        with pytest.raises(BrokerError) as caught:
            asking(floor, lambda quotes: quotes.quotes([RELIANCE]))
        assert type(caught.value) is error
        assert floor.account.kite_key not in str(caught.value)
    finally:
        floor.faults()


def test_a_wrong_token_is_told_as_such(floor: Floor):
    with pytest.raises(AuthError, match="Log in again"):
        asking(floor, lambda quotes: quotes.quotes([RELIANCE]), token="wrong")


def test_one_call_a_second_and_no_faster():
    """Kite counts, and so do we: without the governor it refuses, with it nothing is refused."""
    floor = Floor(CalledDay((RELIANCE,)), names=("kite",), read_limits=True)

    async def burst(quotes: KiteQuotes, calls: int = 9):
        return await asyncio.gather(*(quotes.quotes([RELIANCE]) for _ in range(calls)), return_exceptions=True)

    try:
        ends, _ = asking(floor, burst)
        assert any(isinstance(end, RateLimited) for end in ends)
        governed, _ = asking(floor, lambda quotes: burst(quotes, 3), governor=Governor(CALLS, share=1.0))
        refused = [end for end in governed[1:] if isinstance(end, BaseException)]
        assert refused == []  # the first may fall into the second that the others above have used up
    finally:
        floor.close()
