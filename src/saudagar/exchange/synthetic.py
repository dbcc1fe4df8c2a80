"""A made-up NSE day that behaves like one: the market of the demo, the tests and the benches.

Seeded and lazy: the day is drawn in stretches of fifteen minutes for all instruments at once. What it shows: an
opening gap, a common factor with own noise on top, trends, quiet spells and breakouts that bring volume, the U-shape
of a day, stocks that do not trade every second, prices on their tick grid with five levels each way, and an index that
moves with the last prices of its members. Where the calendar has a closing auction, its stocks stand still from 15:15
and print once between 15:28 and 15:30; the index stands still with them and then jumps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from saudagar.exchange.market_feed import SourceCalendar, check_interval, continuous_window, resample, with_auction
from saudagar.exchange.synthetic_history import past_bars
from saudagar.exchange.synthetic_market import STRETCH, Market, Minutes
from saudagar.exchange.universe import listing, universe
from saudagar.market.ist import DAY, at
from saudagar.market.sessions import Calendar, Phase, PhaseKind
from saudagar.model import MINUTE, SECOND, Bar, Instrument, InstrumentId, Nanos, Paise, Tick
from saudagar.model.errors import CalendarError, DataError, UnknownInstrument

DEFAULT_DAY = date(2026, 11, 20)

_INDEX_PULSE = 5  # seconds between index ticks while its members stand still


class SyntheticDay:
    """A seeded day of `instruments`.

    Parameters
    ----------
    seed
        The same seed, day and instruments give the same day, bit by bit.
    instruments
        From `universe.universe`; NIFTY and twenty large caps by default.
    start, end
        IST, ``HH:MM``: the part of the day to play, both ends included. What came before `start` has happened, and
        is in the history. By default from the opening to the last phase's end.
    calendar
        The exchange's calendar.

    Raises
    ------
    CalendarError
        If `day` is no session.
    DataError
        If `start` and `end` leave nothing to play.
    """

    step_ns: Nanos = SECOND

    def __init__(
        self,
        seed: int,
        day: date = DEFAULT_DAY,
        instruments: Sequence[Instrument] | None = None,
        *,
        start: str | None = None,
        end: str | None = None,
        calendar: SourceCalendar | None = None,
    ) -> None:
        self.seed = seed
        self.day = day
        self.instruments = tuple(universe() if instruments is None else instruments)
        self._calendar = calendar or Calendar()
        self._phases = {each.id: tuple(self._calendar.phases_of(each, day)) for each in self.instruments}
        windows = [window for phases in self._phases.values() if (window := continuous_window(phases))]
        if not windows:
            raise CalendarError(f"{day:%a %Y-%m-%d} is no session of {', '.join(sorted(self._phases)[:3])}.")
        self._opening = min(window[0] for window in windows)
        self._continuous_end = max(window[1] for window in windows)
        self._last = max(phase.end for phases in self._phases.values() for phase in phases if _played(phase))
        self._from = at(day, start) if start else self._opening
        self._to = at(day, end) if end else self._last
        if not self._opening <= self._from <= self._to:
            raise DataError(f"nothing to play on {day} from {start or 'the opening'} to {end or 'the close'}.")
        self._listings = [listing(each.id) for each in self.instruments]
        self._now: Nanos = 0
        self._minutes: list[Minutes] = []
        self._prints: dict[InstrumentId, Tick] = {}

    def steps(self) -> Iterator[tuple[Nanos, list[Tick]]]:
        """Each second of the day with its ticks; every call plays the day from the beginning."""
        self._minutes.clear()
        self._prints.clear()
        for ts, ticks in self._all_steps():
            if ts > self._to:
                return
            if ts >= self._from:
                self._now = ts
                yield ts, ticks

    def previous_close(self, instrument: InstrumentId) -> Paise:
        """The close of the session before, paise."""
        return self._listings[self._column(instrument)].previous_close

    def history(self, instrument: InstrumentId, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]:
        """Closed bars of the ten sessions before and of today up to the market's now.

        Minute bars hold continuous trading only; the day bar's close is the closing auction's price.
        """
        check_interval(interval)
        column = self._column(instrument)
        bars = past_bars(self.seed, self._listings[column], self.day, self._calendar, interval)
        bars += self._bars_of_today(column, interval)
        return [bar for bar in bars if start <= bar.start < end]

    def _column(self, instrument: InstrumentId) -> int:
        for column, each in enumerate(self.instruments):
            if each.id == instrument:
                return column
        raise UnknownInstrument(f"this day has no {instrument!r}.")

    def _bars_of_today(self, column: int, interval: Nanos) -> list[Bar]:
        instrument = self.instruments[column]
        window = continuous_window(self._phases[instrument.id])
        if window is None:
            return []
        minutes = [bar for stretch in self._minutes for bar in self._minute_bars(stretch, column)]
        bars = resample(minutes, interval, *window)
        auction = self._prints.get(instrument.id)
        if interval == DAY and bars and auction is not None and auction.ts <= self._now:
            bars = [with_auction(bars[0], auction.ltp, auction.volume)]
        return [bar for bar in bars if bar.end <= self._now]

    def _minute_bars(self, stretch: Minutes, column: int) -> Iterator[Bar]:
        columns = (field[:, column].tolist() for field in stretch[1:])
        name = self.instruments[column].id
        for minute, (first, high, low, last, volume, ticks) in enumerate(zip(*columns, strict=True), stretch.first):
            start = self._opening + minute * MINUTE
            if ticks and start + MINUTE <= self._now:
                yield Bar(name, MINUTE, start, start + MINUTE, first, high, low, last, volume, ticks)

    def _all_steps(self) -> Iterator[tuple[Nanos, list[Tick]]]:
        market = Market(self.seed, self.day, self.instruments, self._opening, self._continuous_end, self._phases)
        for first in range(0, market.seconds, STRETCH):
            minutes, steps = market.stretch(first)
            self._minutes.append(minutes)
            yield from steps
        yield from self._after_hours(market)

    def _after_hours(self, market: Market) -> Iterator[tuple[Nanos, list[Tick]]]:
        """No continuous trading any more: the auction's print, and an index that repeats itself."""
        moment, prints = market.closing_prints()
        for ts in range(self._continuous_end, self._last + 1, SECOND):
            second = (ts - self._continuous_end) // SECOND
            ticks = []
            if prints and second == moment:
                ticks = [tick for tick in prints if tick.volume]
                self._prints.update((tick.instrument, tick) for tick in ticks)
            elif market.index is not None and prints and ts < self._last:
                jumped = second > moment
                if second == moment + 1 or second % _INDEX_PULSE == 0:
                    ticks = [market.index_tick(ts, jumped)]
                if second == moment + 1:
                    self._prints[ticks[0].instrument] = ticks[0]
            yield ts, ticks


def _played(phase: Phase) -> bool:
    return phase.kind is not PhaseKind.POST_CLOSE
