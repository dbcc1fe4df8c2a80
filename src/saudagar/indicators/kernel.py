"""What a node of the graph computes: the contract of a kernel, in arrays and bar by bar."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

from saudagar.indicators.bars import Floats
from saudagar.model import Nanos

Arrays: TypeAlias = Floats | tuple[Floats, ...]
Step: TypeAlias = Callable[..., Any]

NAN = float("nan")


class Kernel:
    """What a node is. Subclasses are frozen dataclasses: equal parameters, equal kernel."""

    __slots__: tuple[str, ...] = ()

    boolean: ClassVar[bool | None] = False  # None: as the last input
    outputs: ClassVar[int] = 0  # how many values come as a tuple; 0 for one bare value
    foreign: ClassVar[bool] = False  # whether it runs somebody else's code, which may raise at any bar

    def words(self) -> tuple[Any, ...]:
        """Name and parameters, for people."""
        return type(self).__name__, *(getattr(self, name) for name in self.__slots__)

    def need(self, interval: Nanos) -> tuple[int, int]:
        """Trading days from their open (today included), and bars on top of the inputs' own, until it is defined."""
        return 0, 0

    def check(self, own: Nanos, base: Nanos) -> None:
        """Refuse an interval that cannot serve.

        Parameters
        ----------
        own
            Interval of the bars this kernel runs on, ns.
        base
            Interval of the bars handed in, ns.

        Raises
        ------
        ConfigError
            Says which interval would do.
        """


class Warming(ABC):
    """A step that does more before its first value than ever after."""

    __slots__ = ()

    settled: Step | None
    """Once warm: the bare step. It takes finite inputs only."""

    @abstractmethod
    def __call__(self, *row: float) -> Any:
        """One bar, whatever its inputs are."""


class Computed(Kernel, ABC):
    """What a node computes, both ways; the few kernels that are none of these the drivers fill themselves."""

    __slots__: tuple[str, ...] = ()

    @abstractmethod
    def batch(self, *inputs: Any) -> Arrays:
        """All bars at once; one array per input, of equal length."""

    @abstractmethod
    def live(self) -> Step:
        """A new step, called once a bar with one value per input. Must give the bits that `batch` gives."""
