"""One thread, one SDK client, one kept-alive connection: requests are carried out in the order they were asked for.

A broker has two: writes, and reads, so that a slow order book never holds up an order. A hook on the SDK's session
keeps the true HTTP status and body of each reply, which the SDKs themselves do not hand out. For the brokers whose
SDK sits on `requests`: Dhan and Kite.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

import msgspec

from saudagar.brokers.governor import Governor

Call = Callable[[Any], Any]
"""Takes the SDK's client; its result is ignored in favour of the hook's."""

_TOO_MANY = 429

T = TypeVar("T")
_Job = tuple[Callable[[], object], asyncio.Future[Any]]


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
        self._thread = _Thread(name)
        self._sdk: Any = None
        self._session: Any = None
        self._reply: Reply | None = None

    async def open(self) -> None:
        """Import and build the SDK client in the lane's thread (a tenth of a second)."""
        await self._thread.do(self._build)

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
            await self._thread.do(self._session.close)
            self._session = None
        self._thread.end()

    async def _run(self, call: Call) -> Reply:
        return await self._thread.do(lambda: self._exchange(call))

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


class _Thread:
    """Carries out jobs in the order they came. An executor would do, at twice the time from the loop to the thread.

    A daemon: a desk that ends without `end` is not held back by a broker that does not answer.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._begun = self._ended = False

    async def do(self, work: Callable[[], T]) -> T:
        """The result of `work`, or what it raises. A job that is given up while it waits is not begun."""
        if self._ended:
            raise RuntimeError(f"{self._name} is closed.")
        if not self._begun:
            self._begun = True
            threading.Thread(target=self._run, name=self._name, daemon=True).start()
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put((work, answer))
        return await answer

    def end(self) -> None:
        """Take no more jobs; those that wait are done."""
        self._ended = True
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, answer = job
            if answer.cancelled():
                continue
            told: tuple[Callable[[Any], None], object]
            try:
                told = answer.set_result, work()
            except BaseException as error:
                told = answer.set_exception, error
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                answer.get_loop().call_soon_threadsafe(_tell, answer, *told)
            del job, work, answer, told  # not kept alive while the next one is waited for


def _tell(answer: asyncio.Future[Any], how: Callable[[Any], None], what: object) -> None:
    if not answer.done():
        how(what)
