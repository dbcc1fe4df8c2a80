"""What the tests of Dhan's account share: a desk with its REST side only, and what it asks for."""

import asyncio
import json

from tests.contract.conftest import IDEA, NIFTY, RELIANCE
from tests.scripted import Server

from saudagar.brokers.dhan.broker import DhanBroker, DhanSettings
from saudagar.model import (
    ClientOrderId,
    ConditionalKind,
    ConditionalLeg,
    ConditionalReport,
    ConditionalStatus,
    Conversion,
    Instrument,
    InstrumentKind,
    LegName,
    NewConditional,
    NewOrder,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    Segment,
    Side,
)
from saudagar.model.errors import UnknownInstrument

TOKEN = "CANARY-TOKEN"
FUTURE = Instrument(
    segment=Segment.NSE_FNO, symbol="F", kind=InstrumentKind.FUTURE, tick_size=5, dhan_id="9", lot_size=50
)
ENTRY, TARGET, STOP = LegName.ENTRY, LegName.TARGET, LegName.STOP
SINGLE, OCO, BRACKET, TRAILING = ConditionalKind


class Lookup:
    all = (RELIANCE, IDEA, NIFTY, FUTURE)

    def get(self, instrument):
        for each in self.all:
            if each.id == instrument:
                return each
        raise UnknownInstrument(f"{instrument} is not known.")

    def by_dhan(self, segment, security_id):
        return next((i for i in self.all if (i.segment.value, i.dhan_id) == (segment, security_id)), None)

    def by_upstox(self, instrument_key):
        return None

    def __iter__(self):
        return iter(self.all)


def on_account(url: str, work, *, client_id: str = "1000000001", token: str = TOKEN, timeout=(1.0, 0.4)):
    """Run `work(broker)` with the REST side only."""

    async def main():
        settings = DhanSettings(client_id=client_id, token=token, rest_url=url, timeout=timeout)
        broker = DhanBroker(settings, Lookup(), clock=lambda: 77)
        await broker.open()
        try:
            return await work(broker)
        finally:
            await broker.stop()

    return asyncio.run(main())


def leg(name: LegName, trigger: int = 0, price: int = 0, trail: int = 0) -> ConditionalLeg:
    return ConditionalLeg(name=name, trigger=trigger, price=price, trail=trail)


LEGS = {
    SINGLE: (leg(ENTRY, 1_280_00, 1_281_00),),
    OCO: (leg(TARGET, 1_320_00, 1_320_00), leg(STOP, 1_280_00, 1_279_00)),
    BRACKET: (leg(ENTRY, 0, 1_290_00), leg(TARGET, 1_330_00, 1_330_00), leg(STOP, 1_270_00)),
    TRAILING: (leg(ENTRY, 0, 1_290_00), leg(TARGET, 1_330_00), leg(STOP, 1_270_00, 0, 5_00)),
}


def new(kind: ConditionalKind = SINGLE, **changes) -> NewConditional:
    bracket = kind in (BRACKET, TRAILING)
    fields = {
        "order_id": ClientOrderId("DEMO26112000001"),
        "kind": kind,
        "instrument": RELIANCE.id,
        "side": Side.SELL if kind is OCO else Side.BUY,
        "quantity": 3,
        "product": Product.INTRADAY if bracket else Product.DELIVERY,
        "legs": LEGS[kind],
        "last_price": 1_300_00,
    }
    return NewConditional(**fields | changes)


def report(kind: ConditionalKind = SINGLE, broker_id: str = "52", **changes) -> ConditionalReport:
    asked = new(kind)
    fields = {
        "broker_id": broker_id,
        "kind": kind,
        "status": ConditionalStatus.ACTIVE,
        "instrument": asked.instrument,
        "side": asked.side,
        "quantity": asked.quantity,
        "product": asked.product,
        "legs": asked.legs,
    }
    return ConditionalReport(**fields | changes)


def order(number: int = 1, quantity: int = 10, price: int = 1_310_00, **changes) -> NewOrder:
    fields = {
        "order_id": ClientOrderId(f"A{number:05}"),
        "instrument": RELIANCE.id,
        "side": Side.BUY,
        "terms": OrderTerms(quantity=quantity, order_type=OrderType.LIMIT, price=price),
        "product": Product.INTRADAY,
        "purpose": Purpose.ENTRY,
        "position": PositionId("t"),
    }
    return NewOrder(**fields | changes)


def conversion(**changes) -> Conversion:
    fields = {
        "instrument": RELIANCE.id,
        "side": Side.BUY,
        "quantity": 4,
        "held": Product.INTRADAY,
        "wanted": Product.DELIVERY,
    }
    return Conversion(**fields | changes)


def against(server: Server, work, **options):
    return on_account(f"http://127.0.0.1:{server.port}/v2", work, **options)


def reply(body: object, status: int = 200):
    return lambda *_: (status, json.dumps(body).encode())


def refusal(code: str, message: str, status: int = 400):
    return reply({"errorType": "Order_Error", "errorCode": code, "errorMessage": message}, status)
