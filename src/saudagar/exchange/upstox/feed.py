"""Upstox's market feed V3 on a WebSocket: market status, a snapshot on subscription, then one frame per step.

A client asks with JSON in binary frames (``sub``, ``unsub``, ``change_mode``); text frames are ignored, as by Upstox.
A protobuf map holds an instrument once, so a step with several ticks of one instrument goes out as several frames:
only the last carries the step's own `currentTs`, each one before it a millisecond less.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence

import msgspec
from aiohttp import WSMsgType, web

from saudagar.exchange.access import AccessToken
from saudagar.exchange.face import Wire, abort, decode
from saudagar.exchange.faults import FaultKind
from saudagar.exchange.tape import Line, Tape
from saudagar.exchange.upstox.encode import MODES, MS, InstrumentFeed, frame, market_info
from saudagar.exchange.upstox.errors import unauthorised
from saudagar.exchange.upstox.site import redirect, success
from saudagar.model import InstrumentKind, Nanos, Tick

ENDPOINT = "upstox.feed"

Publisher = Callable[[Nanos, Sequence[Tick]], Awaitable[bool | None]]
"""Another feed: sends a step's ticks; whether any arrived, None while nobody listens there."""

_SLOW_SECONDS = 10.0  # a client that does not read for so long is cut off


class _Data(msgspec.Struct):
    instrument_keys: list[str] = msgspec.field(name="instrumentKeys", default_factory=list)
    mode: str = "ltpc"


class _Request(msgspec.Struct):
    method: str
    data: _Data
    guid: str = ""


class _Subscriber:
    def __init__(self, ws: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        self.ws = ws
        self.transport = transport
        self.modes: dict[str, str] = {}  # instrument key -> mode

    async def send(self, data: bytes) -> None:
        transport = self.transport
        if transport is None or not transport.get_write_buffer_size():
            await self.ws.send_bytes(data)
            return
        async with asyncio.timeout(_SLOW_SECONDS):
            await self.ws.send_bytes(data)

    def cut(self) -> None:
        if self.transport is not None:
            abort(self.transport)


class UpstoxFeed:
    """The feed's endpoint and its publisher.

    Parameters
    ----------
    tape
        Of the market; published ticks must have been applied to it.
    statuses
        The phase of each segment in Upstox's words, now.
    """

    def __init__(
        self,
        tape: Tape,
        wire: Wire,
        *,
        access: AccessToken,
        statuses: Callable[[], dict[str, str]],
    ) -> None:
        self.frames = 0  # published, however many subscribers they went to
        self.subscribed = asyncio.Event()  # somebody is, or was
        self.others: list[Publisher] = []  # the other brokers' feeds: told after the tape has the ticks
        self._tape = tape
        self._wire = wire
        self._statuses = statuses
        self._access = access
        self._codes: set[str] = set()
        self._told: dict[str, str] = {}
        indices = {each.instrument.symbol: each for each in tape.lines.values() if not each.instrument.segment.tradable}
        self._feeds = {
            line.instrument.upstox_id: InstrumentFeed(line, _written_on(line, indices)) for line in tape.lines.values()
        }
        self._keys = {line.instrument.id: line.instrument.upstox_id for line in tape.lines.values()}
        self._subscribers: list[_Subscriber] = []

    async def publish(self, ts: Nanos, ticks: Sequence[Tick]) -> bool:
        """Send the step's ticks to everybody; False if a fault kept the step from arriving."""
        arrived = True
        elsewhere: list[bool | None] = []
        await self._tell_phase(ts)
        groups = list(_once_each(ticks))
        for place, group in enumerate(groups, 1 - len(groups)):
            self._tape.apply(ts, group)
            arrived = await self._publish(ts + place * MS, [self._keys[tick.instrument] for tick in group]) and arrived
            elsewhere += [await other(ts, group) for other in self.others]
        if self._subscribers or all(one is None for one in elsewhere):
            return arrived
        return any(elsewhere)  # nobody answers for a step of which he saw nothing

    async def _publish(self, current_ts: Nanos, keys: list[str]) -> bool:
        self.frames += 1
        fault = self._wire.next(ENDPOINT)
        kind = fault.kind if fault else None
        if kind is FaultKind.STALE_FEED:
            return False
        if kind in (FaultKind.DISCONNECT, FaultKind.DROP_BEFORE_ACCEPT):
            self.disconnect()
            return True  # the client will be back and is sent a snapshot of this step
        if fault and fault.delay:
            await asyncio.sleep(fault.delay)
        for subscriber in tuple(self._subscribers):
            data = self._frame(subscriber, keys, current_ts)
            if kind is FaultKind.GARBLED:
                data = b"\xff" + data[: len(data) // 2]
            for _ in range(2 if kind is FaultKind.DUPLICATE else 1):
                await self._send(subscriber, data)
        if kind is FaultKind.DROP_AFTER_ACCEPT:
            self.disconnect()
        return kind is not FaultKind.GARBLED

    def _frame(self, subscriber: _Subscriber, keys: list[str], current_ts: Nanos) -> bytes:
        modes, feeds = subscriber.modes, self._feeds
        return frame("live_feed", [feeds[key].entry(modes[key]) for key in keys if key in modes], current_ts)

    async def _send(self, subscriber: _Subscriber, data: bytes) -> None:
        try:
            await subscriber.send(data)
        except (ConnectionError, TimeoutError):
            self._drop(subscriber)

    async def _tell_phase(self, ts: Nanos) -> None:
        statuses = self._statuses()
        if statuses != self._told:
            self._told = statuses
            for subscriber in tuple(self._subscribers):
                await self._send(subscriber, market_info(statuses, ts))

    async def authorize(self, request: web.Request) -> web.Response:
        """An address that opens the feed once, without a header."""
        code = secrets.token_urlsafe(12)
        self._codes.add(code)
        address = f"ws://{request.host}/v3/feed/market-data-feed?code={code}"
        return success(redirect(address))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The WebSocket endpoint."""
        code = request.query.get("code", "")
        bearer = request.headers.get("Authorization") == f"Bearer {self._access.text}"
        if self._access.expired or not (bearer or code in self._codes):
            return unauthorised()
        self._codes.discard(code)
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        subscriber = _Subscriber(ws, request.transport)
        self._subscribers.append(subscriber)
        try:
            await subscriber.send(market_info(self._statuses(), self._tape.now))
            async for message in ws:
                if message.type is WSMsgType.BINARY:
                    await self._request(subscriber, message.data)
        except (ConnectionError, TimeoutError):
            pass  # the client went away while it was being answered
        finally:
            if subscriber in self._subscribers:
                self._subscribers.remove(subscriber)
        return ws

    async def _request(self, subscriber: _Subscriber, data: bytes) -> None:
        try:
            request = decode(data, _Request)
        except msgspec.DecodeError:
            return
        mode, keys = request.data.mode, [key for key in request.data.instrument_keys if key in self._feeds]
        if request.method == "unsub":
            for key in keys:
                subscriber.modes.pop(key, None)
        elif request.method == "change_mode" and mode in MODES:
            subscriber.modes.update((key, mode) for key in keys if key in subscriber.modes)
        elif request.method == "sub" and mode in MODES:
            subscriber.modes.update((key, mode) for key in keys)
            known = (self._feeds[key] for key in keys)
            entries = [feed.entry(mode) for feed in known if feed.line.tick]
            await subscriber.send(frame("initial_feed", entries, self._tape.now))
            self.subscribed.set()

    def _drop(self, subscriber: _Subscriber) -> None:
        if subscriber in self._subscribers:
            self._subscribers.remove(subscriber)
            subscriber.cut()

    def disconnect(self) -> None:
        """Reset every socket, as on a bad day."""
        for subscriber in tuple(self._subscribers):
            self._drop(subscriber)


def _written_on(line: Line, indices: dict[str, Line]) -> Line | None:
    option = line.instrument.kind is InstrumentKind.OPTION
    return indices.get(line.instrument.underlying) if option else None


def _once_each(ticks: Sequence[Tick]) -> Iterator[list[Tick]]:
    """`ticks` in order, cut so that no instrument is twice in one piece; at least one piece."""
    group: list[Tick] = []
    seen: set[str] = set()
    for tick in ticks:
        if tick.instrument in seen:
            yield group
            group, seen = [], set()
        group.append(tick)
        seen.add(tick.instrument)
    yield group
