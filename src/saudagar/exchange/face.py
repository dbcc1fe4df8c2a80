"""What the wire faces share: faults and counts around every endpoint, and an application on a port.

Each face lists its routes with an endpoint name such as ``dhan.orders.place``; faults are filtered by it, and the
control port shows how often each was called.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple, TypeVar

import msgspec
from aiohttp import web

from saudagar.exchange.faults import ANSWERS, STREAMS, Fault, FaultKind, FaultPlan

T = TypeVar("T")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: closing sends RST
_LONGEST_LINE = 1 << 16  # bytes; 500 names to quote, or 1,000, are one line
_GARBAGE = (b'{"orderId": "10', b"", b"<html><body>502 Bad Gateway</body></html>")


class Switches(msgspec.Struct, forbid_unknown_fields=True):
    """What an operator can do to one broker's face: its token expires, or the order comes from the wrong address."""

    expired: bool = False
    wrong_ip: bool = False


class Route(NamedTuple):
    method: str
    path: str
    endpoint: str
    handler: Handler


class Wire:
    """The faults in force and the calls counted, shared by all faces of one exchange."""

    def __init__(self, plan: FaultPlan | None = None) -> None:
        self.plan = plan or FaultPlan()
        self.calls: Counter[str] = Counter()

    def next(self, endpoint: str, kinds: frozenset[FaultKind] = STREAMS) -> Fault | None:
        """Count a call of `endpoint`; return what shall go wrong with it, if it is of the `kinds` that can."""
        self.calls[endpoint] += 1
        return self.plan.next(endpoint, kinds)

    def guard(self, route: Route, too_many: Callable[[], web.Response], broken: Callable[[], web.Response]) -> Handler:
        """`route`'s handler with the faults around it; `too_many` makes the face's own 429, `broken` its 5xx."""
        done = 0

        async def guarded(request: web.Request) -> web.StreamResponse:
            nonlocal done
            fault = self.next(route.endpoint, ANSWERS)
            kind = fault.kind if fault else None
            refusal: Exception | None = None
            if kind in (FaultKind.DROP_BEFORE_ACCEPT, FaultKind.DISCONNECT):
                return reset(request)
            if kind is FaultKind.TOO_MANY:
                return too_many()
            if fault is None:
                return await route.handler(request)
            try:
                response = await route.handler(request)
            except Exception as problem:  # a refusal is an answer too: it is lost, late or garbled alike
                refusal = problem
            if kind is FaultKind.DROP_AFTER_ACCEPT:
                return reset(request)
            if kind is FaultKind.SERVER_ERROR:
                return broken()
            if kind is FaultKind.GARBLED:
                done += 1
                return web.Response(body=_GARBAGE[done % len(_GARBAGE)], content_type="application/json")
            if kind is FaultKind.DELAY:
                await asyncio.sleep(fault.delay)
            if refusal is not None:
                raise refusal
            return response

        return guarded

    def application(
        self,
        routes: Iterable[Route],
        too_many: Callable[[], web.Response],
        envelope: Callable[[web.Request, Handler], Awaitable[web.StreamResponse]],
        broken: Callable[[], web.Response] | None = None,
    ) -> web.Application:
        """An application of guarded routes; `envelope` goes around them all."""

        @web.middleware
        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                return await envelope(request, handler)
            except ConnectionResetError:  # the client has gone in the middle of its request
                return web.Response()

        app = web.Application(middlewares=[around])
        for route in routes:
            app.router.add_route(route.method, route.path, self.guard(route, too_many, broken or bad_gateway))
        return app


def bad_gateway() -> web.Response:
    """What a gateway says whose backend has gone."""
    return web.Response(text=_GARBAGE[-1].decode(), status=502, content_type="text/html")


def reset(request: web.Request) -> web.Response:
    """Reset the connection under `request`; what is returned goes nowhere."""
    if request.transport is not None:
        abort(request.transport)
    return web.Response()


def abort(transport: asyncio.BaseTransport) -> None:
    """Close with a TCP reset, like a broker's gateway that falls over."""
    if transport.is_closing():
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


def decode(data: bytes | str, kind: type[T]) -> T:
    """JSON from outside.

    Raises
    ------
    msgspec.DecodeError
        Also for what is nested deeper than anybody means.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except RecursionError:
        raise msgspec.DecodeError("JSON is nested too deeply") from None


async def read_post(request: web.Request) -> list[tuple[str, str]]:
    """The text fields of a form, names and values in order.

    Raises
    ------
    ValueError
        The body is none.
    """
    return [(name, value) for name, value in (await request.post()).items() if isinstance(value, str)]


def json_response(body: object, status: int = 200) -> web.Response:
    """`body` as JSON."""
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


async def listen(app: web.Application, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Serve `app`; return its runner and the port it got (`port` 0 lets the system choose)."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5, max_line_size=_LONGEST_LINE)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner, runner.addresses[0][1]
