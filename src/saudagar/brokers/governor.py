"""The rate governor that a broker's writing lane passes: never faster than the broker allows, exits first.

A broker counts writes in calendar seconds of its own clock, which is not ours, and a request takes its time to get
there. So the windows roll, one write is under way at a time, and a write is counted when its answer is in: whatever
the clocks and the network do, no second at the broker sees more than its window allows. Cancels and orders that reduce
a position go before entries, and a fifth of every window is kept for them: entries get 8 of 10.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from itertools import count

import msgspec

from saudagar.model import SECOND, Nanos
from saudagar.model.errors import RateLimited

_PENALTY: Nanos = SECOND  # of quiet after the broker itself asked for it
_PATIENCE = 3.0  # seconds; an order that waits longer was meant for another market

PATIENCE = 60.0
"""Seconds that a question may wait: nobody trades on its answer at once."""


class Window(msgspec.Struct, frozen=True):
    """At most `most` writes in any `period` (ns)."""

    period: Nanos
    most: int


class Governor:
    """Lets writes pass one at a time.

    Parameters
    ----------
    windows
        All that the broker publishes. What was sent before this process began is not known here.
    share
        The part of each window that entries may use.
    patience
        Seconds a write may wait; then it is refused with `RateLimited`, and nothing was sent.
    clock
        Nanoseconds that never go back.
    """

    def __init__(
        self,
        windows: Sequence[Window],
        *,
        share: float = 0.8,
        patience: float = _PATIENCE,
        clock: Callable[[], Nanos] = time.monotonic_ns,
    ) -> None:
        self._windows = [(window, max(1, int(window.most * share))) for window in windows]
        self._patience = patience
        self._clock = clock
        self._past: deque[Nanos] = deque(maxlen=max((window.most for window in windows), default=1))
        self._waiting: list[tuple[bool, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._under_way = False
        self._not_before: Nanos = 0
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def turn(self, *, urgent: bool) -> AsyncIterator[None]:
        """Wait for this write's turn; the write is made inside.

        Raises
        ------
        RateLimited
            After `patience` without a turn.
        """
        if self._waiting or self._under_way or self._wait(not urgent) > 0:
            await self._in_line(urgent)
        else:
            self._under_way = True
        try:
            yield
        finally:
            self._end()

    async def _in_line(self, urgent: bool) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (not urgent, next(self._numbers), turn))
        self._let_pass()
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # given up in the moment it came
                self._end()
            else:
                self._let_pass()
            if isinstance(error, TimeoutError):
                raise RateLimited(
                    f"too many calls: no room within {self._patience:g} s under the broker's limits. Nothing was sent."
                ) from None
            raise

    def _end(self) -> None:
        self._past.append(self._clock())
        self._under_way = False
        self._let_pass()

    def refused(self) -> None:
        """The broker has refused a write for speed: be quiet for a second."""
        self._not_before = self._clock() + _PENALTY

    def _let_pass(self) -> None:
        """Give the next in line its turn, or come back when there is one to give."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting and not self._under_way:
            entry, _, turn = self._waiting[0]
            if turn.done():  # given up
                heappop(self._waiting)
            elif (wait := self._wait(entry)) > 0:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(wait / SECOND, self._let_pass)
                return
            else:
                heappop(self._waiting)
                self._under_way = True
                turn.set_result(None)

    def _wait(self, entry: bool) -> Nanos:
        """Nanoseconds until one more write is allowed."""
        now, past = self._clock(), self._past
        wait = self._not_before - now
        for window, entries in self._windows:
            most = entries if entry else window.most
            if len(past) >= most:
                wait = max(wait, past[-most] + window.period - now)
        return wait


def of_writes(address: str | None, windows: Sequence[Window]) -> Governor | None:
    """What holds writes back; None at another `address` than the broker's own, where its seconds are not ours."""
    return Governor(windows) if address is None else None


def of_questions(address: str | None, windows: Sequence[Window], patience: float = PATIENCE) -> Governor | None:
    """The same for questions, of which none goes before another."""
    return Governor(windows, share=1.0, patience=patience) if address is None else None
