"""What a broker says about the account: positions, holdings, money."""

from __future__ import annotations

import msgspec

from saudagar.model.enums import Product
from saudagar.model.ids import InstrumentId
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
    """Shares in the demat account."""

    instrument: InstrumentId
    quantity: int
    sellable: int  # authorised or free to sell today
    average_price: Paise
    t1_quantity: int = 0


class Funds(msgspec.Struct, frozen=True, kw_only=True):
    available: Paise
    used: Paise
    opening: Paise
