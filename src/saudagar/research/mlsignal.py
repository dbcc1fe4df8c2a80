"""A trained model in the graph: probabilities from features, over columns or one bar at a time, the same bits.

The model is asked through the very expressions it was trained on; other features, or bars of another interval, are
refused before anything trades.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from pydantic import Field

from saudagar.indicators import BarFields, Expr
from saudagar.indicators.bars import Floats, trading_time
from saudagar.indicators.expr import align, node, numeric
from saudagar.indicators.kernel import NAN, Arrays, Computed, Step
from saudagar.indicators.kernels import Pick
from saudagar.model import SECOND, Nanos
from saudagar.model.errors import ConfigError
from saudagar.research.features import Features, mismatch, schema_of, standard_features
from saudagar.research.model_store import Model, load_model
from saudagar.strategies import Signals, Strategy


class Probabilities(NamedTuple):
    """Of what a label called -1, 0 and 1; undefined while a feature is."""

    down: Expr
    neither: Expr
    up: Expr


@dataclass(frozen=True, slots=True)
class Predict(Computed):
    """A model file's answer to its features. Found again by path and digest: a changed file is refused."""

    path: str
    digest: str
    interval: Nanos
    outputs: ClassVar[int] = 3
    foreign: ClassVar[bool] = True

    def words(self) -> tuple[Any, ...]:
        return "predict", self.digest[:12]

    def batch(self, *inputs: Floats) -> Arrays:
        rows = np.column_stack(inputs)
        known = np.isfinite(rows).all(axis=1)
        result = np.full((len(rows), self.outputs), NAN)
        result[known] = self._model().predict(rows[known])
        return tuple(np.ascontiguousarray(column) for column in result.T)

    def live(self) -> Step:
        model, unknown = self._model(), (NAN,) * self.outputs

        def step(*row: float) -> tuple[float, ...]:
            values = np.array([row])
            return tuple(model.predict(values)[0].tolist()) if np.isfinite(values).all() else unknown

        return step

    def check(self, own: Nanos, base: Nanos) -> None:
        if own != self.interval:
            wanted, given = self.interval // SECOND, own // SECOND
            raise ConfigError(f"the model {self.path} was trained on bars of {wanted} s, given are bars of {given} s.")

    def _model(self) -> Model:
        model = _loaded(self.path, _stamp(self.path))
        if model.digest != self.digest:
            raise ConfigError(f"the model {self.path} has changed since the strategy was made.", hint="Start again.")
        return model


def probabilities(path: Path, features: Features) -> Probabilities:
    """The answer of the model at `path` to `features`, as expressions.

    Raises
    ------
    ConfigError
        The model was trained on other features: names the first that differs.
    DataError
        There is no such model, or it is damaged.
    """
    place = str(path.resolve())
    model = _loaded(place, _stamp(place))
    if trouble := mismatch(model.card.features, schema_of(features)):
        raise ConfigError(f"the model {path} does not fit: {trouble}", hint="Train it on these features.")
    inputs = [align(numeric(expr)) for expr in features.values()]
    answer = node(Predict(place, model.digest, model.card.interval), *inputs)
    return Probabilities(*(node(Pick(at), answer) for at in range(Predict.outputs)))


def last_day(path: Path) -> int:
    """The last day that the model at `path` was trained on, in days since 1970-01-01 in India."""
    place = str(path.resolve())
    day, _ = trading_time(_loaded(place, _stamp(place)).card.last - 1, 0)
    return day


class MlSignal(Strategy):
    """Long where the model's probability of up is above `threshold`, short where that of down is.

    It keeps silent up to the last day the model was trained on: there it would only repeat what it was told.
    Override `features` where the model was trained on others than the standard set.
    """

    model: Path = Field(description="a model file; a relative one is looked up from where saudagar was started")
    threshold: float = Field(0.6, gt=0.0, lt=1.0, description="probability at which to act")
    in_sample: bool = Field(False, description="speak on the days of the training too; such a backtest proves nothing")

    def features(self, bar: BarFields) -> Features:
        """What the model was trained on."""
        return standard_features(bar)

    def signals(self, bar: BarFields) -> Signals:
        chance = probabilities(self.model, self.features(bar))
        long, short = chance.up > self.threshold, chance.down > self.threshold
        if self.in_sample:
            return Signals(long=long, short=short)
        fresh = bar.column("day") > last_day(self.model)
        return Signals(long=long & fresh, short=short & fresh)


def _stamp(path: str) -> tuple[int, int]:
    """Changes when the file does; a missing one is left to `load_model`, which says so."""
    try:
        status = Path(path).stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=16)
def _loaded(path: str, stamp: tuple[int, int]) -> Model:
    return load_model(Path(path))
