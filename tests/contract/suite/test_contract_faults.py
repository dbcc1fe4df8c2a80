"""The contract of `ExecutionClient` when the wire breaks: unknown is not rejected, and the book tells what happened."""

from __future__ import annotations

import traceback

import msgspec
import pytest
from tests.contract.suite.floor import CANARY
from tests.contract.suite.market import LEVEL, PRICE
from tests.contract.suite.stage import WiredStage
from tests.contract.suite.wire import Break

from saudagar.exchange.faults import FaultKind, FaultRule
from saudagar.execution.ports import LinkState
from saudagar.execution.reports import absorb
from saudagar.model import Order, OrderStatus, OrderTerms, OrderType
from saudagar.model.errors import BrokerError, OutcomeUnknown, RateLimited
from saudagar.model.events import OrderFilled, OrderMoved

pytestmark = pytest.mark.children_unmeasured

DONE_AND_LOST = [FaultKind.DROP_AFTER_ACCEPT, FaultKind.GARBLED, FaultKind.SERVER_ERROR]


def once(stage: WiredStage, kind: FaultKind, request: str, **options) -> None:
    stage.faults(FaultRule(kind=kind, endpoint=f"{stage.name}.orders.{request}", count=1, **options))


def clean(error: BaseException) -> None:
    told = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    assert CANARY not in told


@pytest.mark.parametrize("kind", DONE_AND_LOST)
def test_an_order_that_was_taken_and_not_answered_is_unknown_until_the_book_tells(wired: WiredStage, kind):
    async def main():
        new = wired.order()
        once(wired, kind, "place")
        with pytest.raises(OutcomeUnknown) as unknown:
            await wired.client.submit(new)
        clean(unknown.value)
        found = await wired.client.find(new.order_id)
        assert found is not None
        assert (found.order_id, found.status) == (new.order_id, OrderStatus.OPEN)
        assert found.broker_id
        await wired.reported(new.order_id, OrderStatus.OPEN)
        assert [each.tag for each in wired.core.orders.values()].count(new.order_id) == 1

    wired.run(main())


def test_an_order_whose_answer_comes_too_late_is_unknown_until_the_book_tells(wired: WiredStage):
    async def main():
        new = wired.order()
        once(wired, FaultKind.DELAY, "place", delay=0.8)  # the client waits 0.4 s
        with pytest.raises(OutcomeUnknown) as unknown:
            await wired.client.submit(new)
        clean(unknown.value)
        found = await wired.client.find(new.order_id)
        assert found is not None
        assert found.status is OrderStatus.OPEN
        after = wired.order()
        await wired.client.submit(after)  # and the lane goes on
        assert [each.tag for each in wired.core.orders.values()][-2:] == [new.order_id, after.order_id]

    wired.run(main())


def test_a_reset_before_the_broker_took_it_is_unknown_and_the_book_has_nothing(wired: WiredStage):
    async def main():
        new = wired.order()
        once(wired, FaultKind.DROP_BEFORE_ACCEPT, "place")
        with pytest.raises(OutcomeUnknown) as unknown:
            await wired.client.submit(new)
        clean(unknown.value)
        assert await wired.client.find(new.order_id) is None
        assert wired.core.by_tag(new.order_id) is None

    wired.run(main())


@pytest.mark.parametrize("where", Break)
def test_a_wire_that_breaks_anywhere_never_sends_an_order_twice(wired: WiredStage, where):
    async def main():
        await wired.client.submit(wired.order())  # a kept-alive connection
        new = wired.order()
        if where is Break.CONNECT:
            await wired.shut_wire()
        wired.wire.next = where
        with pytest.raises(OutcomeUnknown) as unknown:
            await wired.client.submit(new)
        clean(unknown.value)
        wired.wire.next = None
        if where is Break.CONNECT:
            await wired.open_wire()
        taken = where in (Break.ACCEPT, Break.READ, Break.STALL)
        assert (await wired.client.find(new.order_id) is not None) is taken
        assert [each.tag for each in wired.core.orders.values()].count(new.order_id) == int(taken)
        await wired.until(wired.up)

    wired.run(main())


def test_429_is_a_clear_no(wired: WiredStage):
    async def main():
        new = wired.order()
        once(wired, FaultKind.TOO_MANY, "place")
        with pytest.raises(RateLimited) as refused:
            await wired.client.submit(new)
        clean(refused.value)
        assert wired.core.by_tag(new.order_id) is None
        await wired.client.submit(new)
        assert wired.truth(new.order_id).status is OrderStatus.OPEN

    wired.run(main())


@pytest.mark.parametrize("kind", [*DONE_AND_LOST, FaultKind.DROP_BEFORE_ACCEPT])
def test_a_change_whose_answer_is_lost_is_unknown_and_done_once_or_not_at_all(wired: WiredStage, kind):
    async def main():
        order = await wired.place(wired.order(quantity=5))
        await wired.reported(order.id, OrderStatus.OPEN)
        terms = OrderTerms(quantity=8, order_type=OrderType.LIMIT, price=order.terms.price)
        calls = wired.floor.exchange.wire.calls
        for request, change in (
            ("modify", lambda: wired.client.modify(order, terms)),
            ("cancel", lambda: wired.client.cancel(order)),
        ):
            endpoint = f"{wired.name}.orders.{request}"
            before = calls[endpoint]
            once(wired, kind, request)
            with pytest.raises(OutcomeUnknown) as unknown:
                await change()
            clean(unknown.value)
            assert calls[endpoint] == before + 1, "an SDK may not send it again by itself"
            found = await wired.client.find(order.id)
            done = kind is not FaultKind.DROP_BEFORE_ACCEPT
            if request == "modify":
                assert (found.terms == terms) is done
            else:
                assert (found.status is OrderStatus.CANCELLED) is done

    wired.run(main())


@pytest.mark.parametrize("kind", [FaultKind.GARBLED, FaultKind.DROP_AFTER_ACCEPT, FaultKind.TOO_MANY])
def test_a_question_that_is_not_answered_is_an_error_and_never_a_no(wired: WiredStage, kind):
    async def main():
        order = await wired.place(wired.order())
        for _ in range(3):  # garbled in three ways
            wired.faults(FaultRule(kind=kind, endpoint=f"{wired.name}.*"))
            for question in (
                wired.client.find(order.id),
                wired.client.orders(),
                wired.client.trades_of(order),
                wired.client.positions(),
                wired.client.holdings(),
                wired.client.funds(),
            ):
                with pytest.raises(BrokerError) as failed:
                    await question
                assert not isinstance(failed.value, OutcomeUnknown)
                clean(failed.value)
        wired.faults()
        assert (await wired.client.find(order.id)).status is OrderStatus.OPEN

    wired.run(main())


def applied(order: Order, reports, trades) -> Order:
    """`order` as the desk keeps it, after all `reports`."""
    for report in reports:
        events = absorb(order, report, report.ts)
        if events is None:
            events = absorb(order, trades, report.ts)
        for event in events or ():
            if isinstance(event, OrderFilled):
                order.filled, order.value = event.cumulative, order.value + event.quantity * event.price
                whole = order.filled == order.terms.quantity
                order.status = OrderStatus.FILLED if whole else OrderStatus.PARTIALLY_FILLED
            elif isinstance(event, OrderMoved):
                order.status = event.status
    return order


@pytest.mark.parametrize("how", ["twice", "backwards", "garbled"])
def test_messages_that_repeat_cross_or_break_add_up_to_the_same_order(wired: WiredStage, how):
    """Two orders that trade in the same step, in parts: each message twice, the last first, or one in two broken."""

    async def main():
        streams, refused = wired.floor.exchange.updates, dict(wired.client.refusals)
        publish = streams.publish
        if how == "twice":
            wired.faults(FaultRule(kind=FaultKind.DUPLICATE, endpoint="*"))
        elif how == "garbled":
            wired.faults(
                *(
                    FaultRule(kind=FaultKind.GARBLED, endpoint=name, probability=0.5)
                    for name in ("dhan.updates", "upstox.portfolio", "kite.updates")
                )
            )
        else:
            streams.publish = lambda updates: publish(list(reversed(updates)))
        try:
            orders = [
                await wired.place(wired.order(OrderType.LIMIT, PRICE + 20, quantity=3 * LEVEL)),
                await wired.place(wired.order(OrderType.LIMIT, PRICE + 30, quantity=LEVEL + 30)),
            ]
            await wired.step()
            await wired.step()
        finally:
            streams.publish = publish
            wired.faults()
        fence = await wired.place(wired.order())  # what comes over the stream after it was sent after it
        await wired.reported(fence.id, OrderStatus.OPEN)
        for order in orders:
            book = await wired.client.find(order.id)
            book = msgspec.structs.replace(book, trades=await wired.client.trades_of(order))
            told = wired.said(order.id)
            seen = applied(order, [*told, book], book)
            truth = wired.truth(order.id)
            assert truth.status is OrderStatus.FILLED
            assert (seen.status, seen.filled, seen.value) == (truth.status, truth.filled, truth.value)
            if how == "twice":
                pairs = [(r.status, r.filled, r.ts) for r in told]
                assert pairs[::2] == pairs[1::2]
        lost = sum(wired.client.refusals.values()) - sum(refused.values())
        assert (lost > 0) is (how == "garbled")

    wired.run(main())


def test_an_order_stream_that_is_cut_comes_back_and_tells_on(wired: WiredStage):
    async def main():
        ups = sum(link.state is LinkState.UP for link in wired.links)
        await wired.hang_up()
        await wired.until(lambda: sum(link.state is LinkState.UP for link in wired.links) > ups)
        await wired.until(wired.joined)
        order = await wired.place(wired.order())
        await wired.reported(order.id, OrderStatus.OPEN)
        assert {link.state for link in wired.links} <= {LinkState.UP, LinkState.DOWN}

    wired.run(main())
