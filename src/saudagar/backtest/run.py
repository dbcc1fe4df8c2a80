"""One backtest, two drivers: the desk's own engine, or a compiled kernel that tells the same round trips.

``run(Backtest(...), driver="auto")`` is the way in for the command line, sweeps and notebooks. What the kernel does
not cover is refused with the reason; the engine does everything. Which of them runs changes no number: see `choice`.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

import saudagar
from saudagar.backtest import slots
from saudagar.backtest.charged import charged
from saudagar.backtest.costs import FlatCosts, StatutoryCosts, Trip
from saudagar.backtest.data import Market
from saudagar.backtest.fill_rules import FillRules
from saudagar.backtest.fills import Slippage
from saudagar.backtest.outcome import BacktestResult
from saudagar.backtest.replay import replay_bars
from saudagar.backtest.result import Result
from saudagar.engine.settings import Plan, Settings
from saudagar.model import InstrumentId, Nanos, Paise, PositionId, position_id
from saudagar.model.errors import ConfigError
from saudagar.portfolio import Trade
from saudagar.strategies import Strategy

__all__ = ["Backtest", "BacktestResult", "Driver", "cost_of", "fresh", "objection", "run", "told_of"]

Ints = NDArray[np.int64]
Driver = Literal["auto", "kernel", "engine"]
Say = Callable[[str], None] | None


class Backtest(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What to trade, on what, and by which rules.

    Signals act as `fills` says; inside a bar the worst comes first (see `replay`). The broker's limit on orders a
    second does not apply: a bar has no seconds.
    """

    settings: Settings
    market: Market
    costs: FlatCosts | StatutoryCosts = FlatCosts()
    slippage: Slippage = Slippage()
    fills: FillRules = FillRules()
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
        if self.fills != FillRules():
            told.append(self.fills)
        limits = msgspec.structs.asdict(settings.limits) | {"allowed": sorted(settings.limits.allowed)}
        return blake2b(msgspec.json.encode([*told, limits], order="deterministic"), digest_size=16).hexdigest()


def run(
    backtest: Backtest,
    driver: Driver = "kernel",
    *,
    say: Say = None,
    progress: Callable[[float], None] | None = None,
) -> BacktestResult:
    """Trade it.

    Parameters
    ----------
    driver
        ``auto`` takes the one that is done sooner; see `choice.chosen`.
    say
        Told what takes long (the first compilation of a strategy), and with ``auto`` why the engine runs.
    progress
        Told by the engine how much of the time has been traded, 0 to 1, as days go by.

    Raises
    ------
    ConfigError
        A plan names an instrument without bars or another interval than theirs; the kernel cannot do it; Numba is
        not installed.
    CalendarError
        Nobody has tabled what the charges were on the first day.
    """
    settings = fresh(backtest.fills.applied(backtest.settings))
    settings = msgspec.structs.replace(
        settings,  # between two bars no time goes by, in which an order could be too many or too late
        limits=msgspec.structs.replace(settings.limits, orders_per_second=0),
        tactics=msgspec.structs.replace(settings.tactics, entry_age=0),
    )
    made = msgspec.structs.replace(backtest, settings=settings)
    for plan in settings.plans:
        for name in plan.instruments:
            _check(plan, name, backtest.market)
            backtest.costs.check(backtest.market.instruments.get(name), backtest.market.bars[name])
    if driver == "auto":
        from saudagar.backtest.choice import chosen

        choice = chosen(made)
        driver = choice.driver
        if say is not None and choice.why:
            say(choice.why)
    told = _by_kernel(backtest, made, say) if driver == "kernel" else None
    return _by_engine(backtest, made, progress) if told is None else told


def fresh(settings: Settings) -> Settings:
    """`settings` with strategies of their own: what an `on_bar` remembers of one run is the future of the next."""
    plans = [
        plan
        if type(plan.strategy).on_bar is Strategy.on_bar
        else msgspec.structs.replace(plan, strategy=plan.strategy.model_copy(deep=True))
        for plan in settings.plans
    ]
    return msgspec.structs.replace(settings, plans=tuple(plans))


def objection(backtest: Backtest) -> str:
    """Why the kernel cannot run `backtest`; empty if it can."""
    settings, market, fills = backtest.settings, backtest.market, backtest.fills
    names = [name for plan in settings.plans for name in plan.instruments]
    limits = settings.limits
    if hooked := [plan.id for plan in settings.plans if type(plan.strategy).on_bar is not Strategy.on_bar]:
        return f"strategy {hooked[0]!r} has an on_bar of its own, which is not compiled"
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        return f"two strategies trade {twice}, and one's position decides which way the other's price walks"
    if (limits.day_loss or limits.day_profit) and not isinstance(backtest.costs, FlatCosts):
        return "limits on the day's profit count charges, which the kernel knows only as a flat share of turnover"
    if fills.counts_volume:
        word = "orders fill in parts" if fills.participation else "entries wait in a queue"
        return f"{word} ({fills.fill.value}), and the kernel fills whole"
    if fills.at_close and (_shared(backtest) or any(name in market.detail for name in names)):
        return "fills at the close together with shared limits or finer bars are the engine's"
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


def _shared(backtest: Backtest) -> bool:
    """Whether what one position does may matter to another."""
    limits, count = backtest.settings.limits, sum(len(plan.instruments) for plan in backtest.settings.plans)
    bound = limits.max_open_positions or limits.max_trades or limits.day_loss or limits.day_profit
    return bool(bound or (backtest.settings.hours.square_off and count > 1))


class Job(NamedTuple):
    """What the kernel is given: a plan for each of its instruments, and the constants of each."""

    plans: list[Plan]
    rows: list[Ints]
    together: bool


def job_of(backtest: Backtest, *, together: bool = False) -> Job:
    """The kernel's part of `backtest`."""
    from saudagar.backtest.kernel import constants

    market = backtest.market
    plans = [msgspec.structs.replace(plan, instruments=(name,)) for plan, name in _pairs(backtest)]
    flat = backtest.costs.ppm if isinstance(backtest.costs, FlatCosts) else 0
    slip = (backtest.slippage.ticks, backtest.slippage.ppm)
    known = [market.instruments.get(plan.instruments[0]) for plan in plans]
    rows = [
        constants(plan, instrument, backtest.settings, cost_ppm=flat, slip=slip)
        for plan, instrument in zip(plans, known, strict=True)
    ]
    together = together or _shared(backtest) or any(plan.instruments[0] in market.detail for plan in plans)
    return Job(plans, rows, together)


def _by_kernel(asked: Backtest, backtest: Backtest, say: Say) -> BacktestResult | None:
    """None if the cash runs short where only the engine can tell what follows."""
    if why := objection(backtest):
        raise ConfigError(f"the compiled driver cannot run this: {why}.", hint="Use the engine driver.")
    if not backtest.settings.limits.leverage_percent:
        return _compiled(asked, backtest, job_of(backtest), say)
    from saudagar.backtest.means import never_short

    counted, job = isinstance(backtest.costs, FlatCosts), job_of(_unbound(backtest))
    if not (counted and job.together):  # fastest without the rule, and most often it changes nothing
        told = _compiled(asked, backtest, job, say)
        if not backtest.settings.limits.max_trades and never_short(backtest, told):
            return told
    if counted and not (backtest.fills.at_close and len(job.plans) > 1):
        told = _compiled(asked, backtest, job_of(backtest, together=len(job.plans) > 1), say)
        if not _cut(backtest, told):
            return told
    if say is not None:
        say(f"The engine runs this, not the kernel: the cash runs short, and {_why_not(backtest, counted)}.")
    return None


def _unbound(backtest: Backtest) -> Backtest:
    """`backtest` where nobody counts the cash."""
    limits = msgspec.structs.replace(backtest.settings.limits, leverage_percent=0)
    return msgspec.structs.replace(backtest, settings=msgspec.structs.replace(backtest.settings, limits=limits))


def _cut(backtest: Backtest, told: BacktestResult) -> bool:
    """Whether an entry was cut into slices: the engine asks risk for each, the kernel once."""
    most = [backtest.market.instruments.get(name).freeze_quantity for name in told.instruments]
    freeze = np.array([each or np.iinfo(np.int64).max for each in most], np.int64)
    return bool((told.quantity > freeze[told.position]).any() or (np.abs(told.open_quantity) > freeze).any())


def _why_not(backtest: Backtest, counted: bool) -> str:
    if not counted:
        return "the kernel knows charges only as a flat share of turnover"
    return "fills at the close share nothing there" if backtest.fills.at_close else "its entries are cut into slices"


def _compiled(asked: Backtest, backtest: Backtest, job: Job, say: Say) -> BacktestResult:
    from saudagar.backtest.kernel import trade_each, trade_together

    market = backtest.market
    names = [plan.instruments[0] for plan in job.plans]
    bars = [market.bars[name] for name in names]
    if job.together:
        detail = [market.detail.get(name, market.bars[name]) for name in names]
        told = [trade_together(job.plans, bars, job.rows, say, detail=detail)]
    else:
        at_close = backtest.fills.at_close
        told = trade_each(job.plans, bars, job.rows, say, at_close=at_close)
        for k, each in enumerate(told):
            each.trades[:, slots.OUT_ROW] = k
    trades = (
        told[0].trades
        if len(told) == 1
        else np.concatenate([each.trades for each in told] or [np.empty((0, slots.OUT), np.int64)])
    )
    states = np.concatenate([each.states for each in told]) if told else np.empty((0, slots.STATE), np.int64)
    refused = sum(each.refused for each in told)
    denials = {"cash": refused} if refused else {}
    return _result(asked, "kernel", trades, states, sum(each.fills for each in told), denials)


def _by_engine(asked: Backtest, backtest: Backtest, progress: Callable[[float], None] | None = None) -> BacktestResult:
    market = backtest.market
    told = replay_bars(
        backtest.settings,
        market.bars,
        market.instruments,
        market.calendar,
        cost_of(backtest),
        slippage=backtest.slippage,
        fills=backtest.fills,
        detail=market.detail,
        on_day=None if progress is None else _share_of(market, progress),
    )
    return told_of(asked, told, "engine")


def _share_of(market: Market, progress: Callable[[float], None]) -> Callable[[Nanos], None]:
    """From a moment of the bars to how much of them lies behind it."""
    spans = [(int(bars.start[0]), int(bars.end[-1])) for bars in market.bars.values() if len(bars)]
    first, last = min(start for start, _ in spans), max(end for _, end in spans)
    return lambda ts: progress((ts - first) / (last - first))


def told_of(backtest: Backtest, told: Result, driver: str) -> BacktestResult:
    """What a replay of `backtest` left, by column."""
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
    return _result(backtest, driver, trades, states, told.fills, told.denials)


def cost_of(backtest: Backtest) -> Callable[[Trade], Paise]:
    """The charges of one round trip, for the limits of the day."""
    rule, market = backtest.costs, backtest.market

    def trip(trade: Trade) -> Trip:
        instrument = market.instruments.get(trade.instrument)
        return Trip(instrument, trade.side, trade.quantity, trade.exit_ts, trade.entry_value, trade.exit_value)

    return rule if isinstance(rule, FlatCosts) else lambda trade: rule.trip(trip(trade))


def _result(
    backtest: Backtest, driver: str, trades: Ints, states: Ints, fills: int, denials: dict[str, int]
) -> BacktestResult:
    pairs = _pairs(backtest)
    if len(pairs) > 1:
        place = trades[:, slots.OUT_ROW]  # within a place they stand in their order
        if (place[1:] < place[:-1]).any():
            trades = trades[np.argsort(place, kind="stable")]
        trades = trades.take(np.argsort(trades[:, slots.OUT_EXIT_TS], kind="stable"), axis=0)
    cost = charged(backtest.costs, [backtest.market.instruments.get(name) for _, name in pairs], trades, states)
    column = np.ascontiguousarray(trades.T)
    return BacktestResult(
        positions=tuple(position_id(plan.id, name) for plan, name in pairs),
        instruments=tuple(name for _, name in pairs),
        position=column[slots.OUT_ROW],
        sign=column[slots.OUT_SIGN],
        quantity=column[slots.OUT_QUANTITY],
        entry_ts=column[slots.OUT_ENTRY_TS],
        entry_value=column[slots.OUT_ENTRY_VALUE],
        exit_ts=column[slots.OUT_EXIT_TS],
        exit_value=column[slots.OUT_EXIT_VALUE],
        reason=column[slots.OUT_REASON],
        through=column[slots.OUT_THROUGH] == 1,
        costs=cost.costs,
        fills=fills,
        open_quantity=states[:, slots.QUANTITY],
        open_value=states[:, slots.ENTRY_VALUE] - states[:, slots.EXIT_VALUE],
        open_ts=states[:, slots.OPENED],
        capital=backtest.capital,
        driver=driver,
        data=backtest.market.digest,
        config=backtest.digest,
        version=saudagar.__version__,
        market=backtest.market,
        kinds=cost.kinds,
        denials=denials,
    )
