"""The contract of `AccountClient` when the wire breaks: no answer, half an answer, too many requests, a dead token."""

from __future__ import annotations

import traceback

import pytest
from tests.contract.suite.accounts import asked, conversion
from tests.contract.suite.floor import CANARY
from tests.contract.suite.stage import WiredStage
from tests.contract.suite.wire import Break

from saudagar.exchange.faults import FaultKind, FaultRule
from saudagar.model import (
    ConditionalKind,
)
from saudagar.model.errors import (
    AuthError,
    OutcomeUnknown,
    RateLimited,
)

pytestmark = pytest.mark.children_unmeasured


def fault(stage: WiredStage, kind: FaultKind, request: str) -> None:
    stage.faults(FaultRule(kind=kind, endpoint=f"{stage.name}.{_FAMILY[stage.name]}.{request}", count=1))


_FAMILY = {"dhan": "forever", "upstox": "gtt", "kite": "gtt"}


def clean(error: BaseException) -> None:
    told = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    assert CANARY not in told


@pytest.mark.parametrize("kind", [FaultKind.DROP_AFTER_ACCEPT, FaultKind.GARBLED, FaultKind.DROP_BEFORE_ACCEPT])
def test_a_conditional_order_without_an_answer_is_unknown_and_found_if_it_is_there(wired: WiredStage, kind):
    async def main():
        account, new = wired.client.account, asked(wired, ConditionalKind.SINGLE, quantity=5)
        before = len(await account.conditionals())
        fault(wired, kind, "place")
        with pytest.raises(OutcomeUnknown) as unknown:
            await account.place_conditional(new)
        clean(unknown.value)
        found = await account.find_conditional(new)
        taken = kind is not FaultKind.DROP_BEFORE_ACCEPT
        assert (found is not None) is taken
        assert len(await account.conditionals()) == before + int(taken), "never sent again"
        if found is not None:
            await account.cancel_conditional(found)

    wired.run(main())


@pytest.mark.parametrize("where", [Break.WRITE, Break.ACCEPT, Break.READ])
def test_a_wire_that_breaks_never_sends_a_conditional_order_twice(wired: WiredStage, where):
    async def main():
        account, new = wired.client.account, asked(wired, ConditionalKind.SINGLE, quantity=6)
        before = len(await account.conditionals())
        wired.wire.next = where
        with pytest.raises(OutcomeUnknown) as unknown:
            await account.place_conditional(new)
        clean(unknown.value)
        wired.wire.next = None
        found = await account.find_conditional(new)
        assert len(await account.conditionals()) == before + int(found is not None)
        assert (found is not None) is (where in (Break.ACCEPT, Break.READ))
        if found is not None:
            await account.cancel_conditional(found)
        await wired.until(wired.up)

    wired.run(main())


def test_too_many_requests_is_a_clear_no(wired: WiredStage):
    async def main():
        account, new = wired.client.account, asked(wired, ConditionalKind.SINGLE)
        fault(wired, FaultKind.TOO_MANY, "place")
        with pytest.raises(RateLimited) as refused:
            await account.place_conditional(new)
        clean(refused.value)
        assert await account.find_conditional(new) is None

    wired.run(main())


def test_a_dead_token_is_told_as_such(wired: WiredStage):
    async def main():
        account = wired.client.account
        good = getattr(wired.floor.account, f"{wired.name}_token")
        wired.floor.token(wired.name, "canaryother")
        try:
            for request in (account.conditionals(), account.convert(conversion(1)), account.trades()):
                with pytest.raises(AuthError) as refused:
                    await request
                clean(refused.value)
        finally:
            wired.floor.token(wired.name, good)

    wired.run(main())
