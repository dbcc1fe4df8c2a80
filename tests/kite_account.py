"""Instruments and recorded answers for the tests of Kite's account."""

import json
from datetime import date
from pathlib import Path

import pytest

from saudagar.market.master import Master
from saudagar.model import (
    Instrument,
    InstrumentKind,
    Segment,
)

RECORDED = Path(__file__).resolve().parents[1] / "../shared/fixtures/kite/rest"


def known(segment, symbol, kind, number, **more) -> Instrument:
    return Instrument(
        segment=segment, symbol=symbol, kind=kind, tick_size=5, kite_id=number, kite_symbol=symbol, **more
    )


INFY = known(Segment.NSE_EQ, "INFY", InstrumentKind.EQUITY, "408065")
RAIN = known(Segment.NSE_EQ, "RAIN", InstrumentKind.EQUITY, "3926273")
LEAD = known(Segment.MCX_COMM, "LEAD", InstrumentKind.FUTURE, "53496327", lot_size=1_000)
LOOKUP = Master(date(2026, 11, 20), (INFY, RAIN, LEAD))


def recorded(name):
    path = RECORDED / f"{name}.json"
    if not path.exists():
        pytest.skip("Kite's mock answers are not part of the project")
    return json.loads(path.read_text())["data"]


def ordered(price=702.5, result=None, **changes):
    return {
        "product": "CNC",
        "order_type": "LIMIT",
        "transaction_type": "BUY",
        "quantity": 3,
        "price": price,
        "result": result,
    } | changes


def trigger(*orders, values=(702.0,), kind="single", **changes):
    condition = {
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "instrument_token": 408065,
        "trigger_values": list(values),
        "last_price": 798,
    }
    return {
        "id": 112127,
        "type": kind,
        "status": "active",
        "created_at": "2026-11-20 09:15:00",
        "updated_at": "2026-11-20 09:15:02",
        "condition": condition,
        "orders": list(orders or [ordered()]),
        "meta": {},
    } | changes
