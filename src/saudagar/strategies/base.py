"""What a strategy is: validated parameters, and a graph of signals built from them.

The desk and the research side both call `Strategy.signals` once per set of parameters and run the graph themselves,
bar by bar or over arrays; a strategy never sees the future because the graph has no words for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from saudagar.indicators import BarFields, Expr
from saudagar.indicators.expr import truth
from saudagar.model import Bar, Direction, Paise


@dataclass(frozen=True, slots=True)
class Signals:
    """When to be long, short or out. Each is a boolean expression, read at the close of every bar.

    `long` and `short` set the wanted direction (an opposite position is reversed); `exit_long` and `exit_short`
    only leave. If several are true at once, leaving wins, and long together with short means nothing.

    Raises
    ------
    ConfigError
        One of them is a number instead of a condition.
    """

    long: Expr | None = None
    short: Expr | None = None
    exit_long: Expr | None = None
    exit_short: Expr | None = None

    def __post_init__(self) -> None:
        for each in (self.long, self.short, self.exit_long, self.exit_short):
            if each is not None:
                truth(each)


class Context(Protocol):
    """What `on_bar` may see and ask for."""

    @property
    def position(self) -> int:
        """This strategy's signed units of the bar's instrument."""
        ...

    @property
    def entry_price(self) -> Paise:
        """Average entry price; 0 when flat."""
        ...

    def want(self, direction: Direction, reason: str, quantity: int | None = None) -> None:
        """Set the wanted direction. `quantity` (units) overrides the sizing rule."""
        ...


class Strategy(BaseModel):
    """Base of all strategies. Fields are the parameters: typed, bounded, and what a form or a sweep sees.

    Override `signals`. One that needs its own position or state overrides `on_bar` instead or as well; it is called
    after the signals of the same bar and its word is the last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    title: ClassVar[str] = ""

    def signals(self, bar: BarFields) -> Signals:
        """The signal graph over `bar`'s open, high, low, close and volume."""
        return Signals()

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        """The escape hatch: called at each closed bar, after the signals."""
