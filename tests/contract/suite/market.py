"""The market of the contract suite: a day that moves when it is told to, and goes where it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from saudagar.market.ist import at
from saudagar.model import (
    SECOND,
    Bar,
    Instrument,
    InstrumentId,
    InstrumentKind,
    Nanos,
    Paise,
    Segment,
    Tick,
)
from saudagar.model.errors import UnknownInstrument

DAY = date(2026, 11, 20)
PRICE = 1_300_00
LEVEL = 100  # units on each of the five levels of a book


def share(symbol: str, isin: str, number: int, tick: Paise = 10, freeze: int = 0) -> Instrument:
    return Instrument(
        segment=Segment.NSE_EQ,
        symbol=symbol,
        kind=InstrumentKind.EQUITY,
        tick_size=tick,
        freeze_quantity=freeze,
        isin=isin,
        closing_auction=True,
        dhan_id=str(number),
        upstox_id=f"NSE_EQ|{isin}",
        kite_id=str(number * 256 + 1),
        kite_symbol=symbol,
    )


RELIANCE = share("RELIANCE", "INE002A01018", 2885)
IDEA = share("IDEA", "INE669E01016", 14366, tick=1, freeze=1_000)
FUTURE = Instrument(
    segment=Segment.NSE_FNO,
    symbol="NIFTY-2026-11-24-FUT",
    kind=InstrumentKind.FUTURE,
    tick_size=10,
    lot_size=65,
    freeze_quantity=1_755,
    underlying="NIFTY",
    expiry=date(2026, 11, 24),
    dhan_id="35001",
    upstox_id="NSE_FO|35001",
    kite_id=str(35001 * 256 + 2),
    kite_symbol="NIFTY26NOVFUT",
)
NIFTY = Instrument(
    segment=Segment.NSE_INDEX,
    symbol="NIFTY",
    kind=InstrumentKind.INDEX,
    tick_size=5,
    name="Nifty 50",
    closing_auction=True,
    dhan_id="13",
    upstox_id="NSE_INDEX|Nifty 50",
    kite_id="256265",
    kite_symbol="NIFTY 50",
)
TRADED = (RELIANCE, IDEA, FUTURE, NIFTY)
_CLOSES = {IDEA.id: 10_00, FUTURE.id: 24_000_00, NIFTY.id: 24_000_00}


class CalledDay:
    """One step per call. `price` is RELIANCE's at the next step, the other instruments stand still.

    Parameters
    ----------
    opening
        IST; where the day begins.
    """

    day = DAY
    step_ns = SECOND

    def __init__(self, instruments: tuple[Instrument, ...] = TRADED, opening: str = "09:15") -> None:
        self.instruments = instruments
        self.price = PRICE
        self.not_before: Nanos = at(DAY, opening)

    def steps(self) -> Iterator[tuple[Nanos, list[Tick]]]:
        ts, number = self.not_before, 0
        while True:
            number += 1
            yield ts, [self._quoted(each, ts, number) for each in self.instruments]
            ts = max(ts + SECOND, self.not_before)

    def history(self, instrument: InstrumentId, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]:
        return []

    def previous_close(self, instrument: InstrumentId) -> Paise:
        return _CLOSES.get(instrument, PRICE)

    def _quoted(self, instrument: Instrument, ts: Nanos, number: int) -> Tick:
        price = self.price if instrument is RELIANCE else self.previous_close(instrument.id)
        if not instrument.segment.tradable:
            return Tick(instrument.id, ts, price)
        tick, size = instrument.tick_size, LEVEL * instrument.lot_size
        bids = tuple((price - tick * level, size) for level in range(1, 6))
        asks = tuple((price + tick * level, size) for level in range(1, 6))
        return Tick(instrument.id, ts, price, size * number, bids, asks)


class Lookup:
    """Every instrument by every name that a broker has for it."""

    def __init__(self, instruments: tuple[Instrument, ...] = TRADED) -> None:
        self._by_id = {each.id: each for each in instruments}
        self._by_dhan = {(_DHAN.get(each.segment, each.segment.value), each.dhan_id): each for each in instruments}
        self._by_upstox = {each.upstox_id: each for each in instruments}
        self._by_kite = {each.kite_id: each for each in instruments}

    def get(self, instrument: InstrumentId) -> Instrument:
        try:
            return self._by_id[instrument]
        except KeyError:
            raise UnknownInstrument(f"{instrument} is not known.") from None

    def by_dhan(self, segment: str, security_id: str) -> Instrument | None:
        return self._by_dhan.get((segment, security_id))

    def by_upstox(self, instrument_key: str) -> Instrument | None:
        return self._by_upstox.get(instrument_key)

    def by_kite(self, token: int | str) -> Instrument | None:
        return self._by_kite.get(str(token))

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._by_id.values())


_DHAN = {Segment.NSE_INDEX: "IDX_I"}
