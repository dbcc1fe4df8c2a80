"""One account's line to Kite: a lane for writes, one for reads, and what the answers on them mean.

`KiteBroker` and its `KiteAccount` share one, so that whatever a person asks for passes the same governor, in the same
order, as the desk's own orders.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from saudagar.brokers.governor import Governor
from saudagar.brokers.kite import outcome
from saudagar.brokers.kite.client import KiteLookup, KiteSettings, connect
from saudagar.brokers.lane import Call, Lane
from saudagar.model.errors import BrokerError, DataError

T = TypeVar("T")


class Line:
    """See the module. `governor` is what writes must pass."""

    def __init__(self, settings: KiteSettings, governor: Governor | None) -> None:
        self._settings = settings
        secrets = (settings.token, settings.api_key)
        self._writes = Lane("kite-writes", lambda: connect(self._settings), secrets=secrets, governor=governor)
        self._reads = Lane("kite-reads", lambda: connect(self._settings), secrets=secrets)

    async def open(self) -> None:
        """Load the SDK."""
        await asyncio.gather(self._writes.open(), self._reads.open())

    async def renew(self, settings: KiteSettings) -> None:
        """Go on with another token, after all that was asked before."""
        self._settings = settings
        for lane in (self._writes, self._reads):
            await lane.renew(settings.token, settings.api_key)

    async def close(self) -> None:
        await self._writes.close()
        await self._reads.close()

    async def write(self, what: str, call: Call, *, urgent: bool, doubt: str = outcome.LOOKED_UP) -> Any:
        """The `data` of a yes to a request that changes something; raises as `outcome.content` does."""
        return outcome.content(await self._writes.ask(call, urgent=urgent), what, doubt)

    async def read(self, what: str, call: Call) -> Any:
        """The `data` of the answer to a question; raises as `outcome.answer` does."""
        return outcome.answer(await self._reads.ask(call), what)

    async def rows(self, what: str, call: Call) -> list[dict[str, Any]]:
        """`read` of a list of objects."""
        return list_of(await self.read(what, call), what)


def list_of(body: Any, what: str) -> list[dict[str, Any]]:
    """`body` if it is a list of objects; `BrokerError` otherwise."""
    if not isinstance(body, list) or not all(isinstance(row, dict) for row in body):
        raise BrokerError(f"Kite, {what}: expected a list of objects.")
    return body


def parsed(parser: Callable[[Any, KiteLookup], T], row: Any, lookup: KiteLookup) -> T:
    """What `parser` reads out of one object of an answer; `BrokerError` where it makes no sense."""
    try:
        if not isinstance(row, dict):
            raise DataError(f"Kite gave {type(row).__name__} where an object belongs.")
        return parser(row, lookup)
    except DataError as error:
        raise BrokerError(str(error)) from None
