"""Past bars through Dhan's feed: how they are asked for, what is left out, what is a fault."""

import asyncio
import json

import pytest
from tests.contract.dhan_socket import SHARES, TOKEN, UTC
from tests.scripted import Server

from saudagar.brokers.dhan.feed import DhanFeed, DhanFeedSettings
from saudagar.market.ist import DAY
from saudagar.model import MINUTE, SECOND, Instrument, InstrumentKind, Segment
from saudagar.model.errors import AuthError, BrokerError, Unsupported


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
        with pytest.raises(BrokerError, match="makes no sense"):
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
