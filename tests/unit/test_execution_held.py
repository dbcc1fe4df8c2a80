"""What the broker holds for delivery, and what the desk makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saudagar.engine.engine import Engine
from saudagar.engine.settings import Settings
from saudagar.engine.state import State
from saudagar.exchange.universe import universe
from saudagar.execution.held import Held, agree
from saudagar.market.ist import at, ist_day
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import (
    AccountSnapshot,
    BrokerPosition,
    ClientOrderId,
    Holding,
    InstrumentId,
    NewOrder,
    OrderTerms,
    OrderType,
    Product,
    Purpose,
    Side,
    StrategyId,
    Tick,
    TickFrame,
    position_id,
)
from saudagar.model import events as ev
from saudagar.risk import Limits

STOCK = universe(2)[1]
TEN = at(ist_day(1_795_150_800_000_000_000), "10:00")
A = position_id(StrategyId("a"), STOCK.id)
DELIVERY = Product.DELIVERY
BSE = InstrumentId("BSE_EQ:OTHER")
ISINS = {STOCK.id: STOCK.isin, BSE: STOCK.isin}


def today(quantity: int, product: Product = DELIVERY, instrument: InstrumentId = STOCK.id) -> BrokerPosition:
    return BrokerPosition(instrument=instrument, product=product, quantity=quantity)


def share(quantity: int, instrument: InstrumentId = STOCK.id, isin: str = STOCK.isin) -> Holding:
    return Holding(instrument=instrument, quantity=quantity, sellable=quantity, average_price=0, isin=isin)


@pytest.mark.parametrize(
    ("positions", "holdings", "isin", "held"),
    [
        ([], [], STOCK.isin, 0),
        ([today(10)], [], STOCK.isin, 10),
        ([], [share(10)], STOCK.isin, 10),
        ([today(-4)], [share(10)], STOCK.isin, 6),
        ([today(-4), today(7, Product.INTRADAY)], [share(10)], STOCK.isin, 6),
        ([], [share(10), share(5)], STOCK.isin, 15),  # two accounts
        ([], [share(10, BSE)], STOCK.isin, 10),  # the broker names the other exchange
        ([], [share(10, isin="")], STOCK.isin, 10),
        ([], [share(10)], "", 10),  # today's master does not know it
        ([], [share(10, BSE, "INE000000000")], STOCK.isin, 0),
    ],
)
def test_both_books_together(positions: list[BrokerPosition], holdings: list[Holding], isin: str, held: int) -> None:
    assert Held(DELIVERY, positions, holdings, {STOCK.id: isin}.get, {}).of(STOCK.id) == held


def test_holdings_are_of_no_use_to_another_product() -> None:
    books = Held(Product.INTRADAY, [today(3, Product.INTRADAY)], [share(10)], ISINS.get, {})
    assert (books.of(STOCK.id), books.of(BSE)) == (3, 0)


@pytest.mark.parametrize(
    ("nse", "bse", "positions", "carried", "held"),
    [
        (60, 60, [], 120, (60, 60)),
        (60, 60, [], 60, (0, 0)),  # what is there of both is not there of each
        (60, 60, [], 100, (40, 40)),
        (60, 0, [today(-60), today(60, instrument=BSE)], 60, (60, 0)),  # sold on one by hand, bought on the other
        (10, 0, [today(-5, instrument=BSE)], 10, (5, -5)),  # sold by hand where the desk does not trade it
        (10, 0, [today(-5, instrument=BSE)], 100, (95, 85)),
        (60, 50, [today(50, instrument=BSE)], 60, (60, 50)),
    ],
)
def test_a_share_of_two_exchanges_is_there_once(nse, bse, positions, carried, held) -> None:
    books = Held(DELIVERY, positions, [share(carried)], ISINS.get, {STOCK.id: nse, BSE: bse})
    assert (books.of(STOCK.id), books.of(BSE)) == held


@given(st.sampled_from(Product), st.integers(-50, 50), st.integers(-50, 50))
def test_only_delivery_may_have_more_and_nothing_may_have_less(product: Product, ours: int, theirs: int) -> None:
    more = product is DELIVERY and theirs > ours >= 0
    assert agree(product, ours, theirs) == (ours == theirs or more)


class Desk:
    """Ten shares of yesterday, at ten o'clock."""

    def __init__(
        self,
        *,
        held: int = 10,
        adopt: bool = False,
        known: bool = True,
        product: Product = DELIVERY,
        more: Sequence[ev.Event] = (),
    ) -> None:
        limits = Limits(allowed=frozenset({STOCK.id}))
        settings = Settings(desk="T", plans=(), limits=limits, product=product, adopt=adopt, reconcile=0)
        day = ist_day(TEN)
        journal: list[Any] = [ev.DayOpened(ts=1, day=ist_day(1), desk="T", config="")]
        journal += [ev.PositionAdopted(ts=2, position=A, quantity=held, price=140_000)] if held else []
        journal += more
        master = Master(day, tuple(universe(2)) if known else (universe(2)[0],))
        self.engine = Engine(settings, master, Calendar(), State.replay(journal), lambda _: 0, [STOCK.id] * known)
        self.engine.start(day, TEN)
        if known:
            self.engine.process(TickFrame(TEN, [Tick(STOCK.id, TEN, 140_000, 10)]))

    def told(self, positions: list[BrokerPosition], holdings: list[Holding] | None) -> str:
        """The broker's books, until they are believed; why the share is frozen."""
        told = None if holdings is None else tuple(holdings)
        for _ in range(2):
            self.engine.process(
                AccountSnapshot(ts=self.engine.now, reports=(), positions=tuple(positions), holdings=told)
            )
        return self.engine.state.frozen.get(STOCK.id, "")


@pytest.mark.parametrize("adopt", [False, True])
@pytest.mark.parametrize("more", [0, 90])
def test_shares_beside_the_desks_are_let_be(adopt: bool, more: int) -> None:
    desk = Desk(adopt=adopt)
    assert not desk.told([], [share(10 + more)])
    assert not desk.told([today(5)], [share(10 + more)])  # bought by hand today
    assert not desk.told([today(-more)], [share(10 + more)])  # and sold
    assert {position.id: position.quantity for position in desk.engine.state.positions.values()} == {A: 10}


def test_where_there_is_less_it_is_frozen_until_it_is_there_again() -> None:
    desk = Desk()
    assert desk.told([today(-3)], [share(12)]) == "positions disagree: 10 here, 9 at the broker"
    assert desk.engine.differences == {STOCK.id: 9}
    assert desk.told([today(-3)], None)  # a read that failed mends nothing
    assert not desk.told([today(-2)], [share(12)])
    assert not desk.engine.differences


def test_a_read_that_failed_says_nothing() -> None:
    desk = Desk()
    assert not desk.told([], None)
    assert desk.told([], []) == "positions disagree: 10 here, 0 at the broker"


def test_a_desk_without_the_share_minds_no_holding_but_a_sale_of_what_is_not_there() -> None:
    desk = Desk(held=0)
    assert not desk.told([today(-10)], [share(10)])
    assert desk.told([today(-11)], [share(10)]) == "positions disagree: 0 here, -1 at the broker"
    assert not desk.told([], [share(10)])  # the broker tells of no position any more


@pytest.mark.parametrize("product", [DELIVERY, Product.INTRADAY])
@pytest.mark.parametrize("seen", [False, True], ids=["stopped early", "saw the end"])
def test_an_order_whose_end_nobody_saw_is_told_of(product: Product, seen: bool) -> None:
    yesterday = ist_day(TEN) - timedelta(days=1)
    terms = OrderTerms(quantity=10, order_type=OrderType.SL, price=138_000, trigger_price=138_600)
    order = NewOrder(
        order_id=ClientOrderId("T1"),
        instrument=STOCK.id,
        side=Side.SELL,
        terms=terms,
        product=product,
        purpose=Purpose.STOP,
        position=A,
    )
    desk = Desk(
        product=product,
        more=[
            ev.OrderSubmitted(ts=at(yesterday, "14:00"), order=order),
            *([ev.DayClosed(ts=at(yesterday, "15:31"), day=yesterday)] if seen else []),
        ],
    )
    told = [alert.message for alert in desk.engine.state.alerts if alert.level == "critical"]
    said = f"order T1, SELL 10 {STOCK.id}, was at the broker on {yesterday} when the desk stopped."
    assert any(text.startswith(said) for text in told) == (product is DELIVERY and not seen)
    assert not desk.engine.state.orders[ClientOrderId("T1")].working


def test_a_share_that_todays_master_does_not_know_is_found_by_its_name() -> None:
    assert not Desk(known=False).told([], [share(10)])
