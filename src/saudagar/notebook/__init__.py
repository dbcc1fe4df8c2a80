"""saudagar in a notebook: ``import saudagar as sd; sd.backtest("ema_cross", frame)``.

The same backtest, sweep and report as on the command line, with Python values for options and tables for bars. What
comes back shows itself and hands on its columns. `saudagar` loads this module when one of its functions is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from io import StringIO
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, Unpack

import msgspec
from rich.console import Console

from saudagar.app.research_record import record_of, warnings
from saudagar.app.research_setup import Asked, Prepared, facts, prepare
from saudagar.app.research_sweep import RESULTS, Search, swept
from saudagar.app.research_ticks import lost_words, prepare_ticks
from saudagar.backtest.run import Driver, run
from saudagar.backtest.tick_days import run_ticks
from saudagar.model.errors import ConfigError
from saudagar.notebook.bars import Data
from saudagar.notebook.comparisons import Compared, Swept
from saudagar.notebook.options import AnyData, AnyStrategy, Options, asked_bars, asked_ticks, strategy_of, wanted_of
from saudagar.notebook.results import Figures, Page, Run
from saudagar.notebook.sources import Day, Wanted, made_up, read, words_of
from saudagar.notebook.tables import Table, texts
from saudagar.research.compare import compare as compared
from saudagar.research.report import build
from saudagar.research.report_input import Facts
from saudagar.research.sweep_grid import Condition, Grid
from saudagar.storage.catalog import interval_of
from saudagar.strategies import BUILT_IN, Strategy, load

__all__ = [
    "Compared",
    "Data",
    "Figures",
    "Options",
    "Page",
    "Run",
    "Swept",
    "Table",
    "backtest",
    "compare",
    "data",
    "report",
    "strategies",
    "sweep",
    "synthetic",
]

P = ParamSpec("P")
T = TypeVar("T")


def _explained(work: Callable[P, T]) -> Callable[P, T]:
    """Puts every problem of a refusal under the exception, where a notebook shows it."""

    @wraps(work)
    def told(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(*args, **kwargs)
        except ConfigError as error:
            for problem in error.problems:
                error.add_note(f"- {problem}")
            raise

    return told


@_explained
def backtest(
    strategy: AnyStrategy,
    data: AnyData,
    *,
    params: Mapping[str, Any] | None = None,
    driver: Driver = "auto",
    ticks: bool = False,
    **options: Unpack[Options],
) -> Run:
    """Trade past bars, or ticks, with one strategy.

    Parameters
    ----------
    strategy
        A built-in name (`strategies`), ``FILE.py``, a `Strategy`, or a class of one.
    data
        Bars: whatever `saudagar.data` reads.
    params
        Of the strategy, like ``{"fast": 5}``.
    driver
        The desk's ``engine`` or the compiled ``kernel``; ``auto`` takes the one that is done sooner.
    ticks
        Trade ticks, day by day: `data` names symbols of the catalog (`saudagar data import --ticks`), files of recorded
        ticks, or a folder of them.
    capital
        Rupees to begin with; 10,00,000.
    leverage
        What positions may be worth, times the capital and what was made since; entries beyond it are refused. As the
        product has it: 5, for delivery 1, for margin 10. 0: no entry is refused for want of cash.
    risk, value, quantity, lots
        The size of each entry, one of them: rupees lost at the stop, rupees, units, lots. Default: the capital in
        equal parts; four fifths of it where nothing may be borrowed.
    stop, target, trail
        Where to leave: ``"1%"``, ``"2.50"`` rupees, ``"2atr"``.
    side
        ``both``, ``buy`` or ``sell``.
    square_off
        Leave everything at this time, like ``"15:10"``.
    product
        ``intraday``, ``delivery`` or ``margin``: decides the statutory charges and the leverage.
    flat_cost, plan
        Percent of the turnover on each side (0.03), or the statutory charges with the brokerage of a plan.
    slippage
        Ticks that a market order loses, or basis points of the price like ``"5bps"``.
    fill, queue, rest, participation
        When and how much orders fill: ``next-open``, ``close`` or ``limit-touch``; shares in percent. See
        `saudagar.backtest.fill_rules`.
    interval, symbol, first, last, directory, masters
        How to read `data`; see `saudagar.data`.

    Raises
    ------
    ConfigError
        An option, parameter or strategy that cannot be.
    DataError
        Bars that cannot be, or a strategy that sees ahead.
    """
    lost: tuple[str, ...] = ()
    if ticks:
        asked, files = asked_ticks(options, data, driver)
        prepared, days = prepare_ticks(asked, files, strategy_of(strategy, params))
        known = Data(prepared.backtest.market, interval_of(asked.interval), words_of(data))
        begin = time.perf_counter()
        traded = run_ticks(prepared.backtest, days)
        result, lost = traded.result, lost_words(traded.lost)
    else:
        asked, known = asked_bars(options, data)
        prepared = prepare(asked, strategy_of(strategy, params), known.market)
        begin = time.perf_counter()
        result = run(prepared.backtest, driver)
    more: dict[str, Any] = {"ticks": True, **options} if ticks else dict(options)
    call = _call("backtest", strategy, known, params, more)
    told = _facts(asked, prepared, result.driver, time.perf_counter() - begin, call)
    said = (*told.warnings, *lost, *warnings(prepared.backtest, result))
    record = record_of(result, known.market, msgspec.structs.replace(told, warnings=said))
    return Run(result, record, build(record))


@_explained
def sweep(
    strategy: AnyStrategy,
    data: AnyData,
    grid: Grid | Mapping[str, range],
    *,
    params: Mapping[str, Any] | None = None,
    where: Sequence[Condition | str] = (),
    trials: int = 0,
    seed: int = 0,
    driver: str = "auto",
    workers: int = 0,
    cluster: str = "",
    resume: str | Path | None = None,
    measure: str = "sharpe",
    train: float = 0.7,
    **options: Unpack[Options],
) -> Swept:
    """Trade the same bars with many sets of parameters, and say how much of the best result is luck.

    Parameters
    ----------
    grid
        Values per parameter, like ``{"fast": range(2, 50), "exits.stop": ["0.5%", "1%"]}``.
    where
        Conditions: ``"fast < slow"``, or functions of a set.
    trials
        Search so many sets of the grid with Optuna instead of trying all; 0 tries all.
    seed
        Of the search.
    driver
        ``auto``, ``lanes``, ``kernel`` or ``engine``; changes no number.
    workers
        0 is one per core.
    cluster
        A Dask scheduler, ``"tcp://host:8786"``.
    resume
        A folder that keeps results; sets in it are not run again.
    measure
        What chooses the best: ``sharpe``, ``net`` or ``drawdown``.
    train
        The share of the days that choose; the others judge.
    options
        Those of `backtest`.

    Raises
    ------
    ConfigError, DataError
        As `backtest`.
    """
    asked, known = asked_bars(options, data)
    axes = {name: list(values) for name, values in grid.items()}
    search = Search(
        grid=axes,
        where=tuple(where),
        trials=trials,
        seed=seed,
        driver=driver,
        workers=workers,
        cluster=cluster,
        store=Path(resume) / RESULTS if resume is not None else None,
        measure=measure,
        train=train,
    )
    prepared = prepare(asked, strategy_of(strategy, params), known.market)
    found = swept(asked, search, Console(file=StringIO()), prepared)
    how = {"where": list(where), "trials": trials, "seed": seed, "measure": measure, "train": train}
    call = _call("sweep", strategy, known, params, {"grid": axes, **how, **options})
    return Swept(msgspec.structs.replace(found, facts=msgspec.structs.replace(found.facts, command=call)))


def compare(first: Run, second: Run) -> Compared:
    """Two runs side by side: every figure, its difference, and what makes the comparison unfair."""
    return Compared(compared(first.report, second.report))


def report(run: Run, path: str | Path | None = None) -> Page:
    """The whole report of a run as one page that needs nothing else; written to `path` if there is one."""
    page = Page(run.html())
    if path is not None:
        page.save(path)
    return page


@_explained
def data(
    source: AnyData,
    *,
    interval: str = "",
    symbol: str = "",
    first: Day = None,
    last: Day = None,
    directory: str | Path = "var/catalog",
    masters: str | Path = "var/instruments",
) -> Data:
    """Bars to trade on.

    Parameters
    ----------
    source
        A pandas, polars or Arrow frame, a dict of arrays or a structured array with open, high, low and close in
        rupees, perhaps volume, and a column (or pandas index) of the bars' starts; a dict of such tables by symbol;
        a CSV or Parquet file; or symbols of the catalog, ``"NSE:RELIANCE,NSE:TCS"``. Times without a zone are India's.
    interval
        ``1m``, ``5m``, ``1d`` …; a table's or file's is found from its times, the catalog's is 1m.
    symbol
        Whose bars a table or file holds.
    first, last
        Days, both included.
    directory, masters
        The catalog, and where the instrument masters are.

    Raises
    ------
    DataError
        Rows that cannot be, named by their number; no such file, symbol or bars.
    """
    return read(
        source,
        wanted_of(
            {
                "interval": interval,
                "symbol": symbol,
                "first": first,
                "last": last,
                "directory": directory,
                "masters": masters,
            }
        ),
    )


@_explained
def synthetic(seed: int, symbols: str = "", *, interval: str = "1m", first: Day = None, last: Day = None) -> Data:
    """Bars made up from `seed`, for trying things out: profit on them says nothing."""
    return made_up(seed, symbols, Wanted(interval=interval, first=first, last=last))


def strategies() -> Table:
    """The built-in strategies and their parameters."""
    kinds = {name: load(name) for name in BUILT_IN}
    words = [(kind.__doc__ or "").strip().splitlines()[0] for kind in kinds.values()]
    fields = [
        ", ".join(f"{name} = {field.default}" for name, field in kind.model_fields.items()) for kind in kinds.values()
    ]
    return Table({"name": texts(kinds), "trades": texts(words), "parameters": texts(fields)})


def _facts(asked: Asked, prepared: Prepared, driver: str, seconds: float, call: str) -> Facts:
    return msgspec.structs.replace(facts(asked, prepared, driver=driver, seconds=seconds), command=call)


def _call(
    name: str, strategy: AnyStrategy, bars: Data, params: Mapping[str, Any] | None, options: Mapping[str, Any]
) -> str:
    """The call as it can be written again; a table stands as ``data``, its hash beside it."""
    what = repr(strategy) if isinstance(strategy, str | Strategy) else strategy.__name__
    more = ({"params": dict(params)} if params else {}) | dict(options)
    if "detail" in more:
        more["detail"] = bars.detail
    return f"saudagar.{name}({', '.join([what, bars.source, *(f'{key}={value!r}' for key, value in more.items())])})"
