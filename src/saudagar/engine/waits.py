"""Positions that must wait before anything is asked for them again: for the next second, or longer after refusals.

Kept by `orders`. What the broker refuses it mostly refuses again, and each try costs one of the writes of a second, or
one of the few changes that an order may have. A new target is a new question and does not wait.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from saudagar.engine.core import Core
from saudagar.model import SECOND, Nanos, PositionId
from saudagar.portfolio import Position

_ALERTS = 3  # of one kind for one position in a row; after that it is known
_LONGEST = 60  # seconds


class _Wait(NamedTuple):
    until: Nanos
    target: int


class Waits:
    """Who waits, and until when.

    Attributes
    ----------
    known
        By position; one that is over stays until something of the position trades, or an order of it ends.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self.known: dict[PositionId, _Wait] = {}
        self._refusals: dict[PositionId, int] = {}

    def hold(self, position: Position) -> bool:
        """Whether `position` must wait now."""
        wait = self.known.get(position.id)
        return wait is not None and wait.until > self._core.now and wait.target == position.target

    def wait(self, position: Position, until: Nanos) -> None:
        """Leave `position` alone until then, unless its target changes."""
        wait = self.known.get(position.id)
        if wait and wait.target == position.target:
            until = max(until, wait.until)
        self.known[position.id] = _Wait(until, position.target)
        self._core.later(until, partial(self._core.touch, position.id))

    def next_second(self, position: Position) -> None:
        """Leave `position` alone until the next calendar second, by which writes are counted."""
        self.wait(position, (self._core.now // SECOND + 1) * SECOND)

    def back_off(self, position: Position, message: str, *, crossing: bool = False) -> None:
        """An order that protects or closes did not get through: try again, ever more slowly, and tell people.

        Once is not told where it may be that two messages were `crossing`.
        """
        core, name = self._core, position.id
        count = self._refusals[name] = self._refusals.get(name, 0) + 1
        if crossing < count <= _ALERTS:
            core.alert("critical", message)
        until = core.now + min(2 ** (count - 1), _LONGEST) * SECOND
        self.wait(position, min(until, core.next_opening(position.instrument) or until))

    def taken(self, position: PositionId) -> None:
        """The broker has taken a change of an order of `position`: its next refusal is a first one."""
        if self._refusals:
            self._refusals.pop(position, None)

    def go_on(self, position: PositionId) -> None:
        """An order of `position` is over, which may have been what was waited for. Earlier refusals still count."""
        if self.known:
            self.known.pop(position, None)

    def forgive(self, position: PositionId) -> None:
        """Something of `position` has traded: earlier refusals no longer count, and it need not wait."""
        self.go_on(position)
        if self._refusals:
            self._refusals.pop(position, None)
