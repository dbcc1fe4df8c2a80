"""The rest of what a broker offers: the account as a person handles it, and prices that are asked for.

`ExecutionClient` and `DataClient` (in `ports`) are what the engine trades with; nothing here is called by it. The
command line, the desk's commands and the dashboard call these. What a broker does not have raises `Unsupported` before
the wire, with a message that says so; `Capabilities` tells the same beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Protocol

from saudagar.model import (
    AccountTrade,
    BrokerOrderId,
    ConditionalReport,
    Conversion,
    Depth,
    Instrument,
    InstrumentId,
    LedgerEntry,
    Margin,
    NewConditional,
    NewOrder,
    OptionChain,
    Paise,
    Quote,
    SaleAuthority,
    Segment,
)

if TYPE_CHECKING:
    from saudagar.execution.ports import LinkStatus


class AccountClient(Protocol):
    """One account at one broker.

    Errors are those of `ExecutionClient`: a write raises `RejectedByBroker`, `RateLimited`, `AuthError`, `DataError`
    or `Unsupported` when nothing was done for sure, and `OutcomeUnknown` in every other failure; a read raises
    `BrokerError`. Writes share the order desk's lane and governor.
    """

    async def convert(self, asked: Conversion) -> None: ...

    async def place_conditional(self, asked: NewConditional) -> ConditionalReport: ...

    async def modify_conditional(self, known: ConditionalReport, asked: NewConditional) -> None:
        """Give a live conditional order the quantity and legs of `asked`; kind, instrument and side stay."""
        ...

    async def cancel_conditional(self, known: ConditionalReport) -> None: ...

    async def conditionals(self) -> list[ConditionalReport]:
        """All that the broker still tells of, ended ones included where it does."""
        ...

    async def find_conditional(self, asked: NewConditional) -> ConditionalReport | None:
        """After an unknown outcome: the live order that `asked` became.

        By our own id where the broker keeps it for conditional orders, else by all that was asked. None only when the
        broker answered that it has none.
        """
        ...

    async def margin(self, orders: Sequence[NewOrder]) -> Margin:
        """What `orders` would take; nothing is placed."""
        ...

    async def trades(self) -> list[AccountTrade]:
        """Today's trade book, oldest first."""
        ...

    async def trade_history(self, start: date, end: date) -> list[AccountTrade]:
        """Executions of `start` to `end`, both included, oldest first."""
        ...

    async def ledger(self, start: date, end: date) -> list[LedgerEntry]: ...

    async def exit_all(self) -> list[BrokerOrderId]:
        """Have the broker close every position at the market. The orders it named, if it names them."""
        ...

    async def kill_switch(self, on: bool, segments: Sequence[Segment] = ()) -> None:
        """Have the broker refuse all trading (in `segments`, where it tells them apart), or allow it again."""
        ...

    async def profit_exit(self, profit: Paise | None, loss: Paise | None) -> None:
        """Have the broker close everything once the day's profit or loss is reached; both None takes that back."""
        ...

    async def sale_authorities(self, isin: str = "") -> list[SaleAuthority]:
        """What may be sold from the demat account; of one ISIN, or of all."""
        ...

    async def request_sale_pin(self) -> None:
        """Have the depository send its T-PIN to the client."""
        ...

    async def sale_form(self, instrument: Instrument, quantity: int) -> str:
        """The depository's page (HTML) on which the client allows a sale with that PIN."""
        ...


class QuoteClient(Protocol):
    """Prices and option chains on request. Reads only; raises `BrokerError`, `AuthError` or `Unsupported`."""

    async def start(self) -> None: ...

    async def quotes(self, instruments: Sequence[Instrument]) -> dict[InstrumentId, Quote]:
        """In calls as large as the broker takes. An instrument it says nothing of is absent."""
        ...

    async def expiries(self, underlying: Instrument) -> list[date]:
        """Of the options on `underlying`, nearest first."""
        ...

    async def option_chain(self, underlying: Instrument, expiry: date) -> OptionChain: ...

    async def stop(self) -> None: ...


class DepthClient(Protocol):
    """Order books deeper than five levels, streamed. `on_depth` is called in the event loop's thread, in order."""

    refusals: dict[str, int]

    async def start(
        self,
        instruments: Sequence[Instrument],
        on_depth: Callable[[Depth], None],
        on_status: Callable[[LinkStatus], None],
    ) -> None: ...

    async def stop(self) -> None: ...
