"""Ticks per second through feed → bars → strategies, in one process and through the real child and its socket."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any

from aiohttp import WSMsgType, web

from benchmarks.desk import DAY, desk
from benchmarks.measure import Figure, rate
from saudagar.brokers.supervisor import Watch
from saudagar.brokers.upstox import wire
from saudagar.brokers.upstox.decode import Screen
from saudagar.brokers.upstox.feed import UpstoxFeed, UpstoxSettings
from saudagar.exchange.synthetic import SyntheticDay
from saudagar.exchange.tape import Tape
from saudagar.exchange.universe import universe
from saudagar.exchange.upstox.encode import InstrumentFeed, frame
from saudagar.market.ist import midnight
from saudagar.model import Instrument, TickFrame

GROUP = "Ticks: Upstox V3 protobuf bytes → bars → two strategies"
_COUNT = 1_000
_PATIENCE = 60.0


def frames(instruments: Sequence[Instrument], ticks: int) -> tuple[list[bytes], int]:
    """Feed messages of a synthetic morning with at least `ticks` ticks, and how many they hold."""
    source = SyntheticDay(7, DAY, instruments)
    closes = {each.id: source.previous_close(each.id) for each in instruments}
    tape = Tape(instruments, closes.__getitem__, midnight(DAY))
    feeds = {name: InstrumentFeed(line) for name, line in tape.lines.items()}
    messages: list[bytes] = []
    count = 0
    for ts, step in source.steps():
        tape.apply(ts, step)
        names = dict.fromkeys(tick.instrument for tick in step)
        messages.append(frame("live_feed", [feeds[name].entry("full") for name in names], ts))
        count += len(names)
        if count >= ticks:
            break
    return messages, count


def figures(ticks: int, rounds: int) -> Iterator[Figure]:
    """All figures of this file, over at least `ticks` ticks of 1,000 instruments."""
    instruments = universe(_COUNT)
    messages, count = frames(instruments, ticks)
    note = f"{count:,} ticks, {len(messages)} frames"
    stages: dict[str, list[float]] = {}
    bars = 0
    for _ in range(rounds):
        spent, bars = _in_one_process(instruments, messages)
        for name, seconds in spent.items():
            stages.setdefault(name, []).append(seconds)
    for name, seconds_of in stages.items():
        yield rate(GROUP, name, count, seconds_of, "ticks/s")
    sums = [sum(each) for each in zip(*stages.values(), strict=True)]
    yield rate(GROUP, "all of it in one process", count, sums, "ticks/s", f"{note}, {bars:,} bars closed")
    through = [asyncio.run(_through_the_child(instruments, messages, count)) for _ in range(rounds)]
    yield rate(GROUP, "socket → SDK in its child → pipe → engine", count, through, "ticks/s", "two processes")


def _in_one_process(instruments: Sequence[Instrument], messages: Sequence[bytes]) -> tuple[dict[str, float], int]:
    from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as proto

    def parse(message: bytes) -> Any:
        return proto.FeedResponse.FromString(message)

    screen = Screen([each.upstox_id for each in instruments], False, parse)
    names = [each.id for each in instruments]
    engine = desk(instruments)
    engine.start(DAY, midnight(DAY))
    clock = time.perf_counter
    decode = pipe = process = 0.0
    gc.collect()
    for message in messages:
        begin = clock()
        batch = screen.batch(message, 1)
        decoded = clock()
        assert batch is not None
        body = wire.encode(batch)
        ready = wire.frame(wire.decode(body), names)
        carried = clock()
        engine.process(ready)
        end = clock()
        decode += decoded - begin
        pipe += carried - decoded
        process += end - carried
    spent = {
        "protobuf → rows (child)": decode,
        "rows → pipe format → TickFrame": pipe,
        "Engine.process: screen, bars, two strategies": process,
    }
    return spent, engine.analysis.bars


async def _through_the_child(instruments: Sequence[Instrument], messages: Sequence[bytes], count: int) -> float:
    """Seconds from the first frame's arrival at the desk to the end of the last."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, messages), daemon=True)
    server.start()
    theirs.close()  # so that its death is the end of the pipe
    try:
        port = await asyncio.to_thread(ours.recv)
        engine = desk(instruments)
        engine.start(DAY, midnight(DAY))
        done = asyncio.Event()
        seen = 0
        first = last = 0.0

        def on_frame(ready: TickFrame) -> None:
            nonlocal seen, first, last
            first = first or time.perf_counter()
            engine.process(ready)
            seen += len(ready.ticks)
            if seen >= count:
                last = time.perf_counter()
                done.set()

        feed = UpstoxFeed(
            UpstoxSettings(token="bench", feed_url=f"ws://127.0.0.1:{port}/feed"), Watch(silence=0, stale=0)
        )
        await feed.start(instruments, on_frame, lambda _: None)
        try:
            async with asyncio.timeout(_PATIENCE):
                await done.wait()
        finally:
            await feed.stop()
        return last - first
    finally:
        server.kill()
        server.join()


def _serve(pipe: Connection, messages: Sequence[bytes]) -> None:
    asyncio.run(_serving(pipe, messages))


async def _serving(pipe: Connection, messages: Sequence[bytes]) -> None:
    """Send all frames to whoever subscribes, as fast as the socket takes them."""

    async def feed(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        async for message in ws:
            if message.type is WSMsgType.BINARY:
                for each in messages:
                    await ws.send_bytes(each)
        return ws

    app = web.Application()
    app.router.add_get("/feed", feed)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    pipe.send(runner.addresses[0][1])
    await asyncio.Event().wait()


if __name__ == "__main__":
    from benchmarks.measure import table

    print(table(islice(figures(100_000, 2), 10)))
