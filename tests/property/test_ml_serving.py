"""A learned signal in the graph: over columns and bar by bar the same bits, and silence where it knows the answer."""

from __future__ import annotations

import pickle
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saudagar.backtest.causality import check_causality, head, part
from saudagar.backtest.prepared import bar_at
from saudagar.indicators import BarArrays, BarFields, Live, evaluate
from saudagar.research.features import standard_features
from saudagar.research.labels import Labels, horizon_labels, triple_barrier_labels
from saudagar.research.mlsignal import MlSignal, probabilities
from saudagar.research.model_store import Model, save_model
from saudagar.research.sample import synthetic_sample
from saudagar.research.train import train
from saudagar.research.turnover import run_sample

BAR = BarFields()
SAMPLE = synthetic_sample(1, 2)
EARLY = {name: head(bars, 6 * 360) for name, bars in SAMPLE.bars.items()}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One of each kind, with two classes and with three."""
    folder = tmp_path_factory.mktemp("models")

    def three(bars: BarArrays) -> Labels:
        return triple_barrier_labels(bars, up_ppm=2_000, down_ppm=2_000, count=20)

    def two(bars: BarArrays) -> Labels:
        made = horizon_labels(bars, 15)
        return msgspec.structs.replace(made, y=np.where(made.y > 0, 1, -1).astype(np.int8))

    made = {}
    for kind in ("logistic", "lightgbm"):
        for label in (two, three):
            model = train(standard_features(BAR), EARLY, label, kind=kind, folds=1)
            made[f"{kind} {len(model.card.classes)}"] = path = folder / f"{kind}{len(made)}.model"
            save_model(model, path)
    return made


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(1, 50), begin=st.integers(0, 1_000), data=st.data())
def test_bar_by_bar_equals_columns_to_the_bit(
    models: dict[str, Path], seed: int, begin: int, data: st.DataObject
) -> None:
    path = models[data.draw(st.sampled_from(sorted(models)))]
    name, bars = next(iter(synthetic_sample(seed, 1).bars.items()))
    cut = part(bars, begin, begin + 250)
    graph = [*probabilities(path, standard_features(BAR)), MlSignal(model=path, threshold=0.4).signals(BAR).long]
    live = Live(graph)
    rows = np.array([live.step(bar_at(name, cut, at)) for at in range(len(cut))], float)
    columns = np.column_stack([np.asarray(column, float) for column in evaluate(graph, cut)])
    assert np.array_equal(rows, columns, equal_nan=True)
    known = ~np.isnan(rows[:, 0])
    assert 150 < known.sum() < 250
    assert np.allclose(rows[known, :3].sum(axis=1), 1)


@pytest.mark.parametrize("kind", ["logistic", "lightgbm"])
def test_a_row_does_not_depend_on_its_company(models: dict[str, Path], kind: str) -> None:
    from saudagar.research.model_store import load_model

    model: Model = load_model(next(path for name, path in models.items() if name.startswith(kind)))
    rows = np.random.default_rng(3).normal(0, 2, (400, len(model.card.features)))
    together = model.predict(rows)
    assert np.array_equal(together, np.vstack([model.predict(rows[at : at + 1]) for at in range(400)]))
    assert np.array_equal(together[::-1], model.predict(rows[::-1].copy()))
    assert model.predict(rows[:0]).shape == (0, 3)


def test_it_looks_back_only_and_keeps_silent_where_it_was_trained(models: dict[str, Path]) -> None:
    path = next(iter(models.values()))
    bars = next(iter(SAMPLE.bars.values()))
    quiet, loud = MlSignal(model=path, threshold=0.5), MlSignal(model=path, threshold=0.5, in_sample=True)
    graph = [quiet.signals(BAR).long, loud.signals(BAR).long]
    assert check_causality(graph, bars) > 0
    said, could = evaluate(graph, bars)
    trained = bars.day <= bars.day[6 * 360 - 1]
    assert not said[trained].any()
    assert could[trained].any()
    assert np.array_equal(said[~trained], could[~trained])


def test_it_travels_to_another_process(models: dict[str, Path]) -> None:
    graph = list(probabilities(models["lightgbm 2"], standard_features(BAR)))
    assert pickle.loads(pickle.dumps(graph)) == graph


def test_it_trades_through_the_engine(models: dict[str, Path]) -> None:
    result = run_sample(MlSignal(model=models["logistic 3"], threshold=0.5), SAMPLE)
    assert result.trades
    first = min(trade.entry_ts for trade in result.trades)
    assert first > max(int(bars.end[-1]) for bars in EARLY.values())
