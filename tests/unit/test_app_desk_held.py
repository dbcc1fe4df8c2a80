"""What a desk watches beside the instruments of its file, and what it says of shares that it holds."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from tests.adversary import FUTURE, SBIN, Lookup, World
from tests.unit.test_engine_intents import ask
from tests.unit.test_engine_orders import QUIET, held

from saudagar.app.desk import Desk, _held
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


@pytest.mark.parametrize("text", ["", "dhan sells 10 SBIN only once you have allowed it."])
def test_what_waits_for_leave_to_be_sold_is_said(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def reminder(*_: object) -> str:
        return text

    monkeypatch.setattr("saudagar.app.desk.reminder", reminder)
    nothing: Any = SimpleNamespace(broker=None, now=5)
    desk = Desk(nothing, nothing, title="", command="")
    asyncio.run(desk._remind(nothing))
    assert list(desk._said) == ([(5, text)] if text else [])
