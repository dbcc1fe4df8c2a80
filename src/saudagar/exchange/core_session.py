"""Which phase each class of instruments is in, and what may be asked of the exchange in it.

`core.MatchingCore` asks `SessionClock.advance` at every step; between two boundaries that is one comparison.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Protocol, TypeAlias

from saudagar.exchange.core_orders import Refusal
from saudagar.market.ist import DAY, ist_day, midnight
from saudagar.market.sessions import Phase, PhaseKind
from saudagar.model import Instrument, InstrumentKind, Nanos, OrderTerms, OrderType, Segment, Validity

SessionClass: TypeAlias = tuple[Segment, bool, bool]
"""Instruments that share one timetable: segment, closing auction, option."""

Change: TypeAlias = tuple[Nanos, SessionClass, PhaseKind | None]


class SessionCalendar(Protocol):
    """What the exchange asks of a calendar; `saudagar.market.sessions.Calendar` is one."""

    def phases_of(self, instrument: Instrument, day: date) -> Sequence[Phase]: ...


_LIMIT = frozenset({OrderType.LIMIT})
_CALL = frozenset({OrderType.LIMIT, OrderType.MARKET})

# phase → order types taken in it; a phase that is not here takes none (NSE/CMTR/74969, NSE/CMTR/74466)
_TAKEN: dict[PhaseKind | None, frozenset[OrderType]] = {
    PhaseKind.PRE_OPEN: _CALL,
    PhaseKind.PRE_OPEN_LIMIT: _LIMIT,
    PhaseKind.CONTINUOUS: frozenset(OrderType),
    PhaseKind.CLOSE_ENTRY: _CALL,
    PhaseKind.CLOSE_LIMIT: _LIMIT,
}


class SessionClock:
    """The phases of all instruments, as far as market time has come.

    The post-close session is not simulated: it counts as closed.
    """

    def __init__(self, calendar: SessionCalendar, instruments: Iterable[Instrument]) -> None:
        self.next_change: Nanos = 0
        self._calendar = calendar
        self._members = {class_of(each): each for each in instruments}
        self._phases: dict[SessionClass, PhaseKind | None] = dict.fromkeys(self._members)
        self._day_end: Nanos = 0
        self._ahead: list[Change] = []

    @property
    def day_start(self) -> Nanos:
        """Midnight IST of the day that market time is in, UTC ns."""
        return self._day_end - DAY

    def phase(self, instrument: Instrument) -> PhaseKind | None:
        """The phase of `instrument` now, None in closed hours."""
        return self._phases[class_of(instrument)]

    def advance(self, ts: Nanos) -> list[Change]:
        """The changes up to and including `ts` (UTC ns), in time order; the caller lets each in with `enter`.

        Raises
        ------
        CalendarError
            If the calendar does not know the day; nothing has changed then.
        """
        if ts < self._day_end:
            return self._pass(ts)
        day = ist_day(ts)
        following = self._changes_of(day)  # may raise: before anything has moved
        passed = self._pass(ts)
        self._ahead, self._day_end = following, midnight(day) + DAY
        return passed + self._pass(ts)

    def enter(self, change: Change) -> None:
        """Let `phase` answer as of `change`."""
        self._phases[change[1]] = change[2]

    def _pass(self, ts: Nanos) -> list[Change]:
        count = sum(1 for change in self._ahead if change[0] <= ts)
        passed, self._ahead = self._ahead[:count], self._ahead[count:]
        self.next_change = self._ahead[0][0] if self._ahead else self._day_end
        return passed

    def _changes_of(self, day: date) -> list[Change]:
        changes: list[Change] = []
        for key, instrument in self._members.items():
            phases = [phase for phase in self._calendar.phases_of(instrument, day) if _simulated(phase)]
            starts = {phase.start for phase in phases}
            changes += [(phase.start, key, phase.kind) for phase in phases]
            changes += [(phase.end, key, None) for phase in phases if phase.end not in starts]
        return sorted(changes, key=lambda change: change[0])


def class_of(instrument: Instrument) -> SessionClass:
    """The class that `instrument` belongs to."""
    return instrument.segment, instrument.closing_auction, instrument.kind is InstrumentKind.OPTION


def check_session(phase: PhaseKind | None, terms: OrderTerms, validity: Validity, after_market: bool) -> None:
    """Whether an order may be entered or changed in `phase`.

    Raises
    ------
    Refusal
        ``session``; ``order`` for an after-market order that is IOC.
    """
    if after_market:
        if phase is not None:
            raise Refusal("session", f"after-market orders are taken while the market is closed; it is in {phase}.")
        if validity is Validity.IOC:
            raise Refusal("order", "an after-market order cannot be IOC.")
        return
    taken = _TAKEN.get(phase)
    if taken is None:
        raise Refusal("session", f"the market takes no orders now ({phase or 'closed'}).")
    if terms.order_type not in taken:
        raise Refusal("session", f"{terms.order_type} orders are not taken in {phase}; allowed: {_words(taken)}.")
    if validity is Validity.IOC and phase is not PhaseKind.CONTINUOUS:
        raise Refusal("session", f"IOC orders are not taken in {phase}.")


def check_cancel(phase: PhaseKind | None) -> None:
    """Whether an order in the market may be withdrawn in `phase`: while an auction finds its price nothing changes.

    BSE's session timings and NSE's pre-open FAQ say so of matching; buffer and reference minutes take no orders either.

    Raises
    ------
    Refusal
        ``session``.
    """
    if phase is not None and phase not in _TAKEN:
        raise Refusal("session", f"orders cannot be withdrawn now ({phase}).")


def prints_close(phase: PhaseKind | None) -> bool:
    """Whether the closing auction's print may come in `phase`: it closes at random in the limit-only minutes."""
    return phase in (PhaseKind.CLOSE_LIMIT, PhaseKind.CLOSE_MATCH)


def market_orders_stand(phase: PhaseKind | None) -> bool:
    """Whether market orders may not be touched now: in the limit-only minutes of an auction."""
    return _TAKEN.get(phase) is _LIMIT


def _simulated(phase: Phase) -> bool:
    return phase.kind is not PhaseKind.POST_CLOSE


def _words(types: frozenset[OrderType]) -> str:
    return ", ".join(sorted(types))
