"""Trades that a person made by hand: flagged, or adopted as a position of their own."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from saudagar.engine.engine import Engine
from saudagar.engine.settings import Settings
from saudagar.engine.state import State
from saudagar.exchange.universe import universe
from saudagar.market.ist import at, ist_day
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import AccountSnapshot, BrokerPosition, CloseAll, Product, Tick, TickFrame
from saudagar.model import events as ev
from saudagar.risk import Limits

STOCK = universe(2)[1]
TEN = at(ist_day(1_795_150_800_000_000_000), "10:00")
HAND = f"hand@{STOCK.id}"


def desk(adopt: bool) -> tuple[Engine, list[Any]]:
    settings = Settings(desk="T", plans=(), limits=Limits(allowed=frozenset({STOCK.id})), adopt=adopt, reconcile=0)
    master = Master(ist_day(TEN), tuple(universe(2)))
    engine = Engine(settings, master, Calendar(), State(), lambda _: 0, [STOCK.id])
    told = [*engine.start(ist_day(TEN), TEN).events]
    told += engine.process(TickFrame(TEN, [Tick(STOCK.id, TEN, 140_000, 10)])).events
    return engine, told


def holds(engine: Engine, quantity: int, told: list[Any], times: int = 2) -> None:
    row = BrokerPosition(instrument=STOCK.id, product=Product.INTRADAY, quantity=quantity)
    for _ in range(times):
        told += engine.process(AccountSnapshot(ts=engine.now, reports=(), positions=(row,))).events


def test_a_hand_made_position_is_flagged_by_default() -> None:
    engine, told = desk(adopt=False)
    holds(engine, 25, told)
    assert STOCK.id in engine.state.frozen
    assert not engine.state.positions


def test_a_hand_made_position_is_adopted_grows_shrinks_and_ends() -> None:
    engine, told = desk(adopt=True)
    holds(engine, 25, told)
    position = engine.state.positions[HAND]
    assert (position.quantity, position.target, position.average_price) == (25, 25, 140_000)
    assert not engine.state.frozen
    later = engine.now + 1_000_000_000
    told += engine.process(TickFrame(later, [Tick(STOCK.id, later, 141_000, 20)])).events
    assert engine.watch.open_profit == 25 * 1_000
    holds(engine, 10, told)
    assert engine.state.positions[HAND].quantity == 10
    holds(engine, 0, told)
    assert engine.state.positions[HAND].quantity == 0
    assert [trade.gross for trade in engine.state.trades] == [25_000]
    assert State.replay(told).digest() == engine.state.digest()


def test_close_all_closes_what_was_adopted() -> None:
    engine, told = desk(adopt=True)
    holds(engine, -25, told)
    step = engine.process(CloseAll(ts=engine.now, reason="done"))
    (sent,) = [event.order for event in step.events if isinstance(event, ev.OrderSubmitted)]
    assert (sent.side, sent.terms.quantity, sent.purpose) == ("BUY", 25, "EXIT")


@pytest.mark.parametrize("held", [20, -5, 0])
def test_what_takes_from_a_strategy_is_never_adopted(held: int) -> None:
    engine, told = desk(adopt=True)
    ours = ev.PositionAdopted(ts=engine.now, position=f"ema@{STOCK.id}", quantity=50, price=140_000)
    engine.state.apply(msgspec.structs.replace(ours))
    holds(engine, held, told, times=3)
    assert HAND not in engine.state.positions
    assert STOCK.id in engine.state.frozen


def test_what_adds_to_a_strategy_is_kept_apart() -> None:
    engine, told = desk(adopt=True)
    ours = ev.PositionAdopted(ts=engine.now, position=f"ema@{STOCK.id}", quantity=50, price=140_000)
    engine.state.apply(msgspec.structs.replace(ours))
    holds(engine, 80, told, times=3)
    assert engine.state.positions[HAND].quantity == 30
    assert engine.state.positions[f"ema@{STOCK.id}"].quantity == 50
