"""A thousand orders over a wire that breaks at every stage: none twice, none lost, each known in the end."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from tests.contract.suite.floor import WIRED, floor_of
from tests.contract.suite.stage import WiredStage, stage_of
from tests.contract.suite.wire import Break

from saudagar.exchange.faults import FaultKind, FaultRule
from saudagar.model import ClientOrderId
from saudagar.model.errors import AuthError, BrokerError, OutcomeUnknown, RateLimited

ORDERS = 1_000
PATIENT = (10.0, 10.0)  # seconds; the wire breaks, it does not make anybody wait
PARTS = {"dhan": 100, "upstox": 500, "kite": 100}
"""How many of them on one day: where a look-up reads the book of the day, few; but each day starts a new client."""
PLACES = (None, Break.CONNECT, Break.WRITE, Break.ACCEPT, Break.READ)


async def known_in_the_end(stage: WiredStage, order_id: ClientOrderId, chance: random.Random) -> bool:
    """Whether the broker has it. Look-ups break as well: one that failed is asked again, as the engine does."""
    for _ in range(20):
        stage.wire.next = chance.choice([None, None, None, Break.WRITE, Break.ACCEPT, Break.READ])
        try:
            return await stage.client.find(order_id) is not None
        except AuthError:
            raise
        except BrokerError:
            continue
        finally:
            stage.wire.next = None
    raise AssertionError(f"{order_id} is still not known")


async def submit_all(stage: WiredStage, count: int, seed: int) -> tuple[dict[str, bool], Counter[str]]:
    chance, known, ends = random.Random(seed), {}, Counter()
    for _ in range(count):
        new = stage.order()
        where = chance.choice(PLACES)
        if where is Break.CONNECT:
            await stage.shut_wire()
        elif where is not None:
            stage.wire.next = where
        try:
            await stage.client.submit(new)
        except OutcomeUnknown as error:
            if where is Break.CONNECT:
                await stage.open_wire()
            known[new.order_id] = await known_in_the_end(stage, new.order_id, chance)
            ends[where.value if where else "garbled"] += 1
            if known[new.order_id] and where in (Break.CONNECT, Break.WRITE):
                raise AssertionError(f"{new.order_id} got through a wire that broke at {where}") from error
        except RateLimited:
            known[new.order_id] = False
            ends["429"] += 1
        else:
            known[new.order_id] = True
            ends["accepted"] += 1
    return known, ends


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # sockets are cut in mid-air on purpose
@pytest.mark.unmeasured
@pytest.mark.parametrize("name", WIRED)
def test_a_thousand_submits_over_a_broken_wire(name):
    known: dict[str, bool] = {}
    there: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    for seed in range(ORDERS // PARTS[name]):
        with floor_of(name) as floor, stage_of(name, floor, timeout=PATIENT) as stage:
            stage.faults(
                FaultRule(kind=FaultKind.GARBLED, endpoint=f"{name}.orders.place", probability=0.05),
                FaultRule(kind=FaultKind.TOO_MANY, endpoint=f"{name}.orders.place", probability=0.05),
            )
            part, how = stage.run(submit_all(stage, PARTS[name], seed))
            known |= part
            ends += how
            there += Counter(order.tag for order in floor.exchange.core.orders.values())
    assert len(known) == ORDERS
    assert set(there.values()) == {1}, "an order was placed twice"
    assert set(there) == {order_id for order_id, placed in known.items() if placed}, "an order was lost, or made up"
    for where in ("connect", "write", "after accept", "read"):
        assert ends[where] > ORDERS / 10, ends
    assert ends["garbled"] > 0
    assert ends["429"] > 0
