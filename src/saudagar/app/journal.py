"""``saudagar journal``: what the desk did, whether its record is whole, and what state follows from it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import msgspec
import typer

from saudagar.app.errors import told
from saudagar.model import events as ev
from saudagar.model.errors import ConfigError, InvariantError

if TYPE_CHECKING:
    from saudagar.engine.ports import Entry
    from saudagar.engine.state import State

app = typer.Typer(help="Read the journal of a desk; also while it runs.", no_args_is_help=True)

JournalPath = Annotated[Path, typer.Argument(metavar="PATH", help="the journal's SQLite file", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
_KINDS = tuple(kind.__name__ for kind in get_args(ev.Event))
_TABLES = ("orders", "fills", "trades", "positions", "denials", "alerts")


@app.command()
def show(
    path: JournalPath,
    kind: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="only this kind of event; may be repeated")
    ] = None,
    order: Annotated[str, typer.Option(help="only what belongs to this order, position or instrument")] = "",
    last: Annotated[int, typer.Option(min=0, help="only the last N; 0 for all")] = 0,
    table: Annotated[str, typer.Option(help=f"a table instead of events: {', '.join(_TABLES)}")] = "",
    json: Json = False,
) -> None:
    """Print events, or a table drawn from them, oldest first. Times are IST.

    Exit codes: 0; 2 no such kind or table; 4 the journal is missing or damaged.
    """
    with told(json=json):
        if table:
            _show_table(path, _one_of("table", table, _TABLES), last, json)
            return
        kinds = {_one_of("kind", name, _KINDS) for name in kind or ()}
        for entry in _tail(_matching(path, kinds, order), last):
            typer.echo(_as_json(entry) if json else _as_line(entry))


@app.command()
def verify(path: JournalPath, json: Json = False) -> None:
    """Check that every entry is there and unchanged.

    Numbering, hash chain, content, end and pages; the first entry that is wrong is named.

    Exit codes: 0 the journal is whole; 4 it is missing or damaged.
    """
    from saudagar.storage.journal import verify_journal
    from saudagar.storage.projections import ist_text

    with told(json=json):
        found = verify_journal(path)
        if json:
            typer.echo(msgspec.json.encode(msgspec.structs.asdict(found) | {"sound": found.sound}).decode())
        elif found.sound:
            span = f"from {ist_text(found.first_recorded)} to {ist_text(found.last_recorded)} IST; whole"
            nothing = "nothing was written yet, or all of it is gone"
            typer.echo(f"{path}: {found.entries} entries, {span if found.entries else nothing}.")
        else:
            typer.echo(f"{path}: {found.entries} sound entries, then entry {found.broken_at} {found.problem}.")
        if not found.sound:
            raise typer.Exit(4)


@app.command()
def replay(path: JournalPath, json: Json = False) -> None:
    """Rebuild the desk's state as a restart would. Prints it with its digest.

    Exit codes: 0; 4 the journal is missing or damaged; 70 it does not make sense as a day of trading.
    """
    with told(json=json):
        from saudagar.engine.state import State
        from saudagar.storage.journal import read_journal

        state, entries = State(), 0
        for entry in read_journal(path):
            try:
                state.apply(entry.event)
            except KeyError as error:
                raise InvariantError(
                    f"{path}: entry {entry.seq} speaks of {error}, which nothing before it made."
                ) from None
            entries += 1
        if json:
            shown = state.as_dict() | {"entries": entries, "digest": state.digest()}
            typer.echo(msgspec.json.encode(shown).decode())
        else:
            typer.echo("\n".join(_state_lines(state, entries)))


@app.command()
def tables(
    path: JournalPath,
    out: Annotated[Path, typer.Option(help="the SQLite file to write; an earlier one is replaced", show_default=False)],
) -> None:
    """Write orders, fills, trades … for other programs.

    An SQLite file with the tables orders, fills, trades, positions, denials and alerts.

    Exit codes: 0; 3 the file cannot be written; 4 the journal is missing or damaged.
    """
    with told():
        from saudagar.storage.projections import write_projection

        write_projection(path, out)
        typer.echo(f"{out}: {', '.join(_TABLES)}.")


def _one_of(what: str, given: str, known: tuple[str, ...]) -> str:
    folded = {name.casefold(): name for name in known}
    if given.casefold() in folded:
        return folded[given.casefold()]
    near = get_close_matches(given.casefold(), folded, n=1)
    hint = f"Did you mean {folded[near[0]]}?" if near else f"Known: {', '.join(known)}."
    raise ConfigError(f"there is no {what} {given!r}.", hint=hint)


def _matching(path: Path, kinds: set[str], order: str) -> Iterator[Entry]:
    from saudagar.storage.journal import read_journal

    wanted = order.casefold()
    for entry in read_journal(path):
        if kinds and type(entry.event).__name__ not in kinds:
            continue
        if wanted and wanted != entry.correlation.casefold():
            continue
        yield entry


def _tail(found: Iterable[Any], last: int) -> Iterable[Any]:
    return deque(found, maxlen=last) if last else found


def _show_table(path: Path, name: str, last: int, json: bool) -> None:
    from saudagar.app.columns import aligned, terminal_room
    from saudagar.market.words import plain
    from saudagar.storage.journal import read_journal
    from saudagar.storage.projections import project

    with closing(project(read_journal(path))) as connection:
        found = connection.execute(f"SELECT * FROM {name}")  # noqa: S608 (one of _TABLES)
        columns = [column[0] for column in found.description]
        rows = list(_tail(found, last))
    if json:
        for row in rows:
            typer.echo(msgspec.json.encode(dict(zip(columns, row, strict=True))).decode())
        return
    cells = [[plain(cell * 100) if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    right = [bool(rows) and isinstance(rows[0][place], int | float) for place in range(len(columns))]
    typer.echo("\n".join(aligned(columns, cells, right, terminal_room())))


def _as_json(entry: Entry) -> str:
    shown = msgspec.structs.asdict(entry) | {"kind": type(entry.event).__name__}
    return msgspec.json.encode(shown).decode()


def _as_line(entry: Entry) -> str:
    from saudagar.app.journal_words import describe
    from saudagar.storage.projections import ist_text

    kind = type(entry.event).__name__
    return f"{entry.seq:>6}  {ist_text(entry.event.ts)}  {kind:<19}  {describe(entry.event)}"


def _state_lines(state: State, entries: int) -> Iterator[str]:
    from saudagar.model import inr

    yield f"{entries} entries; day {state.day or 'not opened'}; trading {state.trading}"
    counts = Counter(order.status.value for order in state.orders.values())
    yield f"orders: {len(state.orders)}" + "".join(f", {count} {status}" for status, count in sorted(counts.items()))
    for order in state.orders.values():
        if order.working:
            done = f"{order.filled}/{order.terms.quantity}"
            yield f"  {order.id}  {order.status}  {order.new.side} {done} {order.new.instrument}"
    yield f"round trips: {len(state.trades)}, gross {inr(sum(trade.gross for trade in state.trades), sign=True)}"
    yield f"positions: {sum(1 for position in state.positions.values() if position.quantity)} open"
    for name, position in state.positions.items():
        if position.quantity or position.target:
            held = f"{position.quantity:+d} at {inr(position.average_price)}"
            yield f"  {name}  {held}, wanted {position.target:+d}, stop {inr(position.stop)}"
    for instrument, reason in state.frozen.items():
        yield f"frozen: {instrument}: {reason}"
    yield f"digest: {state.digest()}"
