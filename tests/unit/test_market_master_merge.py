"""How three brokers' rows become one instrument, and what happens when they disagree."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import pytest

from saudagar.market.master import Conflict, Master, Reading, merge
from saudagar.market.master.rows import Row, contract_symbol
from saudagar.model import InstrumentId, InstrumentKind, Right, Segment
from saudagar.model.errors import DataError

DAY = date(2026, 11, 20)
EXPIRY = date(2026, 11, 23)
SHARE: dict[str, Any] = {
    "segment": Segment.NSE_EQ,
    "kind": InstrumentKind.EQUITY,
    "symbol": "RELIANCE",
    "token": "2885",
    "tick_size": 10,
    "lot_size": 1,
    "series": "EQ",
}
ISIN = "INE002A01018"
CALL: dict[str, Any] = {
    "segment": Segment.NSE_FNO,
    "kind": InstrumentKind.OPTION,
    "symbol": contract_symbol("NIFTY", EXPIRY, 2400000, Right.CALL),
    "token": "61593",
    "tick_size": 5,
    "lot_size": 65,
    "underlying": "NIFTY",
    "expiry": EXPIRY,
    "strike": 2400000,
    "right": Right.CALL,
}
GOLD: dict[str, Any] = {
    "segment": Segment.MCX_COMM,
    "kind": InstrumentKind.FUTURE,
    "symbol": contract_symbol("GOLD", EXPIRY),
    "token": "9",
    "tick_size": 100,
    "underlying": "GOLD",
    "expiry": EXPIRY,
}


def reading(broker: str, *rows: dict[str, Any], auctions: frozenset[Segment] = frozenset(), key: str = "") -> Reading:
    made = [Row(**{"key": key or f"{broker}-{row['token']}", **row}) for row in rows]
    return Reading(broker=broker, rows=made, refused=Counter(), auction_segments=auctions)


def of(row: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**row, **changes}


def only(master: Master) -> Any:
    (instrument,) = master
    return instrument


def test_a_share_is_joined_by_isin_and_by_the_exchanges_number() -> None:
    master = merge(
        [
            reading("kite", of(SHARE, kite_symbol="RELIANCE", name="RELIANCE INDUSTRIES")),
            reading("dhan", SHARE),
            reading("upstox", of(SHARE, isin=ISIN, freeze_quantity=100000, name="Reliance Industries Ltd")),
        ],
        DAY,
    )
    share = only(master)
    assert master.conflicts == ()
    assert share.id == "NSE_EQ:RELIANCE"
    assert (share.dhan_id, share.upstox_id, share.kite_id) == ("dhan-2885", "upstox-2885", "kite-2885")
    assert (share.isin, share.tick_size, share.lot_size, share.freeze_quantity) == (ISIN, 10, 1, 100000)
    assert (share.name, share.kite_symbol) == ("Reliance Industries Ltd", "RELIANCE")


def test_two_series_of_one_isin_are_two_instruments() -> None:
    master = merge(
        [
            reading(
                "upstox",
                of(SHARE, isin=ISIN),
                of(SHARE, isin=ISIN, symbol="RELIANCE-BE", series="BE", token="2886"),
            )
        ],
        DAY,
    )
    assert [instrument.symbol for instrument in master] == ["RELIANCE", "RELIANCE-BE"]
    assert master.conflicts == ()


def test_the_same_symbol_on_two_exchanges_is_two_instruments() -> None:
    master = merge([reading("dhan", SHARE, of(SHARE, segment=Segment.BSE_EQ, token="500325", series=""))], DAY)
    assert {instrument.id for instrument in master} == {"NSE_EQ:RELIANCE", "BSE_EQ:RELIANCE"}


def test_a_contract_is_joined_by_what_it_is() -> None:
    master = merge([reading("dhan", CALL), reading("upstox", of(CALL, freeze_quantity=1755))], DAY)
    call = only(master)
    assert call.id == "NSE_FNO:NIFTY-2026-11-23-24000-CE"
    assert (call.underlying, call.expiry, call.strike, call.right) == ("NIFTY", EXPIRY, 2400000, Right.CALL)
    assert (call.dhan_id, call.upstox_id, call.freeze_quantity) == ("dhan-61593", "upstox-61593", 1755)
    assert master.conflicts == ()


def test_two_expiries_keep_their_own_lots() -> None:
    later = date(2026, 12, 29)
    other = of(CALL, symbol=contract_symbol("NIFTY", later, 2400000, Right.CALL), expiry=later, lot_size=75, token="7")
    master = merge([reading("upstox", CALL, other)], DAY)
    assert [call.lot_size for call in master] == [65, 75]


@pytest.mark.parametrize(
    ("row", "dhan", "upstox", "field", "detail"),
    [
        (SHARE, {}, {"tick_size": 5}, "tick_size", "upstox 5, dhan 10"),
        (CALL, {}, {"lot_size": 75}, "lot_size", "upstox 75, dhan 65"),
        (SHARE, {"isin": ISIN}, {"isin": "INE155A01022"}, "isin", f"upstox INE155A01022, dhan {ISIN}"),
        (SHARE, {"symbol": "RELIANCE1"}, {}, "symbol", "upstox RELIANCE, dhan RELIANCE1"),
        (SHARE, {"token": "2886"}, {}, "token", "upstox 2885, dhan 2886"),
        (CALL, {"token": "61594"}, {}, "token", "upstox 61593, dhan 61594"),
    ],
)
def test_a_disagreement_is_reported_and_the_instrument_is_known_but_not_tradable(
    row: dict[str, Any], dhan: dict[str, Any], upstox: dict[str, Any], field: str, detail: str
) -> None:
    master = merge([reading("dhan", of(row, **dhan)), reading("upstox", of(row, **upstox))], DAY)
    found = only(master)
    assert master.conflicts == (Conflict(found.id, field, detail),)
    assert master.get(found.id) is found
    assert master.by_upstox(found.upstox_id) is found
    with pytest.raises(DataError, match="not tradable.*" + field):
        master.resolve(found.id)
    with pytest.raises(DataError, match="not tradable"):
        master.check_tradable(found.id)
    assert master.resolve(found.id, conflicts=True) is found


def test_what_one_file_does_not_say_is_no_disagreement() -> None:
    master = merge([reading("dhan", of(SHARE, isin=ISIN)), reading("kite", SHARE)], DAY)
    assert master.conflicts == ()


def test_one_number_for_two_contracts_marks_both() -> None:
    other = of(CALL, symbol=contract_symbol("NIFTY", EXPIRY, 2405000, Right.CALL), strike=2405000)
    master = merge([reading("dhan", CALL), reading("upstox", other)], DAY)
    assert {(conflict.instrument, conflict.field) for conflict in master.conflicts} == {
        (InstrumentId("NSE_FNO:NIFTY-2026-11-23-24000-CE"), "token"),
        (InstrumentId("NSE_FNO:NIFTY-2026-11-23-24050-CE"), "token"),
    }


def test_the_numbers_of_mcx_and_of_indices_are_each_brokers_own() -> None:
    index: dict[str, Any] = {"segment": Segment.NSE_INDEX, "kind": InstrumentKind.INDEX, "symbol": "NIFTY", "token": ""}
    master = merge(
        [
            reading("upstox", of(GOLD, lot_size=100), index),
            reading("kite", of(GOLD, token="10"), index),
        ],
        DAY,
    )
    assert master.conflicts == ()
    assert len(master) == 2


def test_one_broker_listing_one_instrument_under_two_ids_is_a_conflict() -> None:
    master = merge([reading("dhan", of(CALL, key="1"), of(CALL, key="2"))], DAY)
    assert master.conflicts == (Conflict(only(master).id, "id", "dhan 1 and 2"),)
    assert only(master).dhan_id == "1"


def test_a_row_that_comes_twice_is_no_conflict() -> None:
    master = merge([reading("dhan", CALL, CALL)], DAY)
    assert len(master) == 1
    assert master.conflicts == ()


def test_the_size_of_an_mcx_contract_comes_from_whoever_knows_it() -> None:
    master = merge([reading("dhan", GOLD), reading("upstox", of(GOLD, lot_size=100))], DAY)
    assert only(master).lot_size == 100


def test_an_mcx_contract_of_unknown_size_is_left_out() -> None:
    master = merge([reading("dhan", GOLD, SHARE), reading("kite", GOLD)], DAY)
    assert [instrument.symbol for instrument in master] == ["RELIANCE"]
    assert master.refused == {"dhan": {"contract size": 1}, "kite": {"contract size": 1}}


@pytest.mark.parametrize(("day", "rows"), [(EXPIRY, 2), (date(2026, 11, 24), 1)])
def test_a_contract_lives_up_to_its_expiry_day(day: date, rows: int) -> None:
    master = merge([reading("upstox", CALL, SHARE)], day)
    assert len(master) == rows
    assert master.refused == {"upstox": {"expired": 1} if rows == 1 else {}}


@pytest.mark.parametrize(
    ("auctions", "flag", "derivative", "expected"),
    [
        (frozenset({Segment.NSE_EQ}), True, False, True),
        (frozenset({Segment.NSE_EQ}), False, True, False),
        (frozenset(), False, True, True),
        (frozenset(), False, False, False),
    ],
)
def test_the_closing_auction_is_as_stated_else_for_whoever_has_derivatives(
    auctions: frozenset[Segment], flag: bool, derivative: bool, expected: bool
) -> None:
    rows = [of(SHARE, closing_auction=flag)]
    if derivative:
        rows.append(of(CALL, underlying="RELIANCE"))
    master = merge([reading("upstox", *rows, auctions=auctions)], DAY)
    assert master.get(InstrumentId("NSE_EQ:RELIANCE")).closing_auction is expected
    assert not any(i.closing_auction for i in master if i.kind is not InstrumentKind.EQUITY)


def test_an_index_has_a_tick_and_lot_of_its_own() -> None:
    index = {"segment": Segment.NSE_INDEX, "kind": InstrumentKind.INDEX, "symbol": "NIFTY", "token": ""}
    assert (
        only(merge([reading("kite", index)], DAY)).tick_size,
        only(merge([reading("kite", index)], DAY)).lot_size,
    ) == (
        5,
        1,
    )


def test_two_files_of_one_broker_are_refused() -> None:
    with pytest.raises(DataError, match="one instrument file per broker"):
        merge([reading("dhan", SHARE), reading("dhan", CALL)], DAY)


def test_nothing_left_is_refused() -> None:
    with pytest.raises(DataError, match=r"no instrument is left.*expired"):
        merge([reading("dhan", CALL)], date(2027, 1, 1))


def test_merging_leaves_the_readings_as_they_were() -> None:
    given = reading("dhan", CALL, SHARE)
    first, second = merge([given], date(2026, 11, 24)), merge([given], date(2026, 11, 24))
    assert list(first) == list(second)
    assert first.refused == second.refused == {"dhan": {"expired": 1}}
    assert given.refused == {}
