"""The Dhan face through the real `dhanhq` client, field by field against recorded answers."""

from __future__ import annotations

import csv
import io
import json
import logging
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from dhanhq import DhanContext, dhanhq

from saudagar.exchange.core_orders import REFUSAL_CODES
from saudagar.exchange.dhan.errors import ERRORS, LATE, REFUSALS
from saudagar.exchange.dhan.shapes import ORDER_TYPE, PRODUCT, STATUS
from saudagar.exchange.process import Account
from saudagar.model import OrderStatus, OrderType, Product

RECORDED = Path(__file__).resolve().parents[2] / "../shared/fixtures/dhan/rest"
MASTERS = Path(__file__).resolve().parents[2] / "../shared/fixtures/masters"
ACCOUNT = Account()


def recorded(name: str) -> dict[str, Any]:
    path = RECORDED / f"{name}.json"
    if not path.exists():
        pytest.skip("the recorded answers are not part of the project")
    return json.loads(path.read_text())


def client(market: Any, token: str = ACCOUNT.dhan_token) -> Any:
    context = DhanContext(ACCOUNT.client_id, token)
    context.get_dhan_http().base_url = f"{market.base}/v2"
    logging.disable(logging.CRITICAL)  # the SDK logs each failure it swallows
    return dhanhq(context)


def buy(dhan: Any, quantity: int = 50, price: float = 0.0, **more: Any) -> Any:
    words = {"order_type": "LIMIT" if price else "MARKET", "product_type": "INTRADAY", "tag": "A1"} | more
    return dhan.place_order("2885", "NSE_EQ", "BUY", quantity, price=price, **words)


def same_fields(ours: Any, theirs: Any) -> None:
    """Same keys in the same order, and the same JSON types."""
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        if value is not None:
            assert type(ours[key]) is type(value), key


def test_a_market_order_is_done_at_once_and_looked_up_in_every_way(scripted_market: Any) -> None:
    dhan = client(scripted_market())
    placed = buy(dhan)
    assert placed["status"] == "success"
    order_id = placed["data"]["orderId"]
    assert placed["data"] == {"orderId": order_id, "orderStatus": "TRANSIT"}
    [by_id] = dhan.get_order_by_id(order_id)["data"]
    by_tag = dhan.get_order_by_correlationID("A1")["data"]
    [in_book] = dhan.get_order_list()["data"]
    assert by_id == by_tag == in_book
    assert (by_id["orderStatus"], by_id["filledQty"], by_id["remainingQuantity"]) == ("TRADED", 50, 0)
    assert by_id["averageTradedPrice"] == 1300.1
    assert by_id["createTime"] == "2026-11-20 09:15:00"
    [trade] = dhan.get_trade_book(order_id)["data"]
    assert (trade["tradedQuantity"], trade["tradedPrice"], trade["orderId"]) == (50, 1300.1, order_id)
    assert dhan.get_trade_book()["data"] == [trade]
    [position] = dhan.get_positions()["data"]
    assert (position["positionType"], position["netQty"], position["buyAvg"]) == ("LONG", 50, 1300.1)


def test_orders_have_the_recorded_fields(scripted_market: Any) -> None:
    want = recorded("models__orders__order__0")["response_body"][0]
    dhan = client(scripted_market())
    order_id = buy(dhan, 20, 1290.0, tag=None)["data"]["orderId"]
    [order] = dhan.get_order_by_id(order_id)["data"]
    same_fields(order, want)
    unlike = {key for key in want if order[key] != want[key]}
    assert unlike <= {
        "dhanClientId", "orderId", "exchangeOrderId", "exchangeSegment", "productType", "tradingSymbol", "securityId",
        "price", "afterMarketOrder", "createTime", "updateTime", "exchangeTime", "omsErrorDescription",
    }  # fmt: skip
    assert order["correlationId"] == "NA"


def test_an_after_market_order_waits_as_recorded(scripted_market: Any) -> None:
    want = recorded("models__orders__all__0")["response_body"][0]
    market = scripted_market(prices=(1_300_00,))
    dhan = client(market)
    refused = buy(dhan, 5, 1290.0, after_market_order=True, amo_time="OPEN")
    assert refused["remarks"]["error_code"] == "DH-906"  # the market is open
    market.exchange.core.advance(market.exchange.core.now + 9 * 3600 * 10**9)
    market.exchange.core.drain()
    placed = buy(dhan, 5, 1290.0, after_market_order=True, amo_time="OPEN")
    [order] = dhan.get_order_by_id(placed["data"]["orderId"])["data"]
    for key in ("exchangeOrderId", "orderStatus", "afterMarketOrder", "exchangeTime", "legName", "omsErrorCode"):
        assert order[key] == want[key], key


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("models__funds__0", "get_fund_limits"),
        ("resources__positions__0", "get_positions"),
        ("client__invalid_json_response__0", "get_unknown"),
        ("models__profile__0", "get_profile"),
        ("models__orders__create__0", "place"),
        ("base_api__delete_request__0", "cancel"),
    ],
)
def test_answers_have_the_recorded_fields(scripted_market: Any, name: str, call: str) -> None:
    want = recorded(name)["response_body"]
    dhan = client(scripted_market())
    calls = {
        "get_unknown": lambda: dhan.get_order_by_id("112111182198"),
        "get_profile": lambda: dhan.dhan_http.get("/profile"),
        "place": lambda: buy(dhan, 5, 1290.0),
        "cancel": lambda: dhan.cancel_order(buy(dhan, 5, 1290.0)["data"]["orderId"]),
    }
    got = calls.get(call, lambda: getattr(dhan, call)())()
    assert got["status"] == "success"
    if isinstance(want, list):
        assert got["data"] == want
    else:
        same_fields(got["data"], want)


def test_error_envelopes_are_as_recorded(scripted_market: Any) -> None:
    market = scripted_market(faults={"rules": [{"kind": "429", "endpoint": "dhan.marketfeed"}]})
    for name, token in (("client__error_dh_901__0", ""), ("client__error_400__0", ACCOUNT.dhan_token)):
        want = recorded(name)
        path = want["uri"].removeprefix("https://api.dhan.co")
        status, body = raw(market.base + path, token)
        assert status == want["status"]
        same_fields(body, want["response_body"])
        assert {k: v for k, v in body.items() if k != "timestamp"} == {
            k: v for k, v in want["response_body"].items() if k != "timestamp"
        }
    want = recorded("client__error_dh_904__0")
    assert raw(f"{market.base}/v2/marketfeed/quote", ACCOUNT.dhan_token, b"{}") == (429, want["response_body"])


def raw(url: str, token: str, data: bytes | None = None) -> tuple[int, Any]:
    headers = {"access-token": token} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_a_wrong_token_is_recorded_as_an_order_error(scripted_market: Any) -> None:
    market = scripted_market()
    assert client(market, "wrong").get_fund_limits()["remarks"] == {
        "error_code": "DH-906", "error_type": "Order_Error", "error_message": "Invalid Token",
    }  # fmt: skip
    status, body = raw(f"{market.base}/v2/marketfeed/ltp", "wrong", b"{}")
    assert (status, body["status"], list(body["data"])) == (401, "failed", ["809"])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"price": 1290.05}, "DH-906"),  # off the tick
        ({"price": 1290.001}, "DH-906"),  # finer than a paisa
        ({"quantity": 200_000, "price": 1290.0}, "DH-906"),  # above the freeze quantity
        ({"quantity": 0, "price": 1290.0}, "DH-905"),
        ({"quantity": -5, "price": 1290.0}, "DH-905"),
        ({"price": float("nan")}, "DH-905"),
        ({"price": float("inf")}, "DH-905"),
        ({"price": 1290.0, "product_type": "BO"}, "DH-905"),
        ({"price": 1290.0, "validity": "GTC"}, "DH-905"),
        ({"price": 1290.0, "order_type": "ICEBERG"}, "DH-905"),
        ({"price": 1290.0, "tag": "x" * 26}, "DH-905"),
    ],
)
def test_bad_orders_are_refused_and_nothing_is_done(scripted_market: Any, words: dict[str, Any], code: str) -> None:
    market = scripted_market()
    got = buy(client(market), **words)
    assert got["status"] == "failure"
    assert got["remarks"]["error_code"] == code
    assert got["remarks"]["error_message"]
    assert market.exchange.core.orders == {}


@pytest.mark.parametrize(
    ("words", "reason"),
    [({"price": 5000.0}, "band"), ({"price": 1290.0, "quantity": 90_000, "product_type": "CNC"}, "short of")],
)
def test_what_the_risk_desk_refuses_is_answered_200_and_then_rejected(
    scripted_market: Any, words: dict[str, Any], reason: str
) -> None:
    market = scripted_market()
    dhan = client(market)
    good = buy(dhan, 5, 1290.0, tag="GOOD")["data"]["orderId"]
    placed = buy(dhan, **words)
    assert placed["data"]["orderStatus"] == "TRANSIT"
    [order] = dhan.get_order_by_id(placed["data"]["orderId"])["data"]
    assert (order["orderStatus"], order["filledQty"], order["omsErrorCode"]) == ("REJECTED", 0, "1")
    assert order["omsErrorDescription"].startswith(f"RMS:{order['orderId']}:")
    assert reason in order["omsErrorDescription"].lower()
    assert dhan.get_order_by_correlationID("A1")["data"] == order
    assert [row["orderId"] for row in dhan.get_order_list()["data"]] == [good, order["orderId"]]
    assert list(market.exchange.core.orders) == [good]


def test_holdings(scripted_market: Any) -> None:
    none = client(scripted_market()).get_holdings()
    assert none["remarks"] == {
        "error_code": "DH-1111", "error_type": "HOLDING_ERROR", "error_message": "No holdings available",
    }  # fmt: skip
    account = Account(holdings={"NSE_EQ:RELIANCE": 100})
    dhan = client(scripted_market(account=account))
    [held] = dhan.get_holdings()["data"]
    assert (held["totalQty"], held["availableQty"], held["avgCostPrice"]) == (100, 100, 1290.0)
    dhan.place_order("2885", "NSE_EQ", "SELL", 40, "MARKET", "CNC", 0)
    [held] = dhan.get_holdings()["data"]
    assert (held["totalQty"], held["availableQty"], held["lastTradedPrice"]) == (100, 60, 1300.0)
    too_many = dhan.place_order("2885", "NSE_EQ", "SELL", 61, "MARKET", "CNC", 0)
    assert too_many["remarks"]["error_code"] == "DH-905"
    same_fields(held, recorded("models__holdings__0")["response_body"][0])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"quantity": 1}', b'{"securityId": "99999"}'])
def test_a_body_that_makes_no_sense_is_an_input_error(scripted_market: Any, body: bytes) -> None:
    status, answer = raw(f"{scripted_market().base}/v2/orders", ACCOUNT.dhan_token, body or b" ")
    assert (status, answer["errorCode"], answer["errorType"]) == (400, "DH-905", "Input_Exception")


def test_an_unknown_security_and_an_index_are_refused(scripted_market: Any) -> None:
    dhan = client(scripted_market())
    for security, segment in (("99999", "NSE_EQ"), ("13", "IDX_I")):
        got = dhan.place_order(security, segment, "BUY", 1, "MARKET", "INTRADAY", 0)
        assert got["status"] == "failure"
        assert got["remarks"]["error_code"] in ("DH-905", "DH-906")


def test_a_resting_order_is_changed_and_withdrawn(scripted_market: Any) -> None:
    dhan = client(scripted_market())
    order_id = buy(dhan, 50, 1290.0)["data"]["orderId"]
    changed = dhan.modify_order(order_id, "LIMIT", "", 60, 1291.0, 0, 0, "DAY")
    assert changed["data"] == {"orderId": order_id, "orderStatus": "TRANSIT"}
    [order] = dhan.get_order_by_id(order_id)["data"]
    assert (order["quantity"], order["price"], order["orderStatus"]) == (60, 1291.0, "PENDING")
    assert dhan.cancel_order(order_id)["data"] == {"orderId": order_id, "orderStatus": "CANCELLED"}
    again = dhan.cancel_order(order_id)
    assert again["remarks"]["error_code"] == "DH-906"
    assert dhan.modify_order("1", "LIMIT", "", 60, 1291.0, 0, 0, "DAY")["remarks"]["error_code"] == "DH-906"


def test_an_order_may_be_changed_twenty_five_times(scripted_market: Any) -> None:
    dhan = client(scripted_market(writes_per_second=0))
    order_id = buy(dhan, 50, 1290.0)["data"]["orderId"]
    answers = [dhan.modify_order(order_id, "LIMIT", "", 50 + n, 1290.0, 0, 0, "DAY")["status"] for n in range(26)]
    assert answers == ["success"] * 25 + ["failure"]


def test_ten_writes_in_one_market_second(scripted_market: Any) -> None:
    market = scripted_market()
    dhan = client(market)
    first = [buy(dhan, 1, 1290.0)["status"] for _ in range(12)]
    assert first == ["success"] * 10 + ["failure"] * 2
    refused = buy(dhan, 1, 1290.0)
    assert refused["remarks"]["error_code"] == "DH-904"
    market.step()
    assert buy(dhan, 1, 1290.0)["status"] == "success"
    assert len(market.exchange.core.orders) == 11
    assert dhan.get_order_list()["status"] == "success"  # reads do not count


def test_large_orders_are_sliced_by_the_freeze_quantity(scripted_market: Any) -> None:
    market = scripted_market()
    got = client(market).place_slice_order("14366", "NSE_EQ", "BUY", 2_500, "LIMIT", "INTRADAY", 9.9, tag="S")
    assert [row["orderStatus"] for row in got["data"]] == ["TRANSIT"] * 3
    assert [order.terms.quantity for order in market.exchange.core.orders.values()] == [1_000, 1_000, 500]


def test_quotes(scripted_market: Any) -> None:
    want = recorded("base_api__marketfeed_ohlc__0")["response_body"]
    dhan = client(scripted_market())
    ltp = dhan.ticker_data({"NSE_EQ": [2885, 14366, 1], "IDX_I": [13]})["data"]
    assert ltp["status"] == "success"
    assert ltp["data"] == {
        "NSE_EQ": {"2885": {"last_price": 1300.0}, "14366": {"last_price": 10.05}},
        "IDX_I": {"13": {"last_price": 24010.0}},
    }
    ohlc = dhan.ohlc_data({"NSE_EQ": [2885]})["data"]
    assert list(ohlc) == list(want)
    assert list(ohlc["data"]["NSE_EQ"]["2885"]["ohlc"]) == list(want["data"]["NSE_FNO"]["49081"]["ohlc"])
    quote = dhan.quote_data({"NSE_EQ": [2885]})["data"]["data"]["NSE_EQ"]["2885"]
    assert [level["price"] for level in quote["depth"]["buy"]] == [1299.9, 1299.8, 1299.7, 1299.6, 1299.5]
    assert quote["volume"] == 1000
    assert len(dhan.quote_data({"IDX_I": [13]})["data"]["data"]["IDX_I"]["13"]["depth"]["sell"]) == 5
    many = dhan.ticker_data({"NSE_EQ": list(range(1001))})
    assert many["status"] == "failure"


def test_the_kill_switch_wants_a_flat_book(scripted_market: Any) -> None:
    dhan = client(scripted_market())
    order_id = buy(dhan, 5, 1290.0)["data"]["orderId"]
    assert dhan.kill_switch("activate")["remarks"]["error_code"] == "DH-906"
    dhan.cancel_order(order_id)
    assert dhan.kill_switch("activate")["status"] == "success"
    assert dhan.status_kill_switch()["data"]["killSwitchStatus"] == "ACTIVATE"
    assert buy(dhan, 5, 1290.0)["remarks"]["error_code"] == "DH-906"
    dhan.kill_switch("deactivate")
    assert buy(dhan, 5, 1290.0)["status"] == "success"
    status, body = raw(f"{scripted_market().base}/v2/killswitch?killSwitchStatus=MAYBE", ACCOUNT.dhan_token, b"{}")
    assert (status, body["errorCode"]) == (400, "DH-905")


@pytest.mark.parametrize(
    ("kind", "orders"),
    [("drop_before_accept", 0), ("drop_after_accept", 1), ("garbled", 1), ("disconnect", 0), ("429", 0)],
)
def test_faults_on_place(scripted_market: Any, kind: str, orders: int) -> None:
    rules = [{"kind": kind, "endpoint": "dhan.orders.place", "count": 1}]
    market = scripted_market(faults={"rules": rules})
    dhan = client(market)
    got = buy(dhan, 5, 1290.0)
    assert got["status"] == "failure"
    assert isinstance(got["remarks"], dict) is (kind == "429")
    assert len(market.exchange.core.orders) == orders
    found = dhan.get_order_by_correlationID("A1")
    if orders:
        assert found["data"]["correlationId"] == "A1"
    else:
        assert found["remarks"]["error_message"] == "Incorrect request for order and cannot be processed"
    assert buy(dhan, 5, 1290.0)["status"] == "success"


def test_garbled_bodies_come_in_three_kinds_and_a_delay_answers_late(scripted_market: Any) -> None:
    rules = [
        {"kind": "garbled", "endpoint": "dhan.orders.list", "count": 3},
        {"kind": "delay", "endpoint": "dhan.funds", "delay": 0.05},
    ]
    dhan = client(scripted_market(faults={"rules": rules}))
    assert [dhan.get_order_list()["status"] for _ in range(4)] == ["failure"] * 3 + ["success"]
    dhan.dhan_http.timeout = 0.02
    assert "timed out" in dhan.get_fund_limits()["remarks"]
    dhan.dhan_http.timeout = 5
    assert dhan.get_fund_limits()["status"] == "success"


def test_the_scrip_master_has_the_real_columns(scripted_market: Any) -> None:
    url = f"{scripted_market().base}/api-data/api-scrip-master-detailed.csv"
    with urllib.request.urlopen(url) as response:
        rows = list(csv.DictReader(io.StringIO(response.read().decode())))
    real = MASTERS / "dhan_detailed_31col_2026-04-15_sample.csv"
    if not real.exists():
        pytest.skip("the recorded masters are not part of the project")
    theirs = {row["SECURITY_ID"] + row["SEGMENT"]: row for row in csv.DictReader(real.read_text().splitlines())}
    assert list(rows[0]) == list(next(iter(theirs.values())))
    for row in rows:
        want = theirs[row["SECURITY_ID"] + row["SEGMENT"]]
        for key in ("EXCH_ID", "ISIN", "INSTRUMENT", "UNDERLYING_SECURITY_ID", "UNDERLYING_SYMBOL", "DISPLAY_NAME",
                    "INSTRUMENT_TYPE", "SERIES", "LOT_SIZE", "SM_EXPIRY_DATE", "OPTION_TYPE", "TICK_SIZE",
                    "EXPIRY_FLAG"):  # fmt: skip
            assert row[key] == want[key], (row["SECURITY_ID"], key)


def test_every_refusal_has_a_code() -> None:
    assert set(REFUSALS) == REFUSAL_CODES
    assert set(REFUSALS.values()) <= set(ERRORS)
    assert LATE <= REFUSAL_CODES


def test_the_words_cover_everything_and_are_one_to_one() -> None:
    assert set(STATUS) == set(OrderStatus)
    assert set(ORDER_TYPE) == set(OrderType)
    assert set(PRODUCT) == set(Product)
    assert len(set(ORDER_TYPE.values())) == len(ORDER_TYPE)
    assert len(set(PRODUCT.values())) == len(PRODUCT)
