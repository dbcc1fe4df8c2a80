"""The Upstox face through the real SDK: the streamer, history, quotes, funds; and the feed's bytes themselves."""

from __future__ import annotations

import gzip
import json
import logging
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import upstox_client
import upstox_client.feeder.market_data_feeder_v3 as feeder
import websocket
from google.protobuf import descriptor_pb2, text_format
from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as sdk
from upstox_client.rest import ApiException
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from saudagar.exchange.options import WithOptions
from saudagar.exchange.process import Account
from saudagar.exchange.upstox import wire
from saudagar.exchange.upstox.errors import ERRORS
from saudagar.market.ist import at
from saudagar.model import Right

SHARED = Path(__file__).resolve().parents[2] / "../shared/fixtures"
TOKEN = Account().upstox_token
RELIANCE, IDEA, NIFTY = "NSE_EQ|INE002A01018", "NSE_EQ|INE669E01016", "NSE_INDEX|Nifty 50"
CLIENTS: list[Any] = []


def api(market: Any, token: str = TOKEN) -> Any:
    configuration = upstox_client.Configuration()
    configuration.host = configuration.order_host = market.upstox
    configuration.access_token = token
    for name in ("upstox_client", "urllib3"):
        logging.getLogger(name).handlers.clear()
    made = upstox_client.ApiClient(configuration)
    CLIENTS.append(made)
    return made


@pytest.fixture(autouse=True)
def _closed_clients() -> Iterator[None]:
    yield
    while CLIENTS:
        made = CLIENTS.pop()
        made.pool.close()
        made.pool.join()
        made.rest_client.pool_manager.clear()


def subscribe(ws: ClientConnection, keys: list[str], mode: str = "full", method: str = "sub") -> None:
    ws.send(json.dumps({"guid": "g", "method": method, "data": {"mode": mode, "instrumentKeys": keys}}).encode())


@pytest.fixture
def socket(scripted_market: Any) -> Iterator[Callable[..., tuple[Any, ClientConnection]]]:
    """A market and a raw connection to its feed, the market status already read."""
    with ExitStack() as stack:

        def make(**options: Any) -> tuple[Any, ClientConnection]:
            market = scripted_market(**options)
            ws = stack.enter_context(attach(market))
            status = received(ws)
            phases = dict(status.marketInfo.segmentStatus)
            assert status.type == sdk.market_info
            assert {"NSE_EQ", "NSE_INDEX"} <= phases.keys()
            assert set(phases.values()) == {sdk.NORMAL_OPEN}
            return market, ws

        yield make


def attach(market: Any, token: str = TOKEN) -> Any:
    url = f"ws://127.0.0.1:{market.exchange.ports.upstox}/v3/feed/market-data-feed"
    return connect(url, additional_headers={"Authorization": f"Bearer {token}"})


def received(ws: ClientConnection) -> Any:
    return sdk.FeedResponse.FromString(ws.recv(5))


def test_the_schema_is_the_sdk_s() -> None:
    ours, theirs = wire.file_descriptor(), descriptor_pb2.FileDescriptorProto()
    sdk.DESCRIPTOR.CopyToProto(theirs)
    assert ours == theirs
    recorded = SHARED / "upstox/MarketDataFeedV3.descriptor-2.30.0.txt"
    if recorded.exists():
        assert ours == text_format.Parse(recorded.read_text(), descriptor_pb2.FileDescriptorProto())


def test_the_streamer_gets_status_snapshot_and_frames(scripted_market: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    market = scripted_market()
    monkeypatch.setattr(feeder, "websocket", redirected(market))
    messages: list[dict[str, Any]] = []
    streamer = upstox_client.MarketDataStreamerV3(api(market), [RELIANCE, NIFTY], "full")
    streamer.on("message", messages.append)
    streamer.connect()
    market.wait(lambda: len(messages) >= 2)
    market.step(2)
    market.wait(lambda: len(messages) >= 4)
    streamer.disconnect()
    status, snapshot, first, second = messages[:4]
    assert status["type"] == "market_info"
    assert "type" not in snapshot  # initial_feed is zero, and zeros are not on the wire
    assert snapshot["currentTs"] == str(at(date(2026, 11, 20), "09:15") // 1_000_000)
    assert (first["type"], second["type"]) == ("live_feed", "live_feed")
    assert int(second["currentTs"]) - int(first["currentTs"]) == 1000
    full = first["feeds"][RELIANCE]["fullFeed"]["marketFF"]
    assert full["ltpc"] == {"ltp": 1300.0, "ltt": first["currentTs"], "ltq": "1000", "cp": 1290.0}
    assert full["marketLevel"]["bidAskQuote"][0] == {"bidQ": "100", "bidP": 1299.9, "askQ": "100", "askP": 1300.1}
    assert len(full["marketLevel"]["bidAskQuote"]) == 5
    assert (full["vtt"], full["tbq"], full["casEligible"]) == ("2000", 500.0, True)
    assert [candle["interval"] for candle in full["marketOHLC"]["ohlc"]] == ["1d", "I1"]
    index = first["feeds"][NIFTY]["fullFeed"]["indexFF"]
    assert (index["ltpc"]["ltp"], index["ltpc"].get("ltq")) == (24010.01, None)


def redirected(market: Any) -> Any:
    address = f"ws://127.0.0.1:{market.exchange.ports.upstox}"

    class Socket(websocket.WebSocketApp):  # type: ignore[misc]  # the library has no types
        def __init__(self, url: str, **options: Any) -> None:
            super().__init__(url.replace("wss://api.upstox.com", address), **options)

    return SimpleNamespace(WebSocketApp=Socket, ABNF=websocket.ABNF)


def test_a_wrong_token_is_401_at_the_handshake(scripted_market: Any) -> None:
    with pytest.raises(InvalidStatus) as refused, attach(scripted_market(), "wrong"):
        pass
    assert refused.value.response.status_code == 401


@pytest.mark.parametrize(
    ("mode", "number", "union"),
    [
        ("ltpc", 0, "ltpc"),
        ("full", 1, "fullFeed"),
        ("option_greeks", 2, "firstLevelWithGreeks"),
        ("full_d30", 3, "fullFeed"),
    ],
)
def test_modes(socket: Any, mode: str, number: int, union: str) -> None:
    _, ws = socket()
    subscribe(ws, [RELIANCE], mode)
    feed = received(ws).feeds[RELIANCE]
    assert (feed.requestMode, feed.WhichOneof("FeedUnion")) == (number, union)
    if union == "firstLevelWithGreeks":
        assert (feed.firstLevelWithGreeks.firstDepth.bidP, feed.firstLevelWithGreeks.vtt) == (1299.9, 1000)


def test_an_option_comes_with_its_greeks(socket: Any) -> None:
    market, ws = socket(around=lambda day: WithOptions(day, strikes=1))
    option = next(
        line.instrument
        for line in market.exchange.tape.lines.values()
        if line.tick and line.instrument.right is Right.CALL
    )
    for mode, path in (("option_greeks", "firstLevelWithGreeks"), ("full", "fullFeed")):
        subscribe(ws, [option.upstox_id], mode)
        feed = getattr(received(ws).feeds[option.upstox_id], path)
        told = feed.marketFF if mode == "full" else feed
        assert 0 < told.optionGreeks.delta < 1
        assert told.optionGreeks.theta < 0 < told.optionGreeks.vega
        assert told.oi > 0
        assert 0.05 < told.iv < 0.5


def test_subscriptions_change_and_end(socket: Any) -> None:
    market, ws = socket()
    subscribe(ws, [RELIANCE, NIFTY, "NSE_EQ|UNKNOWN"], "ltpc")
    assert set(received(ws).feeds) == {RELIANCE, NIFTY}
    subscribe(ws, [RELIANCE], "full", "change_mode")
    subscribe(ws, [NIFTY], method="unsub")
    ws.send("text is ignored")
    ws.send(b"no json")
    subscribe(ws, [RELIANCE], "no such mode")
    subscribe(ws, [IDEA], "ltpc")
    assert set(received(ws).feeds) == {IDEA}
    market.step()
    frame = received(ws)
    assert set(frame.feeds) == {RELIANCE}  # IDEA did not trade in this second
    assert frame.feeds[RELIANCE].WhichOneof("FeedUnion") == "fullFeed"


def test_each_subscriber_gets_its_own_choice(socket: Any) -> None:
    market, first = socket()
    with attach(market) as second:
        received(second)
        subscribe(first, [RELIANCE], "ltpc")
        subscribe(second, [RELIANCE, NIFTY], "full")
        received(first), received(second)
        market.step()
        assert set(received(first).feeds) == {RELIANCE}
        assert set(received(second).feeds) == {RELIANCE, NIFTY}


@pytest.mark.parametrize("kind", ["stale_feed", "garbled", "disconnect", "drop_after_accept", "duplicate", "delay"])
def test_faults_on_the_feed(socket: Any, kind: str) -> None:
    rule = {"kind": kind, "endpoint": "upstox.feed", "count": 1, "skip": 1, "delay": 0.01}
    market, ws = socket(faults={"rules": [rule]})
    subscribe(ws, [RELIANCE])
    start = received(ws).currentTs
    market.step()
    if kind == "stale_feed":
        market.step()
        assert received(ws).currentTs == start + 2000
    elif kind == "garbled":
        with pytest.raises(Exception, match="parsing"):
            received(ws)
        market.step()
        assert received(ws).currentTs == start + 2000
    elif kind == "duplicate":
        assert [received(ws).currentTs for _ in range(2)] == [start + 1000] * 2
    elif kind == "delay":
        assert received(ws).currentTs == start + 1000
    else:
        with pytest.raises(ConnectionClosed):
            received(ws), received(ws)


def test_candles_come_newest_first_with_their_time_zone(scripted_market: Any) -> None:
    market = scripted_market()
    history = upstox_client.HistoryV3Api(api(market))
    past = history.get_historical_candle_data1(RELIANCE, "minutes", "1", "2026-11-20", "2026-11-18").data.candles
    assert past == [
        ["2026-11-19T09:17:00+05:30", 100.0, 101.02, 99.0, 100.5, 12, 0],
        ["2026-11-19T09:16:00+05:30", 100.0, 101.01, 99.0, 100.5, 11, 0],
        ["2026-11-19T09:15:00+05:30", 100.0, 101.0, 99.0, 100.5, 10, 0],
    ]
    assert history.get_historical_candle_data(RELIANCE, "minutes", "1", "2026-11-19").data.candles == past
    assert history.get_intra_day_candle_data(RELIANCE, "minutes", "1").data.candles == []
    market.exchange.tape.now += 125 * 10**9
    today = history.get_intra_day_candle_data(RELIANCE, "minutes", "1").data.candles
    assert [candle[0] for candle in today] == ["2026-11-20T09:16:00+05:30", "2026-11-20T09:15:00+05:30"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("NSE_EQ|NOBODY", "minutes", "1", "2026-11-19", "2026-11-18"), "UDAPI100011"),
        ((RELIANCE, "weeks", "1", "2026-11-19", "2026-11-18"), "UDAPI1146"),
        ((RELIANCE, "minutes", "301", "2026-11-19", "2026-11-18"), "UDAPI1147"),
        ((RELIANCE, "minutes", "x", "2026-11-19", "2026-11-18"), "UDAPI1147"),
        ((RELIANCE, "minutes", "1", "2026-11-18", "2026-11-19"), "UDAPI1015"),
        ((RELIANCE, "minutes", "1", "2026-11-19", "2026-09-01"), "UDAPI1148"),
        ((RELIANCE, "minutes", "1", "yesterday", "2026-09-01"), "UDAPI1148"),
    ],
)
def test_bad_candle_requests(scripted_market: Any, arguments: tuple[str, ...], code: str) -> None:
    history = upstox_client.HistoryV3Api(api(scripted_market()))
    with pytest.raises(ApiException) as refused:
        history.get_historical_candle_data1(*arguments)
    assert refused.value.status == ERRORS[code][0]
    [error] = json.loads(refused.value.body)["errors"]
    assert (error["errorCode"], error["error_code"], error["message"]) == (code, code, ERRORS[code][1])


def test_quotes_are_keyed_by_symbol(scripted_market: Any) -> None:
    quotes = upstox_client.MarketQuoteV3Api(api(scripted_market()))
    ltp = quotes.get_ltp(instrument_key=f"{RELIANCE},{NIFTY}").data
    assert list(ltp) == ["NSE_EQ:RELIANCE", "NSE_INDEX:NIFTY"]
    assert (ltp["NSE_EQ:RELIANCE"].instrument_token, ltp["NSE_EQ:RELIANCE"].last_price) == (RELIANCE, 1300.0)
    ohlc = quotes.get_market_quote_ohlc("1d", instrument_key=RELIANCE).data["NSE_EQ:RELIANCE"]
    assert (ohlc.live_ohlc.open, ohlc.live_ohlc.volume) == (1300.0, 1000)
    full = quotes.get_full_market_quote_v3(instrument_key=RELIANCE).data["NSE_EQ:RELIANCE"]
    assert (full.depth.buy[0].price, full.depth.sell[4].price, full.prev_close_price) == (1299.9, 1300.5, 1290.0)
    for keys in ("", "NSE_EQ|NOBODY", ",".join([RELIANCE] * 501)):
        with pytest.raises(ApiException) as refused:
            quotes.get_ltp(instrument_key=keys)
        assert refused.value.status == 400


def test_account(scripted_market: Any) -> None:
    market = scripted_market()
    user = upstox_client.UserApi(api(market))
    assert user.get_profile("2.0").data.broker == "UPSTOX"
    assert user.get_user_fund_margin("2.0").data["equity"].available_margin == 1_00_00_000.0
    assert user.get_user_fund_margin_v3().data.available_to_trade.total == 1_00_00_000.0
    with pytest.raises(ApiException) as refused:
        upstox_client.UserApi(api(market, "wrong")).get_profile("2.0")
    assert refused.value.status == 401


def test_429_and_an_unknown_path(scripted_market: Any) -> None:
    market = scripted_market(faults={"rules": [{"kind": "429", "endpoint": "upstox.profile"}]})
    with pytest.raises(ApiException) as refused:
        upstox_client.UserApi(api(market)).get_profile("2.0")
    assert (refused.value.status, json.loads(refused.value.body)["errors"][0]["errorCode"]) == (429, "UDAPI10005")
    with pytest.raises(ApiException) as refused:
        upstox_client.UserApi(api(market)).get_payin_history()
    assert (refused.value.status, json.loads(refused.value.body)["errors"][0]["errorCode"]) == (404, "UDAPI100060")


def test_the_instruments_file_has_the_real_fields(scripted_market: Any) -> None:
    url = f"{scripted_market().upstox}/market-quote/instruments/exchange/complete.json.gz"
    with urllib.request.urlopen(url) as response:
        rows = {row["trading_symbol"]: row for row in json.loads(gzip.decompress(response.read()))}
    real = SHARED / "masters/upstox_NSE_2026-08-21_sample.json"
    if not real.exists():
        pytest.skip("the recorded masters are not part of the project")
    theirs = {row["instrument_key"]: row for row in json.loads(real.read_text())}
    for row in rows.values():
        want = theirs[row["instrument_key"]]
        assert set(row) == set(want), row
        for key in ("segment", "exchange", "instrument_type", "tick_size", "lot_size", "isin", "cas_eligible"):
            assert row.get(key) == want.get(key), (row["trading_symbol"], key)
