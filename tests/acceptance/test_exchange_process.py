"""The simulated exchange as a process: a day in lock-step, desks and parents that die, faults, mistakes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from saudagar.exchange.pace import PaceClient
from saudagar.exchange.process import Account, ExchangeConfig, ExchangeProcess, RecordedSource, SyntheticSource
from saudagar.exchange.server import main
from saudagar.exchange.universe import universe
from saudagar.exchange.upstox.wire import message
from saudagar.market.ist import at
from saudagar.model.errors import BrokerError, DataError, SaudagarError

TICKS = Path(__file__).resolve().parents[2] / "../shared/fixtures/prices/ticks"
ACCOUNT = Account()
SYNTHETIC_DAY = date(2026, 11, 20)
SHORT = SyntheticSource(seed=7, instruments=6, start="09:15", end="09:16")


class Desk:
    """As little of a desk as lock-step needs: a feed, an order socket, an order now and then, acks when idle."""

    def __init__(self, exchange: ExchangeProcess, trade: bool = False) -> None:
        self.exchange = exchange
        self.frames: list[tuple[int, int]] = []  # currentTs (ms), how many instruments
        self.updates = 0
        self._trade = trade
        self._sent = 0

    async def run(self, frames: int | None = None) -> None:
        """Until the day is over, or for so many frames."""
        async with aiohttp.ClientSession() as session:
            orders = await session.ws_connect(self.exchange.order_feed_url, compress=0)
            login = {"MsgCode": 42, "ClientId": ACCOUNT.client_id, "Token": ACCOUNT.dhan_token}
            await orders.send_str(json.dumps({"LoginReq": login, "UserType": "SELF"}))
            feed = await self._subscribe(session)
            pace = await PaceClient.connect(self.exchange.pace_url)
            try:
                await self._loop(session, feed, orders, pace, frames)
            finally:
                await pace.close()

    async def _subscribe(self, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        headers = {"Authorization": f"Bearer {ACCOUNT.upstox_token}"}
        feed = await session.ws_connect(self.exchange.feed_url, headers=headers, compress=0)
        keys = [each.upstox_id for each in universe(6)]
        request = {"guid": "1", "method": "sub", "data": {"mode": "full", "instrumentKeys": keys}}
        await feed.send_bytes(json.dumps(request).encode())
        return feed

    async def _loop(self, session: Any, feed: Any, orders: Any, pace: PaceClient, frames: int | None) -> None:
        seen = 0
        reading = {"feed": asyncio.ensure_future(feed.receive()), "orders": asyncio.ensure_future(orders.receive())}
        done = asyncio.ensure_future(pace.done.wait())
        while not pace.done.is_set() and (frames is None or seen < frames):
            await asyncio.wait({*reading.values(), done}, return_when=asyncio.FIRST_COMPLETED)
            if reading["orders"].done():
                self.updates += reading["orders"].result().type is aiohttp.WSMsgType.TEXT
                reading["orders"] = asyncio.ensure_future(orders.receive())
            if reading["feed"].done():
                response = message("FeedResponse").FromString(reading["feed"].result().data)
                reading["feed"] = asyncio.ensure_future(feed.receive())
                if response.type != 2:
                    self.frames.append((response.currentTs, len(response.feeds)))
                    seen += 1
                    await self._order(session)
            if self.frames:
                await pace.ack(self.frames[-1][0] * 1_000_000, self.updates)
        for task in (*reading.values(), done):
            task.cancel()

    async def _order(self, session: aiohttp.ClientSession) -> None:
        if not self._trade or len(self.frames) % 5:
            return
        self._sent += 1
        stock = universe(6)[1 + self._sent % 5]
        body = {
            "transactionType": "BUY" if self._sent % 3 else "SELL",
            "exchangeSegment": "NSE_EQ",
            "productType": "INTRADAY",
            "orderType": "MARKET",
            "securityId": stock.dhan_id,
            "quantity": 25,
            "correlationId": f"T{self._sent}",
        }
        headers = {"access-token": ACCOUNT.dhan_token}
        async with session.post(f"{self.exchange.dhan_url}/orders", json=body, headers=headers) as response:
            assert response.status == 200, await response.text()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait(ready: Any, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def traded(seed: int) -> tuple[list[Any], Desk]:
    source = msgspec.structs.replace(SHORT, seed=seed)
    with ExchangeProcess(ExchangeConfig(source=source, lockstep=True)) as exchange:
        desk = Desk(exchange, trade=True)
        asyncio.run(asyncio.wait_for(desk.run(), 60))
        state = exchange.state()
        assert state["done"]
        assert state["steps"] == 61
        assert state["updates"] == desk.updates > 0
    return state["trades"], desk


def test_a_day_in_lock_step_gives_the_same_trades_every_time() -> None:
    first, desk = traded(7)
    assert len(first) >= 10
    times = [ts for ts, _ in desk.frames if ts >= at(SYNTHETIC_DAY, "09:15") // 1_000_000]
    assert times == list(range(times[0], times[0] + 61_000, 1000))  # every second, once
    assert traded(7)[0] == first
    assert traded(8)[0] != first


def test_the_market_waits_for_a_desk_that_was_lost_and_shows_it_where_it_stands() -> None:
    with ExchangeProcess(ExchangeConfig(source=SHORT, lockstep=True)) as exchange:
        assert exchange.state()["steps"] == 0
        lost = Desk(exchange)
        asyncio.run(asyncio.wait_for(lost.run(frames=10), 30))
        wait(lambda: exchange.state()["attached"] == 0)
        stood = exchange.state()["steps"]
        time.sleep(0.1)
        assert exchange.state()["steps"] == stood < 61
        found = Desk(exchange)
        asyncio.run(asyncio.wait_for(found.run(), 60))
        assert found.frames[0][0] in (lost.frames[-1][0], lost.frames[-1][0] + 1000)
        assert exchange.state()["done"]
        assert asyncio.run(signed(exchange)).done


async def signed(exchange: ExchangeProcess) -> Any:
    pace = await PaceClient.connect(exchange.pace_url)
    try:
        assert pace.done.is_set() is pace.sign.done
        return pace.sign
    finally:
        await pace.close()


def test_without_lock_step_the_day_runs_by_itself_at_its_speed() -> None:
    begun = time.monotonic()
    with ExchangeProcess(ExchangeConfig(source=SHORT, speed=200)) as exchange:
        wait(lambda: exchange.state()["done"])
        state = exchange.state()
        assert time.monotonic() - begun >= 0.3
        assert state["steps"] == state["frames"] == 61
        assert state["now"] == at(SYNTHETIC_DAY, "09:16")


def test_on_hold_the_market_begins_with_the_first_subscriber() -> None:
    async def look(exchange: ExchangeProcess) -> int:
        desk = Desk(exchange)
        async with aiohttp.ClientSession() as session:
            feed = await desk._subscribe(session)
            first = []
            while len(first) < 3:
                first.append(message("FeedResponse").FromString((await feed.receive()).data).currentTs)
        return int(first[2] - first[1])

    with ExchangeProcess(ExchangeConfig(source=SHORT, hold=True)) as exchange:
        time.sleep(0.05)
        assert exchange.state()["steps"] == 0
        assert asyncio.run(asyncio.wait_for(look(exchange), 10)) == 1000


def test_nothing_is_left_running() -> None:
    with ExchangeProcess(ExchangeConfig(source=SHORT)) as exchange:
        pid = exchange.pid
        assert exchange.running
        urllib.request.urlopen(f"http://127.0.0.1:{exchange.ports.control}/stop", b"").close()
        wait(lambda: not exchange.running)
    assert not alive(pid)
    pids: list[int] = []

    def fail(exchange: ExchangeProcess) -> None:
        pids.append(exchange.pid)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), ExchangeProcess(ExchangeConfig(source=SHORT)) as exchange:
        fail(exchange)
    wait(lambda: not alive(pids[0]))
    exchange.stop()  # twice is harmless


PARENT = """
import sys, time
from saudagar.exchange.process import *
with ExchangeProcess(ExchangeConfig(lockstep=True)) as exchange:
    print(exchange.pid, flush=True)
    time.sleep(60)
"""


def test_it_dies_with_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        try:
            assert alive(pid)
            os.kill(parent.pid, signal.SIGKILL)
            wait(lambda: not alive(pid))
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_faults_and_tokens_are_changed_while_it_runs() -> None:
    with ExchangeProcess(ExchangeConfig(source=SHORT, lockstep=True)) as exchange:
        assert funds(exchange) == 200
        exchange.set_faults({"rules": [{"kind": "429", "endpoint": "dhan.funds", "count": 1}]})
        assert (funds(exchange), funds(exchange)) == (429, 200)
        assert exchange.state()["calls"]["dhan.funds"] == 3
        with pytest.raises(DataError, match="kind"):
            exchange.set_faults({"rules": [{"kind": "earthquake"}]})
        exchange.set_tokens(dhan="tomorrow")
        assert (funds(exchange), funds(exchange, "tomorrow")) == (400, 200)
        with pytest.raises(DataError, match="lse"):
            exchange._call("POST", "/tokens", {"lse": "x"})
        exchange.disconnect()


def funds(exchange: ExchangeProcess, token: str = ACCOUNT.dhan_token) -> int:
    request = urllib.request.Request(f"{exchange.dhan_url}/fundlimit", headers={"access-token": token})
    try:
        with urllib.request.urlopen(request) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_desk_hears_that_the_exchange_has_gone() -> None:
    async def attached(exchange: ExchangeProcess) -> bool:
        pace = await PaceClient.connect(exchange.pace_url)
        await asyncio.to_thread(exchange.stop)
        await asyncio.wait_for(pace.done.wait(), 5)
        with pytest.raises(BrokerError, match="has gone"):
            await pace.ack(1, 0)
        await pace.close()
        return pace.lost

    with ExchangeProcess(ExchangeConfig(source=SHORT, lockstep=True)) as exchange:
        assert asyncio.run(attached(exchange))


def test_a_feed_that_stays_stale_does_not_stop_the_market() -> None:
    async def wait_for_the_end(exchange: ExchangeProcess) -> None:
        pace = await PaceClient.connect(exchange.pace_url)
        await asyncio.wait_for(pace.done.wait(), 10)
        await pace.close()

    faults = {"rules": [{"kind": "stale_feed", "endpoint": "upstox.feed"}]}
    with ExchangeProcess(ExchangeConfig(source=SHORT, lockstep=True, faults=faults)) as exchange:
        asyncio.run(wait_for_the_end(exchange))
        assert exchange.state()["steps"] == 61


def test_an_ack_that_is_none_hangs_up() -> None:
    async def talk(exchange: ExchangeProcess) -> int | None:
        async with aiohttp.ClientSession() as session, session.ws_connect(exchange.pace_url) as ws:
            await ws.receive()
            await ws.send_str('{"ts": "now"}')
            await ws.receive()
            return ws.close_code

    with ExchangeProcess(ExchangeConfig(source=SHORT, lockstep=True)) as exchange:
        assert asyncio.run(talk(exchange)) == 1007


@pytest.mark.parametrize(
    ("config", "code", "words"),
    [
        ("{", 2, "--json-config"),
        ('{"speeed": 1}', 2, "speeed"),
        ('{"source": {"type": "synthetic", "day": "20-11-2026"}}', 3, "2026-11-20"),
        ('{"source": {"type": "synthetic", "day": "2026-11-22"}}', 3, "no session"),
        ('{"source": {"type": "recorded", "files": []}}', 3, "no tick file"),
        ('{"source": {"type": "synthetic"}, "faults": {"rules": [{"kind": "delay"}]}}', 3, "delay"),
        ('{"source": {"type": "synthetic"}, "host": "203.0.113.7"}', 1, "203.0.113.7"),
    ],
)
def test_mistakes_are_told(capsys: pytest.CaptureFixture[str], config: str, code: int, words: str) -> None:
    assert main(["--json-config", config]) == code
    said = capsys.readouterr()
    assert words in said.err
    assert said.out == ""


def test_a_child_that_cannot_start_is_an_error() -> None:
    source = SyntheticSource(day="2026-11-22")
    with pytest.raises(SaudagarError, match="did not start"), ExchangeProcess(ExchangeConfig(source=source)):
        pass


def test_a_recorded_day_goes_out_as_found(tmp_path: Path) -> None:
    file = tmp_path / "RELIANCE_2021_16_April.csv"
    file.write_text(
        "timestamp,ltp,volume\n"
        "2021-04-16 09:15:00,1930.0,100\n"
        "1970-01-01 05:30:00,1931.0,110\n"  # a bad row, sent with its neighbours
        "2021-04-16 09:15:00,1932.0,120\n"
        "2021-04-16 09:15:02,1933.0,130\n"
    )

    async def look(exchange: ExchangeProcess) -> list[tuple[int, int, float]]:
        async with aiohttp.ClientSession() as session:
            headers = {"Authorization": f"Bearer {ACCOUNT.upstox_token}"}
            feed = await session.ws_connect(exchange.feed_url, headers=headers)
            key = "NSE_EQ|INE002A01018"
            request = {"method": "sub", "data": {"mode": "ltpc", "instrumentKeys": [key]}}
            await feed.send_bytes(json.dumps(request).encode())
            seen = []
            while len(seen) < 4:
                response = message("FeedResponse").FromString((await feed.receive()).data)
                if response.type == 1 and response.feeds:
                    ltpc = response.feeds[key].ltpc
                    seen.append((response.currentTs, ltpc.ltt, ltpc.ltp))
            return seen

    with ExchangeProcess(ExchangeConfig(source=RecordedSource(files=[str(file)]), hold=True)) as exchange:
        seen = asyncio.run(asyncio.wait_for(look(exchange), 20))
    opening = at(date(2021, 4, 16), "09:15") // 1_000_000
    assert [ltp for _, _, ltp in seen] == [1930.0, 1931.0, 1932.0, 1933.0]
    assert [ltt for _, ltt, _ in seen] == [opening, 0, opening, opening + 2000]
    assert [ts - opening for ts, _, _ in seen] == [-2, -1, 0, 2000]  # only a step's last frame has the step's time


@pytest.mark.unmeasured
def test_the_four_real_files_are_served() -> None:
    files = sorted(str(path) for path in TICKS.glob("*.csv.gz"))
    if not files:
        pytest.skip("the recorded ticks are not part of the project")
    with ExchangeProcess(ExchangeConfig(source=RecordedSource(files=files))) as exchange:
        wait(lambda: exchange.state()["steps"] > 2000, 30)
        assert exchange.running
