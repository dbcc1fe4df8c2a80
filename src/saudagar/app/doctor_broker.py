"""What `saudagar doctor` asks the brokers: token, clock, address, funds, one tick, the order stream. Orders nothing."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from urllib.error import URLError
from urllib.request import urlopen

import msgspec

from saudagar.app.clients import access, data_client, execution_client
from saudagar.app.config import DeskConfig
from saudagar.app.doctor_machine import Finding, fail, ok, warn
from saudagar.app.simulated import Simulated
from saudagar.brokers.login import Standing
from saudagar.brokers.supervisor import Watch
from saudagar.execution.ports import ExecutionClient, LinkState, LinkStatus
from saudagar.market.ist import at, ist, ist_day
from saudagar.market.master import Master
from saudagar.model import SECOND, Instrument, Nanos, TickFrame, inr
from saudagar.model.errors import AuthError, BrokerError, ConfigError, RateLimited, SaudagarError

_CLOSE = "15:30"
_SKEW_WARN, _SKEW_FAIL = 1 * SECOND, 5 * SECOND
_HOSTS = {"dhan": "api.dhan.co", "upstox": "api.upstox.com", "kite": "api.kite.trade"}
_SETTLE = 0.5  # seconds; a stream is let in first and thrown out a moment later when its token is bad
_CLOCK_ADVICE = "Let the system keep its clock by NTP: sudo timedatectl set-ntp true"


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What the questions need to know."""

    config: DeskConfig
    clock: Callable[[], Nanos]
    simulated: Simulated | None = None
    ip_url: str = ""
    seconds: float = 10.0


def standing_of(room: Room, broker: str) -> list[Finding]:
    """Token and clock, by one request."""
    check = f"{broker} token"
    try:
        door, token = access(broker, room.config.secrets, room.simulated, room.clock)
        standing = door.standing(token)
    except ConfigError as error:
        return [fail(check, error.message, error.hint)]
    except RateLimited as error:
        return [warn(check, error.message, "Ask again in a minute.")]
    except AuthError as error:
        return [fail(check, error.message, f"Run: saudagar login {broker}")]
    except BrokerError as error:
        return [fail(check, error.message, "Check the connection, and the broker's status page.")]
    return [_token(room, broker, standing), _clock(broker, standing)]


def _token(room: Room, broker: str, standing: Standing) -> Finding:
    check = f"{broker} token"
    if room.simulated is not None:
        return ok(check, "the simulated exchange takes it")
    now = room.clock()
    until = f"{ist(standing.expires):%d %B %H:%M} IST"
    if standing.remark:
        return warn(check, f"good until {until}; {standing.remark}", "Renew the plan at the broker, or use other data.")
    if now < standing.expires < at(ist_day(now), _CLOSE):
        return warn(check, f"ends at {until}, before the market closes", f"Run: saudagar login {broker}")
    if standing.expires <= now:
        return fail(check, f"ended at {until}", f"Run: saudagar login {broker}")
    return ok(check, f"good until {until}")


def _clock(broker: str, standing: Standing) -> Finding:
    check = f"clock against {broker}"
    if standing.skew is None:
        return warn(check, "the broker named no time", _CLOCK_ADVICE)
    words = f"{-standing.skew / SECOND:+.1f} s, give or take {standing.doubt / SECOND:.1f} s"
    least = max(0, abs(standing.skew) - standing.doubt)
    if least > _SKEW_FAIL:
        return fail(check, words, _CLOCK_ADVICE)
    if least > _SKEW_WARN:
        return warn(check, words, _CLOCK_ADVICE)
    return ok(check, words)


def address_of(room: Room, broker: str) -> Finding:
    """The address that orders leave from, against those registered at `broker` (SEBI's rule for API orders, 2026)."""
    check = f"{broker} address"
    look = "Compare it by hand in the broker's developer console."
    try:
        door, token = access(broker, room.config.secrets, room.simulated, room.clock)
        registered = door.addresses(token)
    except SaudagarError as error:
        return warn(check, f"the registered addresses are not known: {error.message}", look)
    own, source = _own_address(room, broker)
    if registered is None:
        return warn(check, f"{broker} does not tell which are registered; {source}", look)
    listed = ", ".join(registered)
    if not registered and room.simulated is not None:
        return ok(check, "none is registered, and the simulated exchange asks for none")
    if not registered:
        return fail(check, "no static address is registered: orders will be refused", "Register one at the broker.")
    if own in registered:
        return ok(check, f"{own} is registered ({source})")
    if own:
        return fail(
            check, f"{own} is not registered; {listed} is ({source})", "Trade from there, or register this one."
        )
    advice = "Compare them by hand, or name a service that tells your address: --ip-url https://…"
    return warn(check, f"registered: {listed}; {source}", advice)


def _own_address(room: Room, broker: str) -> tuple[str, str]:
    """Our address as the broker sees it, if that can be known, and how it is known. No third party unless asked."""
    if room.ip_url:
        try:
            with urlopen(room.ip_url, timeout=room.seconds) as reply:  # noqa: S310  # the user named it
                said = reply.read(200).decode("ascii", "replace").strip()
            return str(ipaddress.ip_address(said)), f"{room.ip_url} says so"
        except (URLError, OSError, ValueError) as error:
            return "", f"{room.ip_url} gave no address ({type(error).__name__})"
    host = "127.0.0.1" if room.simulated is not None else _HOSTS[broker]
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 443))  # sends nothing
        own = ipaddress.ip_address(probe.getsockname()[0])
        if own.is_global or room.simulated is not None:
            return str(own), "this machine's own address"
        return "", f"this machine has {own} behind a router, so its outgoing address is not known here"
    return "", "this machine's outgoing address is not known"


async def streams_of(room: Room, master: Master, watched: Instrument, open_now: bool, orders: bool) -> list[Finding]:
    """One tick; and for a desk with orders the order stream and the funds, all at once."""
    asked = [_one_tick(room, watched, open_now)]
    if orders:
        asked.append(_order_stream(room, master))
    return [finding for findings in await asyncio.gather(*asked) for finding in findings]


async def _one_tick(room: Room, watched: Instrument, open_now: bool) -> list[Finding]:
    broker, seconds = room.config.data.broker, room.seconds
    check, login = f"{broker} feed", f"Run: saudagar login {broker}"
    links: list[LinkStatus] = []
    ticked = asyncio.Event()

    def on_frame(frame: TickFrame) -> None:
        if frame.ticks:
            ticked.set()

    try:
        feed = data_client(broker, room.config.secrets, room.simulated, Watch(stale=0, connect=seconds))
    except ConfigError as error:
        return [fail(check, error.message, error.hint)]
    try:
        await feed.start([watched], on_frame, links.append)
        if _is_up(links):
            with suppress(TimeoutError):
                await asyncio.wait_for(ticked.wait(), seconds if open_now else _SETTLE)
    except SaudagarError as error:
        return [fail(check, error.message, error.hint)]
    finally:
        await feed.stop()
    if not _is_up(links):
        return [_not_up(check, links, login)]
    if ticked.is_set():
        return [ok(check, f"a tick of {watched.id} came")]
    if open_now:
        return [fail(check, f"connected, but no tick of {watched.id} within {seconds:g} s", "Is the data plan active?")]
    return [ok(check, "connected; the market is closed, so no tick was waited for")]


async def _order_stream(room: Room, master: Master) -> list[Finding]:
    broker = room.config.orders.broker
    check, login = f"{broker} order stream", f"Run: saudagar login {broker}"
    links: list[LinkStatus] = []
    try:
        desk = execution_client(broker, room.config.secrets, master, room.simulated)
    except ConfigError as error:
        return [fail(check, error.message, error.hint)]
    try:
        await desk.start(lambda _: None, links.append)
        if _is_up(links):
            await asyncio.sleep(_SETTLE)
        stream = ok(check, "connected") if _is_up(links) else _not_up(check, links, login)
        return [stream, await _funds(room, broker, desk)]
    finally:
        await desk.stop()


async def _funds(room: Room, broker: str, desk: ExecutionClient) -> Finding:
    check, capital = f"{broker} funds", room.config.desk.capital
    try:
        funds = await desk.funds()
    except AuthError as error:
        return fail(check, error.message, f"Run: saudagar login {broker}")
    except SaudagarError as error:
        return fail(check, error.message, error.hint or "Ask again; if it stays so, ask the broker.")
    words = f"{inr(funds.available)} available"
    if funds.available < capital:
        words += f", less than the desk's capital of {inr(capital)}"
        return warn(check, words, "Add money, or lower desk.capital so that sizes fit.")
    return ok(check, words)


def _is_up(links: Sequence[LinkStatus]) -> bool:
    return bool(links) and links[-1].state is LinkState.UP


def _not_up(check: str, links: Sequence[LinkStatus], login: str) -> Finding:
    last = links[-1] if links else None
    if last is not None and last.state is LinkState.AUTH:
        return fail(check, f"the token is refused: {last.detail}", login)
    words = f"did not connect{f': {last.detail}' if last and last.detail else ''}"
    return fail(check, words, "Check the connection, and the broker's status page.")
