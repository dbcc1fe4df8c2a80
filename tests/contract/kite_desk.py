"""A scripted server that speaks as Kite does, and a broker that asks it."""

import json
from contextlib import contextmanager
from datetime import date
from urllib.parse import parse_qsl

from tests import scripted
from tests.contract.asked import INDEX, NAMELESS, SHARE, TOKEN, opened

from saudagar.brokers.kite.broker import KiteBroker
from saudagar.brokers.kite.client import KiteSettings
from saudagar.market.master import Master
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

KEY = "CANARY-KEY"


LEAD = Instrument(
    segment=Segment.MCX_COMM,
    symbol="LEAD",
    kind=InstrumentKind.FUTURE,
    tick_size=5,
    lot_size=1_000,
    kite_id="53496327",
    kite_symbol="LEAD26DECFUT",
)
LOOKUP = Master(date(2026, 11, 20), (INDEX, SHARE, NAMELESS, LEAD))
YES = (200, b'{"status":"success","data":{"order_id":"77"}}')


def ok(data) -> tuple[int, bytes]:
    return 200, json.dumps({"status": "success", "data": data}).encode()


def error(status, kind, message="no") -> tuple[int, bytes]:
    return status, json.dumps({"status": "error", "message": message, "error_type": kind}).encode()


class Server(scripted.Server):
    """Kite's way: it is asked in forms, and its SDK wants to be told that the answer is JSON."""

    def parsed(self, body: bytes) -> dict:
        return dict(parse_qsl(body.decode()))

    def _reply(self, client, answer) -> bool:
        if isinstance(answer, tuple) and len(answer) == 2:
            answer = (*answer, "Content-Type: application/json\r\n")
        return super()._reply(client, answer)


@contextmanager
def kite_server():
    """Says yes until the test tells it otherwise."""
    server = Server()
    server.answer = lambda *_: YES
    yield server
    server.close()


def settings_of(server: Server, timeout=(1.0, 0.4), **more) -> KiteSettings:
    return KiteSettings(api_key=KEY, token=TOKEN, rest_url=f"http://127.0.0.1:{server.port}", timeout=timeout, **more)


def on_broker(server: Server, work, *, governor=None, **more):
    """Run `work(broker)` with the REST side only."""
    settings = settings_of(server, **more)
    return opened(lambda: KiteBroker(settings, LOOKUP, clock=lambda: 77, governor=governor), work)


def new_order(**changes) -> NewOrder:
    fields = {
        "order_id": ClientOrderId("D26112000001"),
        "instrument": SHARE.id,
        "side": Side.BUY,
        "terms": OrderTerms(quantity=10, order_type=OrderType.LIMIT, price=81_250),
        "product": Product.INTRADAY,
        "purpose": Purpose.ENTRY,
        "position": PositionId("t"),
    }
    return NewOrder(**fields | changes)


def placed(new: NewOrder | None = None, number: str = "77") -> Order:
    new = new or new_order()
    return Order(new=new, terms=new.terms, broker_id=BrokerOrderId(number))


REQUESTS = {
    "submit": lambda broker: broker.submit(new_order()),
    "modify": lambda broker: broker.modify(placed(), new_order().terms),
    "cancel": lambda broker: broker.cancel(placed()),
}
