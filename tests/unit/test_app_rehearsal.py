"""Whether the rehearsal decides on orders, goes on for longer than its market lasts, and remembers nothing."""

from __future__ import annotations

import gc
from collections import deque

import pytest

from saudagar.app import rehearsal as module
from saudagar.app.rehearsal import Rehearsal
from saudagar.engine.engine import Engine, Inbound, Step
from saudagar.execution.effects import SubmitOrder

_WARM_UP = 5


def test_takes_the_whole_way_from_a_tick_to_an_order_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    make = module.new_rows
    monkeypatch.setattr(module, "new_rows", lambda *given: rows.append(len(made := make(*given))) or made)
    rehearsal = Rehearsal()
    for _ in range(_WARM_UP):
        deque(rehearsal.second(), 0)
    before = rehearsal.orders
    rows.clear()
    for _ in range(40):
        deque(rehearsal.second(), 0)
    assert rehearsal.orders == before + 40
    assert len(rows) == 40
    assert all(rows), "every order's events were made ready for a journal"


def test_closes_a_bar_of_every_graph_each_time() -> None:
    rehearsal = Rehearsal()
    deque(rehearsal.second(), 0)
    analysis = rehearsal._engine.analysis
    before = analysis.bars
    deque(rehearsal.second(), 0)
    assert analysis.bars == before + 4


def test_begins_anew_at_the_end_of_its_market_and_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rehearsal = Rehearsal()
    first = rehearsal._engine
    seconds = (module._LAST - module._FIRST) // module.SECOND
    for _ in range(seconds + _WARM_UP):
        deque(rehearsal.second(), 0)
    assert rehearsal._engine is not first
    del first
    gc.collect()
    alive = [each for each in gc.get_objects() if isinstance(each, Engine) and each.state.desk == "REHEARSAL"]
    assert alive == [rehearsal._engine]
    assert len(rehearsal._engine.state.orders) <= _WARM_UP
    assert rehearsal.orders > seconds - 2 * _WARM_UP


def test_does_nothing_with_an_order_but_refuse_it(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[Step] = []
    process = Engine.process

    def noted(self: Engine, event: Inbound) -> Step:
        steps.append(process(self, event))
        return steps[-1]

    monkeypatch.setattr(Engine, "process", noted)
    rehearsal = Rehearsal()
    for _ in range(_WARM_UP):
        deque(rehearsal.second(), 0)
    sent = [effect for step in steps for effect in step.effects if isinstance(effect, SubmitOrder)]
    assert sent
    assert len(sent) == rehearsal.orders
    assert not any(position.quantity for position in rehearsal._engine.state.positions.values())
    assert not any(rehearsal._engine.state.working.values())
