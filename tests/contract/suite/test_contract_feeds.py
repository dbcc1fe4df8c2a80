"""The contract of `DataClient`: what is wanted stays wanted, through drops, silence and a token that ends."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from tests.contract.suite.floor import CANARY, WIRED, Floor, floor_of
from tests.contract.suite.links import QUICK, Ticks, feed_of, feeding
from tests.contract.suite.market import NIFTY, PRICE, RELIANCE, TRADED, CalledDay, share
from tests.contract.suite.stage import WiredStage, stage_of

from saudagar.brokers.child import Kind
from saudagar.brokers.supervisor import Stream, Watch
from saudagar.exchange.faults import FaultKind, FaultRule
from saudagar.execution.ports import LinkState
from saudagar.model import Instrument
from saudagar.model.errors import DataError

pytestmark = pytest.mark.children_unmeasured

MANY = (NIFTY, *(share(f"S{number}", f"INE{number:09}", 100_000 + number) for number in range(1_999)))
ANOTHER = "canary2"
SILENT = re.compile("silent for|ping|pong")


@pytest.fixture(params=WIRED)
def few(request: pytest.FixtureRequest) -> Iterator[tuple[str, Floor]]:
    with floor_of(request.param) as floor:
        yield request.param, floor


def wanted(name: str, floor: Floor) -> list[dict[str, object]]:
    """What each live socket is subscribed to, our ids and modes, as the exchange has it."""
    exchange = floor.exchange
    names = {"dhan": "id", "upstox": "upstox_id", "kite": "kite_id"}
    sockets = {
        "dhan": lambda: exchange.dhan.feed._sockets,
        "upstox": lambda: exchange.feed._subscribers,
        "kite": lambda: exchange.kite.ticker._sockets,
    }[name]()
    by_key = {str(getattr(each, names[name])): each.id for each in floor.day.instruments}
    return [{by_key[str(key)]: mode for key, mode in dict(socket.modes).items()} for socket in tuple(sockets)]


def has_all(name: str, floor: Floor, instruments: tuple[Instrument, ...]) -> bool:
    """One socket, everything on it, all in the one mode (Kite's default is not the one that is asked for)."""
    sockets = wanted(name, floor)
    if len(sockets) != 1 or sockets[0].keys() != {each.id for each in instruments}:
        return False
    return set(sockets[0].values()) in ({"full"}, {21}, {17})


async def drops(name: str, times: int) -> list[float]:
    """Drop the feed of 2,000 instruments `times` times; the seconds that each took to be whole again."""
    everything, took = {each.id for each in MANY}, []
    watch = Watch(silence=0, stale=0)  # the back-off of every desk
    with floor_of(name, CalledDay(MANY)) as floor:
        async with feeding(name, floor, MANY, watch) as (feed, told):
            await told.until(lambda: has_all(name, floor, MANY))
            for number in range(times):
                downs = told.times(LinkState.DOWN)
                began = time.monotonic()
                if number % 2:
                    await asyncio.to_thread(floor.hang_up)
                else:  # the same from the middle of the wire
                    await asyncio.to_thread(floor.call, _cut(floor, name))
                await told.until(lambda downs=downs: told.times(LinkState.DOWN) > downs)
                await told.until(lambda: has_all(name, floor, MANY))
                took.append(time.monotonic() - began)
                told.frames.clear()
                await asyncio.to_thread(floor.step)
                await told.until(lambda: {tick.instrument for tick in told.ticks} == everything)
            assert told.times(LinkState.AUTH) == told.times(LinkState.FAILED) == 0
            assert feed.refusals == {}
    return took


async def _cut(floor: Floor, name: str) -> None:
    floor.wires[name].cut()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that streams chose to wait before another try, in order."""
    chosen: list[float] = []
    choose = Stream._delay

    def noted(stream: Stream) -> float:
        chosen.append(choose(stream))
        return chosen[-1]

    monkeypatch.setattr(Stream, "_delay", noted)
    return chosen


@pytest.mark.unmeasured
@pytest.mark.parametrize("name", WIRED)
def test_two_thousand_instruments_are_all_back_at_the_first_try_after_each_drop(name, waits):
    """Four of the five seconds that a drop may take are left to the machine; the soak holds them to the clock."""
    asyncio.run(drops(name, 4))
    assert len(waits) == 4
    assert max(waits) <= 1.0


@pytest.mark.soak
@pytest.mark.parametrize("name", WIRED)
def test_a_hundred_drops_take_less_than_five_seconds_each(name, waits):
    took = asyncio.run(drops(name, 100))
    assert len(took) == len(waits) == 100
    assert max(took) <= 5.0


@pytest.fixture
def signs(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many signs of life each link has given that were nothing else."""
    seen: Counter[str] = Counter()
    take = Stream._take

    def counted(stream: Stream, kind: int, body: bytes) -> None:
        seen[stream.link] += kind == Kind.ALIVE
        take(stream, kind, body)

    monkeypatch.setattr(Stream, "_take", counted)
    return seen


@pytest.mark.parametrize("silence", [2.5, pytest.param(Watch().silence, marks=pytest.mark.soak)])
@pytest.mark.parametrize("name", WIRED)
def test_a_quiet_link_stays_and_a_dead_silent_one_is_noticed(name, silence, signs):
    """Both sockets of a broker at once: nobody trades for a while, then the wire swallows everything.

    As a desk is set by default it takes ten seconds at most, which the soak holds to the clock; that no timer is set
    for later is tested with the supervisor.
    """
    watch = Watch(silence=silence, stale=0, back_off=0.02, longest=0.1)

    async def main(stage: WiredStage, floor: Floor):
        both = {f"{name} feed", f"{name} orders"}
        async with feeding(name, floor, TRADED, watch) as (_, told):
            await told.until(lambda: told.times(LinkState.UP))
            calm = time.monotonic() + 1.2 * silence
            signs.clear()
            await told.until(lambda: time.monotonic() > calm and all(signs[link] >= 3 for link in both))
            assert (told.times(LinkState.DOWN), stage.links[-1].state) == (0, LinkState.UP)
            floor.wires[name].frozen = True
            began = time.monotonic()
            down: dict[str, tuple[float, str]] = {}

            def noticed() -> bool:
                for links in (told.links, stage.links):
                    last = links[-1]
                    if last.state is LinkState.DOWN:
                        down.setdefault(last.link, (time.monotonic() - began, last.detail))
                return down.keys() == both

            await told.until(noticed)
            for link, (took, why) in down.items():
                assert SILENT.search(why), f"{link} broke for another reason: {why}"
                assert took <= 10.0 or silence < Watch().silence, f"{link}: {took:.2f} s"
            floor.wires[name].frozen = False
            await asyncio.to_thread(floor.call, _cut(floor, name))
            await told.until(lambda: told.links[-1].state is LinkState.UP and stage.up())
            await told.until(lambda: any(set(one) == {each.id for each in TRADED} for one in wanted(name, floor)))

    with floor_of(name) as floor, stage_of(name, floor, watch=watch) as stage:
        stage.run(main(stage, floor))


def test_ticks_come_as_the_market_has_them(few):
    name, floor = few

    async def main():
        async with feeding(name, floor, TRADED) as (feed, told):
            await told.until(lambda: has_all(name, floor, TRADED))
            floor.day.price = PRICE + 1_50
            await asyncio.to_thread(floor.step)
            await told.until(lambda: any(tick.ltp == PRICE + 1_50 for tick in told.ticks))
            last = {tick.instrument: tick for tick in told.ticks}
            for each in TRADED:
                true = floor.exchange.tape.lines[each.id].tick
                assert (last[each.id].ltp, last[each.id].volume) == (true.ltp, true.volume)
                assert abs(last[each.id].ts - true.ts) <= 1_000_000_000, "an exchange time, on no clock of ours"
            stamps = [frame.ts for frame in told.frames]
            assert stamps == sorted(stamps)
            assert all(frame.received > 0 for frame in told.frames)
            assert feed.refusals == {}

    asyncio.run(main())


def test_a_broken_frame_is_counted_and_the_link_goes_on(few):
    name, floor = few

    async def main():
        async with feeding(name, floor, TRADED) as (feed, told):
            await told.until(lambda: has_all(name, floor, TRADED) and told.frames)
            endpoint = {"dhan": "dhan.feed", "upstox": "upstox.feed", "kite": "kite.ticker"}[name]
            floor.faults(FaultRule(kind=FaultKind.GARBLED, endpoint=endpoint, count=1))
            floor.day.price = PRICE + 5_00
            await asyncio.to_thread(floor.step)
            await told.until(lambda: sum(feed.refusals.values()))
            floor.day.price = PRICE + 6_00
            await asyncio.to_thread(floor.step)
            await told.until(lambda: any(tick.ltp == PRICE + 6_00 for tick in told.ticks))
            prices = {tick.ltp for tick in told.ticks if tick.instrument == RELIANCE.id}
            assert prices <= {PRICE, PRICE + 5_00, PRICE + 6_00}, "nothing is made of half a frame"
            assert [link.state for link in told.links] == [LinkState.UP]

    asyncio.run(main())


def test_a_feed_whose_token_ended_stops_asking_and_goes_on_with_the_next(few):
    name, floor = few

    async def main():
        async with feeding(name, floor, TRADED) as (feed, told):
            await told.until(lambda: has_all(name, floor, TRADED))
            floor.token(name, ANOTHER)
            await asyncio.to_thread(floor.hang_up)
            await told.until(lambda: told.links[-1].state is LinkState.AUTH)
            heard = len(told.links)
            await asyncio.sleep(5 * QUICK.longest)
            assert len(told.links) == heard, "no further try with a token that is refused"
            await feed.renew(ANOTHER)
            await told.until(lambda: has_all(name, floor, TRADED))
            await told.until(lambda: told.links[-1].state is LinkState.UP)
            assert CANARY not in repr(told.links)

    asyncio.run(main())


def test_what_cannot_be_watched_is_refused_before_the_wire(few):
    name, floor = few
    nameless = Instrument(segment=RELIANCE.segment, symbol="X", kind=RELIANCE.kind, tick_size=5)

    async def main():
        for instruments in ((nameless,), (RELIANCE, RELIANCE)):
            feed, told = feed_of(name, floor), Ticks()
            with pytest.raises(DataError, match=rf"{nameless.id}|twice"):
                await feed.start(instruments, told.frames.append, told.links.append)
            assert not told.links
            await feed.stop()
        assert wanted(name, floor) == []

    asyncio.run(main())
