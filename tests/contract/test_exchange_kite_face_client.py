"""The real `KiteTicker` against the Kite face, in a child process: its reactor can be started only once."""

from __future__ import annotations

import asyncio
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
import websocket
from kiteconnect import KiteConnect
from kiteconnect.exceptions import PermissionException, TokenException

from saudagar.exchange.kite import ticker
from saudagar.exchange.process import Account, ExchangeConfig, ExchangeProcess, SyntheticSource

ACCOUNT = Account()
RELIANCE, NIFTY = 738561, 256265
CHILD = """
import json, sys
from kiteconnect import KiteTicker

def say(kind, value=None):
    print(json.dumps([kind, value], default=str), flush=True)

root, key, token = sys.argv[1:]
ticker = KiteTicker(key, token, root=root, reconnect_max_delay=5, reconnect_max_tries=2)
first = []

def connected(ws, response):
    say("connect")
    if not first:  # the client subscribes again by itself
        first.append(True)
        ws.subscribe([738561, 256265])
        ws.set_mode(ws.MODE_FULL, [738561, 256265])

ticker.on_connect = connected
ticker.on_ticks = lambda ws, ticks: say("ticks", ticks)
ticker.on_order_update = lambda ws, order: say("order", order)
ticker.on_error = lambda ws, code, reason: say("error", [code, reason])
ticker.on_close = lambda ws, code, reason: say("close", code)
ticker.connect()
"""


class Child:
    """The client's process and what it says, line by line."""

    def __init__(self, market: Any, token: str) -> None:
        root = f"ws://127.0.0.1:{market.exchange.ports.kite}"
        command = [sys.executable, "-c", CHILD, root, ACCOUNT.kite_key, token]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._lines: queue.Queue[list[Any]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._lines.put(json.loads(line))

    def next(self, kind: str, seconds: float = 30.0) -> Any:
        """The value of the next line of `kind`."""
        while True:
            said, value = self._lines.get(timeout=seconds)
            if said == kind:
                return value

    def close(self) -> None:
        self._child.kill()
        self._reader.join(5)
        with self._child:
            pass


@pytest.fixture
def start() -> Iterator[Any]:
    children: list[Child] = []

    def make(market: Any, token: str = ACCOUNT.kite_token) -> Child:
        children.append(Child(market, token))
        return children[-1]

    yield make
    for child in children:
        child.close()


def test_the_real_ticker_gets_quotes_and_orders_and_comes_back(scripted_market: Any, start: Any) -> None:
    market = scripted_market()
    child = start(market)
    child.next("connect")
    assert {tick["instrument_token"] for tick in child.next("ticks")} == {RELIANCE, NIFTY}
    full = {tick["instrument_token"]: tick for tick in child.next("ticks")}
    assert (full[RELIANCE]["mode"], full[RELIANCE]["last_price"]) == ("full", 1300)
    kite = KiteConnect(ACCOUNT.kite_key, ACCOUNT.kite_token, root=f"http://127.0.0.1:{market.exchange.ports.kite}")
    order_id = kite.place_order("regular", "NSE", "RELIANCE", "BUY", 10, "MIS", "LIMIT", 1301.0, tag="A1")
    orders = [child.next("order"), child.next("order")]
    assert [(each["order_id"], each["status"]) for each in orders] == [(order_id, "OPEN"), (order_id, "COMPLETE")]
    market.call(_disconnect(market))
    child.next("close")
    child.next("connect")
    again = [tick for _ in range(2) for tick in child.next("ticks")]
    assert {(tick["instrument_token"], tick["mode"]) for tick in again} >= {(RELIANCE, "full"), (NIFTY, "full")}


async def _disconnect(market: Any) -> None:
    market.exchange.kite.ticker.disconnect()


def test_the_real_ticker_is_refused_with_a_wrong_token(scripted_market: Any, start: Any) -> None:
    child = start(scripted_market(), "wrong")
    code, reason = child.next("error")
    assert code == 1006
    assert "403" in reason


def test_the_exchange_process_serves_kite() -> None:
    config = ExchangeConfig(source=SyntheticSource(seed=3, instruments=3, end="09:16"), hold=True)
    with ExchangeProcess(config) as exchange:
        kite = KiteConnect(ACCOUNT.kite_key, ACCOUNT.kite_token, root=exchange.kite_url)
        assert [row["tradingsymbol"] for row in kite.instruments()] == ["NIFTY 50", "RELIANCE", "HDFCBANK"]
        with closing(websocket.create_connection(_address(exchange), timeout=10)) as line:
            line.send('{"a": "subscribe", "v": [738561]}')
            _wait(lambda: exchange.state()["done"])  # held until somebody subscribed
        assert exchange.state()["kite_frames"] > 0
        exchange.set_switches(kite={"wrong_ip": True})
        with pytest.raises(PermissionException):
            kite.place_order("regular", "NSE", "RELIANCE", "BUY", 1, "MIS", "LIMIT", 1400.0)
        exchange.set_switches(kite={})
        exchange.set_tokens(kite="another")
        with pytest.raises(TokenException):
            kite.profile()
        kite.set_access_token("another")
        assert kite.profile()["user_id"] == ACCOUNT.kite_user
        answer = kite.reqsession.get(f"{exchange.kite_login_url}?api_key={ACCOUNT.kite_key}", allow_redirects=False)
        assert answer.headers["Location"].startswith(f"{ACCOUNT.kite_redirect}?")
        assert kite.reqsession.get(exchange.kite_master_url).text.startswith("instrument_token,")


def _address(exchange: ExchangeProcess) -> str:
    return f"{exchange.kite_ticker_url}?api_key={ACCOUNT.kite_key}&access_token={ACCOUNT.kite_token}"


def _wait(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < deadline, "the day did not end"
        time.sleep(0.05)


class _Deaf:
    """A socket that never finishes a write until it is aborted."""

    def __init__(self) -> None:
        self.aborted = asyncio.Event()

    async def send_bytes(self, data: bytes) -> None:
        await self.aborted.wait()
        raise ConnectionResetError

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str) -> None:
        return None


def test_a_client_that_does_not_read_is_cut_off(monkeypatch: Any) -> None:
    monkeypatch.setattr(ticker, "_SLOW_SECONDS", 0.05)
    monkeypatch.setattr(ticker, "abort", lambda transport: transport.aborted.set())

    async def run() -> bool:
        deaf: Any = _Deaf()
        line = ticker._Socket(deaf, deaf)
        pump = asyncio.create_task(line.pump())
        line.put(b"first")
        line.put(b"second")
        await line.flush()
        await asyncio.wait_for(line.flush(), 1)  # nothing is left to wait for
        line.put(b"third")  # goes nowhere
        pump.cancel()
        await asyncio.wait([pump])
        return bool(deaf.aborted.is_set())

    assert asyncio.run(run())
