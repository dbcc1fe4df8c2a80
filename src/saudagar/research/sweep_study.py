"""What a sweep repeats: one plan over fixed bars, and what is kept of each run.

A run leaves its counts and the net profit of every trading day, marked to the last close. All that a sweep says later
(train against test, walk-forward, odds of luck, heat maps) is read from these daily figures, so that each set of
parameters is run once.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from saudagar.backtest.replay import replay_bars
from saudagar.backtest.result import Result, flat_costs
from saudagar.engine.settings import Plan, Settings
from saudagar.execution.ports import InstrumentLookup
from saudagar.indicators import BarArrays, BarFields, Expr
from saudagar.indicators.evaluate import ordered
from saudagar.market.ist import DAY
from saudagar.market.sessions import Calendar
from saudagar.model import SECOND, InstrumentId, Nanos, Paise
from saudagar.model.errors import ConfigError
from saudagar.research.sweep_grid import Params
from saudagar.strategies import Exits, Signals, Strategy

Ints: TypeAlias = NDArray[np.int64]

_IST: Nanos = 19_800 * SECOND
_COLUMNS = ("start", "end", "open", "high", "low", "close", "volume")
_EXITS = "exits."


class Study(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """The backtest that is repeated with other parameters."""

    settings: Settings  # of one plan; the parameters of a run replace its own
    bars: Mapping[InstrumentId, BarArrays]  # whole paise
    instruments: InstrumentLookup
    cost_ppm: int  # of turnover on each side, rounded per round trip
    capital: Paise  # what returns are measured against

    def __post_init__(self) -> None:
        if len(self.settings.plans) != 1:
            raise ConfigError(f"a sweep repeats one plan, got {len(self.settings.plans)}.")
        if not self.plan.instruments:
            raise ConfigError("a sweep needs at least one instrument.")
        if missing := [name for name in self.plan.instruments if name not in self.bars]:
            raise ConfigError(f"there are no bars of {', '.join(missing)}.")
        if any(not len(self.bars[name]) for name in self.plan.instruments):
            raise ConfigError("a sweep needs at least one bar of each instrument.")
        if type(self.cost_ppm) is not int or not 0 <= self.cost_ppm < 1_000_000:
            raise ConfigError(f"costs are whole parts per million from 0 to 999,999, got {self.cost_ppm!r}.")
        if type(self.capital) is not int or self.capital <= 0:
            raise ConfigError(f"capital is a whole number of paise above 0, got {self.capital!r}.")

    @property
    def plan(self) -> Plan:
        return self.settings.plans[0]

    def with_params(self, params: Params) -> Settings:
        """The settings of one run.

        Raises
        ------
        ConfigError
            A parameter that the strategy or its exits do not have, or a value that they refuse.
        """
        own = {name: value for name, value in params.items() if not name.startswith(_EXITS)}
        exits = {name.removeprefix(_EXITS): value for name, value in params.items() if name.startswith(_EXITS)}
        plan = self.plan
        changed = msgspec.structs.replace(
            plan, strategy=_replaced(plan.strategy, own), exits=_replaced(plan.exits, exits) if exits else plan.exits
        )
        return msgspec.structs.replace(self.settings, plans=(changed,))

    def days(self) -> Ints:
        """The trading days of all instruments, as days since 1970-01-01 in IST."""
        found: Ints = np.unique(np.concatenate([self.bars[name].day for name in self.plan.instruments]))
        return found


class Outcome(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What one run leaves. Money in paise."""

    trades: int  # closed round trips
    wins: int  # of which so many made money after costs
    gross: Paise
    costs: Paise
    daily: Ints  # net profit of each day of the study, open positions marked to the last close

    @property
    def net(self) -> Paise:
        """Of the closed round trips."""
        return self.gross - self.costs

    def same(self, other: Outcome) -> bool:
        """Whether it is the same to the paisa."""
        mine, theirs = (each.trades_and_money for each in (self, other))
        return mine == theirs and np.array_equal(self.daily, other.daily)

    @property
    def trades_and_money(self) -> tuple[int, int, Paise, Paise]:
        return self.trades, self.wins, self.gross, self.costs


def run_engine(study: Study, params: Params) -> Outcome:
    """One run by the desk's own engine."""
    settings = study.with_params(params)
    result = replay_bars(settings, study.bars, study.instruments, Calendar(), flat_costs(study.cost_ppm))
    return outcome(study, result)


def outcome(study: Study, result: Result) -> Outcome:
    """What a sweep keeps of `result`."""
    days = study.days()
    marks = {name: on_days(days, *closes(study.bars[name])) for name in study.plan.instruments}
    closed, held = np.zeros(len(days), np.int64), np.zeros(len(days), np.int64)
    for trade, cost in zip(result.trades, result.costs, strict=True):
        first, last = _place(days, trade.entry_ts), _place(days, trade.exit_ts)
        closed[last] += trade.gross - cost
        if first < last:
            value = trade.quantity * marks[trade.instrument][first:last] - trade.entry_value
            held[first:last] += trade.side.sign * value
    for position in result.open:
        first, sign = _place(days, position.opened), position.side.sign
        paid = sign * (position.exit_value - position.entry_value)
        held[first:] += position.quantity * marks[position.instrument][first:] + paid
    gains = [trade.gross - cost for trade, cost in zip(result.trades, result.costs, strict=True)]
    return Outcome(
        trades=len(gains),
        wins=sum(gain > 0 for gain in gains),
        gross=result.gross,
        costs=sum(result.costs),
        daily=np.diff(np.cumsum(closed) + held, prepend=0),
    )


def closes(bars: BarArrays) -> tuple[Ints, Ints]:
    """The days of `bars` and the last close of each, paise."""
    last = np.append(np.flatnonzero(np.diff(bars.day)), len(bars) - 1)
    return bars.day[last], bars.close[last].astype(np.int64)


def on_days(days: Ints, own: Ints, values: Ints) -> Ints:
    """`values` of the days `own` on all of `days`: where a day is missing the one before holds, 0 before the first."""
    place = np.searchsorted(own, days, side="right")
    found: Ints = np.concatenate((np.zeros((1, *values.shape[1:]), np.int64), values))[place]
    return found


def data_hash(bars: Mapping[InstrumentId, BarArrays]) -> str:
    """A fingerprint of every number of every column."""
    found = hashlib.blake2b(digest_size=16)
    for name in sorted(bars):
        found.update(f"{name} {bars[name].interval} {bars[name].session_open}".encode())
        for column in _COLUMNS:
            found.update(np.ascontiguousarray(getattr(bars[name], column)).data)
    return found.hexdigest()


def study_key(study: Study, data: str) -> str:
    """A fingerprint of the study without the parameters of its plan; `data` is the `data_hash`."""
    plan, settings = study.plan, study.settings
    told = [
        data,
        type(plan.strategy).__qualname__,
        repr((plan.id, plan.instruments, plan.interval, plan.sizing, plan.side)),
        repr(msgspec.structs.replace(settings, plans=(), digest="", limits=_plain(settings))),
        repr(sorted(settings.limits.allowed)),
        repr([study.instruments.get(name) for name in plan.instruments]),
        f"{study.cost_ppm} {study.capital}",
    ]
    if type(plan.strategy).on_bar is not Strategy.on_bar:
        told.append(inspect.getsource(type(plan.strategy)))
    return hashlib.blake2b("\n".join(told).encode(), digest_size=16).hexdigest()


def run_key(study: Study, params: Params) -> str:
    """A fingerprint of one set of parameters: its graph and exits, so that an edited strategy is run again."""
    plan = study.with_params(params).plans[0]
    told = [plan.strategy.model_dump_json(), plan.exits.model_dump_json(), _graph(plan.strategy.signals(BarFields()))]
    return hashlib.blake2b("\n".join(told).encode(), digest_size=16).hexdigest()


def _graph(signals: Signals) -> str:
    roots: list[Expr | None] = [signals.long, signals.short, signals.exit_long, signals.exit_short]
    place: dict[Expr | None, int] = {None: -1}
    lines = []
    for node in ordered([root for root in roots if root is not None]):
        place[node] = len(place)
        lines.append(f"{node.kernel!r} {node.interval} {[place[part] for part in node.inputs]}")
    return "\n".join([*lines, repr([place[root] for root in roots])])


def _plain(settings: Settings) -> Any:
    return msgspec.structs.replace(settings.limits, allowed=frozenset())  # a set has no order of its own


def _place(days: Ints, ts: Nanos) -> int:
    return int(np.searchsorted(days, (ts + _IST) // DAY))


def _replaced(model: Any, changes: Mapping[str, Any]) -> Any:
    """`model` with other fields, checked anew."""
    kind = type(model)
    if unknown := [name for name in changes if name not in kind.model_fields]:
        known = ", ".join(kind.model_fields) or "none"
        what = "exits" if kind is Exits else kind.__name__
        raise ConfigError(f"{what} has no parameter {', '.join(unknown)}; its parameters: {known}.")
    values = {name: getattr(model, name) for name in kind.model_fields} | dict(changes)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise ConfigError(f"{kind.__name__} refuses {dict(changes)!r}: {'; '.join(problems)}.", problems) from None
