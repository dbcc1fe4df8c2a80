"""The order streams of all faces, told as one: whoever places an order, every broker's own stream hears of it.

The three faces stand before one account. Lock-step counts what was sent on the newest connection of each stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from saudagar.exchange.core_orders import Update

CUT = -1
"""Stands for a count that no desk can reach: the exchange hung up, and lock-step waits until the desk is back."""


class OrderStream(Protocol):
    """One broker's order stream."""

    total: int
    """Messages over all its sockets."""

    @property
    def sent(self) -> int | None:
        """Messages sent on its newest socket; None while nobody is connected, `CUT` if that is the exchange's doing."""
        ...

    def publish(self, updates: Sequence[Update]) -> None: ...

    def disconnect(self) -> None: ...


class OrderStreams:
    """Several streams as one."""

    def __init__(self, *streams: OrderStream) -> None:
        self.streams = streams

    @property
    def total(self) -> int:
        return sum(stream.total for stream in self.streams)

    @property
    def sent(self) -> int | None:
        """Messages on the newest socket of each stream together; None while nobody is connected to any; `CUT`."""
        counts = [count for stream in self.streams if (count := stream.sent) is not None]
        if CUT in counts:
            return CUT
        return sum(counts) if counts else None

    def publish(self, updates: Sequence[Update]) -> None:
        """Queue one message per change, everywhere."""
        for stream in self.streams:
            stream.publish(updates)

    def disconnect(self) -> None:
        for stream in self.streams:
            stream.disconnect()
