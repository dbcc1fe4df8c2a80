"""How Upstox's SDK is called: the account's one client, and calls of its classes as a lane carries them out.

`UpstoxBroker`, `UpstoxAccount` and `UpstoxQuotes` say which of the SDK's methods to call.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from saudagar.brokers.lane import Call

Asked = dict[str, Any]
"""What every call to the SDK takes besides its own arguments: raw replies, and a time-out."""


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


def via(api: str, call: Callable[[Any, Asked], Any], more: Asked | None = None) -> Call:
    """`call` for a lane: it takes an instance of the SDK's class `api`, and what every call takes, with `more`."""

    def asked(given: tuple[Any, Asked]) -> Any:
        import upstox_client

        return call(getattr(upstox_client, api)(given[0]), given[1] | (more or {}))

    return asked


def algo(name: str) -> Asked:
    """What an order's call takes besides, where `name` is that of a registered algo; empty where none is needed."""
    return {"algo_name": name} if name else {}
