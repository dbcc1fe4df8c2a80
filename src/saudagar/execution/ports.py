"""What the desk needs of a broker, and no more. `saudagar.brokers` implements it; the runner in `engine` calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from saudagar.model import (
    Bar,
    BrokerPosition,
    ClientOrderId,
    Funds,
    Holding,
    Instrument,
    InstrumentId,
    Nanos,
    NewOrder,
    Order,
    OrderReport,
    OrderTerms,
    OrderType,
    Product,
    TickFrame,
    TradeReport,
)


class LinkState(StrEnum):
    """The health of a stream, told whenever it changes."""

    UP = "UP"  # connected (again): what was missed in between must be asked for
    DOWN = "DOWN"  # lost or silent; being restarted
    AUTH = "AUTH"  # the token is refused: no restart until somebody logs in
    FAILED = "FAILED"  # given up


class LinkStatus(msgspec.Struct, frozen=True):
    state: LinkState
    link: str  # "upstox feed", "dhan orders"
    detail: str = ""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a broker can do. A request outside is refused with `Unsupported` before the wire."""

    name: str
    order_types: frozenset[OrderType]
    products: frozenset[Product]
    modifications: int = 25  # per order
    writes_per_second: int = 10
    after_market: bool = True
    client_id_lookup: bool = True  # can find an order by our own id


class DataClient(Protocol):
    """A source of live ticks and past bars.

    `on_frame` and `on_status` are called in the event loop's thread, in order. A bad frame or row is counted in
    `refusals` by kind and never delivered.
    """

    refusals: dict[str, int]

    async def start(
        self,
        instruments: Sequence[Instrument],
        on_frame: Callable[[TickFrame], None],
        on_status: Callable[[LinkStatus], None],
    ) -> None: ...

    async def bars(self, instrument: Instrument, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]:
        """Closed bars of `[start, end)`, oldest first. Raises `BrokerError`."""
        ...

    async def stop(self) -> None: ...


class ExecutionClient(Protocol):
    """A broker's order desk.

    Each write raises `RejectedByBroker`, `RateLimited`, `AuthError` or `Unsupported` when nothing was done for sure,
    and `OutcomeUnknown` in every other failure. Writes are carried out in the order of the calls.
    """

    capabilities: Capabilities

    async def start(
        self, on_report: Callable[[OrderReport], None], on_status: Callable[[LinkStatus], None]
    ) -> None: ...

    async def submit(self, order: NewOrder) -> OrderReport: ...

    async def modify(self, order: Order, terms: OrderTerms) -> None: ...

    async def cancel(self, order: Order) -> None: ...

    async def find(self, order_id: ClientOrderId) -> OrderReport | None:
        """The order by our own id; None only when the broker answered that it has none."""
        ...

    async def trades_of(self, order: Order) -> tuple[TradeReport, ...]:
        """All executions of the order, oldest first."""
        ...

    async def orders(self) -> list[OrderReport]: ...

    async def positions(self) -> list[BrokerPosition]: ...

    async def holdings(self) -> list[Holding]: ...

    async def funds(self) -> Funds: ...

    async def stop(self) -> None: ...


class InstrumentLookup(Protocol):
    """Finds instruments by our id and by each broker's own."""

    def get(self, instrument: InstrumentId) -> Instrument:
        """Raises `UnknownInstrument`."""
        ...

    def by_dhan(self, segment: str, security_id: str) -> Instrument | None: ...

    def by_upstox(self, instrument_key: str) -> Instrument | None: ...

    def __iter__(self) -> Iterator[Instrument]: ...
