"""Dhan's forever and super orders through the real `dhanhq`: they wait, fire, trail, and cancel each other."""

from __future__ import annotations

import logging
from typing import Any

from dhanhq import DhanContext
from dhanhq import dhanhq as make_client

from saudagar.exchange.process import Account

ACCOUNT = Account()


def client(market: Any) -> Any:
    context = DhanContext(ACCOUNT.client_id, ACCOUNT.dhan_token)
    context.get_dhan_http().base_url = f"{market.base}/v2"
    logging.disable(logging.CRITICAL)  # the SDK logs each failure it swallows
    return make_client(context)


def forever(dhan: Any, **words: Any) -> Any:
    usual = {
        "security_id": "2885", "exchange_segment": "NSE_EQ", "transaction_type": "BUY", "product_type": "CNC",
        "order_type": "LIMIT", "quantity": 5, "price": 1311.0, "trigger_Price": 1310.0, "tag": "F",
    }  # fmt: skip
    return dhan.place_forever(**(usual | words))


def test_a_forever_order_waits_and_fires(scripted_market: Any) -> None:
    market = scripted_market(prices=[1_300_00, 1_305_00, 1_310_00, 1_310_00])
    dhan = client(market)
    order_id = forever(dhan)["data"]["orderId"]
    [row] = dhan.get_forever()["data"]
    assert (row["orderId"], row["orderStatus"], row["orderType"], row["legName"]) == (
        order_id, "CONFIRM", "SINGLE", "TARGET_LEG",
    )  # fmt: skip
    assert (
        dhan.modify_forever(order_id, "SINGLE", "LIMIT", "TARGET_LEG", 6, 1311.0, 1308.0, 0, "DAY")["status"]
        == "success"
    )
    market.step()
    assert dhan.get_order_list()["data"] == []
    market.step()
    [order] = dhan.get_order_list()["data"]
    assert (order["orderStatus"], order["filledQty"], order["correlationId"]) == ("TRADED", 6, "F")
    assert dhan.get_forever()["data"][0]["orderStatus"] == "TRADED"
    assert dhan.cancel_forever(order_id)["remarks"]["error_code"] == "DH-906"


def test_one_leg_of_two_cancels_the_other(scripted_market: Any) -> None:
    market = scripted_market(
        prices=[1_300_00, 1_300_00, 1_290_00, 1_290_00], account=Account(holdings={"NSE_EQ:RELIANCE": 10})
    )
    dhan = client(market)
    forever(
        dhan, transaction_type="SELL", order_flag="OCO", price=1320.0, trigger_Price=1320.0,
        price1=1285.0, trigger_Price1=1291.0, quantity1=5,
    )  # fmt: skip
    market.step(2)
    rows = {row["legName"]: row["orderStatus"] for row in dhan.get_forever()["data"]}
    assert rows == {"TARGET_LEG": "CANCELLED", "STOP_LOSS_LEG": "TRADED"}
    for words in (
        {"order_flag": "THREE"},
        {"order_type": "STOP_LOSS"},
        {"quantity": 0},
        {"product_type": "INTRADAY"},
    ):
        assert forever(dhan, **words)["remarks"]["error_code"] == "DH-905"


def super_order(dhan: Any, **words: Any) -> Any:
    usual = {
        "security_id": "2885", "exchange_segment": "NSE_EQ", "transaction_type": "BUY", "quantity": 50,
        "order_type": "LIMIT", "product_type": "INTRADAY", "price": 1305.0, "targetPrice": 1320.0,
        "stopLossPrice": 1295.0, "trailingJump": 5.0, "tag": "S",
    }  # fmt: skip
    return dhan.place_super_order(**(usual | words))


def test_a_super_order_trails_its_stop_and_leaves(scripted_market: Any) -> None:
    market = scripted_market(prices=[1_300_00, 1_300_00, 1_311_00, 1_304_00, 1_304_00])
    dhan = client(market)
    order_id = super_order(dhan)["data"]["orderId"]
    [row] = dhan.get_super_order_list()["data"]
    assert (row["orderId"], row["orderStatus"], row["filledQty"]) == (order_id, "TRADED", 50)
    market.step(2)
    legs = {leg["legName"]: leg for leg in dhan.get_super_order_list()["data"][0]["legDetails"]}
    assert (legs["STOP_LOSS_LEG"]["price"], legs["STOP_LOSS_LEG"]["totalQuatity"]) == (1305.0, 50)
    market.step()
    [row] = dhan.get_super_order_list()["data"]
    legs = {leg["legName"]: leg["orderStatus"] for leg in row["legDetails"]}
    assert (row["orderStatus"], legs) == ("CLOSED", {"STOP_LOSS_LEG": "TRADED", "TARGET_LEG": "CANCELLED"})
    assert dhan.get_positions()["data"][0]["netQty"] == 0


def test_a_super_order_is_changed_and_withdrawn(scripted_market: Any) -> None:
    market = scripted_market()
    dhan = client(market)
    order_id = super_order(dhan, price=1290.0, stopLossPrice=1280.0)["data"]["orderId"]
    dhan.modify_super_order(order_id, "LIMIT", "ENTRY_LEG", 60, 1291.0, 1330.0, 1281.0, 0.0)
    [row] = dhan.get_super_order_list()["data"]
    assert (row["quantity"], row["price"]) == (60, 1291.0)
    assert {leg["legName"]: (leg["price"], leg["trailingJump"]) for leg in row["legDetails"]} == {
        "STOP_LOSS_LEG": (1281.0, 0.0), "TARGET_LEG": (1330.0, 0.0),
    }  # fmt: skip
    assert dhan.cancel_super_order(order_id, "TARGET_LEG")["data"]["orderStatus"] == "CANCELLED"
    assert dhan.modify_super_order(order_id, "", "TARGET_LEG", targetPrice=1340.0)["remarks"]["error_code"] == "DH-906"
    dhan.cancel_super_order(order_id, "ENTRY_LEG")
    [row] = dhan.get_super_order_list()["data"]
    assert (row["orderStatus"], {leg["orderStatus"] for leg in row["legDetails"]}) == ("CANCELLED", {"CANCELLED"})
    assert dhan.cancel_super_order("1", "ENTRY_LEG")["remarks"]["error_code"] == "DH-906"
    rest = dhan.dhan_http.post(
        "/super/orders",
        {
            "transactionType": "BUY", "exchangeSegment": "NSE_EQ", "productType": "INTRADAY", "orderType": "LIMIT",
            "securityId": "2885", "quantity": 5, "price": 1300.0, "targetPrice": 1290.0,
        },
    )  # fmt: skip
    assert rest["remarks"]["error_code"] == "DH-905"  # the target on the wrong side
