"""Trains a model of features against labels, and says what it is worth before anybody trades it.

Worth is measured by a purged walk-forward: each fold trains on the past, leaves out rows whose labels reach into the
test (and an embargo before it), and is scored on what comes after, beside baselines that need no model. The model
that is kept has seen all rows; its scores are those of the folds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from saudagar.backtest.data import bars_digest
from saudagar.indicators import BarArrays
from saudagar.indicators.bars import Floats, Ints
from saudagar.model import InstrumentId, Nanos
from saudagar.model.errors import ConfigError, DataError
from saudagar.research.features import Features, feature_table, schema_of
from saudagar.research.labels import Labels
from saudagar.research.model_store import Model, ModelCard, Score, require

_LEAST = 100  # rows of a training set
_LIGHTGBM = {
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 50,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
_ROUNDS = 100


class Fold(NamedTuple):
    """Indices of the rows to train on, and of those to be judged by."""

    train: Ints
    test: Ints


class _Table(msgspec.Struct, frozen=True, eq=False):
    """The rows of all instruments in the order of time."""

    x: Floats
    y: NDArray[np.int8]
    ts: Ints  # end of the row's bar, UTC ns
    until: Ints  # end of the last bar its label has seen
    long_gain: Floats
    short_gain: Floats
    close: Floats
    instrument: Ints


def train(
    features: Features,
    markets: Mapping[InstrumentId, BarArrays],
    label: Callable[[BarArrays], Labels],
    *,
    kind: str = "lightgbm",
    folds: int = 5,
    embargo: Nanos = 0,
    threshold: float = 0.5,
    cost_ppm: int = 800,
    seed: int = 1,
) -> Model:
    """A model of `features`, trained on all `markets` and scored by a walk-forward over them.

    Parameters
    ----------
    label
        Makes labels of one instrument's bars, e.g. ``lambda bars: horizon_labels(bars, 15, threshold_ppm=800)``.
    kind
        ``lightgbm`` (boosted trees) or ``logistic`` (scaled logistic regression).
    embargo
        Time before each test that is trained on by nobody, ns.
    threshold
        The probability at which a fold's model takes a side.
    cost_ppm
        What a round trip costs, parts per million of its value.

    Raises
    ------
    ConfigError
        A parameter out of bounds, an unknown kind, or a library that is not installed.
    DataError
        Too few rows, or labels of one class only.
    """
    _check(kind, folds, threshold, markets)
    table, words = _table(features, markets, label)
    scores = tuple(
        _scored(kind, table, fold, features, threshold, cost_ppm, seed)
        for fold in purged_folds(table.ts, table.until, folds, embargo)
    )
    card, payload = _fitted(kind, table.x, table.y, features, seed)
    card = msgspec.structs.replace(
        card,
        interval=next(iter(markets.values())).interval,
        label=words,
        data=bars_digest(markets),
        instruments=tuple(markets),
        first=int(table.ts[0]),
        last=int(table.until.max()),
        scores=scores,
    )
    return Model(card, payload)


def purged_folds(ts: Ints, until: Ints, folds: int, embargo: Nanos = 0) -> list[Fold]:
    """Expanding folds: the time is cut into `folds` + 1 parts of equal rows, and each but the first is a test.

    Parameters
    ----------
    ts, until
        When each row decides, ascending, and when its label has seen enough; ns.

    Returns
    -------
    list of Fold
        Every training label ends more than `embargo` before the first test row decides.
    """
    cuts = [ts[len(ts) * part // (folds + 1)] for part in range(1, folds + 1)]
    ends = [*cuts[1:], ts[-1] + 1]
    return [
        Fold(np.flatnonzero(until < begin - embargo), np.flatnonzero((ts >= begin) & (ts < end)))
        for begin, end in zip(cuts, ends, strict=True)
    ]


def summary(card: ModelCard) -> str:
    """What the walk-forward says, for people; the last line is the verdict."""
    head = f"{'trained':>8} {'tested':>7} {'accuracy':>9} {'majority':>9} {'log loss':>9} {'base':>7} {'trades':>7}"
    lines = [f"{head} {'earned':>9} {'hold':>9}"]
    lines += [
        f"{s.trained:>8} {s.tested:>7} {s.accuracy:>9.1%} {s.majority_accuracy:>9.1%} {s.log_loss:>9.4f} "
        f"{s.base_log_loss:>7.4f} {s.trades:>7} {s.earned_ppm / 1e4:>8.2f}% {s.hold_ppm / 1e4:>8.2f}%"
        for s in card.scores
    ]
    return "\n".join([*lines, verdict(card)])


def verdict(card: ModelCard) -> str:
    """One line: whether the folds speak for the model, or its baselines do as well."""
    scores = card.scores
    knows = sum(s.log_loss < s.base_log_loss for s in scores)
    earns = sum(s.earned_ppm > max(0.0, s.hold_ppm) for s in scores)
    folds = len(scores)
    if knows * 2 > folds and earns * 2 > folds:
        return f"better than its baselines: knows more in {knows} and earns more in {earns} of {folds} folds."
    return f"no better than its baselines: knows more in {knows} and earns more in {earns} of {folds} folds."


def _check(kind: str, folds: int, threshold: float, markets: Mapping[InstrumentId, BarArrays]) -> None:
    if kind not in _FITS:
        raise ConfigError(f"there is no kind of model {kind!r}.", hint=f"Kinds: {', '.join(_FITS)}.")
    if isinstance(folds, bool) or not isinstance(folds, int) or not 1 <= folds <= 100:
        raise ConfigError(f"folds must be a whole number from 1 to 100, got {folds!r}.")
    if not 0 < threshold < 1:
        raise ConfigError(f"threshold must be a probability between 0 and 1, got {threshold!r}.")
    intervals = {bars.interval for bars in markets.values()}
    if len(intervals) != 1:
        raise ConfigError(f"bars of one interval are wanted, got {len(intervals)}.")


def _table(
    features: Features, markets: Mapping[InstrumentId, BarArrays], label: Callable[[BarArrays], Labels]
) -> tuple[_Table, str]:
    parts, words = [], ""
    for order, bars in enumerate(markets.values()):
        x, labels = feature_table(features, bars), label(bars)
        words = labels.words
        use = labels.known & np.isfinite(x).all(axis=1)
        end = bars.end[labels.until]
        columns = (x, labels.y, bars.end, end, labels.long_gain, labels.short_gain, bars.close)
        parts.append((*(column[use] for column in columns), np.full(int(use.sum()), order)))
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order_of_time = np.argsort(joined[2], kind="stable")
    table = _Table(*(column[order_of_time] for column in joined))
    if len(table.y) < _LEAST:
        raise DataError(f"{len(table.y)} rows have all features and a label; at least {_LEAST} are wanted.")
    return table, words


def _fitted(kind: str, x: Floats, y: NDArray[np.int8], features: Features, seed: int) -> tuple[ModelCard, bytes]:
    classes = tuple(int(each) for each in np.unique(y))
    if len(y) < _LEAST or len(classes) < 2:
        raise DataError(
            f"{len(y)} rows with the labels {classes} cannot train a model; {_LEAST} rows of two classes can.",
            hint="Take more data, fewer folds, or another label.",
        )
    payload, library = _FITS[kind](x, np.searchsorted(classes, y), len(classes), seed)
    card = ModelCard(
        kind=kind,
        features=schema_of(features),
        interval=0,
        label="",
        classes=classes,
        data="",
        instruments=(),
        rows=len(y),
        first=0,
        last=0,
        seed=seed,
        libraries={library.__name__: library.__version__, "numpy": np.__version__},
    )
    return card, payload


def _scored(
    kind: str, table: _Table, fold: Fold, features: Features, threshold: float, cost_ppm: int, seed: int
) -> Score:
    known, asked = table.y[fold.train], table.y[fold.test]
    model = Model(*_fitted(kind, table.x[fold.train], known, features, seed))
    chances = model.predict(table.x[fold.test])
    frequencies = np.array([(known == each).mean() for each in (-1, 0, 1)])
    rows = np.arange(len(asked))
    trades, earned = _earned(table, fold.test, chances, threshold, cost_ppm)
    return Score(
        trained=len(known),
        tested=len(asked),
        accuracy=float((chances.argmax(axis=1) - 1 == asked).mean()),
        majority_accuracy=float((asked == frequencies.argmax() - 1).mean()),
        log_loss=_log_loss(chances[rows, asked + 1]),
        base_log_loss=_log_loss(frequencies[asked + 1]),
        trades=trades,
        earned_ppm=earned,
        hold_ppm=_hold(table, fold.test, cost_ppm),
    )


def _log_loss(chances: Floats) -> float:
    return float(-np.log(np.maximum(chances, 1e-9)).mean())


def _earned(table: _Table, test: Ints, chances: Floats, threshold: float, cost_ppm: int) -> tuple[int, float]:
    """Trades taken one after the other per instrument, and their net gain per instrument, ppm."""
    wanted = np.where(chances[:, 2] > threshold, 1, 0) - np.where(chances[:, 0] > threshold, 1, 0)
    free: dict[int, int] = {}
    trades, gain = 0, 0.0
    for at in np.flatnonzero(wanted).tolist():
        row = int(test[at])
        name = int(table.instrument[row])
        if table.ts[row] >= free.get(name, 0):
            free[name] = int(table.until[row])
            trades += 1
            gain += float(table.long_gain[row] if wanted[at] > 0 else table.short_gain[row]) - cost_ppm / 1e6
    return trades, gain * 1e6 / len(np.unique(table.instrument[test]))


def _hold(table: _Table, test: Ints, cost_ppm: int) -> float:
    """Buying every instrument at its first row and selling at its last, mean net gain, ppm."""
    gains = []
    for name in np.unique(table.instrument[test]):
        closes = table.close[test[table.instrument[test] == name]]
        gains.append(closes[-1] / closes[0] - 1)
    return float(np.mean(gains)) * 1e6 - cost_ppm


def _fit_logistic(x: Floats, y: Ints, _: int, seed: int) -> tuple[bytes, Any]:
    linear, scaling, pipeline = (require(f"sklearn.{name}") for name in ("linear_model", "preprocessing", "pipeline"))
    model = linear.LogisticRegression(max_iter=1_000, random_state=seed)
    fitted = pipeline.make_pipeline(scaling.StandardScaler(), model).fit(x, y)
    return require("skops.io").dumps(fitted), require("sklearn")


def _fit_lightgbm(x: Floats, y: Ints, classes: int, seed: int) -> tuple[bytes, Any]:
    library = require("lightgbm")
    objective = {"objective": "binary"} if classes == 2 else {"objective": "multiclass", "num_class": classes}
    model = library.train(_LIGHTGBM | objective | {"seed": seed}, library.Dataset(x, y), _ROUNDS)
    return model.model_to_string().encode(), library


_FITS: dict[str, Callable[[Floats, Ints, int, int], tuple[bytes, Any]]] = {
    "lightgbm": _fit_lightgbm,
    "logistic": _fit_logistic,
}
