"""`saudagar doctor`: what each finding follows from. `contract/test_doctor_exchange.py` has it all over the wire."""

from __future__ import annotations

import asyncio
import fcntl
import http.server
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.doctor_room import AUTH, CONFIG, DOWN, FRIDAY, NOW, SBIN, TOKENS, UP, Client, door, room, told

from saudagar.app import doctor_broker, doctor_machine
from saudagar.app.config import DeskConfig, parse
from saudagar.app.desk import JOURNAL
from saudagar.app.doctor_broker import address_of, standing_of, streams_of
from saudagar.app.doctor_machine import Verdict
from saudagar.app.simulated import Simulated
from saudagar.brokers.login import Standing
from saudagar.engine.clock import wall_clock
from saudagar.execution.ports import LinkState
from saudagar.market.ist import DAY
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import SECOND
from saudagar.model import events as ev
from saudagar.model.errors import AuthError, BrokerError, RateLimited
from saudagar.storage.journal import SqliteJournal


@pytest.fixture
def config(tmp_path: Path) -> DeskConfig:
    return parse(CONFIG, tmp_path / "desk.toml", TOKENS)


@pytest.mark.parametrize(
    ("expires", "remark", "said"),
    [
        (NOW + DAY, "", "OK good until 21 November 08:30 IST"),
        (NOW + 3600 * SECOND, "", "WARN ends at 20 November 09:30 IST, before the market closes"),
        (NOW, "", "FAIL ended at 20 November 08:30 IST"),
        (NOW + DAY, "the data plan is Deactive", "WARN good until 21 November 08:30 IST; the data plan is Deactive"),
    ],
)
def test_token(config: DeskConfig, monkeypatch: pytest.MonkeyPatch, expires: int, remark: str, said: str) -> None:
    door(monkeypatch, Standing(expires=expires, skew=0, remark=remark))
    token, _ = standing_of(room(config), "dhan")
    assert told(token) == said


@pytest.mark.parametrize(
    ("skew", "verdict"), [(0, "OK"), (1.4, "OK"), (-1.4, "OK"), (2.0, "WARN"), (-2.0, "WARN"), (-6.0, "FAIL")]
)
def test_clock(config: DeskConfig, monkeypatch: pytest.MonkeyPatch, skew: float, verdict: str) -> None:
    door(monkeypatch, Standing(expires=NOW + DAY, skew=round(skew * SECOND), doubt=SECOND // 2))
    _, clock = standing_of(room(config), "dhan")
    assert clock.verdict == verdict
    assert clock.detail == f"{-skew:+.1f} s, give or take 0.5 s"
    door(monkeypatch, Standing(expires=NOW + DAY))
    assert standing_of(room(config), "dhan")[1].verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("error", "verdict", "advice"),
    [
        (AuthError("no."), "FAIL", "saudagar login dhan"),
        (BrokerError("no."), "FAIL", "connection"),
        (RateLimited("slower."), "WARN", "minute"),
    ],
)
def test_a_broker_that_does_not_take_the_token(
    config: DeskConfig, monkeypatch: pytest.MonkeyPatch, error: Exception, verdict: str, advice: str
) -> None:
    door(monkeypatch, error)
    (finding,) = standing_of(room(config), "dhan")
    assert finding.verdict == verdict
    assert advice in finding.advice


def test_a_missing_token_is_no_request(tmp_path: Path) -> None:
    simulation = parse(CONFIG.replace("live", "simulation"), tmp_path / "desk.toml", {})
    for broker in ("dhan", "upstox", "kite"):
        (finding,) = standing_of(room(simulation), broker)
        assert told(finding) == f"FAIL there is no token of {broker}."
        assert finding.advice == f"Run: saudagar login {broker}"


@pytest.fixture
def mirror() -> Iterator[str]:
    """A service that tells addresses; whatever is its path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.path.strip("/").encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_address_by_a_service_that_the_user_named(
    config: DeskConfig, monkeypatch: pytest.MonkeyPatch, mirror: str
) -> None:
    door(monkeypatch, addresses=("203.0.113.7", "203.0.113.8"))
    there = room(config, ip_url=f"{mirror}203.0.113.8")
    assert told(address_of(there, "dhan")) == f"OK 203.0.113.8 is registered ({mirror}203.0.113.8 says so)"
    elsewhere = address_of(room(config, ip_url=f"{mirror}203.0.113.9"), "dhan")
    assert told(elsewhere).startswith("FAIL 203.0.113.9 is not registered; 203.0.113.7, 203.0.113.8 is")
    for odd in (f"{mirror}%3Chtml%3E", "http://127.0.0.1:9/"):
        assert "gave no address" in told(address_of(room(config, ip_url=odd), "dhan"))


def test_the_simulated_exchange_asks_for_no_address(config: DeskConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    door(monkeypatch, addresses=())
    finding = address_of(room(config, simulated=Simulated("1,2,3")), "dhan")
    assert told(finding) == "OK none is registered, and the simulated exchange asks for none"


@pytest.mark.parametrize(
    ("own", "registered", "said"),
    [
        ("8.8.8.8", ("8.8.8.8",), "OK 8.8.8.8 is registered (this machine's own address)"),
        ("8.8.4.4", ("8.8.8.8",), "FAIL 8.8.4.4 is not registered; 8.8.8.8 is (this machine's own address)"),
        ("10.0.0.5", ("8.8.8.8",), "WARN registered: 8.8.8.8; this machine has 10.0.0.5 behind a router"),
        ("", ("8.8.8.8",), "WARN registered: 8.8.8.8; this machine's outgoing address is not known"),
        ("10.0.0.5", (), "FAIL no static address is registered: orders will be refused"),
        ("8.8.8.8", None, "WARN kite does not tell which are registered"),
        ("8.8.8.8", BrokerError("no answer."), "WARN the registered addresses are not known: no answer."),
    ],
)
def test_address_without_a_third_party(
    config: DeskConfig, monkeypatch: pytest.MonkeyPatch, own: str, registered: Any, said: str
) -> None:
    class Probe:
        def __init__(self, *_: Any) -> None:
            pass

        def __enter__(self) -> Probe:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def connect(self, where: tuple[str, int]) -> None:
            if not own:
                raise OSError("no route")

        def getsockname(self) -> tuple[str, int]:
            return own, 1

    monkeypatch.setattr(doctor_broker.socket, "socket", Probe)
    monkeypatch.setattr(doctor_broker, "urlopen", lambda *_, **__: pytest.fail("a third party was asked"))
    door(monkeypatch, addresses=registered)
    assert told(address_of(room(config), "kite")).startswith(said)


def streams(
    config: DeskConfig, monkeypatch: pytest.MonkeyPatch, feed: Client, desk: Client, open_now: bool = True
) -> list[str]:
    monkeypatch.setattr(doctor_broker, "_SETTLE", 0.01)
    monkeypatch.setattr(doctor_broker, "data_client", lambda *_: feed)
    monkeypatch.setattr(doctor_broker, "execution_client", lambda *_: desk)
    found = asyncio.run(streams_of(room(config), Master(FRIDAY, (SBIN,)), SBIN, open_now, True))
    assert (feed.stopped, desk.stopped) == (1, 1)
    return [told(finding) for finding in found]


@pytest.mark.parametrize(
    ("states", "ticks", "open_now", "said"),
    [
        ([UP], True, True, "OK a tick of NSE_EQ:SBIN came"),
        ([UP], False, True, "FAIL connected, but no tick of NSE_EQ:SBIN within 0.2 s"),
        ([UP], False, False, "OK connected; the market is closed, so no tick was waited for"),
        ([DOWN], False, True, "FAIL did not connect: why"),
        ([], False, True, "FAIL did not connect"),
        ([AUTH], False, True, "FAIL the token is refused: why"),
        ([UP, AUTH], False, True, "FAIL the token is refused: why"),
        ([UP, DOWN, UP], True, True, "OK a tick of NSE_EQ:SBIN came"),
    ],
)
def test_feed(
    config: DeskConfig, monkeypatch: pytest.MonkeyPatch, states: list[LinkState], ticks: bool, open_now: bool, said: str
) -> None:
    desk = Client([UP], funds=10_00_000_00)
    assert streams(config, monkeypatch, Client(states, ticks), desk, open_now)[0] == said


@pytest.mark.parametrize(
    ("states", "funds", "said"),
    [
        ([UP], 1_00_000_00, ["OK connected", "OK ₹1,00,000.00 available"]),
        ([UP], 99_999_99, ["OK connected", "WARN ₹99,999.99 available, less than the desk's capital of ₹1,00,000.00"]),
        ([UP, AUTH], AuthError("no."), ["FAIL the token is refused: why", "FAIL no."]),
        ([UP], BrokerError("garbled."), ["OK connected", "FAIL garbled."]),
    ],
)
def test_orders_and_funds(
    config: DeskConfig, monkeypatch: pytest.MonkeyPatch, states: list[LinkState], funds: Any, said: list[str]
) -> None:
    assert streams(config, monkeypatch, Client([UP]), Client(states, funds=funds))[1:] == said


def test_streams_without_tokens(tmp_path: Path) -> None:
    simulation = parse(CONFIG.replace("live", "simulation"), tmp_path / "desk.toml", {})
    found = asyncio.run(streams_of(room(simulation), Master(FRIDAY, (SBIN,)), SBIN, True, True))
    assert [told(finding) for finding in found] == [
        "FAIL there is no token of upstox.",
        "FAIL there is no token of dhan.",
    ]


def test_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = tmp_path / "not" / "yet"
    for free, verdict in ((1e6, "FAIL"), (1e9, "WARN"), (1e10, "OK")):
        monkeypatch.setattr(doctor_machine.shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        assert doctor_machine.space(where).verdict == verdict
    assert doctor_machine.sync(where).check == "fsync"
    for taken, verdict in ((19.0, "OK"), (21.0, "WARN")):
        monkeypatch.setattr(doctor_machine, "_sync_once", lambda _, taken=taken: taken)
        assert doctor_machine.sync(where).verdict == verdict

    def full(_: int) -> float:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(doctor_machine, "_sync_once", full)
    assert told(doctor_machine.sync(where)).endswith("No space left on device.")
    assert not where.exists()
    assert not list(tmp_path.iterdir())


def test_journal(tmp_path: Path) -> None:
    assert told(doctor_machine.journal(tmp_path)).startswith("OK none yet")
    path = tmp_path / JOURNAL
    book = SqliteJournal(path, wall_clock)
    book.append([ev.Alerted(ts=1, level="info", message="hello")])
    assert doctor_machine.desk_runs(tmp_path)
    book.close()
    assert not doctor_machine.desk_runs(tmp_path)
    assert told(doctor_machine.journal(tmp_path)) == "OK 1 entries, whole"
    path.write_bytes(b"no journal at all, but long enough to be one, if one does not look" * 20)
    finding = doctor_machine.journal(tmp_path)
    assert finding.verdict is Verdict.FAIL
    assert finding.advice


def test_looking_for_a_desk_takes_no_lock_away(tmp_path: Path) -> None:
    (tmp_path / f"{JOURNAL}.lock").touch()
    assert not doctor_machine.desk_runs(tmp_path)
    with (tmp_path / f"{JOURNAL}.lock").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert doctor_machine.desk_runs(tmp_path)


@pytest.mark.parametrize(
    ("of", "today", "said"),
    [
        (FRIDAY, FRIDAY, "OK 1 of 2026-11-20, all 1 of the desk among them"),
        (date(2026, 11, 19), FRIDAY, "FAIL the master is of 2026-11-19, today is 2026-11-20"),
        (FRIDAY, date(2026, 11, 22), "WARN the master is of 2026-11-20; 2026-11-22 is no trading day"),
        (FRIDAY, date(2030, 1, 1), "FAIL the master is of 2026-11-20, today is 2030-01-01"),
    ],
)
def test_master(config: DeskConfig, of: date, today: date, said: str) -> None:
    assert told(doctor_machine.master_of(config, Master(of, (SBIN,)), today, Calendar())) == said


def test_a_master_without_the_desk_s_instruments(config: DeskConfig) -> None:
    finding = doctor_machine.master_of(config, Master(FRIDAY, ()), FRIDAY, Calendar())
    assert told(finding).startswith("FAIL NSE:SBIN: ")
