"""``saudagar backtest``, ``saudagar compare`` and ``saudagar sweep``: what a strategy would have done."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saudagar.app.errors import told
from saudagar.app.options import Json
from saudagar.app.research_options import Given, with_shared_options

if TYPE_CHECKING:
    from rich.console import Console

    from saudagar.app.research_setup import Asked, Prepared
    from saudagar.backtest.run import BacktestResult, Driver
    from saudagar.research.report import Report

_STDOUT = "-"


class DriverName(StrEnum):
    AUTO = "auto"
    KERNEL = "kernel"
    ENGINE = "engine"


_Ticks = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="catalog|PATH",
        help="Trade ticks instead: those of the catalog, a recorded file (CSV: timestamp, ltp, volume), or a folder.",
    ),
]
_Html = Annotated[Path | None, typer.Option(help="Write the report as one page.")]


@with_shared_options
def backtest(
    given: Given,
    *,
    driver: Annotated[
        DriverName, typer.Option(help="The desk's engine, or the compiled kernel; auto: the kernel where it serves.")
    ] = DriverName.AUTO,
    ticks: _Ticks = None,
    html: _Html = None,
    json: Annotated[str, typer.Option("--json", help="Write the report as JSON; - prints it and nothing else.")] = "",
) -> None:
    """Trade past bars with one strategy, and report. To try it without data: saudagar backtest ema_cross --synthetic 7.

    Exit codes: 0; 2 a wrong option or strategy; 3 no such bars, or a strategy that sees ahead; 130 interrupted.
    """
    asked = _asked(given)
    with told(json=json == _STDOUT):
        from saudagar.model.errors import ConfigError
        from saudagar.research import report as reports
        from saudagar.research.report_html import render_html, write_html
        from saudagar.research.report_text import print_report

        if ticks and driver is DriverName.KERNEL:
            raise ConfigError("ticks are traded by the desk's engine, not by the kernel.")
        _check_places(html=html, json=Path(json) if json not in ("", _STDOUT) else None)
        report = _on_ticks(asked, ticks) if ticks else _reported(asked, driver.value)
        if html is not None:
            write_html(render_html(report), html)
        if json == _STDOUT:
            typer.echo(reports.as_json(report))
            return
        if json:
            write_html(reports.as_json(report).decode(), Path(json))
        print_report(report, _console())
        _say_where(html, Path(json) if json else None)


def compare(
    first: Annotated[Path, typer.Argument(metavar="A.json", help="What backtest --json FILE wrote.")],
    second: Annotated[Path, typer.Argument(metavar="B.json", help="Another.")],
    html: _Html = None,
    as_json: Json = False,
) -> None:
    """Two backtests side by side, figure by figure.

    Says also what makes the comparison unfair.

    Exit codes: 0; 3 a file is no report.
    """
    with told(json=as_json):
        from saudagar.research.compare import as_json as encoded
        from saudagar.research.compare import compare as compared
        from saudagar.research.compare import print_comparison
        from saudagar.research.report_compare import render_comparison
        from saudagar.research.report_html import write_html

        _check_places(html=html)
        a, b = _read(first), _read(second)
        if html is not None:
            write_html(render_comparison(a, b), html)
        if as_json:
            typer.echo(encoded(compared(a, b)))
        else:
            print_comparison(compared(a, b), _console())
            _say_where(html)


@with_shared_options
def sweep(
    given: Given,
    *,
    grid: Annotated[
        list[str],
        typer.Option(metavar="NAME=VALUES", help="fast=2:50, slow=10:200:10, exits.stop=0.5%,1%; give it again."),
    ],
    where: Annotated[
        list[str] | None, typer.Option(metavar="CONDITION", help='A condition, like "fast < slow".')
    ] = None,
    driver: Annotated[str, typer.Option(help="auto, lanes, kernel or engine; changes no number.")] = "auto",
    workers: Annotated[int, typer.Option(min=0, max=1024, help="0 is one per core.")] = 0,
    cluster: Annotated[str, typer.Option(help="A Dask scheduler, tcp://host:8786.")] = "",
    resume: Annotated[Path | None, typer.Option(help="A folder that keeps results; sets in it are not run again.")] = (
        None
    ),
    measure: Annotated[str, typer.Option(help="What chooses the best: sharpe, net or drawdown.")] = "sharpe",
    train: Annotated[float, typer.Option(help="The share of the days that choose; the others judge.")] = 0.7,
    trials: Annotated[
        int, typer.Option(min=0, help="Search so many sets of the grid with Optuna; 0 tries all of them.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Of that search.")] = 0,
    top: Annotated[int, typer.Option(min=1, help="Rows to show.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print all sets and the verdict as JSON.")] = False,
) -> None:
    """Trade the same bars with many parameters.

    Says also how much of the best result is luck.

    Exit codes: 0; 2 a wrong option; 3 no such bars, or a strategy that sees ahead; 130 interrupted (--resume goes on).
    """
    asked = _asked(given)
    with told(json=as_json):
        from saudagar.app.research_sweep import RESULTS, Search, encoded, grid_of, print_sweep, swept

        search = Search(
            grid=grid_of(grid),
            where=tuple(where or ()),
            trials=trials,
            seed=seed,
            driver=driver,
            workers=workers,
            cluster=cluster,
            store=resume / RESULTS if resume is not None else None,
            measure=measure,
            train=train,
        )
        found = swept(asked, search, _console(err=True))
        if as_json:
            typer.echo(encoded(found))
        else:
            print_sweep(found, top, _console())


def _asked(given: Given) -> Asked:
    """What the shared options say."""
    from saudagar.app.research_setup import Asked
    from saudagar.model import Product, TradeSide

    return Asked(
        **given
        | {
            "assignments": tuple(given["assignments"] or ()),
            "first": given["first"] and given["first"].date(),
            "last": given["last"] and given["last"].date(),
            "fill": given["fill"].value,
            "side": TradeSide(given["side"].upper()),
            "product": Product(given["product"].upper()),
        }
    )


def _check_places(**files: Path | None) -> None:
    """Refuse a file that cannot be written while nothing has been done yet."""
    from saudagar.model.errors import ConfigError

    for option, file in files.items():
        if file is None:
            continue
        folder = next(each for each in file.absolute().parents if each.exists())
        if file.is_dir():
            raise ConfigError(
                f"--{option} {file} is a directory.", hint=f"Name a file in it: {file / 'report'}.{option}"
            )
        if not (folder.is_dir() and os.access(folder, os.W_OK)):
            raise ConfigError(f"--{option} {file} cannot be written: {folder} takes no files.", hint="Choose another.")


def _say_where(*files: Path | None) -> None:
    for file in filter(None, files):
        typer.echo(f"written: {file}")


def _reported(asked: Asked, driver: Driver) -> Report:
    from saudagar.app.research_setup import prepare
    from saudagar.backtest.run import run

    console = _console(err=True)
    with console.status("reading bars") as status:
        prepared = prepare(asked)
        status.update("trading")
        begin = time.perf_counter()
        result = run(prepared.backtest, driver, say=console.print, progress=_left(begin, status.update))
        seconds = time.perf_counter() - begin
    return _report(asked, prepared, result, seconds)


def _left(begin: float, show: Callable[[str], None], what: str = "trading") -> Callable[[float], None]:
    """Shows how much is done and, after the first second, how long it takes yet."""

    def told_share(share: float) -> None:
        seconds = time.perf_counter() - begin
        if share > 0 and seconds > 1:
            show(f"{what}: {share:.0%} of the time, {seconds / share - seconds:.0f} s left")

    return told_share


def _on_ticks(asked: Asked, files: list[Path]) -> Report:
    from saudagar.app.research_ticks import lost_words, prepare_ticks
    from saudagar.backtest.tick_days import run_ticks

    with _console(err=True).status("reading ticks") as status:
        begin = time.perf_counter()
        prepared, days = prepare_ticks(asked, files, progress=_left(begin, status.update, "reading ticks"))
        status.update("trading")
        begin = time.perf_counter()
        told = run_ticks(prepared.backtest, days, _left(begin, status.update))
        seconds = time.perf_counter() - begin
    return _report(asked, prepared, told.result, seconds, *lost_words(told.lost))


def _report(asked: Asked, prepared: Prepared, result: BacktestResult, seconds: float, *more: str) -> Report:
    import msgspec

    from saudagar.app.research_record import record_of, warnings
    from saudagar.app.research_setup import facts
    from saudagar.research import report

    known = facts(asked, prepared, driver=result.driver, seconds=seconds)
    said = (*known.warnings, *more, *warnings(prepared.backtest, result))
    return report.build(record_of(result, prepared.backtest.market, msgspec.structs.replace(known, warnings=said)))


def _read(path: Path) -> Report:
    from saudagar.model.errors import DataError
    from saudagar.research.report import from_json

    try:
        text = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        return from_json(text)
    except DataError as error:
        raise DataError(f"{path}: {error.message}", hint=error.hint) from None


def _console(*, err: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=err)
