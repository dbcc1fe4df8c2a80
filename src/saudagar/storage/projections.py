"""Tables for people, drawn from the journal: orders, fills, trades, positions, denials, alerts.

A projection holds nothing that the journal does not: drop it and build it again at will. The truth about orders and
trades comes from `engine.state.State`, the same code that the desk trades on. Times are IST and amounts rupees here,
because a person or a spreadsheet reads them. Called by the `journal` commands.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from saudagar.engine.ports import Entry
from saudagar.engine.state import State
from saudagar.market.ist import ist
from saudagar.model import Nanos, Paise
from saudagar.model import events as ev
from saudagar.model.errors import DataError
from saudagar.storage.journal import read_journal

APPLICATION_ID = 0x53_41_55_50  # "SAUP": only such a file is ever replaced

TABLES: dict[str, str] = {
    "orders": "order_id TEXT PRIMARY KEY, submitted TEXT, strategy TEXT, instrument TEXT, purpose TEXT, side TEXT, "
    "order_type TEXT, quantity INTEGER, price REAL, trigger_price REAL, status TEXT, filled INTEGER, "
    "average_price REAL, broker_id TEXT, modifications INTEGER, last_change TEXT, reason TEXT",
    "fills": "seq INTEGER PRIMARY KEY, traded TEXT, order_id TEXT, strategy TEXT, instrument TEXT, side TEXT, "
    "quantity INTEGER, price REAL, cumulative INTEGER",
    "trades": "strategy TEXT, instrument TEXT, side TEXT, quantity INTEGER, entered TEXT, entry_price REAL, "
    "exited TEXT, exit_price REAL, gross REAL, entry_reason TEXT, exit_reason TEXT",
    "positions": "strategy TEXT, instrument TEXT, quantity INTEGER, target INTEGER, average_price REAL, stop REAL, "
    "target_price REAL, realised REAL",
    "denials": "seq INTEGER PRIMARY KEY, time TEXT, strategy TEXT, instrument TEXT, rule TEXT, message TEXT, "
    "source TEXT",
    "alerts": "seq INTEGER PRIMARY KEY, time TEXT, level TEXT, message TEXT",
}
"""Each table and its columns; `gross` and `realised` are before charges."""


def ist_text(ts: Nanos) -> str:
    """UTC ns as IST to the millisecond, ``2026-11-20 09:16:03.250``; empty for 0, which means never."""
    return ist(ts).isoformat(" ", "milliseconds")[:-6] if ts else ""


def project(entries: Iterable[Entry]) -> sqlite3.Connection:
    """The tables of `entries`, in memory. The caller closes the connection."""
    state = State()
    rows: dict[str, list[Sequence[Any]]] = {name: [] for name in TABLES}
    for entry in entries:
        state.apply(entry.event)
        _note(rows, entry, state)
    _note_state(rows, state)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for name, columns in TABLES.items():
        connection.execute(f"CREATE TABLE {name} ({columns})")
        connection.executemany(
            f"INSERT INTO {name} VALUES ({', '.join('?' * (columns.count(',') + 1))})",  # noqa: S608 (our own names)
            rows[name],
        )
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    return connection


def write_projection(journal: Path, target: Path) -> None:
    """Build the tables of `journal` as an SQLite file at `target`, replacing an earlier projection whole.

    Raises
    ------
    JournalError
        The journal does not read.
    DataError
        `target` exists and is no projection, or cannot be written.
    """
    if target.exists() and not _is_projection(target):
        raise DataError(f"{target} exists and is no projection; it was left alone.", hint="Name another file.")
    fresh = Path(f"{target}.new")
    try:
        fresh.unlink(missing_ok=True)
        with closing(project(read_journal(journal))) as tables:
            tables.execute("VACUUM INTO ?", (str(fresh),))
        os.replace(fresh, target)
    except (OSError, sqlite3.Error) as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise DataError(f"{target} cannot be written: {error}.") from error


def _is_projection(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            ((found,),) = connection.execute("PRAGMA application_id").fetchall()
            return bool(found == APPLICATION_ID)
    except sqlite3.Error:
        return False


def _rupees(paise: Paise | float) -> float:
    return round(paise / 100, 4)


def _note(rows: dict[str, list[Sequence[Any]]], entry: Entry, state: State) -> None:
    event = entry.event
    if isinstance(event, ev.OrderFilled):
        new = state.orders[event.order_id].new
        strategy = new.position.partition("@")[0]
        fill = (event.order_id, strategy, new.instrument, new.side, event.quantity, _rupees(event.price))
        rows["fills"].append((entry.seq, ist_text(event.traded), *fill, event.cumulative))
    elif isinstance(event, ev.IntentDenied):
        strategy, _, instrument = event.position.partition("@")
        denial = (strategy, instrument, event.rule, event.message, event.source)
        rows["denials"].append((entry.seq, ist_text(event.ts), *denial))
    elif isinstance(event, ev.Alerted):
        rows["alerts"].append((entry.seq, ist_text(event.ts), event.level, event.message))


def _note_state(rows: dict[str, list[Sequence[Any]]], state: State) -> None:
    for order in state.orders.values():
        new, terms = order.new, order.terms
        asked = (terms.order_type, terms.quantity, _rupees(terms.price), _rupees(terms.trigger_price))
        average = _rupees(order.value / order.filled) if order.filled else 0.0
        rows["orders"].append(
            (
                *(order.id, ist_text(order.submitted), new.position.partition("@")[0], new.instrument),
                *(new.purpose, new.side, *asked, order.status, order.filled, average),
                *(order.broker_id, order.modifications, ist_text(order.last_change), order.reason),
            )
        )
    for trade in state.trades:
        entry = (ist_text(trade.entry_ts), _rupees(trade.entry_price))
        leaving = (ist_text(trade.exit_ts), _rupees(trade.exit_price), _rupees(trade.gross))
        who = (trade.strategy, trade.instrument, trade.side, trade.quantity)
        rows["trades"].append((*who, *entry, *leaving, trade.entry_reason, trade.exit_reason))
    for position in state.positions.values():
        levels = (position.average_price, position.stop, position.target_price, position.realised)
        held = (position.strategy, position.instrument, position.quantity, position.target)
        rows["positions"].append((*held, *map(_rupees, levels)))
