"""Past bars and the instruments file through the real SDK."""

import asyncio
from urllib.parse import parse_qsl

import pytest
from tests.contract.asked import NAMELESS, SHARE
from tests.contract.kite_desk import Server, error, kite_server, ok, settings_of

from saudagar.brokers.kite.feed import KiteFeed
from saudagar.model import (
    MINUTE,
    SECOND,
)
from saudagar.model.errors import (
    AuthError,
    BrokerError,
    RateLimited,
    RejectedByBroker,
    Unsupported,
)


@pytest.fixture
def server():
    with kite_server() as server:
        yield server


CANDLE = ["2026-11-19T09:15:00+0530", 812.5, 815, 810.05, 814, 1200]
START = 1_795_059_900 * SECOND  # Thursday 19 November 2026, 09:15 IST


def on_feed(server: Server, work):
    async def main():
        feed = KiteFeed(settings_of(server, timeout=(1.0, 1.0)))
        try:
            return await work(feed), feed.refusals
        finally:
            await feed.stop()

    return asyncio.run(main())


def test_bars_come_in_pieces_of_kites_limits(server):
    server.answer = lambda method, path, body: ok({"candles": [CANDLE]})
    bars, refusals = on_feed(server, lambda feed: feed.bars(SHARE, MINUTE, START, START + 130 * 24 * 60 * MINUTE))
    assert [(bar.start, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars] == [
        (START, 81_250, 81_500, 81_005, 81_400, 1_200)
    ]
    assert refusals == {}
    asked = [dict(parse_qsl(path.split("?")[1])) for _, path, _ in server.requests]
    assert [path.split("?")[0] for _, path, _ in server.requests] == ["/instruments/historical/779521/minute"] * 3
    assert [(each["from"], each["to"]) for each in asked] == [
        ("2026-11-19 09:15:00", "2027-01-18 09:14:59"),
        ("2027-01-18 09:15:00", "2027-03-19 09:14:59"),
        ("2027-03-19 09:15:00", "2027-03-29 09:14:59"),
    ]


def test_past_bars_are_asked_for_three_times_a_second(server):
    server.answer = lambda method, path, body: ok({"candles": []})

    async def work(feed):
        begun = asyncio.get_running_loop().time()
        await feed.bars(SHARE, MINUTE, START, START + 200 * 24 * 60 * MINUTE)
        return asyncio.get_running_loop().time() - begun

    spent, _ = on_feed(server, work)
    assert len(server.requests) == 4
    assert 1.0 <= spent < 2.0


def test_bars_that_make_no_sense_are_counted(server):
    bad = [
        ["2026-11-19T09:16:00", 1, 1, 1, 1, 1],
        ["2026-11-19T09:17:00+0530", 1, 0.5, 1, 1, 1],
        ["2026-11-19T09:18:00+0530", None, 1, 1, 1, 1],
        ["2026-11-19T09:19:00+0530", 1, 1, 1, 1, -1],
        ["2026-11-19T09:20:00+0530", "NaN", 1, 1, 1, 1],
        ["then"],
        7,
    ]
    server.answer = lambda method, path, body: ok({"candles": [CANDLE, *bad, CANDLE]})
    bars, refusals = on_feed(server, lambda feed: feed.bars(SHARE, MINUTE, START, START + 60 * MINUTE))
    assert (len(bars), refusals) == (1, {"bad candle": 7})


def test_bars_that_are_not_offered(server):
    for interval in (2 * MINUTE, SECOND, 0):
        with pytest.raises(Unsupported, match="Kite has bars of minute"):
            on_feed(server, lambda feed, interval=interval: feed.bars(SHARE, interval, START, START + MINUTE))
    with pytest.raises(Unsupported, match="no Kite token"):
        on_feed(server, lambda feed: feed.bars(NAMELESS, MINUTE, START, START + MINUTE))
    assert on_feed(server, lambda feed: feed.bars(SHARE, MINUTE, START, START)) == ([], {})
    assert server.requests == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(403, "TokenException"), AuthError),
        (error(429, "NetworkException"), RateLimited),
        (error(400, "InputException", "interval exceeds max limit"), RejectedByBroker),
        (ok({}), BrokerError),
        (ok([]), BrokerError),
        ("reset", BrokerError),
    ],
)
def test_bars_that_cannot_be_had(server, answer, kind):
    server.answer = lambda method, path, body: answer
    with pytest.raises(BrokerError) as caught:
        on_feed(server, lambda feed: feed.bars(SHARE, MINUTE, START, START + MINUTE))
    assert type(caught.value) is kind


def test_the_instruments_file_as_it_is(server):
    body = b"instrument_token,exchange_token\n1,2\n"
    server.answer = lambda method, path, _: (200, body, "Content-Type: text/csv\r\n")
    assert on_feed(server, lambda feed: feed.instrument_file())[0] == body
    for answer in ((200, b"<html>", "Content-Type: text/csv\r\n"), error(403, "TokenException"), "reset", ok([])):
        server.answer = lambda method, path, body, answer=answer: answer
        with pytest.raises(BrokerError) as caught:
            on_feed(server, lambda feed: feed.instrument_file())
        assert type(caught.value) is (AuthError if isinstance(answer, tuple) and answer[0] == 403 else BrokerError)


def test_a_new_token_for_past_bars(server):
    server.answer = lambda method, path, body: ok({"candles": []})

    async def work(feed):
        await feed.renew("UNUSED")
        await feed.bars(SHARE, MINUTE, START, START + MINUTE)
        await feed.renew("SECOND-TOKEN")
        await feed.bars(SHARE, MINUTE, START, START + MINUTE)

    on_feed(server, work)
    said = [header.rpartition(":")[2] for header in server.headers if header.startswith("Authorization")]
    assert said == ["UNUSED", "SECOND-TOKEN"]
