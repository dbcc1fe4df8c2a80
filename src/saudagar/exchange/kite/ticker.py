"""Kite's ticker: one WebSocket for binary quotes and, as text, for the account's order updates.

A client connects with key and token in the query, asks with JSON (``subscribe``, ``unsubscribe``, ``mode``) and gets a
packet for each tick of what it asked for, all of a step in one frame; a step without any is not sent. A subscription
or a change of mode is answered at once with a packet of everything in it, an index before its first tick apart.
Each second an idle or busy socket gets one byte as a
heartbeat. Three sockets for one key, 3,000 tokens on each (kite.trade/docs/connect/v3/websocket).

An order update goes to every socket. How many messages of type ``order`` the newest socket was sent is what lock-step
compares with the desk's own count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from saudagar.exchange.core_orders import Update
from saudagar.exchange.face import Wire, abort, decode
from saudagar.exchange.faults import Fault, FaultKind
from saudagar.exchange.kite import errors
from saudagar.exchange.kite.errors import KiteError
from saudagar.exchange.kite.packets import HEARTBEAT, MODES, frame, packet, stamped
from saudagar.exchange.kite.shapes import order_message
from saudagar.exchange.kite.tickets import Ticket
from saudagar.exchange.kite.words import Directory, token_of
from saudagar.exchange.streams import CUT
from saudagar.exchange.tape import Tape
from saudagar.model import Nanos, Tick

FEED = "kite.ticker"
ORDERS = "kite.updates"
BEATS = "kite.heartbeat"

SOCKETS = 3
TOKENS = 3_000

_BEAT_SECONDS = 1.0
_MODE_SECONDS = 0.5
_SLOW_SECONDS = 10.0  # a client that does not read for so long is cut off
_LOST = (FaultKind.STALE_FEED, FaultKind.DISCONNECT, FaultKind.DROP_BEFORE_ACCEPT)
_HANG_UP = (FaultKind.DISCONNECT, FaultKind.DROP_BEFORE_ACCEPT, FaultKind.DROP_AFTER_ACCEPT)


class _Request(msgspec.Struct):
    a: str
    v: list[Any] = []


class _Socket:
    """One client: what it wants, and what still has to be sent to it, in order."""

    def __init__(self, ws: web.WebSocketResponse, transport: asyncio.BaseTransport | None) -> None:
        self.ws = ws
        self.modes: dict[int, str] = {}  # token -> mode
        self.orders = 0  # messages handed over, those still queued included
        self._transport = transport
        self._queue: asyncio.Queue[tuple[bytes | str | None, float]] = asyncio.Queue()  # and a delay; None hangs up
        self._gone = False

    def put(self, data: bytes | str | None, delay: float = 0.0) -> None:
        if not self._gone:
            self._queue.put_nowait((data, delay))

    async def flush(self) -> None:
        """Wait until everything put so far is written; a client that does not read is cut off."""
        try:
            async with asyncio.timeout(_SLOW_SECONDS):
                await self._queue.join()
        except TimeoutError:
            self.cut()

    async def pump(self) -> None:
        """Write the queue until cancelled; what comes after the client has gone is thrown away."""
        try:
            while True:
                item = await self._queue.get()
                try:
                    await self._write(*item)
                finally:
                    self._queue.task_done()
        finally:
            self._gone = True
            while not self._queue.empty():
                self._queue.get_nowait()
                self._queue.task_done()

    async def beat(self, wire: Wire) -> None:
        """One byte a second, for ever."""
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            if wire.next(BEATS) is None:
                self.put(HEARTBEAT)

    def cut(self) -> None:
        self._gone = True
        if self._transport is not None:
            abort(self._transport)

    async def _write(self, data: bytes | str | None, delay: float) -> None:
        if self._gone:
            return
        if delay:
            await asyncio.sleep(delay)
        try:
            if data is None:
                self.cut()
            elif isinstance(data, str):
                await self.ws.send_str(data)
            else:
                await self.ws.send_bytes(data)
        except ConnectionError:
            self._gone = True


class KiteTicker:
    """The WebSocket's endpoint, its publisher of quotes, and the order stream of Kite's orders.

    Parameters
    ----------
    tape
        Of the market; `collect` is called whenever it has taken over ticks, `send` at the end of the step.
    find
        Kite's order of an id: its updates are published, and written into its log.
    admits
        Whether a key and an access token open a socket now.
    subscribed
        Called when somebody has subscribed.
    changed, joined
        Called when a socket goes: lock-step has to look again; when one comes: it needs a new word of the desk.
    """

    def __init__(
        self,
        tape: Tape,
        directory: Directory,
        wire: Wire,
        *,
        user: str,
        find: Callable[[str], Ticket | None],
        admits: Callable[[str, str], bool],
        subscribed: Callable[[], None],
        changed: Callable[[], None],
        joined: Callable[[], None],
    ) -> None:
        self.frames = 0
        self.total = 0  # order messages over all sockets
        self._tape = tape
        self._directory = directory
        self._wire = wire
        self._find = find
        self._user = user
        self._admits = admits
        self._subscribed = subscribed
        self._changed = changed
        self._joined = joined
        self._cut = False  # we hung up on somebody who has not tried again
        self._sockets: list[_Socket] = []
        self._wanted: dict[int, set[str]] = {}  # token -> modes that some socket wants
        self._pending: list[tuple[int, dict[str, bytes]]] = []

    @property
    def feeding(self) -> bool:
        """Whether somebody is subscribed to quotes."""
        return bool(self._wanted)

    @property
    def sent(self) -> int | None:
        """Order messages on the newest socket; None while there is none, `CUT` if we hung up on the last one."""
        if self._sockets:
            return self._sockets[-1].orders
        return CUT if self._cut else None

    def owns(self, exchange_id: str) -> bool:
        """Whether the order was placed at Kite."""
        return self._find(exchange_id) is not None

    async def collect(self, now: Nanos, ticks: Sequence[Tick]) -> bool | None:
        """Encode what is wanted of `ticks`, which the tape has just taken over; see `upstox.feed.Publisher`."""
        wanted = self._wanted
        if not wanted:
            return None
        lines, timed = self._tape.lines, False
        for tick in ticks:
            line = lines[tick.instrument]
            token = token_of(line.instrument)
            if token in wanted:
                interest = self._directory.interest(line)
                self._pending.append((token, {mode: packet(line, mode, now, interest) for mode in wanted[token]}))
                timed = timed or any(map(stamped, wanted[token]))
        return timed

    async def send(self) -> bool:
        """Send the step that was collected; False if a fault kept it from arriving."""
        pending, self._pending = self._pending, []
        if not pending:
            return True
        self.frames += 1
        fault = self._wire.next(FEED)
        kind = fault.kind if fault else None
        if kind in (FaultKind.DISCONNECT, FaultKind.DROP_BEFORE_ACCEPT):
            self.disconnect()
        if kind in _LOST:
            return False
        if fault and fault.delay:
            await asyncio.sleep(fault.delay)
        for socket in tuple(self._sockets):
            self._send_frame(socket, pending, kind)
        for socket in tuple(self._sockets):
            await socket.flush()
        if kind is FaultKind.DROP_AFTER_ACCEPT:
            self.disconnect()
        return kind is not FaultKind.GARBLED

    def _send_frame(self, socket: _Socket, pending: list[tuple[int, dict[str, bytes]]], kind: FaultKind | None) -> None:
        modes = socket.modes
        packets = [coded[modes[token]] for token, coded in pending if token in modes and modes[token] in coded]
        if not packets:
            return
        data = frame(packets)
        if kind is FaultKind.GARBLED:
            data = data[: len(data) // 2]
        for _ in range(2 if kind is FaultKind.DUPLICATE else 1):
            socket.put(data)

    def publish(self, updates: Sequence[Update]) -> None:
        """Write each change into its order's log and queue one message for every socket."""
        for update in updates:
            ticket = self._find(update.exchange_id)
            if ticket is None:
                continue
            word = ticket.record(update)
            if self._sockets:
                message = msgspec.json.encode(order_message(ticket, word, update, self._user)).decode()
                self._send_order(message, self._wire.next(ORDERS))

    def _send_order(self, text: str, fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        if kind is FaultKind.GARBLED:
            text = text[: len(text) // 2]
        copies = 0 if kind in _LOST else 2 if kind is FaultKind.DUPLICATE else 1
        for socket in tuple(self._sockets):
            for _ in range(copies):
                self.total += 1
                socket.orders += 1
                socket.put(text, fault.delay if fault else 0.0)
            if kind in _HANG_UP:
                self._hang_up(socket)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The WebSocket endpoint, at the root of Kite's port."""
        self._cut = False
        if not self._admits(request.query.get("api_key", ""), request.query.get("access_token", "")):
            self._changed()
            return errors.answer(KiteError("TokenException", errors.BAD_TOKEN))
        if len(self._sockets) >= SOCKETS:
            return errors.too_many()
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        socket = _Socket(ws, request.transport)
        self._sockets.append(socket)
        self._joined()
        tasks = [asyncio.create_task(socket.pump()), asyncio.create_task(socket.beat(self._wire))]
        try:
            async for message in ws:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    self._request(socket, message.data)
        finally:
            for task in tasks:
                task.cancel()
            self._remove(socket)
        return ws

    def _request(self, socket: _Socket, data: str | bytes) -> None:
        try:
            request = decode(data, _Request)
            mode, tokens = request.v if request.a == "mode" else ("quote", request.v)
            if not isinstance(tokens, list):
                raise ValueError("tokens come in a list")
        except (msgspec.DecodeError, ValueError):
            socket.put(_error("Invalid request."))
            return
        known = [token for token in tokens if isinstance(token, int) and token in self._directory.by_token]
        if request.a == "unsubscribe":
            for token in known:
                socket.modes.pop(token, None)
        elif request.a in ("subscribe", "mode") and mode in MODES:
            self._subscribe(socket, known, mode)
            # clients subscribe first and set the mode next: let a market that waits for them see both
            asyncio.get_running_loop().call_later(0.0 if request.a == "mode" else _MODE_SECONDS, self._subscribed)
        else:
            socket.put(_error(f"Invalid request: {request.a}."))
        self._count_wanted()

    def _subscribe(self, socket: _Socket, tokens: list[int], mode: str) -> None:
        room = TOKENS - len(socket.modes)
        fresh = [token for token in dict.fromkeys(tokens) if token not in socket.modes]
        if len(fresh) > room:
            socket.put(_error(f"Limit of {TOKENS} instruments on one connection exceeded."))
            tokens = [token for token in tokens if token not in set(fresh[room:])]
        socket.modes.update((token, mode) for token in tokens)
        lines = [self._directory.by_token[token] for token in tokens]
        seen = [
            packet(line, mode, self._tape.now, self._directory.interest(line))
            for line in lines
            if line.tick or line.instrument.segment.tradable
        ]
        if seen:
            socket.put(frame(seen))

    def _count_wanted(self) -> None:
        wanted: dict[int, set[str]] = {}
        for socket in self._sockets:
            for token, mode in socket.modes.items():
                wanted.setdefault(token, set()).add(mode)
        self._wanted = wanted

    def _remove(self, socket: _Socket) -> None:
        if socket in self._sockets:
            self._sockets.remove(socket)
            self._count_wanted()
            self._changed()

    def disconnect(self) -> None:
        """Reset every socket, as on a bad day."""
        for socket in tuple(self._sockets):
            self._hang_up(socket)

    def _hang_up(self, socket: _Socket) -> None:
        self._cut = True
        self._remove(socket)
        socket.put(None)


def _error(text: str) -> str:
    return msgspec.json.encode({"type": "error", "data": text}).decode()
