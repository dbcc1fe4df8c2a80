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
        _check_simulated(config)
        if json:
            shown = config.as_dict() | {"digest": config.digest()}
            typer.echo(json_.dumps(shown, ensure_ascii=False, default=str))
        else:
            typer.echo(_summary(file, config))


def _check_simulated(config: DeskConfig) -> None:
    """Raise `ConfigError` for what the simulated market does not list, and `DataError` for its tick files."""
    from saudagar.app.compose import resolve_all
    from saudagar.app.config import Mode
    from saudagar.exchange.universe import universe
    from saudagar.market.master import Master

    simulation = config.simulation
    if config.desk.mode is not Mode.SIMULATION:
        return
    if simulation.ticks:
        from saudagar.exchange.recorded import RecordedDay

        listed = RecordedDay([config.path(path) for path in simulation.ticks]).instruments
    else:
        listed = universe(simulation.symbols + 1)  # NIFTY is the first of them
    resolve_all(dict.fromkeys((*config.names, *config.risk.allowed)), Master(simulation.date, listed).resolve)


def _summary(file: Path, config: DeskConfig) -> str:
    desk = config.desk
    return "\n".join(
        (
            f"{file} is right (digest {config.digest()}).",
            f"Desk {desk.name}, mode {desk.mode}.",
            *map(_strategy, config.strategies.values()),
        )
    )


def _strategy(strategy: StrategyConfig) -> str:
    from saudagar.storage.catalog import interval_name

    where = ", ".join(strategy.instruments)
    return (
        f"  {strategy.name}: {strategy.kind} on {where}, bars of {interval_name(strategy.interval)}, {strategy.side}."
    )
