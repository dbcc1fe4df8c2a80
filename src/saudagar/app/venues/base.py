"""Where a desk trades: the one difference between a simulated day, paper and live.

The desk is given a `Venue` and does not ask which one it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Protocol

from saudagar.brokers.router import Router
from saudagar.engine.runner import Runner
from saudagar.execution.account_ports import QuoteClient
from saudagar.execution.ports import ExecutionClient, InstrumentLookup, LinkState
from saudagar.market.session_tables import PhaseKind
from saudagar.market.sessions import Calendar
from saudagar.model import Bar, Instrument, InstrumentId, Nanos, Paise


class Venue(Protocol):
    """A market to watch and a broker to trade at.

    Attributes
    ----------
    day
        The trading day.
    span
        Begin and end of the market day, UTC ns; for the progress bar.
    fresh
        Whether the market begins anew with this run, so that an earlier journal does not belong to it.
    links
        The health of the streams ``feed`` and ``orders``.
    """

    day: date
    span: tuple[Nanos, Nanos]
    calendar: Calendar
    fresh: bool
    links: dict[str, LinkState]

    @property
    def instruments(self) -> InstrumentLookup: ...

    @property
    def broker(self) -> ExecutionClient: ...

    def resolve(self, name: str) -> Instrument:
        """The instrument a user's name means; raises `UnknownInstrument`."""
        ...

    def watched(self) -> list[Instrument]:
        """Instruments to watch beside those of the strategies."""
        ...

    async def open(self) -> None:
        """Connect as far as is needed to look things up."""
        ...

    async def now(self) -> Nanos:
        """The market's time."""
        ...

    async def bars(self, instrument: Instrument, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]:
        """Closed bars of `[start, end)`, oldest first."""
        ...

    async def price_band(self, instrument: InstrumentId) -> tuple[Paise, Paise]:
        """Between which prices (paise) the exchange takes orders now; zeros where the broker does not say."""
        ...

    async def connect(self, runner: Runner, instruments: Sequence[Instrument]) -> None:
        """Connect the streams: orders first, so that nothing is missed, then ticks of `instruments`."""
        ...

    async def trade(self, runner: Runner) -> None:
        """Return when the market day is over."""
        ...

    def refusals(self) -> dict[str, int]:
        """Rows and frames that were not delivered, by kind."""
        ...

    async def close(self) -> None: ...


def route_look_ups(broker: ExecutionClient, runner: Runner) -> None:
    """Let a router over several accounts know whose order is looked up, also after a restart."""
    if isinstance(broker, Router):
        orders = runner.engine.state.orders
        broker.position_of = lambda order_id: orders[order_id].new.position if order_id in orders else None


def day_span(calendar: Calendar, instruments: Iterable[Instrument], day: date) -> tuple[Nanos, Nanos]:
    """From the first continuous phase of any of `instruments` on `day` to the end of its last auction or session."""
    phases = [
        phase
        for each in instruments
        for phase in calendar.phases_of(each, day)
        if phase.kind is PhaseKind.CONTINUOUS or phase.kind.closing_auction
    ]
    return min(phase.start for phase in phases), max(phase.end for phase in phases)


async def told_band(client: QuoteClient, instrument: Instrument) -> tuple[Paise, Paise]:
    """The price band of `instrument` in a quote of `client`, which is opened for it and closed. Raises as it does."""
    try:
        await client.start()
        quote = (await client.quotes([instrument])).get(instrument.id)
    finally:
        await client.stop()
    return (quote.lower_limit, quote.upper_limit) if quote is not None else (0, 0)
