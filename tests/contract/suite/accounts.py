"""What the contract of `AccountClient` asks of a stage: orders with conditions, positions, and how they stand."""

from __future__ import annotations

import pytest
from tests.contract.suite.market import PRICE, RELIANCE
from tests.contract.suite.stage import Stage

from saudagar.model import (
    ConditionalKind,
    ConditionalLeg,
    ConditionalReport,
    Conversion,
    LegName,
    NewConditional,
    OrderStatus,
    OrderType,
    Product,
    Side,
)

NEAR, FAR = 10_00, 20_00


def leg(name: LegName, trigger: int = 0, price: int = 0, trail: int = 0) -> ConditionalLeg:
    return ConditionalLeg(name=name, trigger=trigger, price=price, trail=trail)


def legs_of(kind: ConditionalKind) -> tuple[ConditionalLeg, ...]:
    """For a buyer at the market's price: an entry below it, an exit of a short position around it."""
    if kind is ConditionalKind.SINGLE:
        return (leg(LegName.ENTRY, PRICE - FAR, PRICE - FAR),)
    if kind is ConditionalKind.OCO:
        return (leg(LegName.TARGET, PRICE - FAR, PRICE - FAR), leg(LegName.STOP, PRICE + FAR, PRICE + FAR + NEAR))
    trail = NEAR if kind is ConditionalKind.TRAILING else 0
    return (
        leg(LegName.ENTRY, 0, PRICE + NEAR),
        leg(LegName.TARGET, PRICE + 2 * FAR, PRICE + 2 * FAR),
        leg(LegName.STOP, PRICE - 2 * FAR, 0, trail),
    )


def asked(stage: Stage, kind: ConditionalKind, legs: tuple[ConditionalLeg, ...] = (), **changes) -> NewConditional:
    bracket = kind in (ConditionalKind.BRACKET, ConditionalKind.TRAILING)
    fields = {
        "order_id": stage.order().order_id,
        "kind": kind,
        "instrument": RELIANCE.id,
        "side": Side.BUY,
        "quantity": 3,
        "product": Product.INTRADAY if bracket else Product.DELIVERY,
        "legs": legs or legs_of(kind),
        "last_price": PRICE,
    }
    return NewConditional(**fields | changes)


def offered(stage: Stage, kind: ConditionalKind) -> None:
    if kind not in stage.client.capabilities.conditional:
        pytest.skip(f"{stage.name} has no {kind}; that it is refused is tested with the others")


async def now(stage: Stage, placed: ConditionalReport) -> ConditionalReport:
    return next(each for each in await stage.client.account.conditionals() if each.broker_id == placed.broker_id)


async def held(stage: Stage, product: Product) -> int:
    positions = await stage.client.positions()
    return sum(p.quantity for p in positions if p.instrument == RELIANCE.id and p.product is product)


async def buy(stage: Stage, quantity: int, product: Product = Product.INTRADAY, side: Side = Side.BUY) -> None:
    order = await stage.place(stage.order(OrderType.MARKET, side=side, quantity=quantity, product=product))
    await stage.reported(order.id, OrderStatus.FILLED, quantity)


def orders_of(stage: Stage) -> int:
    return len(stage.core.orders)


def conversion(quantity: int, **changes) -> Conversion:
    fields = {"held": Product.INTRADAY, "wanted": Product.DELIVERY, "side": Side.BUY, "instrument": RELIANCE.id}
    return Conversion(quantity=quantity, **fields | changes)
