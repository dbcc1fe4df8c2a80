"""The tape: what the market showed of each instrument today, so far.

The matching core keeps the newest quotes for matching; the faces also tell the day's and the minute's candles, the
turnover and the last traded quantity. The feed applies what it publishes, so that the tape is what clients have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from saudagar.exchange.core_rules import circuit_limits
from saudagar.model import MINUTE, Instrument, InstrumentId, Nanos, Paise, Tick


class Candle:
    """Open, high, low, close (paise) and volume (units) since `start` (UTC ns)."""

    __slots__ = ("close", "high", "low", "open", "start", "volume")

    def __init__(self, start: Nanos) -> None:
        self.start = start
        self.open = self.high = self.low = self.close = self.volume = 0

    def add(self, price: Paise, quantity: int) -> None:
        """One trade."""
        if not self.close:
            self.open = self.high = self.low = price
        elif price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.volume += quantity


class Line:
    """One instrument on the tape."""

    __slots__ = ("changes", "day", "instrument", "last_quantity", "minute", "previous_close", "tick", "turnover")

    def __init__(self, instrument: Instrument, previous_close: Paise, day_start: Nanos) -> None:
        self.instrument = instrument
        self.previous_close = previous_close
        self.tick: Tick | None = None
        self.day = Candle(day_start)
        self.minute = Candle(day_start)
        self.last_quantity = 0  # units
        self.turnover = 0  # paise
        self.changes = 0  # how many ticks so far

    def apply(self, tick: Tick, now: Nanos) -> None:
        """Take over a tick that the market saw at `now`; its own time may be nonsense in a recorded day."""
        traded = tick.volume - self.tick.volume if self.tick else tick.volume
        self.last_quantity = traded = max(traded, 0)
        self.turnover += traded * tick.ltp
        self.tick = tick
        self.changes += 1
        start = now - now % MINUTE
        if start != self.minute.start:
            self.minute = Candle(start)
        self.day.add(tick.ltp, traded)
        self.minute.add(tick.ltp, traded)

    @property
    def band(self) -> tuple[Paise, Paise]:
        """The circuit limits of the day, paise."""
        return circuit_limits(self.instrument, self.previous_close)

    @property
    def average_price(self) -> float:
        """Paise, over the volume that the tape saw."""
        return self.turnover / self.day.volume if self.day.volume else 0.0


class Tape:
    """All lines of a market day.

    Parameters
    ----------
    previous_close
        Paise, by instrument.
    day_start
        Midnight IST of the day, UTC ns.
    """

    def __init__(
        self, instruments: Iterable[Instrument], previous_close: Callable[[InstrumentId], Paise], day_start: Nanos
    ) -> None:
        self.now = day_start  # of the newest step applied
        self.lines: dict[InstrumentId, Line] = {
            each.id: Line(each, previous_close(each.id), day_start) for each in instruments
        }

    def apply(self, now: Nanos, ticks: Sequence[Tick]) -> None:
        """All ticks of the step at `now` (UTC ns)."""
        self.now = now
        lines = self.lines
        for tick in ticks:
            lines[tick.instrument].apply(tick, now)
