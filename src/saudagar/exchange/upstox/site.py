"""What the parts of the Upstox face share: the market, the account, and who may call what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from saudagar.exchange.access import AccessToken
from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_conditional import Conditionals
from saudagar.exchange.core_orders import ExchangeOrder, Refusal, Update
from saudagar.exchange.face import Handler, Switches, Wire, decode, json_response
from saudagar.exchange.limits import CallLimit, Seconds
from saudagar.exchange.market_feed import DaySource
from saudagar.exchange.options import underlying_of
from saudagar.exchange.order_desk import OrderDesk
from saudagar.exchange.tape import Line, Tape
from saudagar.exchange.upstox import errors, words
from saudagar.exchange.upstox.errors import Refused
from saudagar.model import Instrument, InstrumentId, Paise

SEGMENTS = ("NSE_EQ", "BSE_EQ", "NSE_FO", "BSE_FO", "NCD_FO", "BCD_FO", "MCX_FO", "NSE_COM")
USER_ID = "SIM001"


def limits(per_second: int, seconds: Seconds, *, reads: bool) -> tuple[CallLimit, CallLimit]:
    """Upstox's windows: 10 order requests a second, 500 a minute, 2,000 in half an hour; else 50, 500, 2,000.

    `per_second` replaces the first, 0 switches the windows of orders off. Orders count in the market's seconds.
    """
    writes = ((1, per_second), (60, 500), (1_800, 2_000)) if per_second else ()
    rest = ((1, 50), (60, 500), (1_800, 2_000)) if reads else ()
    return CallLimit(writes, seconds.market), CallLimit(rest, seconds.wall)


class UpstoxSite:
    """Shared by the parts of the face.

    Parameters
    ----------
    publish
        Tells the order streams of every change.
    limits
        On order requests and on everything else, see `limits`.
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
        limits: tuple[CallLimit, CallLimit],
        switches: Switches,
        holdings: Mapping[InstrumentId, int],
        access: AccessToken,
    ) -> None:
        self.core = core
        self.wire = wire
        self.tape = tape
        self.conditionals = conditionals
        self.source = source
        self.switches = switches
        self.holdings = holdings
        self.access = access
        self.killed: set[str] = set()  # segments
        self.desk = OrderDesk(core, conditionals, name="upstox", mark="8")
        self.by_key = {line.instrument.upstox_id: line for line in tape.lines.values()}
        self._publish = publish
        self._writes, self.reads = limits

    def write(self, handler: Callable[[web.Request], Awaitable[web.Response]], *, order: bool = True) -> Handler:
        """`handler` as a request that changes something, told on the streams.

        An `order` request must also come from a registered address and stay within the limits.
        """

        async def write(request: web.Request) -> web.StreamResponse:
            if order and self.switches.wrong_ip:
                raise Refused("UDAPI1154")
            if order and not self._writes.allows():
                return errors.too_many()
            try:
                return await handler(request)
            finally:
                self._publish(self.desk.drain())

        return write

    def authenticate(self, request: web.Request) -> web.Response | None:
        """Refuse a caller without the token of the day; it ends at 03:30 IST, or when the operator says so."""
        good = request.headers.get("Authorization") == f"Bearer {self.access.text}"
        return None if good and not self.access.expired else errors.unauthorised()

    def unauthorised(self) -> web.Response:
        return errors.unauthorised()

    def line(self, key: str) -> Line:
        """The tape's line of an instrument key. Raises `Refused`."""
        line = self.by_key.get(key)
        if line is None:
            raise Refused("UDAPI100011")
        return line

    def spot(self, instrument: Instrument) -> Paise:
        """The last price of what an option is written on, paise."""
        index = underlying_of(instrument, self.source.instruments)
        line = self.tape.lines[index.id]
        return line.tick.ltp if line.tick else line.previous_close

    def segment(self, order: ExchangeOrder) -> str:
        return words.segment_word(order.instrument.segment)

    def check_open(self, segment: str) -> None:
        """Raise `Refusal` if the kill switch is on for the segment."""
        if segment in self.killed:
            raise Refusal("state", f"Trading in {segment} is disabled by the kill switch.")


async def read_body(request: web.Request, kind: Any) -> Any:
    """The JSON body as `kind`. Raises `Refused`."""
    try:
        return decode(await request.read(), kind)
    except msgspec.DecodeError as problem:
        raise Refused("UDAPI100036", f"Invalid Input: {problem}") from None


def success(data: object, **more: object) -> web.Response:
    """Upstox's good answer."""
    return json_response({"status": "success", "data": data, **more})


LATENCY = {"latency": 1}
"""The `metadata` of V3 order answers, milliseconds."""


def redirect(address: str) -> dict[str, str]:
    """A socket's single-use address: the documentation's key, and the one that the SDK reads."""
    return {"authorized_redirect_uri": address, "authorizedRedirectUri": address}
