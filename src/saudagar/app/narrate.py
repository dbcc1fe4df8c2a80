"""Events in a trader's words, one short line each; those that say nothing new have none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from saudagar.app.wording import one_line, price
from saudagar.model import ClientOrderId, Order, Purpose, Side
from saudagar.model import events as ev


def narrate(event: ev.Event, orders: Mapping[ClientOrderId, Order]) -> str:
    """What happened, or an empty string. `orders` are the desk's, for a fill names no more than its order."""
    if isinstance(event, ev.OrderFilled):
        return _filled(event, orders.get(event.order_id))
    tell = _TELL.get(type(event))
    return one_line(tell(event)) if tell else ""


def _short(position: str) -> str:
    """``ema@NSE_EQ:INFY`` → ``ema INFY``."""
    strategy, _, instrument = position.partition("@")
    return f"{strategy} {instrument.partition(':')[2]}"


def _filled(event: ev.OrderFilled, order: Order | None) -> str:
    if order is None:
        return f"order {event.order_id}: {event.quantity} at {price(event.price)}"
    did = "bought" if order.new.side is Side.BUY else "sold"
    return f"{_short(order.new.position)}: {did} {event.quantity} at {price(event.price)} ({event.order_id})"


def _target(event: ev.TargetSet) -> str:
    if event.quantity == 0:
        return f"{_short(event.position)}: leave ({event.reason})"
    word = "long" if event.quantity > 0 else "short"
    return f"{_short(event.position)}: go {word} {abs(event.quantity)} near {price(event.reference)}"


def _submitted(event: ev.OrderSubmitted) -> str:
    order = event.order
    if order.purpose is Purpose.STOP:
        return f"{_short(order.position)}: stop rests at {price(order.terms.trigger_price)}"
    return ""


_TELL: dict[type, Callable[[Any], str]] = {
    ev.DayOpened: lambda e: "desk resumed after a restart" if e.resumed else f"day opened, desk {e.desk}",
    ev.TargetSet: _target,
    ev.IntentDenied: lambda e: f"{_short(e.position)}: denied by {e.rule}: {e.message}",
    ev.OrderSubmitted: _submitted,
    ev.ProtectionMoved: lambda e: f"{_short(e.position)}: stop at {price(e.stop)}" if e.stop else "",
    ev.PositionAdopted: lambda e: f"{_short(e.position)}: {e.quantity:+d} at {price(e.price)}, {e.reason}",
    ev.TradingStateChanged: lambda e: f"trading is {e.state}: {e.reason}",
    ev.InstrumentFrozen: lambda e: f"{e.instrument} {'frozen' if e.frozen else 'free again'}: {e.reason}",
    ev.Alerted: lambda e: f"{e.level}: {e.message}",
    ev.DayClosed: lambda _: "day closed",
}
