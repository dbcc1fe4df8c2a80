"""Dhan's conditional triggers through the real `dhanhq`: they wait for a price, fire once or always, and end."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from dhanhq import DhanContext
from dhanhq import dhanhq as make_client

from saudagar.exchange.process import Account

ACCOUNT = Account()
CONDITION = {
    "comparisonType": "PRICE_WITH_VALUE", "exchangeSegment": "NSE_EQ", "securityId": "2885", "operator": "CROSSING_UP",
    "comparingValue": 1310, "timeFrame": "DAY", "expDate": "2027-08-24", "frequency": "ONCE", "userNote": "up",
}  # fmt: skip
ORDER = {
    "transactionType": "BUY", "exchangeSegment": "NSE_EQ", "productType": "INTRADAY", "orderType": "LIMIT",
    "securityId": "2885", "quantity": 10, "validity": "DAY", "price": "1320.00", "discQuantity": "0",
    "triggerPrice": "0",
}  # fmt: skip


def client(market: Any) -> Any:
    context = DhanContext(ACCOUNT.client_id, ACCOUNT.dhan_token)
    context.get_dhan_http().base_url = f"{market.base}/v2"
    logging.disable(logging.CRITICAL)  # the SDK logs each failure it swallows
    return make_client(context)


def test_a_trigger_waits_is_told_and_fires_once(scripted_market: Any) -> None:
    market = scripted_market(prices=[1_300_00, 1_309_90, 1_311_00, 1_300_00, 1_312_00, 1_312_00])
    dhan = client(market)
    second = {**ORDER, "orderType": "STOP_LOSS", "transactionType": "SELL", "triggerPrice": "1280", "price": "1279.9"}
    placed = dhan.place_conditional_order(CONDITION, [ORDER, second])["data"]
    assert placed["alertStatus"] == "ACTIVE"
    [row] = dhan.get_conditional_orders()["data"]
    assert row["condition"] == CONDITION
    assert row["orders"] == [ORDER, second]
    assert (row["createdTime"], row["triggeredTime"], row["lastPrice"]) == ("2026-11-20T03:45:00Z", None, "1300.00")
    market.step()
    assert dhan.get_order_list()["data"] == []
    market.step()
    orders = dhan.get_order_list()["data"]
    assert [(each["transactionType"], each["orderType"], each["orderStatus"]) for each in orders] == [
        ("BUY", "LIMIT", "TRADED"), ("SELL", "STOP_LOSS", "PENDING"),
    ]  # fmt: skip
    row = dhan.get_conditional_order(placed["alertId"])["data"]
    assert (row["alertStatus"], row["triggeredTime"]) == ("TRIGGERED", "2026-11-20T03:45:02Z")
    market.step(3)
    assert len(dhan.get_order_list()["data"]) == 2
    assert dhan.cancel_conditional_order(placed["alertId"])["remarks"]["error_code"] == "DH-906"
    assert dhan.modify_conditional_order(placed["alertId"], CONDITION)["remarks"]["error_code"] == "DH-906"


OPERATORS = [
    ("CROSSING_UP", [1_300_00, 1_310_00, 1_320_00], 1),
    ("CROSSING_UP", [1_310_00, 1_320_00, 1_330_00], 0),  # it was there already
    ("CROSSING_DOWN", [1_320_00, 1_310_00, 1_300_00], 1),
    ("CROSSING_ANY_SIDE", [1_300_00, 1_320_00, 1_300_00], 2),
    ("GREATER_THAN", [1_310_00, 1_310_10, 1_320_00], 1),
    ("LESS_THAN", [1_310_00, 1_309_90, 1_300_00], 1),
    ("GREATER_THAN_EQUAL", [1_300_00, 1_310_00, 1_320_00], 1),
    ("LESS_THAN_EQUAL", [1_320_00, 1_310_00, 1_300_00], 1),
    ("EQUAL", [1_300_00, 1_310_00, 1_320_00], 1),
    ("NOT_EQUAL", [1_310_00, 1_320_00, 1_330_00], 1),
]


@pytest.mark.parametrize(("operator", "prices", "fired"), OPERATORS)
def test_a_condition_fires_when_it_becomes_true(
    scripted_market: Any, operator: str, prices: list[int], fired: int
) -> None:
    market = scripted_market(prices=[*prices, prices[-1]])
    dhan = client(market)
    placed = dhan.place_conditional_order(CONDITION | {"operator": operator, "frequency": "ALWAYS"}, [ORDER])["data"]
    market.step(len(prices))
    assert len(dhan.get_order_list()["data"]) == fired
    assert dhan.get_conditional_order(placed["alertId"])["data"]["alertStatus"] == "ACTIVE"


def test_a_trigger_is_changed_withdrawn_and_ends(scripted_market: Any) -> None:
    market = scripted_market(prices=[1_300_00, 1_311_00, 1_321_00, 1_321_00])
    dhan = client(market)
    first, second, third = (dhan.place_conditional_order(CONDITION, [ORDER])["data"]["alertId"] for _ in range(3))
    assert dhan.modify_conditional_order(first, CONDITION | {"comparingValue": 1320})["data"]["alertStatus"] == "ACTIVE"
    assert dhan.cancel_conditional_order(second)["data"] == {"alertId": second, "alertStatus": "CANCELLED"}
    dhan.modify_conditional_order(third, CONDITION | {"comparingValue": 2000, "expDate": "2026-11-20"})
    market.step()
    assert dhan.get_order_list()["data"] == []
    market.step(2)
    assert len(dhan.get_order_list()["data"]) == 1
    core = market.exchange.core
    core.advance(core.now + 24 * 3600 * 10**9)
    market.exchange.dhan.advance()
    market.exchange.dhan.token = ACCOUNT.dhan_token  # a day has gone by
    states = {row["alertId"]: row["alertStatus"] for row in dhan.get_conditional_orders()["data"]}
    assert states == {first: "TRIGGERED", second: "CANCELLED", third: "EXPIRED"}
    assert dhan.get_conditional_order("1")["remarks"]["error_code"] == "DH-906"


def test_a_condition_on_the_index_orders_a_share_and_a_refused_order_holds_up_no_other(scripted_market: Any) -> None:
    market = scripted_market(prices=[1_300_00] * 4)
    dhan = client(market)
    on_index = CONDITION | {"exchangeSegment": "IDX_I", "securityId": "13", "comparingValue": 24010.01}
    unsold = {**ORDER, "transactionType": "SELL", "productType": "CNC", "price": "1300"}  # no shares to sell
    assert dhan.place_conditional_order(on_index, [unsold, ORDER])["status"] == "success"
    market.step(2)
    assert [each["transactionType"] for each in dhan.get_order_list()["data"]] == ["BUY"]


WRONG = [
    ({"comparisonType": "TECHNICAL_WITH_VALUE", "indicatorName": "SMA_5"}, {}),  # not simulated, and it says so
    ({"comparisonType": "MOON"}, {}),
    ({"exchangeSegment": "NSE_FNO"}, {}),
    ({"operator": "NEAR"}, {}),
    ({"comparingValue": 0}, {}),
    ({"securityId": "1"}, {}),
    ({"expDate": "soon"}, {}),
    ({"expDate": "2026-11-19"}, {}),
    ({"frequency": "TWICE"}, {}),
    ({}, {"quantity": 0}),
    ({}, {"price": "dear"}),
    ({}, {"validity": "GTC"}),
    ({}, {"productType": "MARGIN"}),
]


@pytest.fixture(scope="module")
def quiet() -> Any:
    from tests.contract.conftest import Market, ScriptedDay

    market = Market(ScriptedDay(), writes_per_second=0)
    yield market
    market.close()


@pytest.mark.parametrize(("condition", "order"), WRONG)
def test_what_makes_no_sense_is_refused(quiet: Any, condition: dict[str, Any], order: dict[str, Any]) -> None:
    dhan = client(quiet)
    got = dhan.place_conditional_order(CONDITION | condition, [ORDER | order])
    assert got["remarks"]["error_code"] == "DH-905"
    assert dhan.get_conditional_orders()["data"] == []


def test_one_to_fifteen_orders(quiet: Any) -> None:
    dhan = client(quiet)
    for count in (0, 16):
        assert dhan.place_conditional_order(CONDITION, [ORDER] * count)["remarks"]["error_code"] == "DH-905"
