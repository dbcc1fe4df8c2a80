"""Features: named expressions of the graph, as a table for training and a schema that a stored model remembers.

A model sees the market through these and nothing else, so what it learnt from columns is what it is asked bar by bar:
both drivers of the graph give the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import msgspec
import numpy as np

from saudagar.indicators import (
    BarArrays,
    BarFields,
    Expr,
    atr,
    bbands,
    ema,
    evaluate,
    lag,
    percent_change,
    rsi,
    sma,
    vwap,
)
from saudagar.indicators.bars import Floats
from saudagar.indicators.custom import Custom
from saudagar.indicators.expr import numeric
from saudagar.model.errors import ConfigError
from saudagar.research.graphs import lines_of, source_of

Features = Mapping[str, Expr]
"""By name, in the order of the table's columns."""

_SHOWN = 300


class Feature(msgspec.Struct, frozen=True):
    """One column of the table, as a stored model knows it."""

    name: str
    expression: str  # for people; cut short where long
    digest: str  # of the whole graph under it, and of the source of NumPy indicators in it


def standard_features(bar: BarFields) -> dict[str, Expr]:
    """A plain set to begin with: moves, place in the range, strength, crowd. All are ratios, so they fit any price."""
    reach, bands = atr(bar, 14), bbands(bar.close, 20)
    return {
        "move_1": percent_change(bar.close, 1),
        "move_5": percent_change(bar.close, 5),
        "move_15": percent_change(bar.close, 15),
        "rsi_14": rsi(bar.close, 14),
        "above_ema_21": (bar.close - ema(bar.close, 21)) / reach,
        "above_vwap": (bar.close - vwap(bar)) / reach,
        "in_bands": (bar.close - bands.lower) / (bands.upper - bands.lower),
        "body": (bar.close - bar.open) / reach,
        "reach": reach / bar.close * 100,
        "crowd": bar.volume / lag(sma(bar.volume, 20)),
    }


def schema_of(features: Features) -> tuple[Feature, ...]:
    """What a model remembers of `features`.

    Raises
    ------
    ConfigError
        There are none, or one is true-or-false.
    """
    if not features:
        raise ConfigError("a model needs at least one feature.")
    return tuple(Feature(name, _shown(expr), _digest(numeric(expr))) for name, expr in features.items())


def feature_table(features: Features, bars: BarArrays) -> Floats:
    """One row per bar and one column per feature, float64; not finite while undefined."""
    return np.column_stack(evaluate([numeric(expr) for expr in features.values()], bars))


def mismatch(wanted: tuple[Feature, ...], given: tuple[Feature, ...]) -> str:
    """Where two schemas differ, for people; empty if they do not."""
    if wanted == given:
        return ""
    names, others = [each.name for each in wanted], [each.name for each in given]
    if names != others:
        return f"it was trained on the features {', '.join(names)}; given are {', '.join(others)}."
    first, other = next(pair for pair in zip(wanted, given, strict=True) if pair[0] != pair[1])
    if first.expression == other.expression:
        return f"the source of an indicator in the feature {first.name!r} has changed since."
    return f"its feature {first.name!r} was {first.expression}, here it is {other.expression}."


def _digest(expr: Expr) -> str:
    lines, nodes = lines_of([expr])
    for node in nodes:
        if isinstance(node.kernel, Custom) and not source_of(node.kernel):
            name = repr(node.kernel.indicator)
            raise ConfigError(f"the source of {name} cannot be read; a feature must be in a file.")
    return sha256("\n".join(lines).encode()).hexdigest()[:32]


def _shown(expr: Expr) -> str:
    text = repr(expr)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
