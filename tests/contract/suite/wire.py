"""A wire that breaks when it is told to: TCP between a client and the exchange, one fault per request."""

from __future__ import annotations

import asyncio
import contextlib
from enum import StrEnum

from saudagar.exchange.face import abort


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
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Listen no more, and hang up on everybody."""
        if self._server is not None:
            self._server.close()
        self.cut()

    def cut(self) -> None:
        """Reset every connection, on both sides."""
        for writer in tuple(self._live):
            abort(writer.transport)

    async def close(self) -> None:
        await self.shut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            abort(writer.transport)
            return
        self._live |= {writer, up_writer}
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):  # the server's own callback would log it
                first = await reader.read(1 << 16)
                stream = b"upgrade: websocket" in first.lower()
                answers = asyncio.ensure_future(self._answers(up_reader, writer, stream))
                await self._requests(first, reader, up_writer, stream)
                answers.cancel()
        finally:
            self._live -= {writer, up_writer}
            for each in (writer, up_writer):
                abort(each.transport)
            self._tasks.discard(task)

    async def _requests(
        self, data: bytes, reader: asyncio.StreamReader, up: asyncio.StreamWriter, stream: bool
    ) -> None:
        while data:
            if self.next is Break.WRITE and not stream:
                self.next = None
                return
            if not self.frozen:
                up.write(data)
            data = await reader.read(1 << 16)

    async def _answers(self, reader: asyncio.StreamReader, down: asyncio.StreamWriter, stream: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                if self.frozen:
                    continue
                if stream:
                    down.write(data)
                    continue
                broken, self.next = self.next, None
                if broken is Break.STALL:
                    continue
                if broken is Break.READ:
                    down.write(data[: len(data) // 2])
                if broken in (Break.ACCEPT, Break.READ):
                    break
                down.write(data)
        abort(down.transport)
