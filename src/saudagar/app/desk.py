"""One trading day of one desk, from the journal's replay to the closing report.

Puts together engine, journal, venue, view and report, and owns what is left of them: warm-up, the live view's
snapshot, a clean end on Ctrl-C.
"""

from __future__ import annotations

import asyncio
import signal
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from math import ceil
from pathlib import Path
from time import perf_counter

from saudagar import __version__
from saudagar.app.awake import Awake
from saudagar.app.compose import costs_of, settings_of
from saudagar.app.config import DeskConfig
from saudagar.app.control import ControlServer
from saudagar.app.narrate import narrate
from saudagar.app.recording import recording
from saudagar.app.report import DayReport, RunFacts, build
from saudagar.app.sale_leave import reminder
from saudagar.app.venues import Venue
from saudagar.app.view import EVENTS, DeskView, PositionRow, Screen
from saudagar.app.wording import long_date
from saudagar.engine.analysis import Need
from saudagar.engine.clock import wall_clock
from saudagar.engine.engine import Engine
from saudagar.engine.runner import Runner
from saudagar.engine.state import State
from saudagar.execution.ports import InstrumentLookup, LinkState
from saudagar.market.ist import midnight
from saudagar.market.sessions import Calendar
from saudagar.model import ClientOrderId, DayEnded, Instrument, Nanos, Order, OrderStatus
from saudagar.model.errors import AuthError, ConfigError, JournalError, JournalInUse, UnknownInstrument
from saudagar.model.events import Event
from saudagar.storage.journal import SqliteJournal
from saudagar.storage.journal_file import Lock

JOURNAL = "journal.db"
_TRADING_DAY = timedelta(hours=6, minutes=15)
_VIEW_SECONDS = 0.1


class Desk:
    """A desk in a venue, for one day.

    Parameters
    ----------
    command
        What the user typed, for the report.
    say
        Told what became of the ticks, where they are recorded.
    """

    def __init__(
        self,
        config: DeskConfig,
        venue: Venue,
        *,
        title: str,
        command: str,
        seed: int | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._config = config
        self._venue = venue
        self._title = title
        self._command = command
        self._seed = seed
        self._say = say
        self._said: deque[tuple[Nanos, str]] = deque(maxlen=EVENTS)
        self._orders: Mapping[ClientOrderId, Order] = {}
        self._began = perf_counter()
        self.interrupted = False

    async def trade(self, screen: Screen) -> DayReport:
        """Trade the day and report on it.

        Raises
        ------
        SaudagarError
            Nothing could be traded, or trading had to stop; the journal holds what happened until then.
        """
        config, venue = self._config, self._venue
        directory = config.directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"the desk's directory {directory} cannot be made: {error.strerror}.") from None
        if venue.fresh and (kept := _set_aside(directory / JOURNAL)):
            self._say(f"This market begins anew, and so does the journal; the one before is {kept}.")
        journal = SqliteJournal(directory / JOURNAL, wall_clock)
        try:
            await venue.open()
            with recording(
                config, venue.day, venue.calendar, anew=venue.fresh, over=lambda: not self.interrupted, say=self._say
            ) as self._on_frame:
                return await self._trade(journal, screen)
        finally:
            await venue.close()
            journal.close()

    async def _trade(self, journal: SqliteJournal, screen: Screen) -> DayReport:
        venue = self._venue
        settings = settings_of(self._config, venue.resolve, venue.day, venue.calendar)
        state = State.replay(entry.event for entry in journal.entries())
        self._orders = state.orders
        charges, costs = costs_of(self._config, venue.instruments.get, state.orders)
        watched = [*venue.watched(), *_held(state, venue.instruments)]
        engine = Engine(settings, venue.instruments, venue.calendar, state, costs, [each.id for each in watched])
        runner = Runner(
            engine, journal, venue.broker, on_events=self._note, on_frame=self._on_frame, price_band=venue.price_band
        )
        now = await venue.now()
        await self._warm_up(engine, now)
        ids = dict.fromkeys((*(i for plan in settings.plans for i in plan.instruments), *(each.id for each in watched)))
        self._began = perf_counter()
        with screen, Awake(self._config.desk.keep_awake) as awake:
            if awake.why_not:
                self._said.append((now, f"keep_awake does nothing, {awake.why_not}"))
            await self._run(runner, engine, now, [venue.instruments.get(i) for i in ids], screen, awake)
        facts = RunFacts(
            title=self._title,
            command=self._command,
            version=__version__,
            config=settings.digest,
            seed=self._seed,
            journal=str(self._config.directory / JOURNAL),
            report=str(self._config.directory / f"report-{venue.day}.html"),
            seconds=perf_counter() - self._began,
            ticks=runner.ticks,
            refused=self._refused(engine),
        )
        return build(state, facts, charges, runner.submitted.samples)

    async def _run(
        self,
        runner: Runner,
        engine: Engine,
        now: Nanos,
        instruments: Sequence[Instrument],
        screen: Screen,
        awake: Awake,
    ) -> None:
        loop = asyncio.get_running_loop()
        await self._venue.connect(runner, instruments)
        self._check_tokens()
        trading = asyncio.create_task(runner.run(engine.start(self._venue.day, now)), name="desk")
        market = asyncio.create_task(self._venue.trade(runner), name="market")
        view = asyncio.create_task(self._show(runner, engine, screen), name="view")
        rehearsal = asyncio.create_task(self._rehearse(awake, engine), name="rehearsal")
        leave = asyncio.create_task(self._remind(engine), name="leave to sell")
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._interrupt, market)
        try:
            async with ControlServer(
                self._config.directory, runner, self._venue.broker, lambda name: self._venue.resolve(name).id
            ):
                await asyncio.wait({trading, market}, return_when=asyncio.FIRST_COMPLETED)
            if not trading.done():
                with suppress(asyncio.CancelledError):
                    await market
                if not self.interrupted:
                    runner.put(DayEnded(engine.now))
                runner.stop()
            await trading
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
            others = (market, view, rehearsal, leave, trading)
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            screen.show(lambda: self._snapshot(runner, engine), last=True)

    async def _rehearse(self, awake: Awake, engine: Engine) -> None:
        """Only speed is lost where it fails."""
        try:
            await awake.rehearse()
        except Exception as error:
            self._said.append((engine.now, f"keep_awake keeps no caches warm: {type(error).__name__}: {error}"))

    async def _remind(self, engine: Engine) -> None:
        if text := await reminder(engine, self._venue.broker):
            self._said.append((engine.now, text))

    def _check_tokens(self) -> None:
        """Refuse to begin the day with a login that no broker takes."""
        brokers = {"feed": self._config.data.broker, "orders": self._config.orders.broker}
        refused = [brokers[link] for link, state in self._venue.links.items() if state is LinkState.AUTH]
        if refused:
            names = " and ".join(f"SAUDAGAR_{broker.upper()}_TOKEN" for broker in refused)
            raise AuthError(
                f"{' and '.join(map(str.capitalize, refused))} refused the token.",
                hint=f"Log in there, set {names} anew (tokens last a day), and start again.",
            )

    def _interrupt(self, market: asyncio.Task[None]) -> None:
        """Ctrl-C: stop taking ticks. What rests at the broker stays there."""
        self.interrupted = True
        market.cancel()

    async def _warm_up(self, engine: Engine, now: Nanos) -> None:
        needs = engine.analysis.needs()
        for need in needs:
            instrument = self._venue.instruments.get(need.instrument)
            first = first_day(self._venue.calendar, instrument, self._venue.day, need)
            bars = await self._venue.bars(instrument, need.interval, midnight(first), now)
            engine.analysis.warm(need.instrument, need.interval, bars)

    def _note(self, events: Iterable[Event]) -> None:
        for event in events:
            if text := narrate(event, self._orders):
                self._said.append((event.ts, text))

    def _refused(self, engine: Engine) -> dict[str, int]:
        counts = dict(self._venue.refusals())
        for kind, count in (*engine.screen.counts.items(), *engine.analysis.odd_ticks().items()):
            if count:
                counts[kind] = counts.get(kind, 0) + count
        return counts

    # -- what the screen shows -----------------------------------------------------------------------------------

    async def _show(self, runner: Runner, engine: Engine, screen: Screen) -> None:
        while True:
            screen.show(lambda: self._snapshot(runner, engine))
            await asyncio.sleep(_VIEW_SECONDS)

    def _snapshot(self, runner: Runner, engine: Engine) -> DeskView:
        state, venue, watch = engine.state, self._venue, engine.watch
        begin, end = venue.span
        orders = state.orders.values()
        seconds = perf_counter() - self._began
        measured = runner.submitted.count > 0
        return DeskView(
            title=f"{self._title} · {long_date(venue.day)}",
            now=engine.now,
            progress=min(1.0, max(0.0, (engine.now - begin) / (end - begin))),
            state=state.trading,
            feed=venue.links["feed"],
            orders_link=venue.links["orders"],
            positions=_rows(state, engine),
            realised=watch.realised,
            unrealised=watch.open_profit,
            charges=watch.charges,
            trades=len(state.trades),
            sent=runner.orders_sent,
            working=sum(len(ids) for ids in state.working.values()),
            unknown=sum(order.status is OrderStatus.UNKNOWN for order in orders),
            ticks=runner.ticks,
            ticks_per_second=runner.ticks / seconds if seconds else 0.0,
            p50=runner.submitted.quantile(0.5) if measured else None,
            p99=runner.submitted.quantile(0.99) if measured else None,
            events=tuple(self._said),
        )


def _set_aside(journal: Path) -> Path | None:
    """A market that begins anew needs a journal that does; the former one is kept until the next time.

    Returns where, or None if there was none.

    Raises `JournalInUse` while another desk writes it: that desk could no longer be halted.
    """
    if not journal.exists():
        return None
    try:
        Lock(journal).release()
    except JournalInUse:
        raise
    except JournalError:  # damaged: set aside like any other
        pass
    for path in journal.parent.glob(f"{journal.name}*"):
        path.replace(journal.parent / path.name.replace(journal.stem, f"{journal.stem}-before", 1))
    return journal.with_stem(f"{journal.stem}-before")


def _held(state: State, instruments: InstrumentLookup) -> list[Instrument]:
    """What a journal still holds or has orders for, also where no strategy of today's file trades it."""
    names = [p.instrument for p in state.positions.values() if p.quantity or p.target or state.working.get(p.id)]
    found = []
    for name in dict.fromkeys(names):
        with suppress(UnknownInstrument):  # the engine tells
            found.append(instruments.get(name))
    return found


def _rows(state: State, engine: Engine) -> list[PositionRow]:
    return [
        PositionRow(
            strategy=position.strategy,
            symbol=position.instrument.partition(":")[2],
            quantity=position.quantity,
            average=position.average_price,
            ltp=engine.price(position.instrument),
            stop=position.stop,
            target=position.target_price,
            unrealised=position.profit(engine.price(position.instrument)),
        )
        for position in state.positions.values()
        if position.quantity
    ]


def first_day(calendar: Calendar, instrument: Instrument, day: date, need: Need) -> date:
    """The session from which history must be fetched so that `need` is met before `day` opens."""
    per_session = max(1, int(_TRADING_DAY.total_seconds() * 1e9) // need.interval)
    sessions = max(need.days, ceil(need.bars / per_session))
    for _ in range(sessions + 1 if sessions else 0):
        day = calendar.previous_session(instrument.segment, day)
    return day
