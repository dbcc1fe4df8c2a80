"""A look each second at every position of which an order should be trading, so that it is chased, or asked about.

Kept by `orders`. A stop that rests needs none: it waits for its price. One that could not rest yet, because the market
is closed, is looked at when it opens. An order that has traded before time goes on needs none either, as most in a
backtest: what was steered is looked over only then.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from saudagar.engine.core import Core
from saudagar.engine.lookups import LookUps
from saudagar.model import SECOND, ClientOrderId, Nanos, Order, OrderType, PositionId
from saudagar.portfolio import Position

_TRIGGERED = frozenset(kind for kind in OrderType if kind.has_trigger)


class Vigil:
    """The positions that are looked at again.

    Attributes
    ----------
    awake
        Those of which a look is due within a second.
    steered
        Those that were steered since time last went on, at the engine's present time.
    """

    def __init__(self, core: Core, look_ups: LookUps) -> None:
        self._core = core
        self._look_ups = look_ups
        self.awake: set[PositionId] = set()
        self.steered: dict[PositionId, None] = {}
        self._asked: dict[ClientOrderId, Nanos] = {}  # when a silent order was last asked about
        self._opening: dict[PositionId, Nanos] = {}  # for which a look is due

    def time_goes_on(self) -> None:
        """Told before it does. Look again a second from now at what was steered, where a marketable order works."""
        working = self._core.state.working
        for position in self.steered:
            if (orders := working.get(position)) and position not in self.awake:
                self._keep(position, orders.values())
        self.steered.clear()

    def _keep(self, position: PositionId, orders: Iterable[Order]) -> None:
        for order in orders:
            if order.filled or order.terms.order_type not in _TRIGGERED:
                self.awake.add(position)
                self._core.later(self._core.now + SECOND, partial(self._look, position))
                return

    def until_opening(self, position: Position) -> None:
        """Look again when the instrument of `position` opens, if it does so on this day."""
        core, name = self._core, position.id
        opening = core.next_opening(position.instrument)
        if opening and self._opening.get(name) != opening:
            self._opening[name] = opening
            core.later(opening, partial(core.touch, name))

    def _look(self, position: PositionId) -> None:
        core = self._core
        self.awake.discard(position)
        orders = core.state.working.get(position)
        for order in orders.values() if orders else ():
            if order.terms.order_type in _TRIGGERED:
                if order.filled:
                    core.touch(position)
                continue
            core.touch(position)
            heard = max(order.last_change, self._asked.get(order.id, 0))
            if core.now - heard >= core.settings.tactics.chase:
                self._asked[order.id] = core.now  # it should have traded: perhaps it has, and the message was lost
                self._look_ups.ask(order.id)
