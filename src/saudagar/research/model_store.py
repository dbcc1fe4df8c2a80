"""A trained model in one file, without pickle: a card that says what it is, and the model in its library's own words.

The file is a zip of ``card.json`` and ``model`` (skops for scikit-learn, LightGBM's text). Reading it runs nobody's
code: skops accepts only types it trusts. What is damaged, or of another format, is refused. The checksum tells damage,
not origin: use model files of people you trust.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from saudagar.indicators.bars import Floats
from saudagar.model import Nanos
from saudagar.model.errors import ConfigError, DataError, SaudagarError
from saudagar.research.features import Feature

FORMAT = 1
_LARGEST = 256 << 20
_DIRECTIONS = (-1, 0, 1)
_Scorer = Callable[[Floats], Floats]


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One fold of the walk-forward: the model on rows after all it had seen, and what needs no model beside it.

    Gains are sums over trades that do not overlap, each at the labels' prices less the cost, per instrument.
    """

    trained: int  # rows
    tested: int
    accuracy: float
    majority_accuracy: float  # of always saying the training rows' most frequent class
    log_loss: float
    base_log_loss: float  # of always giving the training rows' frequencies
    trades: int
    earned_ppm: float
    hold_ppm: float  # of buying at the first row and selling at the last


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """What a model is, what it was made from, and how well it did on data it had not seen."""

    kind: str  # logistic, lightgbm
    features: tuple[Feature, ...]
    interval: Nanos  # of the bars
    label: str  # how the labels were made
    classes: tuple[int, ...]  # of -1, 0 and 1, those that the training data held
    data: str  # hash of the bars
    instruments: tuple[str, ...]
    rows: int  # trained on
    first: Nanos  # end of the first bar, UTC ns
    last: Nanos  # end of the last bar that a label has seen
    seed: int
    libraries: dict[str, str]  # name to version
    scores: tuple[Score, ...] = ()  # out of sample, oldest first
    model: str = ""  # sha256 of the model's bytes
    format: int = FORMAT


class Model:
    """A card, and the model behind it."""

    def __init__(self, card: ModelCard, payload: bytes) -> None:
        self.card = msgspec.structs.replace(card, model=sha256(payload).hexdigest())
        self.payload = payload
        self._score = _SCORERS[card.kind](payload)

    @property
    def digest(self) -> str:
        """Identifies model and card."""
        return sha256(msgspec.json.encode(self.card, order="sorted")).hexdigest()

    def predict(self, rows: Floats) -> Floats:
        """Probabilities of down, neither and up, shape (rows, 3). A row's result does not depend on the others.

        Parameters
        ----------
        rows
            Finite feature values, shape (rows, features).
        """
        result = np.zeros((len(rows), len(_DIRECTIONS)))
        if len(rows):
            result[:, [_DIRECTIONS.index(each) for each in self.card.classes]] = self._score(rows)
        return result


def save_model(model: Model, path: Path) -> None:
    """Write `model` to `path`, whole or not at all."""
    new = path.with_name(path.name + ".new")
    with zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("card.json"), msgspec.json.format(msgspec.json.encode(model.card)))
        archive.writestr(zipfile.ZipInfo("model"), model.payload)
    os.replace(new, path)


def load_model(path: Path) -> Model:
    """Read a model back.

    Raises
    ------
    DataError
        There is none, it is damaged, of another format, or holds what a model must not.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            text, payload = _member(archive, "card.json"), _member(archive, "model")
    except OSError as error:
        raise DataError(f"the model {path} cannot be read: {error.strerror}.") from None
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise DataError(f"{path} is no model of saudagar, or it is damaged: {error}.") from None
    try:
        card = msgspec.json.decode(text, type=ModelCard)
    except msgspec.DecodeError as error:
        raise DataError(f"the card of the model {path} does not read: {error}.") from None
    if card.format != FORMAT or card.kind not in _SCORERS or not set(card.classes) <= set(_DIRECTIONS):
        raise DataError(f"the model {path} is of format {card.format} and kind {card.kind!r}, unknown here.")
    if sha256(payload).hexdigest() != card.model:
        raise DataError(f"the model {path} is damaged: its checksum is another.", hint="Train it again.")
    return _tried(card, payload, path)


def require(name: str) -> Any:
    """A library of the extra ``research``.

    Raises
    ------
    ConfigError
        It is not installed.
    """
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise ConfigError(f"this needs {package}.", hint='Install it: pip install "saudagar[research]"') from None


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _LARGEST:
        raise ValueError(f"{name} is larger than {_LARGEST >> 20} MiB")
    return archive.read(name)


def _tried(card: ModelCard, payload: bytes, path: Path) -> Model:
    """The model, once it has taken as many features as its card names and answered with probabilities."""
    try:
        model = Model(card, payload)
        answer = model.predict(np.zeros((1, len(card.features))))
    except SaudagarError:
        raise
    except Exception as error:  # whatever a library says to a model that is not what its card says
        raise DataError(f"the model {path} does not fit its card: {type(error).__name__}: {error}.") from None
    if not abs(float(answer.sum()) - 1) < 1e-6:
        raise DataError(f"the model {path} gives no probabilities: {answer.tolist()}.")
    return model


def _logistic(payload: bytes) -> _Scorer:
    """Scaled logistic regression, summed feature by feature.

    scikit-learn's own matrix product may give a row other last bits alone than among others; this does not.
    """
    skops = require("skops.io")
    if unknown := skops.get_untrusted_types(data=payload):
        raise DataError(f"the model holds {', '.join(unknown)}, which a logistic regression has no need of.")
    scaler, model = (step for _, step in skops.loads(payload, trusted=[]).steps)
    means, scales = scaler.mean_.tolist(), scaler.scale_.tolist()
    weights, offsets = model.coef_.T.copy(), model.intercept_.copy()
    if len(model.classes_) == 2:  # one line tells two classes
        weights, offsets = np.column_stack([0 * weights, weights]), np.append(0 * offsets, offsets)

    def score(rows: Floats) -> Floats:
        if rows.shape[1] != len(means):
            raise ValueError(f"{len(means)} features are wanted, got {rows.shape[1]}")
        total = np.tile(offsets, (len(rows), 1))
        for at, (mean, scale) in enumerate(zip(means, scales, strict=True)):
            total += ((rows[:, at] - mean) / scale)[:, None] * weights[at]
        odds = np.exp(total - total.max(axis=1, keepdims=True))
        sums = odds[:, 0].copy()
        for at in range(1, odds.shape[1]):
            sums += odds[:, at]
        return np.asarray(odds / sums[:, None])

    return score


def _lightgbm(payload: bytes) -> _Scorer:
    library = require("lightgbm")
    model = library.Booster(model_str=payload.decode("utf-8"))

    def score(rows: Floats) -> Floats:
        found = np.asarray(model.predict(np.ascontiguousarray(rows), num_threads=1))
        return np.column_stack([1 - found, found]) if found.ndim == 1 else found

    return score


_SCORERS: dict[str, Callable[[bytes], _Scorer]] = {"logistic": _logistic, "lightgbm": _lightgbm}
