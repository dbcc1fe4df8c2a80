"""The governor in compressed time: a loop whose clock jumps to the next timer instead of waiting for it."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saudagar.brokers.governor import Governor, Window
from saudagar.model import MINUTE, SECOND
from saudagar.model.errors import RateLimited

TEN = (Window(SECOND, 10),)


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        super().__init__()
        self._moment = 1_000.0
        look = self._selector.select

        def select(timeout=None):
            assert timeout is not None, "everybody waits and nothing will come"
            self._moment += max(timeout, 0.0)
            return look(0)

        self._selector.select = select

    def time(self) -> float:
        return self._moment

    def clock(self) -> int:
        return round(self._moment * SECOND)


class Broker:
    """Takes writes through a governor and notes when each arrived."""

    def __init__(self, loop: JumpingLoop, windows=TEN, **options) -> None:
        self.loop = loop
        self.governor = Governor(windows, clock=loop.clock, **options)
        self.arrived: list[tuple[int, str]] = []
        self.refused: list[str] = []

    async def write(self, name: str, *, urgent=False, way=0.0, back=0.0) -> None:
        try:
            async with self.governor.turn(urgent=urgent):
                await asyncio.sleep(way)
                self.arrived.append((self.loop.clock(), name))
                await asyncio.sleep(back)
        except RateLimited:
            self.refused.append(name)

    @property
    def names(self) -> list[str]:
        return [name for _, name in self.arrived]

    def most_in(self, period: int) -> int:
        times = [ts for ts, _ in self.arrived]
        return max((sum(1 for each in times if ts <= each < ts + period) for ts in times), default=0)


def in_jumping_time(work) -> None:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(work(runner.get_loop()))


def test_entries_get_eight_of_ten_and_exits_the_rest():
    async def main(loop):
        broker = Broker(loop)
        entries = [broker.write(f"entry {n}") for n in range(20)]
        exits = [broker.write(f"exit {n}", urgent=True) for n in range(3)]
        begun = [asyncio.ensure_future(each) for each in entries]
        await asyncio.sleep(0.01)
        begun += [asyncio.ensure_future(each) for each in exits]
        await asyncio.sleep(0.5)
        assert broker.names == [f"entry {n}" for n in range(8)] + ["exit 0", "exit 1"]
        await asyncio.gather(*begun)
        assert broker.names[10] == "exit 2"  # before every entry that waits
        assert len(broker.arrived) == 23
        assert broker.most_in(SECOND) == 10

    in_jumping_time(main)


def test_a_write_counts_until_its_answer_is_in():
    """Ten writes that were slow on their way may all have arrived in one second; the eleventh must not join them."""

    async def main(loop):
        broker = Broker(loop, share=1.0, patience=60.0)
        slow = [asyncio.ensure_future(broker.write(str(n), way=0.9 if n == 0 else 0.0)) for n in range(12)]
        await asyncio.gather(*slow)
        assert broker.most_in(SECOND) == 10
        assert broker.arrived[0][0] - 1_000 * SECOND == pytest.approx(0.9 * SECOND, abs=1_000)

    in_jumping_time(main)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(st.tuples(st.floats(0, 0.4), st.booleans(), st.floats(0, 0.3), st.floats(0, 0.3)), max_size=80),
)
def test_no_window_is_ever_overrun(seed, writes):
    windows = (Window(SECOND, 10), Window(5 * SECOND, 23), Window(MINUTE, 60))

    async def main(loop):
        broker = Broker(loop, windows, patience=1_000.0)
        begun = []
        for number, (gap, urgent, way, back) in enumerate(writes):
            await asyncio.sleep(gap if random.Random(seed + number).random() < 0.3 else 0.0)
            begun.append(asyncio.ensure_future(broker.write(str(number), urgent=urgent, way=way, back=back)))
        await asyncio.gather(*begun)
        assert sorted(broker.names, key=int) == [str(number) for number in range(len(writes))]
        for window in windows:
            assert broker.most_in(window.period) <= window.most

    in_jumping_time(main)


def test_who_waits_too_long_is_refused_and_nothing_was_sent():
    async def main(loop):
        broker = Broker(loop, (Window(MINUTE, 5),))
        await asyncio.gather(*(broker.write(str(n)) for n in range(6)))
        assert (len(broker.names), sorted(broker.refused)) == (4, ["4", "5"])
        assert loop.time() == pytest.approx(1_003.0)
        await broker.write("exit", urgent=True)  # a fifth is kept for it
        assert broker.names[-1] == "exit"
        await asyncio.sleep(61)
        await broker.write("later")
        assert broker.names[-1] == "later"

    in_jumping_time(main)


def test_who_gives_up_or_fails_leaves_no_hole():
    async def main(loop):
        broker = Broker(loop, patience=60.0)
        first = asyncio.ensure_future(broker.write("first", back=5.0))
        await asyncio.sleep(0)
        gone = asyncio.ensure_future(broker.write("gone", urgent=True))
        next_one = asyncio.ensure_future(broker.write("next"))
        await asyncio.sleep(0.1)
        gone.cancel()
        await asyncio.gather(first, next_one)
        with pytest.raises(ZeroDivisionError):
            async with broker.governor.turn(urgent=False):
                1 / 0  # noqa: B018
        with pytest.raises(TimeoutError):
            async with broker.governor.turn(urgent=False):
                raise TimeoutError
        await broker.write("last")
        assert broker.names == ["first", "next", "last"]

    in_jumping_time(main)


def test_a_turn_that_comes_with_the_end_of_patience_is_given_back():
    async def main(loop):
        broker = Broker(loop, (Window(SECOND, 1),), patience=1.0)
        await broker.write("first")
        await asyncio.gather(*(broker.write(str(n), urgent=True) for n in range(5)))
        await asyncio.sleep(5)
        await broker.write("last")
        assert broker.names[-1] == "last"
        assert broker.most_in(SECOND) == 1

    in_jumping_time(main)


def test_five_minutes_of_refusals():
    """The broker says 429 to everything; each write is tried again and again, as the engine does."""

    async def main(loop):
        broker = Broker(loop)
        governor, end = broker.governor, loop.time() + 300
        first_of_second: dict[int, str] = {}

        async def insist(name: str, urgent: bool) -> None:
            while loop.time() < end:
                try:
                    async with governor.turn(urgent=urgent):
                        await asyncio.sleep(0.02)
                        broker.arrived.append((loop.clock(), name))
                        first_of_second.setdefault(loop.clock() // SECOND, name)
                        governor.refused()
                except RateLimited:
                    pass
                await asyncio.sleep(0.001)

        await asyncio.gather(
            *(insist(f"entry {n}", False) for n in range(30)), *(insist(f"exit {n}", True) for n in range(3))
        )
        assert broker.most_in(SECOND) <= 10
        assert 250 < len(broker.arrived) <= 305  # it asks once a second, no more
        assert all(name.startswith("exit") for name in list(first_of_second.values())[1:])  # at first none had come

    in_jumping_time(main)


def test_no_windows_no_wait():
    async def main(loop):
        broker = Broker(loop, ())
        await asyncio.gather(*(broker.write(str(n)) for n in range(200)))
        assert broker.names == [str(n) for n in range(200)]
        assert loop.time() == 1_000.0

    in_jumping_time(main)


def test_market_time_may_be_the_clock():
    """In a simulation the second is the market's: the eleventh write waits until it moves."""
    now = [0]

    async def main():
        governor = Governor(TEN, share=1.0, clock=lambda: now[0], patience=5.0)
        for _ in range(10):
            async with governor.turn(urgent=False):
                pass
        waiting = asyncio.ensure_future(governor.turn(urgent=True).__aenter__())
        await asyncio.sleep(0.02)
        assert not waiting.done()
        now[0] = SECOND
        async with asyncio.timeout(30):  # it looks again when a second of the wall has passed
            await waiting

    asyncio.run(main())


def test_every_broker_is_governed_unless_it_is_simulated():
    from saudagar.brokers.dhan import client as dhan
    from saudagar.brokers.dhan.broker import DhanBroker, DhanSettings
    from saudagar.brokers.kite import client as kite
    from saudagar.brokers.kite.broker import KiteBroker
    from saudagar.brokers.kite.client import KiteSettings

    for make in (
        lambda url: DhanBroker(DhanSettings(client_id="1", token="t", rest_url=url), None),
        lambda url: KiteBroker(KiteSettings(api_key="k", token="t", rest_url=url), None),
    ):
        assert make(None)._lanes._writes._governor is not None
        assert make(None)._lanes._reads._governor is not None
        assert make("http://127.0.0.1:1")._lanes._writes._governor is None
        assert make("http://127.0.0.1:1")._lanes._reads._governor is None
    for limits in (dhan.LIMITS, kite.LIMITS):
        assert limits[0] == Window(SECOND, 10)
        assert [window.period for window in limits] == sorted(window.period for window in limits)


def test_a_write_that_nothing_holds_back_passes_without_a_turn_of_the_loop():
    governor = Governor(TEN, clock=lambda: SECOND)

    def at_once(step) -> None:
        with pytest.raises(StopIteration):  # a coroutine that never waited
            step.send(None)

    for _ in range(8):
        turn = governor.turn(urgent=False)
        at_once(turn.__aenter__())
        at_once(turn.__aexit__(None, None, None))
    with pytest.raises(RuntimeError, match="no running event loop"):  # entries have had their 8 of 10: this one waits
        governor.turn(urgent=False).__aenter__().send(None)
    at_once(governor.turn(urgent=True).__aenter__())
