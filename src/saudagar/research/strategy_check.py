"""Looks a strategy over before anybody believes its backtest: look-ahead, warm-up, determinism, noise, charges.

Called by ``saudagar strategy check``. Every check runs the strategy; none reads its source. A failure means that the
strategy must not be traded; a warning is a reason to think.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import partial

import msgspec
import numpy as np

from saudagar.backtest.causality import LookAhead, check_causality, part
from saudagar.indicators import BarArrays, evaluate, warm_up
from saudagar.market.ist import ist
from saudagar.model import InstrumentId, Nanos
from saudagar.model.errors import SaudagarError
from saudagar.research.decisions import Wish, decide, graph_of
from saudagar.research.sample import Sample
from saudagar.research.turnover import Turnover, turnover
from saudagar.strategies import Strategy

_GRAPH_CUTS = 24
_DECISION_CUTS = 8  # at random, and as many again right behind decisions
_DECISION_BARS = 1_200  # per instrument
_LIVE_BARS = 400  # per instrument; a NumPy indicator without a window takes the square of it
_JITTERS = 3
_STEADY, _SHAKY = 0.75, 0.25  # shares of decisions that stay where they are
_SEED = 20_261_120
_SINCE = {0: "", 1: " from the day's open", 2: " from the open of the session before"}
_OPPOSITE = {"it takes": "does not take", "it does not take": "takes"}


class Verdict(StrEnum):
    """How a check ended."""

    PASSED = "pass"
    WARNED = "warn"
    FAILED = "fail"


class Finding(msgspec.Struct, frozen=True):
    """One row of the report."""

    check: str
    verdict: Verdict
    detail: str


def check_strategy(strategy: Strategy, sample: Sample) -> list[Finding]:
    """Run every check of `strategy` on `sample`; the rest is left out where the graph cannot even be built."""
    graph = _guarded("graph", lambda: _graph(strategy, sample))
    if graph.verdict is Verdict.FAILED:
        return [graph]
    checks: dict[str, Callable[[Strategy, Sample], Finding]] = {
        "causality": _causality,
        "determinism": _determinism,
        "warm-up": _warm_up,
        "one-tick noise": _noise,
        "charges": _charges,
    }
    return [graph, *(_guarded(name, partial(check, strategy, sample)) for name, check in checks.items())]


def _guarded(name: str, check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except SaudagarError as error:
        return Finding(name, Verdict.FAILED, str(error))
    except Exception as error:  # whatever the user's code raises is a finding
        return Finding(name, Verdict.FAILED, f"the strategy raised {type(error).__name__}: {error}")


def _graph(strategy: Strategy, sample: Sample) -> Finding:
    exprs = graph_of(strategy, next(iter(sample.bars)), sample.interval)
    hook = "on_bar" if type(strategy).on_bar is not Strategy.on_bar else ""
    if not exprs and not hook:
        return Finding("graph", Verdict.FAILED, "neither signals() nor on_bar() says anything.")
    signals = f"{len(exprs)} signal{'s' if len(exprs) != 1 else ''}" if exprs else ""
    return Finding("graph", Verdict.PASSED, " and ".join(filter(None, (signals, hook))))


def _causality(strategy: Strategy, sample: Sample) -> Finding:
    cuts = 0
    for name, bars in sample.bars.items():
        cuts += check_causality(graph_of(strategy, name, sample.interval), bars, cuts=_GRAPH_CUTS, seed=_SEED)
    more, decisions = check_decisions(strategy, heads(sample.bars, _DECISION_BARS))
    if not decisions:  # it wakes up later
        more, decisions = check_decisions(strategy, sample.bars)
    short = heads(sample.bars, _LIVE_BARS)
    _same(decide(strategy, short), decide(strategy, short, live=True), "bar by bar, as live,")
    if not decisions:
        return Finding("causality", Verdict.WARNED, "there was no decision that a cut could have changed")
    return Finding("causality", Verdict.PASSED, f"{cuts + more} cuts changed nothing; bar by bar as well")


def check_decisions(strategy: Strategy, markets: Mapping[InstrumentId, BarArrays]) -> tuple[int, int]:
    """Compare decisions with those on cut data; how many cuts there were, and how many decisions.

    Raises
    ------
    LookAhead
        Names the first decision that differs.
    """
    random = np.random.default_rng(_SEED)
    ends = np.unique(np.concatenate([bars.end for bars in markets.values()]))[1:-1]
    early = sorted(random.choice(ends, min(_DECISION_CUTS, len(ends)), replace=False).tolist()) if len(ends) else []
    known = [decide(strategy, _until(markets, cut)) for cut in early]  # before the strategy has seen the rest
    whole = decide(strategy, markets)
    moments = sorted({wish.ts for wish in whole})
    behind = random.choice(moments, min(_DECISION_CUTS, len(moments)), replace=False).tolist() if moments else []
    known += [decide(strategy, _until(markets, cut)) for cut in behind]
    for cut, wishes in zip([*early, *behind], known, strict=True):
        _same([wish for wish in whole if wish.ts <= cut], wishes, "with the bars after it unknown")
    return len(known), len(whole)


def _same(whole: Sequence[Wish], known: Sequence[Wish], how: str) -> None:
    """Raise `LookAhead` at the first decision that differs."""
    if list(whole) == list(known):
        return
    first = min(set(whole) ^ set(known), default=None)
    if first is None:
        raise LookAhead(f"look-ahead: {how} the same decisions come in another order.")
    told = "it does not take" if first in set(whole) else "it takes"
    raise LookAhead(
        f"look-ahead: {how} {told} the decision {_shown(first)}, which it {_OPPOSITE[told]} knowing all bars.",
        hint="A decision may depend on its own bar and earlier ones only.",
    )


def _determinism(strategy: Strategy, sample: Sample) -> Finding:
    first, second = (decide(strategy, sample.bars) for _ in range(2))
    if first == second:
        verdict = Verdict.PASSED if first else Verdict.WARNED
        return Finding("determinism", verdict, f"twice the same {len(first)} decisions")
    changed = set(first) ^ set(second)
    where = f", first at {_shown(min(changed))}" if changed else ""
    return Finding("determinism", Verdict.FAILED, f"two runs differ in {len(changed)} decisions{where}")


def _warm_up(strategy: Strategy, sample: Sample) -> Finding:
    """With just the history that the graph asks for, does the next day bring the signals it brings with all of it?"""
    name, bars = next(iter(sample.bars.items()))
    exprs = graph_of(strategy, name, sample.interval)
    own = "on_bar's own memory is not warmed up by the desk" if type(strategy).on_bar is not Strategy.on_bar else ""
    if not exprs:
        return Finding("warm-up", Verdict.WARNED, own)
    need = warm_up(exprs, sample.interval)
    asked = f"{need.bars} bars" + _SINCE.get(need.days, f" from the open {need.days - 1} sessions ago")
    mornings = np.flatnonzero(np.diff(bars.day, prepend=-1))
    tried = fired = wrong = 0
    for order, morning in enumerate(mornings.tolist()):
        begin = _begin(mornings, order, morning - need.bars, need.days)
        if begin < 0:
            continue
        last = int(mornings[order + 1]) if order + 1 < len(mornings) else len(bars)
        tried += 1
        for full, short in zip(evaluate(exprs, bars), evaluate(exprs, part(bars, begin, last)), strict=True):
            if full.dtype == np.bool_:
                a, b = full[morning:last], short[morning - begin :]
                fired += int((a | b).sum())
                wrong += int((a ^ b).sum())
    if not tried:
        return Finding("warm-up", Verdict.WARNED, f"needs {asked}; the sample is too short to try it. {own}".strip())
    verdict = Verdict.WARNED if own or not fired or wrong * 50 > fired else Verdict.PASSED
    detail = f"needs {asked}; started with no more, {wrong} of {fired} signals of the first day differ"
    return Finding("warm-up", verdict, "; ".join(filter(None, (detail, own))))


def _begin(mornings: np.ndarray, order: int, latest: int, days: int) -> int:
    """Where history begins: at an open `days` sessions ago if session-bound, and no later than `latest`."""
    if not days:
        return latest
    back = order - days + 1
    while back >= 0 and mornings[back] > latest:
        back -= 1
    return int(mornings[back]) if back >= 0 else -1


def _noise(strategy: Strategy, sample: Sample) -> Finding:
    calm = decide(strategy, sample.bars)
    if not calm:
        return Finding("one-tick noise", Verdict.WARNED, "the strategy wanted nothing in the whole sample")
    shares = []
    for seed in range(_JITTERS):
        random = np.random.default_rng((_SEED, seed))
        shaken = {
            name: _jittered(bars, sample.instrument(name).tick_size, random) for name, bars in sample.bars.items()
        }
        shares.append(_agreement(calm, decide(strategy, shaken), sample.interval))
    share = sum(shares) / len(shares)
    verdict = Verdict.PASSED if share >= _STEADY else Verdict.WARNED if share >= _SHAKY else Verdict.FAILED
    return Finding("one-tick noise", verdict, f"{share:.0%} of {len(calm)} decisions stay when prices move by a tick")


def _agreement(first: Sequence[Wish], second: Sequence[Wish], slack: Nanos) -> float:
    """The share of decisions that the other side takes too, a bar sooner or later at most."""
    return (_found(first, second, slack) + _found(second, first, slack)) / (len(first) + len(second))


def _found(wanted: Iterable[Wish], among: Iterable[Wish], slack: Nanos) -> int:
    near = {(wish.instrument, wish.direction, wish.ts + step) for wish in among for step in (-slack, 0, slack)}
    return sum((wish.instrument, wish.direction, wish.ts) in near for wish in wanted)


def _jittered(bars: BarArrays, tick: int, random: np.random.Generator) -> BarArrays:
    """Every price a tick up, down or as it was; high and low made to hold the others."""
    moved = {
        name: getattr(bars, name) + random.integers(-1, 2, len(bars)) * tick
        for name in ("open", "high", "low", "close")
    }
    moved = {name: np.maximum(column, tick) for name, column in moved.items()}
    moved["high"] = np.maximum.reduce(list(moved.values()))
    moved["low"] = np.minimum.reduce(list(moved.values()))
    return BarArrays.from_columns(
        interval=bars.interval,
        start=bars.start,
        end=bars.end,
        volume=bars.volume,
        session_open=bars.session_open,
        **moved,
    )


def _charges(strategy: Strategy, sample: Sample) -> Finding:
    told = turnover(strategy, sample)
    if not told.trades:
        return Finding("charges", Verdict.WARNED, "no trade in the whole sample")
    verdict = Verdict.PASSED if told.charges * 2 <= told.moved else Verdict.WARNED
    return Finding("charges", verdict, _charges_text(told))


def _charges_text(told: Turnover) -> str:
    return (
        f"{told.trades} trades in {told.days} days, {told.per_day:.1f} times the capital a day; a trade moves "
        f"{told.moved_percent:.2f} % on average and pays {told.charged_percent:.2f} %"
    )


def _shown(wish: Wish) -> str:
    return f"{wish.direction.name.lower()} {wish.instrument} at {ist(wish.ts):%Y-%m-%d %H:%M:%S}"


def heads(markets: Mapping[InstrumentId, BarArrays], count: int) -> dict[InstrumentId, BarArrays]:
    """The first `count` bars of each."""
    return {name: part(bars, 0, count) for name, bars in markets.items()}


def _until(markets: Mapping[InstrumentId, BarArrays], ts: Nanos) -> dict[InstrumentId, BarArrays]:
    """The bars that had ended at `ts`."""
    return {name: part(bars, 0, int(np.searchsorted(bars.end, ts, side="right"))) for name, bars in markets.items()}
