"""Price bands: what the exchange takes today, asked for where it has refused an order that protects or closes.

An instrument at its circuit limit has buyers only, or sellers. An exit priced beyond the limit would be refused every
time; at the limit it rests, and trades as soon as anybody comes. So after a refusal the band is asked for, and again
each minute while the instrument is held: bands are moved in the middle of a day. What protects or closes is priced
inside it. Where nobody can tell the band, or it was known already, such orders are priced at the last price itself,
which has just been traded at. Kept in memory: after a restart the first refusal asks again.
"""

from __future__ import annotations

import msgspec

from saudagar.engine.core import Core, Line
from saudagar.execution.effects import FetchPriceBand
from saudagar.execution.steering import NO_BAND, Band, Tactics
from saudagar.model import MINUTE, InstrumentId, Nanos, PositionId, PriceBandTold, inr
from saudagar.portfolio import Position


class Bands:
    """The bands that are known.

    Attributes
    ----------
    wary
        The positions that were refused an order.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._tactics = core.settings.tactics
        self._careful = msgspec.structs.replace(self._tactics, protection_ppm=0, stop_band_ppm=0)
        self.wary: set[PositionId] = set()
        self._asked: dict[InstrumentId, Nanos] = {}  # when; no answer is waited for longer than a minute
        self._followed: set[InstrumentId] = set()

    def refused(self, position: Position) -> None:
        """The exchange did not take an order, or a change of one, that was to protect or to close."""
        self.wary.add(position.id)
        self._ask(position.instrument)

    def told(self, answer: PriceBandTold) -> None:
        """What a broker says of an instrument's band. One that does not hold the last price is none."""
        core, name = self._core, answer.instrument
        self._asked.pop(name, None)
        if name in core.strange:
            return
        line = core.line(name)
        tick = line.instrument.tick_size
        low, high = -(-answer.low // tick) * tick, answer.high // tick * tick
        if 0 < low <= line.last <= high and line.band != (low, high):
            line.band = low, high
            core.alert(
                "warning", f"{name} trades between {inr(low)} and {inr(high)} now; what protects it stays within."
            )
            for position in core.state.positions.values():
                if position.instrument == name:
                    self.wary.discard(position.id)
                    core.touch(position.id)
        if line.band is not NO_BAND and name not in self._followed:
            self._followed.add(name)
            core.later(core.now + MINUTE, lambda: self._follow(line))

    def forget(self, position: PositionId) -> None:
        """Something of `position` has traded: its orders are taken again."""
        self.wary.discard(position)

    def rules(self, position: PositionId, line: Line) -> tuple[Tactics, Band]:
        """How the orders of `position` are written, and the band to keep to; one that the market has left has moved."""
        band = line.band
        if band is not NO_BAND and not band[0] <= line.last <= band[1]:
            band = line.band = NO_BAND
        return self._careful if position in self.wary else self._tactics, band

    def _ask(self, instrument: InstrumentId) -> None:
        now = self._core.now
        if now - self._asked.get(instrument, now - MINUTE) >= MINUTE:
            self._asked[instrument] = now
            self._core.effects.append(FetchPriceBand(instrument))

    def _follow(self, line: Line) -> None:
        """A minute later: the band may have been moved."""
        core, name = self._core, line.instrument.id
        if any(p.quantity and p.instrument == name for p in core.state.positions.values()):
            self._ask(name)
            core.later(core.now + MINUTE, lambda: self._follow(line))
        else:
            self._followed.discard(name)
            line.band = NO_BAND
