"""Why a backtest traded little or nothing: too few bars, no signal, or wishes that were all refused, and by what.

A run without trades looks like a strategy that found nothing; more often an option is wrong. Called after a run by the
command line and notebooks.
"""

from __future__ import annotations

from collections.abc import Iterator

from saudagar.backtest.choice import signals_in, sooner
from saudagar.backtest.outcome import BacktestResult
from saudagar.backtest.run import Backtest, run
from saudagar.engine.analysis import Run
from saudagar.indicators import warm_up
from saudagar.model import group_digits

_LONGEST = 10.0  # seconds that the engine may take to tell why
_RULES = {  # what refused a wish → what people would call it
    "size": "the size comes to less than one lot",
    "entry-window": "outside the hours for entries",
    "quantity": "above the most units of an order",
    "value": "above the most rupees of an order",
    "open-positions": "the most open positions are reached",
    "trades": "the most round trips of a day are reached",
    "reducing": "the day's limit was hit",
    "session": "the market is closed then",
    "price-band": "the price moved out of the band",
    "allowed": "the instrument is not allowed",
}


def remarks(backtest: Backtest, result: BacktestResult) -> list[str]:
    """Sentences; none where there is nothing to say."""
    said = list(_too_few(backtest))
    if not len(result) and not result.open_quantity.any():
        said.append(_nothing(backtest, result))
    return said


def _too_few(backtest: Backtest) -> Iterator[str]:
    """Instruments whose bars end before the first signal could count."""
    for plan in backtest.settings.plans:
        lacking = []
        for name in plan.instruments:
            run_of = Run(plan, name)
            needed = warm_up(run_of.exprs, plan.interval).bars
            if len(backtest.market.bars[name]) <= needed:
                lacking.append((name, len(backtest.market.bars[name]), needed))
        if lacking:
            name, count, needed = lacking[0]
            more = f", and {len(lacking) - 1} more likewise" if len(lacking) > 1 else ""
            yield (
                f"Too few bars: {plan.id} needs {group_digits(needed)} before its first signal, {name} has "
                f"{group_digits(count)}{more}. Ask for more with --from, or for shorter bars."
            )


def _nothing(backtest: Backtest, result: BacktestResult) -> str:
    signals = sum(
        signals_in(plan, backtest.market.bars[name]) for plan in backtest.settings.plans for name in plan.instruments
    )
    bars = group_digits(sum(map(len, backtest.market.bars.values())))
    if not signals:
        return f"No trade: the strategy gave no signal in {bars} bars."
    denials = result.denials
    if result.driver == "kernel" and sooner(backtest, _LONGEST):
        denials = run(backtest, "engine").denials  # the kernel does not count
    word = "signals" if signals > 1 else "signal"
    if not denials:
        return f"No trade: of {group_digits(signals)} {word} in {bars} bars none led to an entry that filled."
    reasons = "; ".join(
        f"{group_digits(count)} because {_RULES.get(rule, rule)}"
        for rule, count in sorted(denials.items(), key=lambda item: -item[1])
    )
    return f"No trade: {group_digits(signals)} {word}, refused: {reasons}."
