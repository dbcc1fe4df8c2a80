"""What a broker says about the account: positions, holdings, money, and what a person may ask of it."""

from __future__ import annotations

from datetime import date

import msgspec

from saudagar.model.data import Nanos
from saudagar.model.enums import Product, Side
from saudagar.model.ids import BrokerOrderId, ClientOrderId, InstrumentId
from saudagar.model.money import Paise


class BrokerPosition(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's net position of the day in one instrument and product."""

    instrument: InstrumentId
    product: Product
    quantity: int  # signed units
    buy_quantity: int = 0
    buy_value: Paise = 0
    sell_quantity: int = 0
    sell_value: Paise = 0
    realised: Paise = 0
    unrealised: Paise = 0


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """Shares that were there before today, delivered or still on their way.

    Today's trades change `sellable` only: they are in the positions (`BrokerPosition`), a sale as a negative one. So
    both together are what the account has now, at every broker (see `execution.held`).
    """

    instrument: InstrumentId  # on one of the exchanges that list the share, as the broker names it
    quantity: int  # this morning, units
    sellable: int  # authorised or free to sell today
    average_price: Paise
    t1_quantity: int = 0  # of them not yet delivered
    isin: str = ""


class Funds(msgspec.Struct, frozen=True, kw_only=True):
    available: Paise
    used: Paise
    opening: Paise


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """Move (a part of) a position to another product: intraday to delivery before the square-off, say."""

    instrument: InstrumentId
    side: Side  # of the position: BUY for a long one
    quantity: int  # units, positive
    held: Product
    wanted: Product
    overnight: bool = False  # brought over from an earlier day


class Margin(msgspec.Struct, frozen=True, kw_only=True):
    """What orders would take, together where the broker nets them. Fields the broker does not give are None."""

    required: Paise
    available: Paise | None = None
    span: Paise | None = None
    exposure: Paise | None = None
    charges: Paise | None = None


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the account's ledger."""

    day: date
    narration: str
    debit: Paise
    credit: Paise
    balance: Paise
    voucher: str = ""


class AccountTrade(msgspec.Struct, frozen=True, kw_only=True):
    """One execution from the trade book of the day or of earlier days.

    `symbol` is the broker's; `instrument` is empty where today's master does not know it any more (an expired option).
    """

    trade_id: str
    broker_id: BrokerOrderId
    symbol: str
    side: Side
    product: Product | None  # None where the broker does not say (Upstox, of earlier days)
    quantity: int  # units
    price: Paise
    ts: Nanos
    instrument: InstrumentId = InstrumentId("")
    order_id: ClientOrderId = ClientOrderId("")
    charges: Paise | None = None  # all of them, where the broker gives them


class SaleAuthority(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a holding the depository lets the broker sell today (e-DIS)."""

    isin: str
    held: int  # units
    authorised: int
    status: str
    remarks: str = ""
