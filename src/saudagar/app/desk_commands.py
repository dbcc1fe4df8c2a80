"""``saudagar desk status|halt|reduce|resume|close-all|accept``: look at a desk, stop it, and set its book right."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saudagar.app.options import Json

if TYPE_CHECKING:
    from saudagar.model import TradingState

app = typer.Typer(no_args_is_help=True, help="Look at a desk, running or not; stop it, let it go on.")

_Directory = Annotated[Path, typer.Option("--directory", "-d", help="The desk's directory, as in its file.")]
_Reason = Annotated[str, typer.Option(help="Kept in the journal.")]
_DIRECTORY = Path("var/desk")
_STARTING_TRIES, _STARTING_BEAT = 60, 0.5  # seconds: a desk warms up over the broker's history before it listens


@app.command()
def status(directory: _Directory = _DIRECTORY, as_json: Json = False) -> None:
    """Trading state, positions, orders.

    Exit codes: 0; 1 the desk did not answer; 4 no journal there.
    """
    _show(_ask(directory, "status") or _from_journal(directory), as_json)


@app.command()
def halt(
    directory: _Directory = _DIRECTORY,
    flatten: Annotated[bool, typer.Option("--flatten", help="Close all positions first (the desk must run).")] = False,
    reason: _Reason = "halted by hand",
    as_json: Json = False,
) -> None:
    """The kill switch: nothing is sent any more but cancels. Resting stops stay at the broker. Survives a restart.

    With --flatten the desk closes everything and opens nothing (REDUCING).

    Exit codes: 0; 1 the desk refused; 4 no journal there.
    """
    from saudagar.model import TradingState

    state = TradingState.REDUCING if flatten else TradingState.HALTED
    _change(directory, state, reason, as_json, flatten=flatten)


@app.command()
def reduce(directory: _Directory = _DIRECTORY, reason: _Reason = "reducing by hand", as_json: Json = False) -> None:
    """Open nothing new; exits go on. Survives a restart.

    Exit codes: 0; 1 the desk refused; 4 no journal there.
    """
    from saudagar.model import TradingState

    _change(directory, TradingState.REDUCING, reason, as_json)


@app.command()
def resume(directory: _Directory = _DIRECTORY, reason: _Reason = "resumed by hand", as_json: Json = False) -> None:
    """Trade again after a halt, a limit or a reduction.

    Exit codes: 0; 1 the desk refused; 4 no journal there.
    """
    from saudagar.model import TradingState

    _change(directory, TradingState.ACTIVE, reason, as_json)


@app.command("close-all")
def close_all(
    directory: _Directory = _DIRECTORY,
    keep: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL", help="An instrument to leave alone; repeat it.")
    ] = None,
    reason: _Reason = "closed by hand",
    as_json: Json = False,
) -> None:
    """Close all positions of the running desk; it goes on trading.

    Exit codes: 0; 1 no desk runs there, or it refused; 4 there is no such directory.
    """
    from saudagar.model.errors import SaudagarError

    answer = _ask(directory, "close-all", reason=reason, keep=tuple(keep or ()))
    if answer is None:
        raise SaudagarError(f"no desk runs in {directory}.", hint="Start it, or close the positions at the broker.")
    _show(answer, as_json)


@app.command()
def accept(
    instrument: Annotated[str, typer.Argument(help="As in the file, such as NSE:RELIANCE.", show_default=False)],
    directory: _Directory = _DIRECTORY,
    price: Annotated[
        str, typer.Option(help="In rupees; else the broker's trades tell it, or the last price.", show_default=False)
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Book it; else it is only shown.")] = False,
    as_json: Json = False,
) -> None:
    """Take the broker's book of INSTRUMENT for the truth.

    For what the broker squared off, or somebody traded there by hand. Shows what the running desk holds, what the
    broker holds, and what would be booked; with --yes it is booked, and the instrument is free again. What was closed
    comes off positions made by hand first, then off the strategies'.

    Exit codes: 0; 1 there is nothing to accept, or no desk runs there; 3 no such price; 4 there is no such directory.
    """
    from saudagar.model import to_paise
    from saudagar.model.errors import DataError, SaudagarError

    named = to_paise(price) if price else 0
    if price and named <= 0:
        raise DataError(f"expected a price above 0 in rupees, got {price!r}.")
    answer = _ask(directory, "accept", instrument=instrument, price=named, yes=yes)
    if answer is None:
        raise SaudagarError(f"no desk runs in {directory}.", hint="Start it: it compares its book with the broker's.")
    _show_acceptance(answer["accept"], as_json)


def _change(directory: Path, state: TradingState, reason: str, as_json: bool, *, flatten: bool = False) -> None:
    from saudagar.model.errors import SaudagarError

    answer = _ask(directory, state.value, reason=reason, flatten=flatten)
    if answer is None and flatten:
        raise SaudagarError(f"no desk runs in {directory}: nothing can be closed.", hint="Halt without --flatten.")
    _show(answer or _at_rest(directory, state, reason), as_json)


def _at_rest(directory: Path, state: TradingState, reason: str) -> dict[str, Any]:
    """Change the journal of a desk that does not listen; one that is just starting is waited for."""
    from saudagar.model.errors import JournalInUse

    for _ in range(_STARTING_TRIES):
        try:
            _write(directory, state, reason)
        except JournalInUse as error:
            in_use = error
        else:
            return _from_journal(directory)
        time.sleep(_STARTING_BEAT)
        if answer := _ask(directory, state.value, reason=reason):
            return answer
    raise in_use


def _ask(directory: Path, do: str, **rest: Any) -> dict[str, Any] | None:
    from saudagar.app.control import Request, ask
    from saudagar.model.errors import JournalError

    if not directory.is_dir():
        raise JournalError(f"there is no desk's directory {directory}.", hint="Name it with --directory.")
    return ask(directory, Request(do=do, **rest))


def _write(directory: Path, state: TradingState, reason: str) -> None:
    """Put the state into the journal of a desk that does not run."""
    from saudagar.app.desk import JOURNAL
    from saudagar.engine.clock import wall_clock
    from saudagar.model import Source
    from saudagar.model.errors import JournalError
    from saudagar.model.events import TradingStateChanged
    from saudagar.storage.journal import SqliteJournal

    if not (directory / JOURNAL).exists():
        raise JournalError(f"there is no journal in {directory}.", hint="Name the desk's directory with --directory.")
    journal = SqliteJournal(directory / JOURNAL, wall_clock)
    try:
        journal.append([TradingStateChanged(ts=wall_clock(), state=state, reason=reason, source=Source.MANUAL)])
    finally:
        journal.close()


def _from_journal(directory: Path) -> dict[str, Any]:
    from saudagar.app.desk import JOURNAL
    from saudagar.engine.state import State
    from saudagar.storage.journal import read_journal

    state = State.replay(entry.event for entry in read_journal(directory / JOURNAL))
    return {
        "running": False,
        "trading": state.trading,
        "reason": state.trading_reason,
        "positions": [
            {"strategy": p.strategy, "instrument": p.instrument, "quantity": p.quantity, "target": p.target}
            for p in state.positions.values()
            if p.quantity or p.target
        ],
        "working": sum(len(ids) for ids in state.working.values()),
    }


def _show_acceptance(found: dict[str, Any], as_json: bool) -> None:
    import msgspec

    from saudagar.model import inr

    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    held, holds = (f"{units:+d}" if units else "nothing" for units in (found["ours"], found["theirs"]))
    typer.echo(f"{found['instrument']}: the desk held {held}, the broker holds {holds}.")
    typer.echo("Booked:" if found["booked"] else "Would be booked:")
    for row in found["bookings"]:
        profit = f", {inr(row['profit'], sign=True)} before charges" if row["profit"] else ""
        typer.echo(f"  {row['strategy']:<12} {row['quantity']:+d} at {inr(row['price'])} ({row['source']}){profit}")
    if not found["booked"]:
        typer.echo("Nothing was changed. Book it with --yes.")


def _show(answer: dict[str, Any], as_json: bool) -> None:
    import msgspec

    from saudagar.app.wording import counted
    from saudagar.model import inr

    if as_json:
        typer.echo(msgspec.json.encode(answer).decode())
        return
    running = "" if answer.get("running", True) else " (no desk runs; this is its journal)"
    typer.echo(f"{answer['trading']}{running}" + (f": {answer['reason']}" if answer["reason"] else ""))
    if "profit" in answer:
        typer.echo(f"profit of the day {inr(answer['profit'], sign=True)}")
    typer.echo(f"{counted(len(answer['positions']), 'position')}, {counted(answer['working'], 'working order')}")
    for row in answer["positions"]:
        target = f"{row['target']:+d}" if row["target"] else "flat"
        wanted = f", wanted {target}" if row["target"] != row["quantity"] else ""
        profit = f"  {inr(row['profit'], sign=True)}" if "profit" in row else ""
        typer.echo(f"  {row['strategy']:<12} {row['instrument']:<24} {row['quantity']:+d}{wanted}{profit}")
