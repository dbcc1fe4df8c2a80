"""The fault plan: which fault strikes when, and what a plan may say."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from saudagar.exchange.core_orders import Refusal
from saudagar.exchange.face import Route, Wire, bad_gateway
from saudagar.exchange.faults import ANSWERS, STREAMS, Fault, FaultKind, FaultPlan, FaultRule
from saudagar.model.errors import DataError


def strikes(plan: FaultPlan, endpoint: str, calls: int) -> list[FaultKind | None]:
    return [fault.kind if (fault := plan.next(endpoint)) else None for _ in range(calls)]


def test_an_empty_plan_is_quiet():
    assert strikes(FaultPlan(), "dhan.orders.place", 5) == [None] * 5


def test_count_and_skip():
    plan = FaultPlan([FaultRule(kind=FaultKind.TOO_MANY, endpoint="dhan.orders.*", skip=1, count=2)])
    assert strikes(plan, "upstox.feed", 2) == [None, None]
    assert strikes(plan, "dhan.orders.place", 5) == [None, FaultKind.TOO_MANY, FaultKind.TOO_MANY, None, None]
    assert plan.struck == [2]


def test_the_first_rule_that_strikes_wins():
    first = FaultRule(kind=FaultKind.DELAY, endpoint="a", delay=0.5, count=1)
    plan = FaultPlan([first, FaultRule(kind=FaultKind.GARBLED)])
    assert plan.next("a") == Fault(FaultKind.DELAY, 0.5)
    assert plan.next("a") == Fault(FaultKind.GARBLED)


def test_a_plan_can_be_switched_off():
    plan = FaultPlan([FaultRule(kind=FaultKind.DISCONNECT)])
    plan.enabled = False
    assert plan.next("x") is None
    plan.enabled = True
    assert plan.next("x") == Fault(FaultKind.DISCONNECT)


def test_probability_is_seeded():
    rules = [FaultRule(kind=FaultKind.DUPLICATE, probability=0.3)]
    once, again, other = (strikes(FaultPlan(rules, seed), "x", 1_000) for seed in (1, 1, 2))
    assert once == again != other
    assert 200 < sum(kind is not None for kind in once) < 400
    assert set(strikes(FaultPlan([FaultRule(kind=FaultKind.DUPLICATE, probability=0.0)]), "x", 100)) == {None}


def test_json_round_trip():
    text = '{"seed": 7, "rules": [{"kind": "delay", "delay": 0.2, "probability": 0.1, "endpoint": "dhan.*"}]}'
    plan = FaultPlan.from_json(text)
    assert plan.seed == 7
    assert plan.rules == (FaultRule(kind=FaultKind.DELAY, delay=0.2, probability=0.1, endpoint="dhan.*"),)
    assert FaultPlan.from_json(plan.to_json()).rules == plan.rules
    assert FaultPlan.from_json(b"{}").rules == ()


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_kind_can_be_written(kind):
    plan = FaultPlan.from_json(f'{{"rules": [{{"kind": "{kind}", "delay": 1}}]}}')
    assert plan.next("x") == Fault(kind, 1.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "fault plan"),
        ('{"rules": [{"kind": "nonsense"}]}', "nonsense"),
        ('{"rules": [{"kind": "429", "often": 1}]}', "often"),
        ('{"rules": [{"kind": "429", "probability": 1.1}]}', "probability is 1.1"),
        ('{"rules": [{"kind": "429", "probability": "x"}]}', "probability"),
        ('{"rules": [{"kind": "429", "count": -1}]}', "count"),
        ('{"rules": [{"kind": "429", "skip": -1}]}', "skip"),
        ('{"rules": [{"kind": "delay"}]}', "needs `delay`"),
        ('{"rules": [{"kind": "delay", "delay": 601}]}', "0 to 600"),
        ('{"rules": [{"kind": "delay", "delay": -1}]}', "0 to 600"),
    ],
)
def test_a_plan_that_makes_no_sense(text, said):
    with pytest.raises(DataError, match=said):
        FaultPlan.from_json(text)


def test_a_fault_of_streams_does_not_strike_a_request():
    plan = FaultPlan([FaultRule(kind=FaultKind.DUPLICATE, count=1), FaultRule(kind=FaultKind.TOO_MANY, count=1)])
    assert plan.next("dhan.orders.place", ANSWERS) == Fault(FaultKind.TOO_MANY)
    assert plan.next("dhan.orders.place", ANSWERS) is None
    assert plan.next("dhan.updates", STREAMS) == Fault(FaultKind.DUPLICATE)
    assert plan.struck == [1, 1]
    assert set(FaultKind) == ANSWERS | STREAMS


def guarded(kind: FaultKind, delay: float = 0.0) -> tuple[Any, SimpleNamespace]:
    """The answer to a request that is refused while this fault is in force, and whose transport it was."""

    async def refuse(request: web.Request) -> web.Response:
        raise Refusal("state", "order 1 is FILLED and cannot be changed.")

    transport = SimpleNamespace(closed=False, is_closing=lambda: False, get_extra_info=lambda _: None)
    wire = Wire(FaultPlan([FaultRule(kind=kind, delay=delay)]))
    handler = wire.guard(Route("PUT", "/x", "x", refuse), lambda: web.Response(status=429), bad_gateway)
    request: Any = SimpleNamespace(transport=transport)
    return asyncio.run(handler(request)), transport  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "status"), [(FaultKind.SERVER_ERROR, 502), (FaultKind.GARBLED, 200), (FaultKind.DROP_AFTER_ACCEPT, 200)]
)
def test_a_refusal_is_lost_like_any_answer(kind, status):
    answer, _ = guarded(kind)
    assert (answer.status, b"FILLED" in (answer.body or b"")) == (status, False)


def test_a_refusal_may_be_late():
    with pytest.raises(Refusal, match="FILLED"):
        guarded(FaultKind.DELAY, 0.001)
