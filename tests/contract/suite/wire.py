"""A wire that breaks when it is told to: between a client and the exchange, one fault per request.

A fault belongs to the request that it strikes, which is told by its bytes alone: a head, and the body that the head
names. So it matters neither how TCP cuts the bytes up nor when they come, and an answer that comes too late on another
connection takes no fault away.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from enum import StrEnum

from saudagar.exchange.face import abort

_LONGEST = 1 << 18  # bytes of a head
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)\r\n", re.IGNORECASE)


class Break(StrEnum):
    """Where a request breaks."""

    CONNECT = "connect"  # nobody listens
    WRITE = "write"  # the connection resets while the request is being written: the broker never sees it
    ACCEPT = "after accept"  # the broker does it, then the connection resets
    READ = "read"  # half of the answer arrives, then the connection resets
    STALL = "stall"  # the broker does it, and its answer never comes


class Wire:
    """Listens on a port and passes on what comes to another.

    Attributes
    ----------
    next
        What shall happen to the next request, once. Streams (WebSockets) are not touched by it.
    frozen
        Nothing moves in either direction, and nobody is told.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.next: Break | None = None
        self.frozen = False
        self._target = target
        self._server: asyncio.Server | None = None
        self._live: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port, limit=_LONGEST)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Listen no more, and hang up on everybody."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Reset every connection, on both sides."""
        for writer in tuple(self._live):
            abort(writer.transport)

    async def close(self) -> None:
        await self.shut()
        await asyncio.sleep(0)  # let those who have just come be taken
        self.cut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def struck(self) -> Break | None:
        """What happens to the request that begins now."""
        broken, self.next = self.next, None
        return broken

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._live.add(writer)
        try:
            # a cancellation ends here: the server's own callback would log it
            with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
                if self._server is not None:  # shut since this one knocked
                    await self._join(reader, writer)
        finally:
            self._drop(writer)
            self._tasks.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._live.add(up_writer)
        link = _Link(self)
        answers = asyncio.create_task(link.answers(up_reader, writer))
        try:
            await link.requests(reader, up_writer)
        finally:
            self._drop(up_writer)
            answers.cancel()
            await asyncio.wait({answers})

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._live.discard(writer)
        abort(writer.transport)


class _Link:
    """One connection through the wire: requests one after the other, or a stream."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._broken: Break | None = None  # what strikes the present request

    async def requests(self, reader: asyncio.StreamReader, up: asyncio.StreamWriter) -> None:
        """Pass whole requests on until one breaks. Raises `EOFError` when the client has gone."""
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"upgrade: websocket" in head.lower():
                return await self._stream(head, reader, up)
            self._broken = self._wire.struck()
            if self._broken is Break.WRITE:
                return None
            assert b"transfer-encoding" not in head.lower(), "a body without a length"
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            if not self._wire.frozen:
                up.write(head + body)

    async def _stream(self, data: bytes, reader: asyncio.StreamReader, up: asyncio.StreamWriter) -> None:
        while data:
            if not self._wire.frozen:
                up.write(data)
            data = await reader.read(1 << 16)

    async def answers(self, reader: asyncio.StreamReader, down: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                if self._wire.frozen or self._broken is Break.STALL:
                    continue
                if self._broken is Break.READ:
                    down.write(data[: len(data) // 2])
                if self._broken in (Break.ACCEPT, Break.READ):
                    break
                down.write(data)
        abort(down.transport)
