"""``saudagar doctor``: would a desk with this configuration work now? Each thing with OK, WARN or FAIL and what to do.

It places no order and changes nothing. It speaks to the brokers of the configuration only; a service that tells this
machine's address is asked only if the user names one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saudagar.model.errors import CalendarError, ConfigError, SaudagarError

if TYPE_CHECKING:
    from saudagar.app.doctor_broker import Room
    from saudagar.app.doctor_machine import Finding
    from saudagar.market.master import Master


def doctor(
    file: Annotated[Path, typer.Argument(help="The configuration, e.g. saudagar.toml.")],
    ip_url: Annotated[
        str, typer.Option(help="A service that answers with this machine's address in plain text; asked only if named.")
    ] = "",
    seconds: Annotated[float, typer.Option(min=1, max=120, help="How long to wait for a connection or a tick.")] = 10.0,
    exchange_ports: Annotated[
        str,
        typer.Option(help="Ports of a simulated exchange to look at: UPSTOX,DHAN,CONTROL or UPSTOX,DHAN,KITE,CONTROL."),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Look whether this desk could trade now, and say what to do.

    At tokens, clock, address, funds, instruments, feed, order stream, disk and journal.

    Exit codes: 0 no FAIL; 1 at least one; 2 a wrong option.
    """
    import msgspec

    from saudagar.app.doctor_machine import Verdict

    failed = False
    for finding in examine(file, ip_url=ip_url, seconds=seconds, exchange_ports=exchange_ports):
        failed |= finding.verdict is Verdict.FAIL
        typer.echo(msgspec.json.encode(finding).decode() if as_json else _line(finding))
    if failed:
        raise typer.Exit(1)


def examine(file: Path, *, ip_url: str = "", seconds: float = 10.0, exchange_ports: str = "") -> Iterator[Finding]:
    """All findings, as they are found.

    Raises
    ------
    ConfigError
        If `exchange_ports` makes no sense. A bad configuration is a finding.
    """
    from saudagar.app.config import load
    from saudagar.app.doctor_broker import Room
    from saudagar.app.doctor_machine import fail, journal, ok, space, sync
    from saudagar.app.simulated import Simulated
    from saudagar.engine.clock import wall_clock

    simulated = Simulated(exchange_ports) if exchange_ports else None
    try:
        config = load(file, os.environ, attached=simulated is not None)
    except ConfigError as error:
        yield fail("configuration", " ".join(error.problems) or error.message, f"Run: saudagar config check {file}")
        yield from _stored_tokens()
        return
    yield ok("configuration", f"{file}: desk {config.desk.name}, mode {config.desk.mode}")
    yield space(config.directory)
    yield sync(config.directory)
    yield journal(config.directory)
    yield from _at_brokers(Room(config=config, clock=wall_clock, simulated=simulated, ip_url=ip_url, seconds=seconds))


def _at_brokers(room: Room) -> Iterator[Finding]:
    from saudagar.app.config import Mode
    from saudagar.app.doctor_broker import address_of, standing_of
    from saudagar.app.doctor_machine import ok

    config, mode = room.config, room.config.desk.mode
    if mode is Mode.SIMULATION and room.simulated is None:
        yield ok("brokers", "a simulation needs none")
        return
    orders = mode is not Mode.PAPER
    for broker in dict.fromkeys([config.data.broker, *([config.orders.broker] if orders else [])]):
        yield from standing_of(room, broker)
    if orders:
        yield address_of(room, config.orders.broker)
    yield from _with_master(room, orders)


def _with_master(room: Room, orders: bool) -> Iterator[Finding]:
    from saudagar.app.doctor_broker import streams_of
    from saudagar.app.doctor_machine import desk_runs, fail, master_of, warn
    from saudagar.market.ist import ist_day
    from saudagar.market.sessions import Calendar

    calendar, config = Calendar(), room.config
    try:
        master, now = _master(room)
    except SaudagarError as error:
        yield fail("instruments", error.message, error.hint)
        yield warn("streams", "not looked at, for want of an instrument master", "Mend that first.")
        return
    yield master_of(config, master, ist_day(now), calendar)
    if room.simulated is None and desk_runs(config.directory):
        advice = "Ask the desk itself: saudagar desk status"
        yield warn("streams", "not looked at: the desk is running, and a second connection could end its own", advice)
        return
    try:
        watched = master.resolve(config.names[0])
        open_now = room.simulated is not None or calendar.is_continuous(watched, now)
    except CalendarError as error:
        yield warn("calendar", error.message, error.hint)
        open_now = False
    except SaudagarError:
        return  # `master_of` has said so
    yield from asyncio.run(streams_of(room, master, watched, open_now, orders))


def _master(room: Room) -> tuple[Master, int]:
    """The master in force and the time it is for."""
    from saudagar.storage.master import load_latest

    if room.simulated is not None:
        return room.simulated.master(), room.simulated.now()
    return load_latest(room.config.path(room.config.instruments.directory)), room.clock()


def _stored_tokens() -> Iterator[Finding]:
    """What may be why a token is missing."""
    from saudagar.app.doctor_machine import fail, ok, warn
    from saudagar.app.login import shown
    from saudagar.app.tokens import store_of
    from saudagar.engine.clock import wall_clock

    store = store_of(os.environ)
    for row in shown(store, os.environ, wall_clock()) if store else ():
        check, advice = f"{row['broker']} login", f"Run: saudagar login {row['broker']}"
        if row["state"] == "good":
            yield ok(check, f"a token is kept, good until {row['expires']}")
        elif row["state"] == "expired":
            yield warn(check, f"the kept token ended at {row['expires']}", advice)
        elif row["state"] == "unusable":
            yield fail(check, row["problem"], advice)


def _line(finding: Finding) -> str:
    advice = f"\n       → {finding.advice}" if finding.advice else ""
    return f"{finding.verdict:<5} {finding.check}: {finding.detail}{advice}"
