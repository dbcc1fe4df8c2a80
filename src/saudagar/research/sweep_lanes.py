"""Sweeps at compiled speed: eight sets of parameters to a loop, one in each lane.

Serves plans without protective exits, limits or hours: signals that act at the next open, one size, flat costs. For
these its outcomes are those of the engine to the paisa; every other plan goes the general way (`sweep`), and so does a
set that may have lacked cash. Loops are written by `sweep_program`, kept on disk by the hash of their source, and take
parameters at run time, so that a strategy compiles once.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from saudagar.backtest.choice import COMPILE, sooner
from saudagar.backtest.costs import FlatCosts
from saudagar.backtest.fill_rules import FillRules
from saudagar.backtest.fills import Slippage
from saudagar.backtest.kernel import load
from saudagar.backtest.run import Backtest, Driver
from saudagar.engine.settings import Hours
from saudagar.indicators import BarArrays, BarFields, Expr, evaluate
from saudagar.model import Direction, InstrumentId, OrderType, Protection, SizeBy
from saudagar.research.sweep_cash import ample_cash
from saudagar.research.sweep_grid import Params
from saudagar.research.sweep_program import LANES, Program, lane, shape
from saudagar.research.sweep_study import Ints, Outcome, days_of, on_days, plan_of, run_one, with_params
from saudagar.risk import size
from saudagar.strategies import Signals, Strategy

Floats: TypeAlias = NDArray[np.float64]
Loop: TypeAlias = Callable[..., None]

COLUMN_BYTES = 128 << 20
"""How much memory computed columns may take; beyond it the oldest are forgotten and computed again if wanted."""

_HEAD = "import numpy as np\n\nfrom saudagar.backtest.compiled import kept\n\n\n@kept\n"
_EXACT = 2**52  # whole numbers and a half are exact below this
_DEAREST = 10**9  # paise: the largest cost of a round trip whose rounding is proven


class _Block(NamedTuple):
    """Up to `LANES` sets of one shape."""

    program: Program
    loop: Loop
    lanes: list[int]  # places among the sets of the shape
    members: list[int]  # places among all sets


def suits(backtest: Backtest, sets: Sequence[Params]) -> bool:
    """Whether the lanes give what the engine would."""
    settings, plan = backtest.settings, plan_of(backtest)
    limits, tactics = settings.limits, settings.tactics
    bounds = (limits.max_order_quantity, limits.max_order_value, limits.max_open_positions, limits.max_trades)
    plain = (
        settings.hours == Hours()
        and plan.exits.protection() == Protection()
        and not any(name.startswith("exits.") for params in sets for name in params)
        and type(plan.strategy).on_bar is Strategy.on_bar
        and not any((*bounds, limits.day_loss, limits.day_profit))
        and isinstance(backtest.costs, FlatCosts)
        and backtest.slippage == Slippage()
        and backtest.fills == FillRules()
        and not backtest.market.detail
        and (tactics.entry_type is OrderType.MARKET or 2 * tactics.protection_ppm < limits.price_band_ppm)
    )
    return plain and all(_trades_freely(backtest, name) for name in plan.instruments)


def run_lanes(backtest: Backtest, sets: Sequence[Params], workers: int = 0) -> Iterator[tuple[int, Outcome]]:
    """Run `sets`, eight at a time on each of `workers` threads (0: one per core).

    Yields
    ------
    place in `sets`, outcome
        As blocks are done; sets whose graphs have one shape come in their order.
    """
    graphs = [plan_of(with_params(backtest, params)).strategy.signals(BarFields()) for params in sets]
    days = days_of(backtest)
    names = plan_of(backtest).instruments
    columns = {name: _Columns(backtest.market.bars[name]) for name in names}
    ample = ample_cash(backtest, {name: _units(backtest, name) for name in names}, _ppm(backtest))

    def work(block: _Block) -> list[tuple[int, Outcome]]:
        parts = [_run(backtest, name, columns[name], block, days) for name in names]
        return [(place, _sum([part[k] for part in parts])) for k, place in enumerate(block.members)]

    count = workers or os.cpu_count() or 1
    short: list[int] = []
    for place, outcome in _in_blocks(work, graphs, count):
        if ample(outcome.daily):
            yield place, outcome
        else:
            short.append(place)
    if short:
        driver: Driver = "engine" if sooner(backtest, COMPILE / len(short)) else "kernel"
        with ThreadPoolExecutor(count) as pool:
            yield from zip(short, pool.map(lambda place: run_one(backtest, sets[place], driver), short), strict=True)


def _in_blocks(
    work: Callable[[_Block], list[tuple[int, Outcome]]], graphs: Sequence[Signals], count: int
) -> Iterator[tuple[int, Outcome]]:
    waiting: deque[Future[list[tuple[int, Outcome]]]] = deque()
    with ThreadPoolExecutor(count) as pool:
        for block in _blocks(graphs):
            waiting.append(pool.submit(work, block))
            if len(waiting) > 2 * count:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _blocks(graphs: Sequence[Signals]) -> Iterator[_Block]:
    groups: dict[Any, list[int]] = {}
    for place, graph in enumerate(graphs):
        groups.setdefault(shape(graph), []).append(place)
    for members in groups.values():
        program = Program([graphs[place] for place in members])
        loop: Loop = load(_HEAD + program.source).kernel
        for first in range(0, len(members), LANES):
            lanes = list(range(first, min(first + LANES, len(members))))
            yield _Block(program, loop, lanes, [members[each] for each in lanes])


# -- one block on one instrument --------------------------------------------------------------------------------------


def _run(backtest: Backtest, name: InstrumentId, columns: _Columns, block: _Block, days: Ints) -> list[Outcome]:
    bars, program = columns.bars, block.program
    lanes = (block.lanes * LANES)[:LANES]
    own, edges = columns.days
    shared = np.array([columns.of(expr) for expr in program.shared]).reshape(len(program.shared), len(bars))
    gathered, places = _gathered(columns, program, lanes)
    work = _work(backtest, name, columns, program, lanes)
    daily = np.empty((len(own), LANES))
    block.loop(edges, bars.open, bars.close, shared, gathered, places, work, daily)
    equity = on_days(days, own, daily.astype(np.int64))
    gains = np.diff(equity, axis=0, prepend=0)
    told = {each: work[Program.row(each) * LANES :][:LANES] for each in ("trades", "wins", "gross", "cost")}
    return [
        Outcome(
            trades=int(told["trades"][k]),
            wins=int(told["wins"][k]),
            gross=int(told["gross"][k]),
            costs=int(told["cost"][k]),
            daily=np.ascontiguousarray(gains[:, k]),
        )
        for k in range(len(block.lanes))
    ]


def _work(backtest: Backtest, name: InstrumentId, columns: _Columns, program: Program, lanes: Sequence[int]) -> Floats:
    """Parameters and first states of the loop, `LANES` numbers a row."""
    work = np.zeros((program.rows, LANES))
    units, side = _units(backtest, name), plan_of(backtest).side
    work[Program.row("rate")] = _ppm(backtest) * units
    work[Program.row("units")] = units if side.allows(Direction.LONG) else 0
    work[Program.row("down")] = -units if side.allows(Direction.SHORT) else 0
    work[program.undefined] = np.nan
    for at, values in program.constants:
        work[at] = [values[each] for each in lanes]
    for at, row in program.emas:
        nodes = [lane(row, each) for each in lanes]
        lengths = [int(dict(node.kernel.params)["timeperiod"]) for node in nodes]  # type: ignore[attr-defined]  # TaLib
        work[at] = [2.0 / (length + 1) for length in lengths]
        work[at + 1] = [length - 1 for length in lengths]
        price = columns.of(nodes[0].inputs[0])
        work[at + 2] = [np.cumsum(price[:length])[-1] / length for length in lengths]
    return work.ravel()


def _gathered(columns: _Columns, program: Program, lanes: Sequence[int]) -> tuple[Floats, Ints]:
    """The columns of what differs between lanes, each once, and where each lane finds its own."""
    wanted = [lane(row, each) for row in program.gathered for each in lanes]
    place = {expr: at for at, expr in enumerate(dict.fromkeys(wanted))}
    values = np.array([columns.of(expr) for expr in place]).reshape(len(place), len(columns.bars))
    return values, np.array([place[expr] for expr in wanted], np.int64)


class _Columns:
    """The values of expressions over the bars of one instrument, each computed once while memory allows."""

    def __init__(self, bars: BarArrays) -> None:
        self.bars = bars
        last = np.append(np.flatnonzero(np.diff(bars.day)) + 1, len(bars))
        self.days = bars.day[last - 1], np.concatenate((np.zeros(1, np.int64), last))
        self._kept: OrderedDict[Expr, Floats] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, expr: Expr) -> Floats:
        """float64; true is 1, false and undefined conditions are 0."""
        with self._lock:
            found = self._kept.get(expr)
            if found is None:
                found = self._kept[expr] = evaluate([expr], self.bars)[0].astype(np.float64)
                while len(self._kept) * found.nbytes > COLUMN_BYTES and len(self._kept) > 1:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(expr)
        return found


def _sum(parts: Sequence[Outcome]) -> Outcome:
    if len(parts) == 1:
        return parts[0]
    return Outcome(
        trades=sum(part.trades for part in parts),
        wins=sum(part.wins for part in parts),
        gross=sum(part.gross for part in parts),
        costs=sum(part.costs for part in parts),
        daily=np.sum([part.daily for part in parts], axis=0),
    )


# -- what suits -------------------------------------------------------------------------------------------------------


def _trades_freely(backtest: Backtest, name: InstrumentId) -> bool:
    """Whether every order would be sent whole at once, and all money is exact in float64."""
    instrument, bars = backtest.market.instruments.get(name), backtest.market.bars[name]
    units, dearest = _units(backtest, name), float(bars.high.max())
    turnover = 2.0 * units * dearest
    return (
        units > 0
        and name in backtest.settings.limits.allowed
        and instrument.segment.tradable
        and (not instrument.freeze_quantity or units <= instrument.freeze_quantity)
        and bars.interval == plan_of(backtest).interval
        and _ppm(backtest) * turnover + 1e6 < _EXACT
        and _ppm(backtest) * turnover / 1e6 < _DEAREST
        and turnover * len(bars) < 2 * _EXACT
    )


def _units(backtest: Backtest, name: InstrumentId) -> int:
    """Units of every entry; 0 where they depend on the price."""
    sizing = plan_of(backtest).sizing
    if sizing.by not in (SizeBy.QUANTITY, SizeBy.LOTS):
        return 0
    return size(sizing, backtest.market.instruments.get(name), 1, 0)


def _ppm(backtest: Backtest) -> int:
    assert isinstance(backtest.costs, FlatCosts)
    return backtest.costs.ppm
