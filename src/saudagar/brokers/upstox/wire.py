"""What the feed's child hands to the desk: one batch per frame of the socket, as MessagePack.

Instruments travel as their index in the subscription, prices as paise: the desk only has to put names on them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from saudagar.model import InstrumentId, Levels, Nanos, Paise, Tick, TickFrame

Row = tuple[int, Nanos, Paise, int, Levels, Levels]
"""Index of the instrument, exchange time, last price, volume of the day, bids, asks."""


class Batch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One frame after screening. `ts` is 0 if nothing of it may be delivered."""

    ts: Nanos
    received: int  # monotonic ns
    rows: list[Row]
    refused: dict[str, int]


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Batch).decode


def frame(batch: Batch, names: Sequence[InstrumentId]) -> TickFrame:
    """The desk's form of `batch`; `names` are the subscription's instruments in order."""
    ticks = [Tick(names[index], ts, ltp, volume, bids, asks) for index, ts, ltp, volume, bids, asks in batch.rows]
    return TickFrame(batch.ts, ticks, batch.received)
