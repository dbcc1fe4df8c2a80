"""Dhan's market feed and depth through the real `dhanhq` clients, and the bytes themselves."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import dhanhq.fulldepth
import dhanhq.marketfeed
import pytest
from dhanhq import DhanContext, FullDepth, MarketFeed
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from saudagar.exchange.dhan import packets
from saudagar.exchange.options import WithOptions
from saudagar.exchange.process import Account

ACCOUNT = Account()
IST_0915 = 9 * 3600 + 15 * 60  # the wall clock, as if it were UTC


def url(market: Any, path: str = "feed", token: str = ACCOUNT.dhan_token, client_id: str = ACCOUNT.client_id) -> str:
    base = f"ws://127.0.0.1:{market.exchange.ports.dhan}/{path}"
    return f"{base}?version=2&token={token}&clientId={client_id}&authType=2"


@pytest.fixture
def attach() -> Iterator[Callable[..., ClientConnection]]:
    with ExitStack() as stack:
        yield lambda *arguments, **words: stack.enter_context(connect(url(*arguments, **words)))


def ask(ws: ClientConnection, code: int, *wanted: tuple[str, str]) -> None:
    listed = [{"ExchangeSegment": segment, "SecurityId": each} for segment, each in wanted]
    ws.send(json.dumps({"RequestCode": code, "InstrumentCount": len(listed), "InstrumentList": listed}))


def split(frame: bytes | str) -> list[tuple[int, bytes]]:
    """The packets of one stacked frame: code and bytes."""
    assert isinstance(frame, bytes)
    found = []
    while frame:
        code, length = struct.unpack_from("<BH", frame)
        found.append((code, frame[:length]))
        frame = frame[length:]
    return found


RELIANCE, IDEA, NIFTY = ("NSE_EQ", "2885"), ("NSE_EQ", "14366"), ("IDX_I", "13")


def test_packets_have_the_sdk_s_layouts(scripted_market: Any, attach: Any) -> None:
    market = scripted_market()
    ws = attach(market)
    reader = object.__new__(MarketFeed)
    for code, size, name in ((15, 16, "Ticker Data"), (17, 50, "Quote Data"), (21, 162, "Full Data")):
        ask(ws, code, RELIANCE)
        (first, previous), (_, data) = split(ws.recv(5))
        assert (first, len(previous), len(data)) == (6, 16, size)
        assert reader.process_data(previous)["prev_close"] == "1290.00"
        got = reader.process_data(data)
        assert (got["type"], got["exchange_segment"], got["security_id"]) == (name, 1, 2885)
        assert (got["LTP"], got["LTT"]) == ("1300.00", "09:15:00")  # India's clock, called UTC
    assert (got["LTQ"], got["volume"], got["open"], got["close"]) == (1000, 1000, "1300.00", "1290.00")
    assert (got["total_sell_quantity"], got["total_buy_quantity"]) == (500, 500)
    assert got["depth"][4] == {
        "bid_quantity": 100, "ask_quantity": 100, "bid_orders": 1, "ask_orders": 1,
        "bid_price": "1299.50", "ask_price": "1300.50",
    }  # fmt: skip


def test_a_step_is_one_stacked_frame(scripted_market: Any, attach: Any) -> None:
    market = scripted_market()
    ws = attach(market)
    ask(ws, 15, RELIANCE, IDEA, NIFTY, ("NSE_EQ", "99999"))
    assert [code for code, _ in split(ws.recv(5))] == [6, 2, 6, 2, 6, 2]
    market.step(2)
    first, second = split(ws.recv(5)), split(ws.recv(5))
    assert [struct.unpack_from("<I", data, 4)[0] for _, data in first] == [2885, 13]  # IDEA did not trade
    assert [struct.unpack_from("<I", data, 4)[0] for _, data in second] == [2885, 14366, 13]
    assert {struct.unpack_from("<I", data, 12)[0] % 86_400 for _, data in second} == {IST_0915 + 2}


def test_subscriptions_end_and_the_client_leaves(scripted_market: Any, attach: Any) -> None:
    market = scripted_market()
    ws = attach(market)
    ask(ws, 15, RELIANCE, NIFTY)
    ws.recv(5)
    ask(ws, 18, RELIANCE)  # not its mode: nothing happens
    ask(ws, 16, RELIANCE)
    ws.send("no json")
    ask(ws, 15, IDEA)
    ws.recv(5)
    market.step()
    assert [struct.unpack_from("<I", data, 4)[0] for _, data in split(ws.recv(5))] == [13]
    ws.send(json.dumps({"RequestCode": 12}))
    with pytest.raises(ConnectionClosed):
        ws.recv(5)


def test_the_sixth_socket_throws_the_oldest_out(scripted_market: Any, attach: Any) -> None:
    market = scripted_market()
    sockets = [attach(market) for _ in range(6)]
    [(code, data)] = split(sockets[0].recv(5))
    assert (code, struct.unpack("<BHBIH", data)[4]) == (50, 805)
    with pytest.raises(ConnectionClosed):
        sockets[0].recv(5)
    ask(sockets[1], 15, RELIANCE)
    assert sockets[1].recv(5)


@pytest.mark.parametrize(("words", "reason"), [({"token": "wrong"}, 809), ({"client_id": "1"}, 808)])
def test_strangers_are_told_why(scripted_market: Any, attach: Any, words: dict[str, str], reason: int) -> None:
    ws = attach(scripted_market(), **words)
    assert struct.unpack("<BHBIH", ws.recv(5))[4] == reason
    with pytest.raises(ConnectionClosed):
        ws.recv(5)


def test_an_expired_token_ends_a_running_feed(scripted_market: Any, attach: Any) -> None:
    market = scripted_market()
    ws = attach(market)
    ask(ws, 15, RELIANCE)
    ws.recv(5)
    request = urllib.request.Request(f"{market.control}/switches", b'{"dhan": {"expired": true}}')
    urllib.request.urlopen(request).close()
    market.step()
    assert struct.unpack("<BHBIH", ws.recv(5))[4] == 807
    assert struct.unpack("<BHBIH", attach(market).recv(5))[4] == 807


def test_more_than_a_hundred_in_one_message_is_too_much(scripted_market: Any, attach: Any) -> None:
    ws = attach(scripted_market())
    ask(ws, 15, *[("NSE_EQ", str(number)) for number in range(101)])
    assert struct.unpack("<BHBIH", ws.recv(5))[4] == 804


def test_the_market_s_closing_is_told_in_packet_7(scripted_market: Any, attach: Any) -> None:
    market = scripted_market(prices=[1_300_00, 1_300_00, 1_300_00])
    ws = attach(market)
    ask(ws, 15, RELIANCE)
    ws.recv(5)
    core = market.exchange.core
    market.call(market.exchange.dhan.feed.publish(core.now, []))
    core.advance(core.now + 9 * 3600 * 10**9)
    market.call(market.exchange.dhan.feed.publish(core.now, []))
    assert split(ws.recv(5)) == [(7, struct.pack("<BHBI", 7, 8, 1, 0))]


def test_derivatives_bring_open_interest(scripted_market: Any, attach: Any) -> None:
    market = scripted_market(around=lambda day: WithOptions(day, strikes=1))
    option = market.exchange.core.positions and next(
        line for line in market.exchange.tape.lines.values() if line.instrument.segment == "NSE_FNO" and line.tick
    )
    ws = attach(market)
    ask(ws, 17, ("NSE_FNO", option.instrument.dhan_id))
    codes = split(ws.recv(5))
    assert [code for code, _ in codes] == [6, 4, 5]
    assert struct.unpack("<BHBII", codes[2][1])[4] > 0
    assert len(codes[2][1]) == 12


@pytest.mark.parametrize("kind", ["stale_feed", "garbled", "disconnect", "duplicate", "delay", "drop_after_accept"])
def test_faults_on_the_feed(scripted_market: Any, attach: Any, kind: str) -> None:
    rule = {"kind": kind, "endpoint": "dhan.feed", "count": 1, "delay": 0.01}
    market = scripted_market(faults={"rules": [rule]})
    ws = attach(market)
    ask(ws, 15, RELIANCE)
    ws.recv(5)
    market.step(2)
    if kind == "disconnect":
        with pytest.raises(ConnectionClosed):
            ws.recv(5)
        return
    first = ws.recv(5)
    if kind == "garbled":
        assert first[0] == 0xFF
    elif kind == "duplicate":
        assert ws.recv(5) == first
    elif kind == "drop_after_accept":
        with pytest.raises(ConnectionClosed):
            ws.recv(5)
    else:
        second = struct.unpack_from("<I", split(first)[0][1], 12)[0] % 86_400 - IST_0915
        assert second == (2 if kind == "stale_feed" else 1)


def test_what_does_not_fit_a_field_wraps_and_never_fails(scripted_market: Any) -> None:
    market = scripted_market()
    line = market.exchange.tape.lines["NSE_EQ:RELIANCE"]
    line.last_quantity = 70_000
    made = packets.LinePackets(line).of(packets.QUOTE)
    assert struct.unpack_from("<H", made, 12)[0] == 70_000 - 65_536


def test_the_sdk_s_feed_runs(scripted_market: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    market = scripted_market()
    monkeypatch.setattr(MarketFeed, "market_feed_wss", f"ws://127.0.0.1:{market.exchange.ports.dhan}/feed")
    monkeypatch.setattr(dhanhq.marketfeed, "print", lambda *_: None, raising=False)
    seen: list[Any] = []
    ready = threading.Event()

    def run() -> None:
        feed = MarketFeed(DhanContext(ACCOUNT.client_id, ACCOUNT.dhan_token), [(1, "2885", 21)])
        feed.loop.run_until_complete(feed.connect())
        feed.get_data()  # the previous close, stacked before the snapshot
        ready.set()
        seen.append(feed.get_data())
        feed.loop.run_until_complete(feed.disconnect())
        asyncio.set_event_loop(None)
        feed.loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(30)
    market.step()
    thread.join(5)
    [got] = seen
    assert (got["type"], got["LTP"], got["LTT"]) == ("Full Data", "1300.00", "09:15:01")


def test_the_sdk_s_depth_has_twenty_levels(scripted_market: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    market = scripted_market()
    monkeypatch.setattr(FullDepth, "depth_20_feed_wss", f"ws://127.0.0.1:{market.exchange.ports.dhan}/twentydepth")
    monkeypatch.setattr(dhanhq.fulldepth, "print", lambda *_: None, raising=False)
    depth = FullDepth(DhanContext(ACCOUNT.client_id, ACCOUNT.dhan_token), [(1, "2885")], 20)
    seen: list[Any] = []
    depth.on_ticks = seen.append
    depth.loop.run_until_complete(depth.connect())
    depth.get_data()
    depth.loop.run_until_complete(depth.ws.close())
    asyncio.set_event_loop(None)
    depth.loop.close()
    [got] = seen
    assert (got["exchange_segment"], got["security_id"], len(got["depth"])) == (1, 2885, 20)
    assert got["depth"][0].startswith("bid : {price:1299.90, quantity:100")
    assert got["depth"][19].startswith("bid : {price:1298.00, quantity:100")


def test_fifty_instruments_are_the_most_on_the_depth(scripted_market: Any, attach: Any) -> None:
    market = scripted_market(around=lambda day: WithOptions(day, strikes=10))
    options = [line.instrument for line in market.exchange.tape.lines.values() if line.instrument.strike]
    ws = attach(market, "twentydepth")
    ask(ws, 23, *[("NSE_FNO", each.dhan_id) for each in options[:51]])
    assert struct.unpack("<hBBiIH", ws.recv(5)) == (14, 50, 0, 0, 804, 804)


def test_two_hundred_levels_of_one_instrument(scripted_market: Any, attach: Any) -> None:
    market = scripted_market()
    ws = attach(market, "twohundreddepth")
    wanted = {"RequestCode": 23, "ExchangeSegment": "NSE_EQ", "SecurityId": "2885"}
    ws.send(json.dumps(wanted))
    frame = ws.recv(5)
    (length, code, segment, security, rows) = struct.unpack_from("<hBBiI", frame)
    assert (length, code, segment, security, rows) == (12 + 200 * 16, 41, 1, 2885, 200)
    assert struct.unpack_from("<dII", frame, 12 + 199 * 16) == (1_280.0, 100, 1)
    assert struct.unpack_from("<hBBiI", frame, length)[1:] == (51, 1, 2885, 200)
    ask(ws, 25, RELIANCE)
    ask(ws, 23, NIFTY, ("BSE_EQ", "500325"))  # NSE's shares and derivatives only: nothing happens
    ws.send(json.dumps(wanted))
    assert ws.recv(5)[:4] == frame[:4]
    ws.send(json.dumps(wanted | {"SecurityId": "14366"}))
    assert struct.unpack("<hBBiIH", ws.recv(5))[4] == 804


def test_the_sdk_reads_two_hundred_levels_and_why_a_depth_socket_ends(
    scripted_market: Any, attach: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    market = scripted_market()
    reader = object.__new__(FullDepth)
    reader.depth_level = 200
    line = market.exchange.tape.lines["NSE_EQ:RELIANCE"]
    got = reader.process_data(packets.LinePackets(line).depth(200))
    assert (got["type"], len(got["depth"]), got["depth"][0]["price"]) == ("Bid", 200, 1_299.9)
    assert len(reader.process_data(got["remaining_data"])["depth"]) == 200
    assert reader.process_data(attach(market, "twentydepth", token="wrong").recv(5)) is None
    assert reader.on_close
    assert "Authentication Failed" in capsys.readouterr().out


def test_a_desk_fed_by_dhan_is_waited_for_by_its_last_trade_time(scripted_market: Any, attach: Any) -> None:
    market = scripted_market()
    ws = attach(market)
    ask(ws, 15, IDEA)
    ws.recv(5)
    steps = market.exchange.steps
    market.call(market.pace.ack(market.exchange.tape.now, 0))
    deadline = time.monotonic() + 30
    while market.exchange.steps < steps + 2 and time.monotonic() < deadline:
        time.sleep(0.005)  # IDEA trades every other second: the step without it goes by
    assert market.exchange.steps == steps + 2
    assert split(ws.recv(5))
