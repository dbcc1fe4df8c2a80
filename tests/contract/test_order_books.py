"""What each broker says of orders that makes no sense: it must neither hide the rest nor pass for something else."""

import json

import pytest
from tests.contract import kite_desk, test_dhan_adapter, upstox_orders
from tests.contract.asked import live_order

from saudagar.model.errors import BrokerError, OutcomeUnknown

BROKERS = {
    "dhan": (
        test_dhan_adapter.on_broker,
        test_dhan_adapter.ROW,
        {"id": "orderId", "tag": "correlationId", "filled": "filledQty"},
    ),
    "upstox": (
        upstox_orders.on_broker,
        upstox_orders.ROW,
        {"id": "order_id", "tag": "tag", "filled": "filled_quantity"},
    ),
    "kite": (
        kite_desk.on_broker,
        {"order_id": "52", "status": "OPEN", "tag": "DEMO26112000001", "order_type": "LIMIT", "quantity": 10},
        {"id": "order_id", "tag": "tag", "filled": "filled_quantity"},
    ),
}


def answered(name, told, work):
    """What `work(broker)` comes to where the broker answers `told` to everything."""
    with kite_desk.kite_server() as server:
        body = told if name == "dhan" else {"status": "success", "data": told}
        server.answer = lambda *_: (200, json.dumps(body).encode())
        if name != "kite":
            server.parsed = lambda _: {}
        return BROKERS[name][0](server, work)


def book_of(name, *rows):
    _, row, keys = BROKERS[name]
    refusals = []

    async def work(broker):
        refusals.append(broker.refusals)
        return await broker.orders()

    told = [row | {keys[key]: value for key, value in changes.items()} for changes in rows]
    return [report.order_id for report in answered(name, told, work)], dict(refusals[0])


@pytest.mark.parametrize("name", BROKERS)
@pytest.mark.parametrize("nobody", [None, "", "NA"])
def test_an_order_by_hand_that_makes_no_sense_does_not_hide_the_others(name, nobody):
    garbled = {"id": "99", "tag": nobody, "filled": "many"}
    assert book_of(name, garbled, {}) == (["DEMO26112000001"], {"bad order": 1})


@pytest.mark.parametrize("name", BROKERS)
@pytest.mark.parametrize("rows", [({}, {"id": "99", "tag": "X1", "filled": "many"}), ({"tag": None, "filled": "x"},)])
def test_one_that_may_be_ours_is_a_fault_and_so_is_a_book_without_any_sense(name, rows):
    with pytest.raises(BrokerError, match="gave"):
        book_of(name, *rows)


@pytest.mark.parametrize("name", BROKERS)
@pytest.mark.parametrize("request_name", ["modify", "cancel"])
def test_an_answer_that_names_another_order_leaves_the_outcome_unknown(name, request_name):
    order, key = live_order(), BROKERS[name][2]["id"]
    more = (order.terms,) if request_name == "modify" else ()

    def work(broker):
        return getattr(broker, request_name)(order, *more)

    answered(name, {key: order.broker_id}, work)
    with pytest.raises(OutcomeUnknown, match="does not name the order"):
        answered(name, {key: "53"}, work)
