"""Orders that wait at the broker: triggers, alternatives, entries, trailing."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_conditional import Conditionals, Leg, LegStatus, When
from saudagar.exchange.core_orders import Refusal
from saudagar.exchange.universe import listing, universe
from saudagar.market.ist import at
from saudagar.market.sessions import Calendar
from saudagar.model import SECOND, OrderTerms, OrderType, Product, Side, Tick

RELIANCE = universe(2)[1]
OPEN = at(date(2026, 11, 20), "09:15")
BASE = 1_418_00


class Market:
    """A core with conditionals on top, moved price by price."""

    def __init__(self, capital: int = 1_00_00_000_00) -> None:
        self.core = MatchingCore(
            [RELIANCE], Calendar(), capital=capital, previous_close={RELIANCE.id: listing(RELIANCE.id).previous_close}
        )
        self.conditionals = Conditionals(self.core)
        self.ts = OPEN - SECOND
        self.core.advance(self.ts)
        self.move(BASE)

    def move(self, price: int) -> list[Any]:
        self.ts += SECOND
        step = RELIANCE.tick_size
        ticks = [Tick(RELIANCE.id, self.ts, price, 1_000, ((price - step, 500),), ((price + step, 500),))]
        return [*self.core.advance(self.ts, ticks), *self.conditionals.advance(ticks)]

    def place(self, *legs: Leg, **words: Any) -> Any:
        return self.conditionals.place(
            kind="test", instrument=RELIANCE, product=Product.INTRADAY, legs=legs, tag="T", **words
        )


def leg(name: str, trigger: int, when: When, side: Side = Side.SELL, quantity: int = 10, **words: Any) -> Leg:
    terms = OrderTerms(quantity=quantity, order_type=OrderType.MARKET)
    return Leg(name=name, side=side, when=when, trigger=trigger, terms=terms, **words)


def statuses(order: Any) -> list[LegStatus]:
    return [each.status for each in order.legs]


def test_a_leg_fires_once_when_the_price_touches_it() -> None:
    market = Market()
    order = market.place(leg("A", BASE + 500, When.ABOVE))
    assert market.move(BASE + 490) == []
    updates = market.move(BASE + 500)
    assert [update.tag for update in updates] == ["T", "T"]
    assert statuses(order) == [LegStatus.TRIGGERED]
    assert market.move(BASE + 510) == []
    assert market.conditionals.placed[order.legs[0].order_id] is order


def test_one_fires_the_other_is_cancelled() -> None:
    market = Market()
    order = market.place(leg("UP", BASE + 500, When.ABOVE), leg("DOWN", BASE - 500, When.BELOW))
    market.move(BASE - 700)
    assert statuses(order) == [LegStatus.CANCELLED, LegStatus.TRIGGERED]
    assert len(market.core.orders) == 1
    assert market.move(BASE + 900) == []


def test_exits_wait_for_the_entry_and_take_what_it_filled() -> None:
    market = Market()
    entry = leg("ENTRY", 0, When.IMMEDIATE, Side.BUY, 700, entry=True)
    order = market.place(entry, leg("TARGET", BASE + 500, When.ABOVE, quantity=700))
    assert market.core.orders[entry.order_id].filled == 500  # the depth has no more; the rest works
    assert statuses(order) == [LegStatus.TRIGGERED, LegStatus.WAITING]
    market.core.cancel(entry.order_id)
    market.move(BASE)
    assert statuses(order) == [LegStatus.TRIGGERED, LegStatus.ACTIVE]
    market.move(BASE + 500)
    assert market.core.orders[order.legs[1].order_id].terms.quantity == 500
    assert market.core.positions()[0][2] == market.core.positions()[0][4] == 500


def test_an_entry_that_never_fills_takes_its_exits_with_it() -> None:
    market = Market()
    terms = OrderTerms(quantity=10, order_type=OrderType.LIMIT, price=BASE - 1_000)
    entry = Leg(name="ENTRY", side=Side.BUY, when=When.IMMEDIATE, trigger=0, terms=terms, entry=True)
    order = market.place(entry, leg("STOP", BASE - 2_000, When.BELOW))
    market.core.cancel(entry.order_id)
    market.move(BASE)
    assert statuses(order) == [LegStatus.TRIGGERED, LegStatus.CANCELLED]
    assert not order.live


def test_a_refused_immediate_entry_leaves_nothing() -> None:
    market = Market(capital=1_00)
    with pytest.raises(Refusal, match="short of"):
        market.place(leg("ENTRY", 0, When.IMMEDIATE, Side.BUY, 10, entry=True))
    assert market.conditionals.all == {}


def test_a_leg_that_is_refused_when_it_fires_keeps_the_reason() -> None:
    market = Market(capital=1_00)
    order = market.place(leg("A", BASE + 500, When.ABOVE, Side.BUY))
    market.move(BASE + 500)
    assert statuses(order) == [LegStatus.FAILED]
    assert "short of" in order.legs[0].reason
    assert not order.live


@pytest.mark.parametrize(("when", "away"), [(When.BELOW, 1), (When.ABOVE, -1)])
def test_a_trigger_follows_by_whole_jumps_and_never_back(when: When, away: int) -> None:
    market = Market()
    side = Side.SELL if when is When.BELOW else Side.BUY
    order = market.place(leg("STOP", BASE - 1_000 * away, when, side, jump=300))
    moves = [(0, 0), (290, 0), (610, 600), (310, 600), (910, 900), (0, 900)]
    for moved, expected in moves[:-1]:
        market.move(BASE + moved * away)
        assert order.legs[0].trigger == BASE + (expected - 1_000) * away
    market.move(BASE + (900 - 1_000) * away)
    assert statuses(order) == [LegStatus.TRIGGERED]


def test_changes_and_cancels() -> None:
    market = Market()
    order = market.place(leg("A", BASE + 500, When.ABOVE), leg("B", BASE - 500, When.BELOW))
    name = order.conditional_id
    market.conditionals.modify(name, [leg("A", BASE + 900, When.ABOVE)])
    assert market.move(BASE + 500) == []
    market.conditionals.cancel(name, "B")
    assert statuses(order) == [LegStatus.ACTIVE, LegStatus.CANCELLED]
    with pytest.raises(Refusal, match="B of"):
        market.conditionals.modify(name, [leg("B", BASE - 900, When.BELOW)])
    market.conditionals.cancel(name)
    for call in (lambda: market.conditionals.cancel(name), lambda: market.conditionals.cancel("1")):
        with pytest.raises(Refusal):
            call()
    with pytest.raises(Refusal, match="no leg"):
        market.conditionals.cancel(name, "C")
    assert len(market.conditionals.take_changes()) == 4
    assert market.conditionals.take_changes() == []
    assert market.move(BASE + 900) == []


def test_a_conditional_order_ends_at_its_day() -> None:
    market = Market()
    order = market.place(leg("A", BASE + 500, When.ABOVE), expires=market.ts + 2 * SECOND)
    market.move(BASE)
    assert order.live
    market.move(BASE)
    assert statuses(order) == [LegStatus.CANCELLED]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"trigger": BASE + 5}, "tick"),
        ({"trigger": 0}, "tick"),
        ({"trigger": BASE, "quantity": 0}, "quantity"),
        ({"trigger": BASE, "jump": -10}, "price"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any], code: str) -> None:
    market = Market()
    with pytest.raises(Refusal) as refused:
        market.place(leg("A", when=When.ABOVE, **wrong))
    assert refused.value.code == code
    with pytest.raises(Refusal):
        market.place()


def test_quiet_markets_cost_nothing() -> None:
    market = Market()
    assert market.conditionals.advance([Tick(RELIANCE.id, market.ts, BASE)]) == []
    assert market.conditionals.of("test") == []
