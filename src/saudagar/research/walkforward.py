"""Train and test, walk-forward, and how much of a sweep's best result is luck.

All of it reads one table: the net profit of every day (rows) under every set of parameters (columns), paise. Each run
saw the past only, so a cut through the days is a cut through what was known. A set that is chosen for a later stretch
takes over the position that it would then hold, at the last close; the charges of that change of hands are not counted.

Returns are daily profits over the equity of the day before, as in a report; each stretch of days begins with the
capital.
"""

from __future__ import annotations

from itertools import combinations
from math import sqrt
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from saudagar.model import Paise, group_digits
from saudagar.model.errors import ConfigError
from saudagar.research.metrics import DAYS_A_YEAR, column_returns, deflated_sharpe, expected_best_sharpe, sharpes

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]

TRAIN = 0.7
"""The share of the days that choose, where nobody says otherwise."""

MEASURES = ("sharpe", "net", "drawdown")
"""What sets are compared by: annual Sharpe ratio, profit in paise, or the largest drawdown in paise (negative)."""

_CERTAIN = 0.95  # deflated Sharpe ratio below which a result passes for luck
_FEW_DAYS = 60
_BLOCKS = 10  # of the days, for the odds of overfitting: 252 ways to halve them
_SHOWN = 2_000  # sets beyond which those odds are taken from a regular sample


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The best set of the train days, and what it is worth. NaN where too few days say anything."""

    best: int  # place of the set
    trials: int
    train_days: int
    test_days: int
    train_sharpe: float  # annual
    test_sharpe: float
    train_net: Paise
    test_net: Paise
    luck_sharpe: float  # annual: what the best of so many sets without skill shows in train by luck
    deflated: float  # probability that the train Sharpe is not luck (Bailey and López de Prado 2014)
    overfit: float  # probability that the best of one half of the days is below the median in the other (2017)
    rank: float  # correlation of the sets' ranks in train and test
    warnings: tuple[str, ...]


class Window(msgspec.Struct, frozen=True):
    """One step of a walk: days `[first, middle)` chose set `best`, days `[middle, last)` judged it."""

    first: int
    middle: int
    last: int
    best: int
    train: float  # the measure
    test: float
    test_net: Paise


class Walk(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """A walk through the days, choosing on the past only."""

    windows: tuple[Window, ...]
    daily: Ints  # net profit of the test days, in order
    net: Paise
    sharpe: float  # annual, of the test days
    efficiency: float  # profit a day in test over profit a day in train; NaN where train lost


def cut(days: int, share: float) -> int:
    """How many of `days` may choose.

    Raises
    ------
    ConfigError
        `share` is not between 0 and 1, or leaves one side without a day.
    """
    if not 0 < share < 1:
        raise ConfigError(f"the train share must lie between 0 and 1, got {share!r}.")
    if days < 2:
        raise ConfigError(f"train and test need at least two trading days, the data has {days}.")
    return min(max(1, round(days * share)), days - 1)


def measured(daily: Ints, capital: Paise, measure: str) -> Floats:
    """`measure` of each column of `daily`.

    Raises
    ------
    ConfigError
        No such measure.
    """
    if measure == "net":
        net: Floats = daily.sum(axis=0).astype(np.float64)
        return net
    if measure == "sharpe":
        return sharpes(column_returns(daily, capital))
    if measure == "drawdown":
        equity = np.cumsum(daily, axis=0)
        peak = np.maximum(np.maximum.accumulate(equity, axis=0), 0)
        fall: Floats = (equity - peak).min(axis=0).astype(np.float64)
        return fall
    raise ConfigError(f"a measure is one of {', '.join(MEASURES)}, got {measure!r}.")


def best_of(daily: Ints, capital: Paise, measure: str) -> int:
    """The place of the best column, the first of equals; a set without a measure is the worst."""
    return int(np.argmax(np.nan_to_num(measured(daily, capital, measure), nan=-np.inf, neginf=-np.inf)))


def judge(daily: Ints, train: int, capital: Paise, measure: str = "sharpe") -> Verdict:
    """What the first `train` days choose, what the others say of it, and the odds of luck."""
    past, later = daily[:train], daily[train:]
    best, trials = best_of(past, capital, measure), daily.shape[1]
    returns = column_returns(past, capital)
    per_day = sharpes(returns, periods=1)
    spread = float(np.var(per_day[np.isfinite(per_day)], ddof=1)) if np.isfinite(per_day).sum() > 1 else 0.0
    train_sharpe, test_sharpe = (float(measured(part, capital, "sharpe")[best]) for part in (past, later))
    told: dict[str, Any] = {
        "best": best,
        "trials": trials,
        "train_days": len(past),
        "test_days": len(later),
        "train_sharpe": train_sharpe,
        "test_sharpe": test_sharpe,
        "train_net": int(past[:, best].sum()),
        "test_net": int(later[:, best].sum()),
        "luck_sharpe": expected_best_sharpe(trials, spread) * sqrt(DAYS_A_YEAR),
        "deflated": deflated_sharpe(returns[:, best], trials, spread),
        "overfit": overfit_odds(daily, capital, measure),
        "rank": _rank_correlation(measured(past, capital, measure), measured(later, capital, measure)),
    }
    return Verdict(**told, warnings=tuple(_warnings(told)))


def walk_forward(
    daily: Ints, capital: Paise, train: int = 0, test: int = 0, *, measure: str = "sharpe", anchored: bool = False
) -> Walk:
    """Choose on `train` days, trade the choice for the next `test` days, move on by `test`; until the days end.

    Parameters
    ----------
    train, test
        Days; 0 lets the data decide: half of the days to begin with, then steps of a tenth.
    anchored
        Choose on all days so far instead of the last `train`.

    Raises
    ------
    ConfigError
        Windows that the days do not hold.
    """
    days = len(daily)
    train, test = train or max(1, days // 2), test or max(1, days // 10)
    if train < 1 or test < 1 or train + test > days:
        raise ConfigError(f"windows of {train} + {test} days do not fit into {days} trading days.")
    windows = []
    for middle in range(train, days, test):
        first, last = 0 if anchored else middle - train, min(middle + test, days)
        best = best_of(daily[first:middle], capital, measure)
        seen, unseen = daily[first:middle], daily[middle:last]
        past, later = (float(measured(part[:, [best]], capital, measure)[0]) for part in (seen, unseen))
        windows.append(Window(first, middle, last, best, past, later, int(unseen[:, best].sum())))
    out = np.concatenate([daily[each.middle : each.last, each.best] for each in windows])
    chosen = [daily[each.first : each.middle, each.best].mean() for each in windows]
    before = float(np.mean(chosen))
    return Walk(
        windows=tuple(windows),
        daily=out,
        net=int(out.sum()),
        sharpe=float(measured(out[:, None], capital, "sharpe")[0]),
        efficiency=float(out.mean()) / before if before > 0 else float("nan"),
    )


def overfit_odds(daily: Ints, capital: Paise, measure: str = "sharpe") -> float:
    """The probability of backtest overfitting by combinatorially symmetric cross-validation.

    Bailey, Borwein, López de Prado and Zhu, "The Probability of Backtest Overfitting", Journal of Computational
    Finance 20(4), 2017: the days are cut into ten blocks; of every way to choose five of them, does the set that is
    best there fall below the median of all sets on the other five? NaN for fewer than two sets or twenty days.
    """
    days, count = daily.shape
    if count < 2 or days < 2 * _BLOCKS:
        return float("nan")
    daily = daily[:, :: -(-count // _SHOWN)]
    blocks = np.array_split(np.arange(days), _BLOCKS)
    below = 0
    halves = list(combinations(range(_BLOCKS), _BLOCKS // 2))
    for half in halves:
        inside = np.concatenate([blocks[k] for k in half])
        outside = np.concatenate([blocks[k] for k in range(_BLOCKS) if k not in half])
        best = best_of(daily[inside], capital, measure)
        found = np.nan_to_num(measured(daily[outside], capital, measure), nan=-np.inf)
        rank = (found < found[best]).sum() + (found == found[best]).sum() / 2
        below += bool(rank <= len(found) / 2)
    return below / len(halves)


def _warnings(told: dict[str, Any]) -> list[str]:
    """Plain sentences; none where nothing speaks against the result."""
    found = []
    if told["train_days"] < _FEW_DAYS or told["test_days"] < _FEW_DAYS // 3:
        found.append(
            f"Few days: {told['train_days']} to choose by and {told['test_days']} to judge; figures mean little."
        )
    if told["train_net"] <= 0:
        found.append(f"Nothing to choose: even the best of {group_digits(told['trials'])} sets made no money in train.")
    elif not told["deflated"] >= _CERTAIN:
        found.append(
            f"Likely luck: the best of {group_digits(told['trials'])} sets shows a Sharpe ratio of "
            f"{told['train_sharpe']:.2f}; "
            f"without any skill the best would show about {told['luck_sharpe']:.2f}. "
            f"The odds that it is more than luck are {told['deflated']:.0%}."
        )
    if told["train_net"] > 0 >= told["test_net"]:
        rest = "lost" if told["test_net"] < 0 else "made none"
        found.append(f"It made money on the days that chose it and {rest} on the days that did not.")
    elif told["train_net"] > 0 and told["test_sharpe"] < told["train_sharpe"] / 2:
        found.append(
            f"Out of sample the Sharpe ratio falls from {told['train_sharpe']:.2f} to {told['test_sharpe']:.2f}."
        )
    if told["overfit"] > 0.5:
        found.append(f"Choosing the best does not help: {told['overfit']:.0%} of such choices end below the median.")
    if told["rank"] <= 0:
        found.append("Sets that were good in train were no better than others in test.")
    return found


def _rank_correlation(a: Floats, b: Floats) -> float:
    """Spearman's, of the sets that have both values; NaN where there are no two different ones."""
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 2:
        return float("nan")
    x, y = _ranks(a[both]), _ranks(b[both])
    if not np.ptp(x) or not np.ptp(y):
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def _ranks(values: Floats) -> Floats:
    """Ranks from 0, equals sharing their mean."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    middle: Floats = np.cumsum(count) - (count + 1) / 2
    return middle[place]
