"""saudagar (सौदागर, "trader"): one trading desk for Indian markets.

In a notebook: ``import saudagar as sd; sd.backtest("ema_cross", frame)``; see `saudagar.notebook`, which is loaded when
one of its functions is asked for.
"""

from __future__ import annotations

from importlib import import_module

__version__ = "0.1.0"

_ROOMS = ("backtest", "strategies")  # also functions of the notebook: these packages can be called
_NOTEBOOK = ("compare", "data", "report", "sweep", "synthetic")


def __getattr__(name: str) -> object:
    if name in _ROOMS:
        return import_module(f"saudagar.{name}")
    if name in _NOTEBOOK:
        found: object = getattr(import_module("saudagar.notebook"), name)
        return found
    raise AttributeError(f"module 'saudagar' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS, *_NOTEBOOK})
