"""The make-believe behind a synthetic market: stable random numbers, the shape of a day, and its moods.

`synthetic` and `synthetic_history` draw from here. Everything is computed from PCG64's raw integers (whose stream
numpy promises to keep) with sums, products and comparisons only, so a seed gives the same day on every machine.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

_U16 = 65_536
_SPREAD = _U16 / 3**0.5  # standard deviation of the sum of four uniform 16-bit numbers


class Noise:
    """A stream of random numbers, one per `key`."""

    def __init__(self, *key: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(key))

    def uniform(self, *shape: int) -> Floats:
        """Numbers in [0, 1)."""
        raw = self._bits.random_raw(int(np.prod(shape))).reshape(shape)
        numbers: Floats = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return numbers

    def normal(self, *shape: int) -> Floats:
        """Bell-shaped numbers of mean 0 and variance 1, never beyond ±3.5: sums of four uniform ones."""
        raw = self._bits.random_raw(int(np.prod(shape)))
        parts = raw.view(np.uint16).reshape(*shape, 4).sum(axis=-1, dtype=np.int64)
        numbers: Floats = (parts - 2 * (_U16 - 1)) / _SPREAD
        return numbers


class Mood(NamedTuple):
    """How a stock behaves for a while."""

    name: str
    share: float  # how often it is the next mood
    minutes: float  # how long it lasts, on average
    swing: float  # volatility against a usual minute
    drift: float  # per minute, in daily standard deviations
    volume: float  # against a usual minute


MOODS = (
    Mood("quiet", 0.24, 25, 0.45, 0.0, 0.5),
    Mood("usual", 0.32, 18, 1.0, 0.0, 1.0),
    Mood("rising", 0.14, 24, 0.9, 0.018, 1.2),
    Mood("falling", 0.14, 24, 0.9, -0.018, 1.2),
    Mood("breakout", 0.08, 5, 1.6, 0.085, 4.5),
    Mood("breakdown", 0.08, 5, 1.6, -0.085, 4.5),
)

_SHARES = np.cumsum([mood.share for mood in MOODS])[:-1]
_LEAVE = np.array([1 / mood.minutes for mood in MOODS])
_SWING = np.array([mood.swing for mood in MOODS])
_DRIFT = np.array([mood.drift for mood in MOODS])
_VOLUME = np.array([mood.volume for mood in MOODS])


class Course(NamedTuple):
    """Minute by minute (rows) and stock by stock (columns)."""

    swing: Floats
    drift: Floats
    volume: Floats  # shares of the day's volume, summing to about 1 per stock


def course(noise: Noise, minutes: int, stocks: int) -> Course:
    """Moods of `stocks` over a session of `minutes`, laid over the U-shapes of a trading day."""
    return course_of(noise.uniform(minutes, 2, stocks))


def course_of(draws: Floats) -> Course:
    """The same from numbers in [0, 1): minutes × (whether the mood ends, which is next) × stocks."""
    minutes, _, stocks = draws.shape
    moods = np.empty((minutes, stocks), dtype=np.int64)
    mood = np.searchsorted(_SHARES, draws[0, 1], side="right")
    for minute in range(minutes):
        leaves = draws[minute, 0] < _LEAVE[mood]
        mood = np.where(leaves, np.searchsorted(_SHARES, draws[minute, 1], side="right"), mood)
        moods[minute] = mood
    swing, volume = day_shape(minutes)
    return Course(
        swing=_SWING[moods] * swing[:, None],
        drift=_DRIFT[moods],
        volume=_VOLUME[moods] * (volume / volume.sum())[:, None],
    )


def day_shape(minutes: int) -> tuple[Floats, Floats]:
    """Volatility and volume of each minute against the day's middle: high at both ends, the opening highest."""
    done = (np.arange(minutes) + 0.5) / minutes
    opening, closing = _eighth_power(1 - done), _eighth_power(done)
    return 0.75 + 1.1 * opening + 0.35 * closing, 0.7 + 2.2 * opening + 1.3 * closing


def growth(returns: Floats) -> Floats:
    """e to the power of `returns`, good to 1e-6 for |x| < 0.25; no library function, hence the same everywhere."""
    return 1 + returns * (1 + returns * (0.5 + returns * (1 / 6 + returns / 24)))


def _eighth_power(x: Floats) -> Floats:
    square = x * x
    fourth = square * square
    return fourth * fourth
