"""What no broker's client sends: each face says no in its own envelope, and goes on."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

import aiohttp
import pytest

from saudagar.exchange.process import Account

ACCOUNT = Account()
DEEP = b'{"a":' * 20_000
HEADERS = {
    "dhan": {"access-token": ACCOUNT.dhan_token, "client-id": ACCOUNT.client_id},
    "upstox": {"Authorization": f"Bearer {ACCOUNT.upstox_token}"},
    "kite": {"Authorization": f"token {ACCOUNT.kite_key}:{ACCOUNT.kite_token}"},
    "control": {},
}
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
ORDER = b"exchange=NSE&tradingsymbol=RELIANCE&transaction_type=BUY&product=MIS&order_type=LIMIT&"
HUGE = b"9" * 18  # cut at the freeze quantity these are more orders than there is memory
SLICED = (
    b'{"transactionType":"SELL","exchangeSegment":"NSE_EQ","productType":"INTRADAY","securityId":"2885",'
    b'"orderType":"LIMIT","price":1300.0,"quantity":' + HUGE + b"}"
)
CONVERTED = (
    b'{"fromProductType":"INTRADAY","exchangeSegment":"NSE_EQ","positionType":"LONG","securityId":"2885",'
    b'"toProductType":"CNC","convertQty":"' + b"9" * 5_000 + b'"}'
)
UPSTOX = (
    b'{"product":"I","validity":"DAY","price":1300.0,"instrument_token":"NSE_EQ|INE002A01018","order_type":"LIMIT",'
    b'"transaction_type":"SELL","slice":true,"quantity":' + HUGE + b"}"
)
REQUESTS = [
    ("dhan", "POST", "/v2/orders", "application/json", DEEP),
    ("dhan", "POST", "/v2/charts/intraday", "application/json", DEEP),
    ("dhan", "GET", f"/v2/trades/2026-11-20/2026-11-20/{'9' * 4_400}", "", b""),
    ("upstox", "POST", "/v3/order/place", "application/json", DEEP),
    ("upstox", "POST", "/v2/login/authorization/token", MULTIPART, b"x"),
    ("kite", "POST", "/orders/regular", MULTIPART, b"x"),
    ("kite", "POST", "/orders/regular", FORM, b"quantity=\xff"),
    ("kite", "POST", "/orders/regular", FORM, ORDER + b"quantity=" + b"9" * 5_000),
    ("kite", "POST", "/orders/regular", FORM, ORDER + b"quantity=1&price=1e9999999"),
    ("kite", "POST", "/orders/regular", FORM, ORDER + b"quantity=1&price=1e999999"),
    ("kite", "POST", "/margins/orders", "application/json", DEEP),
    ("kite", "POST", "/portfolio/holdings/authorise", MULTIPART, b"x"),
    ("kite", "GET", f"/instruments/historical/{'9' * 4_400}/minute", "", b""),
    ("kite", "GET", "/connect/login?api_key=simulatedkitekey&redirect_url=http%3A%2F%2F%5B", "", b""),
    ("dhan", "POST", "/v2/orders/slicing", "application/json", SLICED),
    ("dhan", "POST", "/v2/margincalculator", "application/json", SLICED),
    ("dhan", "POST", "/v2/margincalculator", "application/json", SLICED.replace(HUGE, b"1").replace(b"1300.0", b"-1")),
    ("dhan", "POST", "/v2/positions/convert", "application/json", CONVERTED),
    ("upstox", "POST", "/v3/order/place", "application/json", UPSTOX),
    ("upstox", "POST", "/v3/order/place", "application/json", UPSTOX.replace(b"true", b"false")),
    ("control", "POST", "/faults", "application/json", DEEP),
    ("control", "POST", "/tokens", "application/json", DEEP),
]


@pytest.fixture(scope="module")
def faces() -> Any:
    from tests.contract.conftest import Market, ScriptedDay

    market = Market(ScriptedDay())
    yield market
    market.close()


@pytest.mark.parametrize(("face", "method", "path", "kind", "body"), REQUESTS)
def test_nonsense_is_refused(faces: Any, face: str, method: str, path: str, kind: str, body: bytes) -> None:
    url = f"http://127.0.0.1:{getattr(faces.exchange.ports, face)}{path}"
    headers = HEADERS[face] | ({"Content-Type": kind} if kind else {})
    request = urllib.request.Request(url, body or None, headers, method=method)  # our own server
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    with refused.value as answer:
        assert answer.code == 400
        assert json.loads(answer.read())


SOCKETS = [
    ("kite", f"/?api_key={ACCOUNT.kite_key}&access_token={ACCOUNT.kite_token}", '{"a":"mode","v":["full",null]}'),
    ("kite", f"/?api_key={ACCOUNT.kite_key}&access_token={ACCOUNT.kite_token}", DEEP.decode()),
    ("dhan", f"/feed?version=2&token={ACCOUNT.dhan_token}&clientId={ACCOUNT.client_id}&authType=2", DEEP.decode()),
    ("upstox", "/v3/feed/market-data-feed", DEEP.decode()),
]


@pytest.mark.parametrize(("face", "path", "text"), SOCKETS)
def test_a_socket_outlives_nonsense(faces: Any, face: str, path: str, text: str) -> None:
    async def ask() -> bool:
        url = f"ws://127.0.0.1:{getattr(faces.exchange.ports, face)}{path}"
        async with (
            aiohttp.ClientSession(headers=HEADERS[face]) as session,
            session.ws_connect(url, autoping=False) as socket,
        ):
            await socket.send_bytes(text.encode()) if face == "upstox" else await socket.send_str(text)
            await socket.ping()
            while True:
                message = await socket.receive(timeout=10)
                if message.type is aiohttp.WSMsgType.PONG:
                    return True
                assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message

    assert asyncio.run(ask())
