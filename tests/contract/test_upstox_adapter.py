"""`UpstoxFeed`: the real SDK's streamer in its child process, against a small server that speaks protobuf."""

import asyncio
import datetime
import json
import ssl
from contextlib import asynccontextmanager

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as pb
from websockets.asyncio.server import serve

from saudagar.brokers.supervisor import Watch
from saudagar.brokers.upstox.feed import UpstoxFeed, UpstoxSettings
from saudagar.execution.ports import LinkState
from saudagar.model import Instrument, InstrumentKind, Segment
from saudagar.model.errors import DataError, Unsupported

TOKEN = "CANARY-TOKEN"
NOW = 1_795_146_300_000
QUICK = Watch(silence=0, stale=0, back_off=0.02, longest=0.1)


def share(number: int) -> Instrument:
    return Instrument(
        segment=Segment.NSE_EQ,
        symbol=f"S{number}",
        kind=InstrumentKind.EQUITY,
        tick_size=5,
        upstox_id=f"NSE_EQ|INE{number:09}",
    )


SHARES = [share(number) for number in range(3)]


def frame(price: float = 100.05, now: int = NOW, shares=SHARES) -> bytes:
    message = pb.FeedResponse(type=1, currentTs=now)
    for each in shares:
        feed = message.feeds[each.upstox_id].fullFeed.marketFF
        feed.ltpc.ltp, feed.ltpc.ltt, feed.vtt = price, now, 7
    return message.SerializeToString()


class Desk:
    def __init__(self, feed: UpstoxFeed) -> None:
        self.feed = feed
        self.frames, self.links = [], []

    async def start(self, instruments=SHARES) -> None:
        await self.feed.start(instruments, self.frames.append, lambda s: self.links.append((s.state, s.detail)))

    async def until(self, condition, seconds: float = 30.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110  conditions on lists have no event
                await asyncio.sleep(0.01)


@asynccontextmanager
async def desk_at(handler, watch: Watch = QUICK, instruments=SHARES, scheme="ws", settings=None, **options):
    async with serve(handler, "127.0.0.1", 0, close_timeout=0.1, **options) as server:
        url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v3/feed/market-data-feed"
        desk = Desk(UpstoxFeed(UpstoxSettings(token=TOKEN, feed_url=url, **(settings or {})), watch))
        await desk.start(instruments)
        try:
            yield desk
        finally:
            await desk.feed.stop()


def test_ticks_come_through_the_real_streamer():
    heard = []

    async def handler(ws):
        heard.append(ws.request.headers["Authorization"])
        heard.append(await ws.recv())
        info = pb.FeedResponse(type=2, currentTs=NOW)
        info.marketInfo.segmentStatus["NSE_EQ"] = 2
        await ws.send(info.SerializeToString())
        await ws.send(frame())
        await ws.wait_closed()

    async def main():
        async with desk_at(handler) as desk:
            await desk.until(lambda: desk.frames)
            (got,) = desk.frames
            assert got.ts == NOW * 1_000_000
            assert [(t.instrument, t.ltp, t.volume) for t in got.ticks] == [(s.id, 10_005, 7) for s in SHARES]
            assert got.received > 0
            assert [state for state, _ in desk.links] == [LinkState.UP]

    asyncio.run(main())
    assert heard[0] == f"Bearer {TOKEN}"
    assert isinstance(heard[1], bytes)  # Upstox ignores text frames
    request = json.loads(heard[1])
    assert (request["method"], request["data"]["mode"]) == ("sub", "full")
    assert set(request["data"]["instrumentKeys"]) == {s.upstox_id for s in SHARES}


@pytest.mark.parametrize("warm", [False, True])
def test_bad_frames_and_rows_are_counted_once_and_the_stream_lives_on(warm: bool):
    connections = []

    async def handler(ws):
        connections.append(ws)
        await ws.recv()
        await ws.send(b"\xff\xff garbage")
        await ws.send("text")
        await ws.send(frame(float("nan")))
        await ws.send(frame(0.0))
        await ws.send(frame(shares=[*SHARES, share(99)]))
        await ws.wait_closed()

    async def main():
        async with desk_at(handler, settings={"warm": warm}) as desk:
            await desk.until(lambda: len(desk.frames) == 3)
            await asyncio.sleep(0.02 * warm)  # in which what came last is decoded again, several times
            assert [len(f.ticks) for f in desk.frames] == [0, 0, 3]
            assert desk.feed.refusals == {"bad frame": 2, "bad price": 6, "unknown instrument": 1}

    asyncio.run(main())
    assert len(connections) == 1


@pytest.mark.unmeasured
@pytest.mark.parametrize("how", ["abort", "close 1000", "close 1011"])
def test_a_lost_feed_comes_back_more_often_than_the_sdk_would_try_and_with_the_same_set(how):
    asked = []

    async def handler(ws):
        asked.append(frozenset(json.loads(await ws.recv())["data"]["instrumentKeys"]))
        await ws.send(frame(now=NOW + len(asked)))
        await asyncio.sleep(0.05)
        if how == "abort":
            ws.transport.abort()
        else:
            await ws.close(int(how.split()[1]))

    async def main():
        async with desk_at(handler, instruments=[share(n) for n in range(2000)]) as desk:
            await desk.until(lambda: len(desk.frames) >= 7, 20)
            assert [state for state, _ in desk.links[:4]] == [LinkState.UP, LinkState.DOWN] * 2

    asyncio.run(main())
    assert len(asked) >= 7  # the SDK gives up for ever after five
    assert set(asked) == {frozenset(share(n).upstox_id for n in range(2000))}


def test_a_refused_token_is_told_and_not_tried_again():
    attempts = []

    def refuse(connection, request):
        attempts.append(request.headers["Authorization"])
        return connection.respond(401, "Unauthorized")

    async def main():
        async with desk_at(lambda ws: ws.wait_closed(), process_request=refuse) as desk:
            await desk.until(lambda: desk.links)
            await asyncio.sleep(0.5)
            assert [state for state, _ in desk.links] == [LinkState.AUTH]
            assert TOKEN not in str(desk.links)

    asyncio.run(main())
    assert len(attempts) == 1


def test_a_server_in_trouble_is_not_taken_for_a_refused_token():
    """Whatever numbers stand in its headers: the token is good, so the link comes back by itself."""
    attempts = []

    def busy(connection, request):
        attempts.append(request)
        if len(attempts) > 2:
            return None
        answer = connection.respond(503, "try again")
        answer.headers["CF-Ray"] = "8a401b77-BOM"
        answer.headers["Set-Cookie"] = "session=CANARY-COOKIE"
        return answer

    async def handler(ws):
        await ws.send(frame())
        await ws.wait_closed()

    async def main():
        async with desk_at(handler, process_request=busy) as desk:
            await desk.until(lambda: desk.frames)
            assert [state for state, _ in desk.links] == [LinkState.DOWN, LinkState.UP]
            assert "Handshake status 503" in str(desk.links)
            assert "CANARY" not in str(desk.links)

    asyncio.run(main())


def test_a_feed_that_is_not_there_yet_is_waited_for():
    async def main():
        async with serve(lambda ws: ws.wait_closed(), "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
        desk = Desk(UpstoxFeed(UpstoxSettings(token=TOKEN, feed_url=f"ws://127.0.0.1:{port}"), QUICK))
        await desk.start()
        assert desk.links[0][0] is LinkState.DOWN

        async def handler(ws):
            await ws.send(frame())
            await ws.wait_closed()

        async with serve(handler, "127.0.0.1", port):
            await desk.until(lambda: desk.frames)
            await desk.feed.stop()

    asyncio.run(main())


def test_a_silent_socket_is_dropped_and_one_that_answers_pings_is_not():
    async def handler(ws):
        await ws.recv()
        if deaf:
            ws.transport.pause_reading()
        await ws.wait_closed()

    async def main():
        watch = Watch(silence=1.0, stale=0, back_off=0.02, longest=0.1)
        async with desk_at(handler, watch) as desk:
            await asyncio.sleep(2.0)
            assert [state for state, _ in desk.links] == [LinkState.UP]
        deaf.append(True)
        async with desk_at(handler, watch) as desk:
            await desk.until(lambda: len(desk.links) >= 2)
            assert desk.links[1][0] is LinkState.DOWN

    deaf: list[bool] = []
    asyncio.run(main())


def test_a_feed_that_goes_stale_in_an_open_market_is_connected_anew():
    connections = []

    async def handler(ws):
        connections.append(ws)
        await ws.recv()
        await ws.send(frame())
        await ws.wait_closed()  # alive, answers pings, and says nothing more

    async def main():
        async with desk_at(handler, Watch(silence=2, stale=0.6, back_off=0.02)) as desk:
            await desk.until(lambda: len(desk.frames) == 2)

    asyncio.run(main())
    assert len(connections) == 2


@pytest.fixture
def certificate(tmp_path):
    """A certificate of our own for 127.0.0.1, that no authority knows."""
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 7, now, now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize("trusted", [False, True])
def test_the_servers_certificate_is_verified(certificate, monkeypatch, trusted):
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    logins = []

    async def handler(ws):
        logins.append(ws.request.headers["Authorization"])
        await ws.send(frame())
        await ws.wait_closed()

    async def main():
        async with desk_at(handler, Watch(silence=0, back_off=5), scheme="wss", ssl=context) as desk:
            await desk.until(lambda: desk.links and (desk.frames or not trusted))
            assert desk.links[0][0] is (LinkState.UP if trusted else LinkState.DOWN)
            if not trusted:
                assert "certificate" in desk.links[0][1].lower()

    asyncio.run(main())
    assert bool(logins) is trusted  # the token is not even sent to a stranger


@pytest.mark.parametrize(
    ("instruments", "settings", "kind"),
    [
        ([Instrument(segment=Segment.NSE_EQ, symbol="X", kind=InstrumentKind.EQUITY, tick_size=5)], {}, DataError),
        ([SHARES[0], SHARES[0]], {}, DataError),
        ([share(n) for n in range(2001)], {}, Unsupported),
        (SHARES, {"mode": "everything"}, Unsupported),
    ],
)
def test_subscriptions_that_cannot_be_are_refused_before_the_wire(instruments, settings, kind):
    async def main():
        desk = Desk(UpstoxFeed(UpstoxSettings(token=TOKEN, feed_url="ws://127.0.0.1:9", **settings), QUICK))
        await desk.start(instruments)

    with pytest.raises(kind):
        asyncio.run(main())


def test_settings_do_not_show_the_token():
    assert TOKEN not in repr(UpstoxSettings(token=TOKEN))
    assert TOKEN not in str(UpstoxSettings(token=TOKEN))
