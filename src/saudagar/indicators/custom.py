"""`@indicator`: a user's own NumPy function in the graph, accepted only after proof that it does not look ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, overload

import numpy as np

from saudagar.indicators.bars import Floats
from saudagar.indicators.expr import Expr, node, numeric
from saudagar.indicators.kernel import NAN, Arrays, Computed, Step
from saudagar.model import Nanos
from saudagar.model.errors import ConfigError

Function = Callable[..., Any]

_ROWS = 1_000
_CUTS = 24
_SEED = 20_240_101


class Indicator:
    """A function made usable in graphs. Called with expressions first, then its parameters; see `indicator`."""

    def __init__(self, function: Function, window: int | None) -> None:
        self.function = function
        self.window = window
        self.__name__ = function.__name__
        self.__qualname__ = function.__qualname__
        self.__module__ = function.__module__
        self.__doc__ = function.__doc__
        self._accepted: dict[tuple[Any, ...], int] = {}

    def __call__(self, *args: Any, **params: Any) -> Expr:
        inputs = [arg for arg in args if isinstance(arg, Expr)]
        if not inputs or not all(isinstance(arg, Expr) for arg in args[: len(inputs)]):
            raise ConfigError(f"{self!r} takes expressions first, then its parameters; got {args!r}.")
        rest, named = args[len(inputs) :], tuple(sorted(params.items()))
        kinds = tuple(type(value) for value in (*rest, *(value for _, value in named)))  # 1, 1.0 and True are equal
        key = (len(inputs), rest, named, kinds)
        try:
            lookback = self._accepted.get(key)
        except TypeError:
            raise ConfigError(f"the parameters of {self!r} must be plain values, got {rest!r} {params!r}.") from None
        if lookback is None:
            lookback = self._accepted[key] = _accept(self, len(inputs), rest, named)
        return node(Custom(self, rest, named, lookback, kinds), *map(numeric, inputs))

    def __repr__(self) -> str:
        return self.__qualname__

    def __reduce__(self) -> str:
        return self.__qualname__  # found again by its name: the decorator put it where the function was


@overload
def indicator(function: Function, /) -> Indicator: ...
@overload
def indicator(*, window: int | None = None) -> Callable[[Function], Indicator]: ...
def indicator(function: Function | None = None, /, *, window: int | None = None) -> Any:
    """Make a NumPy function (float64 arrays in, one array of the same length out) an indicator.

    It sees only bars on which all its inputs are defined, through read-only arrays, and any number of them from one up.
    When first used with given parameters it is checked on seeded random series: computed twice it must agree, and
    cutting the series anywhere must not change a bit of the values before the cut.

    Parameters
    ----------
    window
        How many bars, this one included, a value depends on. Live, only these are kept and computed again at each
        bar. Without it the whole history is kept and computed again at each bar: right, but slower with every bar.

    Raises
    ------
    ConfigError
        When used: it looks ahead, depends on more than `window` bars, or does not return an array of the
        right length. Names the first differing index.
    """
    if window is not None and (isinstance(window, bool) or not isinstance(window, int) or window < 1):
        raise ConfigError(f"window must be a whole number of bars from 1, got {window!r}.")
    return Indicator(function, window) if function else lambda wanted: Indicator(wanted, window)


@dataclass(frozen=True, slots=True)
class Custom(Computed):
    """One indicator with its parameters."""

    indicator: Indicator
    args: tuple[Any, ...]
    params: tuple[tuple[str, Any], ...]
    lookback: int
    kinds: tuple[type, ...] = ()  # of the parameters
    foreign: ClassVar[bool] = True

    def words(self) -> tuple[Any, ...]:
        return self.indicator, *self.args, *(value for _, value in self.params)

    def batch(self, *inputs: Floats) -> Arrays:
        known = np.logical_and.reduce([np.isfinite(x) for x in inputs])
        result = np.full(len(inputs[0]), NAN)
        if known.any():
            result[known] = self.compute([x[known] for x in inputs])
        return result

    def live(self) -> Step:
        rows: deque[tuple[float, ...]] = deque(maxlen=self.indicator.window)

        def step(*row: float) -> float:
            if not np.isfinite(row).all():
                return NAN
            rows.append(row)
            with np.errstate(all="ignore"):
                return float(self.compute([np.array(column) for column in zip(*rows, strict=True)])[-1])

        return step

    def need(self, interval: Nanos) -> tuple[int, int]:
        return 0, self.lookback

    def compute(self, columns: list[Floats]) -> Floats:
        for column in columns:
            column.flags.writeable = False
        result = np.asarray(self.indicator.function(*columns, *self.args, **dict(self.params)))
        if result.shape != columns[0].shape or result.dtype.kind not in "fiub":
            raise ConfigError(
                f"{self.indicator!r} must return {len(columns[0])} numbers for as many bars, "
                f"got shape {result.shape} of {result.dtype}."
            )
        return result.astype(np.float64)


def _accept(indicator: Indicator, inputs: int, args: tuple[Any, ...], params: tuple[tuple[str, Any], ...]) -> int:
    """Check for looking ahead; give the number of bars before the first defined value."""
    kernel = Custom(indicator, args, params, 0)
    rows = max(_ROWS, 4 * (indicator.window or 0))
    random = np.random.default_rng(_SEED)
    columns = [(100_000 + np.cumsum(random.integers(-50, 51, rows))).astype(np.float64) for _ in range(inputs)]
    cuts = [1, 2, rows - 1, *random.integers(3, rows - 1, _CUTS).tolist()]
    with np.errstate(all="ignore"):
        whole = _try(kernel, columns)
        _compare(kernel, whole, _try(kernel, columns), "computing it twice")
        for cut in sorted(cuts):
            _compare(kernel, whole[:cut], _try(kernel, [x[:cut] for x in columns]), f"cutting the series at {cut}")
            if indicator.window:
                begin = max(0, cut - indicator.window)
                last = _try(kernel, [x[begin:cut] for x in columns])[-1:]
                _compare(kernel, whole[cut - 1 : cut], last, f"keeping {indicator.window} bars", cut - 1)
    defined = np.flatnonzero(~np.isnan(whole))
    if not len(defined):
        raise ConfigError(f"{indicator!r} is undefined on all of {rows} bars.")
    return int(defined[0])


def _try(kernel: Custom, columns: list[Floats]) -> Floats:
    try:
        return kernel.compute([x.copy() for x in columns])
    except ConfigError:
        raise
    except Exception as error:
        rows = len(columns[0])
        raise ConfigError(f"{kernel.indicator!r} fails on {rows} bars: {type(error).__name__}: {error}.") from error


def _compare(kernel: Custom, whole: Floats, part: Floats, how: str, first: int = 0) -> None:
    same = (whole == part) | (np.isnan(whole) & np.isnan(part))
    if not same.all():
        at = int(np.argmin(same))
        raise ConfigError(
            f"{kernel.indicator!r} cannot be used: {how} changes index {first + at} from {whole[at]} to {part[at]}.",
            hint="A value may depend on its own bar and earlier ones only.",
        )
