"""The compiled driver: one fused loop per strategy, kept on disk by the hash of its text.

Called by `run`; tells the same round trips as the engine's replay, in the same order. Numba is wanted here only.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import version
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from saudagar.backtest import compiled, slots
from saudagar.backtest.detail import closing_bars
from saudagar.backtest.fuse import Fused, alone, fuse, signals_only
from saudagar.engine.plan_run import Run
from saudagar.engine.settings import Plan, Settings
from saudagar.execution import protection
from saudagar.indicators import BarArrays
from saudagar.market.ist import DAY, since_midnight
from saudagar.model import Instrument, Offset, OrderType, SizeBy, TradeSide

Rows = NDArray[np.int64]
Say: TypeAlias = Callable[[str], None] | None
Loop: TypeAlias = tuple[Fused, str]

_SIDES = {TradeSide.BOTH: 0, TradeSide.BUY: 1, TradeSide.SELL: -1}
_SIZES = {
    SizeBy.QUANTITY: slots.BY_QUANTITY,
    SizeBy.LOTS: slots.BY_LOTS,
    SizeBy.VALUE: slots.BY_VALUE,
    SizeBy.RISK: slots.BY_RISK,
}
_DAY_END = since_midnight("23:59:59")
_EXITS = ("stop", "target", "trail", "break_even")


def cache_folder() -> Path:
    """Where kernels are kept: ``SAUDAGAR_CACHE``, or a folder of the user's cache."""
    named = os.environ.get("SAUDAGAR_CACHE")
    base = Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saudagar"
    return base / "kernels"


_COMPILED_IN = ("compiled", "slots", "levels", "wishes", "steps", "together")


@cache
def _source_digest() -> str:
    """Of everything that is compiled into a kernel beside its own text; told without loading Numba."""
    here = Path(__file__).parent
    sources = [*(here / f"{name}.py" for name in _COMPILED_IN), Path(protection.__file__)]
    text = "".join(source.read_text() for source in sources)
    return hashlib.sha256((version("numba") + sys.version + text).encode()).hexdigest()


# The part that is the same in all kernels is compiled once and called where it lies. Its functions are inlined here,
# whole.
_STEPS = """
from saudagar.backtest import steps
from saudagar.backtest.compiled import by_address, kept_as

ROW, ROWS = "int64[::1]", "int64[:, ::1]"


@kept_as(f"void({ROW}, {ROW}, {ROW}, boolean, int64, float64, {'int64, ' * 7}{ROWS}, int64)")
def bar(c, s, g, wish, bits, atr, o, h, low, close, start, end, clock, out, row):
    steps.bar(c, s, g, wish, bits, atr, o, h, low, close, start, end, clock, out, row)


@kept_as(f"void({ROW}, {ROW})")
def morning(c, s):
    steps.morning(c, s)


bar, morning = by_address(bar, f"{__name__}.bar"), by_address(morning, f"{__name__}.morning")
"""

_CLOSE = """
from saudagar.backtest import steps
from saudagar.backtest.compiled import by_address, kept_as

ROW, ROWS = "int64[::1]", "int64[:, ::1]"


@kept_as(f"void({ROW}, {ROW}, {ROW}, int64, float64, {'int64, ' * 3}{ROWS}, int64)")
def act_at_close(c, s, g, bits, atr, price, ts, clock, out, row):
    steps.act_at_close(c, s, g, bits, atr, price, ts, clock, out, row)


act_at_close = by_address(act_at_close, f"{__name__}.act_at_close")
"""


_TOGETHER = """
import numpy as np

from saudagar.backtest import slots as at
from saudagar.backtest import together
from saudagar.backtest.compiled import kept

NEVER = 1 << 62


@kept
def run(offset, o, h, l, c, start, end, clock, day, bits, atr, C, S, G, out):
    size = len(S)
    spot = offset[:-1].copy()
    group = np.zeros(size, np.int64)
    inside = np.zeros(size, np.int64)
    one = np.zeros(1, np.int64)
    queue = np.zeros(2 * size + 2, np.int64)
    prices = np.zeros((size, 4), np.int64)
    today = -1
    while True:
        now = NEVER
        for k in range(size):
            if spot[k] < offset[k + 1] and start[spot[k]] < now:
                now = start[spot[k]]
        if now == NEVER:
            return out
        count = 0
        for k in range(size):
            if spot[k] < offset[k + 1] and start[spot[k]] == now:
                group[count] = k
                count += 1
        if day[spot[group[0]]] != today:
            today = day[spot[group[0]]]
            together.begin_day(C, S, G)
        if G[at.TRADES] + 8 * size > len(out):
            wider = np.empty((2 * len(out), at.OUT), np.int64)
            for k in range(G[at.TRADES]):
                for j in range(at.OUT):
                    wider[k, j] = out[k, j]
            out = wider
        columns, times, scratch = (o, h, l, c), (start, end, clock), (inside, one, queue)
        together.moment(C, S, G, group, count, spot, columns, times, bits, atr, prices, scratch, out)
        for j in range(count):
            spot[group[j]] += 1
"""


_loaded: dict[str, ModuleType] = {}
_loading = RLock()  # threads may want the same one at once


def load(text: str, say: Say = None) -> ModuleType:
    """The module of a kernel's text, from the disk if it was made before; `say` is told if it was not."""
    with _loading:
        if text not in _loaded:
            _loaded[text] = _load(text, say)
        return _loaded[text]


def ready(text: str) -> bool:
    """Whether the machine code of a kernel is at hand, in memory or on disk."""
    if text in _loaded:
        return True
    return any((cache_folder() / "__pycache__").glob(f"{_name(_whole(text))}.run-*.nbi"))


def _whole(text: str, *, make: bool = False) -> str:
    """`text` with the names of the modules that it imports, made if need be, and what else it depends on."""
    for word, part in (("{steps}", _STEPS), ("{close}", _CLOSE)):
        if word in text:
            text = text.replace(word, load(part).__name__ if make else _name(_whole(part)))
    return f"# {_source_digest()}\n{text}"


def _name(text: str) -> str:
    return f"saudagar_{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def _load(text: str, say: Say) -> ModuleType:
    compiled.numba()
    text = _whole(text, make=True)
    name = _name(text)
    file = cache_folder() / f"{name}.py"
    if not file.exists():
        if say is not None:
            say("Compiling the strategy (once; some ten seconds, then it is kept) ...")
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(f".{os.getpid()}")
        draft.write_text(text)
        draft.replace(file)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def constants(plan: Plan, instrument: Instrument, settings: Settings, *, cost_ppm: int, slip: tuple[int, int]) -> Rows:
    """The row of what stays the same for `plan` on `instrument`.

    Parameters
    ----------
    cost_ppm
        Flat charges on turnover, for the limits of the day.
    slip
        Slippage of marketable orders: ticks, and ppm of the price.
    """
    c = np.zeros(slots.CONSTANTS, np.int64)
    limits, tactics, hours, exits = settings.limits, settings.tactics, settings.hours, plan.exits
    c[slots.TICK], c[slots.LOT] = instrument.tick_size, instrument.lot_size
    c[slots.MOST_UNITS] = instrument.whole_lots(instrument.freeze_quantity)
    c[slots.SIZE_BY], c[slots.AMOUNT] = _SIZES[plan.sizing.by], plan.sizing.amount
    c[slots.SIDE] = _SIDES[plan.side]
    c[slots.FROM] = since_midnight(hours.no_entry_before) if hours.no_entry_before else 0
    c[slots.UNTIL] = min(since_midnight(hours.no_entry_after or "23:59:59"), _square_off(settings))
    c[slots.SQUARE_OFF] = _square_off(settings) if hours.square_off else slots.FAR
    c[slots.ALLOWED] = instrument.id in limits.allowed and instrument.segment.tradable
    c[slots.MOST_QUANTITY], c[slots.MOST_VALUE] = limits.max_order_quantity, limits.max_order_value
    c[slots.MOST_OPEN], c[slots.MOST_TRADES] = limits.max_open_positions, limits.max_trades
    c[slots.PRICE_BAND] = limits.price_band_ppm
    c[slots.ENTRY_REACH] = tactics.protection_ppm if tactics.entry_type is OrderType.LIMIT else -1
    c[slots.REST], c[slots.FLIP] = tactics.rest_stop, tactics.flip
    c[slots.STOP_BAND] = -1 if tactics.stop_type is OrderType.SL_M else tactics.stop_band_ppm
    c[slots.MOST_CHANGES] = tactics.modifications - 5
    c[slots.CHASE], c[slots.EXIT_REACH] = tactics.chase, tactics.protection_ppm
    c[slots.DAY_LOSS], c[slots.DAY_PROFIT] = limits.day_loss, limits.day_profit
    c[slots.CAPITAL], c[slots.LEVERAGE] = limits.capital, limits.leverage_percent
    c[slots.SLIP_TICKS], c[slots.SLIP_PPM] = slip
    c[slots.COST_PPM] = cost_ppm
    c[slots.NEEDS_ATR] = exits.needs_atr
    plain = exits.protection(1.0)
    c[slots.MAX_AGE] = plain.max_age
    for kind, name in enumerate(_EXITS):
        offset: Offset | None = getattr(plain, name)
        if offset is None:
            continue
        distance = getattr(exits, name)
        c[slots.HAS + kind], c[slots.PPM + kind] = 1, offset.ppm
        if distance.unit == "atr":
            top, bottom = distance.number.as_integer_ratio()
            c[slots.ATR_MILLI + kind], c[slots.ATR_SCALE + kind] = top, bottom
        else:
            c[slots.CONST_POINTS + kind] = offset.points
    return c


def _square_off(settings: Settings) -> int:
    return since_midnight(settings.hours.square_off or "23:59:59")


def mornings(bars: BarArrays) -> Rows:
    """The first bar of each day but the first, then one that never comes."""
    return np.append(np.flatnonzero(bars.day[1:] != bars.day[:-1]) + 1, len(bars) + 1)


class Told:
    """What a kernel left: round trips as rows, the state of each position, the wishes refused for want of cash."""

    def __init__(self, trades: Rows, states: Rows, refused: int) -> None:
        self.trades = trades
        self.states = states
        self.refused = refused

    @property
    def fills(self) -> int:
        return int(self.states[:, slots.FILLS].sum())


def trade_each(
    plans: Sequence[Plan], bars: Sequence[BarArrays], rows: Sequence[Rows], say: Say = None, *, at_close: bool = False
) -> list[Told]:
    """Plans of one instrument each that share no limit, on one thread per core; the lists run side by side.

    Signals act at the next open or at their close.
    """
    loops = _alone(plans, rows, at_close)
    kernels = [load(text, say).run for _, text in loops]
    columns = [fused.arrays(each) for (fused, _), each in zip(loops, bars, strict=True)]  # may run a user's functions
    values = [np.array(fused.values or (0.0,)) for fused, _ in loops]
    given = kernels, bars, columns, values, rows
    if len(plans) == 1:
        return list(map(_trade_alone, *given))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(_trade_alone, *given))


def _trade_alone(
    kernel: Callable[..., Rows], bars: BarArrays, columns: Sequence[NDArray[Any]], values: NDArray[Any], row: Rows
) -> Told:
    state = np.zeros(slots.STATE, np.int64)
    shared = np.zeros(slots.SHARED, np.int64)
    out = kernel(
        len(bars),
        *prices(bars),
        bars.start,
        bars.end,
        bars.since + bars.session_open,
        mornings(bars),
        *columns,
        values,
        row,
        state,
        shared,
        np.empty((len(bars) // 16 + 256, slots.OUT), np.int64),  # pages that are not written cost nothing
    )
    return Told(out[: shared[slots.TRADES]], state[None, :], int(shared[slots.REFUSED]))


def _alone(plans: Sequence[Plan], rows: Sequence[Rows], at_close: bool) -> list[Loop]:
    """The loop of each plan; those that differ by their instrument only share one."""
    made: dict[tuple[object, ...], Loop] = {}
    found = []
    for plan, row in zip(plans, rows, strict=True):
        timed = bool(row[slots.MAX_AGE]) or bool(row[slots.SQUARE_OFF] < DAY)
        hours = timed or bool(row[slots.FROM] > 0) or bool(row[slots.UNTIL] < _DAY_END)
        inside = bool(row[slots.HAS : slots.HAS + 4].any())
        key = id(plan.strategy), id(plan.exits), plan.interval, timed, hours, inside
        if key not in made:
            run = Run(plan, plan.instruments[0])
            fused = fuse(run.exprs)
            text = alone(fused, run.names, timed=timed, inside=inside, hours=hours, at_close=at_close)
            made[key] = fused, text
        found.append(made[key])
    return found


def texts(plans: Sequence[Plan], rows: Sequence[Rows], *, together: bool, at_close: bool) -> set[str]:
    """What would have to be compiled to trade `plans` (see `trade_each`, `trade_together`)."""
    if not together:
        return {text for _, text in _alone(plans, rows, at_close)}
    runs = [Run(plan, plan.instruments[0]) for plan in plans]
    return {_TOGETHER, *(signals_only(fuse(run.exprs), run.names) for run in runs)}


def prices(bars: BarArrays) -> Sequence[NDArray[Any]]:
    return bars.open, bars.high, bars.low, bars.close, bars.volume


def trade_together(
    plans: Sequence[Plan],
    bars: Sequence[BarArrays],
    rows: Sequence[Rows],
    say: Say = None,
    *,
    detail: Sequence[BarArrays] | None = None,
) -> Told:
    """Several instruments on one account, each with its plan; the lists run side by side.

    `detail` holds what is walked along, where that is not `bars` themselves.
    """
    walked = bars if detail is None else detail
    offset = np.cumsum([0, *map(len, walked)])
    bits = np.zeros(offset[-1], np.uint8)
    wants_atr = any(plan.exits.needs_atr for plan in plans)
    atr = np.zeros(offset[-1] if wants_atr else 0)
    for k, (plan, each) in enumerate(zip(plans, bars, strict=True)):
        run = Run(plan, plan.instruments[0])
        fused = fuse(run.exprs)
        signals: Callable[..., None] = load(signals_only(fused, run.names), say).run
        here, values = slice(offset[k], offset[k + 1]), np.array(fused.values or (0.0,))
        own = bits[here], atr[here]
        if walked[k] is not each:
            own = np.zeros(len(each), np.uint8), np.zeros(len(each) if wants_atr else 0)
        signals(len(each), *prices(each), *fused.arrays(each), values, *own)
        if walked[k] is not each:
            after = closing_bars(each, walked[k], at_close=False) + 1  # 0, where nothing ever acts, for none
            bits[here] = own[0][after]
            if wants_atr:
                atr[here] = own[1][after]
    state = np.zeros((len(plans), slots.STATE), np.int64)
    shared = np.zeros(slots.SHARED, np.int64)

    def joined(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(each, name) for each in walked])

    out = load(_TOGETHER, say).run(
        offset,
        *map(joined, ("open", "high", "low", "close", "start", "end")),
        joined("since") + np.repeat([each.session_open for each in walked], list(map(len, walked))),
        joined("day"),
        bits,
        atr,
        np.stack(rows),
        state,
        shared,
        np.empty((max(256, 16 * len(plans)), slots.OUT), np.int64),
    )
    return Told(out[: shared[slots.TRADES]], state, int(shared[slots.REFUSED]))
