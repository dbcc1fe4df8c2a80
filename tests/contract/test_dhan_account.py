"""`DhanAccount` through the real SDK: against the simulated exchange, and against a server that breaks on purpose."""

import asyncio
import json
import os
from datetime import date
from decimal import Decimal

import pytest
from tests.contract.conftest import IDEA, MARKET_DAY, NIFTY, RELIANCE, Market, ScriptedDay
from tests.scripted import Server

from saudagar.brokers.dhan.broker import DhanBroker, DhanSettings
from saudagar.exchange.process import Account
from saudagar.model import (
    ClientOrderId,
    ConditionalKind,
    ConditionalLeg,
    ConditionalReport,
    ConditionalStatus,
    Conversion,
    Instrument,
    InstrumentKind,
    LegName,
    NewConditional,
    NewOrder,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    Segment,
    Side,
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

TOKEN = "CANARY-TOKEN"
FUTURE = Instrument(
    segment=Segment.NSE_FNO, symbol="F", kind=InstrumentKind.FUTURE, tick_size=5, dhan_id="9", lot_size=50
)
ENTRY, TARGET, STOP = LegName.ENTRY, LegName.TARGET, LegName.STOP
SINGLE, OCO, BRACKET, TRAILING = ConditionalKind


class Lookup:
    all = (RELIANCE, IDEA, NIFTY, FUTURE)

    def get(self, instrument):
        for each in self.all:
            if each.id == instrument:
                return each
        raise UnknownInstrument(f"{instrument} is not known.")

    def by_dhan(self, segment, security_id):
        return next((i for i in self.all if (i.segment.value, i.dhan_id) == (segment, security_id)), None)

    def by_upstox(self, instrument_key):
        return None

    def __iter__(self):
        return iter(self.all)


def on_account(url: str, work, *, client_id: str = "1000000001", token: str = TOKEN, timeout=(1.0, 0.4)):
    """Run `work(broker)` with the REST side only."""

    async def main():
        settings = DhanSettings(client_id=client_id, token=token, rest_url=url, timeout=timeout)
        broker = DhanBroker(settings, Lookup(), clock=lambda: 77)
        await broker.open()
        try:
            return await work(broker)
        finally:
            await broker.stop()

    return asyncio.run(main())


def leg(name: LegName, trigger: int = 0, price: int = 0, trail: int = 0) -> ConditionalLeg:
    return ConditionalLeg(name=name, trigger=trigger, price=price, trail=trail)


LEGS = {
    SINGLE: (leg(ENTRY, 1_280_00, 1_281_00),),
    OCO: (leg(TARGET, 1_320_00, 1_320_00), leg(STOP, 1_280_00, 1_279_00)),
    BRACKET: (leg(ENTRY, 0, 1_290_00), leg(TARGET, 1_330_00, 1_330_00), leg(STOP, 1_270_00)),
    TRAILING: (leg(ENTRY, 0, 1_290_00), leg(TARGET, 1_330_00), leg(STOP, 1_270_00, 0, 5_00)),
}


def new(kind: ConditionalKind = SINGLE, **changes) -> NewConditional:
    bracket = kind in (BRACKET, TRAILING)
    fields = {
        "order_id": ClientOrderId("DEMO26112000001"),
        "kind": kind,
        "instrument": RELIANCE.id,
        "side": Side.SELL if kind is OCO else Side.BUY,
        "quantity": 3,
        "product": Product.INTRADAY if bracket else Product.DELIVERY,
        "legs": LEGS[kind],
        "last_price": 1_300_00,
    }
    return NewConditional(**fields | changes)


def report(kind: ConditionalKind = SINGLE, broker_id: str = "52", **changes) -> ConditionalReport:
    asked = new(kind)
    fields = {
        "broker_id": broker_id,
        "kind": kind,
        "status": ConditionalStatus.ACTIVE,
        "instrument": asked.instrument,
        "side": asked.side,
        "quantity": asked.quantity,
        "product": asked.product,
        "legs": asked.legs,
    }
    return ConditionalReport(**fields | changes)


def order(number: int = 1, quantity: int = 10, price: int = 1_310_00, **changes) -> NewOrder:
    fields = {
        "order_id": ClientOrderId(f"A{number:05}"),
        "instrument": RELIANCE.id,
        "side": Side.BUY,
        "terms": OrderTerms(quantity=quantity, order_type=OrderType.LIMIT, price=price),
        "product": Product.INTRADAY,
        "purpose": Purpose.ENTRY,
        "position": PositionId("t"),
    }
    return NewOrder(**fields | changes)


def conversion(**changes) -> Conversion:
    fields = {
        "instrument": RELIANCE.id,
        "side": Side.BUY,
        "quantity": 4,
        "held": Product.INTRADAY,
        "wanted": Product.DELIVERY,
    }
    return Conversion(**fields | changes)


# -- against the simulated exchange ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def market():
    market = Market(ScriptedDay(), account=Account(holdings={RELIANCE.id: 100}), writes_per_second=0)
    yield market
    market.close()


def at(market: Market, work):
    account = market.exchange.config.account
    return on_account(
        f"{market.base}/v2", work, client_id=account.client_id, token=account.dhan_token, timeout=(3.0, 7.0)
    )


async def net(broker: DhanBroker, product: Product) -> int:
    return sum(each.quantity for each in await broker.positions() if each.product is product)


def test_a_conversion_answered_without_a_body_is_done(market):  # D2
    async def work(broker):
        await broker.submit(order(1))
        await broker.account.convert(conversion())
        assert (await net(broker, Product.INTRADAY), await net(broker, Product.DELIVERY)) == (6, 4)
        with pytest.raises(RejectedByBroker, match="cannot be converted"):
            await broker.account.convert(conversion(quantity=500))
        assert await broker.account.exit_all() == []
        assert (await net(broker, Product.INTRADAY), await net(broker, Product.DELIVERY)) == (0, 0)

    at(market, work)


def test_a_target_with_its_stop_is_changed_leg_by_leg_and_found_by_all_that_was_asked(market):
    async def work(broker):
        account, asked = broker.account, new(OCO)
        assert await account.find_conditional(asked) is None
        placed = await account.place_conditional(asked)
        assert (placed.status, placed.ts, placed.order_id) == (ConditionalStatus.ACTIVE, 77, asked.order_id)
        found = await account.find_conditional(asked)
        assert (found.broker_id, found.legs, found.order_id) == (placed.broker_id, asked.legs, "")
        moved = (leg(TARGET, 1_325_00, 1_325_00), leg(STOP, 1_285_00, 1_284_00))
        await account.modify_conditional(placed, new(OCO, legs=moved, quantity=2))
        assert await account.find_conditional(asked) is None
        found = await account.find_conditional(new(OCO, legs=moved, quantity=2))
        assert (found.broker_id, found.quantity) == (placed.broker_id, 2)
        await account.cancel_conditional(placed)
        assert [each.status for each in await account.conditionals()] == [ConditionalStatus.CANCELLED]

    at(market, work)


@pytest.mark.parametrize("kind", [BRACKET, TRAILING])
def test_a_super_order_is_changed_before_and_after_its_entry(market, kind):
    async def work(broker):
        account, asked = broker.account, new(kind, order_id=ClientOrderId(f"S{kind}"))
        placed = await account.place_conditional(asked)
        told = await account.find_conditional(asked)
        assert (told.broker_id, told.kind, told.status, told.order_id) == (
            placed.broker_id,
            kind,
            ConditionalStatus.WORKING,
            asked.order_id,
        )
        assert [each.trigger for each in sorted(told.legs, key=lambda each: each.name)] == [0, 1_270_00, 1_330_00]
        legs = (leg(ENTRY, 0, 1_310_00), *LEGS[kind][1:])  # in the market: it trades at once
        changed = new(kind, order_id=asked.order_id, legs=legs, quantity=5)
        await account.modify_conditional(placed, changed)
        assert await net(broker, Product.INTRADAY) == 5
        later = (leg(ENTRY, 0, 1_310_00), leg(TARGET, 1_340_00), leg(STOP, 1_275_00, 0, LEGS[kind][2].trail))
        with pytest.raises(Unsupported, match="no change of quantity"):
            await account.modify_conditional(placed, new(kind, legs=later, quantity=6))
        await account.modify_conditional(placed, new(kind, legs=later, quantity=5))
        told = await account.find_conditional(asked)
        assert {each.name: (each.trigger, each.trail) for each in told.legs if each.name is not ENTRY} == {
            TARGET: (1_340_00, 0),
            STOP: (1_275_00, LEGS[kind][2].trail),
        }
        await account.cancel_conditional(placed)
        assert not (await account.find_conditional(asked)).status.live
        with pytest.raises(RejectedByBroker, match="left to cancel"):
            await account.cancel_conditional(placed)
        await account.exit_all()

    at(market, work)


def test_margins_trades_and_statements(market):
    async def work(broker):
        account = broker.account
        one = await account.margin([order(2)])
        assert (one.required, one.span, one.charges) == (1_310_00 * 10 // 5, 0, None)
        assert one.available == (await broker.funds()).available
        two = await account.margin([order(2), order(3, 20)])
        assert (two.required, two.available) == (3 * one.required, None)
        market_order = OrderTerms(quantity=10, order_type=OrderType.MARKET)
        assert (await account.margin([order(2, terms=market_order)])).required > 0
        bought = await broker.submit(order(4, 12))
        mine = [each for each in await account.trades() if each.broker_id == bought.broker_id]
        assert [(each.quantity, each.side, each.instrument) for each in mine] == [(12, Side.BUY, RELIANCE.id)]
        assert mine[0].trade_id
        past = await account.trade_history(MARKET_DAY, MARKET_DAY)
        assert len(past) == len(await account.trades())
        assert all(each.charges and each.charges > 0 for each in past if each.quantity == 12)
        assert await account.trade_history(date(2026, 11, 1), date(2026, 11, 19)) == []
        lines = await account.ledger(date(2026, 11, 1), date(2026, 11, 20))
        assert [(line.day.day, line.narration) for line in lines] == [(1, "OPENING BALANCE"), (20, "CLOSING BALANCE")]
        for ask in (account.ledger, account.trade_history):
            with pytest.raises(DataError, match="must not be after"):
                await ask(date(2026, 11, 2), date(2026, 11, 1))
        await account.exit_all()

    at(market, work)


def test_the_kill_switch_wants_an_empty_book_and_can_be_taken_back(market):
    async def work(broker):
        account = broker.account
        placed = await account.place_conditional(new(BRACKET, order_id=ClientOrderId("K1")))
        with pytest.raises(RejectedByBroker, match="Close all positions"):
            await account.kill_switch(True)
        await account.cancel_conditional(placed)
        await account.kill_switch(True)
        with pytest.raises(RejectedByBroker, match="Kill switch"):
            await broker.submit(order(5))
        await account.kill_switch(False)
        with pytest.raises(Unsupported, match="segment"):
            await account.kill_switch(True, [Segment.NSE_FNO])

    at(market, work)


def test_a_profit_exit_is_set_and_taken_back(market):
    async def work(broker):
        await broker.account.profit_exit(5_000_00, 2_000_00)
        assert market.exchange.dhan._account._exit.profit_value == 5_000.0
        await broker.account.profit_exit(None, None)
        assert market.exchange.dhan._account._exit is None
        for one in ((100_00, None), (None, 100_00)):
            with pytest.raises(Unsupported, match="both"):
                await broker.account.profit_exit(*one)
        for wrong in ((0, 1), (1, -1), (1.5, 1)):
            with pytest.raises(DataError):
                await broker.account.profit_exit(*wrong)

    at(market, work)


def test_a_sale_is_authorised_without_a_browser_or_a_file(market, tmp_path, monkeypatch):  # D2
    import webbrowser

    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.chdir(tmp_path)

    async def work(broker):
        account = broker.account
        [before] = await account.sale_authorities()
        assert (before.isin, before.held, before.authorised, before.status) == (RELIANCE.isin, 100, 0, "PENDING")
        await account.request_sale_pin()
        page = await account.sale_form(RELIANCE, 40)
        assert page.startswith("<!DOCTYPE html>")
        assert "\\" not in page
        [after] = await account.sale_authorities(RELIANCE.isin)
        assert (after.authorised, after.status) == (40, "SUCCESS")
        for instrument, quantity in ((NIFTY, 1), (RELIANCE, 0)):
            with pytest.raises(DataError, match="marked for sale"):
                await account.sale_form(instrument, quantity)
        with pytest.raises(DataError, match="letters and digits"):
            await account.sale_authorities("../killswitch")

    at(market, work)
    assert (opened, os.listdir(tmp_path)) == ([], [])


def test_every_line_of_the_table_is_kept(market):
    """What the capabilities promise is answered, be it with a refusal in Dhan's own words; nothing else is."""

    async def work(broker):
        can, account = broker.capabilities, broker.account
        asked = [
            (can.conversion, account.convert(conversion(quantity=999))),
            (can.exit_all, account.exit_all()),
            (can.kill_switch, account.kill_switch(False)),
            (can.profit_exit, account.profit_exit(None, None)),
            (can.e_dis, account.sale_authorities()),
            (can.e_dis, account.request_sale_pin()),
            (can.e_dis, account.sale_form(RELIANCE, 1)),
        ]
        asked += [(kind in can.conditional, account.place_conditional(new(kind))) for kind in ConditionalKind]
        for promised, request in asked:
            lacking = False
            try:
                await request
            except Unsupported:
                lacking = True
            except RejectedByBroker:
                pass
            assert lacking is not promised

    at(market, work)


# -- against a server that breaks --------------------------------------------------------------------------------


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


def against(server: Server, work, **options):
    return on_account(f"http://127.0.0.1:{server.port}/v2", work, **options)


def reply(body: object, status: int = 200):
    return lambda *_: (status, json.dumps(body).encode())


def refusal(code: str, message: str, status: int = 400):
    return reply({"errorType": "Order_Error", "errorCode": code, "errorMessage": message}, status)


BREAKS = [
    (lambda *_: None, OutcomeUnknown),
    (lambda *_: "reset", OutcomeUnknown),
    (lambda *_: (200, b""), OutcomeUnknown),
    (lambda *_: (200, b'{"orderId": "5'), OutcomeUnknown),
    (lambda *_: (502, b"<html>"), OutcomeUnknown),
    (lambda *_: (307, b"", "Location: /v2/orders\r\n"), OutcomeUnknown),
    (refusal("DH-908", "internal", 500), OutcomeUnknown),
    (refusal("DH-904", "slow down", 429), RateLimited),
    (refusal("DH-901", "token", 401), AuthError),
    (refusal("DH-906", "Invalid Token"), AuthError),
    (refusal("DH-911", "Invalid IP", 403), RejectedByBroker),
    (refusal("DH-906", "no such thing"), RejectedByBroker),
]
WRITES = {
    "convert": lambda account: account.convert(conversion()),
    "place single": lambda account: account.place_conditional(new(SINGLE)),
    "place bracket": lambda account: account.place_conditional(new(BRACKET)),
    "modify": lambda account: account.modify_conditional(report(), new()),
    "cancel": lambda account: account.cancel_conditional(report()),
    "exit": lambda account: account.exit_all(),
    "kill": lambda account: account.kill_switch(True),
    "profit": lambda account: account.profit_exit(1_00, 1_00),
    "pin": lambda account: account.request_sale_pin(),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_breaks_is_sent_once_and_says_what_is_known(server, name):
    """One broker for all: a lane must survive each of them."""

    async def work(broker):
        for number, (answer, kind) in enumerate(BREAKS, 1):
            server.answer = answer
            with pytest.raises(BrokerError) as raised:
                await WRITES[name](broker.account)
            assert type(raised.value) is kind, number
            assert len(server.requests) == number, "never sent again"
            assert TOKEN not in f"{raised.value!r} {raised.value} {vars(raised.value)}"
            if kind is OutcomeUnknown:
                assert raised.value.hint
                assert "our own id" not in raised.value.hint

    against(server, work, timeout=(1.0, 0.15))


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("place single", {"status": "success"}),
        ("place single", {"orderId": "0", "orderStatus": "PENDING"}),
        ("place bracket", {"orderId": "5", "orderStatus": "QUEUED"}),
        ("place bracket", []),
        ("modify", {"orderStatus": "PENDING"}),
        ("exit", {"status": "PARTLY"}),
        ("kill", {"dhanClientId": "1"}),
        ("profit", {"pnlExitStatus": "INACTIVE"}),
    ],
)
def test_a_yes_that_does_not_say_what_was_done_is_unknown(server, name, body):
    server.answer = reply(body)
    with pytest.raises(OutcomeUnknown):
        against(server, lambda broker: WRITES[name](broker.account))
    assert len(server.requests) == 1


def test_only_a_conversion_and_a_pin_are_done_without_a_word(server):
    server.answer = lambda *_: (202, b"")
    for name, write in WRITES.items():
        if name in ("convert", "pin"):
            against(server, lambda broker, write=write: write(broker.account))
        else:
            with pytest.raises(OutcomeUnknown):
                against(server, lambda broker, write=write: write(broker.account))


def test_a_recorded_conversion_is_done_too(server):
    server.answer = reply({"status": "success"})
    against(server, lambda broker: broker.account.convert(conversion()))
    ((_, path, body),) = server.requests
    assert path == "/v2/positions/convert"
    assert body == {
        "dhanClientId": "1000000001",
        "fromProductType": "INTRADAY",
        "exchangeSegment": "NSE_EQ",
        "positionType": "LONG",
        "securityId": "2885",
        "convertQty": 4,
        "toProductType": "CNC",
    }


def test_a_change_that_stops_half_way_is_not_a_clear_no(server):
    answers = iter([reply({"orderId": "52", "orderStatus": "PENDING"}), refusal("DH-906", "too late")])
    server.answer = lambda *request: next(answers)(*request)
    with pytest.raises(OutcomeUnknown, match=r"too late.*before this one was taken"):
        against(server, lambda broker: broker.account.modify_conditional(report(OCO), new(OCO)))
    assert [body["legName"] for _, _, body in server.requests] == ["TARGET_LEG", "STOP_LOSS_LEG"]


def test_forever_and_super_orders_on_the_wire(server):
    server.answer = reply({"orderId": "52", "orderStatus": "PENDING"})

    async def work(broker):
        at_market = tuple(leg(each.name, each.trigger) for each in LEGS[OCO])
        await broker.account.place_conditional(new(OCO, legs=at_market))
        legs = (leg(ENTRY), *LEGS[TRAILING][1:])
        await broker.account.place_conditional(new(TRAILING, legs=legs))

    against(server, work)
    (_, first, forever), (_, second, super_) = server.requests
    assert (first, second) == ("/v2/forever/orders", "/v2/super/orders")
    assert forever == {
        "dhanClientId": "1000000001",
        "correlationId": "DEMO26112000001",
        "orderFlag": "OCO",
        "transactionType": "SELL",
        "exchangeSegment": "NSE_EQ",
        "productType": "CNC",
        "orderType": "MARKET",
        "validity": "DAY",
        "securityId": "2885",
        "quantity": 3,
        "disclosedQuantity": 0,
        "price": 0.0,
        "triggerPrice": 1320.0,
        "price1": 0.0,
        "triggerPrice1": 1280.0,
        "quantity1": 3,
    }
    assert super_ == {
        "dhanClientId": "1000000001",
        "correlationId": "DEMO26112000001",
        "transactionType": "BUY",
        "exchangeSegment": "NSE_EQ",
        "productType": "INTRADAY",
        "orderType": "MARKET",
        "securityId": "2885",
        "quantity": 3,
        "price": 1300.0,  # the last one: the SDK sends none without a price
        "targetPrice": 1330.0,
        "stopLossPrice": 1270.0,
        "trailingJump": 5.0,
    }


def test_margins_of_several_orders_are_spelled_both_ways(server):
    server.answer = reply(
        {"total_margin": "150000.00", "span_margin": "5.50", "exposure_margin": "", "currency": "INR"}
    )
    told = against(server, lambda broker: broker.account.margin([order(1), order(2)]))
    assert (told.required, told.span, told.exposure) == (150_000_00, 5_50, 0)
    ((_, path, body),) = server.requests
    assert path == "/v2/margincalculator/multi"
    assert body["scripts"] == body["scripList"]
    assert body["scripts"][0] == {
        "exchangeSegment": "NSE_EQ",
        "transactionType": "BUY",
        "quantity": 10,
        "productType": "INTRADAY",
        "securityId": "2885",
        "price": 1310.0,
        "triggerPrice": 0.0,
    }
    assert (body["includePosition"], body["includeOrder"], body["includeOrders"]) == (False, False, False)


def test_a_margin_of_nothing_is_no_answer(server):
    server.answer = reply({"totalMargin": 0.0})
    terms = OrderTerms(quantity=1, order_type=OrderType.MARKET)
    with pytest.raises(BrokerError, match="without a price"):
        against(server, lambda broker: broker.account.margin([order(terms=terms)]))
    server.answer = reply({"spanMargin": 0.0})
    with pytest.raises(BrokerError, match="totalMargin"):
        against(server, lambda broker: broker.account.margin([order()]))


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


def test_the_history_of_trades_is_read_to_its_end(server):
    row = {
        "orderId": "1",
        "exchangeTradeId": "0",
        "transactionType": "BUY",
        "productType": "CNC",
        "exchangeSegment": "NSE_EQ",
        "securityId": "2885",
        "customSymbol": "Reliance",
        "tradedQuantity": 1,
        "tradedPrice": 10.0,
        "exchangeTime": "2026-11-02 10:00:00",
    }
    pages = {"0": [row, row], "1": [row], "2": []}
    server.answer = lambda method, path, body: (200, json.dumps(pages[path.rpartition("/")[2]]).encode())
    days = date(2026, 11, 1), date(2026, 11, 3)
    told = against(server, lambda broker: broker.account.trade_history(*days))
    assert [(each.quantity, each.trade_id, each.symbol) for each in told] == [(1, "", "Reliance")] * 3
    assert len(server.requests) == 3
    server.answer = refusal("DH-907", "no data present")
    assert against(server, lambda broker: broker.account.ledger(*days)) == []


def test_one_line_of_the_ledger_need_not_come_in_a_list(server):
    line = {"narration": "PAYOUT", "voucherdate": "Jun 22, 2022", "debit": "20000.00", "credit": "0", "runbal": "-5.25"}
    server.answer = reply(line)
    [told] = against(server, lambda broker: broker.account.ledger(date(2022, 6, 1), date(2022, 6, 30)))
    assert (told.day, told.debit, told.credit, told.balance) == (date(2022, 6, 22), 20_000_00, 0, -5_25)
    for wrong in ([{**line, "voucherdate": "22/06/22"}], [{**line, "runbal": "NaN"}], [7], "text"):
        server.answer = reply(wrong)
        with pytest.raises(BrokerError):
            against(server, lambda broker: broker.account.ledger(date(2022, 6, 1), date(2022, 6, 30)))


WRONG = [
    (conversion(quantity=0), DataError, "whole lots"),
    (conversion(quantity=2.5), DataError, "whole numbers"),
    (
        conversion(instrument=FUTURE.id, held=Product.INTRADAY, wanted=Product.MARGIN, quantity=3),
        DataError,
        "lots of 50",
    ),
    (conversion(wanted=Product.INTRADAY), DataError, "already"),
    (conversion(instrument=NIFTY.id), Unsupported, "does not trade"),
    (conversion(wanted=Product.MARGIN), Unsupported, "does not trade"),
    (conversion(instrument="NSE_EQ:NOBODY"), UnknownInstrument, "not known"),
    (new(quantity=0), DataError, "quantity"),
    (new(quantity=Decimal(3)), DataError, "whole numbers"),
    (new(order_id=ClientOrderId("ä")), DataError, "order id"),
    (new(order_id=ClientOrderId("")), DataError, "order id"),
    (new(legs=(leg(ENTRY, 1_280_05, 1_281_00),)), DataError, "tick"),
    (new(product=Product.INTRADAY), Unsupported, "intraday"),
    (new(instrument=NIFTY.id), Unsupported, "does not trade"),
    (new(OCO, legs=(leg(TARGET, 1_320_00), leg(STOP, 1_280_00, 1_279_00))), Unsupported, "one order type"),
    (new(BRACKET, legs=(leg(ENTRY, 1_290_00, 1_290_00), *LEGS[BRACKET][1:])), Unsupported, "waits for a price"),
    (new(BRACKET, legs=(*LEGS[BRACKET][:2], leg(STOP, 1_270_00, 1_269_00))), Unsupported, "limits of their own"),
    (new(BRACKET, legs=(leg(ENTRY, 0, 1_335_00), *LEGS[BRACKET][1:])), DataError, "own sides"),
    (new(BRACKET, side=Side.SELL), DataError, "below the stop"),
]


@pytest.mark.parametrize(("asked", "kind", "words"), WRONG)
def test_bad_input_costs_nothing(server, asked, kind, words):
    async def work(broker):
        write = broker.account.convert if isinstance(asked, Conversion) else broker.account.place_conditional
        with pytest.raises(kind, match=words):
            await write(asked)

    against(server, work)
    assert server.requests == []


def test_what_a_change_cannot_change(server):
    async def work(broker):
        for wrong in ({"side": Side.SELL}, {"instrument": IDEA.id}, {"product": Product.MTF}):
            with pytest.raises(DataError, match="cannot be changed"):
                await broker.account.modify_conditional(report(), new(**wrong))

    against(server, work)
    assert server.requests == []
