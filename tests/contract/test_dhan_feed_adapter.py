"""`DhanFeed`: the real SDK's `MarketFeed` in its child processes, against a small server that speaks its bytes."""

import asyncio
import http
import os
import threading

import pytest
from tests.contract.dhan_socket import QUICK, SHARES, TOKEN, UTC, Desk, asked, desk_at, goodbye, packet, share
from websockets.asyncio.server import serve

from saudagar.brokers.dhan.feed import DhanFeed, DhanFeedSettings
from saudagar.brokers.supervisor import Watch
from saudagar.execution.ports import LinkState
from saudagar.model import SECOND, Instrument, InstrumentKind, Segment
from saudagar.model.errors import DataError, Unsupported


def test_ticks_come_through_the_real_client_every_packet_of_a_stack():  # D3, D4
    heard = []

    async def handler(ws):
        heard.append(ws.request.path)
        heard.append(await asked(ws, 3))
        await ws.send(packet(1) + packet(2, 82.5125) + packet(3, 100.0, 1))
        await ws.send("a text")
        await ws.send(packet(9))
        await ws.send(packet(1, second=2))
        await ws.wait_closed()

    async def main():
        async with desk_at(handler) as desk:
            await desk.until(lambda: len(desk.frames) == 2)
            first, second = desk.frames
            assert [(tick.instrument, tick.ltp) for tick in first.ticks] == [
                ("NSE_EQ:S1", 10_005),
                ("NSE_EQ:S2", 8_251),
                ("NSE_EQ:S3", 10_000),
            ]
            assert (first.ts, second.ts) == ((UTC + 1) * SECOND, (UTC + 2) * SECOND)
            assert first.received > 0
            assert desk.feed.refusals == {"bad frame": 1, "unknown instrument": 1}
            assert desk.states == [LinkState.UP]

    asyncio.run(main())
    assert heard == [
        f"/feed?version=2&token={TOKEN}&clientId=1000000001&authType=2",
        [(21, "NSE_EQ", "1"), (21, "NSE_EQ", "2"), (21, "NSE_EQ", "3")],
    ]


@pytest.mark.parametrize(("mode", "code"), [("ticker", 15), ("quote", 17), ("full", 21)])
def test_each_mode_asks_with_its_code_and_an_index_in_its_segment(mode, code):
    index = Instrument(segment=Segment.BSE_INDEX, symbol="SENSEX", kind=InstrumentKind.INDEX, tick_size=1, dhan_id="51")
    heard = []

    async def handler(ws):
        heard.extend(await asked(ws, 1))
        await ws.wait_closed()

    async def main():
        async with desk_at(handler, instruments=[index], settings={"mode": mode}) as desk:
            await desk.until(lambda: heard)

    asyncio.run(main())
    assert heard == [(code, "IDX_I", "51")]


def test_after_every_drop_exactly_the_wanted_set_is_asked_for_in_hundreds_and_in_order():
    wanted = [share(number) for number in range(1, 252)]
    heard = []

    async def handler(ws):
        heard.append(await asked(ws, len(wanted)))
        await ws.send(packet())

    async def main():
        async with desk_at(handler, instruments=wanted) as desk:
            await desk.until(lambda: len(heard) >= 4)

    asyncio.run(main())
    assert all(each == [(21, "NSE_EQ", one.dhan_id) for one in wanted] for each in heard)


def test_more_than_one_socket_carries_go_over_several():
    wanted = [share(number) for number in range(1, 5_003)]
    heard: dict[int, list[tuple[int, str, str]]] = {}

    async def handler(ws):
        mine: list[tuple[int, str, str]] = []
        while len(mine) not in (2, 5_000):
            mine += await asked(ws, 1)
        heard[len(mine)] = mine
        await ws.send(packet(int(mine[0][2])))
        await ws.wait_closed()

    async def main():
        async with desk_at(handler, instruments=wanted) as desk:
            await desk.until(lambda: len(desk.frames) == 2)
            assert {link.link for link in desk.links} == {"dhan feed", "dhan feed 2"}

    asyncio.run(main())
    assert sorted(heard) == [2, 5_000]
    assert [each[2] for each in heard[5_000] + heard[2]] == [one.dhan_id for one in wanted]


@pytest.mark.parametrize("reason", [806, 807, 808, 809, 810])
def test_a_refused_login_is_final_and_never_up(reason):  # D5: the SDK tries again every two seconds
    tries = []

    async def handler(ws):
        tries.append(ws)
        await ws.send(goodbye(reason))

    async def main():
        async with desk_at(handler) as desk:
            await desk.until(lambda: desk.states == [LinkState.AUTH])
            await asyncio.sleep(0.3)
            assert str(reason) in desk.links[0].detail
            assert TOKEN not in str(desk.links)

    asyncio.run(main())
    assert len(tries) == 1


def test_a_token_that_expires_in_the_middle_of_the_day_is_told_and_a_new_one_goes_on():
    tokens = []

    async def handler(ws):
        tokens.append(ws.request.path.split("token=")[1].split("&")[0])
        await asked(ws, 3)
        await ws.send(packet(second=len(tokens)))
        if tokens[-1] == "FRESH":
            await ws.wait_closed()
        await ws.send(packet() + goodbye(807))

    async def main():
        async with desk_at(handler) as desk:
            await desk.until(lambda: desk.states == [LinkState.UP, LinkState.AUTH])
            await desk.feed.renew("FRESH")
            await desk.until(lambda: len(desk.frames) == 2)
            assert desk.states == [LinkState.UP, LinkState.AUTH, LinkState.UP]

    asyncio.run(main())
    assert tokens == [TOKEN, "FRESH"]


def test_one_connection_too_many_is_tried_again():
    tries = []

    async def handler(ws):
        tries.append(ws)
        await ws.send(goodbye(805) if len(tries) == 1 else packet())
        await ws.wait_closed()

    async def main():
        async with desk_at(handler) as desk:
            await desk.until(lambda: desk.frames)
            assert desk.states == [LinkState.DOWN, LinkState.UP]
            assert "805" in desk.links[0].detail

    asyncio.run(main())


def test_a_door_that_is_shut_at_first_is_tried_again_and_401_is_final():  # D5: the SDK's thread would be dead
    answers = [http.HTTPStatus.BAD_GATEWAY, None, http.HTTPStatus.UNAUTHORIZED]

    def door(connection, request):
        answer = answers.pop(0)
        return answer and connection.respond(answer, "no")

    async def handler(ws):
        await asked(ws, 3)
        await ws.send(packet())

    async def main():
        async with desk_at(handler, process_request=door) as desk:
            await desk.until(lambda: desk.states[-1:] == [LinkState.AUTH])
            assert desk.states == [LinkState.DOWN, LinkState.UP, LinkState.DOWN, LinkState.AUTH]

    asyncio.run(main())
    assert answers == []


def test_a_quiet_market_is_up_without_a_tick_and_a_dead_socket_is_noticed():
    seen = []

    async def handler(ws):
        seen.append(ws)
        if len(seen) == 1:
            ws.transport.pause_reading()  # pings are never answered
            await asyncio.sleep(5)
        await ws.wait_closed()

    async def main():
        watch = Watch(silence=1.0, stale=0, back_off=0.02, longest=0.1)
        async with desk_at(handler, watch) as desk:
            await desk.until(lambda: desk.states == [LinkState.UP, LinkState.DOWN, LinkState.UP])
            await asyncio.sleep(1.5)
            assert len(desk.states) == 3

    asyncio.run(main())


def test_a_desk_that_is_busy_does_not_starve_the_socket():  # D6: the SDK calls back inside its socket's loop
    """While the desk's callback stands still, the server's pings are answered all the same."""
    answered, busy = threading.Event(), threading.Event()

    async def handler(ws):
        await asked(ws, 3)
        await ws.send(packet(1))
        await asyncio.to_thread(busy.wait, 20)
        for _ in range(3):
            await (await ws.ping())
        answered.set()
        await ws.send(packet(2))
        await ws.wait_closed()

    async def main(url: str):
        desk = Desk(DhanFeed(DhanFeedSettings(client_id="1000000001", token=TOKEN, feed_url=url), QUICK))

        heard: list[bool] = []

        def stand_still(frame) -> None:
            desk.frames.append(frame)
            busy.set()
            heard.append(answered.wait(20))

        await desk.feed.start(SHARES, stand_still, desk.links.append)
        await desk.until(lambda: len(heard) == 2)
        assert all(heard), "the pings were not answered while the desk was busy"
        assert desk.states == [LinkState.UP]
        await desk.feed.stop()

    loop = asyncio.new_event_loop()  # the server in a thread of its own: the desk's loop will stand still
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def opened():
        return await serve(handler, "127.0.0.1", 0, close_timeout=0.1)

    server = asyncio.run_coroutine_threadsafe(opened(), loop).result(10)
    try:
        asyncio.run(main(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/feed"))
    finally:
        server.close()
        asyncio.run_coroutine_threadsafe(server.wait_closed(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def test_a_stop_ends_the_children():  # D6: the SDK's own way to close can hang
    async def handler(ws):
        await ws.wait_closed()

    async def main():
        async with desk_at(handler) as desk:
            [stream] = desk.feed.streams
        with pytest.raises(ProcessLookupError):
            os.kill(stream.pid, 0)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("instruments", "kind"),
    [
        ([share(1), share(1)], DataError),
        ([Instrument(segment=Segment.NSE_EQ, symbol="N", kind=InstrumentKind.EQUITY, tick_size=5)], DataError),
        ([share(number) for number in range(1, 25_002)], Unsupported),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(instruments, kind):
    async def main():
        feed = DhanFeed(DhanFeedSettings(client_id="1", token=TOKEN, feed_url="ws://127.0.0.1:9"), QUICK)
        with pytest.raises(kind):
            await feed.start(instruments, lambda _: None, lambda _: None)
        await feed.stop()

    asyncio.run(main())
    with pytest.raises(Unsupported, match="mode 'half'"):
        DhanFeed(DhanFeedSettings(client_id="1", token=TOKEN, mode="half"))
    assert TOKEN not in repr(DhanFeedSettings(client_id="1", token=TOKEN))
