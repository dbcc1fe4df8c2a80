"""`UpstoxBroker` through the real SDK: looking orders up, the book and the account."""

import pytest
from tests.contract.asked import SHARE, live_order
from tests.contract.upstox_orders import ROW, on_broker, refusal, reply

from saudagar.model import (
    ClientOrderId,
    OrderStatus,
    Product,
)
from saudagar.model.errors import (
    BrokerError,
    OutcomeUnknown,
    RejectedByBroker,
)


def test_the_book_is_read_although_the_sdks_models_would_refuse_it(server):  # U4
    server.answer = reply([ROW | {"validity": "TTL", "new_field": 1}, ROW | {"order_id": "53", "tag": None}])
    ours, foreign = on_broker(server, lambda broker: broker.orders())
    assert (ours.order_id, ours.status, foreign.order_id, foreign.broker_id) == (
        "DEMO26112000001",
        OrderStatus.OPEN,
        "",
        "53",
    )


def test_find_by_tag_takes_the_orders_latest_word_and_not_a_step_of_its_history(server):
    def answer(method, path, body):
        if path == "/v2/order/history?tag=DEMO26112000001":
            return reply([ROW | {"status": "open pending"}, ROW | {"status": "put order req received"}])()
        assert path == "/v2/order/details?order_id=52"
        return reply(ROW | {"status": "complete", "filled_quantity": 10, "average_price": 812.3})()

    server.answer = answer
    found = on_broker(server, lambda broker: broker.find(ClientOrderId("DEMO26112000001")))
    assert (found.status, found.filled) == (OrderStatus.FILLED, 10)


@pytest.mark.parametrize("history", [reply([]), refusal("UDAPI100010", "Order not found", 404), refusal("X", "what")])
@pytest.mark.parametrize("book", [[], [ROW | {"tag": "OTHER"}], [ROW]])
def test_none_is_said_only_when_the_book_does_not_have_it_either(server, history, book):
    server.answer = lambda method, path, body: history() if "history" in path else reply(book)()
    found = on_broker(server, lambda broker: broker.find(ClientOrderId("DEMO26112000001")))
    assert (found is not None) == (book == [ROW])


@pytest.mark.parametrize(
    "answer", [lambda *_: None, lambda *_: "reset", refusal("", "busy", 500), refusal("", "x", 429)]
)
def test_a_look_up_that_fails_is_no_answer(server, answer):
    server.answer = answer
    with pytest.raises(BrokerError) as told:
        on_broker(server, lambda broker: broker.find(ClientOrderId("DEMO26112000001")))
    assert not isinstance(told.value, OutcomeUnknown | RejectedByBroker)


def test_two_orders_of_one_id_are_a_fault_of_the_answer(server):
    server.answer = lambda method, path, body: reply([] if "history" in path else [ROW, ROW | {"order_id": "53"}])()
    with pytest.raises(BrokerError, match="answered the look-up"):
        on_broker(server, lambda broker: broker.find(ClientOrderId("DEMO26112000001")))


@pytest.mark.parametrize("told_twice", [[], [{"instrument_token": SHARE.upstox_id, "product": "MTF", "quantity": 3}]])
def test_the_account_in_whole(server, told_twice):
    position = {"instrument_token": SHARE.upstox_id, "product": "I", "quantity": 10, "day_buy_quantity": 10}
    cash = {"cash": {"opening_balance": 100.0}, "margin_used": {"total": 25.5}}
    answers = {
        "/v2/portfolio/short-term-positions": [position, *told_twice],
        "/v3/portfolio/mtf-positions": [position | {"product": "MTF", "quantity": 3}],
        "/v2/portfolio/long-term-holdings": [{"instrument_token": SHARE.upstox_id, "quantity": 4}],
        "/v3/user/get-funds-and-margin": {"available_to_trade": {"total": 74.5, "cash_available_to_trade": cash}},
        "/v2/order/trades?order_id=52": [
            {"order_id": "52", "trade_id": "1", "quantity": 10, "average_price": 812.35},
            {"order_id": "99", "trade_id": "2", "quantity": 10, "average_price": 812.35},
        ],
    }
    server.answer = lambda method, path, body: reply(answers[path])()

    async def work(broker):
        day, funded = await broker.positions()
        assert (day.quantity, day.product, funded.quantity, funded.product) == (10, Product.INTRADAY, 3, Product.MTF)
        [held] = await broker.holdings()
        assert (held.instrument, held.quantity) == (SHARE.id, 4)
        assert (await broker.funds()).available == 7_450
        [trade] = await broker.trades_of(live_order())
        assert (trade.quantity, trade.price) == (10, 81_235)

    on_broker(server, work)


@pytest.mark.parametrize("data", [{"a": 1}, [1], "text"])
def test_a_list_that_is_none_is_a_fault_and_nothing_is_taken_from_it(server, data):
    server.answer = reply(data)
    for work in (lambda b: b.orders(), lambda b: b.positions(), lambda b: b.holdings(), lambda b: b.funds()):
        with pytest.raises(BrokerError):
            on_broker(server, work)
    with pytest.raises(BrokerError):
        on_broker(server, lambda broker: broker.trades_of(live_order()))
