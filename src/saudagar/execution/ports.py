"""What the desk needs of a broker, and no more. `saudagar.brokers` implements it; the runner in `engine` calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from saudagar.execution.account_ports import AccountClient
from saudagar.model import (
    Bar,
    BrokerPosition,
    ClientOrderId,
    ConditionalKind,
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
    Validity,
)
from saudagar.model.errors import Unsupported


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


class LookUp(StrEnum):
    """How an order is found by our own id."""

    DIRECT = "DIRECT"  # asked for by it
    SCAN = "SCAN"  # searched for in the day's book
    NONE = "NONE"


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a broker can do. An order outside is refused with `Unsupported` before the wire: see `check`.

    The defaults are the least: a broker's table says what it has. Sources are named where the tables are.
    """

    name: str
    order_types: frozenset[OrderType]
    products: frozenset[Product]
    validities: frozenset[Validity] = frozenset({Validity.DAY, Validity.IOC})
    modifications: int = 25  # per order
    writes_per_second: int = 10
    after_market: bool = True
    look_up: LookUp = LookUp.DIRECT
    id_length: int = 20  # characters of our own id that the broker keeps
    slices: int | None = 0  # orders that the broker itself cuts one into; 0: it does not; None: no limit is published
    conditional: frozenset[ConditionalKind] = frozenset()
    conversion: bool = True  # of a position's product
    e_dis: bool = False  # authorises sales from the demat account
    kill_switch: bool = False
    exit_all: bool = False
    profit_exit: bool = False  # leaves at a profit or loss of the day
    depth: tuple[int, ...] = ()  # levels that a stream offers
    greeks: bool = False
    option_chain: bool = False
    stream_instruments: int = 0  # over all connections; 0: no stream of ticks
    history_minutes: tuple[int, ...] = ()  # lengths of intraday bars
    history_daily: bool = False

    def check(self, order: NewOrder) -> None:
        """Refuse what the broker does not have.

        Raises
        ------
        Unsupported
            Nothing has been sent.
        """
        asked: tuple[tuple[str, StrEnum, frozenset[Any]], ...] = (
            ("order type", order.terms.order_type, self.order_types),
            ("product", order.product, self.products),
            ("validity", order.validity, self.validities),
        )
        for what, value, known in asked:
            if value not in known:
                offered = ", ".join(sorted(known)) or "none"
                raise Unsupported(f"{self.name} has no {what} {value.value}; it has {offered}.")
        if order.after_market and not self.after_market:
            raise Unsupported(f"{self.name} takes no orders after the market's close.")
        if not 0 < len(order.order_id) <= self.id_length:
            raise Unsupported(f"{self.name} keeps 1 to {self.id_length} characters of an id, not {order.order_id!r}.")


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

    async def renew(self, token: str) -> None:
        """Go on with a new access token: the connections are made anew, the wanted set stays."""
        ...

    async def stop(self) -> None: ...


class ExecutionClient(Protocol):
    """A broker's order desk.

    Each write raises `RejectedByBroker`, `RateLimited`, `AuthError` or `Unsupported` when nothing was done for sure,
    and `OutcomeUnknown` in every other failure. Writes are carried out in the order of the calls.
    """

    capabilities: Capabilities

    @property
    def account(self) -> AccountClient:
        """What else a person may ask of this account, over the same connection and login."""
        ...

    async def open(self) -> None:
        """Be ready to ask and to write, without the order stream: enough for a single command. `start` does it too."""
        ...

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

    async def renew(self, token: str) -> None:
        """Go on with a new access token, in the middle of the day, with orders resting.

        What was asked before is carried out first. Afterwards `UP` is told of the order stream and of ``orders``, the
        link that a refused request shuts (see `engine.runner`). Raises `AuthError` if this token is refused as well.
        """
        ...

    async def stop(self) -> None: ...


class InstrumentLookup(Protocol):
    """Finds instruments by our id and by each broker's own."""

    def get(self, instrument: InstrumentId) -> Instrument:
        """Raises `UnknownInstrument`."""
        ...

    def by_dhan(self, segment: str, security_id: str) -> Instrument | None: ...

    def by_upstox(self, instrument_key: str) -> Instrument | None: ...

    def __iter__(self) -> Iterator[Instrument]: ...
