"""The built-in strategies: golden runs over the made-up market, what each one waits for, and how they are found."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from typer.testing import CliRunner

from saudagar.app.strategy_commands import app
from saudagar.backtest.prepared import bar_at
from saudagar.backtest.result import Result
from saudagar.indicators import BarArrays
from saudagar.market.ist import at
from saudagar.model import MINUTE, Direction, InstrumentId
from saudagar.model.errors import ConfigError, DataError
from saudagar.research.decisions import Wish, decide
from saudagar.research.sample import Sample, catalog_sample, synthetic_sample
from saudagar.research.turnover import run_sample
from saudagar.strategies import BUILT_IN, Exits, Strategy, load
from saudagar.strategies.bollinger_squeeze import BollingerSqueeze
from saudagar.strategies.pairs import Pairs
from saudagar.strategies.percent_reverse import PercentReverse
from saudagar.strategies.rsi_reversion import RsiReversion
from saudagar.strategies.supertrend import SuperTrend

A, B, C = (InstrumentId(f"NSE_EQ:{name}") for name in "ABC")
OPEN = at(synthetic_sample().instruments.day, "09:15")


class Golden(NamedTuple):
    """A run that must come out the same for ever; change it only with a reason in the commit."""

    trades: int
    gross: int
    charges: int
    digest: str  # of every trade: instrument, side, quantity, times, values and charges


GOLDEN = {
    "ema_cross": Golden(256, 3951960, 2111541, "ab6567b3ef3c2488"),
    "volume_breakout": Golden(100, 2780655, 825124, "5687bce89f8a0a1e"),
    "opening_range": Golden(45, 1125075, 371295, "24c3743bbdff3039"),
    "supertrend": Golden(266, 5590265, 2194456, "57862ca109ba4c11"),
    "rsi_reversion": Golden(115, -2559485, 948178, "d1c60754f0e207e1"),
    "bollinger_squeeze": Golden(70, 1071485, 577613, "8aa5c44006469039"),
    "percent_reverse": Golden(95, 3057245, 783927, "caa0696a132272ee"),
    "pairs": Golden(104, -2054540, 857384, "70f5d0c78bc2f7be"),
}


@pytest.fixture(scope="module")
def sample() -> Sample:
    return synthetic_sample()


def golden(result: Result) -> Golden:
    """In figures; the digest does not care which of two trips that ended at one moment is told first."""
    rows = sorted(
        f"{t.instrument} {t.side} {t.quantity} {t.entry_ts} {t.entry_value} {t.exit_ts} {t.exit_value} {cost}"
        for t, cost in zip(result.trades, result.costs, strict=True)
    )
    digest = hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]
    return Golden(len(result.trades), result.gross, sum(result.costs), digest)


@pytest.mark.parametrize("name", BUILT_IN)
def test_golden_run(name: str, sample: Sample) -> None:
    assert golden(run_sample(load(name)(), sample)) == GOLDEN[name]


def test_exits_and_seed_count(sample: Sample) -> None:
    plain = run_sample(load("ema_cross")(), sample)
    stopped = run_sample(load("ema_cross")(), sample, exits=Exits(stop="0.2%"))  # type: ignore[arg-type]  # as in TOML
    assert {trade.exit_reason for trade in stopped.trades} > {trade.exit_reason for trade in plain.trades}
    assert golden(run_sample(load("ema_cross")(), synthetic_sample(2))) != GOLDEN["ema_cross"]


def market(*closes: list[float]) -> dict[InstrumentId, BarArrays]:
    """Flat minute bars at these closes, in rupees; NaN where nothing traded."""
    made = {}
    for name, column in zip((A, B, C), closes, strict=False):
        prices = np.rint(np.array(column) * 100)
        traded = ~np.isnan(prices)
        start = (OPEN + np.arange(len(prices)) * MINUTE)[traded]
        p = prices[traded]
        made[name] = BarArrays.from_columns(
            interval=MINUTE, start=start, end=start + MINUTE, open=p, high=p, low=p, close=p, volume=np.full(len(p), 10)
        )
    return made


def wishes(strategy: Strategy, *closes: list[float]) -> list[tuple[str, int, Direction]]:
    """Instrument, number of the bar, direction."""
    told: list[Wish] = decide(strategy, market(*closes))
    return [(wish.instrument[-1], (wish.ts - OPEN) // MINUTE - 1, wish.direction) for wish in told]


def test_supertrend_turns_with_the_line() -> None:
    path = [100.0 + n for n in range(20)] + [119.0 - 4 * n for n in range(10)] + [83.0 + 4 * n for n in range(10)]
    turns = [direction for _, _, direction in wishes(SuperTrend(length=3, multiplier=1), path)]
    assert turns == [Direction.SHORT, Direction.LONG]


def test_rsi_reversion_waits_for_the_way_back() -> None:
    fall = [100.0, 101, 100, 101, 100] + [99.0 - n for n in range(8)]
    path = [*fall, 92.0, 94, 97, 101]
    found = wishes(RsiReversion(length=5), path)
    assert [direction for _, _, direction in found] == [Direction.LONG, Direction.FLAT]
    assert found[0][1] >= len(fall)
    assert wishes(RsiReversion(length=5), fall) == []


def test_bollinger_squeeze_wants_narrow_bands_first() -> None:
    wild = [100.0 + 5 * (-1) ** n for n in range(30)]
    quiet = [100.0 + 0.05 * (-1) ** n for n in range(30)]
    squeeze = BollingerSqueeze(length=10, lookback=20)
    assert wishes(squeeze, [*wild, *quiet, 104.0])[-1] == ("A", 60, Direction.LONG)
    assert wishes(squeeze, [*wild, *quiet, 96.0])[-1] == ("A", 60, Direction.SHORT)
    assert ("A", 60, Direction.LONG) not in wishes(squeeze, [*quiet, *wild, 112.0])


def test_percent_reverse_turns_a_percentage_from_the_extreme() -> None:
    path = [100.0, 100, 100, 99.0, 99.4, 100.0, 101, 100.5, 99.9]
    assert wishes(PercentReverse(percent=1.0, lookback=4), path) == [
        ("A", 5, Direction.LONG),
        ("A", 8, Direction.SHORT),
    ]


FLAT = [100.0 + 0.1 * (n % 3) for n in range(30)]


def test_pairs_sells_the_dear_leg_and_buys_the_cheap_one_at_once() -> None:
    jump = [*FLAT, 103.0, 103.1, 100.1, 100.0, 100.1]
    still = [*(200.0 + 0.1 * (n % 2) for n in range(30)), 200.0, 200.1, 200.0, 200.1, 200.0]
    assert wishes(Pairs(lookback=20), jump, still) == [
        ("A", 31, Direction.SHORT),
        ("B", 31, Direction.LONG),
        ("A", 33, Direction.FLAT),
        ("B", 33, Direction.FLAT),
    ]


def test_pairs_waits_for_both_legs_and_starts_afresh() -> None:
    alone = [*FLAT, 103.0, 103.1]
    assert wishes(Pairs(lookback=20), alone) == []
    silent = [200.0] * 5 + [float("nan")] * 27
    assert wishes(Pairs(lookback=20), alone, silent) == []
    strategy = Pairs(lookback=20)
    markets = market([*FLAT, 103.0, 103.1], [200.0] * 32)
    assert decide(strategy, markets) == decide(strategy, markets)
    with pytest.raises(ConfigError, match="exactly two"):
        decide(strategy, market(FLAT, FLAT, FLAT))


class Notebook:
    """A context that writes down what is wanted."""

    position = 0
    entry_price = 0

    def __init__(self) -> None:
        self.wanted: list[Direction] = []

    def want(self, direction: Direction, reason: str, quantity: int | None = None) -> None:
        self.wanted.append(direction)


def test_pairs_forgets_when_time_goes_back() -> None:
    """One object may be replayed again and must not take the first run's spread into the second."""
    strategy = Pairs(lookback=20)
    for path, wanted in ((FLAT, []), ([*FLAT[:5], 104.0, 104.0], []), ([*FLAT, 104.0, 104.0], ["SHORT", "LONG"])):
        notebook = Notebook()
        markets = market(path, [200.0] * len(path))
        for number in range(len(path)):
            for name, bars in markets.items():
                strategy.on_bar(notebook, bar_at(name, bars, number))
        assert [direction.name for direction in notebook.wanted] == wanted


ONE = "from saudagar.strategies import Strategy\nclass One(Strategy):\n    pass\n"


def test_a_file_with_one_strategy_needs_no_class_name(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(ONE)
    (tmp_path / "two.py").write_text(ONE + "class Two(Strategy):\n    pass\n")
    (tmp_path / "none.py").write_text("from saudagar.strategies import Strategy\n")
    assert load("one.py", tmp_path).__name__ == "One"
    with pytest.raises(ConfigError, match="must define one strategy, found One, Two"):
        load("two.py", tmp_path)
    with pytest.raises(ConfigError, match="found none"):
        load("none.py", tmp_path)


@pytest.mark.parametrize("like", ["", *BUILT_IN])
def test_a_new_strategy_runs_as_it_is(like: str, tmp_path: Path, sample: Sample) -> None:
    arguments = ["new", "my_first", "-d", str(tmp_path), *(["--like", like] if like else [])]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    kind = load("my_first.py", tmp_path)
    assert kind.__name__ == "MyFirst"
    result = run_sample(kind(), sample)
    assert result.trades
    assert not like or golden(result) == GOLDEN[like]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["new", "Gap"], 2, "no name for a strategy"),
        (["new", "../gap"], 2, "no name for a strategy"),
        (["new", "there"], 2, "exists; it is left as it is"),
        (["new", "gap", "--like", "ema_cros"], 2, "Did you mean 'ema_cross'?"),
        (["new", "gap", "--like", "there.py"], 2, "not built in"),
        (["new", "gap", "-d", "nowhere"], 1, "cannot be written"),
    ],
)
def test_a_new_strategy_refuses(
    arguments: list[str], code: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.py").write_text(ONE)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == code
    assert words in done.stderr
    assert (tmp_path / "there.py").read_text() == ONE


def test_the_list_names_all_with_their_parameters() -> None:
    text = CliRunner().invoke(app, ["list"]).stdout
    rows = CliRunner().invoke(app, ["list", "--json"]).stdout
    for name in BUILT_IN:
        assert f"\n{name}\n" in f"\n{text}"
        assert f'"name": "{name}"' in rows
        for parameter in load(name).model_fields:
            assert f"    {parameter} = " in text


def test_bars_of_the_catalog(tmp_path: Path) -> None:
    from saudagar.storage.catalog import Catalog

    sample = synthetic_sample(3, 1)
    (name,) = sample.bars
    bars = sample.bars[name]
    rows = [bar_at(name, bars, k) for k in range(len(bars))]
    catalog = Catalog(tmp_path)
    catalog.add(name, MINUTE, rows, (rows[0].start, rows[-1].end))
    catalog.close()
    read = catalog_sample(tmp_path, [name], "1m")
    assert golden(run_sample(load("ema_cross")(), read)) == golden(run_sample(load("ema_cross")(), sample))
    assert read.instrument(name).tick_size == sample.instrument(name).tick_size
    for symbol, words in ((A, "no bars of"), ("RELIANCE", "expected an instrument")):
        with pytest.raises(DataError, match=words):
            catalog_sample(tmp_path, [symbol], "1m")
    done = CliRunner().invoke(app, ["check", "ema_cross", "--symbol", name, "-d", str(tmp_path)])
    assert done.exit_code == 0
