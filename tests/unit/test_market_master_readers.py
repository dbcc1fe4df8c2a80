"""Each oddity of the three file formats, row by row: what a row becomes, or the reason it is left out."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from saudagar.market.master import Reading, contract_symbol, read_dhan, read_kite, read_upstox
from saudagar.market.master.indices import index_symbol
from saudagar.model import InstrumentKind, Right, Segment
from saudagar.model.errors import DataError

COMPACT = (
    "SEM_EXM_EXCH_ID,SEM_SEGMENT,SEM_SMST_SECURITY_ID,SEM_INSTRUMENT_NAME,SEM_EXPIRY_CODE,SEM_TRADING_SYMBOL,"
    "SEM_LOT_UNITS,SEM_CUSTOM_SYMBOL,SEM_EXPIRY_DATE,SEM_STRIKE_PRICE,SEM_OPTION_TYPE,SEM_TICK_SIZE,SEM_EXPIRY_FLAG,"
    "SEM_EXCH_INSTRUMENT_TYPE,SEM_SERIES,SM_SYMBOL_NAME"
)
DETAILED = (
    "EXCH_ID,SEGMENT,SECURITY_ID,ISIN,INSTRUMENT,UNDERLYING_SECURITY_ID,UNDERLYING_SYMBOL,SYMBOL_NAME,DISPLAY_NAME,"
    "INSTRUMENT_TYPE,SERIES,LOT_SIZE,SM_EXPIRY_DATE,STRIKE_PRICE,OPTION_TYPE,TICK_SIZE"
)
KITE = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
    "instrument_type,segment,exchange"
)
SHARE_COMPACT = "NSE,E,2885,EQUITY,0,RELIANCE,1,Reliance Industries,,,,10,NA,ES,EQ,RELIANCE INDUSTRIES LTD"
SHARE_KITE = "738561,2885,RELIANCE,RELIANCE INDUSTRIES,0.0,,0.0,0.1,1,EQ,NSE,NSE"
SHARE_UPSTOX: dict[str, Any] = {
    "segment": "NSE_EQ",
    "name": "RELIANCE INDUSTRIES LTD",
    "exchange": "NSE",
    "isin": "INE002A01018",
    "instrument_type": "EQ",
    "instrument_key": "NSE_EQ|INE002A01018",
    "lot_size": 1,
    "freeze_quantity": 100000.0,
    "exchange_token": "2885",
    "tick_size": 10.0,
    "trading_symbol": "RELIANCE",
    "cas_eligible": True,
}
OPTION_UPSTOX: dict[str, Any] = {
    "segment": "NSE_FO",
    "name": "NIFTY",
    "expiry": 1787682599000,
    "instrument_type": "CE",
    "underlying_symbol": "NIFTY",
    "instrument_key": "NSE_FO|61593",
    "lot_size": 65,
    "freeze_quantity": 1755.0,
    "exchange_token": "61593",
    "tick_size": 5.0,
    "trading_symbol": "NIFTY 24000 CE 25 AUG 26",
    "strike_price": 24000.0,
    "qty_multiplier": 1.0,
}


def csv(header: str, *lines: str) -> bytes:
    return "\n".join((header, *lines, "")).encode()


def upstox(*objects: object) -> bytes:
    return json.dumps(objects).encode()


def fields(reading: Reading, *names: str) -> list[Any]:
    return [getattr(reading.rows[0], name) for name in names]


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


# What bad rows are counted as -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("NSE,C,1,FUTCUR,0,USDINR-Jun2026-FUT,1,x,2026-06-30,,XX,0.25,M,FUT,,", "currency"),
        ("NSE,M,1,FUTCOM,0,ZINC-Jun2026-FUT,1,x,2026-06-30,,XX,1,M,FUT,,", "segment"),
        ("XXX,Z,1,EQUITY,0,BOGUS,1.0,x,,0,,5,NA,ES,EQ,x", "segment"),
        ("NSE,E,1,MYSTERY,0,ABC,1,x,,,,5,NA,ES,EQ,x", "kind"),
        ("NSE,E,1,FUTIDX,0,NIFTY-Jun2026-FUT,65,x,2026-06-30,,XX,5,M,FUT,EQ,", "kind"),
        ("NSE,E,12345,EQUITY,0,151NSETEST,1,x,,,,5,NA,ES,EQ,x", "test row"),
        ("NSE,E,,EQUITY,0,ABC,1,x,,,,5,NA,ES,EQ,x", "id"),
        ("NSE,E,0,EQUITY,0,ABC,1,x,,,,5,NA,ES,EQ,x", "id"),
        ("NSE,E,-7,EQUITY,0,ABC,1,x,,,,5,NA,ES,EQ,x", "id"),
        ("NSE,E,1,EQUITY,0,,1,x,,,,5,NA,ES,EQ,x", "symbol"),
        ("NSE,E,1,EQUITY,0,A:B,1,x,,,,5,NA,ES,EQ,x", "symbol"),
        ("NSE,E,1,EQUITY,0,ABC,1,x,,,,5,NA,ES,N1,x", "series"),
        ("BSE,E,1,EQUITY,0,ABC,1,x,,,,5,NA,DEB,F,x", "series"),
        ("NSE,E,1,EQUITY,0,ABC,1,x,,,,nan,NA,ES,EQ,x", "tick"),
        ("NSE,E,1,EQUITY,0,ABC,1,x,,,,-5,NA,ES,EQ,x", "tick"),
        ("NSE,E,1,EQUITY,0,ABC,1,x,,,,0.25,NA,ES,EQ,x", "tick"),
        ("NSE,E,1,EQUITY,0,ABC,1,x,,,,1_0,NA,ES,EQ,x", "tick"),
        ("NSE,E,1,EQUITY,0,ABC,1,x,,,,1e400,NA,ES,EQ,x", "tick"),
        ("NSE,E,1,EQUITY,0,ABC,1,x,,,,99999999999,NA,ES,EQ,x", "tick"),
        ("NSE,E,1,EQUITY,0,ABC,1.5,x,,,,5,NA,ES,EQ,x", "lot"),
        ("NSE,E,1,EQUITY,0,ABC,0,x,,,,5,NA,ES,EQ,x", "lot"),
        ("NSE,D,1,OPTIDX,0,NIFTY-Jun2026-27650-CE,65,x,2026-06-31,27650,CE,5,M,OP,,", "expiry"),
        ("NSE,D,1,OPTIDX,0,NIFTY-Jun2026-27650-CE,65,x,,27650,CE,5,M,OP,,", "expiry"),
        ("NSE,D,1,OPTIDX,0,NIFTY-Jun2026-27650-CE,65,x,2026-06-30,-0.01,CE,5,M,OP,,", "strike"),
        ("NSE,D,1,OPTIDX,0,NIFTY-Jun2026-27650-CE,65,x,2026-06-30,27650,XX,5,M,OP,,", "right"),
        ("NSE,D,1,OPTIDX,0,NIFTY27650CE,65,x,2026-06-30,27650,CE,5,M,OP,,", "symbol"),
        ("NSE,E,1,EQUITY,0,ABC", "short row"),
    ],
)
def test_a_bad_dhan_row_is_counted_and_the_others_stay(line: str, reason: str) -> None:
    reading = read_dhan(csv(COMPACT, line, SHARE_COMPACT))
    assert [row.symbol for row in reading.rows] == ["RELIANCE"]
    assert reading.refused == {reason: 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,1,USDINR26AUGFUT,USDINR,0,2026-08-26,0,0.0025,1000,FUT,CDS-FUT,CDS", "currency"),
        ("1,1,X,X,0,2026-08-26,0,0.05,1,FUT,NCO-FUT,NCO", "segment"),
        ("738562,2885,ABC,ABC,0,,0,0.05,1,EQ,NSE,NSE", "id"),
        ("738561,2886,ABC,ABC,0,,0,0.05,1,EQ,NSE,NSE", "id"),
        ("abc,2885,ABC,ABC,0,,0,0.05,1,EQ,NSE,NSE", "id"),
        ("738561,2885,ABC,ABC,0,,0,0.0025,1,EQ,NSE,NSE", "tick"),
        ("738561,2885,ABC,ABC,0,,0,0,1,EQ,NSE,NSE", "tick"),
        ("738561,2885,ABC,ABC,0,,0,0.05,-1,EQ,NSE,NSE", "lot"),
        ("738561,2885,ABC-N1,ABC,0,,0,0.05,1,EQ,NSE,NSE", "series"),
        ("738561,2885,NSETEST,ABC,0,,0,0.05,1,EQ,NSE,NSE", "test row"),
        ("738561,2885,ABC,ABC,0,,0,0.05,1,XX,NSE,NSE", "kind"),
        ("738561,2885,ABC,ABC,0,2026-08-26,0,0.05,1,FUT,NSE,NSE", "kind"),
        ("11546626,45104,X,,0.0,2026-08-18,24350.0,0.05,65,CE,NFO-OPT,NFO", "symbol"),
        ("11546626,45104,X,NIFTY,0.0,18-08-2026,24350.0,0.05,65,CE,NFO-OPT,NFO", "expiry"),
        ("11546626,45104,X,NIFTY,0.0,2026-08-18,inf,0.05,65,CE,NFO-OPT,NFO", "strike"),
        ("11546626,45104,X", "short row"),
    ],
)
def test_a_bad_kite_row_is_counted_and_the_others_stay(line: str, reason: str) -> None:
    reading = read_kite(csv(KITE, line, SHARE_KITE))
    assert [row.symbol for row in reading.rows] == ["RELIANCE"]
    assert reading.refused == {reason: 1}


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({**OPTION_UPSTOX, "segment": "NCD_FO", "instrument_key": "NCD_FO|1"}, "currency"),
        ({**OPTION_UPSTOX, "segment": "NSE_COM", "instrument_key": "NSE_COM|1"}, "segment"),
        ({**OPTION_UPSTOX, "segment": "NSE_EQ", "instrument_key": "NSE_EQ|1"}, "kind"),
        ({**OPTION_UPSTOX, "instrument_type": "EQ"}, "kind"),
        ({**OPTION_UPSTOX, "expiry": None}, "expiry"),
        ({**OPTION_UPSTOX, "expiry": -1e18}, "expiry"),
        ({**OPTION_UPSTOX, "expiry": 1e300}, "expiry"),
        ({**OPTION_UPSTOX, "expiry": "2026-08-25"}, "malformed"),
        ({**OPTION_UPSTOX, "strike_price": 0.0}, "strike"),
        ({**OPTION_UPSTOX, "underlying_symbol": "", "name": ""}, "symbol"),
        ({**OPTION_UPSTOX, "lot_size": 0}, "lot"),
        ({**OPTION_UPSTOX, "tick_size": 0.25}, "tick"),
        ({**OPTION_UPSTOX, "exchange_token": ""}, "id"),
        ({**OPTION_UPSTOX, "instrument_key": "BSE_FO|61593"}, "id"),
        ({**OPTION_UPSTOX, "freeze_quantity": -1.0}, "freeze quantity"),
        ({**SHARE_UPSTOX, "instrument_type": "N1"}, "series"),
        (
            {**SHARE_UPSTOX, "segment": "BSE_EQ", "instrument_key": "BSE_EQ|1", "instrument_type": "F"},
            "series",
        ),
        ({**SHARE_UPSTOX, "trading_symbol": "011NSETEST"}, "test row"),
        (
            {**SHARE_UPSTOX, "segment": "NSE_INDEX", "instrument_key": "NSE_INDEX|-", "instrument_type": "INDEX"}
            | {"trading_symbol": "-"},
            "symbol",
        ),
        ({"segment": "NSE_EQ"}, "malformed"),
        ([], "malformed"),
        (None, "malformed"),
        (7, "malformed"),
    ],
)
def test_a_bad_upstox_object_is_counted_and_the_others_stay(found: object, reason: str) -> None:
    reading = read_upstox(upstox(found, SHARE_UPSTOX))
    assert [row.symbol for row in reading.rows] == ["RELIANCE"]
    assert reading.refused == {reason: 1}


# What is no such file -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (read_dhan, b""),
        (read_dhan, b"<html>Service unavailable</html>"),
        (read_dhan, csv(COMPACT)),
        (read_dhan, csv(COMPACT.replace("SEM_TICK_SIZE", "TICK"), SHARE_COMPACT)),
        (read_dhan, csv(COMPACT, SHARE_COMPACT) + b"\xff\xfe"),
        (read_dhan, csv(COMPACT, "NSE,E," + "9" * 200_000)),
        (read_kite, b""),
        (read_kite, csv(COMPACT, SHARE_COMPACT)),
        (read_kite, b'{"status":"error","message":"Incorrect api_key","error_type":"TokenException"}'),
        (read_upstox, b""),
        (read_upstox, b"[]"),
        (read_upstox, b'{"status":"error"}'),
        (read_upstox, upstox(SHARE_UPSTOX)[:-1]),
        # mtime=0: the clock must not be in the name of a test, or two workers collect different ones
        (read_upstox, gzip.compress(upstox(SHARE_UPSTOX), mtime=0)[:-9]),
        (read_upstox, b"\x1f\x8b" + bytes(40)),
        (read_upstox, gzip.compress(b"x" * 99, mtime=0)[:10] + b"\xff" * 40),
    ],
)
def test_what_is_no_such_file_is_a_data_error(read: Callable[[bytes], Reading], data: bytes) -> None:
    with pytest.raises(DataError, match="instrument file"):
        read(data)


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
