"""`UpstoxAccount` through the real SDK: what it reads, what is found again, and the simulated exchange."""

from datetime import date

import pytest
from tests.contract.asked import FUTURE, conversion
from tests.contract.conftest import RELIANCE
from tests.contract.upstox_account import BRACKET, conditional, on_account, on_server, order, refusal, reply

from saudagar.exchange.faults import FaultKind, FaultPlan, FaultRule
from saudagar.exchange.process import Account
from saudagar.market.ist import at, midnight
from saudagar.model import (
    ClientOrderId,
    ConditionalKind,
    ConditionalStatus,
    LegName,
    OrderTerms,
    OrderType,
    Product,
    Segment,
    Side,
)
from saudagar.model.errors import (
    BrokerError,
    OutcomeUnknown,
    RejectedByBroker,
)

# -- what is read ------------------------------------------------------------------------------------------------


def test_margins_are_netted_and_charges_added_where_they_can_be_known(server):
    margins = [
        {"span_margin": 57501.5, "exposure_margin": 12320.55, "total_margin": 69822.05},
        {"span_margin": 1.25, "exposure_margin": 0, "total_margin": 1.25},
    ]
    data = {"margins": margins, "required_margin": 69823.3, "final_margin": 60000.05}

    def answer(method, path, body):
        return reply(data if method == "POST" else {"charges": {"total": 12.34}})()

    server.answer = answer
    future = order(instrument=FUTURE, product=Product.MARGIN, quantity=75)
    found = on_server(server, lambda account: account.margin([order(), future]))
    assert (found.required, found.span, found.exposure) == (60_000_05, 57_502_75, 12_320_55)
    assert (found.charges, found.available) == (24_68, None)
    assert server.requests[0][2] == {
        "instruments": [
            {"instrument_key": RELIANCE.upstox_id, "quantity": 10, "product": "I", "transaction_type": "BUY",
             "price": 1300.0},
            {"instrument_key": "NSE_FO|9", "quantity": 75, "product": "D", "transaction_type": "BUY", "price": 1300.0},
        ]
    }  # fmt: skip
    assert len(server.requests) == 3
    server.requests.clear()
    found = on_server(server, lambda account: account.margin([order(), order(0, kind=OrderType.MARKET)]))
    assert found.charges is None
    assert [method for method, *_ in server.requests] == ["POST"]


@pytest.mark.parametrize(
    "margins",
    [
        None, [], {"margins": []}, {"margins": [1], "final_margin": 1}, {"final_margin": 1},
        {"margins": [{"span_margin": "dear"}], "final_margin": 1}, {"margins": [], "final_margin": 1e20},
    ],
)  # fmt: skip
def test_margins_that_make_no_sense(server, margins):
    server.answer = reply(margins)
    with pytest.raises(BrokerError, match="Upstox"):
        on_server(server, lambda account: account.margin([order(0, kind=OrderType.MARKET)]))


@pytest.mark.parametrize("charges", [None, {}, {"charges": 7}, {"charges": {"total": "dear"}}])
def test_charges_that_make_no_sense(server, charges):
    margins = {"margins": [], "final_margin": 1}
    server.answer = lambda method, *_: reply(margins if method == "POST" else charges)()
    with pytest.raises(BrokerError, match="Upstox"):
        on_server(server, lambda account: account.margin([order()]))


TRADE = {
    "exchange": "NSE", "product": "I", "trading_symbol": "RELIANCE", "instrument_token": RELIANCE.upstox_id,
    "order_type": "MARKET", "transaction_type": "BUY", "quantity": 3, "order_id": "52", "trade_id": "7",
    "average_price": 1300.1, "exchange_timestamp": "20-Nov-2026 15:03:42",
}  # fmt: skip


def test_the_trade_book_in_both_of_upstoxs_ways_to_write_a_time(server):
    rows = [
        TRADE,
        TRADE | {"trade_id": "6", "exchange_timestamp": "2026-11-20 09:15:01", "instrument_token": "NSE_FO|404",
                 "trading_symbol": "GONE", "product": "D", "transaction_type": "SELL"},
    ]  # fmt: skip
    server.answer = reply(rows)
    first, second = on_server(server, lambda account: account.trades())
    day = date(2026, 11, 20)
    assert (first.trade_id, first.ts, second.ts) == (
        "6", at(day, "09:15") + 10**9, at(day, "15:03") + 42 * 10**9,
    )  # fmt: skip
    assert (first.instrument, first.symbol, first.product, first.side) == ("", "GONE", Product.MARGIN, Side.SELL)
    assert (second.instrument, second.broker_id, second.quantity, second.price) == (RELIANCE.id, "52", 3, 1_300_10)


@pytest.mark.parametrize(
    "wrong",
    [{"quantity": 0}, {"quantity": -1}, {"average_price": 0}, {"average_price": "dear"}, {"transaction_type": "LEND"},
     {"order_id": None}],
)  # fmt: skip
def test_a_trade_that_cannot_be_is_a_fault_of_the_answer(server, wrong):
    server.answer = reply([TRADE | wrong])
    with pytest.raises(BrokerError, match="Upstox gave"):
        on_server(server, lambda account: account.trades())


PAST = {
    "exchange": "NSE", "segment": "EQ", "option_type": "", "quantity": 1, "amount": 2252.35, "trade_id": "75217259",
    "trade_date": "2026-03-27", "transaction_type": "BUY", "scrip_name": "RELIANCE", "strike_price": "0.0",
    "expiry": "", "price": 2252.35, "isin": "INE002A01018", "symbol": "RELIANCE",
    "instrument_token": RELIANCE.upstox_id,
}  # fmt: skip


def test_trades_of_earlier_days_page_by_page_and_segment_by_segment(server):
    option = PAST | {
        "option_type": "CE", "strike_price": "24000.0", "expiry": "2026-03-26", "symbol": "NIFTY",
        "instrument_token": "NSE_FO|404", "trade_date": "2026-03-25",
    }  # fmt: skip

    def answer(method, path, body):
        page, pages, rows = 1, 1, []
        if "segment=EQ" in path:
            page, pages = int(path.split("page_number=")[1].split("&")[0]), 2
            rows = [PAST | {"trade_id": str(page)}]
        elif "segment=FO" in path:
            rows = [option]
        return reply(rows, meta_data={"page": {"page_number": page, "total_pages": pages}})()

    server.answer = answer
    found = on_server(server, lambda account: account.trade_history(date(2026, 3, 1), date(2026, 3, 31)))
    assert [each.trade_id for each in found] == ["75217259", "1", "2"], "oldest first"
    assert all("start_date=2026-03-01&end_date=2026-03-31" in path for _, path, _ in server.requests)
    assert len(server.requests) == 4
    assert (found[0].symbol, found[0].instrument) == ("NIFTY 2026-03-26 24000.0 CE", "")
    assert (found[1].instrument, found[1].product, found[1].price) == (RELIANCE.id, None, 2_252_35)
    assert found[1].ts == midnight(date(2026, 3, 27))


def test_a_trade_of_an_odd_product_does_not_hide_the_others(server):
    server.answer = reply([TRADE, TRADE | {"product": "CO", "trade_id": "8"}, TRADE | {"product": "X"}])
    assert [each.product for each in on_server(server, lambda account: account.trades())] == [
        Product.INTRADAY,
        Product.INTRADAY,
        None,
    ]


@pytest.mark.parametrize(
    "wrong",
    [{"trade_date": "soon"}, {"trade_date": None}, {"trade_date": "0001-01-01"}, {"price": 0}, {"quantity": 0.5}],
)
def test_an_execution_of_an_earlier_day_that_cannot_be(server, wrong):
    server.answer = reply([PAST | wrong], meta_data={"page": {"total_pages": 1}})
    with pytest.raises(BrokerError, match="Upstox gave"):
        on_server(server, lambda account: account.trade_history(date(2026, 3, 1), date(2026, 3, 31)))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "number of pages"),
        ({"meta_data": {"page": {"total_pages": "many"}}}, "many"),
        ({"meta_data": {"page": {"total_pages": 3}}}, "page 1 of 3 is empty"),
    ],
)
def test_a_history_that_ends_too_early_is_not_taken_for_whole(server, more, words):
    server.answer = reply([], **more)
    with pytest.raises(BrokerError, match=words):
        on_server(server, lambda account: account.trade_history(date(2026, 3, 1), date(2026, 3, 31)))


def gtt_row(number=1, **changes):
    entry = {
        "strategy": "ENTRY", "status": "SCHEDULED", "message": None, "trigger_type": "ABOVE", "trigger_price": 1310.0,
        "transaction_type": "BUY", "order_id": None, "trailing_gap": None,
    }  # fmt: skip
    row = {
        "type": "SINGLE", "exchange": "NSE_EQ", "quantity": 10, "product": "D", "rules": [entry],
        "trading_symbol": "RELIANCE", "instrument_token": RELIANCE.upstox_id, "gtt_order_id": f"GTT-C{number}",
        "expires_at": 1_781_029_799_000_000, "created_at": 1_749_466_010_000_000 + number,
    }  # fmt: skip
    return row | changes


def test_a_lost_conditional_order_is_found_by_what_was_asked(server):
    """The newest that looks so, is live, and is not known to be another one of ours."""
    rows = [
        gtt_row(1),
        gtt_row(2),
        gtt_row(3, quantity=11),
        gtt_row(4, product="I"),
        gtt_row(5, instrument_token="NSE_EQ|OTHER", trading_symbol="OTHER"),
        gtt_row(6, rules=[gtt_row()["rules"][0] | {"status": "CANCELLED"}]),
        gtt_row(7, rules=[gtt_row()["rules"][0] | {"trigger_price": 1310.05}]),
        gtt_row(8, rules=[gtt_row()["rules"][0] | {"transaction_type": "SELL"}]),
    ]

    async def work(account):
        server.answer = reply({"gtt_order_ids": ["GTT-C2"]})
        await account.place_conditional(conditional(order_id=ClientOrderId("OTHER")))
        server.answer = reply(rows)
        found = await account.find_conditional(conditional())
        other = await account.find_conditional(conditional(order_id=ClientOrderId("OTHER")))
        server.answer = reply([])
        return found, other, await account.find_conditional(conditional())

    found, other, none = on_server(server, work)
    assert (found.broker_id, other.broker_id, none) == ("GTT-C1", "GTT-C2", None)


def test_a_look_up_that_fails_says_nothing_of_the_order(server):
    for answer in (refusal("UDAPI100500", "down", 500), lambda *_: (200, b""), reply([{"type": "SINGLE"}]), reply([7])):
        server.answer = answer
        with pytest.raises(BrokerError):
            on_server(server, lambda account: account.find_conditional(conditional()))


# -- exits and the kill switch -----------------------------------------------------------------------------------


def test_nothing_to_exit_is_no_failure_and_the_orders_are_named(server):
    server.answer = refusal("UDAPI1111", "No open position available to exit.")
    assert on_server(server, lambda account: account.exit_all()) == []
    server.answer = reply({"order_ids": ["1", "2"]})
    assert on_server(server, lambda account: account.exit_all()) == ["1", "2"]
    server.answer = reply({})
    with pytest.raises(OutcomeUnknown):
        on_server(server, lambda account: account.exit_all())


def switch(segment, killed, active=True):
    return {
        "segment": segment, "segment_status": "ACTIVE" if active else "INACTIVE", "kill_switch_enabled": killed,
    }  # fmt: skip


def test_the_kill_switch_takes_what_is_active_and_not_yet_so(server):
    now = [switch("NSE_EQ", False), switch("NSE_FO", True), switch("MCX_FO", False, active=False)]
    done = [switch("NSE_EQ", True), switch("NSE_FO", True)]
    server.answer = lambda method, *_: reply(now if method == "GET" else done)()
    on_server(server, lambda account: account.kill_switch(True))
    assert server.requests[1][2] == [{"segment": "NSE_EQ", "action": "DISABLE"}]
    server.requests.clear()
    server.answer = reply(done)
    on_server(server, lambda account: account.kill_switch(True))
    assert [method for method, *_ in server.requests] == ["GET"], "nothing left to switch"
    with pytest.raises(OutcomeUnknown, match="does not say"):
        on_server(server, lambda account: account.kill_switch(False, [Segment.NSE_FNO]))


# -- the simulated exchange --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def market():
    from tests.contract.conftest import Market, ScriptedDay

    market = Market(ScriptedDay([1_300_00] * 60), writes_per_second=0)
    yield market
    market.close()


def at_market(market, work):
    market.exchange.wire.plan = FaultPlan()
    return on_account(market.upstox, work, token=Account().upstox_token)


def fail(market, kind, endpoint):
    market.exchange.wire.plan = FaultPlan([FaultRule(kind=kind, endpoint=endpoint, count=1)])


def buy(market, product):
    terms = OrderTerms(quantity=5, order_type=OrderType.MARKET)
    market.exchange.core.place(tag="", instrument=RELIANCE.id, side=Side.BUY, terms=terms, product=product)


@pytest.mark.parametrize("kind", [FaultKind.DROP_AFTER_ACCEPT, FaultKind.GARBLED, FaultKind.SERVER_ERROR])
def test_a_conversion_that_lost_its_answer_has_happened_once(market, kind):
    core = market.exchange.core

    def held():
        return {row[1]: row[2] - row[4] for row in core.positions() if row[0].id == RELIANCE.id}

    async def work(account):
        before = held()
        fail(market, kind, "upstox.convert")
        with pytest.raises(OutcomeUnknown, match="Look at the positions"):
            await account.convert(conversion(quantity=2))
        after = held()
        assert after[Product.DELIVERY] - before.get(Product.DELIVERY, 0) == 2
        assert before[Product.INTRADAY] - after[Product.INTRADAY] == 2

    buy(market, Product.INTRADAY)
    at_market(market, work)


def test_the_kill_switch_and_the_exit_before_it(market):
    async def work(account):
        with pytest.raises(RejectedByBroker, match="Close all positions"):
            await account.kill_switch(True, [Segment.NSE_EQ])
        assert len(await account.exit_all()) == 2  # intraday and delivery
        assert await account.exit_all() == []
        await account.kill_switch(True)
        assert market.exchange.upstox._site.killed == {"NSE_EQ", "BSE_EQ", "NSE_FO", "BSE_FO", "MCX_FO"}
        with pytest.raises(RejectedByBroker, match="kill switch"):
            await account.place_conditional(conditional())
        with pytest.raises(RejectedByBroker, match="12 hours"):
            await account.kill_switch(False)

    buy(market, Product.INTRADAY)
    buy(market, Product.DELIVERY)
    at_market(market, work)
    market.exchange.upstox._site.killed.clear()


def test_a_gtt_as_upstox_tells_it(market):
    async def work(account):
        placed = await account.place_conditional(conditional(ConditionalKind.BRACKET, BRACKET))
        told = next(each for each in await account.conditionals() if each.broker_id == placed.broker_id)
        assert (told.kind, told.status, told.quantity) == (ConditionalKind.BRACKET, ConditionalStatus.WORKING, 10)
        assert [(each.name, each.trigger) for each in told.legs] == [
            (LegName.ENTRY, 0), (LegName.TARGET, 1_350_00), (LegName.STOP, 1_280_00),
        ]  # fmt: skip
        assert len(told.orders) == 1
        assert told.ts == market.exchange.core.now // 1_000 * 1_000
        assert (
            await account.find_conditional(conditional(ConditionalKind.BRACKET, BRACKET))
        ).broker_id == told.broker_id
        await account.cancel_conditional(told)
        [gone] = [each for each in await account.conditionals() if each.broker_id == placed.broker_id]
        assert gone.status is ConditionalStatus.CANCELLED
        await account.exit_all()

    at_market(market, work)
