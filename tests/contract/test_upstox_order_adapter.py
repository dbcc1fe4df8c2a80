"""`UpstoxBroker` through the real SDK against a small scripted server: every way a request can end."""

import asyncio
import logging
import socket
import threading
from decimal import Decimal

import numpy as np
import pytest
import upstox_client
from tests.contract.asked import FUTURE, GOLD, INDEX, NAMELESS, SHARE, TOKEN, live_order, new_order
from tests.contract.upstox_orders import ACCEPTED, on_broker, refusal, reply

from saudagar.brokers.governor import Governor, Window
from saudagar.brokers.upstox.broker import UpstoxOrderSettings
from saudagar.model import (
    SECOND,
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


def test_an_order_on_the_wire(server):
    server.answer = ACCEPTED
    report = on_broker(server, lambda broker: broker.submit(new_order()))
    assert (report.order_id, report.broker_id, report.status) == ("DEMO26112000001", "52", OrderStatus.PENDING)
    assert report.ts == 77
    ((method, path, body),) = server.requests
    assert (method, path) == ("POST", "/v3/order/place")
    assert body == {
        "quantity": 10,
        "product": "I",
        "validity": "DAY",
        "price": 812.35,
        "tag": "DEMO26112000001",
        "slice": False,
        "instrument_token": "NSE_EQ|INE062A01020",
        "order_type": "LIMIT",
        "transaction_type": "BUY",
        "disclosed_quantity": 0,
        "trigger_price": 0.0,
        "is_amo": False,
    }


@pytest.mark.parametrize(
    ("kind", "price", "trigger", "sent"),
    [
        (OrderType.MARKET, 0, 0, ("MARKET", 0.0, 0.0, -1.0)),
        (OrderType.SL, 10_000, 9_995, ("SL", 100.0, 99.95, None)),
        (OrderType.SL_M, 0, 9_995, ("SL-M", 0.0, 99.95, -1.0)),
    ],
)
def test_each_order_type_on_the_wire(server, kind, price, trigger, sent):
    server.answer = ACCEPTED
    terms = OrderTerms(quantity=1, order_type=kind, price=price, trigger_price=trigger)
    on_broker(server, lambda broker: broker.submit(new_order(terms=terms, validity=Validity.IOC, after_market=True)))
    body = server.requests[0][2]
    assert (body["order_type"], body["price"], body["trigger_price"], body.get("market_protection")) == sent
    assert (body["validity"], body["is_amo"]) == ("IOC", True)


@pytest.mark.parametrize(
    ("instrument", "product", "word"),
    [
        (SHARE, Product.DELIVERY, "D"),
        (SHARE, Product.MTF, "MTF"),
        (FUTURE, Product.MARGIN, "D"),
        (FUTURE, Product.INTRADAY, "I"),
    ],
)
def test_each_product_on_the_wire(server, instrument, product, word):
    server.answer = ACCEPTED
    terms = OrderTerms(quantity=75, order_type=OrderType.LIMIT, price=5)
    on_broker(server, lambda b: b.submit(new_order(instrument=instrument.id, product=product, terms=terms)))
    assert (server.requests[0][2]["product"], server.requests[0][2]["quantity"]) == (word, 75)


def test_gold_goes_out_in_lots(server):
    server.answer = ACCEPTED
    terms = OrderTerms(quantity=30, order_type=OrderType.LIMIT, price=100)
    on_broker(server, lambda b: b.submit(new_order(instrument=GOLD.id, product=Product.MARGIN, terms=terms)))
    assert server.requests[0][2]["quantity"] == 3
    terms = OrderTerms(quantity=31, order_type=OrderType.LIMIT, price=100)
    with pytest.raises(DataError, match="lots of 10"):
        on_broker(server, lambda b: b.submit(new_order(instrument=GOLD.id, product=Product.MARGIN, terms=terms)))
    assert len(server.requests) == 1


def test_a_modification_and_a_cancellation_on_the_wire(server):
    server.answer = reply({"order_id": "52"})

    async def work(broker):
        await broker.modify(live_order(), OrderTerms(quantity=20, order_type=OrderType.LIMIT, price=81_300))
        await broker.cancel(live_order())

    on_broker(server, work, algo_name="ALGO")
    (modify, change, body), (cancel, gone, _) = server.requests
    assert (modify, change, cancel, gone) == ("PUT", "/v3/order/modify", "DELETE", "/v3/order/cancel?order_id=52")
    assert body == {
        "quantity": 20,
        "validity": "DAY",
        "price": 813.0,
        "order_id": "52",
        "order_type": "LIMIT",
        "trigger_price": 0.0,
    }  # no disclosed quantity: "if provided, this value must be non-zero" (Upstox, "Modify Order V3")


@pytest.mark.parametrize(
    "terms",
    [
        OrderTerms(quantity=Decimal(1), order_type=OrderType.MARKET),
        OrderTerms(quantity=1.0, order_type=OrderType.MARKET),
        OrderTerms(quantity=float("nan"), order_type=OrderType.MARKET),
        OrderTerms(quantity=0, order_type=OrderType.MARKET),
        OrderTerms(quantity=-1, order_type=OrderType.MARKET),
        OrderTerms(quantity=1, order_type=OrderType.LIMIT),
        OrderTerms(quantity=1, order_type=OrderType.LIMIT, price=Decimal("1.5")),
        OrderTerms(quantity=1, order_type=OrderType.SL_M, trigger_price=-5),
    ],
)
def test_numbers_that_make_no_sense_never_reach_the_sdk(server, terms):  # U8
    with pytest.raises(DataError):
        on_broker(server, lambda broker: broker.submit(new_order(terms=terms)))
    with pytest.raises(DataError):
        on_broker(server, lambda broker: broker.modify(live_order(), terms))
    assert server.requests == []


def test_numpys_whole_numbers_are_numbers(server):
    server.answer = ACCEPTED
    terms = OrderTerms(quantity=np.int64(3), order_type=OrderType.LIMIT, price=np.int32(505))
    on_broker(server, lambda broker: broker.submit(new_order(terms=terms)))
    assert (server.requests[0][2]["quantity"], server.requests[0][2]["price"]) == (3, 5.05)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"instrument": INDEX.id}, Unsupported),
        ({"instrument": NAMELESS.id}, Unsupported),
        ({"instrument": FUTURE.id, "product": Product.DELIVERY}, Unsupported),
        ({"product": Product.MARGIN}, Unsupported),
        ({"order_id": ClientOrderId("X" * 41)}, Unsupported),
        ({"order_id": ClientOrderId("")}, Unsupported),
        ({"instrument": "NSE_EQ:NOBODY"}, UnknownInstrument),
    ],
)
def test_what_upstox_does_not_have_never_reaches_the_wire(server, changes, kind):
    with pytest.raises(kind):
        on_broker(server, lambda broker: broker.submit(new_order(**changes)))
    assert server.requests == []


@pytest.mark.parametrize("protection", [0.0, 25.1, -2.0, float("nan")])
def test_a_protection_outside_upstoxs_range_is_refused_at_once(protection):
    with pytest.raises(DataError, match="market protection"):
        UpstoxOrderSettings(token=TOKEN, protection=protection)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal("UDAPI1052", "The quantity is invalid"), RejectedByBroker),
        (refusal("UDAPI1154", "static IP", 403), RejectedByBroker),
        (refusal("UDAPI100050", "Invalid token", 401), AuthError),
        (refusal("UDAPI10005", "Too Many Request Sent", 429), RateLimited),
        (refusal("UDAPI100500", "Something went wrong", 500), OutcomeUnknown),
        (reply({"order_ids": []}), OutcomeUnknown),
        (reply({}), OutcomeUnknown),
        (lambda *_: (200, b'{"status": "succ'), OutcomeUnknown),
        (lambda *_: (200, b""), OutcomeUnknown),
        (lambda *_: (502, b"<html>Bad Gateway</html>"), OutcomeUnknown),
        (lambda *_: (302, b"", "Location: /v3/order/place\r\n"), OutcomeUnknown),
        (lambda *_: "reset", OutcomeUnknown),
        (lambda *_: None, OutcomeUnknown),  # U2: the SDK alone would wait for ever
    ],
)
def test_every_end_of_a_write_has_its_error_and_is_sent_once(
    server, answer, kind
):  # U1: the SDK alone sends PUT four times
    server.answer = answer
    terms = OrderTerms(quantity=1, order_type=OrderType.MARKET)
    for work in (
        lambda broker: broker.submit(new_order()),
        lambda broker: broker.modify(live_order(), terms),
        lambda broker: broker.cancel(live_order()),
    ):
        server.requests.clear()
        with pytest.raises(BrokerError) as told:
            on_broker(server, work)
        assert type(told.value) is kind
        assert len(server.requests) == 1
        assert TOKEN not in str(told.value)


def test_a_reply_that_does_not_come_is_given_up_by_our_own_time_out(server):  # U2: the SDK has none
    server.answer = lambda *_: None
    for work, kind in ((lambda b: b.submit(new_order()), OutcomeUnknown), (lambda b: b.orders(), BrokerError)):
        with pytest.raises(kind, match="Read timed out"):
            on_broker(server, work)


def test_an_account_has_one_client_of_the_sdk(server, monkeypatch):  # U5: each starts a pool of threads
    made = []
    make = upstox_client.ApiClient.__init__

    def counted(self, *arguments, **options):
        made.append(self)
        make(self, *arguments, **options)

    monkeypatch.setattr(upstox_client.ApiClient, "__init__", counted)
    server.answer = lambda method, *_: reply({"order_ids": ["52"]} if method == "POST" else [])()

    async def work(broker):
        await broker.submit(new_order())
        await broker.orders()
        await broker.account.conditionals()
        await broker.account.trades()

    on_broker(server, work)
    assert len(made) == 1


def test_nobody_there_is_an_unknown_outcome(server):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server.port = taken.getsockname()[1]
    with pytest.raises(OutcomeUnknown, match="no reply"):
        on_broker(server, lambda broker: broker.submit(new_order()))


def test_writes_go_out_in_order_over_one_connection_and_reads_do_not_wait_for_them(server):
    writing, asked, overtaken = threading.Event(), threading.Event(), []

    def answer(method, path, body):
        if method == "POST":
            writing.set()
            overtaken.append(asked.wait(30))
            return ACCEPTED(method, path, body)
        writing.wait(30)  # both are on their way at once
        asked.set()
        return reply([])(method, path, body)

    server.answer = answer

    async def work(broker):
        writes = [broker.submit(new_order(order_id=ClientOrderId(f"T{n}"))) for n in range(3)]
        reports, book = await asyncio.gather(asyncio.gather(*writes), broker.orders())
        assert book == []
        return reports

    on_broker(server, work, timeout=(1.0, 3.0))
    assert overtaken == [True] * 3
    assert [body["tag"] for method, _, body in server.requests if method == "POST"] == ["T0", "T1", "T2"]
    assert server.connections == 2


def test_an_order_without_upstoxs_id_cannot_be_touched_yet(server):
    terms = OrderTerms(quantity=1, order_type=OrderType.MARKET)
    for work in (lambda b: b.cancel(live_order("")), lambda b: b.modify(live_order(""), terms)):
        with pytest.raises(RejectedByBroker, match="not known yet"):
            on_broker(server, work)
    assert server.requests == []


def test_the_answer_must_name_the_order_that_was_meant(server):
    server.answer = reply({"order_id": "99"})
    with pytest.raises(OutcomeUnknown, match="does not name the order"):
        on_broker(server, lambda broker: broker.cancel(live_order()))


def test_a_new_token_is_used_from_the_next_request_on_and_checked(server):
    cash = {"cash": {"opening_balance": 1.0}, "margin_used": {"total": 0}}
    funds = {"available_to_trade": {"total": 1.0, "cash_available_to_trade": cash}}
    server.answer = lambda method, path, body: reply({"order_ids": ["52"]} if method == "POST" else funds)()

    async def work(broker):
        await broker.submit(new_order())
        await broker.renew("FRESH")
        await broker.submit(new_order(order_id=ClientOrderId("T2")))
        assert broker._client().configuration.access_token == "FRESH"
        server.answer = refusal("UDAPI100050", "Invalid token", 401)
        with pytest.raises(AuthError):
            await broker.renew("STALE")

    on_broker(server, work)
    assert [path for _, path, _ in server.requests if "funds" in path] == ["/v3/user/get-funds-and-margin"] * 2


def test_the_governor_holds_entries_back_and_a_cancel_goes_before_them(server):
    server.answer = lambda method, path, body: reply({"order_ids": ["52"], "order_id": "52"})()

    async def work(broker):
        entries = [asyncio.create_task(broker.submit(new_order(order_id=ClientOrderId(f"T{n}")))) for n in range(6)]
        await asyncio.sleep(0.05)
        await broker.cancel(live_order())
        await asyncio.gather(*entries)

    on_broker(server, work, governor=Governor((Window(SECOND // 2, 5),)))
    methods = [method for method, _, _ in server.requests]
    assert methods == ["POST"] * 4 + ["DELETE"] + ["POST"] * 2


def test_no_secret_is_logged_at_debug_level(server, caplog):
    server.answer = lambda *_: (200, b"garbled")
    with caplog.at_level(logging.DEBUG), pytest.raises(OutcomeUnknown):
        on_broker(server, lambda broker: broker.submit(new_order()))
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(UpstoxOrderSettings(token=TOKEN))
