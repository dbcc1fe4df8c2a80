"""Which driver is done sooner: the engine answers small backtests before the kernel would be compiled, or even loaded.

The rule depends on the backtest and on what the disk holds, never on a clock: the engine's time is estimated from the
bars and from how many of them bring a signal, and set against the usual time to compile a kernel, or to load one that
was compiled before. The estimates are rough on purpose (they were read off one machine); a wrong one costs seconds and
changes no number. Called by `run` for ``driver="auto"``.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal, NamedTuple

import numpy as np

from saudagar.backtest.kernel import ready, texts
from saudagar.backtest.run import Backtest, job_of, objection
from saudagar.engine.plan_run import Run
from saudagar.engine.settings import Plan
from saudagar.indicators import BarArrays, evaluate

COMPILE = 8.0
"""Seconds that compiling a strategy's loop takes, about."""

LOAD = 1.0
"""Seconds that loading Numba and a compiled loop takes, about."""

_A_BAR = 0.1e-6  # to scan one
_A_WALK = 10e-6  # to walk through one with the engine
_A_SIGNAL = 60e-6  # with all that follows from it
_SIGNALS = ("long", "short", "exit_long", "exit_short")


class Choice(NamedTuple):
    """`why` is a line for people where the engine runs for want of the kernel."""

    driver: Literal["kernel", "engine"]
    why: str = ""


def chosen(backtest: Backtest) -> Choice:
    """The driver for `backtest`."""
    if why := objection(backtest):
        return Choice("engine", f"The engine runs this, not the kernel: {why}.")
    if find_spec("numba") is None:
        return Choice("engine", "The engine runs this, not the kernel: Numba is not installed.")
    job = job_of(backtest)
    known = all(
        ready(text) for text in texts(job.plans, job.rows, together=job.together, at_close=backtest.fills.at_close)
    )
    return Choice("engine" if sooner(backtest, LOAD if known else COMPILE) else "kernel")


def sooner(backtest: Backtest, most: float) -> bool:
    """Whether the engine is done within `most` seconds, by the estimate."""
    seconds = 0.0
    limits = backtest.settings.limits
    for plan in backtest.settings.plans:
        follows = plan.exits.trail is not None or plan.exits.break_even is not None
        walks = follows or bool(limits.day_loss or limits.day_profit)
        for name in plan.instruments:
            walked = len(backtest.market.detail.get(name, backtest.market.bars[name]))
            seconds += walked * (_A_BAR + (_A_WALK if walks else 0.0))
            if seconds < most:
                seconds += _A_SIGNAL * signals_in(plan, backtest.market.bars[name])
            if seconds >= most:
                return False
    return True


def signals_in(plan: Plan, bars: BarArrays) -> int:
    """How many bars bring a signal."""
    run = Run(plan, plan.instruments[0])
    wanted = [(name, expr) for name, expr in zip(run.names, run.exprs, strict=True) if name in _SIGNALS]
    fired = np.zeros(len(bars), np.bool_)
    for column in evaluate([expr for _, expr in wanted], bars):
        fired |= column
    return int(fired.sum())
