"""What the parts of the engine share: state, time, prices, and the step that is being made."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import date

from saudagar.engine.guard import NEVER
from saudagar.engine.settings import Settings
from saudagar.engine.state import APPLY, State
from saudagar.execution.effects import Effect
from saudagar.execution.ports import InstrumentLookup
from saudagar.execution.steering import NO_BAND, Band
from saudagar.market.sessions import Calendar, continuous
from saudagar.model import Instrument, InstrumentId, Nanos, Paise, PositionId, Source
from saudagar.model import events as ev
from saudagar.model.errors import UnknownInstrument
from saudagar.portfolio import Position, Trade


class Line:
    """One instrument of the desk: its rules, its newest price, and the hours in which that was found to be open."""

    __slots__ = ("band", "closes", "instrument", "last", "opens", "ts")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.last: Paise = 0  # the latest price; 0 if there was none
        self.ts: Nanos = 0  # of that price
        self.opens: Nanos = 0
        self.closes: Nanos = 0
        self.band: Band = NO_BAND  # of prices that the exchange takes, once it has refused one


class _Lines(dict[InstrumentId, Line]):
    """Made as they are asked for."""

    def __init__(self, instruments: InstrumentLookup) -> None:
        super().__init__()
        self._instruments = instruments

    def __missing__(self, instrument: InstrumentId) -> Line:
        line = self[instrument] = Line(self._instruments.get(instrument))
        return line


class Core:
    """The engine's common ground. `emit` is the only way anything changes."""

    def __init__(
        self,
        settings: Settings,
        instruments: InstrumentLookup,
        calendar: Calendar,
        state: State,
        costs: Callable[[Trade], Paise],
    ) -> None:
        self.settings = settings
        self._lines = _Lines(instruments)
        self.line = self._lines.__getitem__  # what the desk knows of an instrument; raises `UnknownInstrument`
        self.calendar = calendar
        self.state = state
        self.costs = costs
        self.now: Nanos = 0
        self.day: date | None = None
        self.span: tuple[Nanos, Nanos] = (0, 0)  # of the day: a time outside is a garbled message
        self.window: tuple[Nanos, Nanos] = (0, 0)  # from when to when (the end excluded) positions may be opened
        self.events: list[ev.Event] = []
        self.effects: list[Effect] = []
        self.blocked: dict[str, str] = {}  # by link: why nothing new may be opened, e.g. a refused token
        self.broker_holds: dict[InstrumentId, int] = {}  # signed units, where the broker's book differs from ours
        self.touched: dict[PositionId, None] = {}  # to be steered at the end of this step, in order
        self.strange: set[InstrumentId] = set()  # held or wanted, and not in today's master: nothing can be done there
        self.due: Nanos = NEVER  # when the next of what was put off is to be done
        self._deadlines: list[tuple[Nanos, int, Callable[[], None]]] = []
        self._counter = 0

    def emit(self, event: ev.Event) -> None:
        """Let `event` have happened."""
        APPLY[type(event)](self.state, event)
        self.events.append(event)

    def alert(self, level: str, message: str) -> None:
        """Tell people. `level` is info, warning or critical."""
        self.emit(ev.Alerted(ts=self.now, level=level, message=message))

    def instrument(self, instrument: InstrumentId) -> Instrument:
        """Raises `UnknownInstrument`."""
        return self.line(instrument).instrument

    def isin(self, instrument: InstrumentId) -> str:
        """Empty where it has none, or is not in today's master."""
        try:
            return self.instrument(instrument).isin
        except UnknownInstrument:
            return ""

    def last(self, instrument: InstrumentId) -> Paise:
        """The latest price, paise; 0 if there was none."""
        line = self._lines.get(instrument)
        return line.last if line is not None else 0

    def is_open(self, line: Line) -> bool:
        """Whether the instrument trades continuously now."""
        if not line.opens <= self.now < line.closes:
            line.opens, line.closes = self.calendar.window(line.instrument, self.now) or (0, 0)
        return line.closes > 0

    def next_opening(self, instrument: InstrumentId) -> Nanos:
        """When the instrument begins to trade again on this day; 0 if it does not, or is not in today's master."""
        if self.day is None or instrument in self.strange:
            return 0
        phases = self.calendar.phases_of(self.instrument(instrument), self.day)
        return min((start for start, _ in continuous(phases) if start > self.now), default=0)

    def set_target(self, position: Position, quantity: int, reason: str, source: Source, key: str = "") -> None:
        """Change only where `position` should be; plan and price of the decision stay."""
        self.emit(
            ev.TargetSet(
                ts=self.now,
                position=position.id,
                quantity=quantity,
                reason=reason,
                source=source,
                protection=position.planned,
                reference=position.reference,
                key=key,
            )
        )
        self.touch(position.id)

    def touch_all(self) -> None:
        """Have every position steered that holds, wants or has orders."""
        state = self.state
        for position in state.positions.values():
            if position.quantity or position.target or state.working.get(position.id):
                self.touch(position.id)

    def touch(self, position: PositionId) -> None:
        """Have `position` steered at the end of this step."""
        self.touched[position] = None

    def later(self, when: Nanos, action: Callable[[], None]) -> None:
        """Do `action` in the first step whose time is not before `when`."""
        self._counter += 1
        heapq.heappush(self._deadlines, (when, self._counter, action))
        self.due = self._deadlines[0][0]

    def do_due(self) -> None:
        """Do what was put off until now."""
        deadlines, now = self._deadlines, self.now
        while deadlines and deadlines[0][0] <= now:
            heapq.heappop(deadlines)[2]()
        self.due = deadlines[0][0] if deadlines else NEVER
