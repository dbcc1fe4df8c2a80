"""What the tests of `UpstoxAccount` share: an account through the real SDK, and what is asked of it."""

import json

from tests.contract.asked import FUTURE, GOLD, NAMELESS, TOKEN, leg, opened
from tests.contract.conftest import MARKET_DAY, NIFTY, RELIANCE

from saudagar.brokers.upstox.broker import UpstoxBroker, UpstoxOrderSettings
from saudagar.market.master import Master
from saudagar.model import (
    BrokerOrderId,
    ClientOrderId,
    ConditionalKind,
    ConditionalReport,
    ConditionalStatus,
    LegName,
    NewConditional,
    NewOrder,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    Side,
)

LOOKUP = Master(MARKET_DAY, (RELIANCE, NIFTY, FUTURE, GOLD, NAMELESS))


def on_account(host, work, token=TOKEN, **settings):
    """Run `work(account)` without the order stream."""
    asked = UpstoxOrderSettings(token=token, rest_host=host, timeout=(1.0, 0.4), **settings)
    return opened(lambda: UpstoxBroker(asked, LOOKUP, clock=lambda: 77), lambda broker: work(broker.account))


def on_server(server, work, **settings):
    return on_account(f"http://127.0.0.1:{server.port}", work, **settings)


def reply(data, status=200, **more):
    return lambda *_: (status, json.dumps({"status": "success", "data": data} | more).encode())


def refusal(code, message, status=400):
    body = {"status": "error", "errors": [{"errorCode": code, "message": message}]}
    return lambda *_: (status, json.dumps(body).encode())


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
