"""The synthetic market's state as it walks through a day, all instruments at once in numpy columns.

`synthetic.SyntheticDay` drives it stretch by stretch and turns what comes out into the steps of a day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from saudagar.exchange.synthetic_course import Course, Floats, Noise, course, growth
from saudagar.exchange.universe import listing
from saudagar.market.sessions import Phase, PhaseKind
from saudagar.model import SECOND, Instrument, InstrumentId, Levels, Nanos, Tick

STRETCH = 900
"""Seconds drawn at a time, whole minutes. Part of what a seed means."""

_BLOCK = 60  # seconds turned into ticks at a time; bounds the memory, part of what a seed means
_MARKET_SWING = 0.006  # standard deviation of the common factor over a usual day
_GAPS = (0.0035, 0.006)  # of the opening gap: common, own
_AUCTION = (0.0025, 0.0015)  # of the closing auction's jump: common, own
_AUCTION_BAND = 0.03
_AUCTION_WINDOW = (780, 120)  # the print comes this many seconds after 15:15, within so many
_AUCTION_SHARE = 0.07  # of an average day's volume, in the closing auction
_OPENING_SHARE = 0.012  # the same in the opening one
_DEPTH_SECONDS = 0.5  # of usual volume, shown by one level on average


class Minutes(NamedTuple):
    """Minute bars of one stretch: minutes by instruments. `ticks` 0 means no bar."""

    first: int  # minute of the day
    open: NDArray[np.int64]
    high: NDArray[np.int64]
    low: NDArray[np.int64]
    close: NDArray[np.int64]
    volume: NDArray[np.int64]
    ticks: NDArray[np.int64]


class _Tape(NamedTuple):
    """Seconds by instruments: last prices and cumulative volumes (carried forward), best bids and asks."""

    prices: NDArray[np.int64]
    volumes: NDArray[np.int64]
    bids: NDArray[np.int64]
    asks: NDArray[np.int64]


class Market:
    """The state that walks through the day: one column per instrument, the index's filled from the others."""

    def __init__(
        self,
        seed: int,
        day: date,
        instruments: Sequence[Instrument],
        opening: Nanos,
        end: Nanos,
        phases: dict[InstrumentId, tuple[Phase, ...]],
    ) -> None:
        self._instruments = instruments
        self._opening = opening
        listings = [listing(each.id) for each in instruments]
        self._phases = [phases[each.id] for each in instruments]
        self.seconds = (end - opening) // SECOND
        self._noise = Noise(seed, day.toordinal(), len(instruments))
        self._sizes = Noise(seed, day.toordinal(), len(instruments), 1)  # of the depth, drawn block by block
        count = len(instruments)
        self.index = next((n for n, each in enumerate(instruments) if not each.segment.tradable), None)
        self._stocks = np.array([each.segment.tradable for each in instruments])
        self._tick = np.array([each.tick_size for each in instruments])
        self._close = np.array([each.previous_close for each in listings], dtype=np.float64)
        self._daily = np.array([each.volume for each in listings], dtype=np.float64)
        weight = np.array([each.weight for each in listings], dtype=np.float64)
        if not weight.any():
            weight = self._stocks.astype(np.float64)
        self._weight = weight / max(weight.sum(), 1.0)
        self._beta = 0.7 + 0.7 * self._noise.uniform(count)
        self._swing = 0.006 + 0.006 * self._noise.uniform(count)  # of a usual day
        minutes = -(-self.seconds // 60)
        self._moods: Course = course(self._noise, minutes, count)
        self._market: Course = course(self._noise, minutes, 1)
        gap = _GAPS[0] * self._noise.normal(1) * self._beta + _GAPS[1] * self._noise.normal(count)
        self._level: Floats = gap  # log of price over previous close
        self._price: NDArray[np.int64] = np.round(self._close).astype(np.int64)  # last traded
        self._volume = np.zeros(count, dtype=np.int64)
        self._opened = np.zeros(count, dtype=bool)
        self._index_after = 0

    def stretch(self, first: int) -> tuple[Minutes, Iterator[tuple[Nanos, list[Tick]]]]:
        """Draw the seconds from `first`: their minute bars, and their steps with ticks."""
        minute = (first + np.arange(min(STRETCH, self.seconds - first))) // 60
        mids = self._walk(minute)
        trades = self._trades(first, minute)
        volumes = self._volumes(trades, minute)
        tape = self._quotes(mids, trades, volumes)
        self._price, self._volume = tape.prices[-1], tape.volumes[-1]
        return _minutes(first // 60, tape.prices, trades, volumes), self._ticks(first, tape, trades, minute)

    def closing_prints(self) -> tuple[int, list[Tick]]:
        """Seconds after continuous trading at which the closing auction prints, and the ticks of that moment."""
        begin, width = _AUCTION_WINDOW
        moment = begin + int(self._noise.uniform(1)[0] * width)
        count = len(self._instruments)
        jump = _AUCTION[0] * self._noise.normal(1) * self._beta + _AUCTION[1] * self._noise.normal(count)
        size = self._noise.uniform(count)
        eligible = np.array([any(phase.kind.closing_auction for phase in phases) for phases in self._phases])
        if not eligible.any():
            return moment, []
        jump = np.minimum(np.maximum(jump, -_AUCTION_BAND), _AUCTION_BAND)
        after = np.round(self._price * (1 + jump) / self._tick).astype(np.int64) * self._tick
        after = np.where(eligible & self._stocks, after, self._price)
        if self.index is not None:
            self._index_after = int(self._index_values(after))
        extra = (self._daily * _AUCTION_SHARE * (0.6 + 0.8 * size)).astype(np.int64)
        self._volume = self._volume + np.where(eligible & self._stocks, extra + 1, 0)
        ts = self._opening + (self.seconds + moment) * SECOND
        return moment, [
            Tick(each.id, ts, int(after[n]), int(self._volume[n]))
            for n, each in enumerate(self._instruments)
            if eligible[n] and each.segment.tradable
        ]

    def index_tick(self, ts: Nanos, jumped: bool) -> Tick:
        """The index after 15:15: as it stood, or after the auction's jump."""
        assert self.index is not None
        value = self._index_after if jumped else int(self._price[self.index])
        return Tick(self._instruments[self.index].id, ts, value)

    def _walk(self, minute: NDArray[np.int64]) -> Floats:
        """Log prices over the previous close, second by second."""
        seconds, count = len(minute), len(self._instruments)
        per_second = 1 / self.seconds**0.5
        common = self._market.swing[minute] * self._noise.normal(seconds, 1) * per_second
        common = (common + self._market.drift[minute] / 60) * _MARKET_SWING
        own = self._moods.swing[minute] * self._noise.normal(seconds, count) * per_second
        own = (own + self._moods.drift[minute] / 60) * self._swing
        levels = self._level + np.cumsum(common * self._beta + own, axis=0)
        levels = np.minimum(np.maximum(levels, -0.15), 0.15)
        self._level = levels[-1]
        return self._close * growth(levels)

    def _trades(self, first: int, minute: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Who trades in which second; a stock always does in its first."""
        activity = self._moods.volume[minute] * self.seconds / 60
        chance = np.minimum(0.97, 0.3 + 0.4 * activity)
        trades = self._noise.uniform(*chance.shape) < chance
        moments = self._opening + (first + np.arange(len(minute))) * SECOND
        for column, phases in enumerate(self._phases):
            windows = [phase for phase in phases if phase.kind is PhaseKind.CONTINUOUS]
            inside = np.zeros(len(minute), dtype=bool)
            for window in windows:
                inside |= (moments >= window.start) & (moments < window.end)
            trades[:, column] |= not self._instruments[column].segment.tradable
            if not self._opened[column] and inside.any():
                trades[np.argmax(inside), column] = self._opened[column] = True
            trades[:, column] &= inside
        return trades

    def _volumes(self, trades: NDArray[np.bool_], minute: NDArray[np.int64]) -> NDArray[np.int64]:
        pull = self._noise.uniform(*trades.shape) + self._noise.uniform(*trades.shape)
        size = self._daily * self._moods.volume[minute] / 60 * pull * pull
        volumes = np.where(trades & self._stocks, size.astype(np.int64) + 1, 0)
        starting = trades & (np.cumsum(trades, axis=0) == 1) & (self._volume == 0)
        return volumes + np.where(starting, (self._daily * _OPENING_SHARE).astype(np.int64), 0)

    def _quotes(self, mids: Floats, trades: NDArray[np.bool_], volumes: NDArray[np.int64]) -> _Tape:
        """Best bid and ask around the fair price, one to three ticks wide; each trade hits one of the two."""
        wide = self._noise.uniform(2, *mids.shape)
        below = (mids / self._tick).astype(np.int64)
        bids = (below - (wide[0] < 0.25)) * self._tick
        asks = (below + 1 + (wide[1] < 0.25)) * self._tick
        traded = np.where(self._noise.uniform(*mids.shape) < 0.5, bids, asks)
        newest = np.maximum.accumulate(np.where(trades, np.arange(1, len(mids) + 1)[:, None], 0), axis=0)
        prices = np.take_along_axis(np.vstack([self._price, traded]), newest, axis=0)
        if self.index is not None and self._weight.any():  # an index alone walks by itself
            prices[:, self.index] = self._index_values(prices)
        return _Tape(prices, self._volume + np.cumsum(volumes, axis=0), bids, asks)

    def _index_values(self, prices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The index at each row of last prices."""
        assert self.index is not None
        moved = np.cumsum(prices / self._close * self._weight, axis=-1)[..., -1]
        tick = int(self._tick[self.index])
        value: NDArray[np.int64] = np.round(self._close[self.index] * moved / tick).astype(np.int64) * tick
        return value

    def _ticks(
        self, first: int, tape: _Tape, trades: NDArray[np.bool_], minute: NDArray[np.int64]
    ) -> Iterator[tuple[Nanos, list[Tick]]]:
        for begin in range(0, len(trades), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            rows, columns = np.nonzero(trades[block])
            rows += begin
            bids, asks = self._depth(tape, rows, columns, minute)
            names = [self._instruments[column].id for column in columns.tolist()]
            moments = (self._opening + (first + rows) * SECOND).tolist()
            prices, volumes = tape.prices[rows, columns].tolist(), tape.volumes[rows, columns].tolist()
            ticks = map(Tick, names, moments, prices, volumes, bids, asks)
            counts = np.bincount(rows - begin, minlength=len(trades[block])).tolist()
            for second, count in enumerate(counts, first + begin):
                yield self._opening + second * SECOND, list(islice(ticks, count))

    def _depth(
        self, tape: _Tape, rows: NDArray[np.int64], columns: NDArray[np.int64], minute: NDArray[np.int64]
    ) -> tuple[list[Levels], list[Levels]]:
        """Five levels each way of every tick; none for the index."""
        usual = self._daily[columns] * self._moods.volume[minute[rows], columns] / 60 * _DEPTH_SECONDS
        away = np.arange(5)
        sizes = (0.4 + 1.6 * self._sizes.uniform(2, len(rows), 5)) * (1 + 0.3 * away) * usual[:, None]
        steps = away * self._tick[columns][:, None]
        sides = (tape.bids[rows, columns][:, None] - steps, tape.asks[rows, columns][:, None] + steps)
        quantities = sizes.astype(np.int64) + 1
        levels = [np.stack((side, size), axis=-1).tolist() for side, size in zip(sides, quantities, strict=True)]
        bare = (columns == (-1 if self.index is None else self.index)).tolist()
        bids, asks = (
            [() if none else tuple(map(tuple, each)) for none, each in zip(bare, side, strict=True)] for side in levels
        )
        return bids, asks


def _minutes(first: int, prices: NDArray[np.int64], trades: NDArray[np.bool_], volumes: NDArray[np.int64]) -> Minutes:
    """Minute bars of a stretch; the seconds that are missing in its last minute count as quiet."""
    missing = -len(prices) % 60
    trades = np.pad(trades, ((0, missing), (0, 0))).reshape(-1, 60, prices.shape[1])
    prices = np.pad(prices, ((0, missing), (0, 0))).reshape(trades.shape)
    volumes = np.pad(volumes, ((0, missing), (0, 0))).reshape(trades.shape)
    starts, ends = np.argmax(trades, axis=1), 59 - np.argmax(trades[:, ::-1], axis=1)
    return Minutes(
        first=first,
        open=np.take_along_axis(prices, starts[:, None], axis=1)[:, 0],
        high=np.where(trades, prices, 0).max(axis=1),
        low=np.where(trades, prices, np.iinfo(np.int64).max).min(axis=1),
        close=np.take_along_axis(prices, ends[:, None], axis=1)[:, 0],
        volume=volumes.sum(axis=1),
        ticks=trades.sum(axis=1),
    )
