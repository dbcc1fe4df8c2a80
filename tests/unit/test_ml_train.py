"""Training and storing: nothing leaks over an edge, luck is called luck, a model file is not trusted blindly."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import msgspec
import numpy as np
import pytest
from pydantic import ValidationError

from saudagar.backtest.causality import head
from saudagar.backtest.data import bars_digest
from saudagar.indicators import BarArrays, BarFields, ema, evaluate, indicator, rsi
from saudagar.indicators.bars import resample
from saudagar.model import MINUTE, InstrumentId
from saudagar.model.errors import ConfigError, DataError
from saudagar.research.features import Features, feature_table, mismatch, schema_of, standard_features
from saudagar.research.labels import Labels, horizon_labels
from saudagar.research.mlsignal import MlSignal, probabilities
from saudagar.research.model_store import Model, ModelCard, load_model, require, save_model
from saudagar.research.sample import synthetic_sample
from saudagar.research.train import purged_folds, summary, train, verdict

BAR = BarFields()
SAMPLE = synthetic_sample(1, 2)
FEW: Features = {"rsi": rsi(BAR.close, 14), "above": BAR.close / ema(BAR.close, 21)}


def label(bars: BarArrays) -> Labels:
    return horizon_labels(bars, 15, threshold_ppm=800)


@pytest.fixture(scope="module")
def model() -> Model:
    return train(FEW, SAMPLE.bars, label, kind="logistic", folds=3)


@pytest.fixture
def stored(model: Model, tmp_path: Path) -> Path:
    path = tmp_path / "a.model"
    save_model(model, path)
    return path


@pytest.mark.parametrize(("folds", "embargo"), [(1, 0), (4, 0), (5, 40 * MINUTE)])
def test_no_label_reaches_over_the_edge(folds: int, embargo: int) -> None:
    bars = next(iter(SAMPLE.bars.values()))
    labels = horizon_labels(bars, 60, overnight=True)
    ts, until = bars.end[labels.known], bars.end[labels.until[labels.known]]
    made = purged_folds(ts, until, folds, embargo)
    assert len(made) == folds
    for fold in made:
        begin = ts[fold.test[0]]
        assert (until[fold.train] < begin - embargo).all()
        left_out = np.setdiff1d(np.flatnonzero(ts < begin), fold.train)
        assert len(left_out) >= 60  # they would have told
    tested = np.concatenate([fold.test for fold in made])
    assert np.array_equal(tested, np.arange(tested[0], len(ts)))


def test_a_card_tells_what_a_model_is(model: Model) -> None:
    card = model.card
    assert (card.kind, card.interval, card.classes, card.seed) == ("logistic", MINUTE, (-1, 0, 1), 1)
    assert [feature.name for feature in card.features] == ["rsi", "above"]
    assert "RSI(close, 14" in card.features[0].expression
    assert card.data == bars_digest(SAMPLE.bars)
    assert card.instruments == tuple(SAMPLE.bars)
    assert set(card.libraries) == {"sklearn", "numpy"}
    assert card.label == "horizon of 15 bars beyond 800 ppm"
    assert len(card.scores) == 3
    text = summary(card)
    assert text.count("\n") == 4
    assert text.endswith(verdict(card))


def test_the_same_seed_makes_the_same_model(model: Model) -> None:
    again = train(FEW, SAMPLE.bars, label, kind="logistic", folds=3)
    rows = np.random.default_rng(0).normal(50, 20, (50, 2))
    assert np.array_equal(model.predict(rows), again.predict(rows))
    assert again.card.scores == model.card.scores


@pytest.mark.parametrize("kind", ["logistic", "lightgbm"])
def test_chance_is_called_chance_and_knowledge_knowledge(kind: str) -> None:
    """Labels drawn by lot teach nothing; a label that the features hold is learnt."""

    def by_lot(bars: BarArrays) -> Labels:
        made = label(bars)
        y = np.random.default_rng(5).integers(-1, 2, len(bars)).astype(np.int8)
        return msgspec.structs.replace(made, y=y)

    def by_feature(bars: BarArrays) -> Labels:
        made, (strength,) = label(bars), evaluate([rsi(BAR.close, 14)], bars)
        y = np.where(strength > 50, 1, -1).astype(np.int8)
        gain = np.where(y > 0, 0.01, -0.01)
        return msgspec.structs.replace(made, y=y, long_gain=gain, short_gain=-gain)

    lot = train(FEW, SAMPLE.bars, by_lot, kind=kind, folds=3).card
    told = train(FEW, SAMPLE.bars, by_feature, kind=kind, folds=3).card
    assert verdict(lot).startswith("no better than its baselines")
    assert all(abs(score.accuracy - 1 / 3) < 0.06 for score in lot.scores)
    assert verdict(told).startswith("better than its baselines: knows more in 3 and earns more in 3 of 3 folds.")
    assert all(score.accuracy > 0.95 > score.majority_accuracy for score in told.scores)
    assert told.classes == (-1, 1)


def test_our_sum_is_the_librarys() -> None:
    import skops.io

    for classes in (label, lambda bars: horizon_labels(bars, 15)):
        model = train(FEW, {k: head(v, 900) for k, v in SAMPLE.bars.items()}, classes, kind="logistic", folds=1)
        rows = feature_table(FEW, next(iter(SAMPLE.bars.values())))[100:300]
        theirs = skops.io.loads(model.payload, trusted=[]).predict_proba(rows)
        ours = model.predict(rows)[:, [each + 1 for each in model.card.classes]]
        assert np.allclose(ours, theirs, rtol=0, atol=1e-12)


def test_a_model_comes_back_as_it_went(model: Model, stored: Path) -> None:
    back = load_model(stored)
    assert back.card == model.card
    assert back.digest == model.digest
    rows = np.random.default_rng(0).normal(50, 20, (50, 2))
    assert np.array_equal(back.predict(rows), model.predict(rows))


def rewritten(path: Path, card: bytes | None = None, payload: bytes | None = None) -> Path:
    """The file with another card or another model inside."""
    with zipfile.ZipFile(path) as archive:
        card, payload = card or archive.read("card.json"), payload or archive.read("model")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("card.json", card)
        archive.writestr("model", payload)
    return path


def card_of(path: Path, **changes: object) -> bytes:
    card = msgspec.json.decode(zipfile.ZipFile(path).read("card.json"), type=ModelCard)
    return msgspec.json.encode(msgspec.structs.replace(card, **changes))


def test_a_damaged_model_is_refused(stored: Path, tmp_path: Path) -> None:
    whole = stored.read_bytes()
    for bad, words in (
        (b"", "no model of saudagar"),
        (whole[: len(whole) // 2], "no model of saudagar"),
        (b"x" * 100, "no model of saudagar"),
    ):
        stored.write_bytes(bad)
        with pytest.raises(DataError, match=words):
            load_model(stored)
    stored.write_bytes(whole)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        load_model(tmp_path / "none.model")
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("card.json", "{}")
    stored.write_bytes(other.getvalue())
    with pytest.raises(DataError, match="no model of saudagar"):
        load_model(stored)


def test_a_model_that_is_not_what_its_card_says_is_refused(stored: Path) -> None:
    from hashlib import sha256

    import skops.io
    from sklearn.ensemble import RandomForestClassifier

    whole = stored.read_bytes()
    forest = skops.io.dumps(RandomForestClassifier(2).fit([[0.0, 1], [1, 0]], [0, 1]))
    garbled = b"tree\nno such thing"
    three = schema_of({**FEW, "more": ema(BAR.close, 3)})
    cases = [
        ({"card": b"{"}, "does not read"),
        ({"card": card_of(stored, format=2)}, "of format 2"),
        ({"card": card_of(stored, kind="oracle")}, "'oracle', unknown here"),
        ({"card": card_of(stored, classes=(1, 2))}, "unknown here"),
        ({"payload": b"another"}, "its checksum is another"),
        ({"card": card_of(stored, features=three)}, "does not fit its card: ValueError: 2 features are wanted"),
        ({"card": card_of(stored, classes=(-1, 1))}, "does not fit its card"),
        ({"card": card_of(stored, model=sha256(forest).hexdigest()), "payload": forest}, "has no need of"),
        (
            {"card": card_of(stored, kind="lightgbm", model=sha256(garbled).hexdigest()), "payload": garbled},
            "does not fit its card: LightGBMError",
        ),
    ]
    for changes, words in cases:
        stored.write_bytes(whole)
        with pytest.raises(DataError, match=words):
            load_model(rewritten(stored, **changes))


@indicator
def own(x):
    return x - x[0]


def test_other_features_are_refused(stored: Path) -> None:
    cases: list[tuple[Features, str]] = [
        ({"rsi": rsi(BAR.close, 9), "above": FEW["above"]}, r"feature 'rsi' was .*14.*, here it is .*9"),
        ({"rsi": FEW["rsi"]}, "trained on the features rsi, above; given are rsi"),
        ({"above": FEW["above"], "rsi": FEW["rsi"]}, "given are above, rsi"),
    ]
    for features, words in cases:
        with pytest.raises(ConfigError, match=words):
            probabilities(stored, features)
    with pytest.raises(ConfigError, match="trained on the features rsi, above"):
        MlSignal(model=stored).signals(BAR)
    with pytest.raises(ConfigError, match="number is wanted"):
        schema_of({"up": BAR.close > BAR.open})
    with pytest.raises(ConfigError, match="at least one feature"):
        schema_of({})


def test_bars_of_another_interval_are_refused(stored: Path) -> None:
    higher = resample(next(iter(SAMPLE.bars.values())), 5 * MINUTE)
    with pytest.raises(ConfigError, match="trained on bars of 60 s, given are bars of 300 s"):
        evaluate(list(probabilities(stored, FEW)), higher)


def test_a_file_that_changes_under_way_is_refused(stored: Path, model: Model) -> None:
    bars = head(next(iter(SAMPLE.bars.values())), 50)
    graph = list(probabilities(stored, FEW))
    evaluate(graph, bars)
    other = msgspec.structs.replace(model.card, label="another")
    save_model(Model(other, model.payload), stored)
    with pytest.raises(ConfigError, match="has changed since"):
        evaluate(graph, bars)
    stored.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        evaluate(graph, bars)


def test_the_source_of_an_indicator_is_part_of_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    import inspect

    before = schema_of({"own": own(BAR.close)})
    assert schema_of({"own": own(BAR.close)}) == before
    monkeypatch.setattr(inspect, "getsource", lambda _: "def own(x): return x")
    after = schema_of({"own": own(BAR.close)})
    assert "source of an indicator in the feature 'own' has changed" in mismatch(before, after)
    monkeypatch.setattr(inspect, "getsource", lambda _: (_ for _ in ()).throw(OSError()))
    with pytest.raises(ConfigError, match="must be in a file"):
        schema_of({"own": own(BAR.close)})


def test_a_long_feature_is_shortened() -> None:
    expr = BAR.close
    for _ in range(9):
        expr = expr + ema(expr, 3)
    (feature,) = schema_of({"long": expr})
    assert len(feature.expression) == 300


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"kind": "oracle"}, ConfigError, "no kind of model 'oracle'"),
        ({"folds": 0}, ConfigError, "folds must be"),
        ({"folds": 2.5}, ConfigError, "folds must be"),
        ({"threshold": 1.0}, ConfigError, "threshold must be"),
        ({"markets": {}}, ConfigError, "one interval"),
        (
            {"markets": {InstrumentId("NSE_EQ:A"): head(SAMPLE.bars[next(iter(SAMPLE.bars))], 100)}},
            DataError,
            "at least",
        ),
        ({"label": lambda bars: horizon_labels(bars, 15, threshold_ppm=900_000)}, DataError, "cannot train a model"),
    ],
)
def test_training_refuses(changes: dict[str, object], error: type[Exception], words: str) -> None:
    given: dict[str, object] = {"features": FEW, "markets": SAMPLE.bars, "label": label, **changes}
    with pytest.raises(error, match=words):
        train(**given)  # type: ignore[arg-type]  # wrong on purpose


def test_what_is_not_installed_is_named() -> None:
    with pytest.raises(ConfigError, match="this needs nosuchlibrary") as found:
        require("nosuchlibrary.part")
    assert 'pip install "saudagar[research]"' in found.value.hint


def test_a_threshold_is_a_probability(stored: Path) -> None:
    with pytest.raises(ValidationError):
        MlSignal(model=stored, threshold=1.5)


def test_standard_features_are_ratios() -> None:
    """Prices a hundred times as high give the same table."""
    bars = next(iter(SAMPLE.bars.values()))
    names = ("open", "high", "low", "close")
    dear = msgspec.structs.replace(bars, **{name: getattr(bars, name) * 100 for name in names})
    one, other = (feature_table(standard_features(BAR), each) for each in (bars, dear))
    assert np.allclose(one, other, rtol=1e-6, atol=1e-6, equal_nan=True)
    assert np.isfinite(one[40:]).mean() > 0.99
