"""Each kind of event in one line, for `saudagar journal show`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from saudagar.model import Offset, OrderTerms, Protection, inr
from saudagar.model import events as ev


def describe(event: ev.Event) -> str:
    """What happened, in words and rupees."""
    return " ".join(_WORDS[type(event)](event).split())


def _terms(terms: OrderTerms) -> str:
    price = f" at {inr(terms.price)}" if terms.price else ""
    trigger = f", trigger {inr(terms.trigger_price)}" if terms.trigger_price else ""
    return f"{terms.quantity} {terms.order_type}{price}{trigger}"


def _offset(offset: Offset) -> str:
    parts = [f"{offset.ppm / 10_000:g}%" if offset.ppm else "", inr(offset.points) if offset.points else ""]
    return "+".join(part for part in parts if part) or "0"


def _protection(protection: Protection) -> str:
    names = ("stop", "target", "trail", "break_even")
    found = [f"{name} {_offset(value)}" for name in names if (value := getattr(protection, name)) is not None]
    return f"; {', '.join(found)}" if found else ""


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _target(e: ev.TargetSet) -> str:
    price = f" at {inr(e.reference)}" if e.reference else ""
    return f"{e.position} → {e.quantity:+d}{price} ({e.source}: {e.reason}){_protection(e.protection)}"


def _submitted(e: ev.OrderSubmitted) -> str:
    new = e.order
    return f"{new.order_id} {new.side} {_terms(new.terms)} {new.instrument} ({new.purpose}, {new.product})"


def _moved(e: ev.OrderMoved) -> str:
    return f"{e.order_id} {e.status}{f' as {e.broker_id}' if e.broker_id else ''}{_because(e.reason)}"


def _modified(e: ev.ModifyEnded) -> str:
    return f"{e.order_id} {_terms(e.terms) if e.terms else 'refused'}{_because(e.reason)}"


def _protected(e: ev.ProtectionMoved) -> str:
    def level(paise: int) -> str:
        return inr(paise) if paise else "none"

    return f"{e.position} stop {level(e.stop)}, target {level(e.target)}, best {level(e.best)}"


_WORDS: dict[type[ev.Event], Callable[[Any], str]] = {
    ev.DayOpened: lambda e: f"{e.day} desk {e.desk}, configuration {e.config}{', resumed' if e.resumed else ''}",
    ev.TargetSet: _target,
    ev.IntentDenied: lambda e: f"{e.position} {e.rule}: {e.message} ({e.source})",
    ev.OrderSubmitted: _submitted,
    ev.OrderMoved: _moved,
    ev.OrderFilled: lambda e: f"{e.order_id} {e.quantity} at {inr(e.price)}, {e.cumulative} in all",
    ev.ModifyRequested: lambda e: f"{e.order_id} to {_terms(e.terms)}",
    ev.ModifyEnded: _modified,
    ev.CancelRequested: lambda e: f"{e.order_id}{_because(e.reason)}",
    ev.CancelRefused: lambda e: f"{e.order_id}{_because(e.reason)}",
    ev.ProtectionMoved: _protected,
    ev.TradingStateChanged: lambda e: f"{e.state}{_because(e.reason)} ({e.source})",
    ev.InstrumentFrozen: lambda e: f"{e.instrument} {'frozen' if e.frozen else 'cleared'}{_because(e.reason)}",
    ev.ForeignOrderSeen: lambda e: f"{e.broker_id} {e.instrument}: {e.message}",
    ev.PositionAdopted: lambda e: f"{e.position} {e.quantity:+d} at {inr(e.price)}, {e.reason}",
    ev.Alerted: lambda e: f"{e.level}: {e.message}",
    ev.DayClosed: lambda e: f"{e.day}",
}
