"""A sweep from the command line: run it with a bar that says how long yet, and show the best beside its luck."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from saudagar.app.research_setup import Asked, Prepared, check_causal, facts, prepare
from saudagar.backtest.run import Backtest
from saudagar.model import group_digits, inr
from saudagar.model.errors import ConfigError
from saudagar.research.cluster import on_cluster
from saudagar.research.report_input import Facts
from saudagar.research.search import search as guided
from saudagar.research.sweep import Progress, Runner, Sweep, sweep
from saudagar.research.sweep_grid import Condition, Grid, Params, parse_axis
from saudagar.research.sweep_study import with_params
from saudagar.research.walkforward import MEASURES, Verdict, Walk, measured

RESULTS = "sweep.sqlite"
"""In the folder that ``--resume`` names."""

_NOTHING = "–"


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """Which sets to try, where, and what chooses among them."""

    grid: Grid
    where: tuple[Condition | str, ...] = ()
    trials: int = 0  # of a guided search; 0 tries the whole grid
    seed: int = 0  # of that search
    driver: str = "auto"
    workers: int = 0
    cluster: str = ""
    store: Path | None = None
    measure: str = "sharpe"
    train: float = 0.7


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A finished sweep and what it means."""

    facts: Facts
    sweep: Sweep
    verdict: Verdict
    walk: Walk
    measure: str


def grid_of(texts: Iterable[str]) -> Grid:
    """The axes of ``--grid fast=2:50 --grid slow=10:200``.

    Raises
    ------
    ConfigError
        One that cannot be read, or is given twice.
    """
    grid: dict[str, Any] = {}
    for text in texts:
        name, values = parse_axis(text)
        if name in grid:
            raise ConfigError(f"axis {name!r} is given twice.", hint="Write its values in one --grid.")
        grid[name] = values
    return grid


def swept(asked: Asked, search: Search, console: Console, prepared: Prepared | None = None) -> Found:
    """Run it; progress goes to `console`.

    Parameters
    ----------
    prepared
        At hand already, as in a notebook.

    Raises
    ------
    ConfigError
        An option that cannot be, before anything is run.
    DataError
        No such bars; or the best set sees ahead.
    """
    if search.measure not in MEASURES:
        raise ConfigError(f"--measure is one of {', '.join(MEASURES)}, got {search.measure!r}.")
    if search.trials < 0:
        raise ConfigError(f"--trials is a whole number from 0 on, got {search.trials}.")
    runner = on_cluster(search.cluster, driver=search.driver) if search.cluster else None
    if prepared is None:
        with console.status("reading bars"):
            prepared = prepare(asked)
    begin = time.perf_counter()
    columns = (
        TextColumn("sets"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, left="")
        try:
            found = _run(prepared.backtest, search, runner, lambda now: _show(bar, task, now))
        except KeyboardInterrupt:
            if search.store is not None:
                console.print(f"What is done is kept in {search.store.parent}; the same command goes on from there.")
            raise
    seconds = time.perf_counter() - begin
    told = facts(asked, prepared, driver=search.driver, seconds=seconds)
    measure = search.measure
    verdict = found.verdict(measure)
    (best,) = with_params(prepared.backtest, found.sets[verdict.best]).settings.plans
    check_causal(best.strategy, prepared.backtest.market, best.interval)  # other parameters may see what the first not
    return Found(facts=told, sweep=found, verdict=verdict, walk=found.walk(measure=measure), measure=measure)


def _run(backtest: Backtest, how: Search, runner: Runner | None, told: Callable[[Progress], None]) -> Sweep:
    """The whole grid, or as many sets of it as a search may try."""
    if how.trials:
        return guided(
            backtest,
            how.grid,
            how.trials,
            seed=how.seed,
            measure=how.measure,
            where=how.where,
            store=how.store,
            runner=runner,
            driver=how.driver,
            train=how.train,
            on_progress=told,
        )
    return sweep(
        backtest,
        how.grid,
        where=how.where,
        store=how.store,
        workers=how.workers,
        driver=how.driver,
        runner=runner,
        train=how.train,
        on_progress=told,
    )


def encoded(found: Found) -> bytes:
    """All sets, by column, the verdict and the facts; what is not defined is null."""
    swept_ = found.sweep
    return msgspec.json.encode(
        {
            "facts": found.facts,
            "sets": len(swept_.sets),
            "resumed": swept_.resumed,
            "train_days": swept_.train,
            "days": len(swept_.days),
            "capital": swept_.capital,
            "measure": found.measure,
            "best": swept_.sets[found.verdict.best],
            "verdict": found.verdict,
            "walk_forward": {
                "windows": [
                    {"best_set": swept_.sets[each.best], **msgspec.structs.asdict(each)} for each in found.walk.windows
                ],
                "net": found.walk.net,
                "sharpe": found.walk.sharpe,
                "efficiency": found.walk.efficiency,
            },
            "table": swept_.table(),
        }
    )


def print_sweep(found: Found, top: int, console: Console) -> None:
    """The best sets of the train days, what the others say of them, and every warning."""
    done = found.sweep
    resumed = f", {group_digits(done.resumed)} of them from disk" if done.resumed else ""
    console.print(Text(f"\n{found.facts.title}", style="bold"))
    console.print(
        f"{group_digits(len(done.sets))} sets{resumed} on {group_digits(found.facts.bars)} bars in "
        f"{found.facts.seconds:.1f} s; {done.train} days choose, the {len(done.days) - done.train} after them judge",
        highlight=False,
        soft_wrap=True,
    )
    console.print(_table(done, found.measure, top), highlight=False)
    console.print(Text(_said(done.sets[found.verdict.best], found.verdict)), soft_wrap=True)
    console.print(Text(_walked(found.walk)), soft_wrap=True)
    for warning in (*found.facts.warnings, *found.verdict.warnings):
        console.print(Text(f"! {warning}", style="yellow"), soft_wrap=True)
    console.print(Text(f"data {done.data}  config {done.config}  version {found.facts.version}", style="dim"))


def _show(bar: Bar, task: TaskID, now: Progress) -> None:
    left = f"{now.left:.0f} s left" if isfinite(now.left) else ""
    bar.update(task, completed=now.done, total=now.total, left=left)


def _table(done: Sweep, measure: str, top: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in (*done.sets[0], "Trips", "Net", *(f"{part}\n{measure}" for part in ("Train", "Test"))):
        table.add_column(name, justify="right", no_wrap=True)
    train = measured(done.daily[: done.train], done.capital, measure)
    test = measured(done.daily[done.train :], done.capital, measure)
    for place in np.argsort(-np.nan_to_num(train, nan=-np.inf), kind="stable")[:top].tolist():
        one = done.outcomes[place]
        values = [_figure(float(part[place]), measure) for part in (train, test)]
        table.add_row(*map(str, done.sets[place].values()), group_digits(one.trades), inr(one.net, sign=True), *values)
    return table


def _figure(value: float, measure: str) -> str:
    if not isfinite(value):
        return _NOTHING
    return f"{value:.2f}" if measure == "sharpe" else inr(round(value), sign=True)


def _said(best: Params, verdict: Verdict) -> str:
    chosen = " ".join(f"{name}={value}" for name, value in best.items())
    lines = [
        f"Best of the days that chose: {chosen}",
        f"  net {inr(verdict.train_net, sign=True)} there, {inr(verdict.test_net, sign=True)} on the days that judge; "
        f"Sharpe ratio {_figure(verdict.train_sharpe, 'sharpe')} and {_figure(verdict.test_sharpe, 'sharpe')}",
        f"  the best of {group_digits(verdict.trials)} sets without skill would show "
        f"{_figure(verdict.luck_sharpe, 'sharpe')}; odds that it is more than luck {_odds(verdict.deflated)}; "
        f"odds of overfitting {_odds(verdict.overfit)}",
    ]
    return "\n".join(lines)


def _walked(walk: Walk) -> str:
    first = walk.windows[0]
    chosen = len({each.best for each in walk.windows})
    kept = f"; a day brought {walk.efficiency:.0%} of one of the days that chose" if isfinite(walk.efficiency) else ""
    return (
        f"Walk-forward: chosen {len(walk.windows)} times on the {first.middle - first.first} days before, {chosen} "
        f"different sets\n  net {inr(walk.net, sign=True)} on the {len(walk.daily)} days that judge, Sharpe ratio "
        f"{_figure(walk.sharpe, 'sharpe')}{kept}"
    )


def _odds(share: float) -> str:
    return f"{share:.0%}" if isfinite(share) else _NOTHING
