"""What is traded, how and at what cost: the options that ``saudagar backtest`` and ``saudagar sweep`` share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any

import typer

from saudagar.app.options import CATALOG, DATES, MASTERS, Assignments, Catalog, First, Masters

Given = dict[str, Any]
"""The shared options by name, as they were written."""


class FillName(StrEnum):
    NEXT_OPEN = "next-open"
    CLOSE = "close"
    LIMIT_TOUCH = "limit-touch"


class SideName(StrEnum):
    BOTH = "both"
    BUY = "buy"
    SELL = "sell"


class ProductName(StrEnum):
    INTRADAY = "intraday"
    DELIVERY = "delivery"
    MARGIN = "margin"


_Strategy = Annotated[str, typer.Argument(help="A built-in name, FILE.py, or FILE.py:ClassName.")]
_Instruments = Annotated[str, typer.Option("--instruments", help="What to trade, like NSE:RELIANCE,NSE:TCS.")]
_To = Annotated[datetime | None, typer.Option("--to", formats=DATES, help="The last day.")]
_Interval = Annotated[str, typer.Option("--interval", "-i", help="Of the bars: 1m, 5m, 15m …")]
_Capital = Annotated[int, typer.Option(min=1, max=10**12, help="Rupees to begin with.")]
_Leverage = Annotated[
    float | None,
    typer.Option(help="What positions may be worth, times the money there is; 0: no bound. By product: 5, 1, 10."),
]
_Risk = Annotated[str | None, typer.Option(help="Rupees lost if the stop is hit.")]
_Value = Annotated[
    str | None,
    typer.Option(help="Rupees of each entry; default: the capital in equal parts, a fifth kept back for delivery."),
]
_Quantity = Annotated[int | None, typer.Option(min=1, help="Units of each entry.")]
_Lots = Annotated[int | None, typer.Option(min=1, help="Lots of each entry.")]
_Stop = Annotated[str | None, typer.Option(help="Where to leave at a loss: 1%, rupees like 2.50, or 2atr.")]
_Target = Annotated[str | None, typer.Option(help="Likewise, the gain at which to leave.")]
_Trail = Annotated[str | None, typer.Option(help="Likewise, how far the stop follows the best price.")]
_Side = Annotated[SideName, typer.Option(help="Which directions it may take.")]
_SquareOff = Annotated[str, typer.Option(help="Leave everything at this time, like 15:10.")]
_Product = Annotated[ProductName, typer.Option(help="Decides the statutory charges and the leverage.")]
_FlatCost = Annotated[
    float | None, typer.Option(help="Percent of the turnover on each side; 0.03 where neither is given.")
]
_Plan = Annotated[str, typer.Option(help="Statutory charges and brokerage instead: dhan, upstox, zerodha …")]
_Slippage = Annotated[str, typer.Option(help="What a market order loses: ticks like 2, or 5bps of the price.")]
_Fill = Annotated[FillName, typer.Option(help="Where signals trade: the next open, their own close, or waiting there.")]
_Queue = Annotated[float | None, typer.Option(help="limit-touch: percent of the volume there that is ahead; 50.")]
_Rest = Annotated[int | None, typer.Option(min=1, help="limit-touch: bars that an entry waits; 1.")]
_Participation = Annotated[float, typer.Option(help="Take at most so many percent of a bar's volume; 0: no bound.")]
_Detail = Annotated[str, typer.Option(help="Walk orders and exits along finer bars, like 1m.")]
_Synthetic = Annotated[
    int | None, typer.Option(min=0, max=2**63 - 1, help="A made-up history of this seed: no data needed.")
]


def _shared(
    *,
    strategy: _Strategy,
    instruments: _Instruments = "",
    first: First = None,
    last: _To = None,
    interval: _Interval = "1m",
    capital: _Capital = 1_000_000,
    leverage: _Leverage = None,
    assignments: Assignments = None,
    risk: _Risk = None,
    value: _Value = None,
    quantity: _Quantity = None,
    lots: _Lots = None,
    stop: _Stop = None,
    target: _Target = None,
    trail: _Trail = None,
    side: _Side = SideName.BOTH,
    square_off: _SquareOff = "",
    product: _Product = ProductName.INTRADAY,
    flat_cost: _FlatCost = None,
    plan: _Plan = "",
    slippage: _Slippage = "0",
    fill: _Fill = FillName.NEXT_OPEN,
    queue: _Queue = None,
    rest: _Rest = None,
    participation: _Participation = 0.0,
    detail: _Detail = "",
    synthetic: _Synthetic = None,
    directory: Catalog = CATALOG,
    masters: Masters = MASTERS,
) -> None:
    """Nothing but names, kinds and defaults."""


def with_shared_options(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with the shared options on its command line besides its own; its ``given`` is what they say."""
    parameters = dict(inspect.signature(command, eval_str=True).parameters)
    del parameters["given"]
    shared = inspect.signature(_shared, eval_str=True).parameters
    every = sorted([*shared.values(), *parameters.values()], key=lambda each: each.default is not each.empty)

    @wraps(command)
    def called(**options: Any) -> None:
        command({name: options.pop(name) for name in shared}, **options)

    called.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]  # what Typer reads
    called.__annotations__ = {each.name: each.annotation for each in every}
    return called
