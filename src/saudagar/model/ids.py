"""The names that things carry. All are strings underneath; the types keep them apart."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import NewType

InstrumentId = NewType("InstrumentId", str)
"""``SEGMENT:SYMBOL``, e.g. ``NSE_EQ:RELIANCE``, ``NSE_INDEX:NIFTY``, ``NSE_FNO:NIFTY-2026-11-24-24000-CE``."""

StrategyId = NewType("StrategyId", str)
"""The name a strategy has in the configuration, e.g. ``ema``. ``manual`` for what a person asks for."""

PositionId = NewType("PositionId", str)
"""One strategy's position in one instrument: ``STRATEGY@INSTRUMENT``."""

ClientOrderId = NewType("ClientOrderId", str)
"""Our own id of an order, on disk before the order is sent. At most 20 characters of ``[A-Z0-9]``: the shortest
of the three brokers' limits (Kite ``tag`` 20, Dhan ``correlationId`` 30, Upstox ``tag`` 40)."""

BrokerOrderId = NewType("BrokerOrderId", str)
"""The id the broker gave; empty until it answers."""

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LAST = tuple(first + second for first in _DIGITS for second in _DIGITS)  # the two digits that change most


def position_id(strategy: StrategyId, instrument: InstrumentId) -> PositionId:
    """The id of `strategy`'s position in `instrument`."""
    return PositionId(f"{strategy}@{instrument}")


def client_order_id(desk: str, day: date, sequence: int) -> ClientOrderId:
    """Our id of the `sequence`-th order of `day`.

    Deterministic, so that a run is repeatable; unique, because the sequence is counted in the journal.

    Parameters
    ----------
    desk
        Up to 5 characters ``[A-Z0-9]`` that keep two desks on one account apart.
    sequence
        Counted from 1 per journal.
    """
    if not 0 < sequence < 36**5:
        raise ValueError(f"order sequence {sequence} is outside 1..{36**5 - 1}")
    return ClientOrderId(_order_prefix(desk, day, sequence // 36**2) + _LAST[sequence % 36**2])


def order_sequence(desk: str, day: date, order_id: ClientOrderId) -> int:
    """Which order of `day` has that id; 0 if it is none of `desk`'s ids of that day, or one no desk gets to."""
    prefix, digits = order_id[:-5], order_id[-5:]
    if prefix != _dated(desk, day) or digits[0] != "0" or not all(digit in _DIGITS for digit in digits):
        return 0
    return int(digits, 36)


@lru_cache(maxsize=64)
def _order_prefix(desk: str, day: date, high: int) -> str:
    digits = (_DIGITS[high // 36**2], _DIGITS[high // 36 % 36], _DIGITS[high % 36])
    return f"{_dated(desk, day)}{''.join(digits)}"


def _dated(desk: str, day: date) -> str:
    return f"{desk}{day.year % 100:02}{day.month:02}{day.day:02}"  # twice as fast as `%y%m%d`
