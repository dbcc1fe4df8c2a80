"""From the words of the command line to a `Backtest`: strategy, size, exits, charges, and bars to trade on.

Used by `saudagar backtest` and `saudagar sweep`, which take the same options. Everything wrong with them is said before
any bar is read.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

import saudagar
from saudagar.app.research_bars import FIRST_CAPS, FOREVER, catalogued, synthetic, tradable
from saudagar.app.research_fills import fill_rules, slippage, told_slippage
from saudagar.backtest.causality import CUTS, check_causality
from saudagar.backtest.costs import FlatCosts, StatutoryCosts
from saudagar.backtest.data import Market
from saudagar.backtest.fill_rules import Fill
from saudagar.backtest.remarks import gaps, jumps
from saudagar.backtest.run import Backtest
from saudagar.engine.settings import Hours, Plan, Settings
from saudagar.execution.steering import Tactics
from saudagar.indicators import Expr
from saudagar.indicators.custom import Custom
from saudagar.indicators.evaluate import ordered
from saudagar.indicators.kernels import Pick
from saudagar.market.charges import plan_named
from saudagar.market.ist import DAY, midnight
from saudagar.model import (
    InstrumentId,
    Nanos,
    OrderType,
    Product,
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
from saudagar.research.strategy_check import check_decisions, heads
from saudagar.risk import LEVERAGE, Limits
from saudagar.storage.catalog import interval_of
from saudagar.strategies import Exits, Size, Strategy, load

_Model = TypeVar("_Model", bound=BaseModel)

FLAT = 0.03  # percent of the turnover on each side, where nobody says otherwise
_MOST_FLAT = 5.0
_PART = 80  # percent: entries of all there is would be refused from the first loss on
_MOST_LEVERAGE = 100
_PPM_PERCENT = 10_000
_OWN_CUTS = 3 * CUTS  # where a user's own NumPy is in the graph: nothing else in it can see ahead
_DECIDED = 2_400  # bars, of all instruments, along which an on_bar is asked again and again


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The options as they were written; empty and None where they were not."""

    strategy: str
    assignments: tuple[str, ...] = ()
    instruments: str = ""
    first: date | None = None
    last: date | None = None
    interval: str = "1m"
    capital: int = 1_000_000  # rupees
    leverage: float | None = None  # times the money there is; None: as the product has it; 0: nobody counts it
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
    slippage: str = "0"  # ticks, or 5bps
    fill: str = "next-open"
    queue: float | None = None  # percent
    rest: int | None = None  # bars
    participation: float = 0.0  # percent
    detail: str = ""  # interval
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


def prepare(asked: Asked, strategy: Strategy | None = None, market: Market | None = None) -> Prepared:
    """Read the options, then the bars; look for look-ahead.

    Parameters
    ----------
    strategy, market
        At hand already, as in a notebook; they take the place of what the options name.

    Raises
    ------
    ConfigError
        An option that cannot be.
    DataError
        No such bars, an unknown symbol, or a strategy that sees ahead.
    """
    strategy = strategy or _strategy(asked)
    given = {name: getattr(asked, name) for name in ("stop", "target", "trail") if getattr(asked, name)}
    exits = _valid(Exits, given, "exits")
    names = tuple(market.bars) if market else _names(asked)
    sizing = _sizing(asked, exits, len(names))
    costs = _costs(asked)
    length = _interval(asked.interval)
    fills, slips = fill_rules(asked), slippage(asked.slippage)
    market = market or _market(asked, names, length)
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
        limits=Limits(allowed=frozenset(names), capital=asked.capital * 100, leverage_percent=_leverage(asked)),
        product=asked.product,
        tactics=Tactics(entry_type=OrderType.MARKET),
        hours=Hours(square_off=_clock(asked.square_off)),
    )
    backtest = Backtest(
        settings=settings,
        market=market,
        costs=costs,
        slippage=slips,
        fills=fills,
        capital=asked.capital * 100,
    )
    cuts = check_causal(strategy, market, length)
    return Prepared(
        backtest=backtest,
        title=f"{type(strategy).__name__} on {_some([name.partition(':')[2] for name in names])}",
        parameters={name: str(value) for name, value in (strategy.model_dump() | given).items()},
        assumptions=_assumptions(asked, backtest, sizing, cuts),
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
    return parametrised(kind, dict(each.split("=", 1) for each in asked.assignments))


def parametrised(kind: type[Strategy], given: Mapping[str, Any]) -> Strategy:
    """A strategy of `kind` with the parameters `given`.

    Raises
    ------
    ConfigError
        No such parameter, or a value that it refuses.
    """
    if unknown := [name for name in given if name not in kind.model_fields]:
        known = ", ".join(kind.model_fields) or "none"
        raise ConfigError(f"{kind.__name__} has no parameter {', '.join(unknown)}; its parameters: {known}.")
    return _valid(kind, dict(given), kind.__name__)


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
    if asked.instruments:
        return tradable(asked.instruments)
    if asked.synthetic is not None:
        return FIRST_CAPS
    raise ConfigError(
        "--instruments is wanted, like NSE:RELIANCE,NSE:TCS.", hint="Without data of your own: --synthetic 7."
    )


def _market(asked: Asked, names: tuple[InstrumentId, ...], length: Nanos) -> Market:
    start = midnight(asked.first) if asked.first else 0
    end = midnight(asked.last) + DAY if asked.last else FOREVER
    if start >= end:
        raise ConfigError(f"--from {asked.first} must not be after --to {asked.last}.")
    detail = _detail(asked, length)
    if asked.synthetic is not None:
        return synthetic(asked.synthetic, names, length, (start, end), detail)
    return catalogued(asked.directory, asked.masters, names, length, (start, end), detail)


def _detail(asked: Asked, length: Nanos) -> Nanos:
    if not asked.detail:
        return 0
    detail = _interval(asked.detail)
    if not 0 < detail < length or length % detail:
        raise ConfigError(
            f"--detail is shorter than --interval and divides it; got {asked.detail} in {asked.interval}."
        )
    return detail


def _sizing(asked: Asked, exits: Exits, count: int) -> Sizing:
    """As it was asked; else the capital in equal parts, of which some is kept back where nothing may be borrowed."""
    given = {name: getattr(asked, name) for name in ("risk", "value", "quantity", "lots")}
    given = {name: value for name, value in given.items() if value is not None}
    if asked.capital <= 0:
        raise ConfigError(f"--capital is rupees above 0, got {asked.capital}.")
    if not given:
        may = _leverage(asked)
        return Sizing(SizeBy.VALUE, asked.capital * (may * _PART // 100 if 0 < may <= 100 else 100) // count)
    if "risk" in given and exits.stop is None:
        raise ConfigError("--risk is what the stop may lose, and there is no stop.", hint="Give --stop, like 1%.")
    return _valid(Size, given, "the size").sizing()


def _leverage(asked: Asked) -> int:
    """In percent."""
    if asked.leverage is None:
        return LEVERAGE[asked.product]
    if not (asked.leverage == 0 or 0.01 <= asked.leverage <= _MOST_LEVERAGE):
        raise ConfigError(
            f"--leverage is from 0.01 to {_MOST_LEVERAGE} times the money there is, or 0 for no bound; "
            f"got {asked.leverage}."
        )
    return round(asked.leverage * 100)


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


def check_causal(strategy: Strategy, market: Market, length: Nanos) -> int:
    """How many cuts of the data changed nothing, at any node of the graph (a signal alone may happen to stay) and of
    what an `on_bar` decides.

    Raises
    ------
    LookAhead
        One did.
    ConfigError
        The strategy's own code fails.
    """
    cuts = 0
    try:
        for name, bars in market.bars.items():
            nodes = _columns(graph_of(strategy, name, length))
            own = any(isinstance(node.kernel, Custom) for node in nodes)
            cuts += check_causality(nodes, bars, cuts=_OWN_CUTS if own else CUTS)
        if type(strategy).on_bar is not Strategy.on_bar:
            cuts += check_decisions(strategy, heads(market.bars, _DECIDED // len(market.bars)))[0]
        return cuts
    except SaudagarError:
        raise
    except Exception as error:  # the user's own code
        raise ConfigError(
            f"{type(strategy).__name__} raised {type(error).__name__}: {error}.",
            hint="Look it over: saudagar strategy check FILE.",
        ) from error


def _columns(roots: list[Expr]) -> list[Expr]:
    """Every node that gives one column; of those with several their picks are here."""
    nodes = list(ordered(roots))
    several = {part for node in nodes if isinstance(node.kernel, Pick) for part in node.inputs}
    return [node for node in nodes if node not in several]


def _assumptions(asked: Asked, backtest: Backtest, sizing: Sizing, cuts: int) -> dict[str, str]:
    costs, fills = backtest.costs, backtest.fills
    kind = "limit" if fills.fill is Fill.LIMIT_TOUCH else "market"
    walked = f"; walked along bars of {asked.detail}" if asked.detail else ""
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
        "orders": f"{kind} orders; {fills.told()}",
        "inside a bar": f"the worst price comes first{walked}",
        "size": f"{size[sizing.by]} for each entry",
        "cash": _told_cash(backtest.settings.limits.leverage_percent),
        "slippage": told_slippage(backtest.slippage),
        "charges": charges,
        "square-off": asked.square_off or "none",
        "look-ahead": f"{cuts} cuts of the data changed no signal",
    }


def _told_cash(percent: int) -> str:
    if not percent:
        return "no entry is refused for want of it"
    times = "" if percent == 100 else f"{percent / 100:g} times "
    return f"entries beyond {times}the capital and what was made since are refused"


def _warnings(asked: Asked, market: Market) -> list[str]:
    said = []
    if asked.synthetic is not None:
        said.append("The bars are made up: nobody's money moves them, and profit on them says nothing.")
    if market.outside:
        said.append(f"Bars outside continuous trading were left out: {_some(market.outside)}.")
    return [*said, *gaps(market), *jumps(market)]


def _some(names: list[Any]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
