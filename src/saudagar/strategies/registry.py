"""Finds a strategy class by its built-in name, by ``path/to/file.py:ClassName``, or by the file alone."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from difflib import get_close_matches
from pathlib import Path

from saudagar.model.errors import ConfigError
from saudagar.strategies.base import Strategy

BUILT_IN = {
    "ema_cross": ("saudagar.strategies.ema_cross", "EmaCross"),
    "volume_breakout": ("saudagar.strategies.volume_breakout", "VolumeBreakout"),
    "opening_range": ("saudagar.strategies.opening_range", "OpeningRange"),
    "supertrend": ("saudagar.strategies.supertrend", "SuperTrend"),
    "rsi_reversion": ("saudagar.strategies.rsi_reversion", "RsiReversion"),
    "bollinger_squeeze": ("saudagar.strategies.bollinger_squeeze", "BollingerSqueeze"),
    "percent_reverse": ("saudagar.strategies.percent_reverse", "PercentReverse"),
    "pairs": ("saudagar.strategies.pairs", "Pairs"),
}


def load(kind: str, base: Path | None = None) -> type[Strategy]:
    """The strategy class that `kind` names; a relative file is looked up from `base`.

    A file without a class name must define exactly one strategy.

    Raises
    ------
    ConfigError
        No such built-in (with the nearest name), no such file or class, or the file does not import.
    """
    if kind in BUILT_IN:
        module, name = BUILT_IN[kind]
        return _class(getattr(importlib.import_module(module), name), kind)
    if kind.endswith(".py"):
        return _only_class(_import(((base or Path()) / kind).resolve()), kind)
    path, _, name = kind.rpartition(":")
    if not path:
        near = get_close_matches(kind, BUILT_IN, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Built-in: {', '.join(BUILT_IN)}; or file.py:ClassName."
        raise ConfigError(f"there is no strategy {kind!r}.", hint=hint)
    return _class(getattr(_import(((base or Path()) / path).resolve()), name, None), kind)


def _import(file: Path) -> object:
    if not file.is_file():
        raise ConfigError(f"strategy file {file} does not exist.")
    name = f"saudagar_user_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"strategy file {file} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"strategy file {file} does not import: {type(error).__name__}: {error}") from error
    return module


def _only_class(module: object, kind: str) -> type[Strategy]:
    own = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Strategy) and each.__module__ == getattr(module, "__name__", "")
    ]
    if len(own) != 1:
        found = ", ".join(each.__name__ for each in own) or "none"
        raise ConfigError(f"{kind} must define one strategy, found {found}.", hint=f"Name it: {kind}:ClassName.")
    return own[0]


def _class(found: object, kind: str) -> type[Strategy]:
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise ConfigError(f"{kind!r} names no subclass of saudagar.strategies.Strategy.")
    return found
