"""What the tests of `UpstoxAccount` share: an account through the real SDK, and what is asked of it."""

import asyncio
import json

from tests.contract.conftest import NIFTY, RELIANCE

from saudagar.brokers.upstox.broker import UpstoxBroker, UpstoxOrderSettings
from saudagar.model import (
    BrokerOrderId,
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
from saudagar.model.errors import (
    UnknownInstrument,
)

TOKEN = "CANARY-TOKEN"
FUTURE = Instrument(
    segment=Segment.NSE_FNO, symbol="F", kind=InstrumentKind.FUTURE, tick_size=5, upstox_id="NSE_FO|9", lot_size=75
)
GOLD = Instrument(
    segment=Segment.MCX_COMM, symbol="GOLDM", kind=InstrumentKind.FUTURE, tick_size=100, lot_size=10,
    upstox_id="MCX_FO|1",
)  # fmt: skip
NAMELESS = Instrument(segment=Segment.NSE_EQ, symbol="NEW", kind=InstrumentKind.EQUITY, tick_size=5)


class Lookup:
    all = (RELIANCE, NIFTY, FUTURE, GOLD, NAMELESS)

    def get(self, instrument):
        for each in self.all:
            if each.id == instrument:
                return each
        raise UnknownInstrument(f"{instrument} is not known.")

    def by_upstox(self, key):
        return next((each for each in self.all if each.upstox_id == key), None)


def on_account(host, work, token=TOKEN, **settings):
    """Run `work(account)` without the order stream."""

    async def main():
        asked = UpstoxOrderSettings(token=token, rest_host=host, timeout=(1.0, 0.4), **settings)
        broker = UpstoxBroker(asked, Lookup(), clock=lambda: 77)
        await broker.open()
        try:
            return await work(broker.account)
        finally:
            await broker.stop()

    return asyncio.run(main())


def on_server(server, work, **settings):
    return on_account(f"http://127.0.0.1:{server.port}", work, **settings)


def reply(data, status=200, **more):
    return lambda *_: (status, json.dumps({"status": "success", "data": data} | more).encode())


def refusal(code, message, status=400):
    body = {"status": "error", "errors": [{"errorCode": code, "message": message}]}
    return lambda *_: (status, json.dumps(body).encode())


def conversion(**changes):
    fields = {"instrument": RELIANCE.id, "side": Side.BUY, "quantity": 5}
    return Conversion(**fields | {"held": Product.INTRADAY, "wanted": Product.DELIVERY} | changes)


def leg(name, trigger=0, price=0, trail=0):
    return ConditionalLeg(name=name, trigger=trigger, price=price, trail=trail)


SINGLE = (leg(LegName.ENTRY, 1_310_00, 1_310_00),)
BRACKET = (leg(LegName.ENTRY, 0, 1_301_00), leg(LegName.TARGET, 1_350_00, 1_350_00), leg(LegName.STOP, 1_280_00))


def conditional(kind=ConditionalKind.SINGLE, legs=SINGLE, **changes):
    fields = {
        "order_id": ClientOrderId("P1"), "kind": kind, "instrument": RELIANCE.id, "side": Side.BUY, "quantity": 10,
        "product": Product.DELIVERY, "legs": legs, "last_price": 1_300_00,
    }  # fmt: skip
    return NewConditional(**fields | changes)


def known(broker_id="GTT-C1", asked=None):
    asked = asked or conditional()
    return ConditionalReport(
        broker_id=BrokerOrderId(broker_id), kind=asked.kind, status=ConditionalStatus.ACTIVE,
        instrument=asked.instrument, side=asked.side, quantity=asked.quantity, product=asked.product, legs=asked.legs,
    )  # fmt: skip


def order(price=1_300_00, instrument=RELIANCE, product=Product.INTRADAY, quantity=10, kind=OrderType.LIMIT):
    return NewOrder(
        order_id=ClientOrderId("T1"), instrument=instrument.id, side=Side.BUY, product=product,
        terms=OrderTerms(quantity=quantity, order_type=kind, price=price), purpose=Purpose.ENTRY,
        position=PositionId("p"),
    )  # fmt: skip
