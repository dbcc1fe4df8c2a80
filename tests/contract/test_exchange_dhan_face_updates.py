"""Dhan's order-update socket through the real `OrderUpdate`."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import dhanhq.orderupdate
import pytest
from dhanhq import DhanContext, OrderUpdate
from websockets.sync.client import connect

from saudagar.exchange.process import Account
from saudagar.exchange.streams import CUT

ACCOUNT = Account()


class Listener:
    """The SDK's socket in a thread, its messages in a list."""

    def __init__(self, market: Any, token: str = ACCOUNT.dhan_token) -> None:
        self.messages: list[Any] = []
        self.ended: list[BaseException | None] = []
        self._update = OrderUpdate(DhanContext(ACCOUNT.client_id, token))
        self._update.order_feed_wss = f"ws://127.0.0.1:{market.exchange.ports.dhan}/order-update"
        self._update.on_update = self.messages.append
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            asyncio.run(self._update.connect_order_update())
            self.ended.append(None)
        except Exception as error:
            self.ended.append(error)

    def wait(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not ready():
            assert time.monotonic() < deadline, self.messages
            time.sleep(0.002)

    def data(self, count: int) -> list[dict[str, Any]]:
        self.wait(lambda: len(self.messages) >= count)
        assert all(message["Type"] == "order_alert" for message in self.messages)
        return [message["Data"] for message in self.messages]

    def join(self) -> None:
        self._thread.join(5)
        assert not self._thread.is_alive()


@pytest.fixture
def listen(scripted_market: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Any, Listener]]]:
    monkeypatch.setattr(dhanhq.orderupdate, "print", lambda *_: None, raising=False)  # it prints the token
    listeners: list[Listener] = []
    with ExitStack() as stack:

        def make(**options: Any) -> tuple[Any, Listener]:
            market = scripted_market(**options)
            stack.callback(lambda: [each.join() for each in listeners])
            stack.callback(hang_up, market)
            listeners.append(Listener(market))
            market.wait(lambda: market.exchange.updates.sent is not None)
            return market, listeners[-1]

        yield make


def hang_up(market: Any) -> None:
    async def disconnect() -> None:
        market.exchange.updates.disconnect()

    market.call(disconnect())


def place(market: Any, **words: Any) -> Any:
    from dhanhq import dhanhq as client

    context = DhanContext(ACCOUNT.client_id, ACCOUNT.dhan_token)
    context.get_dhan_http().base_url = f"{market.base}/v2"
    asked = {"order_type": "MARKET", "price": 0, "quantity": 250, "tag": "A1", "product_type": "INTRADAY"} | words
    return client(context).place_order("2885", "NSE_EQ", "BUY", **asked)["data"]


def test_each_change_is_one_message_in_the_documented_words(listen: Any) -> None:
    market, listener = listen()
    placed = place(market)
    first, *fills = listener.data(4)
    assert (first["Status"], first["TradedQty"], first["ReasonDescription"]) == ("Pending", 0, "CONFIRMED")
    assert [(each["Status"], each["TradedQty"], each["TradedPrice"]) for each in fills] == [
        ("Part_Traded", 100, 1300.1),
        ("Part_Traded", 200, 1300.2),
        ("Traded", 250, 1300.3),
    ]
    last = fills[-1]
    assert last["OrderNo"] == placed["orderId"]
    assert (last["CorrelationId"], last["SecurityId"], last["ClientId"]) == ("A1", "2885", ACCOUNT.client_id)
    assert (last["Product"], last["TxnType"], last["OrderType"], last["Source"]) == ("I", "B", "MKT", "P")
    assert (last["Quantity"], last["RemainingQuantity"], last["AvgTradedPrice"]) == (250, 0, 1300.18)
    assert (last["OrderDateTime"], last["LegNo"], last["OffMktFlag"]) == ("2026-11-20 09:15:00", 1, "0")
    assert market.exchange.updates.sent == 4


def test_a_resting_order_that_the_market_reaches_is_told_before_the_frame_goes_out(listen: Any) -> None:
    market, listener = listen(prices=(1_300_00, 1_300_00, 1_289_00, 1_289_00))
    place(market, order_type="LIMIT", price=1290.0, quantity=50)
    assert [each["Status"] for each in listener.data(1)] == ["Pending"]
    market.step(2)
    filled = listener.data(2)[-1]
    assert (filled["Status"], filled["TradedPrice"], filled["LastUpdatedTime"]) == (
        "Traded",
        1290.0,
        "2026-11-20 09:15:02",
    )


def test_what_the_risk_desk_refuses_is_rejected_on_the_stream(listen: Any) -> None:
    market, listener = listen()
    placed = place(market, order_type="LIMIT", price=5000.0)
    [rejected] = listener.data(1)
    assert (rejected["Status"], rejected["OrderNo"], rejected["TradedQty"]) == ("Rejected", placed["orderId"], 0)
    assert rejected["ReasonDescription"].startswith("RMS:")
    assert market.exchange.updates.sent == 1


@pytest.mark.parametrize(
    ("kind", "expected", "alive"),
    [("duplicate", 3, True), ("stale_feed", 1, True), ("disconnect", 0, False), ("drop_after_accept", 1, False)],
)
def test_faults_on_the_stream(listen: Any, kind: str, expected: int, alive: bool) -> None:
    market, listener = listen(faults={"rules": [{"kind": kind, "endpoint": "dhan.updates", "count": 1}]})
    place(market, quantity=50)  # two changes: accepted, traded
    if alive:
        assert len(listener.data(expected)) == expected == market.exchange.updates.sent
        return
    listener.wait(lambda: bool(listener.ended))
    assert len(listener.messages) == expected
    assert market.exchange.updates.sent == CUT  # lock-step waits until the desk is back


def test_a_garbled_message_is_no_json_and_a_delayed_one_comes_late(listen: Any) -> None:
    market, listener = listen(faults={"rules": [{"kind": "garbled", "endpoint": "dhan.updates", "count": 1}]})
    place(market, quantity=50)
    listener.wait(lambda: bool(listener.ended))  # the SDK's reader dies of it
    assert type(listener.ended[0]).__name__ == "JSONDecodeError"
    rules = [{"kind": "delay", "delay": 0.1, "endpoint": "dhan.updates", "count": 1}]
    market, listener = listen(faults={"rules": rules})
    begun = time.monotonic()
    place(market, quantity=50)
    assert market.exchange.updates.sent == 2  # counted when handed over, so that lock-step waits for it
    assert [each["Status"] for each in listener.data(2)] == ["Pending", "Traded"]
    assert time.monotonic() - begun >= 0.1


@pytest.mark.parametrize(
    "login",
    [
        "garbage",
        '{"LoginReq": {"MsgCode": 42, "ClientId": "1000000001", "Token": "wrong"}, "UserType": "SELF"}',
        '{"LoginReq": {"MsgCode": 1, "ClientId": "1000000001", "Token": "simulated-dhan-token"}, "UserType": "SELF"}',
    ],
)
def test_a_bad_login_is_hung_up_on(scripted_market: Any, login: str) -> None:
    market = scripted_market()
    with connect(f"ws://127.0.0.1:{market.exchange.ports.dhan}/order-update") as ws:
        ws.send(login)
        with pytest.raises(Exception, match="1008"):
            ws.recv(5)
    assert market.exchange.updates.sent is None


def test_every_socket_hears_and_the_newest_is_counted(listen: Any) -> None:
    market, first = listen()
    place(market, quantity=50)
    first.data(2)
    second = Listener(market)
    market.wait(lambda: market.exchange.updates.sent == 0)
    place(market, quantity=50)
    assert len(first.data(4)) == 4
    assert len(second.data(2)) == 2 == market.exchange.updates.sent
    hang_up(market)
    second.join()
