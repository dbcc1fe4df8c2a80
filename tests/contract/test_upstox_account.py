"""`UpstoxAccount` through the real SDK: what goes over the wire, and how every request can end."""

import logging
from contextlib import suppress
from datetime import date
from decimal import Decimal
from inspect import iscoroutinefunction

import numpy as np
import pytest
from tests.contract.asked import FUTURE, GOLD, NAMELESS, TOKEN, conversion, leg
from tests.contract.conftest import NIFTY, RELIANCE
from tests.contract.upstox_account import BRACKET, conditional, known, on_server, order, refusal, reply

from saudagar.brokers.upstox.broker import UpstoxBroker
from saudagar.execution.account_ports import AccountClient
from saudagar.model import (
    ConditionalKind,
    ConditionalStatus,
    LegName,
    Product,
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

# -- on the wire -------------------------------------------------------------------------------------------------


def test_a_conversion_on_the_wire(server):
    server.answer = reply({"status": "complete"})

    async def work(account):
        await account.convert(conversion())
        await account.convert(
            conversion(instrument=FUTURE.id, held=Product.MARGIN, wanted=Product.INTRADAY, side=Side.SELL, quantity=75)
        )
        await account.convert(
            conversion(instrument=GOLD.id, held=Product.MARGIN, wanted=Product.INTRADAY, quantity=np.int64(30))
        )

    on_server(server, work, algo_name="ALGO")
    assert [(method, path) for method, path, _ in server.requests] == [("PUT", "/v2/portfolio/convert-position")] * 3
    assert [body for *_, body in server.requests] == [
        {"instrument_token": RELIANCE.upstox_id, "old_product": "I", "new_product": "D", "transaction_type": "BUY",
         "quantity": 4},
        {"instrument_token": "NSE_FO|9", "old_product": "D", "new_product": "I", "transaction_type": "SELL",
         "quantity": 75},
        {"instrument_token": "MCX_FO|1", "old_product": "D", "new_product": "I", "transaction_type": "BUY",
         "quantity": 3},
    ]  # fmt: skip


def rule(strategy, when, price, **more):
    return {"strategy": strategy, "trigger_type": when, "trigger_price": price} | more


@pytest.mark.parametrize(
    ("asked", "kind", "rules"),
    [
        (conditional(), "SINGLE", [rule("ENTRY", "ABOVE", 1310.0)]),
        (conditional(last_price=1_320_00), "SINGLE", [rule("ENTRY", "BELOW", 1310.0)]),
        (conditional(last_price=1_310_00), "SINGLE", [rule("ENTRY", "IMMEDIATE", 1310.0)]),
        (
            conditional(legs=(leg(LegName.ENTRY, np.int64(1_310_00)),)),
            "SINGLE",
            [rule("ENTRY", "ABOVE", 1310.0, market_protection=3)],
        ),
        (
            conditional(ConditionalKind.BRACKET, BRACKET),
            "MULTIPLE",
            [
                rule("ENTRY", "IMMEDIATE", 1301.0),
                rule("TARGET", "IMMEDIATE", 1350.0),
                rule("STOPLOSS", "IMMEDIATE", 1280.0, market_protection=3),
            ],
        ),
        (
            conditional(
                ConditionalKind.TRAILING,
                (leg(LegName.ENTRY), leg(LegName.TARGET, 1_350_00), leg(LegName.STOP, 1_280_00, trail=5_50)),
            ),
            "MULTIPLE",
            [
                rule("ENTRY", "IMMEDIATE", 1300.0, market_protection=3),
                rule("TARGET", "IMMEDIATE", 1350.0, market_protection=3),
                rule("STOPLOSS", "IMMEDIATE", 1280.0, market_protection=3, trailing_gap=5.5),
            ],
        ),
    ],
)
def test_a_conditional_order_on_the_wire(server, asked, kind, rules):
    """A limit is Upstox's order at the trigger; none is its market protection, rounded up to a whole per cent."""
    server.answer = reply({"gtt_order_ids": ["GTT-C1"]})

    async def work(account):
        placed = await account.place_conditional(asked)
        await account.modify_conditional(placed, asked)
        await account.cancel_conditional(placed)
        return placed

    placed = on_server(server, work, protection=2.5, algo_name="ALGO")
    assert (placed.broker_id, placed.status, placed.legs, placed.ts) == (
        "GTT-C1", ConditionalStatus.ACTIVE, asked.legs, 77,
    )  # fmt: skip
    assert [(method, path) for method, path, _ in server.requests] == [
        ("POST", "/v3/order/gtt/place"), ("PUT", "/v3/order/gtt/modify"), ("DELETE", "/v3/order/gtt/cancel"),
    ]  # fmt: skip
    place, modify, cancel = [body for *_, body in server.requests]
    terms = {"type": kind, "quantity": 10, "rules": rules}
    assert place == terms | {"instrument_token": RELIANCE.upstox_id, "product": "D", "transaction_type": "BUY"}
    assert modify == terms | {"gtt_order_id": "GTT-C1"}
    assert cancel == {"gtt_order_id": "GTT-C1"}


def test_gold_waits_in_lots(server):
    server.answer = reply({"gtt_order_ids": ["GTT-C1"]})
    asked = conditional(instrument=GOLD.id, product=Product.MARGIN, quantity=30)
    on_server(server, lambda account: account.place_conditional(asked))
    assert server.requests[0][2]["quantity"] == 3


WAYS = {
    "convert": lambda account: account.convert(conversion()),
    "place": lambda account: account.place_conditional(conditional()),
    "modify": lambda account: account.modify_conditional(known(), conditional()),
    "cancel": lambda account: account.cancel_conditional(known()),
    "exit": lambda account: account.exit_all(),
    "kill": lambda account: account.kill_switch(True, [Segment.NSE_EQ]),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal("UDAPI1052", "The quantity is invalid"), RejectedByBroker),
        (refusal("UDAPI1154", "static IP", 403), RejectedByBroker),
        (refusal("UDAPI100050", "Invalid token", 401), AuthError),
        (refusal("UDAPI10005", "Too Many Request Sent", 429), RateLimited),
        (refusal("UDAPI100500", "Something went wrong", 500), OutcomeUnknown),
        (lambda *_: (200, b'{"status": "succ'), OutcomeUnknown),
        (lambda *_: (200, b""), OutcomeUnknown),
        (lambda *_: (207, b'{"status":"partial_success","data":{},"errors":[{"message":"half"}]}'), OutcomeUnknown),
        (lambda *_: (502, b"<html>Bad Gateway</html>"), OutcomeUnknown),
        (lambda *_: (302, b"", "Location: /v3/order/gtt/place\r\n"), OutcomeUnknown),
        (lambda *_: "reset", OutcomeUnknown),
    ],
)
def test_every_end_of_a_write_has_its_error_and_is_sent_once(server, way, answer, kind):
    server.answer = answer
    with pytest.raises(BrokerError) as told:
        on_server(server, WAYS[way])
    assert type(told.value) is kind
    assert len(server.requests) == 1
    assert TOKEN not in str(told.value)
    if kind is OutcomeUnknown:
        assert "by our own id" not in told.value.hint, "nothing looks these up by itself"


@pytest.mark.parametrize("data", [{}, [], None, {"status": "rejected"}, {"status": None}])
def test_a_conversion_that_is_not_said_to_be_done_may_or_may_not_be(server, data):
    server.answer = reply(data)
    with pytest.raises(OutcomeUnknown, match="does not confirm") as told:
        on_server(server, WAYS["convert"])
    assert "positions" in told.value.hint


def test_an_answer_that_never_comes_is_an_unknown_outcome_and_not_asked_again(server):
    server.answer = lambda *_: None

    async def work(account):
        for way in ("convert", "place"):
            with pytest.raises(OutcomeUnknown, match="Read timed out"):
                await WAYS[way](account)

    on_server(server, work)
    assert len(server.requests) == 2


def test_no_secret_is_logged_at_debug_level(server, caplog):
    """Neither on a good day nor on a bad one, for writes and for reads."""
    asked = [*WAYS.values(), lambda account: account.conditionals(), lambda account: account.trades()]
    with caplog.at_level(logging.DEBUG):
        for answer in (reply({"gtt_order_ids": ["GTT-C1"]}), lambda *_: (200, b"garbled"), lambda *_: "reset"):
            server.answer = answer
            for way in asked:
                with suppress(BrokerError):
                    on_server(server, way)
    assert len(server.requests) == 3 * len(asked)
    assert caplog.records
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    "data", [None, [], {}, {"gtt_order_ids": []}, {"gtt_order_ids": ["a", "b"]}, {"gtt_order_ids": [7]}]
)
def test_an_answer_that_names_nothing_leaves_it_unknown(server, data):
    server.answer = reply(data)
    for way in ("place", "modify", "cancel"):
        with pytest.raises(OutcomeUnknown):
            on_server(server, WAYS[way])


def test_the_answer_must_name_the_order_that_was_meant(server):
    server.answer = reply({"gtt_order_ids": ["GTT-C2"]})
    for way in ("modify", "cancel"):
        with pytest.raises(OutcomeUnknown, match="another"):
            on_server(server, WAYS[way])


NO = [
    (lambda account: account.convert(conversion(quantity=0)), DataError),
    (lambda account: account.convert(conversion(quantity=Decimal(5))), DataError),  # U8
    (lambda account: account.convert(conversion(quantity=1.5)), DataError),
    (lambda account: account.convert(conversion(wanted=Product.INTRADAY)), DataError),
    (lambda account: account.convert(conversion(wanted=Product.MARGIN)), Unsupported),
    (lambda account: account.convert(conversion(instrument=NIFTY.id)), Unsupported),
    (lambda account: account.convert(conversion(instrument="NSE_EQ:NOBODY")), UnknownInstrument),
    (lambda account: account.place_conditional(conditional(quantity=-1)), DataError),
    (lambda account: account.place_conditional(conditional(quantity=float("nan"))), DataError),
    (lambda account: account.place_conditional(conditional(legs=(leg(LegName.ENTRY, Decimal("1.5")),))), DataError),
    (lambda account: account.place_conditional(conditional(legs=(leg(LegName.ENTRY, float("nan")),))), DataError),
    (lambda account: account.place_conditional(conditional(instrument=NAMELESS.id)), Unsupported),
    (lambda account: account.place_conditional(conditional(product=Product.MARGIN)), Unsupported),
    (
        lambda account: account.place_conditional(conditional(legs=(leg(LegName.ENTRY, 1_310_00, 1_311_00),))),
        Unsupported,
    ),
    (
        lambda account: account.place_conditional(
            conditional(ConditionalKind.OCO, (leg(LegName.TARGET, 1_200_00), leg(LegName.STOP, 1_400_00)))
        ),
        Unsupported,
    ),
    (lambda account: account.modify_conditional(known(), conditional(side=Side.SELL)), DataError),
    (lambda account: account.margin([]), Unsupported),
    (lambda account: account.margin([order()] * 21), Unsupported),
    (lambda account: account.margin([order(quantity=0)]), DataError),
    (lambda account: account.kill_switch(True, [Segment.NSE_INDEX]), Unsupported),
    (lambda account: account.trade_history(date(2026, 11, 2), date(2026, 11, 1)), DataError),
]


@pytest.mark.parametrize(("ask", "kind"), NO)
def test_what_cannot_be_never_reaches_the_wire(server, ask, kind):
    server.answer = reply({})
    with pytest.raises(kind) as told:
        on_server(server, ask)
    assert type(told.value) is kind
    assert server.requests == []


def test_every_method_agrees_with_the_capabilities(server):
    """What Upstox has no API for is refused before the wire, by name and with a way out; all the rest is asked."""
    days = (date(2026, 11, 1), date(2026, 11, 2))
    calls = {
        "convert": (lambda a: a.convert(conversion()), "conversion"),
        "place_conditional": (lambda a: a.place_conditional(conditional()), "conditional"),
        "modify_conditional": (lambda a: a.modify_conditional(known(), conditional()), "conditional"),
        "cancel_conditional": (lambda a: a.cancel_conditional(known()), "conditional"),
        "conditionals": (lambda a: a.conditionals(), "conditional"),
        "find_conditional": (lambda a: a.find_conditional(conditional()), "conditional"),
        "margin": (lambda a: a.margin([order()]), True),
        "trades": (lambda a: a.trades(), True),
        "trade_history": (lambda a: a.trade_history(*days), True),
        "ledger": (lambda a: a.ledger(*days), False),
        "exit_all": (lambda a: a.exit_all(), "exit_all"),
        "kill_switch": (lambda a: a.kill_switch(True), "kill_switch"),
        "profit_exit": (lambda a: a.profit_exit(1, None), "profit_exit"),
        "sale_authorities": (lambda a: a.sale_authorities(), "e_dis"),
        "request_sale_pin": (lambda a: a.request_sale_pin(), "e_dis"),
        "sale_form": (lambda a: a.sale_form(RELIANCE, 1), "e_dis"),
    }
    assert set(calls) == {name for name, method in vars(AccountClient).items() if iscoroutinefunction(method)}
    server.answer = refusal("UDAPI100050", "Invalid token", 401)
    for name, (call, field) in calls.items():
        has = bool(getattr(UpstoxBroker.capabilities, field)) if isinstance(field, str) else field
        with pytest.raises(AuthError if has else Unsupported) as told:
            on_server(server, call)
        assert bool(server.requests) is has, name
        assert told.value.hint
        server.requests.clear()
    assert set(ConditionalKind) - UpstoxBroker.capabilities.conditional == {ConditionalKind.OCO}
    exits = (leg(LegName.TARGET, 1_200_00), leg(LegName.STOP, 1_400_00))
    with pytest.raises(Unsupported, match="Upstox has no OCO"):
        on_server(server, lambda account: account.place_conditional(conditional(ConditionalKind.OCO, exits)))
