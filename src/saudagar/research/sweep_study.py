"""What a sweep repeats, a backtest of one plan with other parameters, and what is kept of each run.

A run leaves its counts and the net profit of every trading day, marked to the last close. All that a sweep says later
(train against test, walk-forward, odds of luck, heat maps) is read from these daily figures, so that each set of
parameters is run once.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from saudagar.backtest.run import Backtest, BacktestResult, Driver, run
from saudagar.engine.settings import Plan
from saudagar.indicators import BarArrays, BarFields
from saudagar.market.ist import day_number
from saudagar.model import Paise
from saudagar.model.errors import ConfigError, SaudagarError
from saudagar.research.graphs import lines_of
from saudagar.research.sweep_grid import Params
from saudagar.strategies import Exits, Signals, Strategy

Ints: TypeAlias = NDArray[np.int64]

_EXITS = "exits."


class Outcome(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """What one run leaves. Money in paise."""

    trades: int  # closed round trips
    wins: int  # of which so many made money after costs
    gross: Paise
    costs: Paise
    daily: Ints  # net profit of each of `days_of`, open positions marked to the last close

    @property
    def net(self) -> Paise:
        """Of the closed round trips."""
        return self.gross - self.costs

    @property
    def trades_and_money(self) -> tuple[int, int, Paise, Paise]:
        return self.trades, self.wins, self.gross, self.costs

    def same(self, other: Outcome) -> bool:
        """Whether it is the same to the paisa."""
        return self.trades_and_money == other.trades_and_money and np.array_equal(self.daily, other.daily)


def plan_of(backtest: Backtest) -> Plan:
    """The one plan of `backtest`.

    Raises
    ------
    ConfigError
        It has not just one, lacks bars of an instrument, or states no capital to measure returns by.
    """
    plans = backtest.settings.plans
    if len(plans) != 1:
        raise ConfigError(f"a sweep repeats one plan, got {len(plans)}.")
    if not plans[0].instruments:
        raise ConfigError("a sweep needs at least one instrument.")
    if missing := [name for name in plans[0].instruments if not len(backtest.market.bars.get(name, ()))]:
        raise ConfigError(f"there are no bars of {', '.join(missing)}.")
    if type(backtest.capital) is not int or backtest.capital <= 0:
        raise ConfigError(f"a sweep measures returns on a capital above 0 paise, got {backtest.capital!r}.")
    return plans[0]


def with_params(backtest: Backtest, params: Params) -> Backtest:
    """The backtest of one set of parameters.

    Raises
    ------
    ConfigError
        A parameter that the strategy or its exits do not have, or a value that they refuse.
    """
    plan = plan_of(backtest)
    own = {name: value for name, value in params.items() if not name.startswith(_EXITS)}
    exits = {name.removeprefix(_EXITS): value for name, value in params.items() if name.startswith(_EXITS)}
    changed = msgspec.structs.replace(
        plan, strategy=_replaced(plan.strategy, own), exits=_replaced(plan.exits, exits) if exits else plan.exits
    )
    return msgspec.structs.replace(backtest, settings=msgspec.structs.replace(backtest.settings, plans=(changed,)))


def days_of(backtest: Backtest) -> Ints:
    """The trading days of all instruments, as days since 1970-01-01 in IST."""
    found: Ints = np.unique(np.concatenate([backtest.market.bars[name].day for name in plan_of(backtest).instruments]))
    return found


def run_one(backtest: Backtest, params: Params, driver: Driver = "engine") -> Outcome:
    """One run by the desk's own engine, or by the compiled kernel."""
    return outcome(backtest, run(with_params(backtest, params), driver))


def outcome(backtest: Backtest, result: BacktestResult) -> Outcome:
    """What a sweep keeps of `result`."""
    days, profit = days_of(backtest), result.profit
    first, last = _places(days, result.entry_ts), _places(days, result.exit_ts)
    closed, held = np.zeros(len(days), np.int64), np.zeros(len(days), np.int64)
    np.add.at(closed, last, profit)
    marks = [on_days(days, *closes(backtest.market.bars[name])) for name in result.instruments]
    for k in np.flatnonzero(first < last):
        value = result.quantity[k] * marks[result.position[k]][first[k] : last[k]] - result.entry_value[k]
        held[first[k] : last[k]] += result.sign[k] * value
    for place in np.flatnonzero(result.open_quantity):
        units = result.open_quantity[place]
        since = int(_places(days, result.open_ts[[place]])[0])
        held[since:] += units * marks[place][since:] - np.sign(units) * result.open_value[place]
    return Outcome(
        trades=len(result),
        wins=int((profit > 0).sum()),
        gross=result.gross,
        costs=int(result.costs.sum()),
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


def run_key(backtest: Backtest, params: Params) -> str:
    """A fingerprint of one run without its bars: settings, parameters, and the graph that they give.

    With the graph in it an edited strategy or indicator is run again; of an ``on_bar`` the text of the class stands in
    for it.
    """
    chosen = with_params(backtest, params)
    strategy = plan_of(chosen).strategy
    try:
        signals = strategy.signals(BarFields())
    except SaudagarError:
        raise
    except Exception as error:  # the user's own code
        raise ConfigError(
            f"{type(strategy).__name__}.signals raised {type(error).__name__} with {dict(params)!r}: {error}."
        ) from error
    told = [chosen.digest, _graph(signals)]
    if type(strategy).on_bar is not Strategy.on_bar:
        told.append(inspect.getsource(type(strategy)))
    return blake2b("\n".join(told).encode(), digest_size=16).hexdigest()


def _graph(signals: Signals) -> str:
    roots = (signals.long, signals.short, signals.exit_long, signals.exit_short)
    lines, place = lines_of([root for root in roots if root is not None])
    return "\n".join([*lines, repr([-1 if root is None else place[root] for root in roots])])


def _places(days: Ints, ts: Ints) -> NDArray[np.intp]:
    return np.searchsorted(days, day_number(ts))


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
        problems = [
            ": ".join([".".join(map(str, each["loc"])), each["msg"]]).removeprefix(": ") for each in error.errors()
        ]
        given = ", ".join(f"{name}={value}" for name, value in changes.items())
        raise ConfigError(f"{kind.__name__} refuses {given}: {'; '.join(problems)}.") from None
