"""`DhanAccount` through the real SDK against a server that breaks on purpose: nothing is ever sent twice."""

import json
from datetime import date
from decimal import Decimal

import pytest
from tests.contract.asked import FUTURE, GOLD, TOKEN, conversion, leg
from tests.contract.conftest import NIFTY, RELIANCE
from tests.contract.dhan_desk import (
    BRACKET,
    ENTRY,
    LEGS,
    OCO,
    SINGLE,
    STOP,
    TARGET,
    TRAILING,
    against,
    new,
    order,
    refusal,
    reply,
    report,
)

from saudagar.model import ClientOrderId, Conversion, OrderTerms, OrderType, Product, Side
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


def test_every_quantity_of_mcx_goes_out_in_lots(server):
    """30 units of a lot of 10 are 3 in each request that names a quantity."""
    gold = {"instrument": GOLD.id, "product": Product.MARGIN, "quantity": 30}
    super_row = {"orderId": "52", "orderStatus": "PENDING", "quantity": 3, "transactionType": "BUY", "legDetails": []}

    def answer(method, path, body):
        rows = path.endswith("/super/orders") and method == "GET"
        return reply([super_row] if rows else {"orderId": "52", "orderStatus": "PENDING", "totalMargin": 1.0})()

    server.answer = answer

    async def work(broker):
        account = broker.account
        await account.convert(conversion(instrument=GOLD.id, quantity=30, held=Product.INTRADAY, wanted=Product.MARGIN))
        for kind in (SINGLE, OCO, BRACKET):
            await account.place_conditional(new(kind, **gold))
            await account.modify_conditional(report(kind, **gold), new(kind, **gold))
        await account.margin([order(quantity=30, price=1_310_00, instrument=GOLD.id, product=Product.MARGIN)])

    against(server, work)
    told = [
        {body[name] for name in ("quantity", "quantity1", "convertQty") if name in body}
        for method, _, body in server.requests
        if method != "GET"
    ]
    assert len(told) == 9
    assert {str(each) for quantities in told for each in quantities if each} == {"3"}


BREAKS = [
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

    against(server, work)


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_is_never_answered_is_sent_once(server, name):
    async def work(broker):
        server.answer = lambda *_: None
        with pytest.raises(OutcomeUnknown) as raised:
            await WRITES[name](broker.account)
        assert len(server.requests) == 1
        assert raised.value.hint

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


def test_the_history_of_trades_is_read_to_its_end(server, monkeypatch):
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
    server.answer = refusal("DH-905", "what days are these")
    with pytest.raises(RejectedByBroker, match="what days"):
        against(server, lambda broker: broker.account.ledger(*days))
    monkeypatch.setattr("saudagar.brokers.dhan.account._PAGES", 2)
    server.answer = reply([row])
    with pytest.raises(BrokerError, match="no end after 2 pages"):
        against(server, lambda broker: broker.account.trade_history(*days))


def test_one_line_of_the_ledger_need_not_come_in_a_list(server):
    line = {"narration": "PAYOUT", "voucherdate": "Jun 22, 2022", "debit": "20000.00", "credit": "0", "runbal": "-5.25"}
    server.answer = reply(line)
    [told] = against(server, lambda broker: broker.account.ledger(date(2022, 6, 1), date(2022, 6, 30)))
    assert (told.day, told.debit, told.credit, told.balance) == (date(2022, 6, 22), 20_000_00, 0, -5_25)
    for wrong in ([{**line, "voucherdate": "22/06/22"}], [{**line, "runbal": "NaN"}], [7], "text"):
        server.answer = reply(wrong)
        with pytest.raises(BrokerError):
            against(server, lambda broker: broker.account.ledger(date(2022, 6, 1), date(2022, 6, 30)))


def test_what_may_be_sold_of_nothing_and_a_form_that_is_none(server):
    server.answer = refusal("DH-1111", "No holdings available", 500)
    assert against(server, lambda broker: broker.account.sale_authorities()) == []
    server.answer = refusal("DH-905", "what is it")
    with pytest.raises(RejectedByBroker):
        against(server, lambda broker: broker.account.sale_authorities("INE002A01018"))
    for body in ({}, {"edisFormHtml": 7}, {"edisFormHtml": "try later"}, []):
        server.answer = reply(body)
        with pytest.raises(BrokerError, match="no page"):
            against(server, lambda broker: broker.account.sale_form(RELIANCE, 1))


def test_the_margin_of_no_orders_is_not_asked_for(server):
    with pytest.raises(DataError, match="at least one order"):
        against(server, lambda broker: broker.account.margin([]))
    assert server.requests == []


WRONG = [
    (conversion(quantity=0), DataError, "whole lots"),
    (conversion(quantity=2.5), DataError, "whole numbers"),
    (
        conversion(instrument=FUTURE.id, held=Product.INTRADAY, wanted=Product.MARGIN, quantity=3),
        DataError,
        "lots of 75",
    ),
    (conversion(wanted=Product.INTRADAY), DataError, "already"),
    (conversion(instrument=NIFTY.id), Unsupported, "does not trade"),
    (conversion(wanted=Product.MARGIN), Unsupported, "does not trade"),
    (conversion(instrument="NSE_EQ:NOBODY"), UnknownInstrument, "NOBODY"),
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
