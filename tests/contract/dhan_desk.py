"""What the tests of Dhan's account share: a desk with its REST side only, and what it asks for."""

import json

from tests.contract.asked import FUTURE, GOLD, TOKEN, leg, new_order, opened
from tests.contract.conftest import IDEA, MARKET_DAY, NIFTY, RELIANCE
from tests.scripted import Server

from saudagar.brokers.dhan.broker import DhanBroker, DhanSettings
from saudagar.market.master import Master
from saudagar.model import (
    ClientOrderId,
    ConditionalKind,
    ConditionalReport,
    ConditionalStatus,
    LegName,
    NewConditional,
    NewOrder,
    OrderTerms,
    OrderType,
    Product,
    Side,
)

ENTRY, TARGET, STOP = LegName.ENTRY, LegName.TARGET, LegName.STOP
SINGLE, OCO, BRACKET, TRAILING = ConditionalKind
LOOKUP = Master(MARKET_DAY, (RELIANCE, IDEA, NIFTY, FUTURE, GOLD))


def on_account(url: str, work, *, client_id: str = "1000000001", token: str = TOKEN, timeout=(1.0, 0.4)):
    """Run `work(broker)` with the REST side only."""
    settings = DhanSettings(client_id=client_id, token=token, rest_url=url, timeout=timeout)
    return opened(lambda: DhanBroker(settings, LOOKUP, clock=lambda: 77), work)


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
        "terms": OrderTerms(quantity=quantity, order_type=OrderType.LIMIT, price=price),
    }
    return new_order(**fields | changes)


def against(server: Server, work, **options):
    return on_account(f"http://127.0.0.1:{server.port}/v2", work, **options)


def reply(body: object, status: int = 200):
    return lambda *_: (status, json.dumps(body).encode())


def refusal(code: str, message: str, status: int = 400):
    return reply({"errorType": "Order_Error", "errorCode": code, "errorMessage": message}, status)
