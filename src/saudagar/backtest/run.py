"""One backtest, two drivers: the desk's own engine, or a compiled kernel that tells the same round trips.

``run(Backtest(...), driver="kernel")`` is the way in for the command line, sweeps and notebooks. What the kernel does
not cover is refused with the reason; the engine does everything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

import saudagar
from saudagar.backtest import slots
from saudagar.backtest.costs import FlatCosts, StatutoryCosts, Trip
from saudagar.backtest.data import Market
from saudagar.backtest.fills import Slippage
from saudagar.backtest.replay import replay_bars
from saudagar.engine.settings import Plan, Settings
from saudagar.indicators import BarArrays
from saudagar.model import InstrumentId, Paise, PositionId, Side, position_id
from saudagar.model.errors import ConfigError
from saudagar.portfolio import Trade
from saudagar.strategies import Strategy

Ints = NDArray[np.int64]
Driver = Literal["kernel", "engine"]


class Backtest(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What to trade, on what, and by which rules.

    Signals act at the next bar's open; inside a bar the worst comes first (see `replay`). The broker's limit on
    orders a second does not apply: a bar has no seconds.
    """

    settings: Settings
    market: Market
    costs: FlatCosts | StatutoryCosts = FlatCosts()
    slippage: Slippage = Slippage()
    capital: Paise = 0

    @property
    def digest(self) -> str:
        """A fingerprint of everything but the bars."""
        settings = self.settings
        plans: list[Any] = []
        for plan in settings.plans:
            kind = type(plan.strategy)
            plans.append(
                [
                    kind.__module__,
                    kind.__qualname__,
                    plan.strategy.model_dump(mode="json"),
                    plan.exits.model_dump(mode="json"),
                ]
            )
            plans.append([plan.id, plan.instruments, plan.interval, plan.sizing, plan.side])
        told = [plans, settings.product, settings.tactics, settings.hours, self.costs, self.slippage, self.capital]
        limits = msgspec.structs.asdict(settings.limits) | {"allowed": sorted(settings.limits.allowed)}
        return blake2b(msgspec.json.encode([*told, limits], order="deterministic"), digest_size=16).hexdigest()


class BacktestResult(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Round trips by column, in the order of their exits; values in paise, times in UTC ns.

    `position` counts in `positions`, `reason` in `slots.REASONS` (1 is the strategy's own signal).
    """

    positions: tuple[PositionId, ...]
    instruments: tuple[InstrumentId, ...]  # one for each of `positions`
    position: Ints
    sign: Ints  # +1 long, -1 short
    quantity: Ints
    entry_ts: Ints
    entry_value: Ints
    exit_ts: Ints
    exit_value: Ints
    reason: Ints
    through: NDArray[np.bool_]  # the order that closed it opened the next
    costs: Ints
    fills: int
    open_quantity: Ints  # per position, signed units still held
    open_value: Ints  # paid or received for them
    open_ts: Ints
    capital: Paise
    driver: str
    data: str  # hash of the bars
    config: str  # hash of everything else
    version: str

    def __len__(self) -> int:
        return len(self.position)

    @property
    def profit(self) -> Ints:
        """Of each round trip after costs, paise."""
        return self.sign * (self.exit_value - self.entry_value) - self.costs

    @property
    def gross(self) -> Paise:
        return int((self.sign * (self.exit_value - self.entry_value)).sum())

    @property
    def net(self) -> Paise:
        return int(self.profit.sum())


def run(backtest: Backtest, driver: Driver = "kernel", *, say: Callable[[str], None] | None = None) -> BacktestResult:
    """Trade it.

    Parameters
    ----------
    say
        Told what takes long: the first compilation of a strategy.

    Raises
    ------
    ConfigError
        A plan names an instrument without bars or another interval than theirs; the kernel cannot do it; Numba is
        not installed.
    """
    settings = msgspec.structs.replace(
        backtest.settings, limits=msgspec.structs.replace(backtest.settings.limits, orders_per_second=0)
    )
    backtest = msgspec.structs.replace(backtest, settings=settings)
    for plan in settings.plans:
        for name in plan.instruments:
            _check(plan, name, backtest.market)
    return _by_engine(backtest) if driver == "engine" else _by_kernel(backtest, say)


def objection(backtest: Backtest) -> str:
    """Why the kernel cannot run `backtest`; empty if it can."""
    settings = backtest.settings
    names = [name for plan in settings.plans for name in plan.instruments]
    limits = settings.limits
    if hooked := [plan.id for plan in settings.plans if type(plan.strategy).on_bar is not Strategy.on_bar]:
        return f"strategy {hooked[0]!r} has an on_bar of its own"
    if len(set(names)) < len(names):
        return "two strategies trade one instrument"
    if outside := [name for name in names if name in backtest.market.outside]:
        return f"{outside[0]} has bars outside continuous trading"
    if (limits.day_loss or limits.day_profit) and not isinstance(backtest.costs, FlatCosts):
        return "limits on the day's profit count charges, which the kernel knows only as a flat share of turnover"
    return ""


def _check(plan: Plan, name: InstrumentId, market: Market) -> None:
    if name not in market.bars:
        raise ConfigError(f"strategy {plan.id!r} trades {name}, of which there are no bars.")
    given = market.bars[name].interval
    if given != plan.interval:
        raise ConfigError(f"strategy {plan.id!r} wants bars of {plan.interval} ns, {name} has {given}.")


def _pairs(backtest: Backtest) -> list[tuple[Plan, InstrumentId]]:
    """Each plan with each of its instruments, in the order of the bars."""
    order = {name: k for k, name in enumerate(backtest.market.bars)}
    pairs = [(plan, name) for plan in backtest.settings.plans for name in plan.instruments]
    return sorted(pairs, key=lambda pair: order[pair[1]])


def _by_kernel(backtest: Backtest, say: Callable[[str], None] | None) -> BacktestResult:
    if why := objection(backtest):
        raise ConfigError(f"the compiled driver cannot run this: {why}.", hint="Use the engine driver.")
    from saudagar.backtest.kernel import constants, trade_alone, trade_together

    settings, market, limits = backtest.settings, backtest.market, backtest.settings.limits
    pairs = [(msgspec.structs.replace(plan, instruments=(name,)), name) for plan, name in _pairs(backtest)]
    flat = backtest.costs.ppm if isinstance(backtest.costs, FlatCosts) else 0
    slip = (backtest.slippage.ticks, backtest.slippage.ppm)
    rows = [constants(p, market.instruments.get(name), settings, cost_ppm=flat, slip=slip) for p, name in pairs]
    bars = [market.bars[name] for _, name in pairs]
    shared = limits.max_open_positions or limits.max_trades or limits.day_loss or limits.day_profit
    if shared or (settings.hours.square_off and len(pairs) > 1):
        told = [trade_together([plan for plan, _ in pairs], bars, rows, say)]
    else:
        told = [trade_alone(plan, each, row, say) for (plan, _), each, row in zip(pairs, bars, rows, strict=True)]
        for k, each in enumerate(told):
            each.trades[:, slots.OUT_ROW] = k
    trades = (
        told[0].trades
        if len(told) == 1
        else np.concatenate([each.trades for each in told] or [np.empty((0, slots.OUT), np.int64)])
    )
    states = np.concatenate([each.states for each in told]) if told else np.empty((0, slots.STATE), np.int64)
    return _result(backtest, "kernel", trades, states, sum(each.fills for each in told))


def _by_engine(backtest: Backtest) -> BacktestResult:
    market = backtest.market
    costs = backtest.costs
    told = replay_bars(
        backtest.settings,
        market.bars,
        market.instruments,
        market.calendar,
        costs if isinstance(costs, FlatCosts) else lambda trade: costs.trip(_trip(trade, market)),
        slippage=backtest.slippage,
    )
    pairs = _pairs(backtest)
    number = {position_id(plan.id, name): k for k, (plan, name) in enumerate(pairs)}
    codes = {reason: k for k, reason in enumerate(slots.REASONS) if reason}
    trades = np.zeros((len(told.trades), slots.OUT), np.int64)
    last: dict[PositionId, tuple[int, str]] = {}
    for k, trade in enumerate(told.trades):
        reason = codes.get(trade.exit_reason.partition(":")[0], slots.BY_SIGNAL)
        trades[k] = (
            number[trade.position],
            trade.side.sign,
            trade.quantity,
            trade.entry_ts,
            trade.entry_value,
            trade.exit_ts,
            trade.exit_value,
            reason,
            0,
        )
        before = last.get(trade.position)
        if before is not None and before[1] == trade.legs[0].order_id:
            trades[before[0], slots.OUT_THROUGH] = 1
        last[trade.position] = (k, trade.legs[-1].order_id)
    states = np.zeros((len(pairs), slots.STATE), np.int64)
    for position in told.open:
        row = states[number[position.id]]
        row[slots.QUANTITY], row[slots.OPENED] = position.quantity, position.opened
        row[slots.ENTRY_VALUE], row[slots.EXIT_VALUE] = position.entry_value, position.exit_value
        before = last.get(position.id)
        if before is not None and before[1] == position.legs[0].order_id:
            trades[before[0], slots.OUT_THROUGH] = 1
    return _result(backtest, "engine", trades, states, told.fills)


def _trip(trade: Trade, market: Market) -> Trip:
    instrument = market.instruments.get(trade.instrument)
    return Trip(instrument, trade.side, trade.quantity, trade.exit_ts, trade.entry_value, trade.exit_value)


def _result(backtest: Backtest, driver: str, trades: Ints, states: Ints, fills: int) -> BacktestResult:
    pairs = _pairs(backtest)
    if len(pairs) > 1:
        trades = trades[
            np.lexsort((trades[:, slots.OUT_ENTRY_TS], trades[:, slots.OUT_ROW], trades[:, slots.OUT_EXIT_TS]))
        ]
    column = np.ascontiguousarray(trades.T)
    entry, exit_ = column[slots.OUT_ENTRY_VALUE], column[slots.OUT_EXIT_VALUE]
    rule = backtest.costs
    return BacktestResult(
        positions=tuple(position_id(plan.id, name) for plan, name in pairs),
        instruments=tuple(name for _, name in pairs),
        position=column[slots.OUT_ROW],
        sign=column[slots.OUT_SIGN],
        quantity=column[slots.OUT_QUANTITY],
        entry_ts=column[slots.OUT_ENTRY_TS],
        entry_value=entry,
        exit_ts=column[slots.OUT_EXIT_TS],
        exit_value=exit_,
        reason=column[slots.OUT_REASON],
        through=column[slots.OUT_THROUGH] == 1,
        costs=rule.many(entry, exit_)
        if isinstance(rule, FlatCosts)
        else _statutory(rule, backtest, pairs, trades, states),
        fills=fills,
        open_quantity=states[:, slots.QUANTITY],
        open_value=states[:, slots.ENTRY_VALUE] - states[:, slots.EXIT_VALUE],
        open_ts=states[:, slots.OPENED],
        capital=backtest.capital,
        driver=driver,
        data=backtest.market.digest,
        config=backtest.digest,
        version=saudagar.__version__,
    )


def _statutory(
    rule: StatutoryCosts, backtest: Backtest, pairs: Sequence[tuple[Plan, InstrumentId]], trades: Ints, states: Ints
) -> Ints:
    """Trip by trip; where one order closed a trip and opened the next, its brokerage is shared."""
    costs = np.zeros(len(trades), np.int64)
    for k, (_, name) in enumerate(pairs):
        instrument = backtest.market.instruments.get(name)
        mine = np.flatnonzero(trades[:, slots.OUT_ROW] == k)
        before = 0
        following: list[int] = [*trades[mine[1:], slots.OUT_ENTRY_VALUE].tolist(), int(states[k, slots.ENTRY_VALUE])]
        for at, after in zip(mine.tolist(), following, strict=False):
            line: Any = trades[at].tolist()
            through = line[slots.OUT_THROUGH] == 1
            costs[at] = rule.trip(
                Trip(
                    instrument,
                    Side.of(line[slots.OUT_SIGN]),
                    line[slots.OUT_QUANTITY],
                    line[slots.OUT_EXIT_TS],
                    line[slots.OUT_ENTRY_VALUE],
                    line[slots.OUT_EXIT_VALUE],
                    before,
                    after if through else 0,
                )
            )
            before = line[slots.OUT_EXIT_VALUE] if through else 0
    return costs


def bars_of(result: BacktestResult, market: Market, position: int) -> BarArrays:
    """The bars that a position of `result` traded."""
    return market.bars[result.instruments[position]]
