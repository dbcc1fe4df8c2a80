"""TA-Lib's functions as kernels: the batch function for arrays, the streaming handle bar by bar.

TA-Lib ≥ 0.8 promises that a handle gives bit for bit what the function gives
(`talib.stream` docstring); the property tests hold it to that for every function used here.

A bar on which any input is undefined or infinite does not count: the output is undefined there and the state waits.
TA-Lib alone would carry a NaN in mid-series forever, or not, by function.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from math import isfinite
from typing import Any

import numpy as np

from saudagar.indicators.bars import Floats
from saudagar.indicators.kernel import NAN, Arrays, Computed, Step, Warming
from saudagar.model import Nanos

Params = tuple[tuple[str, float], ...]

_OUTPUTS = {"MACD": 3, "BBANDS": 3, "SUPERTREND": 2, "STOCH": 2}


@dataclass(frozen=True, slots=True)
class TaLib(Computed):
    """TA-Lib's function `name` with `params`."""

    name: str
    params: Params

    def words(self) -> tuple[Any, ...]:
        return self.name, *(value for _, value in self.params)

    @property
    def outputs(self) -> int:  # type: ignore[override]  # a constant of the class elsewhere, of the name here
        return _OUTPUTS.get(self.name, 0)

    def batch(self, *inputs: Floats) -> Arrays:
        known = _defined(*inputs)
        rows = inputs if known.all() else tuple(x[known] for x in inputs)
        found = getattr(_load("talib"), self.name)(*rows, **dict(self.params))
        warm = _lookback(self.name, self.params)
        columns = tuple(_spread(column, known, warm) for column in (found if self.outputs else (found,)))
        return columns if self.outputs else columns[0]

    def live(self) -> Step:
        return _Handle(self)

    def need(self, interval: Nanos) -> tuple[int, int]:
        return 0, _lookback(self.name, self.params)


@cache
def _load(module: str) -> Any:
    """A module of TA-Lib, without pandas and polars if nobody else has loaded them.

    TA-Lib would load them only to wrap each of its functions for their series, which we do not use: 34 MiB and 0.15 s
    of every start.
    """
    unwanted = {"pandas", "polars"} - sys.modules.keys()
    for name in unwanted:
        sys.modules[name] = None  # type: ignore[assignment]  # documented: an import of `name` fails
    try:
        return import_module(module)
    finally:
        for name in unwanted:
            del sys.modules[name]


def _defined(*inputs: Floats) -> np.ndarray[Any, np.dtype[np.bool_]]:
    known = np.isfinite(inputs[0])
    for x in inputs[1:]:
        known &= np.isfinite(x)
    return known


def _spread(column: Any, known: np.ndarray[Any, np.dtype[np.bool_]], warm: int) -> Floats:
    """Put the results back on the bars they belong to; integers have no NaN of their own for the warm-up."""
    values: Floats = column.astype(np.float64)
    values[:warm] = NAN
    if known.all():
        return values
    result = np.full(len(known), NAN)
    result[known] = values
    return result


@cache
def _lookback(name: str, params: Params) -> int:
    return int(_load("talib.abstract").Function(name, **dict(params)).lookback)


class _Handle(Warming):
    """Collects the rows of the warm-up, opens TA-Lib's handle on them, then carries it forward."""

    __slots__ = ("_kernel", "_rows", "_undefined", "_warm", "settled")

    def __init__(self, kernel: TaLib) -> None:
        self._kernel = kernel
        self._rows: list[tuple[float, ...]] = []
        self._warm = _lookback(kernel.name, kernel.params)
        self._undefined: Any = (NAN,) * kernel.outputs if kernel.outputs else NAN
        self.settled: Step | None = None

    def __call__(self, *row: float) -> Any:
        for x in row:
            if not isfinite(x):
                return self._undefined
        if self.settled is not None:
            return self.settled(*row)
        self._rows.append(row)
        return self._undefined if len(self._rows) <= self._warm else self._open()

    def _open(self) -> Any:
        columns = [np.array(column) for column in zip(*self._rows, strict=True)]
        handle = getattr(_load("talib.stream"), self._kernel.name)(*columns, **dict(self._kernel.params))
        self._rows.clear()
        self.settled = handle.update
        return handle.value
