"""What a person, a timer or a broker client tells the engine. Inputs, not facts: the engine turns them into events."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from saudagar.model.account import BrokerPosition, Funds, Holding
from saudagar.model.data import Nanos
from saudagar.model.enums import Source, TradingState
from saudagar.model.ids import ClientOrderId, InstrumentId, PositionId
from saudagar.model.money import Paise
from saudagar.model.order import OrderReport


class TimeAdvanced(msgspec.Struct, frozen=True, gc=False):
    """The clock moved with no tick to say so."""

    ts: Nanos


class SetTradingState(msgspec.Struct, frozen=True, kw_only=True):
    """Pause, resume, or the kill switch (HALTED). `flatten` closes all positions on the way."""

    ts: Nanos
    state: TradingState
    reason: str
    flatten: bool = False
    source: Source = Source.MANUAL


class CloseAll(msgspec.Struct, frozen=True, kw_only=True):
    ts: Nanos
    reason: str
    keep: tuple[InstrumentId, ...] = ()
    source: Source = Source.MANUAL


class LookUpMissed(msgspec.Struct, frozen=True):
    """The broker answered a look-up by our id: it has no such order."""

    ts: Nanos
    order_id: ClientOrderId


class RequestFailed(msgspec.Struct, frozen=True, kw_only=True):
    """A submit, modify or cancel did not come back with a plain yes.

    `refused` is True when the broker said a clear no (nothing was done) and False when nobody knows.
    `retry` marks a refusal for speed: the same request may be made again.
    """

    ts: Nanos
    order_id: ClientOrderId
    request: str  # submit, modify, cancel
    refused: bool
    reason: str
    retry: bool = False


class ModifyAccepted(msgspec.Struct, frozen=True, gc=False):
    """The broker said yes to a modification."""

    ts: Nanos
    order_id: ClientOrderId


class PriceBandTold(msgspec.Struct, frozen=True, kw_only=True):
    """Between which prices (paise, both included) the exchange takes orders now; both 0 where nobody could say."""

    ts: Nanos
    instrument: InstrumentId
    low: Paise
    high: Paise


class DayEnded(msgspec.Struct, frozen=True):
    """The market has closed; no more ticks will come."""

    ts: Nanos


class AccountSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's whole book, for reconciliation: at start, after a reconnect, and every minute."""

    ts: Nanos  # before the first of it was read
    reports: tuple[OrderReport, ...]
    positions: tuple[BrokerPosition, ...]
    holdings: tuple[Holding, ...] | None = ()  # shares of the days before; None where they could not be read
    funds: Funds | None = None  # None where money is without end, as in a backtest


class AcceptBook(msgspec.Struct, frozen=True, kw_only=True):
    """A person takes the broker's book of one instrument for the truth: what was traded there without us is booked.

    Nothing is booked unless both sides are still what that person saw.
    """

    ts: Nanos
    instrument: InstrumentId
    ours: int  # signed units
    theirs: int
    trades: tuple[tuple[int, Paise], ...]  # signed units and price, oldest first; together `theirs` - `ours`
    among: tuple[PositionId, ...] | None = None  # whose trades they may be, where strategies have several accounts
    reason: str


class LinkReported(msgspec.Struct, frozen=True, kw_only=True):
    """A stream came up, went down, or wants a login."""

    ts: Nanos
    link: str
    up: bool
    blocks_entries: bool = False  # the token is refused: nothing new until somebody logs in
    detail: str = ""


Command: TypeAlias = (
    TimeAdvanced
    | SetTradingState
    | CloseAll
    | LookUpMissed
    | RequestFailed
    | ModifyAccepted
    | AccountSnapshot
    | LinkReported
    | PriceBandTold
    | AcceptBook
    | DayEnded
)
