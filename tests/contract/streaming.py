"""An order desk whose stream comes from a small WebSocket server that says what the test tells it to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.conftest import MARKET_DAY
from websockets.asyncio.server import serve

from saudagar.brokers.supervisor import Watch
from saudagar.execution.ports import LinkState
from saudagar.market.master import Master

QUICK = Watch(silence=0, stale=0, back_off=0.02, longest=0.1)
NOTHING = Master(MARKET_DAY, ())


class Desk:
    """A broker and what it told; nobody answers its requests."""

    def __init__(self, broker: Any) -> None:
        self.broker = broker
        self.reports, self.links, self.counts = [], [], []
        broker.on_update_count = self.counts.append

    @property
    def states(self) -> list[LinkState]:
        return [state for state, _ in self.links]

    async def until(self, condition: Callable[[], object], seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  conditions on lists have no event
                await asyncio.sleep(0.01)


@asynccontextmanager
async def streaming(
    handler: Callable[[Any], Awaitable[None]], made: Callable[[int], Any], **options: Any
) -> AsyncIterator[Desk]:
    """A started desk: `made` gives its broker for the port at which `handler` serves."""
    async with serve(handler, "127.0.0.1", 0, close_timeout=0.1, **options) as server:
        desk = Desk(made(server.sockets[0].getsockname()[1]))
        await desk.broker.start(desk.reports.append, lambda s: desk.links.append((s.state, s.detail)))
        try:
            yield desk
        finally:
            await desk.broker.stop()
