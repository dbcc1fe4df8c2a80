"""`DhanFeed`: the real SDK's `MarketFeed` in its child processes, against a small server that speaks its bytes."""

import asyncio
import http
import json
import os
import struct
import threading
from contextlib import asynccontextmanager

import pytest
from tests.scripted import Server
from websockets.asyncio.server import serve

from saudagar.brokers.dhan.feed import DhanFeed, DhanFeedSettings
from saudagar.brokers.supervisor import Watch
from saudagar.execution.ports import LinkState
from saudagar.market.ist import DAY
from saudagar.model import MINUTE, SECOND, Instrument, InstrumentKind, Segment
from saudagar.model.errors import AuthError, BrokerError, DataError, Unsupported

TOKEN = "CANARY-TOKEN"
UTC = 1_795_146_300  # 2026-11-20 09:15:00 IST
QUICK = Watch(silence=0, stale=0, back_off=0.02, longest=0.1)


def share(number: int) -> Instrument:
    return Instrument(
        segment=Segment.NSE_EQ, symbol=f"S{number}", kind=InstrumentKind.EQUITY, tick_size=5, dhan_id=str(number)
    )


SHARES = [share(number) for number in range(1, 4)]


def packet(number: int = 1, price: float = 100.05, second: int = 0) -> bytes:
    return struct.pack("<BHBIfI", 2, 16, 1, number, price, UTC + second + 19_800)


def goodbye(reason: int) -> bytes:
    return struct.pack("<BHBIH", 50, 10, 0, 0, reason)


class Desk:
    def __init__(self, feed: DhanFeed) -> None:
        self.feed = feed
        self.frames, self.links = [], []

    async def start(self, instruments) -> None:
        await self.feed.start(instruments, self.frames.append, self.links.append)

    @property
    def states(self):
        return [link.state for link in self.links]

    async def until(self, condition, seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  conditions on lists have no event
                await asyncio.sleep(0.01)


@asynccontextmanager
async def desk_at(handler, watch: Watch = QUICK, instruments=SHARES, settings=None, **options):
    async with serve(handler, "127.0.0.1", 0, close_timeout=0.1, **options) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/feed"
        desk = Desk(
            DhanFeed(DhanFeedSettings(client_id="1000000001", token=TOKEN, feed_url=url, **(settings or {})), watch)
        )
        await desk.start(instruments)
        try:
            yield desk
        finally:
            await desk.feed.stop()


async def asked(ws, count: int) -> list[tuple[int, str, str]]:
    """What a client subscribes to until it has named `count` instruments."""
    wanted: list[tuple[int, str, str]] = []
    while len(wanted) < count:
        message = json.loads(await ws.recv())
        assert message["InstrumentCount"] == len(message["InstrumentList"]) <= 100
        wanted += [
            (message["RequestCode"], each["ExchangeSegment"], each["SecurityId"]) for each in message["InstrumentList"]
        ]
    return wanted


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

        def stand_still(frame) -> None:
            desk.frames.append(frame)
            busy.set()
            assert answered.wait(20), "the pings were not answered while the desk was busy"

        await desk.feed.start(SHARES, stand_still, desk.links.append)
        await desk.until(lambda: len(desk.frames) == 2)
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


# -- past bars ---------------------------------------------------------------------------------------------------------


def bars(server: Server, interval, start, end, instrument=SHARES[0]):
    async def main():
        url = f"http://127.0.0.1:{server.port}/v2"
        feed = DhanFeed(DhanFeedSettings(client_id="1", token=TOKEN, rest_url=url, timeout=(1.0, 0.4)))
        try:
            return await feed.bars(instrument, interval, start, end), feed.refusals
        finally:
            await feed.stop()

    return asyncio.run(main())


def columns(*rows):
    names = ("timestamp", "open", "high", "low", "close", "volume")
    return 200, json.dumps({name: [row[place] for row in rows] for place, name in enumerate(names)}).encode()


START = UTC * SECOND
ROW = (float(UTC), 100.0, 101.0, 99.0, 100.05, 10.0)


def test_past_bars_are_asked_for_in_ninety_days_and_come_in_order(server):
    server.answer = lambda *_: columns((UTC + 60.0, 1, 2, 1, 2, 0), ROW, (UTC + 120.0, 1, 2, 1, 2, 5))
    found, refusals = bars(server, MINUTE, START, START + 100 * DAY)
    assert [(bar.start, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in found] == [
        (START, 10_000, 10_100, 9_900, 10_005, 10),
        (START + MINUTE, 100, 200, 100, 200, 0),
        (START + 2 * MINUTE, 100, 200, 100, 200, 5),
    ]
    assert refusals == {}
    assert [path for _, path, _ in server.requests] == ["/v2/charts/intraday"] * 2
    bodies = [body for _, _, body in server.requests]
    assert [(body["fromDate"], body["toDate"]) for body in bodies] == [
        ("2026-11-20 09:15:00", "2027-02-18 09:14:59"),
        ("2027-02-18 09:15:00", "2027-02-28 09:14:59"),
    ]
    assert (bodies[0]["securityId"], bodies[0]["exchangeSegment"], bodies[0]["instrument"]) == ("1", "NSE_EQ", "EQUITY")
    assert bodies[0]["interval"] == 1


def test_daily_bars_name_the_day_after_the_last(server):
    midnight = UTC - 9 * 3600 - 900
    server.answer = lambda *_: columns((float(midnight), 1, 2, 1, 2, 5))
    found, _ = bars(server, DAY, midnight * SECOND, midnight * SECOND + DAY)
    assert [bar.start for bar in found] == [midnight * SECOND]
    [(_, path, body)] = server.requests
    assert (path, body["fromDate"], body["toDate"]) == ("/v2/charts/historical", "2026-11-20", "2026-11-21")


def test_bars_outside_the_span_or_still_open_are_left_out(server):
    server.answer = lambda *_: columns((UTC - 60.0, 1, 2, 1, 2, 5), ROW, (UTC + 60.0, 1, 2, 1, 2, 5))
    found, _ = bars(server, MINUTE, START, START + MINUTE + 30 * SECOND)
    assert [bar.start for bar in found] == [START]
    assert bars(server, MINUTE, START, START)[0] == []


@pytest.mark.parametrize(
    "row",
    [
        (float(UTC), 100.0, 99.0, 98.0, 98.5, 1),  # the open above the high
        (float(UTC), -1.0, 1.0, -1.0, 1.0, 1),
        (float(UTC), 1.0, 1.0, 1.0, 1.0, -1),
        (0.0, 1.0, 1.0, 1.0, 1.0, 1),
        (float(UTC), None, 1.0, 1.0, 1.0, 1),
        (float(UTC), "x", 1.0, 1.0, 1.0, 1),
        (float("nan"), 1.0, 1.0, 1.0, 1.0, 1),
    ],
)
def test_a_bar_that_cannot_be_is_counted_and_left_out(server, row):
    server.answer = lambda *_: columns(row, (UTC + 60.0, 1, 2, 1, 2, 5))
    if row[0] != row[0]:  # NaN is not JSON: msgspec refuses the whole answer
        with pytest.raises(BrokerError, match="not JSON"):
            bars(server, MINUTE, START, START + DAY)
        return
    found, refusals = bars(server, MINUTE, START, START + DAY)
    assert [bar.start for bar in found] == [START + MINUTE]
    assert refusals == {"bad candle": 1}


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{}", b'{"timestamp":[1]}', b'{"timestamp":[1],"open":[],"high":[],"low":[],"close":[],"volume":[]}'],
)
def test_columns_that_do_not_match_are_a_fault(server, body):
    server.answer = lambda *_: (200, body)
    with pytest.raises(BrokerError, match="six columns"):
        bars(server, MINUTE, START, START + DAY)


def test_what_dhan_says_instead_of_bars(server):
    def refusal(code: str, status: int):
        body = {"errorType": "E", "errorCode": code, "errorMessage": "words"}
        return lambda *_: (status, json.dumps(body).encode())

    server.answer = refusal("DH-907", 400)
    assert bars(server, MINUTE, START, START + DAY) == ([], {})
    server.answer = refusal("DH-901", 401)
    with pytest.raises(AuthError):
        bars(server, MINUTE, START, START + DAY)
    server.answer = lambda *_: (400, b'{"data":{"806":"Data APIs not subscribed"},"status":"failed"}')
    with pytest.raises(BrokerError, match="not subscribed"):
        bars(server, MINUTE, START, START + DAY)
    server.answer = lambda *_: None
    with pytest.raises(BrokerError, match="no reply") as told:
        bars(server, MINUTE, START, START + DAY)
    assert type(told.value) is BrokerError
    assert TOKEN not in str(told.value)


@pytest.mark.parametrize("interval", [3 * MINUTE, 30 * SECOND, 2 * DAY, MINUTE + 1])
def test_a_length_that_dhan_does_not_have_is_unsupported(server, interval):
    with pytest.raises(Unsupported, match="1, 5, 15, 25 and 60"):
        bars(server, interval, START, START + DAY)
    with pytest.raises(Unsupported, match="no Dhan security id"):
        bars(
            server,
            MINUTE,
            START,
            START + DAY,
            Instrument(segment=Segment.NSE_EQ, symbol="N", kind=InstrumentKind.EQUITY, tick_size=5),
        )
    assert server.requests == []


@pytest.mark.parametrize(
    ("segment", "kind", "underlying", "words"),
    [
        (Segment.NSE_INDEX, InstrumentKind.INDEX, "", ("IDX_I", "INDEX")),
        (Segment.NSE_FNO, InstrumentKind.FUTURE, "NIFTY", ("NSE_FNO", "FUTIDX")),
        (Segment.NSE_FNO, InstrumentKind.OPTION, "RELIANCE", ("NSE_FNO", "OPTSTK")),
        (Segment.MCX_COMM, InstrumentKind.FUTURE, "GOLD", ("MCX_COMM", "FUTCOM")),
        (Segment.MCX_COMM, InstrumentKind.OPTION, "GOLD", ("MCX_COMM", "OPTFUT")),
    ],
)
def test_dhans_words_for_an_instrument(server, segment, kind, underlying, words):
    server.answer = lambda *_: columns()
    instrument = Instrument(segment=segment, symbol="X", kind=kind, tick_size=5, dhan_id="7", underlying=underlying)
    assert bars(server, MINUTE, START, START + DAY, instrument)[0] == []
    assert (server.requests[0][2]["exchangeSegment"], server.requests[0][2]["instrument"]) == words
