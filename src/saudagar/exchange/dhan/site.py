"""What the parts of the Dhan face share: the market, the account, and who may call what how often.

Limits of Dhan's documentation: 10 order requests a second since 2026-03-21 (250 a minute, 1,000 an hour and 7,000 a
day from its older table), data 5 a second and 100,000 a day, quotes 1 a second, the option chain once in 3 seconds,
everything else 20 a second.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import web

from saudagar.exchange.access import AccessToken
from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_conditional import Conditionals
from saudagar.exchange.core_orders import Refusal, Update
from saudagar.exchange.dhan import errors
from saudagar.exchange.dhan.requests import look_up
from saudagar.exchange.dhan.shapes import SEGMENT
from saudagar.exchange.face import Handler, Switches, Wire, json_response
from saudagar.exchange.limits import CallLimit, Limits, Seconds
from saudagar.exchange.market_feed import DaySource
from saudagar.exchange.order_desk import OrderDesk
from saudagar.exchange.tape import Line, Tape
from saudagar.model import Instrument, InstrumentId

_DAY = 86_400
_READS: Mapping[str, Limits] = {
    "data": ((1, 5), (_DAY, 100_000)),
    "quote": ((1, 1),),
    "chain": ((3, 1),),
    "other": ((1, 20),),
}


class DhanLimits:
    """Dhan's windows: orders on the clock of the market, the rest on the wall.

    Parameters
    ----------
    per_second
        Order requests; 0 switches all their windows off.
    reads
        Whether the rest is counted at all.
    """

    def __init__(self, per_second: int, seconds: Seconds, *, reads: bool) -> None:
        windows = ((1, per_second), (60, 250), (3_600, 1_000), (_DAY, 7_000)) if per_second else ()
        self.writes = CallLimit(windows, seconds.market)
        self._reads = {kind: CallLimit(limits if reads else (), seconds.wall) for kind, limits in _READS.items()}

    def allows(self, kind: str) -> bool:
        """Take one read of `kind`: data, quote, chain or other."""
        return self._reads[kind].allows()


class DhanSite:
    """Shared by the parts of the face.

    Parameters
    ----------
    publish
        Tells the order streams of every change.
    foreign
        Whether an order came in through another broker's face.
    holdings
        Shares in the demat account (units).
    """

    def __init__(
        self,
        core: MatchingCore,
        wire: Wire,
        tape: Tape,
        conditionals: Conditionals,
        source: DaySource,
        *,
        publish: Callable[[Sequence[Update]], None],
        foreign: Callable[[str], bool],
        limits: DhanLimits,
        switches: Switches,
        holdings: Mapping[InstrumentId, int],
        client_id: str,
        access: AccessToken,
    ) -> None:
        self.core = core
        self.wire = wire
        self.tape = tape
        self.conditionals = conditionals
        self.source = source
        self.limits = limits
        self.switches = switches
        self.holdings = holdings
        self.client_id = client_id
        self.access = access
        self.killed = False
        self.desk = OrderDesk(core, conditionals, name="dhan", mark="9", foreign=foreign)
        lines = tape.lines.values()
        self.by_id = {(SEGMENT[line.instrument.segment], line.instrument.dhan_id): line for line in lines}
        self._publish = publish

    def write(self, handler: Callable[[web.Request], Awaitable[object]]) -> Handler:
        """`handler` as an order request: from a registered address, within the limits, told on the streams.

        What it returns is sent as JSON, unless it is an answer already.
        """

        async def write(request: web.Request) -> web.StreamResponse:
            if self.switches.wrong_ip:
                return errors.error("DH-911", "Invalid IP")
            if not self.limits.writes.allows():
                return errors.too_many()
            try:
                answer = await handler(request)
            finally:
                self.tell()
            return answer if isinstance(answer, web.StreamResponse) else json_response(answer)

        return write

    def tell(self) -> None:
        """Let the streams hear what has happened."""
        self._publish(self.desk.drain())

    def instrument(self, segment: str, security_id: str | int) -> Instrument:
        """Raises `BadInput`."""
        return self.line(segment, security_id).instrument

    def line(self, segment: str, security_id: str | int) -> Line:
        """Raises `BadInput`."""
        return look_up(self.by_id, (segment, str(security_id)), "securityId")

    def check_alive(self) -> None:
        """Raise `Refusal` while the kill switch is on."""
        if self.killed:
            raise Refusal("state", "Kill switch is active; orders are not allowed today.")


def acknowledge(order_id: str, status: str = "TRANSIT") -> dict[str, str]:
    """Dhan answers before the exchange does (recorded 2025-02-16)."""
    return {"orderId": order_id, "orderStatus": status}
