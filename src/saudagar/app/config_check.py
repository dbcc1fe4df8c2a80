"""``saudagar config check``: is this file right, and what would the desk do with it."""

from __future__ import annotations

import json as json_
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saudagar.app.errors import told

if TYPE_CHECKING:
    from saudagar.app.config import DeskConfig, StrategyConfig

app = typer.Typer(help="Look at a configuration file.", no_args_is_help=True)


@app.callback()
def _config() -> None:
    """Keeps `check` a command of its own."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="the TOML file", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="all settings in force, or all mistakes, as JSON")] = False,
) -> None:
    """Read FILE as the desk would and name every mistake at once. With line, value and what is allowed.

    Of a simulation also the instruments: its market lists no others.

    Exit codes: 0 it is right; 2 it has mistakes; 3 a tick file of the simulation cannot be used.
    """
    with told(json=json):
        from saudagar.app.config import load

        config = load(file, os.environ)
        _check_ticks(config)
        if json:
            shown = config.as_dict() | {"digest": config.digest()}
            typer.echo(json_.dumps(shown, ensure_ascii=False, default=str))
        else:
            typer.echo(_summary(file, config))


def _check_ticks(config: DeskConfig) -> None:
    """Raise `DataError` for tick files of the simulation that cannot be used."""
    from saudagar.app.config import Mode

    if config.desk.mode is Mode.SIMULATION and config.simulation.ticks:
        from saudagar.exchange.recorded import RecordedDay

        RecordedDay([config.path(path) for path in config.simulation.ticks])


def _summary(file: Path, config: DeskConfig) -> str:
    desk = config.desk
    return "\n".join(
        (
            f"{file} is right (digest {config.digest()}).",
            f"Desk {desk.name}, mode {desk.mode}.",
            _hours(config),
            *map(_strategy, config.strategies.values()),
        )
    )


def _hours(config: DeskConfig) -> str:
    session = config.session
    first = f"{session.no_entry_before:%H:%M}" if session.no_entry_before else "the opening"
    last = f"closed at {session.square_off:%H:%M}" if session.square_off else "kept over night"
    return f"Entries from {first} to {session.no_entry_after:%H:%M}, positions {last}, product {config.orders.product}."


def _strategy(strategy: StrategyConfig) -> str:
    from saudagar.storage.catalog import interval_name

    where = ", ".join(strategy.instruments)
    return (
        f"  {strategy.name}: {strategy.kind} on {where}, bars of {interval_name(strategy.interval)}, {strategy.side}."
    )
