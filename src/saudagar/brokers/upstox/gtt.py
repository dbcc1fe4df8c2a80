"""Conditional orders as Upstox's GTT, to the wire and back.

A GTT is an ENTRY rule alone (SINGLE) or with a TARGET and a STOPLOSS that wait until it has traded (MULTIPLE). A rule
has one price: its order is a limit at the trigger, or, with `market_protection`, one that is marketable by so many
per cent. Upstox keeps no id of ours and does not tell the protection of a rule again. Sources: Upstox, "Place GTT
Order", "Get GTT Order Details", and its answers in the community (rule status, t/12576).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from saudagar.brokers.checks import in_lots, positive, rupees
from saudagar.brokers.fields import Row, text, units_per_lot
from saudagar.brokers.upstox import parse, words
from saudagar.execution.ports import InstrumentLookup
from saudagar.model import (
    BrokerOrderId,
    ConditionalKind,
    ConditionalLeg,
    ConditionalReport,
    ConditionalStatus,
    Instrument,
    LegName,
    Nanos,
    NewConditional,
    Paise,
)
from saudagar.model.errors import DataError, Unsupported

_MICROSECOND: Nanos = 1_000
_LATEST = 4_102_444_800_000_000  # 2100-01-01 in microseconds

STRATEGY: dict[LegName, str] = {LegName.ENTRY: "ENTRY", LegName.TARGET: "TARGET", LegName.STOP: "STOPLOSS"}
TYPE: dict[ConditionalKind, str] = {
    ConditionalKind.SINGLE: "SINGLE",
    ConditionalKind.BRACKET: "MULTIPLE",
    ConditionalKind.TRAILING: "MULTIPLE",
}
"""OCO is missing: every GTT begins with an entry."""

WAITS, WORKS, DONE, FAILED, EXPIRED, CANCELLED = "waits", "works", "done", "failed", "expired", "cancelled"
RULE_STATUS: dict[str, str] = {
    "SCHEDULED": WAITS,
    "PENDING": WAITS,
    "INACTIVE": WAITS,  # an exit before its entry has traded
    "TRIGGERED": WORKS,
    "OPEN": WORKS,
    "COMPLETED": DONE,
    "FAILED": FAILED,
    "EXPIRED": EXPIRED,
    "CANCELLED": CANCELLED,
}
"""The status of a rule; that of the whole order is made of them (`status`)."""

_LEG = {word: name for name, word in STRATEGY.items()}
_BRACKETS = frozenset({ConditionalKind.BRACKET, ConditionalKind.TRAILING})


def request(asked: NewConditional, instrument: Instrument, protection: float) -> dict[str, Any]:
    """The changeable part of `asked`, which was checked: type, quantity, and the fields of each rule.

    Parameters
    ----------
    protection
        Of legs without a limit: percent, or -1 for Upstox's own. A GTT takes whole ones only: it is rounded up.

    Raises
    ------
    Unsupported
        For an OCO, and for a limit that is not the trigger.
    DataError
        For MCX quantities that are not whole lots, and prices that are not whole paise.
    """
    if asked.kind not in TYPE:
        raise Unsupported(
            "Upstox has no OCO of a position that is held: its GTT begins with an entry.",
            hint="Place the stop as a single one, or as an ordinary SL order.",
        )
    return {
        "type": TYPE[asked.kind],
        "quantity": in_lots(instrument, positive(asked.quantity, "quantity")),
        "rules": [_rule(asked, leg, ceil(protection)) for leg in asked.legs],
    }


def _rule(asked: NewConditional, leg: ConditionalLeg, protection: int) -> dict[str, Any]:
    at_once = leg.name is LegName.ENTRY and not leg.trigger
    price = positive(leg.trigger or leg.price or asked.last_price, "price")  # Upstox wants one in any case
    if leg.price and leg.price != price:
        raise Unsupported(
            f"Upstox sends the order of a GTT's {leg.name} at its trigger or at the market, not at a limit of its own.",
            hint="Leave the limit out, or give that of the trigger.",
        )
    rule: dict[str, Any] = {
        "strategy": STRATEGY[leg.name],
        "trigger_type": "IMMEDIATE" if at_once or leg.name is not LegName.ENTRY else _side(price, asked.last_price),
        "trigger_price": rupees(price),
    }
    if not leg.price:
        rule["market_protection"] = protection
    if leg.trail:
        rule["trailing_gap"] = rupees(positive(leg.trail, "trail"))
    return rule


def _side(trigger: Paise, last_price: Paise) -> str:
    """From where the price must come to an entry's trigger."""
    if trigger == last_price:
        return "IMMEDIATE"
    return "ABOVE" if trigger > last_price else "BELOW"


def report(row: Row, lookup: InstrumentLookup) -> ConditionalReport:
    """One row of the GTT details or of the stream. Its time is that of the placement; limits are not told.

    Raises
    ------
    DataError
        If it is no GTT order.
    """
    rules = row.get("rules")
    if not isinstance(rules, list) or not rules or not all(isinstance(rule, dict) for rule in rules):
        raise DataError("Upstox gave a GTT order without rules.")
    instrument, name = parse.instrument_of(row, lookup)
    kind = _kind(row.get("type"), rules)
    sides = [words.SIDE.get(str(rule.get("transaction_type"))) for rule in rules if rule.get("strategy") == "ENTRY"]
    product = words.product(row.get("product"), parse.derivative(instrument, row))
    if len(sides) != 1 or sides[0] is None or product is None:
        raise DataError("Upstox gave a GTT order without a plain entry and product.")
    return ConditionalReport(
        broker_id=parse.broker_id(row.get("gtt_order_id")),
        kind=kind,
        status=status(rules),
        instrument=name,
        side=sides[0],
        quantity=parse.count(row, "quantity") * units_per_lot(instrument),
        product=product,
        legs=tuple(_leg(rule, kind) for rule in rules),
        orders=tuple(BrokerOrderId(str(rule["order_id"])) for rule in rules if rule.get("order_id")),
        reason=next((said for rule in rules if (said := text(rule.get("message")))), ""),
        ts=_created(row.get("created_at")),
    )


def status(rules: list[dict[str, Any]]) -> ConditionalStatus:
    """What the rules' statuses make of the whole.

    Raises
    ------
    DataError
        For a word that is not in the table.
    """
    states = {str(rule.get("strategy")): _state(rule) for rule in rules}
    if WORKS in states.values():
        return ConditionalStatus.WORKING
    if WAITS in states.values():
        return ConditionalStatus.WORKING if states.get("ENTRY") == DONE else ConditionalStatus.ACTIVE
    last = [state for strategy, state in states.items() if strategy != "ENTRY"] or list(states.values())
    if FAILED in states.values():
        return ConditionalStatus.REJECTED
    if DONE in last:
        return ConditionalStatus.DONE
    return ConditionalStatus.EXPIRED if EXPIRED in states.values() else ConditionalStatus.CANCELLED


def same(asked: NewConditional, told: ConditionalReport) -> bool:
    """Whether `told` is what `asked` would look like. A stop that trails may have moved."""
    mine = (asked.kind, asked.instrument, asked.side, asked.quantity, asked.product)
    if mine != (told.kind, told.instrument, told.side, told.quantity, told.product):
        return False
    return {_seen(leg, asked) for leg in asked.legs} == {_seen(leg, asked) for leg in told.legs}


def _seen(leg: ConditionalLeg, asked: NewConditional) -> tuple[LegName, Paise, Paise]:
    return leg.name, 0 if leg.trail else leg.trigger, leg.trail


def _state(rule: Mapping[str, Any]) -> str:
    return parse.FIELDS.known(RULE_STATUS, text(rule.get("status")).upper(), "status of a GTT rule")


def _created(value: object) -> Nanos:
    return value * _MICROSECOND if isinstance(value, int) and 0 < value < _LATEST else 0


def _kind(word: object, rules: list[dict[str, Any]]) -> ConditionalKind:
    if word == "SINGLE":
        return ConditionalKind.SINGLE
    if word != "MULTIPLE":
        raise DataError(f"Upstox gave an unknown type of GTT order {word!r}.")
    trails = any(parse.paise(rule.get("trailing_gap")) for rule in rules)
    return ConditionalKind.TRAILING if trails else ConditionalKind.BRACKET


def _leg(rule: Mapping[str, Any], kind: ConditionalKind) -> ConditionalLeg:
    name = parse.FIELDS.known(_LEG, rule.get("strategy"), "strategy of a GTT rule")
    at_once = name is LegName.ENTRY and kind in _BRACKETS and rule.get("trigger_type") == "IMMEDIATE"
    return ConditionalLeg(
        name=name,
        trigger=0 if at_once else parse.paise(rule.get("trigger_price")),
        trail=parse.paise(rule.get("trailing_gap")),
    )
