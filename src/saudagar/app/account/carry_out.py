"""How a command changes something at a broker: said to the person, noted on disk, sent once, its outcome noted."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import typer

from saudagar.model import ConditionalReport, NewConditional
from saudagar.model.errors import (
    AuthError,
    BrokerError,
    ConfigError,
    DataError,
    OutcomeUnknown,
    RateLimited,
    RejectedByBroker,
    Unsupported,
)

if TYPE_CHECKING:
    from saudagar.app.account.room import Room
    from saudagar.execution.account_ports import AccountClient
    from saudagar.storage.requests import Outcome

T = TypeVar("T")

LOOKS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each look for a conditional order whose reply was lost."""

_NOTHING_DONE = (RejectedByBroker, RateLimited, AuthError, Unsupported, DataError)


def carry_out(
    room: Room, kind: str, body: object, sentence: str, work: Callable[[AccountClient], Awaitable[T]], *, yes: bool
) -> T:
    """Do `work` once.

    Parameters
    ----------
    kind, body
        What the request log keeps.
    sentence
        What is about to happen, for the person who is asked.
    yes
        Do not ask.

    Raises
    ------
    ConfigError
        If nobody is there to be asked.
    BrokerError
        As `work` does; `OutcomeUnknown` if only the broker's books can tell.
    """
    _agree(f"{sentence} at {room.broker}", yes)
    _remind(room)
    request = room.log.ask(getattr(body, "order_id", "") or room.new_id(), room.broker, kind, body)
    outcome = _outcomes()
    try:
        done = room.with_desk(lambda desk: work(desk.account))
    except _NOTHING_DONE as error:
        room.log.answer(request, outcome.REFUSED, str(error))
        raise
    except BrokerError as error:
        room.log.answer(request, outcome.UNKNOWN, str(error))
        raise
    room.log.answer(request, outcome.DONE)
    return done


async def place(account: AccountClient, asked: NewConditional) -> ConditionalReport:
    """Place `asked`; where the reply is lost, look for it at the broker instead of asking again.

    Raises
    ------
    OutcomeUnknown
        If it was not seen after the last look.
    """
    try:
        return await account.place_conditional(asked)
    except OutcomeUnknown as unknown:
        for pause in LOOKS:
            await asyncio.sleep(pause)
            with suppress(BrokerError):
                found = await account.find_conditional(asked)
                if found is not None:
                    return found
        raise OutcomeUnknown(
            f"{unknown.message} The broker does not show it after {sum(LOOKS):g} s.",
            hint="It may still appear. Look before you ask again: saudagar account conditional list",
        ) from None


def _agree(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError(f"{question}: nobody is there to agree.", hint="Add --yes if you mean it.")
    typer.confirm(f"{question}?", abort=True, err=True)


def _remind(room: Room) -> None:
    for request in room.log.unanswered():
        typer.echo(
            f"Note: nobody knows what became of an earlier request ({request.kind}, {request.id}, {request.broker}): "
            "look at the broker's books.",
            err=True,
        )
        room.log.answer(request, _outcomes().UNKNOWN, "the command ended before it had an answer")


def _outcomes() -> type[Outcome]:
    from saudagar.storage.requests import Outcome

    return Outcome
