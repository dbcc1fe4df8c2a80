"""What the configuration file may hold, section by section. These names are the file's keys.

Amounts are rupees in the file and paise here; times of day are IST. Read by `config.load`, used by the composition
root.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal
from enum import StrEnum
from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from saudagar.model import (
    DAY,
    SECOND,
    InstrumentId,
    Nanos,
    OrderType,
    Paise,
    Product,
    TradeSide,
    interval_ns,
    to_paise,
)
from saudagar.model.errors import DataError
from saudagar.risk import Limits
from saudagar.strategies import Exits, Size

_INSTRUMENT = re.compile(r"(NSE|BSE|MCX)(_EQ|_INDEX|_FNO|_COMM)?:[A-Z0-9][A-Z0-9&.\- ]*")
_URL = re.compile(r"https?://\S+")


def _paise(rupees: Any) -> Any:
    if isinstance(rupees, bool) or not isinstance(rupees, int | float) or not isfinite(rupees):
        raise ValueError("expected an amount in rupees, such as 2000 or 1250.50, without quotes")
    return to_paise(Decimal(str(rupees)))


def _clock(text: Any) -> Any:
    if not (isinstance(text, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?", text)):
        raise ValueError('expected a time of day in India, "HH:MM" or "HH:MM:SS", such as "15:10"')
    return dt.time.fromisoformat(text)


def _instrument(text: str) -> str:
    if not is_instrument(text):
        raise ValueError('expected an instrument as "EXCHANGE:SYMBOL", such as "NSE:RELIANCE", in capitals')
    return text


def _interval(text: str) -> str:
    if not SECOND <= interval_ns(text) <= DAY:
        raise ValueError('expected an interval from "1s" to "1d": a number and s, m, h or d, such as "5m"')
    return text


def _unique(values: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"expected each instrument once; {', '.join(twice)} stands there more than once")
    return values


def _leverage(times: float) -> float:
    if 0 < times < 0.01:
        raise ValueError("expected 0, for no such rule, or 0.01 and more")
    return times


def _plan(faults: dict[str, Any]) -> dict[str, Any]:
    if faults:
        from saudagar.exchange.faults import FaultKind, FaultPlan  # only a run with faults needs it

        try:
            FaultPlan.from_json(json.dumps(faults))
        except DataError as error:
            kinds = ", ".join(FaultKind)
            raise ValueError(f"{str(error).rstrip('.')}; a rule's kind is one of {kinds}") from None
    return faults


Rupees = Annotated[Paise, BeforeValidator(_paise)]
Clock = Annotated[dt.time, BeforeValidator(_clock)]
ClockOrNone = Annotated[dt.time | None, BeforeValidator(lambda text: _clock(text) if text else None)]
InstrumentName = Annotated[str, AfterValidator(_instrument)]
InstrumentNames = Annotated[tuple[InstrumentName, ...], AfterValidator(_unique)]
Interval = Annotated[str, AfterValidator(_interval)]
Leverage = Annotated[float, AfterValidator(_leverage)]


class Mode(StrEnum):
    SIMULATION = "simulation"  # the simulated exchange on loopback; no credentials
    PAPER = "paper"  # live data, orders filled on this machine
    LIVE = "live"  # real orders


class Section(BaseModel):
    """A table of the file: unknown keys are mistakes, and text is not taken for a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class DeskSection(Section):
    """Who the desk is."""

    name: str = Field("DEMO", pattern="^[A-Z0-9]{1,4}$", description="1 to 4 of A–Z and 0–9; begins every order id")
    mode: Mode = Mode.PAPER
    capital: Rupees = Field(1_000_000_00, gt=0)
    directory: str = Field("var/desk", min_length=1, description="the folder of the journal and the reports")
    keep_awake: bool = Field(False, description="cores stay awake, caches warm: quicker orders for more electricity")


class DataSection(Section):
    """Where ticks come from."""

    broker: Literal["upstox", "dhan", "kite"] = "upstox"
    depth: bool = False
    record_ticks: bool = Field(False, description="the ticks that come are in the catalog when the day is over")
    catalog: str = Field("var/catalog", min_length=1, description="where they go; a simulation's stay with its desk")


class OrdersSection(Section):
    """Where orders go, and in what shape."""

    broker: Literal["dhan", "upstox", "kite"] = "dhan"
    product: Product = Product.INTRADAY
    entry: Literal["LIMIT", "MARKET"] = "LIMIT"
    protection_percent: float = Field(0.5, ge=0, le=5, allow_inf_nan=False, description="how far a limit may reach")
    hand_made: Literal["flag", "adopt"] = Field("flag", description="flag stops entries there; adopt keeps it apart")
    chase_seconds: float = Field(
        5.0, gt=0, le=600, allow_inf_nan=False, description="how long it rests before it is moved"
    )
    late_seconds: float = Field(
        30.0, ge=1, le=3_600, allow_inf_nan=False, description="how old an entry's signal may be"
    )

    @property
    def entry_type(self) -> OrderType:
        return OrderType(self.entry)

    @property
    def protection_ppm(self) -> int:
        return _ppm(self.protection_percent)

    @property
    def chase(self) -> Nanos:
        return round(self.chase_seconds * SECOND)

    @property
    def late(self) -> Nanos:
        return round(self.late_seconds * SECOND)


class SimulationSection(Section):
    """The simulated exchange, for ``mode = "simulation"``."""

    date: dt.date = dt.date(2026, 11, 20)
    seed: int = Field(7, ge=0, lt=2**63)
    speed: float = Field(0.0, ge=0, le=1e6, allow_inf_nan=False, description="market seconds a second; 0: no waiting")
    lockstep: bool = True
    symbols: int = Field(20, ge=1, le=2_000)
    start: ClockOrNone = Field(None, description="plays only a part of the synthetic day; empty: from the opening")
    end: ClockOrNone = None
    ticks: tuple[str, ...] = Field((), description="recorded tick files instead of the synthetic day")
    in_process: bool = False
    faults: Annotated[dict[str, Any], AfterValidator(_plan)] = Field({}, description="a plan of faults on the wire")


class RiskSection(Section):
    """What the desk may do at most. 0 means no limit where it is allowed."""

    max_open_positions: int = Field(10, ge=1, le=1_000)
    max_order_quantity: int = Field(5_000, ge=0, description="units")
    max_order_value: Rupees = Field(5_00_000_00, ge=0)
    max_trades: int = Field(0, ge=0, description="round trips in a day")
    day_loss: Rupees = Field(20_000_00, ge=0)
    day_profit: Rupees = Field(0, ge=0)
    price_band_percent: float = Field(2.0, gt=0, le=20, allow_inf_nan=False)
    stale_seconds: float = Field(10.0, ge=1, le=300, allow_inf_nan=False)
    leverage: Leverage = Field(
        0.0, ge=0, le=100, allow_inf_nan=False, description="entries need cash: so many times desk.capital and earnings"
    )
    orders_per_second: int = Field(8, ge=1, le=10, description="India allows an unregistered algo at most 10")
    allowed: InstrumentNames = Field((), description="empty: the instruments of the strategies")

    @property
    def leverage_percent(self) -> int:
        return round(self.leverage * 100)

    def limits(self, allowed: frozenset[InstrumentId], capital: Paise) -> Limits:
        """These limits for the risk rules, over the instruments that `allowed` resolved to and the desk's `capital`."""
        return Limits(
            allowed=allowed,
            max_order_quantity=self.max_order_quantity,
            max_order_value=self.max_order_value,
            max_open_positions=self.max_open_positions,
            max_trades=self.max_trades,
            price_band_ppm=_ppm(self.price_band_percent),
            stale=round(self.stale_seconds * SECOND),
            orders_per_second=self.orders_per_second,
            day_loss=self.day_loss,
            day_profit=self.day_profit,
            capital=capital,
            leverage_percent=self.leverage_percent,
        )


class SessionSection(Section):
    """When the desk may enter and must be flat (IST). Without a square-off it keeps its positions over night.

    `no_entry_before` is None where entries begin with the session: what daily bars say trades at its first price.
    """

    no_entry_before: ClockOrNone = dt.time(9, 16)
    no_entry_after: Clock = dt.time(15, 0)
    square_off: ClockOrNone = dt.time(15, 10)


class ChargesSection(Section):
    """Whose brokerage plan counts; by default that of the broker which takes a strategy's orders."""

    plan: Literal["broker", "dhan", "upstox", "kite"] = "broker"


class InstrumentsSection(Section):
    """Where each broker's instrument file is: a URL or a path. The brokers' own addresses unless told otherwise."""

    dhan: str = "https://images.dhan.co/api-data/api-scrip-master-detailed.csv"
    upstox: str = "https://assets.upstox.com/market-quote/instruments/exchange/complete.json.gz"
    kite: str = "https://api.kite.trade/instruments"
    directory: str = Field("var/instruments", min_length=1)


class SecretsSection(Section):
    """Where secrets are kept if not in the environment. The secrets themselves never stand in this file."""

    file: str = Field("", description="a file of NAME=value lines that only you can read (mode 0600)")


class AccountSection(Section):
    """A further account, for strategies that name it."""

    broker: Literal["dhan", "upstox", "kite"]
    secrets: str = Field("", description="a 0600 file of its credentials; empty: the desk's own")


class StrategySection(Section):
    """One strategy at work. `params` is checked by the class that `kind` names."""

    account: str = Field("", description="a name of [accounts.NAME]; empty: the one of [orders]")
    kind: str = Field(min_length=1, description="a built-in name, or file.py:ClassName")
    instruments: InstrumentNames = Field(min_length=1)
    interval: Interval = "1m"
    side: TradeSide = TradeSide.BOTH
    params: dict[str, Any] = {}
    size: Size
    exits: Exits = Exits()


SECTIONS: dict[str, type[Section]] = {
    "desk": DeskSection,
    "data": DataSection,
    "orders": OrdersSection,
    "simulation": SimulationSection,
    "risk": RiskSection,
    "session": SessionSection,
    "charges": ChargesSection,
    "instruments": InstrumentsSection,
    "secrets": SecretsSection,
}
"""The tables of the file beside ``[strategies.NAME]``."""


def is_instrument(text: str) -> bool:
    """Whether `text` is written as an instrument; there need not be such a one."""
    return _INSTRUMENT.fullmatch(text) is not None


def is_url(text: str) -> bool:
    return _URL.fullmatch(text) is not None


def _ppm(percent: float) -> int:
    return round(percent * 10_000)
