"""A wire that breaks when it is told to: TCP between a client and the exchange, one fault per request."""

from __future__ import annotations

import asyncio
import contextlib
from enum import StrEnum

from saudagar.exchange.face import abort

_METHODS = (b"GET ", b"POST ", b"PUT ", b"DELETE ")


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
        await asyncio.sleep(0)  # let those who have just come be taken
        self.cut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._live.add(writer)
        try:
            # a cancellation ends here: the server's own callback would log it
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._join(reader, writer)
        finally:
            self._drop(writer)
            self._tasks.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._live.add(up_writer)
        answers: asyncio.Task[None] | None = None
        try:
            first = await reader.read(1 << 16)
            stream = b"upgrade: websocket" in first.lower()
            answers = asyncio.create_task(self._answers(up_reader, writer, stream))
            await self._requests(first, reader, up_writer, stream)
        finally:
            self._drop(up_writer)
            if answers is not None:
                answers.cancel()
                await asyncio.wait({answers})

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._live.discard(writer)
        abort(writer.transport)

    async def _requests(
        self, data: bytes, reader: asyncio.StreamReader, up: asyncio.StreamWriter, stream: bool
    ) -> None:
        while data:
            # the body of a request that was refused by its head may still be on its way
            if self.next is Break.WRITE and not stream and data.startswith(_METHODS):
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
