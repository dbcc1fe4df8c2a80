"""`saudagar journal`: what its commands print, as text and as JSON, and their exit codes."""

import json
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner, Result

from saudagar.app.journal import app
from saudagar.app.journal_words import _WORDS
from saudagar.engine.state import State
from saudagar.market.ist import at
from saudagar.model import (
    BrokerOrderId,
    ClientOrderId,
    InstrumentId,
    NewOrder,
    Offset,
    OrderStatus,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Protection,
    Purpose,
    Side,
    Source,
    TradingState,
)
from saudagar.model import events as ev
from saudagar.storage.journal import SqliteJournal

DAY = date(2026, 11, 20)
NOON = at(DAY, "12:00")
INFY = InstrumentId("NSE_EQ:INFY")
POSITION = PositionId("ema@NSE_EQ:INFY")
FIRST, SECOND = ClientOrderId("DEMO26112000001"), ClientOrderId("DEMO26112000002")
STOP = OrderTerms(quantity=10, order_type=OrderType.SL, price=1_484_00, trigger_price=1_485_00)
NEW = NewOrder(
    order_id=FIRST,
    instrument=INFY,
    side=Side.BUY,
    terms=OrderTerms(quantity=10, order_type=OrderType.LIMIT, price=1_500_00),
    product=Product.INTRADAY,
    purpose=Purpose.ENTRY,
    position=POSITION,
)
PROTECTION = Protection(stop=Offset(ppm=10_000), target=Offset(points=30_00))

DAYS_EVENTS: list[tuple[ev.Event, str]] = [
    (ev.DayOpened(ts=NOON, day=DAY, desk="DEMO", config="abc", resumed=True), "desk DEMO, configuration abc, resumed"),
    (
        ev.TargetSet(
            ts=NOON,
            position=POSITION,
            quantity=10,
            reason="cross up",
            source=Source.STRATEGY,
            protection=PROTECTION,
            reference=1_500_00,
        ),
        "ema@NSE_EQ:INFY → +10 at ₹1,500.00 (STRATEGY: cross up); stop 1%, target ₹30.00",
    ),
    (ev.OrderSubmitted(ts=NOON, order=NEW), f"{FIRST} BUY 10 LIMIT at ₹1,500.00 NSE_EQ:INFY (ENTRY, INTRADAY)"),
    (
        ev.OrderMoved(ts=NOON, order_id=FIRST, status=OrderStatus.OPEN, broker_id=BrokerOrderId("B7")),
        f"{FIRST} OPEN as B7",
    ),
    (
        ev.OrderFilled(ts=NOON, order_id=FIRST, quantity=10, price=1_500_00, cumulative=10, traded=NOON),
        f"{FIRST} 10 at ₹1,500.00, 10 in all",
    ),
    (
        ev.ProtectionMoved(ts=NOON, position=POSITION, stop=1_485_00, target=0, best=1_500_00),
        "stop ₹1,485.00, target none, best ₹1,500.00",
    ),
    (ev.Alerted(ts=NOON, level="info", message="a\nb"), "info: a b"),
    (
        ev.IntentDenied(ts=NOON, position=POSITION, rule="stale", message="old", source=Source.MANUAL),
        "stale: old (MANUAL)",
    ),
    (ev.ModifyRequested(ts=NOON, order_id=FIRST, terms=STOP), f"{FIRST} to 10 SL at ₹1,484.00, trigger ₹1,485.00"),
    (ev.ModifyEnded(ts=NOON, order_id=FIRST, terms=None, reason="closed"), f"{FIRST} refused: closed"),
    (ev.CancelRequested(ts=NOON, order_id=FIRST, reason="time"), f"{FIRST}: time"),
    (ev.CancelRefused(ts=NOON, order_id=FIRST), f"{FIRST}"),
    (ev.InstrumentFrozen(ts=NOON, instrument=INFY, frozen=True, reason="unknown"), "NSE_EQ:INFY frozen: unknown"),
    (
        ev.ForeignOrderSeen(ts=NOON, broker_id=BrokerOrderId("X1"), instrument=INFY, message="not ours"),
        "X1 NSE_EQ:INFY: not ours",
    ),
    (
        ev.PositionAdopted(ts=NOON, position=PositionId("hand@NSE_EQ:INFY"), quantity=-5, price=1_500_00),
        "hand@NSE_EQ:INFY -5 at ₹1,500.00, by hand",
    ),
    (
        ev.TradingStateChanged(ts=NOON, state=TradingState.REDUCING, reason="a person", source=Source.MANUAL),
        "REDUCING: a person (MANUAL)",
    ),
    (
        ev.OrderSubmitted(
            ts=NOON,
            order=NewOrder(
                order_id=SECOND,
                instrument=INFY,
                side=Side.SELL,
                terms=STOP,
                product=Product.INTRADAY,
                purpose=Purpose.STOP,
                position=POSITION,
            ),
        ),
        f"{SECOND} SELL 10 SL at ₹1,484.00, trigger ₹1,485.00 NSE_EQ:INFY (STOP, INTRADAY)",
    ),
    (ev.DayClosed(ts=NOON, day=DAY), "2026-11-20"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    with closing(SqliteJournal(path, lambda: NOON)) as journal:
        for event, _ in DAYS_EVENTS:
            journal.append([event])
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def lines(*words: object) -> list[str]:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def rows(*words: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(*words, "--json")]


def test_show_prints_each_event_in_words(path: Path) -> None:
    shown = lines("show", path)
    assert len(shown) == len(DAYS_EVENTS)
    for seq, (line, (event, words)) in enumerate(zip(shown, DAYS_EVENTS, strict=True), 1):
        assert line.startswith(f"{seq:>6}  2026-11-20 12:00:00.000  {type(event).__name__}  ".rstrip())
        assert line.endswith(words)


def test_every_kind_of_event_has_words_and_was_shown() -> None:
    assert set(_WORDS) == set(get_args(ev.Event)) == {type(event) for event, _ in DAYS_EVENTS}


def test_show_filters(path: Path) -> None:
    assert len(lines("show", path, "--kind", "OrderSubmitted")) == 2
    assert len(lines("show", path, "--kind", "ordersubmitted", "--kind", "alerted")) == 3
    assert [row["seq"] for row in rows("show", path, "--order", FIRST.lower(), "--last", 2)] == [11, 12]
    assert [row["kind"] for row in rows("show", path, "--order", POSITION)] == [
        "TargetSet",
        "ProtectionMoved",
        "IntentDenied",
    ]
    assert lines("show", path, "--order", "nothing") == []


def test_show_gives_whole_events_as_json(path: Path) -> None:
    (row,) = rows("show", path, "--kind", "OrderFilled")
    assert row == {
        "seq": 5,
        "recorded": NOON,
        "kind": "OrderFilled",
        "correlation": FIRST,
        "causation": 0,
        "event": {
            "type": "OrderFilled",
            "ts": NOON,
            "order_id": FIRST,
            "quantity": 10,
            "price": 1_500_00,
            "cumulative": 10,
            "traded": NOON,
        },
    }


def test_show_prints_tables(path: Path) -> None:
    header, first, second = lines("show", path, "--table", "orders")
    assert header.split()[:3] == ["order_id", "submitted", "strategy"]
    assert first.startswith(FIRST)
    assert header.index("status") == first.index("FILLED") == second.index("SUBMITTED")
    assert [row["rule"] for row in rows("show", path, "--table", "denials")] == ["stale"]
    assert "  1,500.00  " in first
    (empty,) = lines("show", path, "--table", "trades")
    assert empty.split()[-3:] == ["gross", "entry_reason", "exit_reason"]


def test_a_table_goes_on_in_further_lines_where_the_terminal_is_narrow(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = lines("show", path, "--table", "orders")
    monkeypatch.setenv("COLUMNS", "60")
    narrow = lines("show", path, "--table", "orders")
    assert max(map(len, narrow)) <= 60
    assert len(narrow) % len(whole) == 0
    assert " ".join(narrow).split() == " ".join(whole).split()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kind", "OrderFiled"], "there is no kind 'OrderFiled'. Did you mean OrderFilled?"),
        (["--table", "zzz"], "there is no table 'zzz'. Known: orders, fills"),
    ],
)
def test_show_refuses_what_does_not_exist(path: Path, words: list[str], message: str) -> None:
    result = run("show", path, *words)
    assert result.exit_code == 2
    assert message in result.stderr


def test_verify_a_whole_journal(path: Path) -> None:
    (line,) = lines("verify", path)
    assert line == (
        f"{path}: {len(DAYS_EVENTS)} entries, from 2026-11-20 12:00:00.000 to 2026-11-20 12:00:00.000 IST; whole."
    )
    (found,) = rows("verify", path)
    assert (found["sound"], found["entries"], found["broken_at"]) == (True, len(DAYS_EVENTS), 0)


def test_verify_names_what_is_broken(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER journal_keeps_content")
        connection.execute("UPDATE journal SET body = replace(body, '150000', '150001') WHERE seq = 3")
    result = run("verify", path)
    assert result.exit_code == 4
    assert "2 sound entries, then entry 3 was changed or torn" in result.stdout
    result = run("verify", path, "--json")
    assert result.exit_code == 4
    assert json.loads(result.stdout)["broken_at"] == 3
    for command in ("show", "replay"):
        result = run(command, path)
        assert result.exit_code == 4
        assert "entry 3" in result.stderr


def test_verify_a_missing_journal(tmp_path: Path) -> None:
    result = run("verify", tmp_path / "none.db", "--json")
    assert result.exit_code == 4
    assert json.loads(result.stdout)["error"] == "JournalError"


def test_replay_rebuilds_the_state(path: Path) -> None:
    digest = State.replay([event for event, _ in DAYS_EVENTS]).digest()
    shown = lines("replay", path)
    assert shown[0] == f"{len(DAYS_EVENTS)} entries; day 2026-11-20; trading REDUCING"
    assert shown[1] == "orders: 2, 1 FILLED, 1 SUBMITTED"
    assert f"  {SECOND}  SUBMITTED  SELL 0/10 NSE_EQ:INFY" in shown
    assert "  ema@NSE_EQ:INFY  +10 at ₹1,500.00, wanted +10, stop ₹1,485.00" in shown
    assert "frozen: NSE_EQ:INFY: unknown" in shown
    assert shown[-1] == f"digest: {digest}"
    (state,) = rows("replay", path)
    assert (state["digest"], state["entries"], state["trading"]) == (digest, len(DAYS_EVENTS), "REDUCING")


def test_replay_of_a_journal_that_makes_no_sense(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path / "odd.db", lambda: 1)) as journal:
        journal.append([ev.OrderMoved(ts=1, order_id=FIRST, status=OrderStatus.OPEN)])
    result = run("replay", tmp_path / "odd.db")
    assert result.exit_code == 70
    assert f"entry 1 speaks of '{FIRST}'" in result.stderr


def test_tables_writes_an_sqlite_file(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "tables.db"
    lines("tables", path, "--out", out)
    with closing(sqlite3.connect(out)) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (2,)
    assert run("tables", path, "--out", path).exit_code == 3
