"""The broker's own hand in the afternoon: intraday orders are withdrawn, intraday positions closed at the market.

Each broker does so some minutes before the close and takes no intraday orders after it (Zerodha, "Auto square-off
timings": shares 15:20, their derivatives 15:25; Dhan 15:20; Upstox from 15:15). All of these pages are older than the
closing auction, into which shares with derivatives are sent here. The orders stand in the book of the face that traded
the instrument last; nothing tells them from the trader's own but the missing tag. Called by `running` at each step.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from typing import Protocol

from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_orders import ExchangeOrder, Refusal, Update
from saudagar.market.ist import at
from saudagar.model import Instrument, InstrumentId, Product, Segment, Side

CUT_OFFS = {
    Segment.NSE_EQ: "15:20",
    Segment.BSE_EQ: "15:20",
    Segment.NSE_FNO: "15:25",
    Segment.BSE_FNO: "15:25",
}


class Broker(Protocol):
    """One face's desk."""

    def owns(self, exchange_id: str) -> bool: ...

    def square_off(self, instrument: Instrument, side: Side, quantity: int) -> None:
        """Send market orders over `quantity` units against an intraday position; what is refused stays."""
        ...


class SquareOff:
    """Ends intraday trading on `day`.

    Parameters
    ----------
    brokers
        The first that owns an order sends what closes its position.
    """

    def __init__(self, core: MatchingCore, day: date, brokers: Sequence[Broker]) -> None:
        self._core = core
        self._brokers = brokers
        self._due = sorted((at(day, clock), segment) for segment, clock in CUT_OFFS.items())
        self._begun = False

    def advance(self) -> list[Update]:
        """Do what is due; a market that begins later in the day (Muhurat) has none of it. Returns what came of it."""
        now, updates = self._core.now, list[Update]()
        while self._due and self._due[0][0] <= now:
            _, segment = self._due.pop(0)
            if self._begun:
                updates += self._end(segment)
        self._begun = True
        return updates

    def _end(self, segment: Segment) -> list[Update]:
        core, newest = self._core, dict[tuple[str, InstrumentId], ExchangeOrder]()
        for order in core.orders.values():
            if order.instrument.segment is not segment:
                continue
            newest[order.account, order.instrument.id] = order
            if order.product is Product.INTRADAY and order.status.working:
                with suppress(Refusal):
                    core.cancel(order.exchange_id)
        updates = core.drain()  # before a broker tells what it did itself
        for (account, name), order in newest.items():
            for instrument, product, bought, _, sold, _ in core.positions(account):
                if instrument.id == name and product is Product.INTRADAY and bought != sold:
                    broker = next(each for each in self._brokers if each.owns(order.exchange_id))
                    broker.square_off(instrument, Side.of(sold - bought), abs(bought - sold))
                    updates += core.drain()
        core.end_intraday(segment)
        return updates
