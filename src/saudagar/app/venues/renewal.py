"""New tokens in mid-session: who logs in again need not start the desk anew.

A token comes from the store of ``saudagar login``, or from the secrets file of an account of its own. Called by the
live venue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from saudagar.app.config import DeskConfig
from saudagar.app.config.secrets import read_secrets
from saudagar.app.tokens import TokenStore, store_of
from saudagar.brokers.router import Router
from saudagar.execution.ports import ExecutionClient
from saudagar.model.errors import BrokerError, SaudagarError

BEAT = 2.0
"""Seconds between two looks."""


class Client(Protocol):
    """Whoever works with a token: a feed, an order desk, a venue."""

    async def renew(self, token: str) -> None: ...


class Source(NamedTuple):
    """Where a token comes from, and who goes on with it. `read` gives the token of now, "" for none."""

    read: Callable[[], str]
    clients: tuple[Client, ...]


def sources(
    config: DeskConfig, feed: Client, broker: ExecutionClient | None, environ: Mapping[str, str]
) -> list[Source]:
    """All places to watch. `broker` is None on paper."""
    clients: dict[str, list[Client]] = {config.data.broker: [feed]}
    found: list[Source] = []
    desks = broker.accounts if isinstance(broker, Router) else {} if broker is None else {"": broker}
    for name, desk in desks.items():
        account = config.accounts.get(name)
        if account is not None and account.file is not None:
            found.append(Source(_in_file(account.file, account.broker), (desk,)))
        else:
            clients.setdefault(account.broker if account else config.orders.broker, []).append(desk)
    store = store_of(environ)
    if store is not None:
        found += [Source(_in_store(store, name), tuple(users)) for name, users in clients.items()]
    return found


async def follow(watched: Sequence[Source], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Hand each new token to its clients, for ever."""
    known = [source.read() for source in watched]
    while True:
        await sleep(BEAT)
        for number, source in enumerate(watched):
            token = source.read()
            if not token or token == known[number]:
                continue
            known[number] = token
            for client in source.clients:
                with suppress(BrokerError):  # a refused token shows as a link that wants a login
                    await client.renew(token)


def _in_store(store: TokenStore, broker: str) -> Callable[[], str]:
    def read() -> str:
        try:
            stored = store.load(broker)
        except SaudagarError:
            return ""  # half written, or not ours to read: the next look tells
        return stored.token if stored is not None else ""

    return read


def _in_file(file: Path, broker: str) -> Callable[[], str]:
    def read() -> str:
        secrets, problems = read_secrets({}, file)
        token: str = getattr(secrets, f"{broker}_token").get_secret_value()
        return "" if problems else token

    return read
