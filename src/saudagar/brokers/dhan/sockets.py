"""The desk's side of Dhan's market data sockets: each in a child process, all started and stopped in one way.

`DhanFeed` and `DhanDepth` are made of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from saudagar.brokers import checks
from saudagar.brokers.dhan import words
from saudagar.brokers.dhan.client import DhanFeedSettings
from saudagar.brokers.supervisor import Stream, Watch
from saudagar.execution.ports import LinkStatus
from saudagar.model import Instrument

T = TypeVar("T")


class Sockets:
    """The sockets of one client.

    Attributes
    ----------
    refusals
        What was refused of what came, counted by kind.
    streams
        The sockets, in the order of the subscription.
    """

    def __init__(self, settings: DhanFeedSettings, watch: Watch | None) -> None:
        self.refusals: dict[str, int] = Counter()
        self.streams: list[Stream] = []
        self._settings = settings
        self._watch = watch or Watch()

    async def _connect(
        self,
        link: str,
        module: str,
        parts: Sequence[Sequence[tuple[int, str]]],
        on_data: Callable[[bytes], None],
        on_status: Callable[[LinkStatus], None],
        **wanted: Any,
    ) -> None:
        """A socket for each of `parts`, one after the other: together they would look like too many.

        Parameters
        ----------
        module
            The child's; `wanted` is what it must know besides what all are told.
        """
        settings = self._settings
        for number, keys in enumerate(parts, 1):
            handed = {
                "client_id": settings.client_id,
                "token": settings.token,
                "url": settings.feed_url,
                "keys": keys,
                "silence": self._watch.silence,
            }
            stream = Stream(
                link if number == 1 else f"{link} {number}",
                module,
                msgspec.json.encode(handed | wanted),
                on_data=on_data,
                on_status=on_status,
                watch=self._watch,
                secrets=(settings.token,),
            )
            self.streams.append(stream)
            await stream.start()

    async def _disconnect(self) -> None:
        for stream in self.streams:
            await stream.stop()
        self.streams = []


def keys_of(instruments: Sequence[Instrument]) -> list[tuple[int, str]]:
    """Segment and security id of each. Raises `DataError` for what has none, or is named twice."""
    keys = [(words.FEED_SEGMENT[each.segment], each.dhan_id) for each in instruments]
    names = [f"{segment}:{security}" if security.isdecimal() else "" for segment, security in keys]
    checks.each_once(instruments, names, "Dhan security id")
    return keys


def parted(keys: Sequence[T], size: int) -> list[Sequence[T]]:
    """`keys` in order, at most `size` for a socket."""
    return [keys[place : place + size] for place in range(0, len(keys), size)]
