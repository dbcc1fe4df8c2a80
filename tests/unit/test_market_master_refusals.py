"""The readers of the brokers' instrument files: what bad rows are counted as, and what is no such file."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
from tests.master_rows import COMPACT, KITE, OPTION_UPSTOX, SHARE_COMPACT, SHARE_KITE, SHARE_UPSTOX, csv, upstox

from saudagar.market.master import Reading, read_dhan, read_kite, read_upstox
from saudagar.model.errors import DataError

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
