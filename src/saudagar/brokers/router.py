"""Several accounts as one order desk: each strategy's orders go to its own account.

An `ExecutionClient` over others. What an account says is handed on as it is, its streams with its name; books are put
end to end. It can do what all of its accounts can do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import reduce

import msgspec

from saudagar.brokers.order_desk import REQUESTS
from saudagar.execution.account_ports import AccountClient
from saudagar.execution.ports import Capabilities, ExecutionClient, LinkStatus, LookUp
from saudagar.model import (
    BrokerPosition,
    ClientOrderId,
    Funds,
    Holding,
    NewOrder,
    Order,
    OrderReport,
    OrderTerms,
    PositionId,
    StrategyId,
    TradeReport,
)
from saudagar.model.errors import BrokerError, ConfigError


class Router:
    """Routes by strategy.

    Parameters
    ----------
    accounts
        The accounts' clients by name.
    account_of
        The account of each strategy; others (what a person asks for) use `default`.

    Attributes
    ----------
    position_of
        Whose position an order belongs to, for look-ups after a restart; set it before `start`.
    """

    def __init__(
        self, accounts: Mapping[str, ExecutionClient], account_of: Mapping[StrategyId, str], default: str
    ) -> None:
        if unknown := {*account_of.values(), default} - accounts.keys():
            raise ConfigError(f"there is no account {sorted(unknown)[0]!r}; known are {', '.join(sorted(accounts))}.")
        self.accounts = dict(accounts)
        self.position_of: Callable[[ClientOrderId], PositionId | None] = lambda _: None
        self.on_update_count: Callable[[int], None] | None = None
        self._account_of = dict(account_of)
        self._default = default
        self._sent: dict[ClientOrderId, ExecutionClient] = {}
        self.capabilities = reduce(_both, (client.capabilities for client in accounts.values()))

    @property
    def account(self) -> AccountClient:
        """That of the default account; the others are reached through `accounts`."""
        return self.accounts[self._default].account

    @property
    def updates_received(self) -> int:
        """Messages of the order streams on their present connections."""
        return sum(int(getattr(client, "updates_received", 0)) for client in self.accounts.values())

    @property
    def refusals(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for client in self.accounts.values():
            for kind, count in getattr(client, "refusals", {}).items():
                counts[kind] = counts.get(kind, 0) + count
        return counts

    async def open(self) -> None:
        await asyncio.gather(*(client.open() for client in self.accounts.values()))

    async def start(self, on_report: Callable[[OrderReport], None], on_status: Callable[[LinkStatus], None]) -> None:
        for client in self.accounts.values():
            if hasattr(client, "on_update_count"):
                client.on_update_count = self._counted
        await asyncio.gather(
            *(client.start(on_report, _named(name, on_status)) for name, client in self.accounts.items())
        )

    def _counted(self, _: int) -> None:
        if self.on_update_count is not None:
            self.on_update_count(self.updates_received)

    async def submit(self, order: NewOrder) -> OrderReport:
        client = self._sent[order.order_id] = self.client_of(order.position)
        return await client.submit(order)

    async def modify(self, order: Order, terms: OrderTerms) -> None:
        await self.client_of(order.new.position).modify(order, terms)

    async def cancel(self, order: Order) -> None:
        await self.client_of(order.new.position).cancel(order)

    async def find(self, order_id: ClientOrderId) -> OrderReport | None:
        client = self._sent.get(order_id)
        if client is None:
            position = self.position_of(order_id)
            if position is None:
                raise BrokerError(f"nobody knows which account order {order_id} went to.")
            client = self.client_of(position)
        return await client.find(order_id)

    async def trades_of(self, order: Order) -> tuple[TradeReport, ...]:
        return await self.client_of(order.new.position).trades_of(order)

    async def orders(self) -> list[OrderReport]:
        return [row for client in self.accounts.values() for row in await client.orders()]

    async def positions(self) -> list[BrokerPosition]:
        return [row for client in self.accounts.values() for row in await client.positions()]

    async def holdings(self) -> list[Holding]:
        return [row for client in self.accounts.values() for row in await client.holdings()]

    async def funds(self) -> Funds:
        """The sums over all accounts."""
        rows = [await client.funds() for client in self.accounts.values()]
        return Funds(
            available=sum(row.available for row in rows),
            used=sum(row.used for row in rows),
            opening=sum(row.opening for row in rows),
        )

    async def renew(self, token: str) -> None:
        """A token belongs to one account: renew that account's own client."""
        raise BrokerError("a token belongs to one account.", hint="Renew it at that account.")

    async def stop(self) -> None:
        await asyncio.gather(*(client.stop() for client in self.accounts.values()))

    def client_of(self, position: PositionId) -> ExecutionClient:
        """The account that `position` is in."""
        strategy = StrategyId(position.partition("@")[0])
        return self.accounts[self._account_of.get(strategy, self._default)]


def accounts_of(broker: ExecutionClient) -> tuple[ExecutionClient, ...]:
    """The accounts that `broker` stands for: those of a router, or itself."""
    return tuple(broker.accounts.values()) if isinstance(broker, Router) else (broker,)


def account_of(broker: ExecutionClient, position: PositionId) -> ExecutionClient:
    """The one of `accounts_of(broker)` that `position` is in."""
    return broker.client_of(position) if isinstance(broker, Router) else broker


def _named(account: str, on_status: Callable[[LinkStatus], None]) -> Callable[[LinkStatus], None]:
    """Tell of an account's own streams with its name; what all requests share keeps the one that it has."""

    def told(status: LinkStatus) -> None:
        own = account and status.link != REQUESTS
        on_status(msgspec.structs.replace(status, link=f"{status.link} ({account})") if own else status)

    return told


def _both(one: Capabilities, other: Capabilities) -> Capabilities:
    """What both can do; the smaller of two numbers, the weaker of two look-ups."""
    changes: dict[str, object] = {"name": f"{one.name}+{other.name}"}
    for field in one.__struct_fields__[1:]:
        a, b = getattr(one, field), getattr(other, field)
        if a is None or b is None:  # no limit is published
            changes[field] = b if a is None else a
        elif isinstance(a, bool):
            changes[field] = a and b
        elif isinstance(a, int):
            changes[field] = min(a, b)
        elif isinstance(a, frozenset):
            changes[field] = a & b
        elif isinstance(a, tuple):
            changes[field] = tuple(each for each in a if each in b)
        elif isinstance(a, LookUp):
            changes[field] = max(a, b, key=list(LookUp).index)
    return msgspec.structs.replace(one, **changes)
