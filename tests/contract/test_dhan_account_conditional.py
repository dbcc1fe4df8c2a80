"""`DhanAccount` and the conditional orders that Dhan lists: which one is ours, and whose leg is changed first."""

import json

import pytest
from tests.contract.conftest import IDEA
from tests.contract.dhan_desk import BRACKET, SINGLE, against, new, refusal, reply, report

from saudagar.model import Product, Side
from saudagar.model.errors import BrokerError, DataError, RejectedByBroker


def test_the_list_of_forever_orders_is_looked_for_in_both_places(server):
    missing = {"timestamp": 1, "status": 404, "error": "Not Found", "path": "/v2/forever/orders"}
    server.answer = lambda method, path, body: (
        (404, json.dumps(missing).encode()) if path == "/v2/forever/orders" else (200, b"[]")
    )
    assert against(server, lambda broker: broker.account.conditionals()) == []
    assert [path for _, path, _ in server.requests] == ["/v2/forever/orders", "/v2/forever/all", "/v2/super/orders"]
    server.answer = refusal("DH-905", "what is it")
    with pytest.raises(RejectedByBroker, match="what is it"):
        against(server, lambda broker: broker.account.find_conditional(new()))


def test_none_is_said_only_by_the_broker(server):
    for answer in (lambda *_: (200, b'{"a": 1}'), lambda *_: (200, b"[1]"), lambda *_: (502, b""), lambda *_: "reset"):
        server.answer = answer
        for kind in (SINGLE, BRACKET):
            with pytest.raises(BrokerError):
                against(server, lambda broker, kind=kind: broker.account.find_conditional(new(kind)))


SUPER = {
    "orderId": "52",
    "orderStatus": "TRADED",
    "transactionType": "BUY",
    "exchangeSegment": "NSE_EQ",
    "productType": "INTRADAY",
    "securityId": "2885",
    "quantity": 3,
    "legDetails": [
        {"legName": "STOP_LOSS_LEG", "price": 1270, "orderStatus": "PENDING"},
        {"legName": "TARGET_LEG", "price": 1330, "orderStatus": "PENDING"},
    ],
}


def test_after_its_entry_a_super_order_is_changed_stop_first_and_withdrawn_stop_last(server):
    """So that the position is guarded as long as may be, whichever of the two requests fails."""
    server.answer = lambda method, *_: (
        200, json.dumps([SUPER] if method == "GET" else {"orderId": "52", "orderStatus": "TRANSIT"}).encode()
    )  # fmt: skip

    async def work(broker):
        await broker.account.modify_conditional(report(BRACKET), new(BRACKET))
        await broker.account.cancel_conditional(report(BRACKET))

    against(server, work)
    changed = [body for method, _, body in server.requests if method == "PUT"]
    assert [body["legName"] for body in changed] == ["STOP_LOSS_LEG", "TARGET_LEG"]
    assert (changed[0]["stopLossPrice"], changed[0]["trailingJump"], changed[1]["targetPrice"]) == (1270.0, 0.0, 1330.0)
    assert [path for method, path, _ in server.requests if method == "DELETE"] == [
        "/v2/super/orders/52/TARGET_LEG",
        "/v2/super/orders/52/STOP_LOSS_LEG",
    ]


FOREVER = {
    "orderId": "7",
    "orderStatus": "CONFIRM",
    "transactionType": "BUY",
    "exchangeSegment": "NSE_EQ",
    "productType": "CNC",
    "orderType": "SINGLE",
    "securityId": "2885",
    "quantity": 3,
    "price": 1281,
    "triggerPrice": 1280,
    "legName": "ENTRY_LEG",
}


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([FOREVER], "7"),
        ([FOREVER, FOREVER | {"orderId": "8"}], "8"),  # the newest
        ([FOREVER, FOREVER | {"orderId": "8", "correlationId": "NA"}], "8"),
        ([FOREVER | {"orderStatus": "CANCELLED"}], None),
        ([FOREVER | {"quantity": 4}], None),
        ([FOREVER | {"correlationId": "SOMEBODY"}], None),  # should Dhan come to tell it
        ([FOREVER | {"correlationId": "DEMO26112000001", "orderStatus": "TRADED"}, FOREVER | {"orderId": "8"}], "7"),
        ([FOREVER | {"correlationId": "DEMO26112000001", "orderId": "9", "quantity": 4}, FOREVER], "9"),
    ],
)
def test_which_forever_order_is_ours(server, rows, found):
    server.answer = reply(rows)
    told = against(server, lambda broker: broker.account.find_conditional(new()))
    assert (told.broker_id if told else None) == found


def test_a_super_order_of_another_day_is_not_touched(server):
    server.answer = reply([])
    for write in (
        lambda broker: broker.account.cancel_conditional(report(BRACKET)),
        lambda broker: broker.account.modify_conditional(report(BRACKET), new(BRACKET)),
    ):
        with pytest.raises(RejectedByBroker, match="no super order 52 today"):
            against(server, write)
    assert {method for method, _, _ in server.requests} == {"GET"}


def test_what_a_change_cannot_change(server):
    async def work(broker):
        for wrong in ({"side": Side.SELL}, {"instrument": IDEA.id}, {"product": Product.MTF}):
            with pytest.raises(DataError, match="cannot be changed"):
                await broker.account.modify_conditional(report(), new(**wrong))

    against(server, work)
    assert server.requests == []
