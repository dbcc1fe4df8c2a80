"""Figures: what was measured, how often, and how it is shown."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import TypeVar

import msgspec

SCRATCH = Path("var/bench")

_Told = TypeVar("_Told")


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. `best` is the best of the rounds, `middle` their median."""

    group: str
    what: str
    unit: str
    best: float
    middle: float
    rounds: int
    note: str = ""


def rate(group: str, what: str, count: int, seconds: Sequence[float], unit: str, note: str = "") -> Figure:
    """`count` things done in each of `seconds`: things per second."""
    rates = [count / each for each in seconds]
    return Figure(
        group=group, what=what, unit=unit, best=max(rates), middle=median(rates), rounds=len(rates), note=note
    )


def least(group: str, what: str, values: Sequence[float], unit: str, note: str = "") -> Figure:
    """Values of which less is better."""
    return Figure(
        group=group, what=what, unit=unit, best=min(values), middle=median(values), rounds=len(values), note=note
    )


def timed(rounds: int, work: Callable[[], object]) -> list[float]:
    """Seconds of each of `rounds` calls."""
    seconds = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return seconds


def timed_last(rounds: int, work: Callable[[], _Told]) -> tuple[list[float], _Told]:
    """Seconds of each of `rounds` calls, and what the last one told: who keeps them all measures how memory is got."""
    told: list[_Told] = []

    def again() -> None:
        told[:] = [work()]

    return timed(rounds, again), told[0]


def quantile(samples: Sequence[float], q: float) -> float:
    """The `q` quantile (0 to 1) of `samples`; not a number where there are none."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else float("nan")


def machine() -> str:
    """Where and beside what it was measured."""
    load = ", ".join(f"{each:.2f}" for each in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}; "
        f"load {load}"
    )


def table(figures: Iterable[Figure]) -> str:
    """The figures as aligned text, a headline per group."""
    lines: list[str] = []
    group = ""
    for each in figures:
        if each.group != group:
            group = each.group
            lines += ["", f"{group}", f"  {'':52} {'median':>12} {'best':>12}  unit"]
        lines.append(f"  {each.what:52} {_number(each.middle):>12} {_number(each.best):>12}  {each.unit}  {each.note}")
    return "\n".join(line.rstrip() for line in lines)


def _number(value: float) -> str:
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"
