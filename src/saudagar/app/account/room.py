"""What every command of ``saudagar account`` stands on: which account, its client, the instruments, the request log."""

from __future__ import annotations

import asyncio
import os
import secrets as randomness
from collections.abc import Awaitable, Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from saudagar.model import ClientOrderId, Nanos, Paise, to_paise
from saudagar.model.errors import ConfigError, DataError

if TYPE_CHECKING:
    from typer import Context

    from saudagar.app.config import Secrets
    from saudagar.app.simulated import Simulated
    from saudagar.execution.account_ports import QuoteClient
    from saudagar.execution.ports import ExecutionClient, LinkStatus
    from saudagar.market.master import Master
    from saudagar.model import Depth, Instrument
    from saudagar.storage.requests import RequestLog

T = TypeVar("T")

LOG = Path("var/account/requests.jsonl")


def typed_paise(rupees: str) -> Paise:
    """An amount as it was typed. Raises `ConfigError`."""
    try:
        return to_paise(rupees)
    except DataError as error:
        raise ConfigError(error.message, hint=error.hint) from None


class Room:
    """One account, by broker and secrets, or by the name it has in a configuration.

    Parameters
    ----------
    config, account
        A desk's file, and the name of one of its ``[accounts.NAME]``; without a name the one of ``[orders]``.
    exchange_ports
        Those of a simulated exchange to speak to instead of the broker.
    """

    def __init__(
        self,
        *,
        broker: str = "",
        config: Path | None = None,
        account: str = "",
        secrets: Path | None = None,
        masters: Path = Path("var/instruments"),
        exchange_ports: str = "",
        log: Path = LOG,
    ) -> None:
        self._named, self._config, self._account = broker, config, account
        self._secrets_file, self._masters, self._ports, self._log = secrets, masters, exchange_ports, log

    @cached_property
    def chosen(self) -> tuple[str, Secrets]:
        """The broker and the credentials. Raises `ConfigError`."""
        if self._config is not None:
            return self._from_config(self._config)
        if self._account:
            raise ConfigError("--account names one of a configuration.", hint="Name the file too: --config desk.toml")
        from saudagar.app.config.secrets import read_secrets
        from saudagar.app.errors import ConfigProblems

        given, problems = read_secrets(os.environ, self._secrets_file)
        if problems:
            raise ConfigProblems(problems)
        return self._named or "dhan", given

    def _from_config(self, file: Path) -> tuple[str, Secrets]:
        from saudagar.app.config import load

        config = load(file, os.environ, attached=bool(self._ports))
        if not self._account:
            return self._named or config.orders.broker, config.secrets
        found = config.accounts.get(self._account)
        if found is None:
            known = ", ".join(config.accounts) or "none"
            raise ConfigError(f"{file} has no account {self._account!r}; it has {known}.")
        return found.broker, found.secrets

    @property
    def broker(self) -> str:
        return self.chosen[0]

    @cached_property
    def simulated(self) -> Simulated | None:
        from saudagar.app.simulated import Simulated

        return Simulated(self._ports) if self._ports else None

    @cached_property
    def master(self) -> Master:
        """Raises `DataError` without one."""
        from saudagar.storage.master import load_latest

        return load_latest(self._masters) if self.simulated is None else self.simulated.master()

    def now(self) -> Nanos:
        """The wall's time, or the simulated market's."""
        from saudagar.engine.clock import wall_clock

        return wall_clock() if self.simulated is None else self.simulated.now()

    @cached_property
    def log(self) -> RequestLog:
        from saudagar.engine.clock import wall_clock
        from saudagar.storage.requests import RequestLog

        return RequestLog(self._log, wall_clock)

    def new_id(self) -> ClientOrderId:
        """An id that nobody has used: 18 of ``[A-Z0-9]``, as long as every broker keeps."""
        return ClientOrderId(f"P{randomness.token_hex(8).upper()}")

    def with_desk(self, work: Callable[[ExecutionClient], Awaitable[T]]) -> T:
        """Open the account's client, let `work` use it, close it."""
        from saudagar.app.clients import execution_client

        broker, given = self.chosen
        master, simulated = self.master, self.simulated

        async def whole() -> T:
            client = execution_client(broker, given, master, simulated, clock=self.now)
            try:
                await client.open()
                return await work(client)
            finally:
                await client.stop()

        return asyncio.run(whole())

    def book_of(self, instrument: Instrument, levels: int, seconds: float) -> Depth | None:
        """The first book of `instrument` with both sides; None if none came in time.

        Raises
        ------
        AuthError
            If the token is refused.
        """
        from saudagar.app.clients import depth_client
        from saudagar.execution.ports import LinkState
        from saudagar.model.errors import AuthError

        broker, given = self.chosen

        async def whole() -> Depth | None:
            client = depth_client(broker, given, self.simulated, levels=levels)
            told: asyncio.Future[Depth | None] = asyncio.get_running_loop().create_future()

            def on_depth(book: Depth) -> None:
                if book.bids and book.asks and not told.done():
                    told.set_result(book)

            def on_status(link: LinkStatus) -> None:
                if link.state is LinkState.AUTH and not told.done():
                    told.set_exception(AuthError(link.detail, hint=f"Run: saudagar login {broker}"))

            try:
                await client.start([instrument], on_depth, on_status)
                return await asyncio.wait_for(told, seconds)
            except TimeoutError:
                return None
            finally:
                await client.stop()

        return asyncio.run(whole())

    def with_quotes(self, work: Callable[[QuoteClient], Awaitable[T]]) -> T:
        """As `with_desk`, for prices."""
        from saudagar.app.clients import quote_client

        broker, given = self.chosen
        master, simulated = self.master, self.simulated

        async def whole() -> T:
            client = quote_client(broker, given, master, simulated)
            try:
                await client.start()
                return await work(client)
            finally:
                await client.stop()

        return asyncio.run(whole())


def room_of(context: Context) -> Room:
    """The account that the options before the command have chosen."""
    room: Room = context.obj
    return room
