"""Past bars through the real SDK's `HistoryV3Api`, against a small scripted HTTP server."""

import asyncio
import json
import logging
import socket
import threading
import urllib.parse

import pytest

from saudagar.brokers.governor import Governor, Window
from saudagar.brokers.upstox import history
from saudagar.brokers.upstox.feed import UpstoxFeed, UpstoxSettings
from saudagar.model import MINUTE, Instrument, InstrumentKind, Segment
from saudagar.model.errors import AuthError, BrokerError, RateLimited, RejectedByBroker, Unsupported

TOKEN = "CANARY-TOKEN"
SHARE = Instrument(
    segment=Segment.NSE_EQ, symbol="SBIN", kind=InstrumentKind.EQUITY, tick_size=5, upstox_id="NSE_EQ|INE062A01020"
)
OPEN = 1_795_146_300_000_000_000  # 2026-11-20 09:15 IST
DAY = 1440 * MINUTE


def candle(minute: int, close: float = 100.05, day: int = 20):
    return [f"2026-11-{day:02}T09:{15 + minute:02}:00+05:30", 100.0, 101.0, 99.95, close, 500, 0]


def body(*candles) -> bytes:
    return json.dumps({"status": "success", "data": {"candles": list(candles)}}).encode()


class Server:
    """`answer(path)` gives (status, bytes), or None to hang up without a word, or "hang" to say nothing."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.headers: list[bytes] = []
        self.answer = lambda path: (200, body())
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.waited_out = 0  # times that the client did not hang up first
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with client, client.makefile("rb") as reader:
                while line := reader.readline():
                    self.paths.append(urllib.parse.unquote(line.split()[1].decode()))
                    while (header := reader.readline()) not in (b"\r\n", b""):
                        self.headers.append(header)
                    answer = self.answer(self.paths[-1])
                    if answer == "hang":
                        client.settimeout(4)
                        try:
                            client.recv(1)  # returns when the client gives up
                        except TimeoutError:
                            self.waited_out += 1
                    if not isinstance(answer, tuple):
                        return
                    status, content = answer
                    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n"
                    client.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + content)
        except OSError:
            pass

    def close(self) -> None:
        self._listener.close()
        for client in self._open:
            client.close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


def ask(server: Server, interval=MINUTE, start=OPEN, end=OPEN + 10 * MINUTE, instrument=SHARE, times=1):
    async def main():
        feed = UpstoxFeed(UpstoxSettings(token=TOKEN, rest_host=server.host))
        try:
            for _ in range(times):
                bars = await feed.bars(instrument, interval, start, end)
            return bars, dict(feed.refusals)
        finally:
            await feed.stop()

    return asyncio.run(main())


def test_both_sources_become_one_list_oldest_first_in_utc_and_paise(server):
    def answer(path):
        if "intraday" in path:
            return 200, body(candle(3), candle(2, 100.5), candle(1))
        return 200, body(candle(1, 99.95), candle(0))

    server.answer = answer
    bars, refusals = ask(server)
    assert [(bar.start - OPEN) // MINUTE for bar in bars] == [0, 1, 2, 3]
    first = bars[0]
    assert (first.instrument, first.interval, first.end) == (SHARE.id, MINUTE, OPEN + MINUTE)
    assert (first.open, first.high, first.low, first.close, first.volume) == (10_000, 10_100, 9_995, 10_005, 500)
    assert bars[1].close == 10_005  # today's own word wins
    assert refusals == {}
    assert server.paths == [
        "/v3/historical-candle/NSE_EQ|INE062A01020/minutes/1/2026-11-20/2026-11-20",
        "/v3/historical-candle/intraday/NSE_EQ|INE062A01020/minutes/1",
    ]


def test_only_closed_bars_of_the_asked_span(server):
    server.answer = lambda path: (200, body(*(candle(n) for n in range(20))))
    bars, _ = ask(server, start=OPEN + 2 * MINUTE, end=OPEN + 5 * MINUTE + MINUTE // 2)
    assert [(bar.start - OPEN) // MINUTE for bar in bars] == [2, 3, 4]
    assert ask(server, start=OPEN, end=OPEN) == ([], {})


@pytest.mark.parametrize(
    ("interval", "days", "calls"),
    [(MINUTE, 56, 3), (15 * MINUTE, 29, 3), (60 * MINUTE, 90, 3), (DAY, 3650, 1), (DAY, 3651, 2)],
)
def test_long_spans_are_asked_in_the_pieces_that_upstox_allows(server, interval, days, calls):
    ask(server, interval, OPEN - (days - 1) * DAY, OPEN + MINUTE)
    assert len(server.paths) == calls
    spans = [path.rsplit("/", 2)[1:] for path in server.paths if "intraday" not in path]
    assert all(first <= last for last, first in spans)
    assert len({day for span in spans for day in span}) >= len(spans)  # no two pieces overlap


@pytest.mark.parametrize("interval", [MINUTE // 60, 301 * MINUTE, 0, -MINUTE, 2 * DAY, MINUTE + 1])
def test_intervals_upstox_does_not_have(server, interval):
    with pytest.raises(Unsupported):
        ask(server, interval)
    assert server.paths == []


@pytest.mark.parametrize(
    "bad",
    [
        ["2026-11-20T09:15:00+05:30", 100, 101, 99],
        ["2026-11-20T09:15:00", 100, 101, 99, 100, 5],
        ["yesterday", 100, 101, 99, 100, 5],
        [None, 100, 101, 99, 100, 5],
        ["2026-11-20T09:15:00+05:30", "x", 101, 99, 100, 5],
        ["2026-11-20T09:15:00+05:30", 100, 99, 101, 100, 5],
        ["2026-11-20T09:15:00+05:30", 0, 0, 0, 0, 5],
        ["2026-11-20T09:15:00+05:30", 100, 101, 99, 100, -5],
        ["2026-11-20T09:15:00+05:30", "Infinity", "Infinity", 99, 100, 5],
    ],
)
def test_rows_that_cannot_be_are_counted_and_the_rest_is_kept(server, bad):
    server.answer = lambda path: (200, body() if "intraday" in path else body(bad, candle(1)))
    bars, refusals = ask(server)
    assert ([(bar.start - OPEN) // MINUTE for bar in bars], refusals) == ([1], {"bad candle": 1})


def test_a_broken_connection_is_not_asked_again(server):
    server.answer = lambda path: None
    with pytest.raises(BrokerError, match="no reply"):
        ask(server)
    assert len(server.paths) == 1  # U1: urllib3 would have asked four times


def test_a_server_that_says_nothing_is_given_up(server, monkeypatch):
    monkeypatch.setattr(history, "_TIMEOUT", (1.0, 1.0))  # U2: a single number would be silently ignored
    server.answer = lambda path: "hang"
    with pytest.raises(BrokerError, match="no reply"):
        ask(server)
    assert len(server.paths) == 1
    assert server.waited_out == 0


def test_values_the_sdks_models_do_not_know_are_no_error(server):
    text = body(candle(0)).replace(b'"success"', b'"success", "data_2": [1]')  # U4
    server.answer = lambda path: (200, text)
    assert len(ask(server)[0]) == 1


@pytest.mark.parametrize(
    ("status", "content", "kind", "words"),
    [
        (401, b'{"errors": [{"errorCode": "UDAPI100050", "message": "Invalid token"}]}', AuthError, "Invalid token"),
        (429, b"<html>", RateLimited, "429"),
        (400, b'{"errors": [{"errorCode": "UDAPI1148", "message": "Bad range"}]}', RejectedByBroker, "Bad range"),
        (503, b"", BrokerError, "503"),
        (200, b"<html>", BrokerError, "no sense"),
        (200, b"{}", BrokerError, "no sense"),
        (200, b'{"data": {"candles": null}}', BrokerError, "no sense"),
        (200, b"", BrokerError, "empty body"),
    ],
)
def test_refusals_and_nonsense_are_errors_with_a_reason(server, status, content, kind, words):
    server.answer = lambda path: (status, content)
    with pytest.raises(BrokerError, match=words) as raised:
        ask(server)
    assert type(raised.value) is kind
    assert TOKEN not in str(raised.value)


def test_one_client_for_many_questions_and_its_threads_are_given_back(server):
    before = set(threading.enumerate())
    server.answer = lambda path: (200, body(candle(0)))
    ask(server, times=3)
    assert len(server._open) == 1  # one kept-alive connection, so one client: U5
    left = [each for each in threading.enumerate() if each not in before and "_serve" not in each.name]
    for thread in left:
        thread.join(5)
    assert [thread.name for thread in left if thread.is_alive()] == []


def test_past_bars_are_asked_for_no_faster_than_upstox_allows(server):
    """The warm-up of two hundred instruments is more than its 500 calls a minute; a refused one would end it."""

    async def main():
        slow = Governor((Window(MINUTE, 2),), share=1.0, patience=0.2)
        past = history.History(TOKEN, server.host, {}, governor=slow)
        try:
            with pytest.raises(RateLimited, match="Nothing was sent"):
                await past.bars(SHARE, DAY, OPEN - 4 * 3650 * DAY, OPEN)
        finally:
            await past.close()

    asyncio.run(main())
    assert len(server.paths) == 2
    assert history.History(TOKEN, None, {})._lane._governor is not None
    assert history.History(TOKEN, server.host, {})._lane._governor is None


def test_hosts_of_an_earlier_configuration_do_not_stick_and_nothing_is_logged_to_the_screen(server):
    import upstox_client

    from saudagar.brokers.upstox.client import api_client

    try:
        upstox_client.Configuration.set_default(None)
        upstox_client.Configuration(sandbox=True)  # U3: from now on the SDK copies this one
        assert "sandbox" in upstox_client.Configuration().host
        live = api_client(TOKEN)
        assert {live.configuration.host, live.configuration.order_host} == {
            "https://api.upstox.com",
            "https://api-hft.upstox.com",
        }
        other = api_client(TOKEN, server.host)
        assert {other.configuration.host, other.configuration.order_host} == {server.host}
        for name in ("upstox_client", "urllib3"):
            assert not [h for h in logging.getLogger(name).handlers if type(h) is logging.StreamHandler]  # U7
        for client in (live, other):
            client.pool.close()
            client.pool.join()
    finally:
        upstox_client.Configuration.set_default(None)
