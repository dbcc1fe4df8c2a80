"""Who waits for whom: the market's clock against the desk, and the desk's end of the same wire.

In lock-step the market moves on only when the desk has said that it is done with a step. The desk says so over a
WebSocket on the control port: ``{"ts": the step's UTC ns, "updates": order messages received on its present socket}``.
A desk fed by Upstox knows a step by the frame's `currentTs`. Kite's frames have no time of their own: the desk takes
the highest exchange timestamp in them (full packets only, whole seconds), so such a desk is led through steps that
lie on whole seconds, over one ticker socket, and the market waits only in steps that held a full packet for it.
Kite's order messages come on the ticker's socket and are counted there, those of type ``order``; a desk with several
brokers sums the counts of its newest sockets.

`Pacer` lives in the exchange, `PaceClient` in the desk's composition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from saudagar.model import SECOND, Nanos
from saudagar.model.errors import BrokerError

if TYPE_CHECKING:
    from aiohttp import ClientSession, ClientWebSocketResponse


class Ack(msgspec.Struct, frozen=True):
    """The desk is idle: it has processed the frame of `ts` and `updates` messages of its order socket."""

    ts: Nanos
    updates: int


class MarketSign(msgspec.Struct, frozen=True):
    """What the exchange says on the pace channel: when the desk attaches, and when the day is over."""

    now: Nanos
    lockstep: bool
    done: bool


class Pacer:
    """Holds the market back: by the clock on the wall, and in lock-step by the desk's acks as well.

    Parameters
    ----------
    speed
        Market seconds per wall second, at most; 0 is as fast as possible.
    sent
        Order messages sent on the present order socket; None while there is none.
    """

    def __init__(self, *, lockstep: bool, speed: float, sent: Callable[[], int | None]) -> None:
        self.lockstep = lockstep
        self.attached = 0
        self.acks = 0
        self._speed = speed
        self._sent = sent
        self._ack: Ack | None = None
        self._wanted: Nanos | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._ready: Callable[[], bool] = self._settled
        self._origin: tuple[float, Nanos] | None = None

    async def before(self, ts: Nanos) -> None:
        """Wait until the step at `ts` may begin."""
        if self.lockstep:
            self._wanted = None
            await self._until(lambda: self.attached > 0)
        if self._speed:
            await self._keep_time(ts)
        elif not self.lockstep:
            await asyncio.sleep(0)  # let the sockets be read

    async def _keep_time(self, ts: Nanos) -> None:
        now = asyncio.get_running_loop().time()
        wall, market = self._origin or (now, ts)
        due = wall + (ts - market) / SECOND / self._speed
        if self.lockstep:
            due = max(due, now)  # time that the desk took is not made up for
        self._origin = due, ts
        await asyncio.sleep(max(0.0, due - now))

    async def settle(self, ts: Nanos | None = None) -> None:
        """In lock-step, wait until the desk has every order message and, if given, the frame of `ts`."""
        if self.lockstep:
            self._wanted = ts
            await self._until(self._settled)

    def attach(self) -> None:
        """A desk is there. What another one acknowledged does not count any more."""
        self.attached += 1
        self._ack = None
        self.look()

    def detach(self) -> None:
        self.attached -= 1

    def acknowledge(self, ack: Ack) -> None:
        """Take the desk's word."""
        self._ack = ack
        self.acks += 1
        self.look()

    def forget(self) -> None:
        """The desk has a new order socket: what it acknowledged on the old one does not count any more."""
        self._ack = None

    def look(self) -> None:
        """Something changed: wake the market if it may go on."""
        if self._waiter is not None and not self._waiter.done() and self._ready():
            self._waiter.set_result(None)

    def _settled(self) -> bool:
        ack, sent = self._ack, self._sent()
        if not self.attached or ack is None:
            return False
        return (self._wanted is None or ack.ts == self._wanted) and (sent is None or ack.updates == sent)

    async def _until(self, ready: Callable[[], bool]) -> None:
        self._ready = ready
        while not ready():
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter


class PaceClient:
    """The desk's end. Use `connect`.

    Attributes
    ----------
    sign
        What the exchange said when the desk attached.
    done
        Set when the market day is over, or the exchange has gone: there will be no more ticks.
    lost
        The exchange went before the day was over.
    """

    def __init__(self, session: ClientSession, ws: ClientWebSocketResponse, sign: MarketSign) -> None:
        self.sign = sign
        self.done = asyncio.Event()
        self.lost = False
        self._session = session
        self._ws = ws
        if sign.done:
            self.done.set()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, url: str) -> PaceClient:
        """Attach to ``ws://host:port/pace``.

        Raises
        ------
        BrokerError
            If no exchange answers there.
        """
        import aiohttp

        session = aiohttp.ClientSession()
        try:
            ws = await session.ws_connect(url, compress=0)
            sign = msgspec.json.decode(await ws.receive_str(), type=MarketSign)
        except (aiohttp.ClientError, OSError, TypeError, msgspec.DecodeError) as error:
            await session.close()
            raise BrokerError(f"no simulated exchange answers at {url}: {error!r}.") from None
        return cls(session, ws, sign)

    async def ack(self, ts: Nanos, updates: int) -> None:
        """Say that the desk is idle after the frame of `ts` (UTC ns) and `updates` order messages.

        Raises
        ------
        BrokerError
            If the exchange has gone.
        """
        try:
            await self._ws.send_str(f'{{"ts":{ts},"updates":{updates}}}')
        except ConnectionError:
            raise BrokerError("the simulated exchange has gone.") from None

    async def close(self) -> None:
        self._reader.cancel()
        await self._ws.close()
        await self._session.close()

    async def _read(self) -> None:
        async for message in self._ws:
            if msgspec.json.decode(message.data, type=MarketSign).done:
                self.done.set()
        self.lost = not self.done.is_set()
        self.done.set()
