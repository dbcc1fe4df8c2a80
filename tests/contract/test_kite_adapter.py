"""`KiteBroker` through the real SDK against a small scripted server: every way a request can end."""

import asyncio
import json
import logging
import sys
from datetime import date
from decimal import Decimal
from urllib.parse import parse_qsl

import numpy as np
import pytest
from tests import scripted
from tests.contract.asked import INDEX, NAMELESS, SHARE, TOKEN, opened

from saudagar.brokers.governor import Governor, Window
from saudagar.brokers.kite.broker import KiteBroker
from saudagar.brokers.kite.client import LIMITS, KiteSettings
from saudagar.brokers.kite.feed import KiteFeed
from saudagar.market.master import Master
from saudagar.model import (
    MINUTE,
    SECOND,
    BrokerOrderId,
    ClientOrderId,
    Instrument,
    InstrumentKind,
    NewOrder,
    Order,
    OrderStatus,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    Segment,
    Side,
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

KEY = "CANARY-KEY"


LEAD = Instrument(
    segment=Segment.MCX_COMM,
    symbol="LEAD",
    kind=InstrumentKind.FUTURE,
    tick_size=5,
    lot_size=1_000,
    kite_id="53496327",
    kite_symbol="LEAD26DECFUT",
)
LOOKUP = Master(date(2026, 11, 20), (INDEX, SHARE, NAMELESS, LEAD))
YES = (200, b'{"status":"success","data":{"order_id":"77"}}')


def ok(data) -> tuple[int, bytes]:
    return 200, json.dumps({"status": "success", "data": data}).encode()


def error(status, kind, message="no") -> tuple[int, bytes]:
    return status, json.dumps({"status": "error", "message": message, "error_type": kind}).encode()


class Server(scripted.Server):
    """Kite's way: it is asked in forms, and its SDK wants to be told that the answer is JSON."""

    def parsed(self, body: bytes) -> dict:
        return dict(parse_qsl(body.decode()))

    def _reply(self, client, answer) -> bool:
        if isinstance(answer, tuple) and len(answer) == 2:
            answer = (*answer, "Content-Type: application/json\r\n")
        return super()._reply(client, answer)


@pytest.fixture
def server():
    server = Server()
    server.answer = lambda *_: YES
    yield server
    server.close()


def settings_of(server: Server, timeout=(1.0, 0.4), **more) -> KiteSettings:
    return KiteSettings(api_key=KEY, token=TOKEN, rest_url=f"http://127.0.0.1:{server.port}", timeout=timeout, **more)


def on_broker(server: Server, work, *, governor=None, **more):
    """Run `work(broker)` with the REST side only."""
    settings = settings_of(server, **more)
    return opened(lambda: KiteBroker(settings, LOOKUP, clock=lambda: 77, governor=governor), work)


def new_order(**changes) -> NewOrder:
    fields = {
        "order_id": ClientOrderId("D26112000001"),
        "instrument": SHARE.id,
        "side": Side.BUY,
        "terms": OrderTerms(quantity=10, order_type=OrderType.LIMIT, price=81_250),
        "product": Product.INTRADAY,
        "purpose": Purpose.ENTRY,
        "position": PositionId("t"),
    }
    return NewOrder(**fields | changes)


def placed(new: NewOrder | None = None, number: str = "77") -> Order:
    new = new or new_order()
    return Order(new=new, terms=new.terms, broker_id=BrokerOrderId(number))


REQUESTS = {
    "submit": lambda broker: broker.submit(new_order()),
    "modify": lambda broker: broker.modify(placed(), new_order().terms),
    "cancel": lambda broker: broker.cancel(placed()),
}


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

    server.answer = lambda method, path, body: ok([row("88", variety="iceberg"), row("99")]) if method == "GET" else YES
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


def test_one_connection_for_writes_one_for_reads(server):
    server.answer = lambda method, path, body: ok([]) if method == "GET" else YES

    async def work(broker):
        for _ in range(5):
            await broker.submit(new_order())
            await broker.orders()

    on_broker(server, work)
    assert server.connections == 2


def test_writes_are_carried_out_in_the_order_of_the_calls(server):
    async def work(broker):
        await asyncio.gather(*(broker.submit(new_order(order_id=ClientOrderId(f"D{n:05}"))) for n in range(30)))

    on_broker(server, work)
    assert [fields["tag"] for _, _, fields in server.requests] == [f"D{n:05}" for n in range(30)]


def test_exits_and_cancels_overtake_entries(server):
    """Twelve entries at once; then an exit and a cancel. Kite sees eight entries, then these."""

    async def work(broker):
        entries = [
            asyncio.ensure_future(broker.submit(new_order(order_id=ClientOrderId(f"E{n:02}")))) for n in range(12)
        ]
        await asyncio.sleep(0.3)
        exit_ = new_order(order_id=ClientOrderId("X"), purpose=Purpose.EXIT)
        stop = placed(new_order(purpose=Purpose.STOP))
        ends = await asyncio.gather(broker.submit(exit_), broker.cancel(placed()), return_exceptions=True)
        assert not any(isinstance(end, BaseException) for end in ends)
        late = asyncio.ensure_future(broker.modify(stop, stop.terms))
        await asyncio.sleep(0)
        await asyncio.gather(late, *entries)

    on_broker(server, work, governor=Governor(LIMITS))
    names = [fields.get("tag", method) for method, _, fields in server.requests]
    assert names[:10] == [f"E{n:02}" for n in range(8)] + ["X", "DELETE"]
    assert names.index("PUT") < names.index("E08")
    assert len(names) == 15


def test_a_governor_without_room_sends_nothing(server):
    async def work(broker):
        ends = await asyncio.gather(
            *(broker.submit(new_order(order_id=ClientOrderId(f"E{n:02}"))) for n in range(12)), return_exceptions=True
        )
        assert [type(end) for end in ends[8:]] == [RateLimited] * 4

    on_broker(server, work, governor=Governor((Window(MINUTE, 10),), patience=0.3))
    assert len(server.requests) == 8


def test_a_new_token_is_taken_in_mid_session(server):
    told = []

    async def work(broker):
        broker._told = (lambda report: None, told.append)
        await broker.renew("SECOND-TOKEN")
        await broker.submit(new_order())
        server.answer = lambda method, path, body: error(403, "TokenException", "no: THIRD-TOKEN")
        with pytest.raises(AuthError):
            await broker.renew("THIRD-TOKEN")

    server.answer = lambda method, path, body: ok({"equity": {"net": 1}}) if method == "GET" else YES
    on_broker(server, work)
    assert [status.link for status in told] == ["orders"]  # not for the token that was refused
    assert f"Authorization: token {KEY}:{TOKEN}" not in server.headers
    assert f"Authorization: token {KEY}:SECOND-TOKEN" in server.headers


def test_no_secret_is_told(server, caplog):
    caplog.set_level(logging.DEBUG)
    server.answer = lambda method, path, body: None
    settings = settings_of(server)
    with pytest.raises(OutcomeUnknown) as caught:
        on_broker(server, lambda broker: broker.submit(new_order()))
    for text in (caplog.text, str(caught.value), repr(settings)):
        assert TOKEN not in text
        assert KEY not in text


def test_a_secret_in_a_fault_is_struck_out(server):
    def break_(kite):
        raise ValueError(f"bad header {kite.api_key}:{kite.access_token}")

    with pytest.raises(OutcomeUnknown, match="bad header") as caught:
        on_broker(server, lambda broker: broker._lanes.write("order", break_, urgent=False))
    assert TOKEN not in str(caught.value)
    assert KEY not in str(caught.value)


def test_rest_needs_no_reactor(server):
    """The SDK's package loads Twisted's reactor; the desk's own process has no use for it."""
    import subprocess

    code = (
        "from saudagar.brokers.kite import broker, client, feed; import sys\n"
        "assert not any(name.startswith(('kiteconnect', 'requests', 'twisted', 'numpy')) for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)


# -- past bars and the instruments file ----------------------------------------------------------------------------

CANDLE = ["2026-11-19T09:15:00+0530", 812.5, 815, 810.05, 814, 1200]
START = 1_795_059_900 * SECOND  # Thursday 19 November 2026, 09:15 IST


def on_feed(server: Server, work):
    async def main():
        feed = KiteFeed(settings_of(server, timeout=(1.0, 1.0)))
        try:
            return await work(feed), feed.refusals
        finally:
            await feed.stop()

    return asyncio.run(main())


def test_bars_come_in_pieces_of_kites_limits(server):
    server.answer = lambda method, path, body: ok({"candles": [CANDLE]})
    bars, refusals = on_feed(server, lambda feed: feed.bars(SHARE, MINUTE, START, START + 130 * 24 * 60 * MINUTE))
    assert [(bar.start, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars] == [
        (START, 81_250, 81_500, 81_005, 81_400, 1_200)
    ]
    assert refusals == {}
    asked = [dict(parse_qsl(path.split("?")[1])) for _, path, _ in server.requests]
    assert [path.split("?")[0] for _, path, _ in server.requests] == ["/instruments/historical/779521/minute"] * 3
    assert [(each["from"], each["to"]) for each in asked] == [
        ("2026-11-19 09:15:00", "2027-01-18 09:14:59"),
        ("2027-01-18 09:15:00", "2027-03-19 09:14:59"),
        ("2027-03-19 09:15:00", "2027-03-29 09:14:59"),
    ]


def test_past_bars_are_asked_for_three_times_a_second(server):
    server.answer = lambda method, path, body: ok({"candles": []})

    async def work(feed):
        begun = asyncio.get_running_loop().time()
        await feed.bars(SHARE, MINUTE, START, START + 200 * 24 * 60 * MINUTE)
        return asyncio.get_running_loop().time() - begun

    spent, _ = on_feed(server, work)
    assert len(server.requests) == 4
    assert 1.0 <= spent < 2.0


def test_bars_that_make_no_sense_are_counted(server):
    bad = [
        ["2026-11-19T09:16:00", 1, 1, 1, 1, 1],
        ["2026-11-19T09:17:00+0530", 1, 0.5, 1, 1, 1],
        ["2026-11-19T09:18:00+0530", None, 1, 1, 1, 1],
        ["2026-11-19T09:19:00+0530", 1, 1, 1, 1, -1],
        ["2026-11-19T09:20:00+0530", "NaN", 1, 1, 1, 1],
        ["then"],
        7,
    ]
    server.answer = lambda method, path, body: ok({"candles": [CANDLE, *bad, CANDLE]})
    bars, refusals = on_feed(server, lambda feed: feed.bars(SHARE, MINUTE, START, START + 60 * MINUTE))
    assert (len(bars), refusals) == (1, {"bad candle": 7})


def test_bars_that_are_not_offered(server):
    for interval in (2 * MINUTE, SECOND, 0):
        with pytest.raises(Unsupported, match="Kite has bars of minute"):
            on_feed(server, lambda feed, interval=interval: feed.bars(SHARE, interval, START, START + MINUTE))
    with pytest.raises(Unsupported, match="no Kite token"):
        on_feed(server, lambda feed: feed.bars(NAMELESS, MINUTE, START, START + MINUTE))
    assert on_feed(server, lambda feed: feed.bars(SHARE, MINUTE, START, START)) == ([], {})
    assert server.requests == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(403, "TokenException"), AuthError),
        (error(429, "NetworkException"), RateLimited),
        (error(400, "InputException", "interval exceeds max limit"), RejectedByBroker),
        (ok({}), BrokerError),
        (ok([]), BrokerError),
        ("reset", BrokerError),
    ],
)
def test_bars_that_cannot_be_had(server, answer, kind):
    server.answer = lambda method, path, body: answer
    with pytest.raises(BrokerError) as caught:
        on_feed(server, lambda feed: feed.bars(SHARE, MINUTE, START, START + MINUTE))
    assert type(caught.value) is kind


def test_the_instruments_file_as_it_is(server):
    body = b"instrument_token,exchange_token\n1,2\n"
    server.answer = lambda method, path, _: (200, body, "Content-Type: text/csv\r\n")
    assert on_feed(server, lambda feed: feed.instrument_file())[0] == body
    for answer in ((200, b"<html>", "Content-Type: text/csv\r\n"), error(403, "TokenException"), "reset", ok([])):
        server.answer = lambda method, path, body, answer=answer: answer
        with pytest.raises(BrokerError) as caught:
            on_feed(server, lambda feed: feed.instrument_file())
        assert type(caught.value) is (AuthError if isinstance(answer, tuple) and answer[0] == 403 else BrokerError)


def test_a_new_token_for_past_bars(server):
    server.answer = lambda method, path, body: ok({"candles": []})

    async def work(feed):
        await feed.renew("UNUSED")
        await feed.bars(SHARE, MINUTE, START, START + MINUTE)
        await feed.renew("SECOND-TOKEN")
        await feed.bars(SHARE, MINUTE, START, START + MINUTE)

    on_feed(server, work)
    said = [header.rpartition(":")[2] for header in server.headers if header.startswith("Authorization")]
    assert said == ["UNUSED", "SECOND-TOKEN"]
