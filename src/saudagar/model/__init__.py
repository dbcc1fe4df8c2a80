"""The nouns of the desk. Values only: no I/O, no clock, no broker's words.

Built on `msgspec.Struct`: as frozen as a frozen dataclass, ten times cheaper to make, and an event is its own
journal format.
"""

from saudagar.model.account import BrokerPosition, Funds, Holding
from saudagar.model.commands import (
    AccountSnapshot,
    CloseAll,
    Command,
    DayEnded,
    LinkReported,
    LookUpMissed,
    ModifyAccepted,
    RequestFailed,
    SetTradingState,
    TimeAdvanced,
)
from saudagar.model.data import MINUTE, SECOND, Bar, Levels, Nanos, Tick, TickFrame
from saudagar.model.enums import (
    Exchange,
    InstrumentKind,
    OrderType,
    Product,
    Purpose,
    Right,
    Segment,
    Side,
    Source,
    TradingState,
    Validity,
)
from saudagar.model.ids import (
    BrokerOrderId,
    ClientOrderId,
    InstrumentId,
    PositionId,
    StrategyId,
    client_order_id,
    position_id,
)
from saudagar.model.instrument import Instrument
from saudagar.model.intent import Direction, Intent, Offset, Protection, SizeBy, Sizing, TradeSide
from saudagar.model.money import Paise, group_digits, inr, to_paise
from saudagar.model.order import (
    TRANSITIONS,
    NewOrder,
    Order,
    OrderReport,
    OrderStatus,
    OrderTerms,
    TradeReport,
)

__all__ = [
    "MINUTE",
    "SECOND",
    "TRANSITIONS",
    "AccountSnapshot",
    "Bar",
    "BrokerOrderId",
    "BrokerPosition",
    "ClientOrderId",
    "CloseAll",
    "Command",
    "DayEnded",
    "Direction",
    "Exchange",
    "Funds",
    "Holding",
    "Instrument",
    "InstrumentId",
    "InstrumentKind",
    "Intent",
    "Levels",
    "LinkReported",
    "LookUpMissed",
    "ModifyAccepted",
    "Nanos",
    "NewOrder",
    "Offset",
    "Order",
    "OrderReport",
    "OrderStatus",
    "OrderTerms",
    "OrderType",
    "Paise",
    "PositionId",
    "Product",
    "Protection",
    "Purpose",
    "RequestFailed",
    "Right",
    "Segment",
    "SetTradingState",
    "Side",
    "SizeBy",
    "Sizing",
    "Source",
    "StrategyId",
    "Tick",
    "TickFrame",
    "TimeAdvanced",
    "TradeReport",
    "TradeSide",
    "TradingState",
    "Validity",
    "client_order_id",
    "group_digits",
    "inr",
    "position_id",
    "to_paise",
]
