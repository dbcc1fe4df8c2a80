"""Kite's ticker: the real SDK's `KiteTicker` in its child process, against a small server that speaks its bytes."""

import asyncio
import datetime
import json
import ssl
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.contract.kite_socket import HEARTBEAT, KEY, NOW, QUICK, SHARES, TOKEN, TOKENS, Desk, desk_at, frame, share

from saudagar.brokers.child import Kind
from saudagar.brokers.kite import feed as feed_module
from saudagar.brokers.kite.client import KiteSettings
from saudagar.brokers.kite.feed import KiteFeed
from saudagar.brokers.kite.stream import pass_on
from saudagar.brokers.supervisor import Watch
from saudagar.execution.ports import LinkState
from saudagar.model import SECOND, Instrument, InstrumentKind, Segment
from saudagar.model.errors import DataError, Unsupported


def test_ticks_come_through_the_real_ticker():
    heard = []

    async def handler(ws):
        heard.append(ws.request.path)
        heard.append(ws.request.headers["X-Kite-Version"])
        heard.append(json.loads(await ws.recv()))
        heard.append(json.loads(await ws.recv()))
        await ws.send(HEARTBEAT)
        await ws.send(frame())
        await ws.wait_closed()

    async def main():
        async with desk_at(handler) as desk:
            await desk.until(lambda: desk.frames)
            (got,) = desk.frames
            assert got.ts == NOW * SECOND
            assert [(t.instrument, t.ltp, t.volume) for t in got.ticks] == [(s.id, 10_005, 7) for s in SHARES]
            assert {t.ts for t in got.ticks} == {(NOW - 1) * SECOND}
            assert got.received > 0
            assert [state for state, _ in desk.links] == [LinkState.UP]

    asyncio.run(main())
    assert heard == [
        f"/?api_key={KEY}&access_token={TOKEN}",
        "3",
        {"a": "subscribe", "v": TOKENS},
        {"a": "mode", "v": ["full", TOKENS]},
    ]


def test_what_is_broken_is_counted_and_the_socket_lives_on():
    """The SDK's own handler raises on text that is JSON and no object, and an exception there drops the socket."""
    connections = []

    async def handler(ws):
        connections.append(ws)
        for message in ("[1]", "no json", '"text"', b"\xff\xff\xff", b"", frame()[:-9], '{"type":"error","data":"?"}'):
            await ws.send(message)
        await ws.send(frame())
        await ws.wait_closed()

    async def main():
        async with desk_at(handler) as desk:
            await desk.until(lambda: desk.frames)
            await asyncio.sleep(0.1)
            assert desk.feed.refusals == {"bad frame": 2}
            assert len(connections) == 1

    asyncio.run(main())


def test_an_exception_of_the_desk_s_pipe_alone_ends_the_child():
    """Whatever else a message holds, handing it on does not raise."""
    sent = []
    outlet = SimpleNamespace(send=lambda kind, body=b"": sent.append((kind, body)))
    for payload, is_binary, orders in (
        (b"", True, True),
        (HEARTBEAT, True, True),
        (b"\xff\xfe", False, True),
        (b"{", False, False),
        (b"12", True, False),
    ):
        pass_on(payload, is_binary, orders, outlet)
    assert [kind for kind, _ in sent] == [Kind.ALIVE, Kind.ALIVE, Kind.DATA, Kind.ALIVE, Kind.DATA]
    assert sent[2][1] == b"T\xff\xfe"


def test_a_silent_socket_is_noticed_and_heartbeats_are_a_sign_of_life():
    """The SDK sends no pings since 5.0.1 and would wait for ever; the server's heartbeats are all there is."""
    connections = []
    beaten = asyncio.Event()

    async def handler(ws):
        connections.append(ws)
        if len(connections) == 1:
            for _ in range(12):
                await ws.send(HEARTBEAT)
                await asyncio.sleep(0.15)
            beaten.set()
        await ws.wait_closed()

    async def main():
        watch = Watch(silence=1.2, stale=0, back_off=0.02, longest=0.1)
        async with desk_at(handler, watch) as desk:
            await beaten.wait()
            assert desk.times(LinkState.DOWN) == 0  # not while it beat
            await desk.until(lambda: (LinkState.DOWN, "silent for 1.2 s") in desk.links)
            await desk.until(lambda: desk.times(LinkState.UP) == 2)

    asyncio.run(main())


def test_a_feed_without_data_is_stale_though_its_heart_beats():
    async def handler(ws):
        while True:
            await ws.send(HEARTBEAT)
            await asyncio.sleep(0.1)

    async def main():
        watch = Watch(silence=5, stale=0.5, back_off=0.02, longest=0.1)
        async with desk_at(handler, watch) as desk:
            await desk.until(lambda: (LinkState.DOWN, "no data for 0.5 s") in desk.links)

    asyncio.run(main())


def test_after_each_loss_exactly_the_wanted_set_is_subscribed_once():
    """The SDK and its user's callback would both subscribe after a reconnect."""
    asked: list[list[dict]] = []

    async def handler(ws):
        mine: list[dict] = []
        asked.append(mine)
        mine += [json.loads(await ws.recv()), json.loads(await ws.recv())]
        await ws.send(frame())
        try:
            async with asyncio.timeout(0.2):
                mine.append(json.loads(await ws.recv()))
        except TimeoutError:
            pass
        ws.transport.abort()

    async def main():
        async with desk_at(handler) as desk:
            await desk.until(lambda: len(asked) >= 4)
            assert desk.times(LinkState.DOWN) >= 3

    asyncio.run(main())
    wanted = [{"a": "subscribe", "v": TOKENS}, {"a": "mode", "v": ["full", TOKENS]}]
    assert asked[:3] == [wanted] * 3


def test_a_token_that_is_refused_is_not_tried_again():
    tries = []

    def refuse(connection, request):
        tries.append(request.path)
        return connection.respond(403, "Incorrect api_key or access_token.")

    async def main():
        async with desk_at(None, process_request=refuse) as desk:
            await desk.until(lambda: desk.links)
            await asyncio.sleep(1.0)
            assert [state for state, _ in desk.links] == [LinkState.AUTH]
            assert TOKEN not in desk.links[0][1]

    asyncio.run(main())
    assert len(tries) == 1


@pytest.mark.unmeasured
@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_a_door_that_is_shut_for_another_reason_is_tried_again(status):
    tries = []

    def refuse(connection, request):
        tries.append(request.path)
        return connection.respond(status, "not now")

    async def main():
        async with desk_at(None, process_request=refuse) as desk:
            await desk.until(lambda: len(tries) >= 2)
            assert {state for state, _ in desk.links} == {LinkState.DOWN}

    asyncio.run(main())


def test_nobody_there_is_told_and_tried_again():
    async def main():
        settings = KiteSettings(api_key=KEY, token=TOKEN, ticker_url="ws://127.0.0.1:9")
        desk = Desk(settings, QUICK)
        await desk.start()
        try:
            await desk.until(lambda: desk.feed.streams[0].restarts >= 2)
            assert desk.links[0][0] is LinkState.DOWN
            assert "refused" in desk.links[0][1]
        finally:
            await desk.feed.stop()

    asyncio.run(main())


def certificate(tmp_path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    path.write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path):
    """The SDK's own context takes any."""
    heard = []

    async def handler(ws):
        heard.append(ws.request.path)

    async def main():
        async with desk_at(handler, scheme="wss", ssl=certificate(tmp_path)) as desk:
            await desk.until(lambda: desk.links)
            assert desk.links[0][0] is LinkState.DOWN
            assert "certificate" in desk.links[0][1].lower()

    asyncio.run(main())
    assert heard == []


def test_no_secret_in_what_is_told_or_in_the_process_table():
    goodbye = asyncio.Event()

    async def handler(ws):
        await goodbye.wait()
        await ws.close(1008, f"{TOKEN} {KEY} is not welcome")

    async def main():
        async with desk_at(handler) as desk:
            command = await asyncio.to_thread(Path(f"/proc/{desk.feed.streams[0].pid}/cmdline").read_text)
            assert "saudagar.brokers.kite.stream" in command
            goodbye.set()
            await desk.until(lambda: desk.times(LinkState.DOWN))
            assert "not welcome" in str(desk.links)
            for secret in (TOKEN, KEY):
                assert secret not in str(desk.links)
                assert secret not in command

    asyncio.run(main())


def test_the_set_is_spread_over_three_sockets(monkeypatch):
    monkeypatch.setattr(feed_module, "TOKENS", 2)
    instruments = [share(number) for number in range(5)]
    asked = []

    async def handler(ws):
        asked.append(json.loads(await ws.recv())["v"])
        await ws.recv()
        await ws.send(frame(tokens=asked[-1]))
        await ws.wait_closed()

    async def main():
        async with desk_at(handler, instruments=instruments) as desk:
            await desk.until(lambda: len(desk.frames) == 3)
            assert {t.instrument for f in desk.frames for t in f.ticks} == {each.id for each in instruments}
            assert [stream.link for stream in desk.feed.streams] == ["kite feed", "kite feed 2", "kite feed 3"]

    asyncio.run(main())
    assert sorted(map(len, asked)) == [1, 2, 2]


def test_sets_that_kite_cannot_carry_are_refused():
    feed = KiteFeed(KiteSettings(api_key=KEY, token=TOKEN))

    async def start(instruments):
        await feed.start(instruments, lambda f: None, lambda s: None)

    bare = Instrument(segment=Segment.NSE_EQ, symbol="NEW", kind=InstrumentKind.EQUITY, tick_size=5)
    for instruments, kind, words in (
        ([bare], DataError, "no Kite token"),
        ([SHARES[0], SHARES[0]], DataError, "asked for twice"),
        ([share(1, code=3)], Unsupported, "in paise"),
        ([share(number) for number in range(9_001)], Unsupported, "9000 instruments"),
    ):
        with pytest.raises(kind, match=words):
            asyncio.run(start(instruments))
    assert feed.streams == []
