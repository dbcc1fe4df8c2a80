"""What brokers do by themselves while the market moves may be refused by the exchange; it must not end the day."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_conditional import Conditionals
from saudagar.exchange.dhan.account import DhanAccount
from saudagar.exchange.kite.errors import KiteError
from saudagar.exchange.kite.orders import OrderDesk as KiteDesk
from saudagar.exchange.kite.requests import Form
from saudagar.exchange.kite.tickets import TicketBook
from saudagar.exchange.kite.words import Directory
from saudagar.exchange.order_desk import OrderDesk
from saudagar.exchange.tape import Tape
from saudagar.market.ist import at, midnight
from saudagar.market.sessions import Calendar
from saudagar.model import (
    Instrument,
    InstrumentKind,
    OrderStatus,
    OrderTerms,
    OrderType,
    Product,
    Segment,
    Side,
    Tick,
)

DAY = date(2026, 11, 20)
SBIN = Instrument(
    segment=Segment.NSE_EQ,
    symbol="SBIN",
    kind=InstrumentKind.EQUITY,
    tick_size=5,
    freeze_quantity=100,
    closing_auction=True,
    kite_id="779521",
    kite_symbol="SBIN",
)
CLOSE = 800_00


def market(clock: str) -> MatchingCore:
    core = MatchingCore([SBIN], Calendar(), capital=10**10, previous_close={SBIN.id: CLOSE})
    core.advance(at(DAY, clock))
    return core


def step(core: MatchingCore, clock: str, ltp: int = 0, volume: int = 0) -> None:
    ts = at(DAY, clock)
    core.advance(ts, [Tick(SBIN.id, ts, ltp, volume)] if ltp else [])


def kite_desk(core: MatchingCore) -> tuple[KiteDesk, TicketBook]:
    tape, book = Tape([SBIN], lambda _: CLOSE, midnight(DAY)), TicketBook()
    publish: Any = lambda _: None  # noqa: E731
    return KiteDesk(core, book, Directory(tape.lines.values()), publish=publish, previous_close={SBIN.id: CLOSE}), book


def form(**more: str) -> Form:
    words = {"exchange": "NSE", "tradingsymbol": "SBIN", "transaction_type": "BUY", "quantity": "10", "product": "MIS"}
    return Form({**words, "order_type": "LIMIT", "price": "790", **more})


def test_a_ttl_order_that_the_auction_holds_ends_when_it_lets_go():
    core = market("09:04")
    desk, book = kite_desk(core)
    market_order = {"order_type": "MARKET", "market_protection": "-1"}
    placed = desk.place("regular", form(validity="TTL", validity_ttl="1", **market_order))
    ticket = book.get(placed["order_id"])
    assert ticket is not None
    step(core, "09:06")
    desk.advance()
    assert ticket.order.status is OrderStatus.OPEN, "market orders stand in the limit-only minutes"
    step(core, "09:15", 801_00, 4)
    desk.advance()
    assert (ticket.order.status, ticket.order.filled) == (OrderStatus.CANCELLED, 4)


@pytest.mark.parametrize(
    ("side", "trigger", "price", "said"),
    [
        ("SELL", "800", "799", "sell orders should be lower than the last traded price (800.0)"),
        ("SELL", "800.05", "799", "lower"),
        ("BUY", "800", "801", "buy orders should be higher"),
        ("SELL", "799.95", "799", ""),
        ("BUY", "800.05", "801", ""),
    ],
)
def test_kite_takes_no_stop_that_would_go_off_at_once(side, trigger, price, said):
    core = market("09:15")
    step(core, "09:15:01", 800_00, 10)
    desk, book = kite_desk(core)
    stop = form(order_type="SL", transaction_type=side, trigger_price=trigger, price=price)
    resting = desk.place("regular", form(order_type="SL", trigger_price="820", price="821"))["order_id"]
    change = Form({"trigger_price": trigger, "price": price})
    if said:
        with pytest.raises(KiteError, match="Trigger price for stoploss") as refused:
            desk.place("regular", stop)
        assert said in refused.value.message
        assert refused.value.kind == "InputException"
        assert len(book) == 1
    else:
        desk.place("regular", stop)
    if side == "BUY" and said:
        with pytest.raises(KiteError, match="higher"):
            desk.modify("regular", resting, change)


def test_kite_squares_off_in_its_own_book():
    core = market("15:10")
    step(core, "15:10:01", 800_00, 10)
    desk, book = kite_desk(core)
    for _ in range(2):
        desk.place("regular", form(quantity="70", price="801"))
    desk.square_off(SBIN, Side.SELL, 140)
    left = [ticket for ticket in book if ticket.order.side is Side.SELL]
    assert [(each.order.terms.quantity, each.order.product) for each in left] == [
        (100, Product.INTRADAY),
        (40, Product.INTRADAY),
    ]
    step(core, "15:16")
    desk.square_off(SBIN, Side.SELL, 10)
    assert len(book) == 4, "nothing is taken while the reference price is made"


class _Request:
    def __init__(self, body: dict[str, Any]) -> None:
        self._body = json.dumps(body).encode()

    async def read(self) -> bytes:
        return self._body


def dhan(core: MatchingCore) -> tuple[DhanAccount, OrderDesk]:
    desk = OrderDesk(core, Conditionals(core), name="dhan", mark="9", foreign=lambda _: False)
    site: Any = SimpleNamespace(core=core, desk=desk, killed=False, write=lambda handler: handler)
    account = DhanAccount(site)
    leave = {"profitValue": "1000", "lossValue": "1000", "productType": ["INTRADAY"]}
    handler = next(each.handler for each in account.routes() if (each.method, each.path) == ("POST", "/v2/pnlExit"))
    asyncio.run(handler(_Request(leave)))  # type: ignore[arg-type]  # read() is all of a request that it needs
    return account, desk


def buy(core: MatchingCore, quantity: int) -> None:
    terms = OrderTerms(quantity=quantity, order_type=OrderType.LIMIT, price=801_00)
    core.place(tag="", instrument=SBIN.id, side=Side.BUY, terms=terms, product=Product.INTRADAY)


def test_dhans_profit_exit_cuts_at_the_freeze_quantity():
    core = market("09:15")
    step(core, "09:15:01", 800_00, 10)
    for _ in range(3):
        buy(core, 90)
    account, desk = dhan(core)
    step(core, "09:15:02", 810_00, 20)
    account.advance()
    step(core, "09:15:03", 810_00, 30)
    assert [order.terms.quantity for order in desk.orders()[3:]] == [100, 100, 70]
    assert not any(bought - sold for _, _, bought, _, sold, _ in core.positions())


def test_dhans_profit_exit_waits_where_nobody_can_trade():
    core = market("09:15")
    step(core, "09:15:01", 800_00, 10)
    buy(core, 90)
    account, desk = dhan(core)
    step(core, "15:15:30", 820_00, 20)
    account.advance()
    step(core, "16:00", 820_00, 30)
    account.advance()
    assert len(desk.orders()) == 1
