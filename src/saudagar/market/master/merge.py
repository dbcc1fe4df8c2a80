"""Makes one table of the brokers' files: every instrument once, with each broker's own id.

Shares are joined by ISIN and series, else by the exchange's number, else by symbol; contracts and indices by our
symbol, which says it all. Where the brokers then disagree, the instrument stays known (positions in it must be
understood) but is marked with a `Conflict` and cannot be traded. Called by whoever syncs the master.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date

from saudagar.market.master.master import Conflict, Master
from saudagar.market.master.rows import BROKERS, Reading, Row
from saudagar.model import Instrument, InstrumentId, InstrumentKind, Segment
from saudagar.model.errors import DataError

_INDEX_TICK = 5  # paise; nobody trades an index, and its quotes are not on a grid
_AGREE = ("symbol", "isin", "token", "tick_size", "lot_size")
_SHARED_TOKENS = frozenset({Segment.NSE_EQ, Segment.NSE_FNO, Segment.BSE_EQ})
"""Where all three brokers use the exchange's own number (seen in their files of 2026)."""

_Slot = list[tuple[str, Row]]  # what each broker says about one instrument
_Key = tuple[Segment, str]


def merge(readings: Iterable[Reading], day: date) -> Master:
    """One table out of up to three files.

    Parameters
    ----------
    readings
        At most one per broker.
    day
        Contracts that expired before it are dropped; a contract still trades on its expiry day.

    Raises
    ------
    DataError
        If a broker comes twice, or nothing is left.
    """
    ordered = sorted(readings, key=lambda reading: BROKERS.index(reading.broker))
    names = [reading.broker for reading in ordered]
    if len(set(names)) != len(names):
        raise DataError(f"at most one instrument file per broker, got {', '.join(names)}.")
    refused = {reading.broker: Counter(reading.refused) for reading in ordered}
    slots = _join(ordered, day, refused)
    shared = _shared_tokens(slots)
    auctions = _Auctions(ordered, slots)
    instruments: list[Instrument] = []
    conflicts: list[Conflict] = []
    for (segment, symbol), slot in slots.items():
        instrument = _instrument(segment, symbol, slot, auctions)
        if instrument is None:
            for broker, _ in slot:
                refused[broker]["contract size"] += 1
            continue
        instruments.append(instrument)
        conflicts += _conflicts(instrument.id, slot, shared)
    if not instruments:
        raise DataError(
            f"no instrument is left for {day}; refused: { {name: dict(c) for name, c in refused.items()} }."
        )
    return Master(
        day,
        tuple(instruments),
        tuple(sorted(conflicts, key=lambda conflict: (conflict.instrument, conflict.field))),
        {broker: dict(sorted(counts.items())) for broker, counts in refused.items()},
    )


def _join(readings: Iterable[Reading], day: date, refused: Mapping[str, Counter[str]]) -> dict[_Key, _Slot]:
    slots: dict[_Key, _Slot] = {}
    shares: dict[tuple[Segment, str], str] = {}  # ISIN with series, or token: the symbol under which it is kept
    for reading in readings:
        for row in reading.rows:
            if row.expiry is not None and row.expiry < day:
                refused[reading.broker]["expired"] += 1
                continue
            symbol = row.symbol
            if row.kind is InstrumentKind.EQUITY:
                keys = [(row.segment, f"{row.isin}/{row.series}")] if row.isin else []
                keys.append((row.segment, row.token))
                symbol = next((shares[key] for key in keys if key in shares), symbol)
                for key in keys:
                    shares.setdefault(key, symbol)
            slots.setdefault((row.segment, symbol), []).append((reading.broker, row))
    return slots


def _shared_tokens(slots: Mapping[_Key, _Slot]) -> dict[_Key, set[str]]:
    """Exchange numbers that stand for more than one contract: somebody's mapping is wrong."""
    seen: dict[_Key, str] = {}
    shared: defaultdict[_Key, set[str]] = defaultdict(set)
    for (segment, symbol), slot in slots.items():
        if segment in _SHARED_TOKENS:
            for _, row in slot:
                other = seen.setdefault((segment, row.token), symbol)
                if other != symbol:
                    shared[segment, row.token] |= {other, symbol}
    return shared


def _conflicts(instrument: InstrumentId, slot: _Slot, shared: Mapping[_Key, set[str]]) -> list[Conflict]:
    found = []
    for broker in {broker for broker, _ in slot}:
        keys = sorted({row.key for name, row in slot if name == broker})
        if len(keys) > 1:
            found.append(Conflict(instrument, "id", f"{broker} {' and '.join(keys)}"))
    first = slot[0][1]
    if shared and first.token and (first.segment, first.token) in shared:
        symbols = sorted(shared[first.segment, first.token])
        found.append(Conflict(instrument, "token", f"{first.token} stands for {' and '.join(symbols)}"))
    if len(slot) == 1 or first.kind is InstrumentKind.INDEX:
        return found
    for field in _AGREE:
        if field == "token" and first.segment not in _SHARED_TOKENS:
            continue
        said = [(broker, getattr(row, field)) for broker, row in slot]
        if len({value for _, value in said if value}) > 1:
            found.append(Conflict(instrument, field, ", ".join(f"{broker} {value}" for broker, value in said if value)))
    return found


class _Auctions:
    """Who takes part in the closing auction: as the file says, else whoever has derivatives."""

    def __init__(self, readings: Iterable[Reading], slots: Mapping[_Key, _Slot]) -> None:
        self._stated = frozenset(segment for reading in readings for segment in reading.auction_segments)
        self._underlyings = {slot[0][1].underlying for slot in slots.values()} - {""}

    def __contains__(self, slot: _Slot) -> bool:
        first = slot[0][1]
        if first.segment in self._stated:
            return any(row.closing_auction for _, row in slot)
        return first.kind is InstrumentKind.EQUITY and first.symbol in self._underlyings


def _instrument(segment: Segment, symbol: str, slot: _Slot, auctions: _Auctions) -> Instrument | None:
    """None if no broker tells the size of the contract."""
    first = slot[0][1]
    said = dict(reversed(slot))  # a broker that comes twice is in conflict; its first row stands
    index = first.kind is InstrumentKind.INDEX
    lot_size = 1 if index else next((row.lot_size for _, row in slot if row.lot_size), 0)
    if not lot_size:
        return None
    return Instrument(
        segment=segment,
        symbol=symbol,
        kind=first.kind,
        tick_size=_INDEX_TICK if index else first.tick_size,
        lot_size=lot_size,
        freeze_quantity=next((row.freeze_quantity for _, row in slot if row.freeze_quantity), 0),
        name=first.name,
        isin=next((row.isin for _, row in slot if row.isin), ""),
        underlying=first.underlying,
        expiry=first.expiry,
        strike=first.strike,
        right=first.right,
        closing_auction=slot in auctions,
        dhan_id=said["dhan"].key if "dhan" in said else "",
        upstox_id=said["upstox"].key if "upstox" in said else "",
        kite_id=said["kite"].key if "kite" in said else "",
        kite_symbol=said["kite"].kite_symbol if "kite" in said else "",
    )
