"""Finding instruments: by ids, by what people type, by contract."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from saudagar.execution.ports import InstrumentLookup
from saudagar.market.master import Conflict, Master, contract_symbol
from saudagar.model import Exchange, Instrument, InstrumentId, InstrumentKind, Right, Segment
from saudagar.model.errors import DataError, UnknownInstrument

DAY = date(2026, 11, 20)
NEAR, FAR = date(2026, 11, 23), date(2026, 12, 29)


def share(symbol: str, segment: Segment = Segment.NSE_EQ, **more: Any) -> Instrument:
    return Instrument(segment=segment, symbol=symbol, kind=InstrumentKind.EQUITY, tick_size=5, **more)


def index(symbol: str, segment: Segment = Segment.NSE_INDEX, **more: Any) -> Instrument:
    return Instrument(segment=segment, symbol=symbol, kind=InstrumentKind.INDEX, tick_size=5, **more)


def contract(
    underlying: str, expiry: date, strike: int = 0, right: Right | None = None, segment: Segment = Segment.NSE_FNO
) -> Instrument:
    return Instrument(
        segment=segment,
        symbol=contract_symbol(underlying, expiry, strike, right),
        kind=InstrumentKind.OPTION if right else InstrumentKind.FUTURE,
        tick_size=5,
        lot_size=65,
        underlying=underlying,
        expiry=expiry,
        strike=strike,
        right=right,
        kite_symbol=f"{underlying}{expiry:%y%b}{strike // 100 or ''}{right.value if right else 'FUT'}".upper(),
    )


TABLE = (
    share("RELIANCE", dhan_id="2885", upstox_id="NSE_EQ|INE002A01018", kite_id="738561", isin="INE002A01018"),
    share("RELIANCE", Segment.BSE_EQ, dhan_id="500325"),
    share("HDFCBANK", name="HDFC Bank Limited", dhan_id="1333"),
    share("NIFTYBEES"),
    index("NIFTY", dhan_id="13", name="Nifty 50"),
    index("BANKNIFTY", dhan_id="25"),
    index("SENSEX", Segment.BSE_INDEX, dhan_id="51"),
    contract("NIFTY", FAR),
    contract("NIFTY", NEAR),
    *(contract("NIFTY", NEAR, strike, right) for strike in (2405000, 900000, 2400000) for right in Right),
    contract("NIFTY", FAR, 2400000, Right.CALL),
    contract("RELIANCE", FAR, 130000, Right.PUT),
    contract("RELIANCE", NEAR, 131000, Right.PUT, Segment.BSE_FNO),
    contract("GOLD", FAR, segment=Segment.MCX_COMM),
)
MASTER = Master(DAY, TABLE, (Conflict(InstrumentId("NSE_EQ:HDFCBANK"), "tick_size", "upstox 5, dhan 10"),))


def test_it_is_the_look_up_that_the_desk_asks_for() -> None:
    lookup: InstrumentLookup = MASTER
    assert tuple(lookup) == TABLE
    assert len(MASTER) == len(TABLE)
    assert "NSE_EQ:RELIANCE" in MASTER
    assert "NSE_EQ:ABC" not in MASTER


def test_by_each_brokers_id() -> None:
    reliance = MASTER.get(InstrumentId("NSE_EQ:RELIANCE"))
    assert MASTER.by_dhan("NSE_EQ", "2885") is reliance
    assert MASTER.by_upstox("NSE_EQ|INE002A01018") is reliance
    assert MASTER.by_kite(738561) is MASTER.by_kite("738561") is reliance


def test_a_dhan_id_counts_within_its_segment_and_indices_share_one() -> None:
    assert MASTER.by_dhan("IDX_I", "13") is MASTER.get(InstrumentId("NSE_INDEX:NIFTY"))
    assert MASTER.by_dhan("IDX_I", "51") is MASTER.get(InstrumentId("BSE_INDEX:SENSEX"))
    assert MASTER.by_dhan("NSE_EQ", "13") is None
    assert MASTER.by_dhan("BSE_EQ", "2885") is None


def test_an_unknown_or_empty_id_finds_nothing() -> None:
    assert MASTER.by_dhan("NSE_FNO", "1") is MASTER.by_dhan("NSE_EQ", "") is MASTER.by_dhan("", "") is None
    assert MASTER.by_upstox("") is MASTER.by_upstox("NSE_EQ|X") is None
    assert MASTER.by_kite("") is MASTER.by_kite(0) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RELIANCE", "NSE_EQ:RELIANCE"),
        (" reliance ", "NSE_EQ:RELIANCE"),
        ("NSE:RELIANCE", "NSE_EQ:RELIANCE"),
        ("bse:Reliance", "BSE_EQ:RELIANCE"),
        ("BSE_EQ:RELIANCE", "BSE_EQ:RELIANCE"),
        ("NIFTY", "NSE_INDEX:NIFTY"),
        ("Nifty 50", "NSE_INDEX:NIFTY"),
        ("NSE:NIFTY BANK", "NSE_INDEX:BANKNIFTY"),
        ("Sensex", "BSE_INDEX:SENSEX"),
        ("NIFTY-2026-11-23-24000-CE", "NSE_FNO:NIFTY-2026-11-23-24000-CE"),
        ("NSE:NIFTY-2026-11-23-FUT", "NSE_FNO:NIFTY-2026-11-23-FUT"),
        ("MCX:GOLD-2026-12-29-FUT", "MCX_COMM:GOLD-2026-12-29-FUT"),
    ],
)
def test_what_a_person_types(text: str, expected: str) -> None:
    assert MASTER.resolve(text).id == expected


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("RELIANSE", "RELIANCE"),
        ("NSE:RELAINCE", "RELIANCE"),
        ("ELIANCE", "RELIANCE"),
        ("BANKNIFTI", "BANKNIFTY"),
        ("HDFCBNK", "HDFCBANK"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(text: str, near: str) -> None:
    with pytest.raises(UnknownInstrument, match=f"2026-11-20 does not hold '{text}'. Did you mean {near}"):
        MASTER.resolve(text)


@pytest.mark.parametrize(
    "text", ["", " ", ":", "NSE:", "XYZ:RELIANCE", "ZZZZZZZZZZ", "MCX:RELIANCE", "NSE:BSE:RELIANCE"]
)
def test_nonsense_is_told_as_unknown(text: str) -> None:
    with pytest.raises(UnknownInstrument, match="does not hold"):
        MASTER.resolve(text)
    with pytest.raises(UnknownInstrument, match="does not hold"):
        MASTER.get(InstrumentId(text))
    with pytest.raises(UnknownInstrument):
        MASTER.check_tradable(InstrumentId(text))


def test_an_instrument_in_conflict_is_known_and_refused() -> None:
    hdfc = InstrumentId("NSE_EQ:HDFCBANK")
    assert [conflict.field for conflict in MASTER.conflicts_of(hdfc)] == ["tick_size"]
    assert MASTER.conflicts_of(InstrumentId("NSE_EQ:RELIANCE")) == ()
    with pytest.raises(DataError, match=r"not tradable.*tick_size: upstox 5, dhan 10"):
        MASTER.resolve("HDFCBANK")
    assert MASTER.check_tradable(InstrumentId("NSE_EQ:RELIANCE")).symbol == "RELIANCE"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("reliance", "NSE_EQ:RELIANCE"),
        ("hdfc limited", "NSE_EQ:HDFCBANK"),
        ("INE002A01018", "NSE_EQ:RELIANCE"),
        ("nifty", "NSE_INDEX:NIFTY"),
        ("nifty 24000 ce", "NSE_FNO:NIFTY-2026-11-23-24000-CE"),
        ("nifty26dec ce", "NSE_FNO:NIFTY-2026-12-29-24000-CE"),
        ("relianse", "NSE_EQ:RELIANCE"),
    ],
)
def test_find_puts_the_best_first(text: str, first: str) -> None:
    assert MASTER.find(text)[0].id == first


def test_find_keeps_its_limit_and_finds_nothing_for_nothing() -> None:
    assert len(MASTER.find("nifty", 3)) == 3
    assert MASTER.find("nifty", 0) == []
    assert MASTER.find("  ") == []
    assert MASTER.find("qqqqqqqq") == []


def test_contracts_by_strike() -> None:
    calls = MASTER.contracts("NIFTY", NEAR, Right.CALL)
    assert [call.strike for call in calls] == [900000, 2400000, 2405000]
    assert {call.right for call in calls} == {Right.CALL}
    both = MASTER.contracts("nifty", NEAR)
    assert [option.strike for option in both] == [900000, 900000, 2400000, 2400000, 2405000, 2405000]
    assert MASTER.contracts("NIFTY", date(2026, 11, 24)) == MASTER.contracts("ABC", NEAR) == ()


def test_expiries_and_futures_nearest_first() -> None:
    assert MASTER.expiries("NIFTY") == (NEAR, FAR)
    assert MASTER.expiries("NIFTY", InstrumentKind.FUTURE) == (NEAR, FAR)
    assert MASTER.expiries("GOLD", InstrumentKind.FUTURE) == (FAR,)
    assert MASTER.expiries("GOLD") == MASTER.expiries("HDFCBANK") == ()
    assert [future.expiry for future in MASTER.futures("NIFTY")] == [NEAR, FAR]


def test_a_stock_with_derivatives_on_two_exchanges() -> None:
    assert MASTER.expiries("RELIANCE") == MASTER.expiries("RELIANCE", exchange=Exchange.NSE) == (FAR,)
    assert MASTER.expiries("RELIANCE", exchange=Exchange.BSE) == (NEAR,)
    assert MASTER.contracts("RELIANCE", NEAR, exchange=Exchange.BSE)[0].segment is Segment.BSE_FNO
    assert MASTER.futures("RELIANCE", Exchange.MCX) == ()


def test_age_and_counts() -> None:
    assert MASTER.age(DAY) == 0
    assert MASTER.age(date(2026, 11, 23)) == 3
    assert MASTER.counts[Segment.NSE_EQ] == 3
    assert sum(MASTER.counts.values()) == len(MASTER)


def test_the_same_id_twice_is_refused() -> None:
    with pytest.raises(DataError, match="NSE_EQ:RELIANCE twice"):
        Master(DAY, (TABLE[0], TABLE[0]))
