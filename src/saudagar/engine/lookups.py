"""Orders whose fate must be asked for: by our own id, again and again, until the broker's answer settles it."""

from __future__ import annotations

from saudagar.engine.core import Core
from saudagar.execution.effects import FindOrder
from saudagar.model import SECOND, ClientOrderId, InstrumentId, Nanos, Order, OrderStatus

_DELAYS = (1, 2, 4, 8, 15)  # seconds between two questions; the last one repeats
_MISSES_BEFORE_GIVING_UP = 3


class _Question:
    __slots__ = ("due", "since", "tries")

    def __init__(self, since: Nanos) -> None:
        self.since = since
        self.tries = 0
        self.due: Nanos = 0


class LookUps:
    """The questions that are open. At most one timer counts for each order, however often it is asked about."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.open: dict[ClientOrderId, _Question] = {}

    def ask(self, order_id: ClientOrderId) -> None:
        """Ask now, and again until `settled`."""
        question = self._question(order_id)
        question.tries += 1
        self._core.effects.append(FindOrder(order_id))
        self._schedule(order_id, question, _DELAYS[min(question.tries, len(_DELAYS)) - 1] * SECOND)

    def ask_later(self, order_id: ClientOrderId) -> None:
        """Ask in a second, unless it is settled or asked before."""
        question = self._question(order_id)
        if question.due <= self._core.now:
            self._schedule(order_id, question, SECOND)

    def settled(self, order_id: ClientOrderId) -> None:
        """Nothing is open about this order any more."""
        if self.open:
            self.open.pop(order_id, None)

    def hopeless(self, order_id: ClientOrderId, patience: Nanos) -> bool:
        """Whether a "no such order" may be believed: asked often, and for longer than the broker's slowest answer."""
        question = self.open.get(order_id)
        if question is None or question.tries < _MISSES_BEFORE_GIVING_UP:
            return False
        since = max(question.since, self._core.state.orders[order_id].last_change)
        return self._core.now - since >= patience

    def open_on(self, instrument: InstrumentId) -> Order | None:
        """An order on `instrument` of which something is not known: its fate, a change of it, or what it has traded."""
        orders = map(self._core.state.orders.__getitem__, self.open)
        return next((order for order in orders if order.new.instrument == instrument), None)

    def unknown_on(self, instrument: InstrumentId) -> ClientOrderId | None:
        """An order on `instrument` of which nobody knows whether the broker has it."""
        for order_id in self.open:
            order = self._core.state.orders[order_id]
            if order.status is OrderStatus.UNKNOWN and order.new.instrument == instrument:
                return order_id
        return None

    def _question(self, order_id: ClientOrderId) -> _Question:
        question = self.open.get(order_id)
        if question is None:
            question = self.open[order_id] = _Question(self._core.now)
        return question

    def _schedule(self, order_id: ClientOrderId, question: _Question, delay: Nanos) -> None:
        due = question.due = self._core.now + delay
        self._core.later(due, lambda: self._again(order_id, question, due))

    def _again(self, order_id: ClientOrderId, question: _Question, due: Nanos) -> None:
        if self.open.get(order_id) is question and question.due == due:
            self.ask(order_id)
