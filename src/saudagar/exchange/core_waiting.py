"""After-market orders on their way into the next session. `core.MatchingCore` holds one `Waiting`.

An order without a delay enters with the session's first phase, the pre-open call where there is one; one with a delay
so long after continuous trading has opened (Dhan's OPEN is 0, OPEN_30 half an hour).
"""

from __future__ import annotations

from saudagar.exchange.core_orders import ExchangeOrder
from saudagar.exchange.core_session import SessionClass, class_of
from saudagar.market.sessions import PhaseKind
from saudagar.model import Nanos

_NEVER: Nanos = 1 << 63


class Waiting:
    """Orders that have been taken and are not yet in the market, first come first."""

    def __init__(self) -> None:
        self.next_due: Nanos = _NEVER
        self._orders: list[ExchangeOrder] = []
        self._due: dict[str, Nanos] = {}  # by the exchange's id: when the session they wait for has opened

    def add(self, order: ExchangeOrder) -> None:
        self._orders.append(order)

    def remove(self, order: ExchangeOrder) -> None:
        """Forget a cancelled order."""
        self._orders.remove(order)
        self._due.pop(order.exchange_id, None)

    def opened(self, changed: SessionClass, phase: PhaseKind | None, when: Nanos) -> list[ExchangeOrder]:
        """The orders of the class `changed` that enter as its `phase` begins at `when`."""
        if phase not in (PhaseKind.PRE_OPEN, PhaseKind.CONTINUOUS):
            return []
        mine = [order for order in self._orders if class_of(order.instrument) == changed]
        if phase is PhaseKind.CONTINUOUS:
            for order in mine:
                self._due.setdefault(order.exchange_id, when + (order.amo_delay or 0))
            return self.take_due(when)
        return self._take([order for order in mine if order.amo_delay is None])

    def take_due(self, now: Nanos) -> list[ExchangeOrder]:
        """Remove and return what enters at `now`, first come first."""
        return self._take([order for order in self._orders if self._due.get(order.exchange_id, _NEVER) <= now])

    def _take(self, orders: list[ExchangeOrder]) -> list[ExchangeOrder]:
        for order in orders:
            self.remove(order)
        self.next_due = min(self._due.values(), default=_NEVER)
        return orders
