"""What a broker is asked and told, and what its answers mean: a lane for writes and one for reads, each reply judged.

An account's order desk and its other requests share one `Lanes`: one order of writes, one governor, one reading of
outcomes. How a reply is judged is each broker's own (`outcome.content` in its folder).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from saudagar.brokers.lane import Call, Lane, Reply
from saudagar.model.errors import BrokerError, DataError, OutcomeUnknown

Judge = Callable[[Reply, str, str], Any]
"""The content of a plain yes, else it raises. Takes the reply, what was asked, and what to do in doubt, or nothing."""

Look = TypeVar("Look")
T = TypeVar("T")


class Reads(Generic[Look]):
    """Questions. A failure is a `BrokerError` of some kind, never an unknown outcome.

    Parameters
    ----------
    broker
        Its name, for messages.
    lookup
        Handed to the parsers.
    """

    def __init__(self, broker: str, lane: Lane, judge: Judge, lookup: Look) -> None:
        self.broker, self.lookup = broker, lookup
        self._reads, self._judge = lane, judge

    async def open(self) -> None:
        """Load the SDK."""
        await self._reads.open()

    async def close(self) -> None:
        await self._reads.close()

    async def read(self, request: str, call: Call, judge: Judge | None = None) -> Any:
        """What the broker answers. Raises `BrokerError`.

        Parameters
        ----------
        request
            What is asked, for messages.
        judge
            Another than the account's, for an answer of another shape.
        """
        return answered(judge or self._judge, await self._reads.ask(call), request)

    async def rows(self, request: str, call: Call) -> list[dict[str, Any]]:
        """The answer where it must be a list of objects. Raises `BrokerError`."""
        return self.listed(await self.read(request, call), request)

    async def each(self, request: str, call: Call, parser: Callable[[Any, Look], T]) -> list[T]:
        """The answer's objects as `parser` reads them. Raises `BrokerError`."""
        return [self.parsed(parser, row) for row in await self.rows(request, call)]

    def parsed(self, parser: Callable[[Any, Look], T], row: Any) -> T:
        """`row` as `parser` reads it. Raises `BrokerError` where it cannot."""
        with understood():
            if not isinstance(row, dict):
                raise DataError(f"{self.broker} gave {type(row).__name__} where an object belongs.")
            return parser(row, self.lookup)

    def listed(self, body: Any, request: str) -> list[dict[str, Any]]:
        """`body` where it is a list of objects. Raises `BrokerError` where it is none."""
        if not isinstance(body, list) or not all(isinstance(row, dict) for row in body):
            raise BrokerError(f"{self.broker}, {request}: expected a list of objects.")
        return body


class Lanes(Reads[Look]):
    """Questions, and requests that change something, each sent once."""

    def __init__(self, broker: str, writes: Lane, reads: Lane, judge: Judge, lookup: Look) -> None:
        super().__init__(broker, reads, judge, lookup)
        self._writes = writes

    async def open(self) -> None:
        """Load the SDK."""
        await asyncio.gather(self._writes.open(), self._reads.open())

    async def renew(self, *secrets: str) -> None:
        """Make the SDK's clients anew, with another token, after all that was asked before."""
        await self._writes.renew(*secrets)
        await self._reads.renew(*secrets)

    async def close(self) -> None:
        await self._writes.close()
        await self._reads.close()

    async def write(
        self, request: str, call: Call, *, urgent: bool = False, doubt: str = "", judge: Judge | None = None
    ) -> Any:
        """The content of a plain yes.

        Parameters
        ----------
        urgent
            Goes before entries, see `brokers.governor`.
        doubt
            What a person should do if nobody knows whether it happened; by default an order's own look-up is promised.

        Raises
        ------
        AuthError, RateLimited, RejectedByBroker
            Nothing was done.
        OutcomeUnknown
            Every other failure.
        """
        return (judge or self._judge)(await self._writes.ask(call, urgent=urgent), request, doubt)

    def confirmed(self, body: Any, key: str, request: str, *, doubt: str = "", number: str = "") -> str:
        """The id that the answer to a write names under `key`; where `number` is given, it must be that.

        Raises
        ------
        OutcomeUnknown
            If it names none, or another.
        """
        found = body.get(key) if isinstance(body, dict) else None
        if not found or (number and str(found) != number):
            raise OutcomeUnknown(f"{self.broker}, {request}: the answer does not name the order.", hint=doubt)
        return str(found)


def answered(judge: Judge, reply: Reply, request: str) -> Any:
    """What `reply` says to a question, of which there is no outcome to be unsure of. Raises `BrokerError`."""
    try:
        return judge(reply, request, "")
    except OutcomeUnknown as error:
        raise BrokerError(error.message, code=error.code) from None


@contextmanager
def understood() -> Iterator[None]:
    """An answer that makes no sense is a `BrokerError`."""
    try:
        yield
    except DataError as error:
        raise BrokerError(str(error)) from None


@contextmanager
def believed(request: str, doubt: str = "") -> Iterator[None]:
    """An answer to a write that makes no sense leaves its outcome unknown. `request` begins with the broker's name."""
    try:
        yield
    except DataError as error:
        raise OutcomeUnknown(f"{request}: {error}", hint=doubt) from None
