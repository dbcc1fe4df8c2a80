"""What the tests of `UpstoxBroker` share: a broker over a scripted server, and what is asked of it."""

import asyncio
import json

from tests.scripted import Server

from saudagar.brokers.upstox.broker import UpstoxBroker, UpstoxOrderSettings
from saudagar.model import (
    BrokerOrderId,
    ClientOrderId,
    Instrument,
    InstrumentKind,
    NewOrder,
    Order,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    Segment,
    Side,
)
from saudagar.model.errors import (
    UnknownInstrument,
)

TOKEN = "CANARY-TOKEN"
INDEX = Instrument(segment=Segment.NSE_INDEX, symbol="NIFTY", kind=InstrumentKind.INDEX, tick_size=5, upstox_id="I|N")
SHARE = Instrument(
    segment=Segment.NSE_EQ, symbol="SBIN", kind=InstrumentKind.EQUITY, tick_size=5, upstox_id="NSE_EQ|INE062A01020"
)
NAMELESS = Instrument(segment=Segment.NSE_EQ, symbol="NEW", kind=InstrumentKind.EQUITY, tick_size=5)
FUTURE = Instrument(
    segment=Segment.NSE_FNO, symbol="F", kind=InstrumentKind.FUTURE, tick_size=5, upstox_id="NSE_FO|9", lot_size=75
)
GOLD = Instrument(
    segment=Segment.MCX_COMM,
    symbol="GOLDM",
    kind=InstrumentKind.FUTURE,
    tick_size=100,
    lot_size=10,
    upstox_id="MCX_FO|1",
)


class Lookup:
    all = (INDEX, SHARE, NAMELESS, FUTURE, GOLD)

    def get(self, instrument):
        for each in self.all:
            if each.id == instrument:
                return each
        raise UnknownInstrument(f"{instrument} is not known.")

    def by_dhan(self, segment, security_id):
        return None

    def by_upstox(self, instrument_key):
        return next((each for each in self.all if each.upstox_id == instrument_key), None)

    def __iter__(self):
        return iter(self.all)


def on_broker(server: Server, work, timeout=(1.0, 0.4), governor=None, **settings):
    """Run `work(broker)` with the REST side only: the order stream has no address and is never started."""

    async def main():
        broker = UpstoxBroker(
            UpstoxOrderSettings(token=TOKEN, rest_host=f"http://127.0.0.1:{server.port}", timeout=timeout, **settings),
            Lookup(),
            clock=lambda: 77,
            governor=governor,
        )
        await broker.open()
        try:
            return await work(broker)
        finally:
            await broker.stop()

    return asyncio.run(main())


def new_order(**changes) -> NewOrder:
    fields = {
        "order_id": ClientOrderId("DEMO26112000001"),
        "instrument": SHARE.id,
        "side": Side.BUY,
        "terms": OrderTerms(quantity=10, order_type=OrderType.LIMIT, price=81_235),
        "product": Product.INTRADAY,
        "purpose": Purpose.ENTRY,
        "position": PositionId("ema@NSE_EQ:SBIN"),
    }
    return NewOrder(**(fields | changes))


def live_order(broker_id: str = "52", **changes) -> Order:
    new = new_order(**changes)
    return Order(new=new, terms=new.terms, broker_id=BrokerOrderId(broker_id))


def reply(data: object, status: int = 200):
    return lambda *_: (status, json.dumps({"status": "success", "data": data}).encode())


def refusal(code: str, message: str, status: int = 400):
    body = {"status": "error", "errors": [{"errorCode": code, "message": message}]}
    return lambda *_: (status, json.dumps(body).encode())


ACCEPTED = reply({"order_ids": ["52"]})
ROW = {
    "order_id": "52", "tag": "DEMO26112000001", "status": "open", "order_type": "LIMIT", "quantity": 10,
    "filled_quantity": 0, "price": 812.35, "product": "I", "transaction_type": "BUY", "average_price": 0.0,
    "instrument_token": SHARE.upstox_id, "order_timestamp": "2026-11-20 09:15:00", "validity": "DAY",
}  # fmt: skip
