"""Each oddity of the three file formats, row by row: what a row becomes, or the reason it is left out."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from tests.master_rows import (
    COMPACT,
    DETAILED,
    KITE,
    OPTION_UPSTOX,
    SHARE_COMPACT,
    SHARE_KITE,
    SHARE_UPSTOX,
    csv,
    fields,
    upstox,
)

from saudagar.market.master import Reading, contract_symbol, read_dhan, read_kite, read_upstox
from saudagar.market.master.indices import index_symbol
from saudagar.model import InstrumentKind, Right, Segment

# What good rows become ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "read", "names", "expected"),
    [
        pytest.param(
            csv(COMPACT, SHARE_COMPACT),
            read_dhan,
            "segment kind symbol key token tick_size lot_size isin series name",
            [
                Segment.NSE_EQ,
                InstrumentKind.EQUITY,
                "RELIANCE",
                "2885",
                "2885",
                10,
                1,
                "",
                "EQ",
                "Reliance Industries",
            ],
            id="dhan: a share's tick is in paise",
        ),
        pytest.param(
            csv(COMPACT, "NSE,I,13,INDEX,0,NIFTY,1,Nifty 50,0001-01-01,,XX,0.05,,INDEX,X,NIFTY"),
            read_dhan,
            "segment kind symbol key expiry right",
            [Segment.NSE_INDEX, InstrumentKind.INDEX, "NIFTY", "13", None, None],
            id="dhan: an index has an expiry in the year 1 and right XX",
        ),
        pytest.param(
            csv(
                COMPACT,
                "NSE,D,35191,OPTIDX,0,NIFTY-Jun2026-27650-CE,65.0,x,2026-06-30 14:30:00,27650.00000,CE,5.0000,M,OP,,",
            ),
            read_dhan,
            "segment kind symbol underlying expiry strike right tick_size lot_size",
            [
                Segment.NSE_FNO,
                InstrumentKind.OPTION,
                "NIFTY-2026-06-30-27650-CE",
                "NIFTY",
                date(2026, 6, 30),
                2765000,
                Right.CALL,
                5,
                65,
            ],
            id="dhan: the symbol has no day, the expiry a time, the lot a decimal",
        ),
        pytest.param(
            csv(
                COMPACT,
                "NSE,D,58067,FUTSTK,0,BAJAJ-AUTO-Aug2026-FUT,75.0,x,2026-08-25 14:30:00,-0.01,XX,100.0,M,FUT,,",
            ),
            read_dhan,
            "kind symbol underlying strike right tick_size",
            [InstrumentKind.FUTURE, "BAJAJ-AUTO-2026-08-25-FUT", "BAJAJ-AUTO", 0, None, 100],
            id="dhan: a future's strike is -0.01; an underlying may hold a hyphen",
        ),
        pytest.param(
            csv(
                COMPACT,
                "MCX,M,569900,FUTCOM,0,CRUDEOIL-19Oct2026-FUT,1.0,x,2026-10-19 23:30:00,0.0,XX,100.0,M,FUTCOM,2,X",
            ),
            read_dhan,
            "segment symbol underlying tick_size lot_size",
            [Segment.MCX_COMM, "CRUDEOIL-2026-10-19-FUT", "CRUDEOIL", 100, 0],
            id="dhan: on MCX the size of the contract is not in the file",
        ),
        pytest.param(
            csv(COMPACT, "BSE,E,590103,EQUITY,0,NIFTYBEES,1,Nifty ETF,,,,1,NA,ETF,F,X"),
            read_dhan,
            "segment symbol series",
            [Segment.BSE_EQ, "NIFTYBEES", ""],
            id="dhan: a BSE group is no part of the identity; an ETF may sit in the debt group",
        ),
        pytest.param(
            csv(DETAILED, "NSE,E,2885,INE002A01018,EQUITY,,RELIANCE,RELIANCE INDUSTRIES LTD,Reliance,ES,BE,1,,,,10"),
            read_dhan,
            "symbol isin name series",
            ["RELIANCE-BE", "INE002A01018", "Reliance", "BE"],
            id="dhan detailed: outside EQ the series joins the symbol",
        ),
        pytest.param(
            csv(
                DETAILED,
                "NSE,D,68407,NA,FUTIDX,26000,NIFTY,NIFTY-Sep2026-FUT,x,FUT,NA,65.0,2026-09-29,-0.01000,XX,10.0000",
            ),
            read_dhan,
            "symbol isin underlying",
            ["NIFTY-2026-09-29-FUT", "", "NIFTY"],
            id="dhan detailed: NA is no ISIN",
        ),
        pytest.param(
            upstox(SHARE_UPSTOX),
            read_upstox,
            "segment kind symbol key token tick_size freeze_quantity isin closing_auction",
            [
                Segment.NSE_EQ,
                InstrumentKind.EQUITY,
                "RELIANCE",
                "NSE_EQ|INE002A01018",
                "2885",
                10,
                100000,
                "INE002A01018",
                True,
            ],
            id="upstox: a share",
        ),
        pytest.param(
            gzip.compress(upstox(OPTION_UPSTOX)),
            read_upstox,
            "segment symbol expiry strike right tick_size lot_size freeze_quantity",
            [
                Segment.NSE_FNO,
                "NIFTY-2026-08-25-24000-CE",
                date(2026, 8, 25),
                2400000,
                Right.CALL,
                5,
                65,
                1755,
            ],
            id="upstox: the expiry is 23:59:59 IST in milliseconds; the file is gzipped",
        ),
        pytest.param(
            upstox(
                {
                    **OPTION_UPSTOX,
                    "segment": "MCX_FO",
                    "instrument_key": "MCX_FO|1",
                    "underlying_symbol": "",
                    "asset_symbol": "CRUDEOIL",
                    "lot_size": 1,
                    "qty_multiplier": 100.0,
                    "freeze_quantity": 20,
                    "strike_price": 8550,
                }
            ),
            read_upstox,
            "segment symbol lot_size freeze_quantity",
            [Segment.MCX_COMM, "CRUDEOIL-2026-08-25-8550-CE", 100, 2000],
            id="upstox: on MCX the multiplier is the lot, and the freeze counts lots",
        ),
        pytest.param(
            upstox(
                {
                    "segment": "NSE_INDEX",
                    "instrument_type": "INDEX",
                    "instrument_key": "NSE_INDEX|Nifty Bank",
                    "trading_symbol": "NIFTY BANK",
                    "name": "Nifty Bank",
                }
            ),
            read_upstox,
            "segment symbol key",
            [Segment.NSE_INDEX, "BANKNIFTY", "NSE_INDEX|Nifty Bank"],
            id="upstox: an index has no tick, lot or number",
        ),
        pytest.param(
            upstox({**SHARE_UPSTOX, "segment": "BSE_EQ", "instrument_key": "BSE_EQ|X", "instrument_type": "XT"}),
            read_upstox,
            "segment symbol series",
            [Segment.BSE_EQ, "RELIANCE", ""],
            id="upstox: a BSE group",
        ),
        pytest.param(
            csv(KITE, SHARE_KITE),
            read_kite,
            "segment symbol key token tick_size kite_symbol series isin",
            [Segment.NSE_EQ, "RELIANCE", "738561", "2885", 10, "RELIANCE", "EQ", ""],
            id="kite: ticks are in rupees; no ISIN",
        ),
        pytest.param(
            csv(KITE, "738561,2885,XYZ-BE,XYZ,0.0,,0.0,0.05,1,EQ,NSE,NSE"),
            read_kite,
            "symbol series",
            ["XYZ-BE", "BE"],
            id="kite: the series is in the symbol",
        ),
        pytest.param(
            csv(KITE, "4268801,16675,BAJAJ-AUTO,BAJAJ AUTO,0.0,,0.0,0.5,1,EQ,NSE,NSE"),
            read_kite,
            "symbol series tick_size",
            ["BAJAJ-AUTO", "EQ", 50],
            id="kite: AUTO is no series",
        ),
        pytest.param(
            csv(KITE, "256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE"),
            read_kite,
            "segment kind symbol key kite_symbol",
            [Segment.NSE_INDEX, InstrumentKind.INDEX, "NIFTY", "256265", "NIFTY 50"],
            id="kite: an index has tick 0 and lot 0",
        ),
        pytest.param(
            csv(KITE, "11546626,45104,NIFTY2681824350CE,NIFTY,0.0,2026-08-18,24350.0,0.05,65,CE,NFO-OPT,NFO"),
            read_kite,
            "segment symbol underlying expiry strike right kite_symbol",
            [
                Segment.NSE_FNO,
                "NIFTY-2026-08-18-24350-CE",
                "NIFTY",
                date(2026, 8, 18),
                2435000,
                Right.CALL,
                "NIFTY2681824350CE",
            ],
            id="kite: a weekly option",
        ),
        pytest.param(
            csv(KITE, "119445255,466583,GOLD26AUGFUT,GOLD,0,2026-08-05,0,1,1,FUT,MCX-FUT,MCX"),
            read_kite,
            "segment symbol tick_size lot_size",
            [Segment.MCX_COMM, "GOLD-2026-08-05-FUT", 100, 0],
            id="kite: on MCX the lot says nothing",
        ),
    ],
)
def test_a_good_row(data: bytes, read: Callable[[bytes], Reading], names: str, expected: list[Any]) -> None:
    reading = read(data)
    assert not reading.refused
    assert len(reading.rows) == 1
    assert fields(reading, *names.split()) == expected


@pytest.mark.parametrize(
    ("lot_size", "multiplier", "freeze", "expected"),
    [(1, 100.0, 20, (100, 2000)), (100, 1.0, 2000, (100, 2000)), (1, 1.0, 20, (1, 20))],
)
def test_the_size_of_an_mcx_contract(
    lot_size: int, multiplier: float, freeze: float, expected: tuple[int, int]
) -> None:
    crude = {**OPTION_UPSTOX, "segment": "MCX_FO", "instrument_key": "MCX_FO|1", "lot_size": lot_size}
    row = read_upstox(upstox({**crude, "qty_multiplier": multiplier, "freeze_quantity": freeze})).rows[0]
    assert (row.lot_size, row.freeze_quantity) == expected


def test_columns_are_found_by_name_in_any_order_and_among_any_others() -> None:
    header, line = KITE.split(","), SHARE_KITE.split(",")
    turned = csv("new_column," + ",".join(reversed(header)), "?," + ",".join(reversed(line)))
    assert read_kite(turned).rows == read_kite(csv(KITE, SHARE_KITE)).rows


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm() -> None:
    plain = csv(COMPACT, SHARE_COMPACT)
    assert read_dhan(b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n")).rows == read_dhan(plain).rows


def test_upstox_says_in_which_segments_it_knows_the_closing_auction() -> None:
    silent = {name: value for name, value in SHARE_UPSTOX.items() if name != "cas_eligible"}
    assert read_upstox(upstox(SHARE_UPSTOX, silent)).auction_segments == {Segment.NSE_EQ}
    assert read_upstox(upstox(silent)).auction_segments == frozenset()


# Names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("Nifty 50", "NIFTY"),
        ("NIFTY", "NIFTY"),
        ("Nifty Fin Service", "FINNIFTY"),
        ("NIFTY MID SELECT", "MIDCPNIFTY"),
        ("Nifty Next 50", "NIFTYNXT50"),
        ("SNSX50", "SENSEX50"),
        ("Nifty Auto", "NIFTYAUTO"),
        ("India VIX", "INDIAVIX"),
        ("NIFTY100 EQUAL WEIGHT", "NIFTY100EQLWGT"),
        (" - ", ""),
    ],
)
def test_an_index_has_one_name(name: str, ours: str) -> None:
    assert index_symbol(name) == ours
    assert index_symbol(ours) == ours


@pytest.mark.parametrize(
    ("strike", "right", "symbol"),
    [
        (2400000, Right.CALL, "NIFTY-2026-11-24-24000-CE"),
        (37250, Right.PUT, "NIFTY-2026-11-24-372.5-PE"),
        (37205, Right.PUT, "NIFTY-2026-11-24-372.05-PE"),
        (50, Right.PUT, "NIFTY-2026-11-24-0.5-PE"),
        (0, None, "NIFTY-2026-11-24-FUT"),
    ],
)
def test_a_contract_has_one_symbol(strike: int, right: Right | None, symbol: str) -> None:
    assert contract_symbol("NIFTY", date(2026, 11, 24), strike, right) == symbol
