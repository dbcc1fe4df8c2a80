"""What makes a run mean less than it seems: bars that jump, trips that no broker would have allowed, nothing traded.

A run without trades looks like a strategy that found nothing; more often an option is wrong. Called by the command line
and notebooks.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np

from saudagar.backtest.choice import signals_in, sooner
from saudagar.backtest.data import Market
from saudagar.backtest.outcome import BacktestResult
from saudagar.backtest.run import Backtest, run
from saudagar.engine.plan_run import Run
from saudagar.indicators import warm_up
from saudagar.market.ist import date_of, day_number, ist, number_of
from saudagar.market.sessions import Calendar
from saudagar.model import MINUTE, InstrumentKind, Product, Segment, group_digits, inr
from saudagar.model.errors import CalendarError
from saudagar.risk import LEVERAGE
from saudagar.storage.catalog_check import JUMP, jump_words

_HOURS = 180 * MINUTE  # of a session that is more than a custom
_LONGEST = 10.0  # seconds that the engine may take to tell why
_SLACK = 1.1  # a size is counted at the signal's close and filled later
_RULES = {  # what refused a wish → what people would call it
    "size": "the size comes to less than one lot",
    "entry-window": "outside the hours for entries",
    "quantity": "above the most units of an order",
    "value": "above the most rupees of an order",
    "open-positions": "the most open positions are reached",
    "trades": "the most round trips of a day are reached",
    "cash": "the cash is short",
    "reducing": "the day's limit was hit",
    "session": "the market is closed then",
    "price-band": "the price moved out of the band",
    "allowed": "the instrument is not allowed",
}


def remarks(backtest: Backtest, result: BacktestResult) -> list[str]:
    """Sentences; none where there is nothing to say."""
    said = [
        *_too_few(backtest),
        *_short(backtest, result),
        *_beyond_means(backtest, result),
        *_shorts(backtest, result),
        *_nights(backtest, result),
        *_expired(backtest, result),
    ]
    if not len(result) and not result.open_quantity.any():
        said.append(_nothing(backtest, result))
    return said


def jumps(market: Market) -> list[str]:
    """Nights over which an instrument's price moved as by a split or a bonus: bars are traded as they are."""
    said = []
    for name, bars in market.bars.items():
        morning = np.flatnonzero(np.diff(bars.day)) + 1
        before, after = bars.close[morning - 1], bars.open[morning]
        found = [
            (at, words)
            for at in np.flatnonzero(np.abs(after / before - 1) > JUMP).tolist()
            if ";" in (words := jump_words(int(before[at]), int(after[at])))
        ]
        if found:
            at, words = found[0]
            more = f", and {len(found) - 1} more such nights" if len(found) > 1 else ""
            said.append(
                f"{name} on {ist(int(bars.start[morning[at]])):%Y-%m-%d} {words}{more}. "
                "Adjust the bars: signals and profit are wrong across it."
            )
    return said


def gaps(market: Market) -> list[str]:
    """Sessions between an instrument's first and last bar that have none: no order could trade on them."""
    found = []
    for name, bars in market.bars.items():
        if not len(bars):
            continue
        segment = market.instruments.get(name).segment
        first, last = (date_of(int(bars.day[at])) for at in (0, -1))
        held = set(bars.day.tolist())
        lacking = [
            day
            for day in market.calendar.sessions(segment, first, last)
            if number_of(day) not in held and _whole_day(market.calendar, segment, day)
        ]
        if lacking:
            found.append(f"{name} has none on {len(lacking)} (the first is {lacking[0]})")
    if not found:
        return []
    more = f", and {len(found) - 1} more likewise" if len(found) > 1 else ""
    return [f"Sessions without bars: {found[0]}{more}."]


def _whole_day(calendar: Calendar, segment: Segment, day: date) -> bool:
    """The hour of a muhurat session is missing from most histories."""
    try:
        opens, closes = calendar.open_close(segment, day)
    except CalendarError:  # nobody has tabled its hours
        return False
    return closes - opens > _HOURS


def _short(backtest: Backtest, result: BacktestResult) -> Iterator[str]:
    if count := result.denials.get("cash", 0):
        percent = backtest.settings.limits.leverage_percent
        yield (
            f"Entries refused for want of cash: {group_digits(count)}. Positions would have been worth more than "
            f"{percent / 100:g} times the capital and what was made since. Size smaller, raise --capital, or trade as "
            "if money had no end with --leverage 0."
        )


def _beyond_means(backtest: Backtest, result: BacktestResult) -> Iterator[str]:
    """Where nobody counts the cash: what a broker would have refused."""
    if backtest.settings.limits.leverage_percent:
        return
    still = np.flatnonzero(result.open_quantity)
    ts = np.concatenate((result.exit_ts, result.entry_ts, result.open_ts[still]))
    value = np.concatenate((-result.entry_value, result.entry_value, np.abs(result.open_value[still])))
    moments = np.argsort(ts, kind="stable")  # at one moment exits come first
    peak = int(np.cumsum(value[moments]).max(initial=0))
    times = peak / backtest.capital if backtest.capital else 0.0
    if times > LEVERAGE[backtest.settings.product] / 100 * _SLACK:
        yield (
            f"Up to {inr(peak)} was in the market at once, {times:,.1f} times the capital: no broker lends so much for "
            f"{backtest.settings.product.lower()}. Size smaller, or raise --capital."
        )


def _shorts(backtest: Backtest, result: BacktestResult) -> Iterator[str]:
    """Nobody may sell shares for delivery that he does not hold."""
    if backtest.settings.product is not Product.DELIVERY:
        return
    kinds = [backtest.market.instruments.get(name).kind for name in result.instruments]
    share = np.array([kind is InstrumentKind.EQUITY for kind in kinds], np.bool_)
    count = int((share[result.position] & (result.sign < 0)).sum() + (share & (result.open_quantity < 0)).sum())
    if count:
        yield f"Shares sold short for delivery: {count} times, which no broker allows. Say --side buy."


def _nights(backtest: Backtest, result: BacktestResult) -> Iterator[str]:
    """Positions held overnight against the product or the square-off; those still open count if a day has passed."""
    square_off, intraday = backtest.settings.hours.square_off, backtest.settings.product is Product.INTRADAY
    if not (square_off or intraday):
        return
    nights = int((day_number(result.entry_ts) != day_number(result.exit_ts)).sum())
    for place in np.flatnonzero(result.open_quantity).tolist():
        nights += int(day_number(result.open_ts[place]) != backtest.market.bars[result.instruments[place]].day[-1])
    if nights and square_off:
        yield (
            f"Held overnight in spite of the square-off at {square_off}: {nights}. "
            "There was no bar to leave in between then and the close."
        )
    elif nights:
        yield (
            f"Intraday round trips held overnight: {nights}. A broker closes them; "
            "say --square-off 15:10, or --product delivery."
        )


def _expired(backtest: Backtest, result: BacktestResult) -> Iterator[str]:
    """Contracts that were held until there was nothing left to trade."""
    for place in np.flatnonzero(result.open_quantity).tolist():
        name = result.instruments[place]
        expiry, last = backtest.market.instruments.get(name).expiry, backtest.market.bars[name].start[-1]
        if expiry is not None and ist(int(last)).date() >= expiry:
            yield (
                f"{name} was held to its expiry: it stands at its last price, without the settlement's own price and "
                "charges."
            )


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
