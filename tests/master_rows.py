"""Rows of the brokers' instrument files, good ones, to be changed by the tests that read them."""

from __future__ import annotations

import json
from typing import Any

from saudagar.market.master import Reading

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
