"""Kite's account at an exchange, and what is asked of it: orders, conditional orders, conversions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import count

from tests.contract.suite.floor import Floor
from tests.contract.suite.market import PRICE, RELIANCE, CalledDay, Lookup

from saudagar.brokers.kite.broker import KiteBroker
from saudagar.brokers.kite.client import KiteSettings
from saudagar.exchange.faults import FaultKind, FaultRule
from saudagar.model import (
    ClientOrderId,
    ConditionalKind,
    ConditionalLeg,
    Conversion,
    LegName,
    NewConditional,
    NewOrder,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    Side,
)

DAY = date(2026, 11, 20)
_numbers = count(1)


@contextmanager
def kite_market() -> Iterator[Floor]:
    made = Floor(CalledDay(), names=("kite",))
    yield made
    made.close()


@contextmanager
def tidied(market: Floor) -> Iterator[Floor]:
    """`market` for one test, that leaves it with nothing broken."""
    yield market
    market.faults()
    market.wires["kite"].next = None
    market.day.price = PRICE
    market.step()


def on_account(floor: Floor, work, **changes):
    """`work(broker)` with the REST side only."""
    account = floor.account
    fields = {
        "api_key": account.kite_key,
        "token": account.kite_token,
        "rest_url": f"http://127.0.0.1:{floor.wires['kite'].port}",
        "timeout": (1.0, 0.4),
    }

    async def main():
        broker = KiteBroker(KiteSettings(**fields | changes), Lookup(), clock=lambda: floor.exchange.core.now)
        await broker.open()
        try:
            return await work(broker)
        finally:
            await broker.stop()

    return asyncio.run(main())


def new_order(quantity: int = 1, price: int = 0, **changes) -> NewOrder:
    fields = {
        "order_id": ClientOrderId(f"A{next(_numbers):05}"),
        "instrument": RELIANCE.id,
        "side": Side.BUY,
        "terms": OrderTerms(quantity=quantity, order_type=OrderType.LIMIT if price else OrderType.MARKET, price=price),
        "product": Product.INTRADAY,
        "purpose": Purpose.ENTRY,
        "position": PositionId("t"),
    }
    return NewOrder(**fields | changes)


def leg(name: LegName, trigger: int, price: int | None = None) -> ConditionalLeg:
    return ConditionalLeg(name=name, trigger=trigger, price=trigger if price is None else price)


def conditional(*legs: ConditionalLeg, **changes) -> NewConditional:
    fields = {
        "order_id": ClientOrderId(f"G{next(_numbers):05}"),
        "kind": ConditionalKind.SINGLE if len(legs) < 2 else ConditionalKind.OCO,
        "instrument": RELIANCE.id,
        "side": Side.BUY,
        "quantity": next(_numbers),  # no two alike: Kite tells them apart by what was asked
        "product": Product.DELIVERY,
        "legs": legs or (leg(LegName.ENTRY, PRICE - 20_00),),
        "last_price": PRICE,
    }
    return NewConditional(**fields | changes)


def conversion(**changes) -> Conversion:
    fields = {
        "instrument": RELIANCE.id,
        "side": Side.BUY,
        "quantity": 1,
        "held": Product.INTRADAY,
        "wanted": Product.DELIVERY,
    }
    return Conversion(**fields | changes)


async def held(broker: KiteBroker, product: Product) -> int:
    positions = await broker.positions()
    return sum(each.quantity for each in positions if each.instrument == RELIANCE.id and each.product is product)


def fault(floor: Floor, kind: FaultKind, endpoint: str) -> None:
    floor.faults(FaultRule(kind=kind, endpoint=f"kite.{endpoint}", count=1))
