"""Upstox's portfolio stream through the real SDK, and in lock-step."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from types import SimpleNamespace
from typing import Any

import pytest
import upstox_client
import upstox_client.feeder.portfolio_data_feeder as feeder
import websocket
from tests.contract.upstox_face import RELIANCE, TOKEN, place

from saudagar.exchange.streams import CUT


def get(market: Any, path: str) -> Any:
    request = urllib.request.Request(market.upstox + path, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def test_the_portfolio_stream_tells_orders_positions_and_gtt(
    scripted_market: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = scripted_market()
    client = api(market)
    monkeypatch.setattr(feeder, "websocket", redirected(market))
    messages: list[dict[str, Any]] = []
    streamer = upstox_client.PortfolioDataStreamer(client, order_update=True, position_update=True, gtt_update=True)
    streamer.on("message", lambda text: messages.append(json.loads(text)))
    streamer.auto_reconnect(False)
    streamer.connect()
    market.wait(lambda: market.exchange.upstox.portfolio.sent is not None)
    order_id = place(client, order_type="MARKET", price=0.0, quantity=150)
    market.wait(lambda: len(messages) == 5)
    assert [(each["update_type"], each.get("status"), each.get("filled_quantity")) for each in messages] == [
        ("order", "open", 0), ("order", "open", 100), ("position", None, None), ("order", "complete", 150),
        ("position", None, None),
    ]  # fmt: skip
    first = messages[0]
    assert (first["order_id"], first["instrument_key"], first["tag"]) == (order_id, RELIANCE, "A1")
    book = get(market, "/v2/order/retrieve-all")["data"][0]
    assert set(book) < set(first)
    rule = upstox_client.GttRule(strategy="ENTRY", trigger_type="ABOVE", trigger_price=1310.0)
    upstox_client.OrderApiV3(client).place_gtt_order(
        upstox_client.GttPlaceOrderRequest(
            type="SINGLE", instrument_token=RELIANCE, product="D", quantity=1, rules=[rule], transaction_type="BUY"
        )
    )
    market.wait(lambda: len(messages) == 6)
    assert (messages[5]["update_type"], messages[5]["rules"][0]["status"]) == ("gtt_order", "SCHEDULED")
    streamer.disconnect()
    market.wait(lambda: market.exchange.upstox.portfolio.sent is None)


def open_stream(market: Any, api: Any, types: str = "order") -> Any:
    request = urllib.request.Request(
        f"{market.upstox}/v2/feed/portfolio-stream-feed/authorize?update_types={types}",
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    with urllib.request.urlopen(request) as response:
        address = json.load(response)["data"]["authorized_redirect_uri"]
    return websocket.create_connection(address, timeout=5)


def test_lockstep_waits_for_a_desk_that_trades_here(scripted_market: Any, api: Any) -> None:
    market = scripted_market(prices=[1_300_00, 1_300_00, 1_289_00, 1_289_00])
    socket = open_stream(market, api)
    market.wait(lambda: market.exchange.updates.sent == 0)
    place(api(market))
    told = [json.loads(socket.recv())]
    market.step()
    before = market.exchange.steps
    market.call(market.pace.ack(market.exchange.tape.now, 1))  # not the fill that the next step brings
    told.append(json.loads(socket.recv()))
    assert [row["status"] for row in told] == ["open", "complete"]
    assert market.exchange.steps == before
    market.call(market.pace.ack(market.exchange.tape.now, 2))
    market.wait(lambda: market.exchange.steps > before)
    socket.close()


@pytest.mark.parametrize("kind", ["garbled", "duplicate", "stale_feed", "disconnect", "drop_after_accept", "delay"])
def test_faults_on_the_stream(scripted_market: Any, api: Any, kind: str) -> None:
    rule = {"kind": kind, "endpoint": "upstox.portfolio", "count": 1, "delay": 0.01}
    market = scripted_market(faults={"rules": [rule]})
    socket = open_stream(market, api)
    market.wait(lambda: market.exchange.updates.sent == 0)
    first, second = place(api(market)), place(api(market))
    if kind == "disconnect":
        with pytest.raises((websocket.WebSocketException, ConnectionError)):
            socket.recv()
        assert market.exchange.updates.sent == CUT  # the market waits until the desk is back
        back = open_stream(market, api)
        market.wait(lambda: market.exchange.updates.sent == 0)
        back.close()
    elif kind == "garbled":
        with pytest.raises(json.JSONDecodeError):
            json.loads(socket.recv())
        assert json.loads(socket.recv())["order_id"] == second
    else:
        seen = [json.loads(socket.recv())["order_id"]]
        if kind == "duplicate":
            seen.append(json.loads(socket.recv())["order_id"])
            assert seen == [first, first]
        else:
            assert seen == [second if kind == "stale_feed" else first]
    socket.close()


def test_a_hang_up_is_for_everybody(scripted_market: Any, api: Any) -> None:
    market = scripted_market()
    socket = open_stream(market, api)
    market.wait(lambda: market.exchange.updates.sent == 0)
    urllib.request.urlopen(urllib.request.Request(f"{market.control}/disconnect", b"")).close()
    with pytest.raises((websocket.WebSocketException, ConnectionError)):
        socket.recv()
    socket.close()


def redirected(market: Any) -> Any:
    address = f"ws://127.0.0.1:{market.exchange.ports.upstox}"

    class Socket(websocket.WebSocketApp):  # type: ignore[misc]  # the library has no types
        def __init__(self, url: str, **options: Any) -> None:
            super().__init__(url.replace("wss://api.upstox.com", address), **options)

    return SimpleNamespace(WebSocketApp=Socket, ABNF=websocket.ABNF)


def test_the_stream_s_address_works_once(scripted_market: Any, api: Any) -> None:
    market = scripted_market()
    address = upstox_client.WebsocketApi(api(market)).get_portfolio_stream_feed_authorize("2.0")
    url = address.data.authorized_redirect_uri
    socket = websocket.create_connection(url)
    with pytest.raises(websocket.WebSocketBadStatusException, match="401"):
        websocket.create_connection(url)
    socket.close()
    with pytest.raises(websocket.WebSocketBadStatusException, match="401"):
        websocket.create_connection(f"ws://127.0.0.1:{market.exchange.ports.upstox}/v2/feed/portfolio-stream-feed")
