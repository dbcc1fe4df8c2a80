"""The tables for people say what the journal says, and are rebuilt whole or left alone."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from saudagar.engine.ports import Entry
from saudagar.market.ist import at
from saudagar.model import (
    BrokerOrderId,
    ClientOrderId,
    InstrumentId,
    NewOrder,
    OrderStatus,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    Side,
    Source,
    TradingState,
)
from saudagar.model import events as ev
from saudagar.model.errors import DataError, JournalError
from saudagar.storage.journal import SqliteJournal
from saudagar.storage.projections import TABLES, ist_text, project, write_projection

DAY = date(2026, 11, 20)
INFY = InstrumentId("NSE_EQ:INFY")
POSITION = PositionId("ema@NSE_EQ:INFY")


def ts(clock: str) -> int:
    return at(DAY, clock)


def order(number: int, side: Side, purpose: Purpose, quantity: int = 10) -> NewOrder:
    terms = OrderTerms(quantity=quantity, order_type=OrderType.LIMIT, price=1_500_00)
    order_id = ClientOrderId(f"DEMO2611200000{number}")
    return NewOrder(
        order_id=order_id,
        instrument=INFY,
        side=side,
        terms=terms,
        product=Product.INTRADAY,
        purpose=purpose,
        position=POSITION,
    )


def traded(number: int, new: NewOrder, clock: str, *fills: tuple[int, int]) -> list[ev.Event]:
    """An order from submission to its last fill."""
    events: list[ev.Event] = [
        ev.OrderSubmitted(ts=ts(clock), order=new),
        ev.OrderMoved(
            ts=ts(clock), order_id=new.order_id, status=OrderStatus.OPEN, broker_id=BrokerOrderId(f"B{number}")
        ),
    ]
    done = 0
    for quantity, price in fills:
        done += quantity
        events.append(
            ev.OrderFilled(
                ts=ts(clock), order_id=new.order_id, quantity=quantity, price=price, cumulative=done, traded=ts(clock)
            )
        )
    return events


def a_day() -> list[ev.Event]:
    """Long 10 in two fills and out again at a gain, then a short of 5 that is still open, a denial and an alert."""
    opened = ev.DayOpened(ts=ts("09:00"), day=DAY, desk="DEMO", config="abc")
    wants = ev.TargetSet(ts=ts("09:20"), position=POSITION, quantity=10, reason="cross up", source=Source.STRATEGY)
    leaves = ev.TargetSet(ts=ts("09:50"), position=POSITION, quantity=0, reason="target", source=Source.PROTECTION)
    short = ev.TargetSet(ts=ts("10:20"), position=POSITION, quantity=-5, reason="cross down", source=Source.STRATEGY)
    denied = ev.IntentDenied(
        ts=ts("10:30"), position=POSITION, rule="price-band", message="too far", source=Source.MANUAL
    )
    return [
        opened,
        wants,
        *traded(1, order(1, Side.BUY, Purpose.ENTRY), "09:20:01", (4, 1_500_00), (6, 1_500_50)),
        leaves,
        *traded(2, order(2, Side.SELL, Purpose.EXIT), "09:50:01", (10, 1_510_00)),
        short,
        *traded(3, order(3, Side.SELL, Purpose.ENTRY, 5), "10:20:01", (5, 1_505_05)),
        denied,
        ev.Alerted(ts=ts("10:31"), level="warning", message="the feed is slow"),
        ev.TradingStateChanged(ts=ts("10:32"), state=TradingState.REDUCING, reason="a person", source=Source.MANUAL),
    ]


@pytest.fixture
def tables() -> Iterator[sqlite3.Connection]:
    entries = [Entry(seq=seq, recorded=0, event=event) for seq, event in enumerate(a_day(), 1)]
    with closing(project(entries)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def rows(tables: sqlite3.Connection, name: str) -> list[dict[str, Any]]:
    return [dict(row) for row in tables.execute(f"SELECT * FROM {name}")]


def test_a_round_trip_has_its_prices_and_reasons(tables: sqlite3.Connection) -> None:
    assert rows(tables, "trades") == [
        {
            "strategy": "ema",
            "instrument": "NSE_EQ:INFY",
            "side": "BUY",
            "quantity": 10,
            "entered": "2026-11-20 09:20:01.000",
            "entry_price": 1500.30,
            "exited": "2026-11-20 09:50:01.000",
            "exit_price": 1510.0,
            "gross": 97.0,
            "entry_reason": "cross up",
            "exit_reason": "target",
        }
    ]


def test_orders_fills_and_positions(tables: sqlite3.Connection) -> None:
    first, second, third = rows(tables, "orders")
    assert (first["order_id"], first["broker_id"], first["status"]) == ("DEMO26112000001", "B1", "FILLED")
    assert (first["price"], first["average_price"], first["filled"]) == (1500.0, 1500.30, 10)
    assert [one["purpose"] for one in (first, second, third)] == ["ENTRY", "EXIT", "ENTRY"]
    fills = rows(tables, "fills")
    assert [(fill["quantity"], fill["price"], fill["cumulative"]) for fill in fills] == [
        (4, 1500.0, 4),
        (6, 1500.5, 10),
        (10, 1510.0, 10),
        (5, 1505.05, 5),
    ]
    (position,) = rows(tables, "positions")
    assert (position["quantity"], position["target"], position["average_price"]) == (-5, -5, 1505.05)
    assert position["realised"] == 97.0


def test_denials_and_alerts(tables: sqlite3.Connection) -> None:
    (denial,) = rows(tables, "denials")
    assert (denial["rule"], denial["strategy"], denial["source"]) == ("price-band", "ema", "MANUAL")
    (alert,) = rows(tables, "alerts")
    assert (alert["time"], alert["level"]) == ("2026-11-20 10:31:00.000", "warning")


def test_the_epoch_means_never() -> None:
    assert ist_text(0) == ""
    assert ist_text(ts("15:29:59") + 999_999_999) == "2026-11-20 15:29:59.999"


def written(path: Path) -> Path:
    with closing(SqliteJournal(path, lambda: 1)) as journal:
        journal.append(a_day())
    return path


def test_a_file_is_replaced_whole_and_only_if_it_is_a_projection(tmp_path: Path) -> None:
    journal, out = written(tmp_path / "journal.db"), tmp_path / "tables.db"
    for _ in range(2):
        write_projection(journal, out)
        with closing(sqlite3.connect(out)) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            assert names == set(TABLES)
            assert connection.execute("SELECT count(*) FROM orders").fetchone() == (3,)
    assert not list(tmp_path.glob("*.new"))
    for victim in (journal, tmp_path / "letter.txt"):
        victim.exists() or victim.write_text("dear")
        before = victim.read_bytes()
        with pytest.raises(DataError, match="left alone"):
            write_projection(journal, victim)
        assert victim.read_bytes() == before


def test_nothing_is_left_behind_when_it_fails(tmp_path: Path) -> None:
    journal = written(tmp_path / "journal.db")
    with pytest.raises(DataError, match="cannot be written"):
        write_projection(journal, tmp_path / "no such folder" / "tables.db")
    out = tmp_path / "tables.db"
    write_projection(journal, out)
    before = out.read_bytes()
    with pytest.raises(JournalError):
        write_projection(tmp_path / "missing.db", out)
    assert out.read_bytes() == before
