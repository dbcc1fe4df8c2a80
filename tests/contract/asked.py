"""What the tests of the brokers' adapters share: a broker with its REST side only, and what is asked of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.contract.conftest import RELIANCE

from saudagar.model import (
    BrokerOrderId,
    ClientOrderId,
    ConditionalLeg,
    Conversion,
    Instrument,
    InstrumentKind,
    LegName,
    NewOrder,
    Order,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    Segment,
    Side,
)

TOKEN = "CANARY-TOKEN"
INDEX = Instrument(
    segment=Segment.NSE_INDEX,
    symbol="NIFTY",
    kind=InstrumentKind.INDEX,
    tick_size=5,
    dhan_id="13",
    upstox_id="I|N",
    kite_id="256265",
    kite_symbol="NIFTY 50",
)
SHARE = Instrument(
    segment=Segment.NSE_EQ,
    symbol="SBIN",
    kind=InstrumentKind.EQUITY,
    tick_size=5,
    dhan_id="3045",
    upstox_id="NSE_EQ|INE062A01020",
    kite_id="779521",
    kite_symbol="SBIN",
)
NAMELESS = Instrument(segment=Segment.NSE_EQ, symbol="NEW", kind=InstrumentKind.EQUITY, tick_size=5)
FUTURE = Instrument(
    segment=Segment.NSE_FNO,
    symbol="F",
    kind=InstrumentKind.FUTURE,
    tick_size=5,
    lot_size=75,
    dhan_id="9",
    upstox_id="NSE_FO|9",
)
GOLD = Instrument(
    segment=Segment.MCX_COMM,
    symbol="GOLDM",
    kind=InstrumentKind.FUTURE,
    tick_size=100,
    lot_size=10,
    dhan_id="4661",
    upstox_id="MCX_FO|1",
)


def opened(made: Callable[[], Any], work: Callable[[Any], Awaitable[Any]]) -> Any:
    """Run `work(broker)` on what `made` gives, without its order stream."""

    async def main():
        broker = made()
        await broker.open()
        try:
            return await work(broker)
        finally:
            await broker.stop()

    return asyncio.run(main())


def new_order(**changes) -> NewOrder:
    fields = {
        "order_id": ClientOrderId("DEMO26112000001"),
        "instrument": SHARE.id,
        "side": Side.BUY,
        "terms": OrderTerms(quantity=10, order_type=OrderType.LIMIT, price=81_235),
        "product": Product.INTRADAY,
        "purpose": Purpose.ENTRY,
        "position": PositionId("ema@NSE_EQ:SBIN"),
    }
    return NewOrder(**(fields | changes))


def live_order(broker_id: str = "52", **changes) -> Order:
    new = new_order(**changes)
    return Order(new=new, terms=new.terms, broker_id=BrokerOrderId(broker_id))


def conversion(**changes) -> Conversion:
    fields = {
        "instrument": RELIANCE.id,
        "side": Side.BUY,
        "quantity": 4,
        "held": Product.INTRADAY,
        "wanted": Product.DELIVERY,
    }
    return Conversion(**fields | changes)


def leg(name: LegName, trigger: int = 0, price: int = 0, trail: int = 0) -> ConditionalLeg:
    return ConditionalLeg(name=name, trigger=trigger, price=price, trail=trail)
