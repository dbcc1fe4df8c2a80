"""``saudagar demo``, ``saudagar run`` and ``saudagar exchange``."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from saudagar.app.config import DeskConfig
    from saudagar.app.report import DayReport
    from saudagar.app.venues import Venue
    from saudagar.exchange.process import ExchangeConfig, RecordedSource, SyntheticSource

_LARGEST = 2**63 - 1
_FASTEST = 1e6
_CONFIRMATION = "I trade my own money"
_Json = Annotated[bool, typer.Option("--json", help="Print the closing report as JSON and nothing else.")]


def demo(
    ticks: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Replay a recorded tick file (CSV or CSV.gz: timestamp, ltp, volume) instead; repeat it.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=_LARGEST, help="Of the synthetic day: the same seed, the same day.")
    ] = 7,
    speed: Annotated[
        float,
        typer.Option(min=0, max=_FASTEST, help="Market seconds per second; 0 runs as fast as the desk can answer."),
    ] = 0.0,
    symbols: Annotated[int, typer.Option(min=1, max=2000, help="How many stocks trade, besides NIFTY.")] = 20,
    in_process: Annotated[
        bool, typer.Option("--in-process", help="No wire: the same market and matching core, called directly.")
    ] = False,
    directory: Annotated[Path, typer.Option(help="Where journal and report go; emptied first.")] = Path("var/demo"),
    as_json: _Json = False,
) -> None:
    """Trade a whole simulated day; no credentials are needed.

    Exchange, wire, SDKs, strategies, orders, exits, journal, report.

    Exit codes: 0 the day was traded; 2 a wrong option; 3 a tick file cannot be used; 4 the journal cannot be written;
    130 interrupted.
    """
    from saudagar.app.demo import demo_config

    config = demo_config(
        seed=seed, speed=speed, symbols=symbols, ticks=ticks or [], in_process=in_process, directory=directory
    )
    if directory.exists():
        _empty(directory)
    _trade(config, title="demo", as_json=as_json)


def run(
    file: Annotated[Path, typer.Argument(help="The configuration, e.g. saudagar.toml.")],
    live: Annotated[bool, typer.Option("--live", help="Confirm real orders without being asked.")] = False,
    exchange_ports: Annotated[
        str,
        typer.Option(
            help="Ports of a simulated exchange that already runs: UPSTOX,DHAN,CONTROL or UPSTOX,DHAN,KITE,CONTROL."
        ),
    ] = "",
    as_json: _Json = False,
) -> None:
    """Trade one day as a file says: simulation, paper or live.

    Started again on the same day, it goes on from its journal. Real orders need ``mode = "live"`` in the file and
    ``--live`` or a typed confirmation.

    Exit codes: 0 the day was traded; 2 the configuration is wrong; 3 no usable instrument master or tick file, or no
    trading day; 4 the journal cannot be written or is damaged; 5 the broker, e.g. a refused token; 130 interrupted.
    """
    from saudagar.app.config import Mode, load
    from saudagar.model.errors import ConfigError

    config = load(file, os.environ, attached=bool(exchange_ports))
    if config.desk.mode is Mode.LIVE and not live and not _confirmed():
        raise ConfigError("real orders were not confirmed.", hint=f'Type "{_CONFIRMATION}" when asked, or give --live.')
    _trade(config, title=file.stem, as_json=as_json, exchange_ports=exchange_ports)


def exchange(
    seed: Annotated[int, typer.Option(min=0, max=_LARGEST, help="The same seed, the same day.")] = 7,
    day: Annotated[str, typer.Option(help="The synthetic day, YYYY-MM-DD.")] = "2026-11-20",
    symbols: Annotated[int, typer.Option(min=1, max=2000, help="How many stocks trade, besides NIFTY.")] = 20,
    options: Annotated[int, typer.Option(min=0, max=50, help="NIFTY options: strikes each side of the money.")] = 0,
    speed: Annotated[
        float, typer.Option(min=0, max=_FASTEST, help="Market seconds per second; 0 as fast as possible.")
    ] = 1.0,
    lockstep: Annotated[bool, typer.Option("--lockstep", help="Wait for the desk at each step.")] = False,
    ticks: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A recorded tick file instead; repeat it.")
    ] = None,
    upstox_port: Annotated[int, typer.Option(min=0, max=65535, help="Of feed and candles; 0 takes a free one.")] = 0,
    kite_port: Annotated[int, typer.Option(min=0, max=65535, help="Where Kite's face listens; 0: any free one.")] = 0,
    dhan_port: Annotated[int, typer.Option(min=0, max=65535, help="Of orders and their updates; 0: a free one.")] = 0,
    control_port: Annotated[int, typer.Option(min=0, max=65535, help="Of faults, state and pace; 0: a free one.")] = 0,
    hold: Annotated[bool, typer.Option(help="Wait for a first subscriber before the day begins.")] = True,
) -> None:
    """Run the simulated exchange alone, on loopback, until Ctrl-C. Prints its ports as one line of JSON.

    Exit codes: 0 told to stop; 1 a port is taken; 2 a wrong option; 3 a tick file or a day cannot be used; 130 Ctrl-C.
    """
    import msgspec

    from saudagar.exchange.process import ExchangeConfig, Ports
    from saudagar.exchange.server import main

    config = ExchangeConfig(
        source=_source(seed, day, symbols, [str(path) for path in ticks or []], options=options),
        speed=speed,
        lockstep=lockstep,
        hold=hold,
        ports=Ports(upstox=upstox_port, dhan=dhan_port, kite=kite_port, control=control_port),
    )
    sys.exit(main(["--json-config", msgspec.json.encode(config).decode()]))


def _trade(config: DeskConfig, *, title: str, as_json: bool, exchange_ports: str = "") -> None:
    import msgspec

    from saudagar.app.config import Mode
    from saudagar.app.desk import Desk
    from saudagar.app.report import as_json as plain
    from saudagar.app.report_html import write_html
    from saudagar.app.report_text import print_report
    from saudagar.app.view import open_console, open_screen

    command = " ".join(["saudagar", *sys.argv[1:]])
    seed = config.simulation.seed if config.desk.mode is Mode.SIMULATION and not config.simulation.ticks else None
    desk = Desk(
        config,
        _venue(config, exchange_ports),
        title=title,
        command=command,
        seed=seed,
        say=lambda text: typer.echo(text, err=True),
    )
    console = open_console(sys.stderr if as_json else None)
    report: DayReport = asyncio.run(desk.trade(open_screen(console)))
    try:
        if as_json:
            sys.stdout.write(msgspec.json.encode(plain(report)).decode() + "\n")
        else:
            print_report(report, console)
    finally:  # one of the two may fail: no room, nobody listening
        write_html(report, Path(report.run.report))
    if desk.interrupted:
        over = config.desk.mode is Mode.SIMULATION and not exchange_ports
        left = f"{len(report.open)} positions stay open, {report.orders.working} orders rest at the broker"
        gone = ", which ended too: it was simulated" if over else "; start again to go on"
        typer.echo(f"interrupted: {left}{gone}.", err=True)
        sys.exit(130)


def _venue(config: DeskConfig, exchange_ports: str) -> Venue:
    from saudagar.app.config import Mode
    from saudagar.app.simulated import parse_ports
    from saudagar.model.errors import ConfigError

    simulation = config.simulation
    attach = parse_ports(exchange_ports) if exchange_ports else None
    if attach and (config.desk.mode is not Mode.SIMULATION or simulation.in_process):
        raise ConfigError('--exchange-ports wants mode = "simulation" and in_process = false.')
    if config.desk.mode is not Mode.SIMULATION:
        from saudagar.app.venues.live import LiveVenue

        return LiveVenue(config)
    if simulation.in_process:
        from saudagar.app.venues.in_process import InProcessVenue
        from saudagar.exchange.server import open_source

        source = open_source(_exchange_config(config).source)
        return InProcessVenue(source, capital=config.desk.capital, speed=simulation.speed)
    from saudagar.app.venues.wired import WiredVenue

    return WiredVenue(_exchange_config(config), config, attach)


def _exchange_config(config: DeskConfig) -> ExchangeConfig:
    from saudagar.exchange.process import Account, ExchangeConfig

    simulation = config.simulation
    return ExchangeConfig(
        source=_source(
            simulation.seed,
            simulation.date.isoformat(),
            simulation.symbols,
            [str(config.path(path)) for path in simulation.ticks],
            simulation.start,
            simulation.end,
        ),
        speed=simulation.speed,
        lockstep=simulation.lockstep,
        hold=True,
        account=Account(capital=config.desk.capital),
        separate=bool(config.accounts),
        faults=simulation.faults,
    )


def _source(
    seed: int,
    day: str,
    symbols: int,
    ticks: list[str],
    start: time | None = None,
    end: time | None = None,
    *,
    options: int = 0,
) -> SyntheticSource | RecordedSource:
    from saudagar.exchange.process import RecordedSource, SyntheticSource

    if ticks:
        return RecordedSource(files=ticks)
    return SyntheticSource(
        seed=seed,
        day=day,
        instruments=symbols + 1,  # NIFTY is the first of the universe
        start=f"{start:%H:%M}" if start else None,
        end=f"{end:%H:%M}" if end else None,
        options=options,
    )


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        return False
    answer: str = typer.prompt(f'This sends REAL orders. Type "{_CONFIRMATION}" to go on', default="")
    return answer == _CONFIRMATION


def _empty(directory: Path) -> None:
    """Remove an earlier demo; a folder that holds anything else, or a demo that still runs, is left alone."""
    from saudagar.app.desk import JOURNAL
    from saudagar.model.errors import ConfigError
    from saudagar.storage.journal_file import Lock

    if not directory.is_dir():
        raise ConfigError(f"{directory} is no directory.", hint="Choose another --directory.")

    strangers = [
        path.name for path in directory.iterdir() if not path.name.startswith(("journal", "report-", "desk.sock"))
    ]
    if strangers:
        raise ConfigError(
            f"{directory} holds {strangers[0]!r}, which no demo made; it is not emptied.",
            hint="Choose another --directory.",
        )
    Lock(directory / JOURNAL).release()  # refuses while a desk writes there
    shutil.rmtree(directory)
