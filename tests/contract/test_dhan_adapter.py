"""`DhanBroker` through the real SDK against a small scripted server: every way a request can end."""

import asyncio
import json
import sys
import threading
from decimal import Decimal

import numpy as np
import pytest
from tests.contract.asked import FUTURE, GOLD, INDEX, NAMELESS, SHARE, TOKEN, live_order, new_order, opened
from tests.contract.conftest import MARKET_DAY
from tests.contract.dhan_desk import refusal, reply
from tests.scripted import Server

from saudagar.brokers.dhan.broker import DhanBroker, DhanSettings
from saudagar.market.master import Master
from saudagar.model import (
    ClientOrderId,
    OrderStatus,
    OrderTerms,
    OrderType,
    Product,
    Validity,
)
from saudagar.model.errors import (
    AuthError,
    BrokerError,
    DataError,
    OutcomeUnknown,
    RateLimited,
    RejectedByBroker,
    UnknownInstrument,
    Unsupported,
)

LOOKUP = Master(MARKET_DAY, (INDEX, SHARE, NAMELESS, FUTURE, GOLD))


def on_broker(server: Server, work, timeout=(1.0, 0.4)):
    """Run `work(broker)` with the REST side only: the order stream has no address and is never started."""
    url = f"http://127.0.0.1:{server.port}/v2"
    settings = DhanSettings(client_id="1000000001", token=TOKEN, rest_url=url, timeout=timeout)
    return opened(lambda: DhanBroker(settings, LOOKUP, clock=lambda: 77), work)


ACCEPTED = reply({"orderId": "52", "orderStatus": "TRANSIT"})


def test_an_order_on_the_wire(server):
    server.answer = ACCEPTED
    report = on_broker(server, lambda broker: broker.submit(new_order()))
    assert (report.order_id, report.broker_id, report.status) == ("DEMO26112000001", "52", OrderStatus.PENDING)
    assert report.ts == 77
    ((method, path, body),) = server.requests
    assert (method, path) == ("POST", "/v2/orders")
    assert body == {
        "dhanClientId": "1000000001",
        "correlationId": "DEMO26112000001",
        "transactionType": "BUY",
        "exchangeSegment": "NSE_EQ",
        "productType": "INTRADAY",
        "orderType": "LIMIT",
        "validity": "DAY",
        "securityId": "3045",
        "quantity": 10,
        "disclosedQuantity": 0,
        "price": 812.35,
        "afterMarketOrder": False,
        "boProfitValue": None,
        "boStopLossValue": None,
        "triggerPrice": 0.0,
    }


@pytest.mark.parametrize(
    ("kind", "price", "trigger", "sent"),
    [
        (OrderType.MARKET, 0, 0, ("MARKET", 0.0, 0.0)),
        (OrderType.SL, 10_000, 9_995, ("STOP_LOSS", 100.0, 99.95)),
        (OrderType.SL_M, 0, 9_995, ("STOP_LOSS_MARKET", 0.0, 99.95)),
    ],
)
def test_each_order_type_on_the_wire(server, kind, price, trigger, sent):
    server.answer = ACCEPTED
    terms = OrderTerms(quantity=1, order_type=kind, price=price, trigger_price=trigger)
    on_broker(server, lambda broker: broker.submit(new_order(terms=terms, validity=Validity.IOC, after_market=True)))
    body = server.requests[0][2]
    assert (body["orderType"], body["price"], body["triggerPrice"]) == sent
    assert (body["validity"], body["afterMarketOrder"], body["amoTime"]) == ("IOC", True, "OPEN")


def test_a_modification_sends_the_whole_order_and_a_cancellation_its_id(server):
    server.answer = ACCEPTED

    async def work(broker):
        await broker.modify(
            live_order(), OrderTerms(quantity=7, order_type=OrderType.SL, price=9_990, trigger_price=9_995)
        )
        await broker.cancel(live_order())

    on_broker(server, work)
    assert [(method, path) for method, path, _ in server.requests] == [
        ("PUT", "/v2/orders/52"),
        ("DELETE", "/v2/orders/52"),
    ]
    body = server.requests[0][2]
    assert (body["orderId"], body["orderType"], body["quantity"]) == ("52", "STOP_LOSS", 7)
    assert (body["price"], body["triggerPrice"], body["validity"]) == (99.9, 99.95, "DAY")


def test_quantities_of_mcx_go_out_in_lots(server):
    """Dhan takes a quantity there for so many contracts: thirty grams of a ten-gram lot are 3, not 30."""
    server.answer = ACCEPTED
    terms = OrderTerms(quantity=30, order_type=OrderType.LIMIT, price=7_500_000)
    asked = {"instrument": GOLD.id, "product": Product.MARGIN}

    async def work(broker):
        await broker.submit(new_order(**asked, terms=terms))
        await broker.modify(live_order(**asked, terms=terms), OrderTerms(**{**_fields(terms), "quantity": 20}))
        with pytest.raises(DataError, match="whole lots of 10"):
            await broker.submit(new_order(**asked, terms=OrderTerms(**{**_fields(terms), "quantity": 25})))

    on_broker(server, work)
    assert [(method, body["quantity"]) for method, _, body in server.requests] == [("POST", 3), ("PUT", 2)]


def _fields(terms: OrderTerms) -> dict:
    return {name: getattr(terms, name) for name in terms.__struct_fields__}


REQUESTS = {
    "submit": lambda broker: broker.submit(new_order()),
    "modify": lambda broker: broker.modify(live_order(), OrderTerms(quantity=1, order_type=OrderType.MARKET)),
    "cancel": lambda broker: broker.cancel(live_order()),
}


@pytest.mark.parametrize("request_name", REQUESTS)
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda *_: None, OutcomeUnknown),  # time-out: D1
        (lambda *_: "reset", OutcomeUnknown),
        (lambda *_: (200, b""), OutcomeUnknown),
        (lambda *_: (202, b""), OutcomeUnknown),  # D2
        (lambda *_: (200, b'{"orderId": "5'), OutcomeUnknown),
        (lambda *_: (200, b"{}"), OutcomeUnknown),
        (lambda *_: (200, b"<html>busy</html>"), OutcomeUnknown),
        (lambda *_: (502, b"<html>bad gateway</html>"), OutcomeUnknown),
        (lambda *_: (307, b"", "Location: /v2/orders\r\n"), OutcomeUnknown),
        (refusal("DH-908", "internal", 500), OutcomeUnknown),
        (refusal("DH-906", "RMS: margin exceeds"), RejectedByBroker),
        (refusal("DH-905", "Missing required fields"), RejectedByBroker),
        (refusal("DH-911", "Invalid IP", 403), RejectedByBroker),
        (refusal("DH-904", "Too many requests", 429), RateLimited),
        (lambda *_: (429, b"<html>slow down</html>"), RateLimited),
        (refusal("DH-906", "Invalid Token"), AuthError),
        (refusal("DH-901", "expired", 401), AuthError),
    ],
)
def test_each_end_of_each_write_and_never_a_second_try(server, request_name, answer, kind):
    server.answer = answer
    with pytest.raises(BrokerError) as raised:
        on_broker(server, REQUESTS[request_name])
    assert type(raised.value) is kind
    assert TOKEN not in str(raised.value)
    assert len(server.requests) == 1


def test_the_brokers_own_words_reach_the_person(server):
    server.answer = refusal("DH-906", "RMS: margin exceeds by 12.50")
    with pytest.raises(RejectedByBroker, match=r"RMS: margin exceeds by 12\.50") as raised:
        on_broker(server, REQUESTS["submit"])
    assert raised.value.code == "DH-906"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"instrument": INDEX.id}, Unsupported),
        ({"instrument": NAMELESS.id}, Unsupported),
        ({"instrument": "NSE_EQ:NOWHERE"}, UnknownInstrument),
        ({"product": Product.MARGIN}, Unsupported),
        ({"instrument": FUTURE.id, "product": Product.DELIVERY}, Unsupported),
        ({"order_id": "X" * 26}, Unsupported),
        ({"order_id": ""}, Unsupported),
        ({"order_id": "A/../B"}, DataError),
        ({"terms": OrderTerms(quantity=0, order_type=OrderType.MARKET)}, DataError),
        ({"terms": OrderTerms(quantity=-1, order_type=OrderType.MARKET)}, DataError),
        ({"terms": OrderTerms(quantity=1, order_type=OrderType.LIMIT)}, DataError),
        ({"terms": OrderTerms(quantity=1, order_type=OrderType.SL, price=5)}, DataError),
        ({"terms": OrderTerms(quantity=1, order_type=OrderType.LIMIT, price=float("nan"))}, DataError),
        ({"terms": OrderTerms(quantity=1, order_type=OrderType.LIMIT, price=Decimal(100))}, DataError),
    ],
)
def test_what_dhan_cannot_do_is_refused_before_the_wire(server, changes, kind):
    with pytest.raises(kind):
        on_broker(server, lambda broker: broker.submit(new_order(**changes)))
    assert server.requests == []
    assert server.connections == 0


def test_numpy_numbers_do_not_break_the_sdk(server):
    server.answer = ACCEPTED
    terms = OrderTerms(quantity=np.int64(3), order_type=OrderType.LIMIT, price=np.int64(10_005))
    on_broker(server, lambda broker: broker.modify(live_order(), terms))  # bare, the SDK raises TypeError on these
    assert (server.requests[0][2]["quantity"], server.requests[0][2]["price"]) == (3, 100.05)


def test_an_order_without_dhans_id_cannot_be_changed(server):
    for name in ("modify", "cancel"):
        with pytest.raises(RejectedByBroker, match="not known yet"):
            on_broker(
                server,
                lambda broker, name=name: (
                    broker.cancel(live_order(""))
                    if name == "cancel"
                    else broker.modify(live_order(""), OrderTerms(quantity=1, order_type=OrderType.MARKET))
                ),
            )
    assert server.requests == []


def test_writes_keep_their_order_on_one_connection_and_reads_do_not_wait_for_them(server):
    calm = threading.Event()

    def answer(method, path, body):
        if method == "POST" and len([r for r in server.requests if r[0] == "POST"]) == 1:
            calm.wait(30)
        if method == "GET":
            calm.set()
            return 200, b"[]"
        return 200, b'{"orderId": "52", "orderStatus": "TRANSIT"}'

    server.answer = answer

    async def work(broker):
        ids = [f"DEMO{n:05d}" for n in range(40)]
        writes = [asyncio.ensure_future(broker.submit(new_order(order_id=each))) for each in ids]
        await asyncio.sleep(0.05)
        assert await broker.orders() == []  # answered while the first write is still waiting
        await asyncio.gather(*writes)
        sent = [body["correlationId"] for method, _, body in server.requests if method == "POST"]
        assert sent == ids

    on_broker(server, work, (1.0, 5.0))
    assert server.connections == 2


ROW = {
    "orderId": "52",
    "correlationId": "DEMO26112000001",
    "orderStatus": "TRADED",
    "transactionType": "BUY",
    "exchangeSegment": "NSE_EQ",
    "productType": "INTRADAY",
    "orderType": "LIMIT",
    "tradingSymbol": "SBIN",
    "securityId": "3045",
    "quantity": 10,
    "price": 812.35,
    "averageTradedPrice": 812.3,
    "filledQty": 10,
    "updateTime": "2026-11-20 09:15:01",
}


@pytest.mark.parametrize("body", [ROW, [ROW]])
def test_a_look_up_takes_an_object_or_an_array_of_one(server, body):
    server.answer = reply(body)
    report = on_broker(server, lambda broker: broker.find(ClientOrderId("DEMO26112000001")))
    assert (report.status, report.filled, report.broker_id) == (OrderStatus.FILLED, 10, "52")
    assert server.requests[0][1] == "/v2/orders/external/DEMO26112000001"


@pytest.mark.parametrize(
    "answer", [reply([]), refusal("DH-906", "Incorrect request for order and cannot be processed", 404)]
)
@pytest.mark.parametrize("book", [reply([]), reply([ROW]), refusal("DH-909", "no answer", 502)])
def test_a_look_up_answers_none_when_dhan_says_so_and_its_book_as_well(server, answer, book):
    """Its words for a missing order are those for any order that it could not process."""
    server.answer = lambda method, path, body: (answer if "external" in path else book)()

    def find():
        return on_broker(server, lambda broker: broker.find(ClientOrderId("DEMO26112000001")))

    if book()[0] != 200:
        with pytest.raises(BrokerError):
            find()
    else:
        assert (find() is None) == (book()[1] == b"[]")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (lambda *_: "reset", BrokerError),
        (lambda *_: None, BrokerError),
        (lambda *_: (200, b""), BrokerError),
        (lambda *_: (502, b"no order"), BrokerError),
        (reply({"orderId": "1", "correlationId": "OTHER", "orderStatus": "TRADED"}), BrokerError),
        (reply([ROW, ROW]), BrokerError),
        (reply({}), BrokerError),
        (refusal("DH-904", "Too many requests", 429), RateLimited),
        (refusal("DH-906", "Invalid Token"), AuthError),
    ],
)
def test_a_look_up_that_failed_is_never_taken_for_a_no(server, answer, kind):
    server.answer = answer
    with pytest.raises(kind) as raised:
        on_broker(server, lambda broker: broker.find(ClientOrderId("DEMO26112000001")))
    assert not isinstance(raised.value, OutcomeUnknown | RejectedByBroker)


@pytest.mark.parametrize("alone", [False, True])  # the documentation's example of one order's trades is an object
def test_the_book_the_trades_and_the_account(server, alone):
    trade = {"orderId": "52", "exchangeTradeId": "7", "tradedQuantity": 10, "tradedPrice": 812.3}
    trade |= {"exchangeTime": "2026-11-20 09:15:01"}
    position = {"securityId": "3045", "exchangeSegment": "NSE_EQ", "productType": "INTRADAY", "netQty": 10}
    answers = {
        "/v2/orders": [ROW],
        "/v2/trades/52": trade if alone else [trade],
        "/v2/positions": [position | {"buyQty": 10, "buyAvg": 812.3}],
        "/v2/fundlimit": {"availabelBalance": 115.64, "sodLimit": 200, "utilizedAmount": 84.36},
    }

    def answer(method, path, body):
        if path == "/v2/holdings":
            return refusal("DH-1111", "No holdings available", 500)()
        return 200, json.dumps(answers[path]).encode()

    server.answer = answer

    async def work(broker):
        (report,) = await broker.orders()
        (execution,) = await broker.trades_of(live_order())
        (held,) = await broker.positions()
        money = await broker.funds()
        assert await broker.holdings() == []
        return report, execution, held, money

    report, execution, held, money = on_broker(server, work)
    assert (report.status, report.average_price) == (OrderStatus.FILLED, 81_230.0)
    assert (execution.trade_id, execution.quantity, execution.price) == ("7", 10, 81_230)
    assert (held.instrument, held.quantity, held.buy_value) == (SHARE.id, 10, 812_300)
    assert (money.available, money.used, money.opening) == (11_564, 8_436, 20_000)


@pytest.mark.parametrize("body", [{"a": 1}, [1], [{"orderId": "1"}], "x"])
def test_books_that_make_no_sense_are_errors(server, body):
    server.answer = reply(body)
    for ask in (DhanBroker.orders, DhanBroker.positions, DhanBroker.funds):
        with pytest.raises(BrokerError):
            on_broker(server, ask)


def test_the_sdk_does_not_bring_pandas_or_set_up_printing(server):
    script = (
        "import asyncio, logging, sys\n"
        "from saudagar.brokers.dhan.broker import DhanBroker, DhanSettings\n"
        "assert 'dhanhq' not in sys.modules\n"
        "async def main():\n"
        f"    b = DhanBroker(DhanSettings(client_id='1', token={TOKEN!r}, rest_url='http://127.0.0.1:9/v2'), [])\n"
        "    await b.open()\n"
        "    try: await b.orders()\n"
        "    except Exception as error: print(type(error).__name__)\n"
        "    await b.stop()\n"
        "asyncio.run(main())\n"
        "print('pandas' in sys.modules, 'upstox_client' in sys.modules, logging.getLogger().handlers)\n"
    )

    async def run():
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        return (await child.communicate())[0].decode()

    assert asyncio.run(run()) == "BrokerError\nFalse False []\n"


def test_settings_do_not_show_the_token():
    assert TOKEN not in repr(DhanSettings(client_id="1", token=TOKEN))
    assert TOKEN not in str(DhanSettings(client_id="1", token=TOKEN))


def test_the_hand_over_is_told_from_the_writing_thread(server):
    server.answer = ACCEPTED
    told: list[tuple[str, int, str]] = []

    async def work(broker):
        broker.on_hand_over = lambda order, when: told.append((order, when, threading.current_thread().name))
        await broker.submit(new_order())

    on_broker(server, work)
    ((order, when, thread),) = told
    assert (order, thread.startswith("dhan-writes")) == ("DEMO26112000001", True)
    assert when > 0
