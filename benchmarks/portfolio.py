"""Fifty instruments on one account: EMA 9/21 reverse on minute bars, 0.03 % a side, fill at the next open.

Timed from the command to the round trips, bars and market being at hand. Beside it vectorbt with its Rust engine and
shared cash on the same bars, in the same run; its simulation alone is timed as well.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from functools import partial

import msgspec
import numpy as np

from benchmarks.measure import SCRATCH, Figure, rate, timed_last
from benchmarks.peers import VECTORBT, absent, ask, times
from benchmarks.research import settings, walk
from saudagar.backtest.costs import FlatCosts
from saudagar.backtest.data import Market
from saudagar.backtest.run import Backtest, run
from saudagar.exchange.universe import universe
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import Segment
from saudagar.risk import Limits

GROUP = "Portfolio: 50 instruments, 1-minute bars, EMA 9/21 reverse, 0.03 % a side, fill at next open"
_UNIT = "bars/s"
_COUNT = 50
_OFTEN = 5  # times as many rounds for what takes a twentieth of a second: a thread may have to wait for its core
_LEAST_OPEN = 25  # positions at once, in the case with a shared limit
_COLUMNS = ("open", "high", "low", "close", "volume")


def market(count: int) -> Market:
    """`count` bars of each instrument."""
    stocks = [each for each in universe(4 * _COUNT) if each.segment is Segment.NSE_EQ][:_COUNT]
    bars = {stock.id: walk(count, seed) for seed, stock in enumerate(stocks)}
    return Market(bars, Master(date(2015, 1, 1), tuple(stocks)), Calendar())


def task(known: Market, most_open: int = 0) -> Backtest:
    """The backtest; `most_open` positions at once, 0 for any number."""
    desk, names = settings(), tuple(known.bars)
    plan = msgspec.structs.replace(desk.plans[0], instruments=names)
    limits = Limits(allowed=frozenset(names), max_open_positions=most_open)
    return Backtest(
        settings=msgspec.structs.replace(desk, plans=(plan,), limits=limits), market=known, costs=FlatCosts(300)
    )


def figures(count: int, rounds: int) -> Iterator[Figure]:
    """All figures of this file; `count` bars of each instrument."""
    known = market(count)
    work = count * _COUNT
    lines = {}
    for what, most_open in (("", 0), (f", at most {_LEAST_OPEN} open", _LEAST_OPEN)):
        asked = task(known, most_open)
        run(asked)  # compiles, the first time ever
        seconds, result = timed_last(_OFTEN * rounds, partial(run, asked))
        note = f"{result.fills:,} fills, {len(result):,} trades, net {result.net / 100:,.2f}"
        lines[most_open] = rate(GROUP, f"saudagar kernel, {_COUNT} x {count:,}{what}", work, seconds, _UNIT, note)
        yield lines[most_open]
    data = SCRATCH / "portfolio.npy"
    np.save(data, np.stack([np.stack([getattr(each, name) for name in _COLUMNS]) for each in known.bars.values()]))
    peer = ask(VECTORBT, "peer_vectorbt_portfolio.py", str(data), str(rounds))
    if isinstance(peer, str):
        yield absent(GROUP, VECTORBT, peer)
        return
    note = f"{peer['fills']:,} fills, net {peer['net'] / 100:,.2f}"
    for what, seconds in ((VECTORBT, peer["seconds"]), (f"{VECTORBT}, signals given", peer["trading"])):
        theirs = rate(GROUP, f"{what}, shared cash", work, seconds, _UNIT, note)
        yield theirs
        yield times(GROUP, f"saudagar kernel / {what}", lines[0], theirs)


if __name__ == "__main__":
    from benchmarks.measure import table

    SCRATCH.mkdir(parents=True, exist_ok=True)
    print(table(figures(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, 5)))
