"""Bad input through the real wire: the SDKs' own sockets on one side, a market that misbehaves on the other.

The desk is a process of its own (``saudagar run``), the exchange runs in a thread here, in lock-step, so that a test
can put raw bytes between two frames and compare the day's trades with those of a quiet day.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from saudagar.engine.state import State
from saudagar.exchange.control import Tokens
from saudagar.exchange.process import Account
from saudagar.exchange.server import RunningExchange, serve
from saudagar.exchange.synthetic import SyntheticDay
from saudagar.exchange.universe import universe
from saudagar.model import Nanos, Tick
from saudagar.model import events as ev
from saudagar.storage.journal import read_journal, verify_journal

pytestmark = pytest.mark.unmeasured

SAUDAGAR = str(Path(sys.executable).with_name("saudagar"))
DAY = date(2026, 11, 20)
CANARY = "canary-4711-"
DESK = """
[desk]
name = "BAD"
mode = "simulation"
capital = 10000000
directory = "desk"

[risk]
max_order_value = 400000
day_loss = 0

[session]
no_entry_before = "09:15"
no_entry_after = "09:34"
square_off = "09:36"

[strategies.quick]
kind = "ema_cross"
interval = "1m"
instruments = ["NSE:RELIANCE", "NSE:HDFCBANK", "NSE:INFY", "NSE:TCS"]
params = { fast = 2, slow = 3 }
size = { quantity = 100 }
exits = { stop = "0.4%", target = "0.4%" }
"""

Step = Callable[["Market", Nanos], None]


class Said(NamedTuple):
    """How a desk ended."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        assert self.code == 0, self.err
        report: dict[str, Any] = json.loads(self.out)
        return report


class EventfulDay(SyntheticDay):
    """Twenty-five minutes of four shares and NIFTY; before a step, what the test wants to happen."""

    def __init__(self, happens: dict[int, Step]) -> None:
        super().__init__(7, DAY, universe(13), start="09:15", end="09:40")
        self.happens = happens
        self.market: Market | None = None

    def steps(self) -> Iterator[tuple[Nanos, list[Tick]]]:
        for number, (ts, ticks) in enumerate(super().steps()):
            if number in self.happens:
                assert self.market is not None
                self.happens[number](self.market, ts)
            yield ts, ticks


class Market:
    """The exchange in a thread, and the desks that trade there."""

    def __init__(self, folder: Path, happens: dict[int, Step], **options: Any) -> None:
        self.folder = folder
        self.journal = folder / "desk" / "journal.db"
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self._sending: list[asyncio.Future[None]] = []
        day = EventfulDay(happens)
        day.market = self
        account = Account(capital=1_00_00_000_00, dhan_token="simulated-dhan-token")
        self.exchange: RunningExchange = self.call(serve(day, lockstep=True, hold=True, account=account, **options))
        (folder / "desk.toml").write_text(DESK)

    def call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(15)

    def send(self, message: bytes | str) -> None:
        """Put one message of ours on the feed; called in the exchange's own thread."""
        for subscriber in self.exchange.feed._subscribers:
            ws = subscriber.ws
            task = ws.send_str(message) if isinstance(message, str) else ws.send_bytes(message)
            self._sending.append(asyncio.ensure_future(task))

    def start(self, *, before: Callable[[], None] | None = None, **environment: str) -> subprocess.Popen[str]:
        """Start ``saudagar run``."""
        ports = self.exchange.ports
        return subprocess.Popen(
            [
                SAUDAGAR,
                "run",
                "desk.toml",
                "--json",
                "--exchange-ports",
                f"{ports.upstox},{ports.dhan},{ports.control}",
            ],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=before,
            env={k: v for k, v in os.environ.items() if not k.startswith(("SAUDAGAR_", "COV"))} | environment,
        )

    def desk(self, **options: Any) -> Said:
        """Run a desk until it ends."""
        child = self.start(**options)
        try:
            out, err = child.communicate(timeout=90)
        except subprocess.TimeoutExpired:
            child.kill()
            raise AssertionError(f"the desk did not end: {child.communicate()}") from None
        assert "Traceback" not in err
        return Said(child.returncode, out, err)

    def events(self, kind: type[Any] = object) -> list[Any]:
        return [entry.event for entry in read_journal(self.journal) if isinstance(entry.event, kind)]

    def orders(self) -> list[dict[str, Any]]:
        """The exchange's order book."""
        found: list[dict[str, Any]] = self.exchange.state()["orders"]
        return found

    def agree(self) -> None:
        """The desk's book against the exchange's: every order known, no fill lost, nothing twice."""
        assert verify_journal(self.journal).sound
        state = State.replay(entry.event for entry in read_journal(self.journal))
        tags = [order["tag"] for order in self.orders()]
        assert len(tags) == len(set(tags))
        for order in self.orders():
            assert state.orders[order["tag"]].filled == order["filled"], order

    def close(self) -> None:
        self.call(self.exchange.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Callable[..., Market]]:
    """Makes markets: ``market({step: what happens before it}, faults=…)``."""
    with ExitStack() as stack:

        def make(happens: dict[int, Step] | None = None, **options: Any) -> Market:
            folder = tmp_path / f"market-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            made = Market(folder, happens or {}, **options)
            stack.callback(made.close)
            return made

        yield make


def frame(ts: Nanos, key: str, ltp: float, volume: int = 1_000) -> bytes:
    """One instrument in a frame of Upstox's, as the SDK's own classes write it."""
    from upstox_client.feeder.proto import MarketDataFeedV3_pb2 as pb

    response = pb.FeedResponse(type=pb.live_feed, currentTs=ts // 1_000_000)
    full = response.feeds[key].fullFeed.marketFF
    full.ltpc.ltp, full.ltpc.ltt, full.vtt = ltp, ts // 1_000_000, volume
    data: bytes = response.SerializeToString()
    return data


RELIANCE = "NSE_EQ|INE002A01018"
BAD_PRICES = (float("nan"), float("inf"), -float("inf"), 0.0, -1_400.0, 1e12, 1e-9)
BAD_FRAMES: tuple[bytes | str, ...] = (
    "hello",
    '{"type": "live_feed"}',
    b"",
    b"\xff\xff\xff\xff",
    b"\x12\x7f\x0a",
    bytes(64),
)


def everything_bad(market: Market, ts: Nanos) -> None:
    for price in BAD_PRICES:
        market.send(frame(ts, RELIANCE, price))
    market.send(frame(ts, "NSE_EQ|INE000000000", 1_400.0))
    market.send(frame(ts, "", 1_400.0))
    market.send(frame(ts, RELIANCE, 1_400.0, volume=-5))
    for message in BAD_FRAMES:
        market.send(message)
    market.send(frame(0, RELIANCE, 1_400.0))
    market.send(frame(-ts, RELIANCE, 1_400.0))


def test_bad_frames_are_counted_and_change_nothing(market: Callable[..., Market]) -> None:
    quiet, loud = market(), market(dict.fromkeys(range(60, 1200, 57), everything_bad))
    times = len(range(60, 1200, 57))
    expected = quiet.desk().report
    report = loud.desk().report
    assert len(expected["trades"]) > 5
    assert report["trades"] == expected["trades"]
    refused = report["run"]["refused"]
    assert refused["bad price"] == times * len(BAD_PRICES)
    assert refused["unknown instrument"] == times * 2
    assert refused["bad volume"] == times
    assert refused["bad frame"] == times * (len(BAD_FRAMES) + 2)
    loud.agree()


def test_a_volume_beyond_all_measure_ends_nothing(market: Callable[..., Market]) -> None:
    place = market({300: lambda market, ts: market.send(frame(ts, RELIANCE, 1_410.0, volume=2**62))})
    report = place.desk().report
    assert report["run"]["refused"]["volume"] == 1
    assert report["open"] == []
    place.agree()


def test_garbled_messages_on_both_streams_lose_no_fill(market: Callable[..., Market]) -> None:
    rules = [
        {"kind": "garbled", "endpoint": "dhan.updates", "probability": 0.2},
        {"kind": "garbled", "endpoint": "upstox.feed", "probability": 0.01},
    ]
    place = market(faults={"seed": 3, "rules": rules})
    report = place.desk().report
    assert report["run"]["refused"]["bad order update"] > 3
    assert report["run"]["refused"]["bad frame"] > 3
    assert report["open"] == []
    assert report["orders"]["unknown"] == 0
    place.agree()


@pytest.mark.parametrize(("wrong", "name"), [("upstox", "UPSTOX"), ("dhan", "DHAN")])
def test_a_wrong_token_is_told_before_the_day_begins(market: Callable[..., Market], wrong: str, name: str) -> None:
    place = market()
    place.exchange._renew(Tokens(**{wrong: "another"}))
    said = place.desk()
    assert said.code == 5
    answer = json.loads(said.out)
    assert answer["error"] == "AuthError"
    assert answer["message"] == f"{name.capitalize()} refused the token."
    assert f"SAUDAGAR_{name}_TOKEN" in answer["hint"]
    assert "simulated" not in said.out + said.err
    assert place.orders() == []


def test_a_token_that_ends_in_mid_session_leaves_the_stops(market: Callable[..., Market]) -> None:
    """From then on: one alert, no order any more, what rests at the broker stays, and no hammering."""
    before: dict[str, Any] = {}

    def expire(market: Market, ts: Nanos) -> None:
        before.update(ts=ts, orders={order["tag"]: order["status"] for order in market.orders()})
        market.exchange._renew(Tokens(dhan="renewed elsewhere"))

    place = market({600: expire})
    report = place.desk().report
    resting = {tag for tag, status in before["orders"].items() if status == "TRIGGER_PENDING"}
    assert resting
    after = {order["tag"]: order["status"] for order in place.orders()}
    assert after.keys() == before["orders"].keys(), "no order came after the token had ended"
    assert {after[tag] for tag in resting} <= {"TRIGGER_PENDING", "FILLED", "EXPIRED"}
    later = [event for event in place.events() if event.ts >= before["ts"]]
    alerts = [event.message for event in later if isinstance(event, ev.Alerted) and event.level == "critical"]
    assert sum("Invalid Token" in message for message in alerts) == 1
    denied = {event.rule for event in later if isinstance(event, ev.IntentDenied)}
    assert "frozen" in denied
    assert denied <= {"frozen", "entry-window"}
    assert sum(isinstance(event, ev.ModifyRequested | ev.CancelRequested) for event in later) < 10
    assert report["orders"]["unknown"] == 0


def test_after_a_silent_feed_old_prices_open_nothing(market: Callable[..., Market]) -> None:
    """The feed says nothing for half a minute around each second end of a bar; the signals that follow are stale."""
    rules = [{"kind": "stale_feed", "endpoint": "upstox.feed", "skip": 45 + 90 * k, "count": 30} for k in range(9)]
    place = market(faults={"rules": rules})
    report = place.desk().report
    stale = [event for event in place.events(ev.IntentDenied) if event.rule == "stale-price"]
    assert stale
    entered = {event.ts for event in place.events(ev.TargetSet) if event.quantity}
    assert entered.isdisjoint(event.ts for event in stale)
    assert report["open"] == []
    place.agree()


def test_secrets_are_nowhere_to_be_read(market: Callable[..., Market]) -> None:
    """Not on any output at debug level, not in what the desk writes, not in a command line of its processes."""
    place = market()
    (place.folder / ".env").write_text(f"SAUDAGAR_UPSTOX_TOKEN={CANARY}file\n")
    (place.folder / ".env").chmod(0o600)
    (place.folder / "desk.toml").write_text(DESK + '[secrets]\nfile = ".env"\n')
    (place.folder / "sitecustomize.py").write_text("import logging\nlogging.basicConfig(level=logging.DEBUG)\n")
    child = place.start(
        SAUDAGAR_DHAN_TOKEN=f"{CANARY}dhan",
        SAUDAGAR_DHAN_CLIENT_ID=f"{CANARY}id",
        PYTHONPATH=os.pathsep.join(filter(None, (str(place.folder), os.environ.get("PYTHONPATH")))),
        PYTHONASYNCIODEBUG="1",
    )
    lines: set[bytes] = set()
    environments: list[bytes] = []
    while child.poll() is None:
        for pid in family(child.pid):
            try:
                lines.add(line := Path(f"/proc/{pid}/cmdline").read_bytes())
                if b"saudagar.brokers.child" in line:  # not still the desk, between fork and exec
                    environments.append(Path(f"/proc/{pid}/environ").read_bytes())
            except OSError:
                continue
        time.sleep(0.1)
    out, err = child.communicate()
    assert child.returncode == 0, err
    assert "DEBUG" in err
    assert any(b"saudagar.brokers.child" in line for line in lines)
    files = {path: path.read_bytes() for path in (place.folder / "desk").iterdir() if path.is_file()}
    assert len(files) >= 3
    told = {"out": out.encode(), "err": err.encode(), "lines": b"".join(lines), "env": b"".join(environments)}
    for where, text in (told | files).items():
        for secret in (CANARY, "simulated-dhan-token", "simulated-upstox-token"):
            assert secret.encode() not in text, (where, secret)


def family(pid: int) -> list[int]:
    """`pid` and all below it."""
    try:
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(found for child in below for found in family(int(child)))]
