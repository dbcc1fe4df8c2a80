"""One market day being served: a day's tape through the matching core and out of the wire faces, at the desk's pace.

Each step has two halves. First the market moves: resting orders match, their updates go out, and in lock-step the
desk must have them. Then the step's ticks go out in one frame, the desk acts on them, and in lock-step the market
waits until the desk is idle again. `server.serve` makes one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, cast

import msgspec
from aiohttp import web

from saudagar.exchange.access import AccessToken
from saudagar.exchange.control import Control, Tokens, book
from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_conditional import Conditionals
from saudagar.exchange.core_member import Member
from saudagar.exchange.core_orders import Update
from saudagar.exchange.dhan import token as dhan_token
from saudagar.exchange.dhan.rest import DhanFace
from saudagar.exchange.dhan.site import DhanLimits, DhanSite
from saudagar.exchange.dhan.updates import OrderUpdates
from saudagar.exchange.face import Switches, Wire, listen
from saudagar.exchange.faults import FaultPlan
from saudagar.exchange.kite.limits import call_limits
from saudagar.exchange.kite.rest import KiteFace
from saudagar.exchange.kite.session import KiteSession
from saudagar.exchange.limits import Seconds
from saudagar.exchange.market_feed import DaySource
from saudagar.exchange.pace import MarketSign, Pacer
from saudagar.exchange.process import (
    ExchangeConfig,
    Ports,
)
from saudagar.exchange.square_off import SquareOff
from saudagar.exchange.streams import OrderStreams
from saudagar.exchange.tape import Tape
from saudagar.exchange.upstox import token as upstox_token
from saudagar.exchange.upstox.feed import UpstoxFeed
from saudagar.exchange.upstox.masters import segment_word
from saudagar.exchange.upstox.rest import UpstoxFace
from saudagar.exchange.upstox.site import UpstoxSite
from saudagar.exchange.upstox.site import limits as upstox_limits
from saudagar.market.ist import at, midnight
from saudagar.market.session_tables import PhaseKind
from saudagar.market.sessions import Calendar
from saudagar.model import SECOND, Nanos, Tick
from saudagar.model.errors import DataError, SaudagarError

_STATUS: dict[PhaseKind | None, str] = {
    None: "NORMAL_CLOSE",
    PhaseKind.PRE_OPEN: "PRE_OPEN_START",
    PhaseKind.PRE_OPEN_LIMIT: "PRE_OPEN_START",
    PhaseKind.PRE_OPEN_MATCH: "PRE_OPEN_END",
    PhaseKind.BUFFER: "PRE_OPEN_END",
    PhaseKind.CONTINUOUS: "NORMAL_OPEN",
    PhaseKind.CLOSE_REFERENCE: "NORMAL_CLOSE",
    PhaseKind.CLOSE_ENTRY: "NORMAL_CLOSE",
    PhaseKind.CLOSE_LIMIT: "NORMAL_CLOSE",
    PhaseKind.CLOSE_MATCH: "NORMAL_CLOSE",
    PhaseKind.POST_CLOSE: "CLOSING_START",
}


class RunningExchange:
    """One market day being served. Made by `serve`.

    Parameters
    ----------
    monotonic
        The clock on the wall (ns), by which reads are counted, and writes while the market does not move.

    Attributes
    ----------
    core
        The matching core; tests look into it.
    ports
        Where the faces listen.
    finished
        Set after the last step of the day; the sockets stay open until `stop`.
    """

    def __init__(
        self,
        source: DaySource,
        config: ExchangeConfig,
        calendar: Calendar,
        monotonic: Callable[[], Nanos] = time.monotonic_ns,
    ) -> None:
        account = config.account
        closes = {each.id: source.previous_close(each.id) for each in source.instruments}
        self.config = config
        self._monotonic = monotonic
        seconds = Seconds(self._second, self._wall_second)
        self.ports = Ports()
        self.finished = asyncio.Event()
        self.stopped = asyncio.Event()
        if strangers := account.holdings.keys() - closes.keys():
            raise DataError(f"holdings: {', '.join(sorted(strangers))} does not trade on this day.")
        self.core = MatchingCore(
            source.instruments,
            calendar,
            capital=account.capital,
            previous_close=closes,
            holdings=account.holdings,
            standing_leave=account.ddpi,
        )
        self.wire = Wire(FaultPlan.from_json(msgspec.json.encode(config.faults)))
        self.tape = Tape(source.instruments, closes.__getitem__, midnight(source.day))
        self.conditionals = Conditionals(self.core, lambda kind: self._member(kind.partition(".")[0]))
        self.switches = {"dhan": Switches(), "upstox": Switches(), "kite": Switches()}
        access = AccessToken(
            account.dhan_token,
            ends=dhan_token.expiry,
            now=lambda: self.core.now,
            switches=self.switches["dhan"],
            issued=at(source.day - timedelta(days=1), account.dhan_issued) if account.dhan_issued else 0,
        )
        self._dhan_updates = OrderUpdates(
            self.wire,
            client_id=account.client_id,
            access=access,
            last=self.core.last,
            changed=self._look,
            joined=self._joined,
            foreign=self._foreign,
        )
        upstox_access = AccessToken(
            account.upstox_token,
            ends=upstox_token.expiry,
            now=lambda: self.core.now,
            switches=self.switches["upstox"],
        )
        self.feed = UpstoxFeed(self.tape, self.wire, access=upstox_access, statuses=self._statuses)
        self.upstox = UpstoxFace(
            UpstoxSite(
                self._member("upstox"),
                self.wire,
                self.tape,
                self.conditionals,
                source,
                publish=self._tell,
                limits=upstox_limits(config.writes_per_second, seconds, reads=config.read_limits),
                switches=self.switches["upstox"],
                holdings=account.holdings,
                access=upstox_access,
            ),
            self.feed,
            key=account.upstox_key,
            secret=account.upstox_secret,
            renew=lambda token: self._renew(Tokens(upstox=token)),
            changed=self._look,
            joined=self._joined,
        )
        self.kite = KiteFace(
            self._member("kite"),
            self.wire,
            self.tape,
            self.conditionals,
            session=KiteSession(
                key=account.kite_key,
                secret=account.kite_secret,
                token=account.kite_token,
                redirect=account.kite_redirect,
                now=lambda: self.core.now,
            ),
            user=account.kite_user,
            history=source.history,
            limits=call_limits(config.writes_per_second, seconds, reads=config.read_limits),
            switches=self.switches["kite"],
            holdings=account.holdings,
            subscribed=self.feed.subscribed.set,
            changed=self._look,
            joined=self._joined,
        )
        self.feed.others.append(self.kite.ticker.collect)
        self.updates = OrderStreams(self._dhan_updates, self.kite.ticker, self.upstox.portfolio)
        self.pacer = Pacer(lockstep=config.lockstep, speed=config.speed, sent=lambda: self.updates.sent)
        self.dhan = DhanFace(
            DhanSite(
                self._member("dhan"),
                self.wire,
                self.tape,
                self.conditionals,
                source,
                publish=self._tell,
                foreign=self._foreign,
                limits=DhanLimits(config.writes_per_second, seconds, reads=config.read_limits),
                switches=self.switches["dhan"],
                holdings=account.holdings,
                client_id=account.client_id,
                access=access,
            ),
            self._dhan_updates,
            key=account.dhan_key,
            secret=account.dhan_secret,
            pin=account.dhan_pin,
            address=account.dhan_redirect,
            renew=lambda token: self._renew(Tokens(dhan=token)),
            subscribed=self.feed.subscribed.set,
        )
        self.square_off = SquareOff(self.core, source.day, (self.upstox.desk, self.kite, self.dhan.desk))
        self.feed.others += [self.dhan.feed.publish, self.dhan.depth.publish, self.dhan.full_depth.publish]
        self.control = Control(
            self.wire,
            self.pacer,
            state=self.state,
            sign=self._sign,
            renew=self._renew,
            disconnect=self._disconnect,
            stop=self.stopped.set,
            switches=self.switches,
        )
        self.steps = 0
        self._source = source
        self._calendar = calendar
        self._segments = sorted({each.segment for each in source.instruments})
        self._runners: list[web.AppRunner] = []
        self._market: asyncio.Task[None] | None = None

    def _member(self, name: str) -> MatchingCore:
        """The core as the account of that broker sees it."""
        return cast("MatchingCore", Member(self.core, name)) if self.config.separate else self.core

    async def start(self) -> None:
        """Listen on all ports and let the market begin.

        Raises
        ------
        SaudagarError
            If a port cannot be had; nothing is left open.
        """
        wanted = self.config.ports
        faces = (
            (self.upstox.application(), wanted.upstox),
            (self.dhan.application(), wanted.dhan),
            (self.kite.application(), wanted.kite),
            (self.control.application(), wanted.control),
        )
        ports = []
        for app, port in faces:
            try:
                runner, got = await listen(app, self.config.host, port)
            except OSError as error:
                await self.stop()
                raise SaudagarError(f"cannot listen on {self.config.host}:{port}: {error.strerror}.") from None
            self._runners.append(runner)
            ports.append(got)
        self.ports = Ports(upstox=ports[0], dhan=ports[1], kite=ports[2], control=ports[3])
        self._market = asyncio.create_task(self._run())
        self._market.add_done_callback(self._ended)

    def _ended(self, market: asyncio.Task[None]) -> None:
        if not market.cancelled() and market.exception() is not None:
            self.stopped.set()

    async def stop(self) -> None:
        """Close every socket and forget the rest of the day. Raises what the market died of, if it did."""
        market = self._market
        if market is not None:
            market.cancel()
        self._disconnect()
        await self.control.close()
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))
        self.stopped.set()
        if market is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await market

    async def _run(self) -> None:
        steps = iter(self._source.steps())
        first = next(steps, None)
        if first is None:
            raise DataError("the day has no steps.")
        opening = first[0] - self._source.step_ns
        self.core.advance(opening)
        self.tape.now = opening
        if self.config.hold:
            await self.feed.subscribed.wait()
        await self._step(*first)
        for ts, ticks in steps:
            await self._step(ts, ticks)
        self.finished.set()
        await self.control.announce()

    async def _step(self, ts: Nanos, ticks: Sequence[Tick]) -> None:
        await self.pacer.before(ts)
        updates = [*self.core.advance(ts, ticks), *self.conditionals.advance(ticks)]
        updates += [*self.square_off.advance(), *self.dhan.advance()]
        told = bool(updates or self.conditionals.changed)
        if told:
            self._tell(updates)
        self.kite.advance()
        if told:
            await self.pacer.settle()
        self.steps += 1
        arrived = await self.feed.publish(ts, ticks)
        if await self.kite.ticker.send() and arrived:
            self._check_lockstep(ts)
            await self.pacer.settle(ts)
        else:
            await asyncio.sleep(0)  # nothing was sent, nobody will answer; but the sockets must be read

    def _check_lockstep(self, ts: Nanos) -> None:
        if self.config.lockstep and ts % SECOND and self.kite.ticker.feeding:
            raise DataError(f"a desk fed by Kite can only follow steps of whole seconds, got one at {ts} ns.")

    def _tell(self, updates: Sequence[Update]) -> None:
        self.updates.publish(updates)
        self.upstox.publish_gtt(self.conditionals.take_changes())

    def _foreign(self, exchange_id: str) -> bool:
        return self.kite.ticker.owns(exchange_id) or self.upstox.portfolio.owns(exchange_id)

    def _look(self) -> None:
        self.pacer.look()

    def _joined(self) -> None:
        self.pacer.forget()

    def _second(self) -> int:
        """Which second counts for rate limits: the market's while it runs, else the wall's."""
        if self.steps and not self.finished.is_set():
            return self.core.now // SECOND
        return self._wall_second()

    def _wall_second(self) -> int:
        return self._monotonic() // SECOND

    def _statuses(self) -> dict[str, str]:
        now = self.core.now
        return {segment_word(each): _STATUS[self._calendar.phase_at(each, now)] for each in self._segments}

    def _sign(self) -> MarketSign:
        return MarketSign(self.tape.now, self.config.lockstep, self.finished.is_set())

    def _renew(self, tokens: Tokens) -> None:
        if tokens.dhan is not None:
            self.dhan.token = tokens.dhan
        if tokens.upstox is not None:
            self.upstox.token = tokens.upstox
        if tokens.kite is not None:
            self.kite.session.renew(tokens.kite)

    def _disconnect(self) -> None:
        self.feed.disconnect()
        self.dhan.disconnect()
        self.updates.disconnect()

    def state(self) -> dict[str, Any]:
        """What `GET /state` answers; times in UTC ns, money in paise."""
        return {
            "day": self._source.day.isoformat(),
            "now": self.core.now,
            "done": self.finished.is_set(),
            "lockstep": self.config.lockstep,
            "attached": self.pacer.attached,
            "steps": self.steps,
            "frames": self.feed.frames,
            "kite_frames": self.kite.ticker.frames,
            "updates": self.updates.total,
            "acks": self.pacer.acks,
            "calls": dict(self.wire.calls),
            **book(self.core),
        }
