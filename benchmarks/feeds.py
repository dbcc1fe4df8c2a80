"""Ticks per second out of a broker's raw frames: ours against the SDK's own parser, on the same bytes in one run.

Kite only: its SDK hands over raw frames (`on_message`) and has a parser of its own (`_parse_binary`) to compare with.
Ours makes the desk's `TickFrame`s, the SDK lists of dicts. Run alone with ``python -m benchmarks.feeds``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks.desk import DAY
from benchmarks.measure import Figure, rate, table, timed
from saudagar.brokers.kite.decode import Decoder
from saudagar.exchange.kite.packets import frame, packet
from saudagar.exchange.synthetic import SyntheticDay
from saudagar.exchange.tape import Tape
from saudagar.exchange.universe import universe
from saudagar.market.ist import midnight
from saudagar.model import InstrumentId

GROUP = "Frames: Kite's full packets → ticks"
_SIZES = (2, 20, 1_000)
"""Instruments that move in one frame."""


def frames(count: int, ticks: int) -> tuple[list[bytes], dict[int, InstrumentId], int]:
    """Full frames of a synthetic morning of `count` instruments, at least `ticks` packets; the names; how many."""
    instruments = universe(count)
    source = SyntheticDay(7, DAY, instruments)
    closes = {each.id: source.previous_close(each.id) for each in instruments}
    tape = Tape(instruments, closes.__getitem__, midnight(DAY))
    made: list[bytes] = []
    held = 0
    for ts, step in source.steps():
        tape.apply(ts, step)
        names = dict.fromkeys(tick.instrument for tick in step)
        made.append(frame([packet(tape.lines[name], "full", ts) for name in names]))
        held += len(names)
        if held >= ticks:
            break
    return made, {int(each.kite_id): each.id for each in instruments}, held


def figures(ticks: int, rounds: int) -> Iterator[Figure]:
    """The SDK's rate, ours without and with five levels of depth, and how many times it is, for each size."""
    from kiteconnect import KiteTicker

    theirs = KiteTicker("key", "token")._parse_binary
    for size in _SIZES:
        made, names, held = frames(size, ticks)
        note = f"{held:,} packets in {len(made):,} frames, {size:,} instruments"
        refusals: dict[str, int] = {}
        price, depth = Decoder(names, False, refusals), Decoder(names, True, refusals)
        sdk, plain, deep = (
            timed(rounds, partial(_each, parse, made))
            for parse in (theirs, partial(price.frame, received=0), partial(depth.frame, received=0))
        )
        if refusals:
            raise AssertionError(f"frames of the exchange were refused: {refusals}")
        yield rate(GROUP, f"kiteconnect, frames of {size:,}", held, sdk, "ticks/s", note)
        yield rate(GROUP, f"saudagar, frames of {size:,}", held, plain, "ticks/s", _times(sdk, plain))
        yield rate(GROUP, f"saudagar with depth, frames of {size:,}", held, deep, "ticks/s", _times(sdk, deep))


def _each(parse: Callable[[bytes], Any], made: list[bytes]) -> None:
    for each in made:
        parse(each)


def _times(theirs: list[float], ours: list[float]) -> str:
    return f"{min(theirs) / min(ours):.1f} times the SDK"


if __name__ == "__main__":
    print(table(figures(20_000, 5)))
