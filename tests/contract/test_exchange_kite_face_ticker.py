"""The Kite ticker's bytes and messages on a plain socket, its faults, and lock-step for a desk that is fed by it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import websocket
from hypothesis import given, settings
from hypothesis import strategies as st
from kiteconnect import KiteConnect, KiteTicker
from tests.contract.kite_line import ACCOUNT, Socket, url

from saudagar.exchange.faults import FaultPlan
from saudagar.exchange.kite.packets import frame, packet
from saudagar.exchange.tape import Line
from saudagar.exchange.universe import by_symbol
from saudagar.model import InstrumentId, OrderTerms, OrderType, Product, Side, Tick

RECORDED = Path(__file__).resolve().parents[2] / "../shared/fixtures/kite/frames"
RELIANCE, IDEA, NIFTY = 738561, 3677697, 256265
INSTRUMENT = by_symbol("RELIANCE")
OPEN = 1795146300  # 2026-11-20 09:15:00 IST


@pytest.fixture
def connect() -> Iterator[Any]:
    with ExitStack() as stack:

        def make(market: Any) -> Socket:
            line = Socket(market)
            stack.callback(line.close)
            return line

        yield make


def ticks(data: bytes) -> list[dict[str, Any]]:
    """What the real client reads in a frame."""
    return KiteTicker("", "")._parse_binary(data)


def buy(market: Any, quantity: int = 50, price: float = 1301.0) -> str:
    kite = KiteConnect(ACCOUNT.kite_key, ACCOUNT.kite_token, root=f"http://127.0.0.1:{market.exchange.ports.kite}")
    return str(kite.place_order("regular", "NSE", "RELIANCE", "BUY", quantity, "MIS", "LIMIT", price, tag="A1"))


def test_each_mode_has_its_packet(scripted_market: Any, connect: Any) -> None:
    market = scripted_market()
    line = connect(market)
    line.say("subscribe", [RELIANCE])
    market.wait(lambda: line.frames)
    [quote] = ticks(line.frames[-1])
    assert (len(line.frames[-1]), quote["mode"]) == (48, "quote")
    assert (quote["last_price"], quote["volume_traded"], quote["average_traded_price"]) == (1300, 1_000, 1300)
    assert (quote["total_buy_quantity"], quote["total_sell_quantity"]) == (500, 500)
    assert quote["ohlc"] == {"open": 1300, "high": 1300, "low": 1300, "close": 1290}
    line.say("mode", ["ltp", [RELIANCE]])
    market.wait(lambda: len(line.frames) == 2)
    assert len(line.frames[-1]) == 12
    assert ticks(line.frames[-1])[0] == {
        "tradable": True, "mode": "ltp", "instrument_token": RELIANCE, "last_price": 1300
    }  # fmt: skip
    line.say("mode", ["full", [RELIANCE]])
    market.wait(lambda: len(line.frames) == 3)
    [full] = ticks(line.frames[-1])
    assert (len(line.frames[-1]), full["mode"]) == (188, "full")
    assert full["exchange_timestamp"] == full["last_trade_time"] == datetime.fromtimestamp(OPEN)  # K5
    assert full["depth"]["buy"][0] == {"quantity": 100, "price": 1299.9, "orders": 1}
    assert [level["price"] for level in full["depth"]["sell"]] == [1300.1, 1300.2, 1300.3, 1300.4, 1300.5]


def test_frames_are_as_long_as_the_recorded_ones(scripted_market: Any, connect: Any) -> None:
    names = {"ltp": "ltpMode_binary", "quote": "quoteMode_binary", "full": "fullMode_binary"}
    if not RECORDED.exists():
        pytest.skip("the recorded frames are not part of the project")
    market = scripted_market()
    line = connect(market)
    line.say("subscribe", [RELIANCE])
    for number, (mode, name) in enumerate(names.items(), 2):
        line.say("mode", [mode, [RELIANCE]])
        market.wait(lambda wanted=number: len(line.frames) == wanted)
        theirs = (RECORDED / f"{name}.packet").read_bytes()
        assert len(line.frames[-1]) == len(theirs)
        assert line.frames[-1][:4] == theirs[:4]
        [ours], [recorded] = ticks(line.frames[-1]), ticks(theirs)
        assert list(ours) == list(recorded)
        assert {key: type(value) for key, value in ours.items()} == {key: type(recorded[key]) for key in recorded}


def test_an_index_has_packets_of_its_own(scripted_market: Any, connect: Any) -> None:
    market = scripted_market()
    line = connect(market)
    line.full(NIFTY)
    market.wait(lambda: len(line.frames) == 2)
    assert [len(each) for each in line.frames] == [32, 36]
    [full] = ticks(line.frames[1])
    assert (full["tradable"], full["last_price"]) == (False, 24010)
    assert full["ohlc"] == {"open": 24010, "high": 24010, "low": 24010, "close": 24000}
    assert full["exchange_timestamp"].timestamp() == OPEN


def test_a_step_is_one_frame_of_what_is_wanted(scripted_market: Any, connect: Any) -> None:
    market = scripted_market()
    line = connect(market)
    line.full(RELIANCE, NIFTY, IDEA, 42)
    line.say("unsubscribe", [NIFTY])
    line.say("mode", ["ltp", [IDEA]])
    market.wait(lambda: len(line.frames) == 3)
    market.step(2)
    market.wait(lambda: len(line.frames) == 5)
    # IDEA trades every other second
    assert [[tick["instrument_token"] for tick in ticks(each)] for each in line.frames[3:]] == [
        [RELIANCE],
        [RELIANCE, IDEA],
    ]
    assert ticks(line.frames[4])[0]["exchange_timestamp"].timestamp() == OPEN + 2


def test_what_has_not_traded_has_no_trade_time(scripted_market: Any, connect: Any) -> None:
    market = scripted_market()
    market.exchange.tape.lines["NSE_EQ:IDEA"].tick = None
    market.exchange.tape.lines["NSE_INDEX:NIFTY"].tick = None
    line = connect(market)
    line.full(IDEA, NIFTY)
    market.wait(lambda: len(line.frames) == 2)
    [idea] = ticks(line.frames[1])
    assert (idea["last_price"], idea["volume_traded"], idea["last_trade_time"].timestamp()) == (10, 0, 0)
    assert idea["exchange_timestamp"].timestamp() == OPEN


def test_only_the_right_token_opens_three_sockets(scripted_market: Any, connect: Any) -> None:
    market = scripted_market()
    for wrong in (url(market, "wrong"), url(market, key="wrong"), f"ws://127.0.0.1:{market.exchange.ports.kite}"):
        with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
            websocket.create_connection(wrong, timeout=5)
        assert refusal.value.status_code == 403
    sockets = [connect(market) for _ in range(3)]
    with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
        websocket.create_connection(url(market), timeout=5)
    assert refusal.value.status_code == 429
    sockets[0].close()
    market.wait(lambda: market.exchange.updates.sent is not None)
    deadline = time.monotonic() + 30
    while True:
        try:
            connect(market)
            break
        except websocket.WebSocketBadStatusException:
            assert time.monotonic() < deadline, "the place did not become free"


def test_nonsense_is_answered_with_an_error(scripted_market: Any, connect: Any) -> None:
    market = scripted_market()
    line = connect(market)
    for nonsense in ("buy", '{"a": "mode", "v": ["full"]}', '{"a": "mode", "v": ["deep", [1]]}', '{"v": 1}', "[]"):
        line._ws.send(nonsense)
    line.say("sing", [1])
    market.wait(lambda: len(line.texts) == 6)
    assert {each["type"] for each in line.texts} == {"error"}
    market.step()
    assert not line.closed


def test_a_socket_takes_three_thousand_tokens(scripted_market: Any, connect: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("saudagar.exchange.kite.ticker.TOKENS", 2)
    market = scripted_market()
    line = connect(market)
    line.say("subscribe", [RELIANCE, IDEA, NIFTY])
    market.wait(lambda: line.frames and line.texts)
    assert line.texts == [{"type": "error", "data": "Limit of 2 instruments on one connection exceeded."}]
    assert [tick["instrument_token"] for tick in ticks(line.frames[0])] == [RELIANCE, IDEA]


def test_a_byte_each_second_and_silence_as_a_fault(scripted_market: Any, connect: Any) -> None:
    market = scripted_market()
    line = connect(market)
    market.wait(lambda: line.beats >= 2)
    market.exchange.wire.plan = FaultPlan.from_json('{"rules": [{"kind": "stale_feed", "endpoint": "kite.heartbeat"}]}')
    time.sleep(0.1)
    before = line.beats
    time.sleep(1.3)
    assert line.beats == before
    assert not line.closed


def test_orders_are_told_on_every_socket(scripted_market: Any, connect: Any) -> None:
    market = scripted_market()
    sockets = [connect(market), connect(market)]
    market.wait(lambda: len(market.exchange.kite.ticker._sockets) == 2)
    order_id = buy(market, 150, 1300.2)
    for line in sockets:
        market.wait(lambda it=line: len(it.texts) == 3)
        assert {each["type"] for each in line.texts} == {"order"}
        data = [each["data"] for each in line.texts]
        assert [(each["status"], each["filled_quantity"], each["unfilled_quantity"]) for each in data] == [
            ("OPEN", 0, 150),
            ("UPDATE", 100, 50),
            ("COMPLETE", 150, 0),
        ]
        assert {(each["order_id"], each["tag"], each["order_timestamp"]) for each in data} == {
            (order_id, "A1", "2026-11-20 09:15:00")
        }
    assert (market.exchange.updates.sent, market.exchange.updates.total) == (3, 6)


def test_other_brokers_orders_are_not_told(scripted_market: Any, connect: Any) -> None:
    market = scripted_market()
    line = connect(market)
    core = market.exchange.core
    terms = OrderTerms(quantity=1, order_type=OrderType.LIMIT, price=1_290_00)
    core.place(tag="", instrument=InstrumentId("NSE_EQ:RELIANCE"), side=Side.BUY, terms=terms, product=Product.INTRADAY)
    market.exchange.updates.publish(core.drain())
    buy(market, 1, 1290.0)
    market.wait(lambda: line.texts)
    assert [each["data"]["tag"] for each in line.texts] == ["A1"]


def rules(kind: str, endpoint: str, **more: Any) -> dict[str, Any]:
    return {"rules": [{"kind": kind, "endpoint": endpoint, "count": 1} | more]}


@pytest.mark.parametrize(
    ("kind", "frames", "closed"),
    [
        ("stale_feed", [OPEN + 2], False),
        ("duplicate", [OPEN + 1, OPEN + 1, OPEN + 2], False),
        ("disconnect", [], True),
        ("drop_after_accept", [OPEN + 1], True),
    ],
)
def test_faults_of_the_quotes(scripted_market: Any, connect: Any, kind: str, frames: list[int], closed: bool) -> None:
    market = scripted_market(faults=rules(kind, "kite.ticker"))
    line = connect(market)
    line.full(RELIANCE)
    market.wait(lambda: len(line.frames) == 2)
    market.step(2)
    market.wait(lambda: line.closed == closed and len(line.frames) == 2 + len(frames))
    assert [ticks(each)[0]["exchange_timestamp"].timestamp() for each in line.frames[2:]] == frames


def test_a_garbled_frame_is_half_a_frame(scripted_market: Any, connect: Any) -> None:
    market = scripted_market(faults=rules("garbled", "kite.ticker"))
    line = connect(market)
    line.full(RELIANCE)
    market.wait(lambda: len(line.frames) == 2)
    market.step()
    market.wait(lambda: len(line.frames) > 2)
    assert len(line.frames[2]) == 94


@pytest.mark.parametrize(("kind", "count"), [("duplicate", 3), ("stale_feed", 1), ("disconnect", 0), ("delay", 2)])
def test_faults_of_the_order_messages(scripted_market: Any, connect: Any, kind: str, count: int) -> None:
    more = {"delay": 0.2} if kind == "delay" else {}
    market = scripted_market(faults=rules(kind, "kite.updates", **more))
    line = connect(market)
    buy(market)
    market.wait(lambda: len(line.texts) == count and line.closed == (kind == "disconnect"))


def test_two_packets_in_one_frame_have_their_lengths() -> None:
    assert frame([b"abc", b""]) == b"\x00\x02\x00\x03abc\x00\x00"


PRICES = st.integers(1, 2**31)
LEVELS = st.lists(st.tuples(PRICES, st.integers(0, 2**31)), max_size=7)


@settings(max_examples=60, deadline=None)
@given(ltp=PRICES, volume=st.integers(-5, 2**40), ts=st.integers(-(10**18), 2**61), bids=LEVELS, asks=LEVELS)
def test_the_real_client_reads_what_was_encoded(ltp: int, volume: int, ts: int, bids: Any, asks: Any) -> None:
    line = Line(INSTRUMENT, 1_290_00, 0)
    line.apply(Tick(INSTRUMENT.id, ts, ltp, volume, tuple(bids), tuple(asks)), OPEN * 10**9)
    [full] = ticks(frame([packet(line, "full", OPEN * 10**9, 65_000)]))
    assert (full["instrument_token"], full["last_price"]) == (RELIANCE, ltp / 100)
    assert (full["oi"], full["oi_day_high"], full["oi_day_low"]) == (65_000,) * 3
    assert full["volume_traded"] == min(max(volume, 0), 2**32 - 1)
    assert full["exchange_timestamp"].timestamp() == OPEN
    for shown, levels in ((full["depth"]["buy"], bids), (full["depth"]["sell"], asks)):
        told = [(level["price"], level["quantity"]) for level in shown]
        assert told == ([(price / 100, quantity) for price, quantity in levels] + [(0, 0)] * 5)[:5]


class Desk:
    """A desk fed by Kite, in lock-step: it acknowledges the highest exchange time it saw, when it is idle."""

    def __init__(self, market: Any, line: Socket) -> None:
        self._market = market
        self._socket = line

    def follow(self, until: Any) -> None:
        """Acknowledge what has come, until `until()`."""
        market, line = self._market, self._socket
        said: tuple[int, int] | None = None
        deadline = time.monotonic() + 30
        while not until():
            assert time.monotonic() < deadline, "the market stands still"
            seen = [
                tick["exchange_timestamp"]
                for each in tuple(line.frames)
                for tick in ticks(each)
                if tick["mode"] == "full"
            ]
            orders = sum(each["type"] == "order" for each in tuple(line.texts))
            word = (int(max(seen).timestamp()) * 10**9 if seen else 0, orders)
            if word != said:
                said = word
                market.call(market.pace.ack(*word))
            time.sleep(0.001)


def test_a_desk_fed_by_kite_leads_the_market_through_the_day(scripted_market: Any, connect: Any) -> None:
    market = scripted_market()
    line = connect(market)
    line.full(RELIANCE)
    Desk(market, line).follow(market.exchange.finished.is_set)
    times = [int(ticks(each)[0]["exchange_timestamp"].timestamp()) for each in line.frames[1:]]
    assert times == list(range(OPEN, OPEN + 20))


def test_the_market_does_not_wait_where_nothing_was_sent(scripted_market: Any, connect: Any) -> None:
    market = scripted_market()
    line = connect(market)
    line.full(IDEA)  # trades every other second
    Desk(market, line).follow(market.exchange.finished.is_set)
    times = [int(ticks(each)[0]["exchange_timestamp"].timestamp()) for each in line.frames[1:]]
    assert times == list(range(OPEN, OPEN + 20, 2))


def test_the_market_waits_for_order_messages_on_the_ticker(scripted_market: Any, connect: Any) -> None:
    market = scripted_market(prices=(1_300_00, 1_300_00, 1_290_00, 1_290_00))
    line = connect(market)
    line.full(RELIANCE)
    market.wait(lambda: len(line.frames) == 2)
    buy(market, 10, 1295.0)
    market.call(market.pace.ack(OPEN * 10**9, 0))
    time.sleep(0.05)
    assert market.exchange.steps == 1  # the order's message is not acknowledged
    desk = Desk(market, line)
    desk.follow(lambda: market.exchange.steps == 2)
    market.call(market.pace.ack((OPEN + 1) * 10**9, 1))
    market.wait(lambda: len(line.texts) == 2)  # filled by the third step
    time.sleep(0.05)
    assert market.exchange.steps == 2  # and that fill comes before the step's quotes
    desk.follow(market.exchange.finished.is_set)
    assert [each["data"]["status"] for each in line.texts] == ["OPEN", "COMPLETE"]
