"""The wire of this suite itself: a fault strikes the request that it was meant for, however the bytes come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from tests.contract.suite.wire import Break, Wire

LATE = b"POST /late HTTP/1.1\r\nContent-Length: 4\r\n\r\n"
NEXT = b"POST /next HTTP/1.1\r\ncontent-length: 2\r\n\r\nab"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Broker:
    """Answers every request, and keeps what came."""

    def __init__(self) -> None:
        self.came = b""
        self.hold = asyncio.Event()
        self.hold.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            self.came += data
            await self.hold.wait()
            writer.write(ANSWER)
        writer.close()


@asynccontextmanager
async def a_wire() -> AsyncIterator[tuple[Broker, Wire]]:
    broker = Broker()
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
    wire = Wire(server.sockets[0].getsockname()[1])
    await wire.open()
    try:
        async with asyncio.timeout(30):
            yield broker, wire
    finally:
        await wire.close()
        server.close()


async def until(ready: Callable[[], object]) -> None:
    while not ready():  # noqa: ASYNC110  what came has no event
        await asyncio.sleep(0)


async def everything(reader: asyncio.StreamReader) -> bytes:
    """What comes until the wire breaks."""
    heard = b""
    try:
        while data := await reader.read(1 << 16):
            heard += data
    except ConnectionError:
        pass
    return heard


def test_a_request_breaks_whose_head_comes_with_the_body_of_the_one_before():
    async def main():
        async with a_wire() as (broker, wire):
            reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
            wire.next = Break.STALL  # of the first request; taken when its head has come
            writer.write(LATE)
            await until(lambda: wire.next is None)
            wire.next = Break.WRITE
            writer.write(b"late" + NEXT)
            assert await everything(reader) == b""
            assert b"/next" not in broker.came
            assert wire.next is None
            writer.close()

    asyncio.run(main())


def test_an_answer_that_comes_late_on_another_connection_takes_no_fault_away():
    async def main():
        async with a_wire() as (broker, wire):
            slow, asks = await asyncio.open_connection("127.0.0.1", wire.port)
            broker.hold.clear()
            asks.write(LATE + b"late")
            await until(lambda: broker.came)
            wire.next = Break.WRITE
            broker.hold.set()
            assert await slow.readexactly(len(ANSWER)) == ANSWER
            reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
            writer.write(NEXT)
            assert await everything(reader) == b""
            assert b"/next" not in broker.came
            asks.close()
            writer.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("where", "came", "heard"),
    [
        (None, NEXT + NEXT, ANSWER + ANSWER),
        (Break.WRITE, b"", b""),
        (Break.ACCEPT, NEXT, b""),
        (Break.READ, NEXT, ANSWER[: len(ANSWER) // 2]),
        (Break.STALL, NEXT + NEXT, ANSWER),
    ],
    ids=["none", *(each.name.lower() for each in (Break.WRITE, Break.ACCEPT, Break.READ, Break.STALL))],
)
def test_each_fault_strikes_one_request_whatever_the_pieces_it_comes_in(where, came, heard):
    async def main():
        async with a_wire() as (broker, wire):
            reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
            wire.next = where
            for piece in range(0, len(NEXT), 7):
                writer.write(NEXT[piece : piece + 7])
                await asyncio.sleep(0)
            if where in (None, Break.STALL):
                await until(lambda: broker.came == NEXT)
                if where is None:
                    assert await reader.readexactly(len(ANSWER)) == ANSWER
                writer.write(NEXT)
                expected = heard[len(ANSWER) :] if where is None else heard
                assert await reader.readexactly(len(expected)) == expected
            else:
                assert await everything(reader) == heard
            assert broker.came == came
            writer.close()

    asyncio.run(main())


def test_who_knocks_when_it_is_shut_is_not_let_in():
    async def main():
        async with a_wire() as (broker, wire):
            _, writer = await asyncio.open_connection("127.0.0.1", wire.port)
            await wire.shut()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", wire.port)
            await wire.open()
            reader, again = await asyncio.open_connection("127.0.0.1", wire.port)
            again.write(NEXT)
            assert await reader.readexactly(len(ANSWER)) == ANSWER
            assert broker.came == NEXT
            writer.close()
            again.close()

    asyncio.run(main())
