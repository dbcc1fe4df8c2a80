"""A short run through the desk's engine: what a strategy turns over, what its trades move, what the charges take."""

from __future__ import annotations

import msgspec

from saudagar.backtest.replay import replay_bars
from saudagar.backtest.result import Result
from saudagar.engine.settings import Hours, Settings
from saudagar.execution.steering import Tactics
from saudagar.market.ist import DAY
from saudagar.model import OrderType, Paise, Product, SizeBy, Sizing
from saudagar.portfolio import Trade, trade_charges
from saudagar.research.decisions import plan_of
from saudagar.research.sample import Sample
from saudagar.risk import Limits
from saudagar.strategies import Exits, Strategy

CAPITAL: Paise = 10_000_000
"""₹1,00,000 per instrument."""


class Turnover(msgspec.Struct, frozen=True):
    """Sums over the closed trades of a run; money in paise."""

    trades: int
    days: int
    capital: Paise
    value: Paise  # bought and sold
    moved: Paise  # sum of the trades' gross results without their signs
    charges: Paise

    @property
    def per_day(self) -> float:
        """How often the capital is turned over in a day."""
        return self.value / self.capital / self.days

    @property
    def moved_percent(self) -> float:
        """What a trade moves, in per cent of its entry (half its turnover)."""
        return 200 * self.moved / self.value

    @property
    def charged_percent(self) -> float:
        """What a trade pays, likewise."""
        return 200 * self.charges / self.value


def run_sample(strategy: Strategy, sample: Sample, *, exits: Exits | None = None, plan: str = "dhan") -> Result:
    """Trade `sample` with ₹1,00,000 per instrument through the engine, at the charges of the broker's `plan`."""
    daily = sample.interval >= DAY
    product = Product.DELIVERY if daily else Product.INTRADAY
    settings = Settings(
        desk="CHECK",
        plans=(
            msgspec.structs.replace(
                plan_of(strategy, list(sample.bars), sample.interval, exits), sizing=Sizing(SizeBy.VALUE, CAPITAL)
            ),
        ),
        limits=Limits(allowed=frozenset(sample.bars), orders_per_second=0),
        product=product,
        tactics=Tactics(entry_type=OrderType.MARKET),
        hours=Hours() if daily else Hours(square_off="15:10"),
    )

    def costs(trade: Trade) -> Paise:
        return trade_charges(trade, sample.instrument, product, plan).total_paise

    return replay_bars(settings, sample.bars, sample.instruments, sample.calendar, costs)


def turnover(strategy: Strategy, sample: Sample) -> Turnover:
    """What a run of `strategy` on `sample` turns over and pays."""
    result = run_sample(strategy, sample)
    days = {int(day) for bars in sample.bars.values() for day in bars.day}
    return Turnover(
        trades=len(result.trades),
        days=len(days),
        capital=CAPITAL * len(sample.bars),
        value=sum(trade.entry_value + trade.exit_value for trade in result.trades),
        moved=sum(abs(trade.gross) for trade in result.trades),
        charges=sum(result.costs),
    )
