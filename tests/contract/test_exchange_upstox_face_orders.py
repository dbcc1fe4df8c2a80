"""Upstox's order endpoints through the real SDK, over sockets."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import upstox_client
from tests.contract.upstox_face import IDEA, TOKEN, order, place
from upstox_client.rest import ApiException

from saudagar.exchange.core_orders import REFUSAL_CODES
from saudagar.exchange.process import Account
from saudagar.exchange.upstox.errors import ERRORS, LATE, REFUSALS
from saudagar.exchange.upstox.words import STATUS, WORDS, status_word
from saudagar.model import OrderStatus


def refused(call: Callable[[], Any]) -> tuple[int, str, str]:
    with pytest.raises(ApiException) as problem:
        call()
    [error] = json.loads(problem.value.body)["errors"]
    assert error["errorCode"] == error["error_code"]
    return problem.value.status, error["errorCode"], error["message"]


def test_a_market_order_is_done_at_once_and_read_in_every_way(scripted_market: Any, api: Any) -> None:
    client = api(scripted_market())
    answer = upstox_client.OrderApiV3(client).place_order(order(order_type="MARKET", price=0.0))
    [order_id] = answer.data.order_ids
    assert answer.metadata.latency is not None
    orders = upstox_client.OrderApi(client)
    [in_book] = orders.get_order_book("2.0").data
    by_id = orders.get_order_status(order_id=order_id).data
    assert in_book.to_dict() == by_id.to_dict()
    assert (by_id.status, by_id.filled_quantity, by_id.pending_quantity) == ("complete", 50, 0)
    assert (by_id.average_price, by_id.order_timestamp, by_id.tag) == (1300.1, "2026-11-20 09:15:00", "A1")
    steps = [row.status for row in orders.get_order_details("2.0", order_id=order_id).data]
    assert steps == ["put order req received", "validation pending", "open pending", "open", "complete"]
    assert [row.status for row in orders.get_order_details("2.0", tag="A1").data] == steps
    [trade] = orders.get_trades_by_order(order_id, "2.0").data
    assert (trade.quantity, trade.average_price, trade.order_id) == (50, 1300.1, order_id)
    assert [each.to_dict() for each in orders.get_trade_history("2.0").data] == [trade.to_dict()]
    [position] = upstox_client.PortfolioApi(client).get_positions("2.0").data
    assert (position.quantity, position.average_price, position.product) == (50, 1300.1, "I")
    assert position.pnl == pytest.approx(-5.0)


def test_every_field_of_the_sdk_s_models_is_there(scripted_market: Any, api: Any) -> None:
    market = scripted_market(account=Account(holdings={"NSE_EQ:RELIANCE": 100}))
    client = api(market)
    place(client, order_type="MARKET", price=0.0)
    cases = {
        "/v2/order/retrieve-all": upstox_client.OrderBookData,
        "/v2/order/trades/get-trades-for-day": upstox_client.TradeData,
        "/v2/portfolio/short-term-positions": upstox_client.PositionData,
        "/v2/portfolio/long-term-holdings": upstox_client.HoldingsData,
    }
    for path, model in cases.items():
        [row] = get(market, path)["data"]
        assert set(row) == set(model.attribute_map.values()), path


def get(market: Any, path: str) -> Any:
    request = urllib.request.Request(market.upstox + path, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def test_an_order_is_modified_cancelled_and_told_step_by_step(scripted_market: Any, api: Any) -> None:
    client = api(scripted_market())
    v3, orders = upstox_client.OrderApiV3(client), upstox_client.OrderApi(client)
    order_id = place(client)
    change = upstox_client.ModifyOrderRequest(
        quantity=60, validity="DAY", price=1291.0, order_id=order_id, order_type="LIMIT", trigger_price=0.0
    )
    assert v3.modify_order(change).data.order_id == order_id
    now = orders.get_order_status(order_id=order_id).data
    assert (now.status, now.price, now.quantity) == ("open", 1291.0, 60)
    assert v3.cancel_order(order_id).data.order_id == order_id
    assert refused(lambda: v3.cancel_order(order_id))[:2] == (400, "UDAPI100040")
    assert refused(lambda: v3.cancel_order("nobody"))[:2] == (404, "UDAPI100010")
    assert refused(lambda: orders.get_order_status(order_id="nobody"))[:2] == (404, "UDAPI100010")
    steps = [row.status for row in orders.get_order_details("2.0", order_id=order_id).data]
    assert steps[3:] == ["open", "modify validation pending", "modify pending", "modified", "open", "cancelled"]


def test_a_refused_modification_leaves_the_order_alive(scripted_market: Any, api: Any) -> None:
    client = api(scripted_market())
    order_id = place(client)
    change = upstox_client.ModifyOrderRequest(
        validity="DAY", price=1291.05, order_id=order_id, order_type="LIMIT", trigger_price=0.0
    )
    assert refused(lambda: upstox_client.OrderApiV3(client).modify_order(change))[0] == 400
    orders = upstox_client.OrderApi(client)
    now = orders.get_order_status(order_id=order_id).data
    assert (now.status, now.price) == ("open", 1290.0)
    assert "not modified" in [row.status for row in orders.get_order_details("2.0", order_id=order_id).data]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"instrument_token": "NSE_EQ|NOBODY"}, "UDAPI100011"),
        ({"quantity": 0}, "UDAPI1052"),
        ({"quantity": -5}, "UDAPI1052"),
        ({"price": 0.0}, "UDAPI1054"),
        ({"price": 1290.001}, "UDAPI1054"),
        ({"tag": "x" * 41}, "UDAPI100036"),
        ({"market_protection": 26}, "UDAPI100036"),
        ({"price": float("nan")}, "UDAPI100036"),
        ({"instrument_token": "NSE_INDEX|Nifty 50"}, "UDAPI100011"),
        ({"market_protection": -2}, "UDAPI100036"),
    ],
)
def test_bad_orders_are_refused_and_nothing_is_done(
    scripted_market: Any, api: Any, words: dict[str, Any], code: str
) -> None:
    market = scripted_market()
    client = api(market)
    assert refused(lambda: place(client, **words))[1] == code
    assert market.exchange.core.orders == {}
    assert get(market, "/v2/order/retrieve-all")["data"] == []


@pytest.mark.parametrize(
    "words", [{"price": 1290.05}, {"price": 5000.0}, {"quantity": 90_000, "product": "D"}, {"is_amo": True}]
)
def test_what_the_risk_desk_refuses_has_an_id_and_stands_rejected(
    scripted_market: Any, api: Any, words: dict[str, Any]
) -> None:
    client = api(scripted_market())
    order_id = place(client, **words)
    row = upstox_client.OrderApi(client).get_order_status(order_id=order_id).data
    assert (row.status, row.exchange_order_id) == ("rejected", "")
    assert row.status_message.startswith("RMS:")


def test_slices(scripted_market: Any, api: Any) -> None:
    client = api(scripted_market())
    v3 = upstox_client.OrderApiV3(client)
    big = {"instrument_token": IDEA, "price": 10.0}
    made = v3.place_order(order(quantity=2_500, slice=True, **big)).data.order_ids
    book = upstox_client.OrderApi(client).get_order_book("2.0").data
    assert [row.quantity for row in book] == [1_000, 1_000, 500]
    assert [row.order_id for row in book] == made
    assert refused(lambda: v3.place_order(order(quantity=26_000, slice=True, **big)))[1] == "UDAPI1052"
    [whole] = v3.place_order(order(quantity=2_500, slice=False, **big)).data.order_ids
    assert upstox_client.OrderApi(client).get_order_status(order_id=whole).data.status == "rejected"


def test_orders_in_bulk(scripted_market: Any, api: Any) -> None:
    client = api(scripted_market())
    orders = upstox_client.OrderApi(client)
    many = [
        order(upstox_client.MultiOrderRequest, slice=False, correlation_id="s", transaction_type="SELL", price=1310.0),
        order(upstox_client.MultiOrderRequest, slice=False, correlation_id="b", tag="B"),
        order(upstox_client.MultiOrderRequest, slice=False, correlation_id="x", instrument_token="NSE_EQ|NOBODY"),
    ]
    answer = orders.place_multi_order(many)
    assert (answer.status, [row.correlation_id for row in answer.data]) == ("partial_success", ["b", "s"])
    assert [(row.correlation_id, row.error_code) for row in answer.errors] == [("x", "UDAPI100011")]
    assert (answer.summary.total, answer.summary.success, answer.summary.error) == (3, 2, 1)
    twice = [many[0], many[0]]
    assert refused(lambda: orders.place_multi_order(twice))[1] == "UDAPI100036"
    gone = orders.cancel_multi_order(tag="B")
    assert gone.data.order_ids == [answer.data[0].order_id]
    assert orders.cancel_multi_order(segment="NSE_EQ").summary.success == 1
    assert orders.cancel_multi_order().summary.total == 0
    place(client, order_type="MARKET", price=0.0)
    done = orders.exit_positions()
    assert (done.status, len(done.data.order_ids)) == ("success", 1)
    [position] = upstox_client.PortfolioApi(client).get_positions("2.0").data
    assert (position.quantity, position.realised) == (0, pytest.approx(-10.0))


def test_an_after_market_order_waits_and_enters_with_the_session(scripted_market: Any, api: Any) -> None:
    market = scripted_market(prices=(1_300_00,))
    core = market.exchange.core
    core.advance(core.now + 9 * 3600 * 10**9)
    client = api(market)
    orders = upstox_client.OrderApi(client)
    order_id, other = place(client, is_amo=True), place(client, is_amo=True)
    row = orders.get_order_status(order_id=order_id).data
    assert (row.status, row.is_amo, row.variety) == ("after market order req received", True, "AMO")
    upstox_client.OrderApiV3(client).cancel_order(other)
    assert orders.get_order_status(order_id=other).data.status == "cancelled after market order"


def test_market_protection_bounds_a_market_order(scripted_market: Any, api: Any) -> None:
    market = scripted_market()
    client = api(market)
    order_id = place(client, order_type="MARKET", price=0.0, quantity=500, market_protection=0.01)
    row = upstox_client.OrderApi(client).get_order_status(order_id=order_id).data
    assert (row.status, row.filled_quantity) == ("open", 100)  # one level of 100 lies within a tick; the rest rests
    assert market.exchange.core.orders[order_id].limit == 1_300_10


@pytest.mark.parametrize(
    ("field", "word"),
    [
        ("order_type", "ICEBERG"),
        ("product", "CO"),
        ("transaction_type", "HOLD"),
        ("validity", "GTC"),
        ("price", "dear"),
    ],
)
def test_words_that_the_sdk_would_not_send_are_refused_too(
    scripted_market: Any, api: Any, field: str, word: str
) -> None:
    market = scripted_market()
    body = order().to_dict() | {field: word}
    request = urllib.request.Request(
        f"{market.upstox}/v3/order/place", json.dumps(body).encode(), {"Authorization": f"Bearer {TOKEN}"}
    )
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(request)
    with answer.value:
        assert answer.value.code == 400
    assert market.exchange.core.orders == {}


def test_the_second_version_places_one_order(scripted_market: Any, api: Any) -> None:
    client = api(scripted_market())
    orders = upstox_client.OrderApi(client)
    order_id = orders.place_order(order(upstox_client.PlaceOrderRequest), "2.0").data.order_id
    assert orders.cancel_order(order_id, "2.0").data.order_id == order_id


def test_ten_order_requests_in_one_market_second(scripted_market: Any, api: Any) -> None:
    market = scripted_market()
    client = api(market)
    for _ in range(10):
        place(client, quantity=1)
    assert refused(lambda: place(client, quantity=1))[:2] == (429, "UDAPI10005")
    assert len(market.exchange.core.orders) == 10
    market.step()
    place(client, quantity=1)


def test_switches_and_tokens(scripted_market: Any, api: Any) -> None:
    market = scripted_market()
    client = api(market)
    switch(market, {"upstox": {"wrong_ip": True}})
    assert refused(lambda: place(client))[:2] == (403, "UDAPI1154")
    assert upstox_client.OrderApi(client).get_order_book("2.0").data == []  # reading works from anywhere
    switch(market, {"upstox": {"expired": True}})
    assert refused(lambda: place(client))[:2] == (401, "UDAPI100050")
    switch(market, {"upstox": {}})
    assert refused(lambda: place(api(market, "wrong")))[:2] == (401, "UDAPI100050")
    assert place(client)


def switch(market: Any, body: dict[str, Any]) -> None:
    request = urllib.request.Request(f"{market.control}/switches", json.dumps(body).encode())
    urllib.request.urlopen(request).close()


def test_each_broker_shows_its_own_orders(scripted_market: Any, api: Any) -> None:
    market = scripted_market()
    place(api(market))
    request = urllib.request.Request(f"{market.base}/v2/orders", headers={"access-token": Account().dhan_token})
    with urllib.request.urlopen(request) as response:
        assert json.load(response) == []


def test_the_tables_are_whole() -> None:
    assert REFUSALS.keys() == REFUSAL_CODES
    assert set(REFUSALS.values()) <= ERRORS.keys()
    assert LATE < REFUSAL_CODES
    assert STATUS.keys() == set(OrderStatus)
    assert set(STATUS.values()) <= set(WORDS)
    assert len(set(WORDS)) == 17


def test_only_an_untraded_after_market_order_has_its_own_word_for_cancelled() -> None:
    waiting: Any = SimpleNamespace(after_market=True, status=OrderStatus.CANCELLED, filled=0)
    assert status_word(waiting) == "cancelled after market order"
    waiting.filled = 5
    assert status_word(waiting) == "cancelled"
