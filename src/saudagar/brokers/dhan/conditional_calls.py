"""The SDK calls for conditional orders: forever orders and super orders, checked before they are made.

The SDK refuses some of its arguments by raising before anything is sent, which a lane cannot tell from a lost reply; so
what it would refuse is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saudagar.brokers.checks import in_lots, rupees
from saudagar.brokers.dhan import conditional, parse, words
from saudagar.brokers.lane import Call
from saudagar.model import (
    ConditionalKind,
    ConditionalLeg,
    Instrument,
    LegName,
    NewConditional,
    OrderType,
    Paise,
    Product,
)
from saudagar.model.errors import DataError, Unsupported


def check(asked: NewConditional) -> None:
    """Refuse what Dhan cannot mean.

    Raises
    ------
    Unsupported, DataError
        Nothing has been sent.
    """
    if asked.kind in conditional.FOREVER:
        _check_forever(asked)
    else:
        _check_super(asked)


def placement(asked: NewConditional, instrument: Instrument) -> Call:
    """The call that places `asked`."""
    return _forever(asked, instrument) if asked.kind in conditional.FOREVER else _super(asked, instrument)


def _check_forever(asked: NewConditional) -> None:
    if asked.product is Product.INTRADAY:
        raise Unsupported(
            "Dhan has no forever orders for intraday positions.", hint="Use a super order, or a stop of the day."
        )
    if len({bool(leg.price) for leg in asked.legs}) > 1:
        raise Unsupported(
            "Dhan has one order type for both legs of a forever order.",
            hint="Give target and stop a limit each, or neither.",
        )


def _check_super(asked: NewConditional) -> None:
    entry, target, stop = (asked.leg(name) for name in LegName)
    if entry.trigger:
        raise Unsupported("Dhan has no super order whose entry waits for a price.", hint="Let the entry be a limit.")
    if target.price not in (0, target.trigger) or stop.price:
        raise Unsupported(
            "Dhan has no limits of their own for the exits of a super order: the target is a limit at its trigger, "
            "the stop goes out at the market."
        )
    price = entry.price or asked.last_price
    if (target.trigger - price) * asked.side.sign <= 0 or (price - stop.trigger) * asked.side.sign <= 0:
        raise DataError(
            f"target and stop must lie on their own sides of the entry at {price} paise, "
            f"got {target.trigger} and {stop.trigger}."
        )


def _forever(asked: NewConditional, instrument: Instrument) -> Call:
    first, second = _pair(asked)
    fields: dict[str, Any] = {
        "security_id": instrument.dhan_id,
        "exchange_segment": words.SEGMENT[instrument.segment],
        "transaction_type": asked.side.value,
        "product_type": words.PRODUCT[asked.product],
        "order_type": _kind(first.price),
        "quantity": in_lots(instrument, asked.quantity),
        "price": rupees(first.price),
        "trigger_Price": rupees(first.trigger),
        "order_flag": asked.kind.value,
        "tag": asked.order_id,
    }
    if second is not None:
        fields |= {
            "price1": rupees(second.price),
            "trigger_Price1": rupees(second.trigger),
            "quantity1": in_lots(instrument, asked.quantity),
        }
    return lambda dhan: dhan.place_forever(**fields)


def _super(asked: NewConditional, instrument: Instrument) -> Call:
    entry, target, stop = (asked.leg(name) for name in LegName)
    fields: dict[str, Any] = {
        "security_id": instrument.dhan_id,
        "exchange_segment": words.SEGMENT[instrument.segment],
        "transaction_type": asked.side.value,
        "quantity": in_lots(instrument, asked.quantity),
        "order_type": _kind(entry.price),
        "product_type": words.PRODUCT[asked.product],
        "price": rupees(entry.price or asked.last_price),  # the SDK insists on one, at the market too
        "targetPrice": rupees(target.trigger),
        "stopLossPrice": rupees(stop.trigger),
        "trailingJump": rupees(stop.trail),
        "tag": asked.order_id,
    }
    return lambda dhan: dhan.place_super_order(**fields)


def changes_of_forever(number: str, asked: NewConditional, instrument: Instrument) -> list[Call]:
    """One call a leg; Dhan calls the only leg of a single order its target."""
    quantity = in_lots(instrument, asked.quantity)

    def change(name: LegName) -> Call:
        leg = asked.legs[0] if asked.kind is ConditionalKind.SINGLE else asked.leg(name)
        price, trigger = rupees(leg.price), rupees(leg.trigger)
        flag, kind, word = asked.kind.value, _kind(leg.price), words.LEG[name]
        return lambda dhan: dhan.modify_forever(number, flag, kind, word, quantity, price, trigger, 0, "DAY")

    names = [LegName.TARGET] if asked.kind is ConditionalKind.SINGLE else [LegName.TARGET, LegName.STOP]
    return [change(name) for name in names]


def changes_of_super(number: str, asked: NewConditional, instrument: Instrument, row: Mapping[str, Any]) -> list[Call]:
    """One call while the entry works, later one for each exit, the stop first. `row` is the order as Dhan has it.

    Raises
    ------
    Unsupported
        For another quantity after the entry has traded.
    """
    entry, target, stop = (asked.leg(name) for name in LegName)
    exits = {
        "targetPrice": rupees(target.trigger),
        "stopLossPrice": rupees(stop.trigger),
        "trailingJump": rupees(stop.trail),
    }
    kind, price = _kind(entry.price), rupees(entry.price or asked.last_price)
    quantity = in_lots(instrument, asked.quantity)
    if conditional.entered(row):
        if parse.count(row, "quantity") != quantity:
            raise Unsupported("Dhan has no change of quantity once the entry of a super order has traded.")
        return [_change_of_exit(number, words.LEG[name], kind, exits) for name in (LegName.STOP, LegName.TARGET)]
    word = words.LEG[LegName.ENTRY]
    return [lambda dhan: dhan.modify_super_order(number, kind, word, quantity, price, **exits)]


def _change_of_exit(number: str, leg: str, kind: str, exits: dict[str, float]) -> Call:
    return lambda dhan: dhan.modify_super_order(number, kind, leg, **exits)


def cancellation(number: str, leg: str) -> Call:
    """Withdraw one leg of a super order; the entry takes its exits along."""
    return lambda dhan: dhan.cancel_super_order(number, leg)


def _pair(asked: NewConditional) -> tuple[ConditionalLeg, ConditionalLeg | None]:
    if asked.kind is ConditionalKind.SINGLE:
        return asked.legs[0], None
    return asked.leg(LegName.TARGET), asked.leg(LegName.STOP)


def _kind(price: Paise) -> str:
    return words.ORDER_TYPE[OrderType.LIMIT if price else OrderType.MARKET]
