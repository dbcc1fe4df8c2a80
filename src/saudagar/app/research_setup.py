"""From the words of the command line to a `Backtest`: strategy, size, exits, charges, and bars to trade on.

Used by `saudagar backtest` and `saudagar sweep`, which take the same options. Everything wrong with them is said before
any bar is read.
"""

from __future__ import annotations

import shlex
import sys
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np
from pydantic import BaseModel, ValidationError

import saudagar
from saudagar.backtest.causality import check_causality
from saudagar.backtest.costs import FlatCosts, StatutoryCosts
from saudagar.backtest.data import Market, from_catalog
from saudagar.backtest.fills import Slippage
from saudagar.backtest.run import Backtest
from saudagar.engine.settings import Hours, Plan, Settings
from saudagar.execution.steering import Tactics
from saudagar.market.charges import plan_named
from saudagar.market.ist import DAY, ist_day, midnight
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import (
    Instrument,
    InstrumentId,
    InstrumentKind,
    Nanos,
    OrderType,
    Product,
    Segment,
    SizeBy,
    Sizing,
    StrategyId,
    TradeSide,
    group_digits,
    inr,
)
from saudagar.model.errors import ConfigError, DataError, SaudagarError
from saudagar.research.decisions import graph_of
from saudagar.research.report_input import Facts
from saudagar.risk import Limits
from saudagar.storage.catalog import Catalog, interval_of
from saudagar.storage.master import load_latest
from saudagar.strategies import Exits, Size, Strategy, load

if TYPE_CHECKING:
    from saudagar.indicators import BarArrays

_Model = TypeVar("_Model", bound=BaseModel)

FLAT = 0.03  # percent of the turnover on each side, where nobody says otherwise
_MOST_FLAT = 5.0
_PPM_PERCENT = 10_000
_SHARES = (Segment.NSE_EQ, Segment.BSE_EQ)
_FIRST_CAPS = ("NSE:RELIANCE", "NSE:HDFCBANK")  # of a synthetic history, where none are named
_FOREVER: Nanos = 1 << 62


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options as they were written; empty and None where they were not."""

    strategy: str
    assignments: tuple[str, ...] = ()
    instruments: str = ""
    first: date | None = None
    last: date | None = None
    interval: str = "1m"
    capital: int = 1_000_000  # rupees
    risk: str | None = None
    value: str | None = None
    quantity: int | None = None
    lots: int | None = None
    stop: str | None = None
    target: str | None = None
    trail: str | None = None
    side: TradeSide = TradeSide.BOTH
    square_off: str = ""
    product: Product = Product.INTRADAY
    flat_cost: float | None = None  # percent
    plan: str = ""
    slippage: int = 0  # ticks
    synthetic: int | None = None  # seed
    directory: Path = Path("var/catalog")
    masters: Path = Path("var/instruments")


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What to run, and what to say about it."""

    backtest: Backtest
    title: str
    parameters: dict[str, str]
    assumptions: dict[str, str]
    warnings: tuple[str, ...]

    @property
    def bars(self) -> int:
        return sum(map(len, self.backtest.market.bars.values()))


def prepare(asked: Asked) -> Prepared:
    """Read the options, then the bars; look for look-ahead.

    Raises
    ------
    ConfigError
        An option that cannot be.
    DataError
        No such bars, an unknown symbol, or a strategy that sees ahead.
    """
    strategy = _strategy(asked)
    given = {name: getattr(asked, name) for name in ("stop", "target", "trail") if getattr(asked, name)}
    exits = _valid(Exits, given, "exits")
    names = _names(asked)
    sizing = _sizing(asked, exits, len(names))
    costs = _costs(asked)
    length = _interval(asked.interval)
    if asked.slippage < 0:
        raise ConfigError(f"--slippage counts ticks from 0 on, got {asked.slippage}.")
    market = _market(asked, names, length)
    plan = Plan(
        id=StrategyId(type(strategy).__name__),
        strategy=strategy,
        instruments=names,
        interval=length,
        sizing=sizing,
        exits=exits,
        side=asked.side,
    )
    settings = Settings(
        desk="BACKTEST",
        plans=(plan,),
        limits=Limits(allowed=frozenset(names)),
        product=asked.product,
        tactics=Tactics(entry_type=OrderType.MARKET),
        hours=Hours(square_off=_clock(asked.square_off)),
    )
    backtest = Backtest(
        settings=settings,
        market=market,
        costs=costs,
        slippage=Slippage(ticks=asked.slippage),
        capital=asked.capital * 100,
    )
    cuts = _causal(strategy, market, length)
    return Prepared(
        backtest=backtest,
        title=f"{type(strategy).__name__} on {_some([name.partition(':')[2] for name in names])}",
        parameters={name: str(value) for name, value in (strategy.model_dump() | given).items()},
        assumptions=_assumptions(asked, sizing, costs, cuts),
        warnings=tuple(_warnings(asked, market)),
    )


def facts(asked: Asked, prepared: Prepared, *, driver: str, seconds: float) -> Facts:
    """What makes the run repeatable: the command as it was written, the version, the data's hash, the seed."""
    return Facts(
        title=prepared.title,
        command=shlex.join(["saudagar", *sys.argv[1:]]),
        version=saudagar.__version__,
        data_hash=prepared.backtest.market.digest,
        seed=asked.synthetic,
        config=prepared.backtest.digest,
        driver=driver,
        interval=asked.interval,
        bars=prepared.bars,
        seconds=seconds,
        parameters=prepared.parameters,
        assumptions=prepared.assumptions,
        warnings=prepared.warnings,
    )


def _strategy(asked: Asked) -> Strategy:
    kind = load(asked.strategy)
    lacking = [each for each in asked.assignments if not each.partition("=")[2]]
    if lacking:
        raise ConfigError(f"--set is written name=value, got {lacking[0]!r}.")
    given = dict(each.split("=", 1) for each in asked.assignments)
    if unknown := [name for name in given if name not in kind.model_fields]:
        known = ", ".join(kind.model_fields) or "none"
        raise ConfigError(f"{kind.__name__} has no parameter {', '.join(unknown)}; its parameters: {known}.")
    return _valid(kind, given, kind.__name__)


def _valid(kind: type[_Model], given: dict[str, Any], what: str) -> _Model:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        problems = [
            ": ".join(
                filter(
                    None,
                    (
                        ".".join(map(str, each["loc"])),
                        f"{each['msg'].removeprefix('Value error, ')}, got {each['input']!r}.",
                    ),
                )
            )
            for each in error.errors(include_url=False)
        ]
        raise ConfigError(f"these options of {what} cannot be.", problems) from None


def _names(asked: Asked) -> tuple[InstrumentId, ...]:
    if not asked.instruments and asked.synthetic is None:
        raise ConfigError(
            "--instruments is wanted, like NSE:RELIANCE,NSE:TCS.", hint="Without data of your own: --synthetic 7."
        )
    written = asked.instruments.split(",") if asked.instruments else list(_FIRST_CAPS)
    symbols = [symbol.strip() for symbol in written]
    if not all(symbols):
        raise ConfigError(f"--instruments has an empty name: {asked.instruments!r}.")
    names = tuple(dict.fromkeys(_id(symbol) for symbol in symbols))
    for name in names:
        segment = name.partition(":")[0]
        if segment not in [each.value for each in Segment] or not Segment(segment).tradable:
            raise ConfigError(f"{name} cannot be traded.", hint="Instruments are written NSE:RELIANCE or NSE_FNO:….")
    return names


def _id(symbol: str) -> InstrumentId:
    """``NSE:RELIANCE`` and ``RELIANCE`` are shares."""
    exchange, colon, name = symbol.partition(":")
    if not colon:
        return InstrumentId(f"NSE_EQ:{symbol}")
    return InstrumentId(f"{exchange}_EQ:{name}" if exchange in ("NSE", "BSE") else symbol)


def _sizing(asked: Asked, exits: Exits, count: int) -> Sizing:
    """As it was asked; else the capital in equal parts."""
    given = {name: getattr(asked, name) for name in ("risk", "value", "quantity", "lots")}
    given = {name: value for name, value in given.items() if value is not None}
    if asked.capital <= 0:
        raise ConfigError(f"--capital is rupees above 0, got {asked.capital}.")
    if not given:
        return Sizing(SizeBy.VALUE, asked.capital * 100 // count)
    if "risk" in given and exits.stop is None:
        raise ConfigError("--risk is what the stop may lose, and there is no stop.", hint="Give --stop, like 1%.")
    return _valid(Size, given, "the size").sizing()


def _costs(asked: Asked) -> FlatCosts | StatutoryCosts:
    if asked.plan and asked.flat_cost is not None:
        raise ConfigError("charges are --flat-cost or --plan, not both.")
    if asked.plan:
        plan_named(asked.plan)
        return StatutoryCosts(asked.plan, asked.product)
    percent = FLAT if asked.flat_cost is None else asked.flat_cost
    if not 0 <= percent <= _MOST_FLAT:
        raise ConfigError(f"--flat-cost is percent of the turnover from 0 to {_MOST_FLAT:g}, got {percent}.")
    return FlatCosts(round(percent * _PPM_PERCENT))


def _interval(text: str) -> Nanos:
    try:
        return interval_of(text)
    except DataError as error:
        raise ConfigError(error.message) from None


def _clock(text: str) -> str:
    if not text:
        return ""
    try:
        return time.fromisoformat(text).isoformat("minutes")
    except ValueError:
        raise ConfigError(f"--square-off is a time of day like 15:10, got {text!r}.") from None


def _market(asked: Asked, names: tuple[InstrumentId, ...], length: Nanos) -> Market:
    start = midnight(asked.first) if asked.first else 0
    end = midnight(asked.last) + DAY if asked.last else _FOREVER
    if start >= end:
        raise ConfigError(f"--from {asked.first} must not be after --to {asked.last}.")
    if asked.synthetic is not None:
        return _synthetic(asked.synthetic, names, length, (start, end))
    catalog = Catalog(asked.directory)
    try:
        bars = {name: from_catalog(catalog, name, length, (start, end)) for name in names}
    finally:
        catalog.close()
    for name, each in bars.items():
        if not len(each):
            raise DataError(
                f"{asked.directory} holds no bars of {name} at {asked.interval}{_between(asked)}.",
                hint="See: saudagar data list. Without data of your own: --synthetic 7.",
            )
    return Market(bars, _master(asked, bars), Calendar())


def _synthetic(seed: int, names: tuple[InstrumentId, ...], length: Nanos, span: tuple[Nanos, Nanos]) -> Market:
    """The ten made-up sessions before the demo's day, as the simulated exchange tells them."""
    from saudagar.exchange.market_feed import check_interval
    from saudagar.exchange.synthetic import DEFAULT_DAY
    from saudagar.exchange.synthetic_history import past_bars
    from saudagar.exchange.universe import listing
    from saudagar.indicators import bar_arrays

    check_interval(length)
    calendar, bars = Calendar(), {}
    for name in names:
        found = past_bars(seed, listing(name), DEFAULT_DAY, calendar, length)
        inside = [bar for bar in found if span[0] <= bar.start < span[1]]
        if not inside:
            raise DataError(
                f"the synthetic history has no bars in that time; it runs from {_day(found[0].start)} "
                f"to {_day(found[-1].start)}."
            )
        bars[name] = bar_arrays(inside)
    return Market(bars, Master(DEFAULT_DAY, tuple(listing(name).instrument for name in names)), calendar)


def _master(asked: Asked, bars: dict[InstrumentId, BarArrays]) -> Master:
    """The instrument master; without one shares get the tick in which all their prices can be counted."""
    if any(asked.masters.glob("master-*.bin")):
        return load_latest(asked.masters)
    shares = []
    for name, each in bars.items():
        segment, _, symbol = name.partition(":")
        if segment not in _SHARES:
            raise DataError(
                f"{name} needs the instrument master, and there is none in {asked.masters}.",
                hint="Make one: saudagar instruments sync.",
            )
        tick = int(np.gcd.reduce(np.concatenate([each.open, each.high, each.low, each.close]).astype(np.int64)))
        shares.append(
            Instrument(segment=Segment(segment), symbol=symbol, kind=InstrumentKind.EQUITY, tick_size=max(tick, 1))
        )
    return Master(date(1970, 1, 1), tuple(shares))


def _causal(strategy: Strategy, market: Market, length: Nanos) -> int:
    """How many cuts of the data changed nothing."""
    try:
        return sum(check_causality(graph_of(strategy, name, length), bars) for name, bars in market.bars.items())
    except SaudagarError:
        raise
    except Exception as error:  # the user's own code
        raise ConfigError(
            f"{type(strategy).__name__}.signals raised {type(error).__name__}: {error}.",
            hint="Look it over: saudagar strategy check FILE.",
        ) from error


def _assumptions(asked: Asked, sizing: Sizing, costs: FlatCosts | StatutoryCosts, cuts: int) -> dict[str, str]:
    charges = (
        f"{costs.ppm / _PPM_PERCENT:g} % of the turnover on each side"
        if isinstance(costs, FlatCosts)
        else f"statutory charges and brokerage of {costs.plan}, {costs.product.lower()}"
    )
    amount, money = group_digits(sizing.amount), inr(sizing.amount)
    size = {
        SizeBy.RISK: f"{money} at risk",
        SizeBy.VALUE: money,
        SizeBy.QUANTITY: f"{amount} units",
        SizeBy.LOTS: f"{amount} lots",
    }
    return {
        "orders": "market orders; a signal at a bar's close trades at the next bar's open",
        "inside a bar": "the worst price comes first",
        "size": f"{size[sizing.by]} for each entry",
        "slippage": f"{asked.slippage} ticks",
        "charges": charges,
        "square-off": asked.square_off or "none",
        "look-ahead": f"{cuts} cuts of the data changed no signal",
    }


def _warnings(asked: Asked, market: Market) -> list[str]:
    said = []
    if asked.synthetic is not None:
        said.append("The bars are made up: nobody's money moves them, and profit on them says nothing.")
    if market.outside:
        said.append(f"Bars outside continuous trading were left out: {_some(market.outside)}.")
    return said


def _between(asked: Asked) -> str:
    return "".join(f" {word} {day}" for word, day in (("from", asked.first), ("to", asked.last)) if day)


def _day(ts: Nanos) -> str:
    return ist_day(ts).isoformat()


def _some(names: list[Any]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
