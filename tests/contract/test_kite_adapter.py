"""`KiteBroker` through the real SDK against a small scripted server: every way a request can end."""

import json
from decimal import Decimal

import numpy as np
import pytest
from tests.contract.asked import INDEX, NAMELESS, TOKEN
from tests.contract.kite_desk import KEY, LEAD, REQUESTS, YES, error, kite_server, new_order, ok, on_broker, placed

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


@pytest.fixture
def server():
    with kite_server() as server:
        yield server


def test_an_order_on_the_wire(server):
    report = on_broker(server, lambda broker: broker.submit(new_order()))
    assert (report.order_id, report.broker_id, report.status, report.ts) == (
        "D26112000001",
        "77",
        OrderStatus.PENDING,
        77,
    )
    assert server.requests == [
        (
            "POST",
            "/orders/regular",
            {
                "variety": "regular",
                "exchange": "NSE",
                "tradingsymbol": "SBIN",
                "transaction_type": "BUY",
                "quantity": "10",
                "product": "MIS",
                "order_type": "LIMIT",
                "price": "812.5",
                "validity": "DAY",
                "tag": "D26112000001",
            },
        )
    ]
    assert f"Authorization: token {KEY}:{TOKEN}" in server.headers
    assert "X-Kite-Version: 3" in server.headers


@pytest.mark.parametrize(
    ("terms", "wanted"),
    [
        (OrderTerms(quantity=1, order_type=OrderType.MARKET), {"order_type": "MARKET", "market_protection": "-1.0"}),
        (
            OrderTerms(quantity=1, order_type=OrderType.SL, price=81_300, trigger_price=81_250),
            {"order_type": "SL", "price": "813.0", "trigger_price": "812.5"},
        ),
        (
            OrderTerms(quantity=1, order_type=OrderType.SL_M, trigger_price=81_255),
            {"order_type": "SL-M", "trigger_price": "812.55", "market_protection": "-1.0"},
        ),
    ],
)
def test_each_type_carries_what_belongs_to_it_and_market_orders_their_protection(server, terms, wanted):
    """Kite refuses MARKET and SL-M without market protection since April 2026."""
    on_broker(server, lambda broker: broker.submit(new_order(terms=terms)))
    (_, _, fields) = server.requests[0]
    names = ("order_type", "price", "trigger_price", "market_protection")
    assert {name: fields[name] for name in names if name in fields} == wanted


def test_protection_is_the_users_to_choose(server):
    market = new_order(terms=OrderTerms(quantity=1, order_type=OrderType.MARKET))
    on_broker(server, lambda broker: broker.submit(market), protection=2.5)
    assert server.requests[0][2]["market_protection"] == "2.5"


def test_mcx_is_ordered_in_lots(server):
    terms = OrderTerms(quantity=3_000, order_type=OrderType.LIMIT, price=18_000)
    order = new_order(instrument=LEAD.id, product=Product.MARGIN, terms=terms)
    on_broker(server, lambda broker: broker.submit(order))
    fields = server.requests[0][2]
    assert (fields["quantity"], fields["exchange"], fields["product"]) == ("3", "MCX", "NRML")
    odd = new_order(
        instrument=LEAD.id,
        product=Product.MARGIN,
        terms=OrderTerms(quantity=1_500, order_type=OrderType.LIMIT, price=18_000),
    )
    with pytest.raises(DataError, match="whole lots"):
        on_broker(server, lambda broker: broker.submit(odd))
    assert len(server.requests) == 1


def test_changes_go_through_the_door_the_order_came_through(server):
    """Kite's cancel and modify need the variety; after a restart only the book or the stream knows it."""

    async def work(broker):
        amo = new_order(after_market=True)
        report = await broker.submit(amo)
        await broker.cancel(placed(amo, report.broker_id))
        await broker.cancel(placed(amo, "unknown"))  # of an earlier life: what the order itself says
        await broker.orders()
        await broker.cancel(placed(number="88"))
        await broker.modify(placed(number="99"), new_order().terms)
        broker._update(json.dumps({"type": "order", "data": row("88", variety="co")}).encode())
        await broker.cancel(placed(number="88"))

    def row(number, **changes):
        fields = {"status": "OPEN", "order_type": "LIMIT", "quantity": 1, "filled_quantity": 0, "tag": None}
        return fields | {"order_id": number} | changes

    def answer(method, path, body):
        if method == "GET":
            return ok([row("88", variety="iceberg"), row("99")])
        number = path.split("?")[0].rpartition("/")[2]
        return YES if method == "POST" else ok({"order_id": number})

    server.answer = answer
    on_broker(server, work)
    assert [path.split("?")[0] for _, path, _ in server.requests] == [
        "/orders/amo",
        "/orders/amo/77",
        "/orders/amo/unknown",
        "/orders",
        "/orders/iceberg/88",
        "/orders/regular/99",
        "/orders/co/88",
    ]


def test_a_modification_names_all_terms(server):
    stop = new_order(terms=OrderTerms(quantity=10, order_type=OrderType.SL_M, trigger_price=80_000))
    terms = OrderTerms(quantity=5, order_type=OrderType.SL_M, trigger_price=80_500)
    on_broker(server, lambda broker: broker.modify(placed(stop), terms))
    method, path, fields = server.requests[0]
    assert (method, path) == ("PUT", "/orders/regular/77")
    assert {name: fields[name] for name in ("quantity", "order_type", "trigger_price", "market_protection")} == {
        "quantity": "5",
        "order_type": "SL-M",
        "trigger_price": "805.0",
        "market_protection": "-1.0",
    }
    assert fields["validity"] == "DAY"
    assert "price" not in fields


ENDINGS = [
    (error(400, "OrderException"), RejectedByBroker),
    (error(400, "InputException"), RejectedByBroker),
    (error(400, "MarginException"), RejectedByBroker),  # the SDK raises GeneralException for it
    (error(403, "PermissionException"), RejectedByBroker),
    (error(403, "TokenException"), AuthError),
    (error(429, "NetworkException"), RateLimited),
    ((429, b"<html>slow down</html>", "Content-Type: text/html\r\n"), RateLimited),  # the SDK: DataException 502
    ((429, b'{"status":"error","message":"slow"}'), RateLimited),  # the SDK: TypeError
    ((400, b'{"status":"error","message":"m","error_type":"InputException"}', ""), RejectedByBroker),  # KeyError
    (error(503, "NetworkException"), OutcomeUnknown),
    (error(502, "DataException"), OutcomeUnknown),
    (error(500, "GeneralException"), OutcomeUnknown),
    (error(500, "OrderException"), OutcomeUnknown),
    ((200, b""), OutcomeUnknown),
    ((200, b"{"), OutcomeUnknown),
    ((200, b'{"status":"success","data":{}}'), OutcomeUnknown),
    ((200, b'{"status":"success","data":[]}'), OutcomeUnknown),
    ((200, b"<html></html>", "Content-Type: text/html\r\n"), OutcomeUnknown),
    ((307, b"", "Location: /orders/other\r\n"), OutcomeUnknown),
    ((502, b"<html>bad gateway</html>", "Content-Type: text/html\r\n"), OutcomeUnknown),
    (None, OutcomeUnknown),
    ("reset", OutcomeUnknown),
]


@pytest.mark.parametrize("request_name", sorted(REQUESTS))
@pytest.mark.parametrize(("answer", "kind"), ENDINGS)
def test_every_ending_of_a_write(server, answer, kind, request_name):
    server.answer = lambda method, path, body: answer
    with pytest.raises(BrokerError) as caught:
        on_broker(server, REQUESTS[request_name])
    assert type(caught.value) is kind
    assert TOKEN not in str(caught.value)
    assert KEY not in str(caught.value)
    assert len(server.requests) == 1, "it was sent again"


def test_a_write_that_finds_nobody_is_unknown_and_a_read_is_not(server):
    server.close()
    for name in REQUESTS:
        with pytest.raises(OutcomeUnknown):
            on_broker(server, REQUESTS[name])
    with pytest.raises(BrokerError) as caught:
        on_broker(server, lambda broker: broker.orders())
    assert type(caught.value) is BrokerError


@pytest.mark.parametrize("answer", [None, "reset", (200, b"{"), error(503, "NetworkException"), ok({}), ok([1])])
def test_reads_that_fail_are_no_empty_answers(server, answer):
    server.answer = lambda method, path, body: answer
    for read in (
        lambda broker: broker.find(ClientOrderId("D26112000001")),
        lambda broker: broker.orders(),
        lambda broker: broker.positions(),
        lambda broker: broker.holdings(),
        lambda broker: broker.funds(),
        lambda broker: broker.trades_of(placed()),
    ):
        with pytest.raises(BrokerError) as caught:
            on_broker(server, read)
        assert type(caught.value) is BrokerError


BOOK = [
    {
        "order_id": str(number),
        "status": "OPEN",
        "tag": tag,
        "tags": ["mktp"],
        "order_type": "LIMIT",
        "quantity": 1,
        "filled_quantity": 0,
        "price": 1,
        "instrument_token": 779521,
        "order_timestamp": "2026-11-20 09:15:01",
    }
    for number, tag in enumerate(["A1", None, "A2", "B", "B"])
]


def test_an_order_is_found_by_its_tag_in_the_book(server):
    server.answer = lambda method, path, body: ok(BOOK)

    async def work(broker):
        assert (await broker.find(ClientOrderId("A2"))).broker_id == "2"
        assert await broker.find(ClientOrderId("A")) is None  # a whole tag, no beginning of one
        with pytest.raises(BrokerError, match="2 orders with our id B"):
            await broker.find(ClientOrderId("B"))
        assert len(await broker.orders()) == 5

    on_broker(server, work)


def test_trades_are_those_of_the_order(server):
    mine = {"order_id": "77", "trade_id": "1", "quantity": 2, "average_price": 10, "instrument_token": 779521}
    server.answer = lambda method, path, body: ok([mine, mine | {"order_id": "78", "trade_id": "2"}])
    trades = on_broker(server, lambda broker: broker.trades_of(placed()))
    assert [trade.trade_id for trade in trades] == ["1"]
    assert server.requests[0][1] == "/orders/77/trades"
    server.answer = lambda method, path, body: ok([mine | {"quantity": 0}])
    with pytest.raises(BrokerError, match="a trade of 0"):
        on_broker(server, lambda broker: broker.trades_of(placed()))


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"instrument": INDEX.id}, Unsupported),
        ({"instrument": NAMELESS.id}, Unsupported),
        ({"product": Product.MARGIN}, Unsupported),
        ({"instrument": "NSE_EQ:GONE"}, UnknownInstrument),
        ({"order_id": ClientOrderId("D" * 21)}, Unsupported),
        ({"order_id": ClientOrderId("")}, Unsupported),
        ({"order_id": ClientOrderId("A 1")}, DataError),
        ({"terms": OrderTerms(quantity=0, order_type=OrderType.MARKET)}, DataError),
        ({"terms": OrderTerms(quantity=-1, order_type=OrderType.MARKET)}, DataError),
        ({"terms": OrderTerms(quantity=1, order_type=OrderType.LIMIT)}, DataError),
        ({"terms": OrderTerms(quantity=1, order_type=OrderType.SL, price=5)}, DataError),
        ({"terms": OrderTerms(quantity=1.5, order_type=OrderType.MARKET)}, DataError),
        ({"terms": OrderTerms(quantity=1, order_type=OrderType.LIMIT, price=float("nan"))}, DataError),
        ({"terms": OrderTerms(quantity=1, order_type=OrderType.LIMIT, price=Decimal(5))}, DataError),
    ],
)
def test_what_cannot_be_right_never_reaches_the_wire(server, changes, kind):
    with pytest.raises(kind):
        on_broker(server, lambda broker: broker.submit(new_order(**changes)))
    assert server.requests == []


def test_numbers_of_numpy_are_numbers(server):
    terms = OrderTerms(quantity=np.int64(3), order_type=OrderType.LIMIT, price=np.int64(1_000))
    on_broker(server, lambda broker: broker.submit(new_order(terms=terms, validity=Validity.IOC)))
    assert {name: server.requests[0][2][name] for name in ("quantity", "price", "validity")} == {
        "quantity": "3",
        "price": "10.0",
        "validity": "IOC",
    }


def test_changes_of_an_order_without_a_broker_id_are_refused(server):
    for request in (
        lambda broker: broker.modify(placed(number=""), new_order().terms),
        lambda broker: broker.cancel(placed(number="")),
        lambda broker: broker.trades_of(placed(number="")),
    ):
        with pytest.raises(RejectedByBroker, match="not known yet"):
            on_broker(server, request)
    assert server.requests == []
