"""How Upstox is asked: the account's one SDK client, and the two lanes over it that answer with plain JSON.

`UpstoxBroker`, `UpstoxAccount` and `UpstoxQuotes` say which of the SDK's methods to call; what became of a request is
judged here (by `outcome`), the same way for all of them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from saudagar.brokers.upstox import outcome
from saudagar.brokers.upstox.lane import Lane
from saudagar.execution.ports import InstrumentLookup
from saudagar.model.errors import BrokerError, DataError, OutcomeUnknown

Asked = dict[str, Any]
"""What every call to the SDK takes besides its own arguments: raw replies, and a time-out."""

T = TypeVar("T")


class Client:
    """Makes the account's one `ApiClient` (each starts a pool of threads) and keeps its token up to date.

    Asked for by the lanes, each in its own thread.
    """

    def __init__(self, token: str, host: str | None) -> None:
        self.token = token
        self._host = host
        self._made: Any = None
        self._lock = threading.Lock()

    def __call__(self) -> Any:
        from saudagar.brokers.upstox.client import api_client

        with self._lock:
            if self._made is None:
                self._made = api_client(self.token, self._host)
            self._made.configuration.access_token = self.token
            return self._made

    async def close(self) -> None:
        """Give back the SDK's threads and connections."""
        if self._made is not None:
            from saudagar.brokers.upstox.client import close

            await asyncio.to_thread(close, self._made)
            self._made = None


class Reads:
    """Questions. A failure is a `BrokerError` of some kind, never an unknown outcome."""

    def __init__(self, lane: Lane, lookup: InstrumentLookup) -> None:
        self.lane = lane
        self._lookup = lookup

    async def answer(
        self, request: str, call: Callable[[Any, Asked], Any], api: str = "OrderApi", *, urgent: bool = False
    ) -> dict[str, Any]:
        """The whole body of a plain yes.

        Parameters
        ----------
        request
            What is asked, for messages.
        call
            Takes an instance of the SDK's class `api`, and what every call takes.
        """

        def asked(given: tuple[Any, Asked]) -> Any:
            import upstox_client

            return call(getattr(upstox_client, api)(given[0]), given[1])

        try:
            return outcome.answer(await self.lane.ask(asked, urgent=urgent), request)
        except OutcomeUnknown as error:  # of a question there is no outcome to be unsure of
            raise BrokerError(error.message, code=error.code) from None

    async def data(self, request: str, call: Callable[[Any, Asked], Any], api: str = "OrderApi") -> Any:
        """The ``data`` of a plain yes."""
        return (await self.answer(request, call, api))["data"]

    async def rows(
        self, request: str, call: Callable[[Any, Asked], Any], api: str = "OrderApi"
    ) -> list[dict[str, Any]]:
        """The ``data`` where it must be a list of objects; nothing at all is an empty one."""
        return listed(await self.data(request, call, api), request)

    def parsed(self, parser: Callable[[Any, InstrumentLookup], T], row: Any) -> T:
        """`row` as `parser` reads it; raises `BrokerError` where it cannot."""
        try:
            if not isinstance(row, dict):
                raise DataError(f"Upstox gave {type(row).__name__} where an object belongs.")
            return parser(row, self._lookup)
        except DataError as error:
            raise BrokerError(str(error)) from None


class Writes:
    """Requests that change something, each sent once.

    Parameters
    ----------
    algo_name
        The name of a registered algo; empty where none is needed.
    """

    def __init__(self, lane: Lane, algo_name: str) -> None:
        self.lane = lane
        self._algo = {"algo_name": algo_name} if algo_name else {}

    async def ask(
        self,
        request: str,
        call: Callable[[Any, Asked], Any],
        *,
        api: str = "OrderApiV3",
        urgent: bool = False,
        algo: bool = True,
        doubt: str = outcome.LOOK_UP,
        before: Callable[[], None] | None = None,
    ) -> Any:
        """The ``data`` of a plain yes.

        Parameters
        ----------
        call
            Takes an instance of the SDK's class `api`, and what every call takes.
        algo
            Whether the method takes the algo's name.
        doubt
            What a person should do if nobody knows whether it happened.
        before
            Called in the lane's thread just before the SDK is.

        Raises
        ------
        AuthError, RateLimited, RejectedByBroker
            Nothing was done.
        OutcomeUnknown
            Every other failure.
        """

        def asked(given: tuple[Any, Asked]) -> Any:
            import upstox_client

            if before is not None:
                before()
            return call(getattr(upstox_client, api)(given[0]), given[1] | (self._algo if algo else {}))

        return outcome.content(await self.lane.ask(asked, urgent=urgent), request, doubt=doubt)


def listed(data: Any, request: str) -> list[dict[str, Any]]:
    """`data` as a list of objects; raises `BrokerError` if it is none."""
    data = [] if data is None else data
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise BrokerError(f"Upstox, {request}: expected a list of objects.")
    return data
