"""Dhan's token lives for 24 hours of market time: on REST, on the data APIs and on the three sockets."""

from __future__ import annotations

import json
import struct
import urllib.error
import urllib.request
from typing import Any

import pytest
from dhanhq import DhanContext
from dhanhq import dhanhq as make_client
from tests.contract.conftest import Market, ScriptedDay
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from saudagar.exchange.process import Account

ACCOUNT = Account(dhan_issued="09:15:05")  # yesterday: it ends five seconds after the opening


@pytest.fixture(scope="module")
def market() -> Any:
    market = Market(ScriptedDay(), account=ACCOUNT)
    yield market
    market.close()


def client(market: Any, token: str = ACCOUNT.dhan_token) -> Any:
    context = DhanContext(ACCOUNT.client_id, token)
    context.get_dhan_http().base_url = f"{market.base}/v2"
    return make_client(context)


def socket(market: Any, path: str, token: str = ACCOUNT.dhan_token) -> Any:
    base = f"ws://127.0.0.1:{market.exchange.ports.dhan}/{path}"
    return connect(f"{base}?version=2&token={token}&clientId={ACCOUNT.client_id}&authType=2")


def subscribe(ws: Any, code: int) -> None:
    wanted = [{"ExchangeSegment": "NSE_EQ", "SecurityId": "2885"}]
    ws.send(json.dumps({"RequestCode": code, "InstrumentCount": 1, "InstrumentList": wanted}))
    ws.recv(5)


def told_807(ws: Any) -> bool:
    """Whether the socket's last packet says so before the server hangs up."""
    frame = b""
    try:
        while True:
            frame = ws.recv(5)
    except ConnectionClosed:
        return struct.unpack("<H", frame[-2:]) == (807,)


def test_a_token_of_yesterday_ends_at_its_hour_everywhere(market: Any) -> None:
    dhan = client(market)
    profile = json.load(
        urllib.request.urlopen(
            urllib.request.Request(f"{market.base}/v2/profile", headers={"access-token": ACCOUNT.dhan_token})
        )
    )
    assert profile["tokenValidity"] == "20/11/2026 09:15"
    with socket(market, "feed") as feed, socket(market, "twentydepth") as depth:
        subscribe(feed, 15)
        subscribe(depth, 23)
        while market.exchange.core.now < market.exchange.dhan._site.access.expires:
            assert dhan.get_fund_limits()["status"] == "success"
            market.step()
        market.step()  # the next frame would have been sent now
        assert told_807(feed)
        assert told_807(depth)
    assert dhan.get_fund_limits()["remarks"]["error_code"] == "DH-901"
    request = urllib.request.Request(f"{market.base}/v2/marketfeed/ltp", b"{}", {"access-token": ACCOUNT.dhan_token})
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(request)
    with answer.value:
        assert list(json.load(answer.value)["data"]) == ["807"]
    for path in ("feed", "twentydepth"):
        with socket(market, path) as again:
            assert told_807(again)
    with socket(market, "order-update") as updates:
        login = {"MsgCode": 42, "ClientId": ACCOUNT.client_id, "Token": ACCOUNT.dhan_token}
        updates.send(json.dumps({"LoginReq": login, "UserType": "SELF"}))
        with pytest.raises(ConnectionClosed) as closed:
            updates.recv(5)
        assert closed.value.rcvd.code == 1008


def test_a_new_login_is_good_for_a_day_from_then(market: Any) -> None:
    query = f"dhanClientId={ACCOUNT.client_id}&pin={ACCOUNT.dhan_pin}&totp=123456"
    request = urllib.request.Request(f"{market.base}/app/generateAccessToken?{query}", b"", method="POST")
    with urllib.request.urlopen(request) as answer:
        grant = json.load(answer)
    assert grant["expiryTime"].startswith("2026-11-21T09:15:")
    assert client(market, grant["accessToken"]).get_fund_limits()["status"] == "success"
    with socket(market, "feed", grant["accessToken"]) as feed:
        subscribe(feed, 15)
