"""What the tests of `UpstoxBroker` share: a broker over a scripted server, and what is asked of it."""

import json

from tests.contract.asked import FUTURE, GOLD, INDEX, NAMELESS, SHARE, TOKEN, opened
from tests.contract.conftest import MARKET_DAY
from tests.scripted import Server

from saudagar.brokers.upstox.broker import UpstoxBroker, UpstoxOrderSettings
from saudagar.market.master import Master

LOOKUP = Master(MARKET_DAY, (INDEX, SHARE, NAMELESS, FUTURE, GOLD))


def on_broker(server: Server, work, timeout=(1.0, 0.4), governor=None, **settings):
    """Run `work(broker)` with the REST side only: the order stream has no address and is never started."""
    url = f"http://127.0.0.1:{server.port}"
    asked = UpstoxOrderSettings(token=TOKEN, rest_host=url, timeout=timeout, **settings)
    return opened(lambda: UpstoxBroker(asked, LOOKUP, clock=lambda: 77, governor=governor), work)


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
