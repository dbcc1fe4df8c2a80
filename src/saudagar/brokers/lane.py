"""One thread, one SDK client, one kept-alive connection: requests are carried out in the order they were asked for.

A broker has two: writes, and reads, so that a slow order book never holds up an order. A hook on the SDK's session
keeps the true HTTP status and body of each reply, which the SDKs themselves do not hand out. For the brokers whose
SDK sits on `requests`: Dhan and Kite.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from saudagar.brokers.governor import Governor

Call = Callable[[Any], Any]
"""Takes the SDK's client; its result is ignored in favour of the hook's."""

_TOO_MANY = 429


class Reply(msgspec.Struct, frozen=True):
    """One HTTP exchange as it was. `status` is 0 if no reply arrived."""

    status: int
    body: bytes
    fault: str = ""  # the SDK's own words where there was no usable reply


class Lane:
    """See the module.

    Parameters
    ----------
    connect
        Makes the SDK's client and names its `requests` session and base address; called in the lane's thread.
    secrets
        Texts to be struck out of every fault.
    governor
        What writes must pass; None lets all pass at once, in order.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], tuple[Any, Any, str]],
        *,
        secrets: tuple[str, ...] = (),
        governor: Governor | None = None,
    ) -> None:
        self._connect = connect
        self._secrets = tuple(filter(None, secrets))
        self._governor = governor
        self._thread = ThreadPoolExecutor(1, name)
        self._sdk: Any = None
        self._session: Any = None
        self._reply: Reply | None = None

    async def open(self) -> None:
        """Import and build the SDK client in the lane's thread (a tenth of a second)."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._build)

    async def ask(self, call: Call, *, urgent: bool = False) -> Reply:
        """Carry out `call`; what the network or the SDK does is in the reply.

        Raises
        ------
        RateLimited
            The governor had no room; nothing was sent.
        """
        if self._governor is None:
            return await self._run(call)
        async with self._governor.turn(urgent=urgent):
            reply = await self._run(call)
            if reply.status == _TOO_MANY:
                self._governor.refused()
            return reply

    async def renew(self, *secrets: str) -> None:
        """Build the client anew, with another token, after all that was asked before."""
        self._secrets = tuple(filter(None, secrets))
        await self.open()

    async def close(self) -> None:
        if self._session is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._session.close)
            self._session = None
        self._thread.shutdown(wait=False)

    async def _run(self, call: Call) -> Reply:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._exchange, call)

    def _build(self) -> None:
        import requests

        if self._session is not None:
            self._session.close()
        self._sdk, session, address = self._connect()
        session.max_redirects = 0  # a redirected order would be sent twice
        session.hooks["response"].append(self._keep)
        session.proxies = requests.utils.get_environ_proxies(address)
        session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        session.trust_env = False  # read once, above, instead of once per order
        self._session = session

    def _keep(self, response: Any, *_: object, **__: object) -> None:
        self._reply = Reply(response.status_code, response.content)

    def _exchange(self, call: Call) -> Reply:
        self._reply = None
        fault = ""
        try:
            answer = call(self._sdk)
            if isinstance(answer, dict):
                fault = str(answer.get("remarks", ""))  # Dhan's word for what went wrong
        except Exception as error:  # the SDKs let some of their own out; what they did before that, nobody knows
            fault = f"{type(error).__name__}: {error}"
        for secret in self._secrets:
            fault = fault.replace(secret, "•••")
        return self._reply or Reply(0, b"", fault)
