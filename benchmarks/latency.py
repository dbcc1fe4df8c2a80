"""From a tick to an order, on the wall clock: 1,000 instruments, one tick a second each, in frames of 20.

The simulated exchange is a process of its own, the feed comes over the real Upstox SDK in its child, orders go out
through the real Dhan SDK over HTTP, and the journal is on this disk. Nothing is sped up: it takes as long as it takes.
The exchange works on the same cores as the desk; what it used of them is told, for a real one does not.

The desk is warmed up as on a real morning, so all graphs compute. Sixty instruments carry a strategy that never rests
and gives the orders; the end of a minute, at which 2,000 graphs step within a second, falls into every run.

Run as root on Linux, it is measured once more with `[desk] keep_awake = true`.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import date
from multiprocessing.connection import Connection
from random import Random

from benchmarks.desk import DAY, desk
from benchmarks.measure import SCRATCH, Figure, quantile
from saudagar.app.awake import Awake
from saudagar.brokers.dhan.broker import DhanBroker, DhanSettings
from saudagar.brokers.supervisor import Watch
from saudagar.brokers.upstox.feed import UpstoxFeed, UpstoxSettings
from saudagar.engine.clock import wall_clock
from saudagar.engine.runner import Runner
from saudagar.exchange.process import Account, Ports
from saudagar.exchange.universe import listing, universe
from saudagar.market.ist import at
from saudagar.market.master import Master
from saudagar.model import SECOND, Bar, ClientOrderId, Instrument, InstrumentId, Nanos, Paise, Tick
from saudagar.storage.journal import SqliteJournal

GROUP = "Latency: 1,000 instruments, 50 frames of 20 ticks a second, real SDKs, orders durable before they leave"
AWAKE = "Latency: the same with `[desk] keep_awake = true`"
_COUNT = 1_000
_PER_FRAME = 20
_STEP: Nanos = SECOND * _PER_FRAME // _COUNT
_RESTLESS = 60
_FOLLOW: Nanos = 2 * SECOND
_MINUTE_ENDS = "10:01"  # half-way through
_PAST = 60  # bars to warm up on, of
_FALL: Paise = 10
_VOLUME = 1_500


class PacedDay:
    """A market in which each instrument ticks once a second, twenty of them every 20 ms."""

    step_ns: Nanos = _STEP

    def __init__(self, seconds: int) -> None:
        self.day: date = DAY
        self.instruments: tuple[Instrument, ...] = universe(_COUNT)
        self.begin = at(DAY, _MINUTE_ENDS) - seconds // 2 * SECOND
        self._seconds = seconds

    def steps(self) -> Iterator[tuple[Nanos, list[Tick]]]:
        """Every 20 ms of `seconds`, in order."""
        random = Random(7)
        prices = {each.id: listing(each.id).previous_close for each in self.instruments}
        volumes = dict.fromkeys(prices, 0)
        groups = [self.instruments[first : first + _PER_FRAME] for first in range(0, _COUNT, _PER_FRAME)]
        for number in range(self._seconds * len(groups)):
            ts = self.begin + number * _STEP
            ticks = []
            for each in groups[number % len(groups)]:
                prices[each.id] += random.choice((-1, 1)) * each.tick_size * random.randint(1, 3)
                volumes[each.id] += 0 if each.segment.tradable is False else random.randint(1, 50)
                ticks.append(Tick(each.id, ts, prices[each.id], volumes[each.id]))
            yield ts, ticks

    def history(self, instrument: InstrumentId, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]:
        """A slow fall to the previous close: no average is near to crossing another."""
        close = self.previous_close(instrument)
        return [
            Bar(instrument, interval, moment, moment + interval, above, above, above - _FALL, above - _FALL, _VOLUME)
            for moment in range(start, end, interval)
            for above in (close + (end - moment) // interval * _FALL,)
        ]

    def previous_close(self, instrument: InstrumentId) -> Paise:
        return listing(instrument).previous_close


def figures(seconds: int) -> Iterator[Figure]:
    """All figures of this file, from two runs of `seconds` and some."""
    yield from _run(GROUP, seconds, awake=False)
    with Awake(True) as awake:
        allowed = not awake.why_not
    if allowed:
        yield from _run(AWAKE, seconds, awake=True)


def _run(group: str, seconds: int, *, awake: bool) -> Iterator[Figure]:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    exchange = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, seconds), daemon=True)
    exchange.start()
    theirs.close()  # so that its death is the end of the pipe
    try:
        ports: Ports = ours.recv()
        runner, handed = asyncio.run(_trade(ports, seconds, awake=awake))
        with suppress(BrokenPipeError):  # its market is over, and so may it be
            ours.send(None)
        used: float = ours.recv()
    finally:
        exchange.kill()
        exchange.join()
    yield from _quantiles(group, "tick received → order decided", runner.decided.samples)
    yield from _quantiles(group, "tick received → order durable", runner.submitted.samples)
    yield from _quantiles(group, "tick received → handed to the SDK", handed)
    note = f"{runner.ticks:,} ticks, {runner.orders_sent:,} orders, {len(handed)} of them born of a tick"
    share = used / seconds * 100
    yield Figure(group=group, what="the exchange's share of a core", unit="%", best=share, middle=share, rounds=1)
    trades = float(len(runner.engine.state.trades))
    yield Figure(
        group=group, what="round trips in the run", unit="trades", best=trades, middle=trades, rounds=1, note=note
    )


def _quantiles(group: str, what: str, samples: Sequence[Nanos]) -> Iterator[Figure]:
    for name, q in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
        value = quantile(samples, q) / 1e6
        yield Figure(group=group, what=f"{what}, {name}", unit="ms", best=value, middle=value, rounds=len(samples))


async def _trade(ports: Ports, seconds: int, *, awake: bool) -> tuple[Runner, list[Nanos]]:
    """A desk on that market until the market is over."""
    market = PacedDay(seconds)
    instruments = market.instruments
    engine = desk(instruments, _RESTLESS, _FOLLOW)
    for need in engine.analysis.needs():
        now = market.begin // need.interval * need.interval
        past = market.history(need.instrument, need.interval, now - _PAST * need.interval, now)
        engine.analysis.warm(need.instrument, need.interval, past)
    account, watch = Account(), Watch(silence=0, stale=0)
    feed = UpstoxFeed(
        UpstoxSettings(
            token=account.upstox_token,
            feed_url=f"ws://127.0.0.1:{ports.upstox}/v3/feed/market-data-feed",
            warm=awake,
        ),
        watch,
    )
    broker = DhanBroker(
        DhanSettings(
            client_id=account.client_id,
            token=account.dhan_token,
            rest_url=f"http://127.0.0.1:{ports.dhan}/v2",
            order_feed_url=f"ws://127.0.0.1:{ports.dhan}/order-update",
        ),
        Master(DAY, instruments),
        watch=watch,
    )
    SCRATCH.mkdir(parents=True, exist_ok=True)
    path = SCRATCH / "latency.db"
    for old in SCRATCH.glob("latency.db*"):
        old.unlink()
    journal = SqliteJournal(path, wall_clock)
    runner = Runner(engine, journal, broker)
    handed: list[Nanos] = []

    def on_hand_over(order_id: ClientOrderId, moment: Nanos) -> None:
        if (received := engine.born.get(order_id)) is not None:
            handed.append(moment - received)

    broker.on_hand_over = on_hand_over
    with Awake(awake) as staying:
        await broker.start(runner.put, runner.on_link)
        running = asyncio.create_task(runner.run(engine.start(DAY, market.begin)))
        rehearsing = asyncio.create_task(staying.rehearse())
        await feed.start(instruments, runner.put, runner.on_link)
        await asyncio.wait({running}, timeout=seconds + 1.0)
        await feed.stop()
        runner.stop()
        try:
            await asyncio.wait_for(running, 10)
        finally:
            rehearsing.cancel()
            await broker.stop()
            journal.close()
    return runner, handed


def _serve(pipe: Connection, seconds: int) -> None:
    with suppress(KeyboardInterrupt):
        asyncio.run(_serving(pipe, seconds))


async def _serving(pipe: Connection, seconds: int) -> None:
    from saudagar.exchange.server import serve

    exchange = await serve(PacedDay(seconds), speed=1.0, hold=True, writes_per_second=0)
    pipe.send(exchange.ports)
    begin = time.process_time()
    asyncio.get_running_loop().add_reader(pipe.fileno(), exchange.stopped.set)  # the desk is done
    await exchange.stopped.wait()
    pipe.send(time.process_time() - begin)
    await exchange.stop()  # raises what its market died of


if __name__ == "__main__":
    from benchmarks.measure import table

    print(table(figures(20)))
