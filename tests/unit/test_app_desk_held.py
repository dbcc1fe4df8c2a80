"""What a desk watches beside the instruments of its file."""

from __future__ import annotations

from tests.adversary import FUTURE, SBIN, Lookup, World
from tests.unit.test_engine_intents import ask
from tests.unit.test_engine_orders import QUIET, held

from saudagar.app.desk import _held
from saudagar.engine.state import State
from saudagar.model import Direction


def test_what_the_journal_holds_is_watched_though_no_strategy_of_the_file_trades_it() -> None:
    world = World(QUIET)
    held(world)
    state = State.replay(world.events)
    assert _held(state, Lookup(SBIN, FUTURE)) == [SBIN]
    assert _held(state, Lookup(FUTURE)) == []  # the engine tells of what the master does not know
    ask(world, Direction.FLAT)
    world.trade()
    assert _held(State.replay(world.events), Lookup(SBIN, FUTURE)) == []
