"""What you must allow before shares of earlier days can be sold: told in one line when a desk for delivery opens.

Without a power of attorney (DDPI) a broker takes shares out of a demat account only once its owner has allowed it at
the depository, with a PIN and anew each day. A sale before that is refused, and so is a stop that should rest. Called
by `Desk`.
"""

from __future__ import annotations

from collections.abc import Mapping

from saudagar.brokers.router import account_of, accounts_of
from saudagar.engine.engine import Engine
from saudagar.execution.held import Held
from saudagar.execution.ports import ExecutionClient
from saudagar.model import InstrumentId, Product
from saudagar.model.errors import BrokerError

_HOW: Mapping[str, str] = {
    "dhan": "saudagar account --broker dhan sale-pin, then sale-form SYMBOL QUANTITY",
    "upstox": "in Upstox's own app",
    "kite": "in Kite, under Holdings",
}
"""By broker; paper asks nobody."""


async def reminder(engine: Engine, broker: ExecutionClient) -> str:
    """Which shares of the desk wait for leave to be sold, and how it is given. Empty where none do."""
    if engine.product is not Product.DELIVERY:
        return ""
    told = [await _waiting(engine, client, _held(engine, broker, client)) for client in accounts_of(broker)]
    return " ".join(filter(None, told))


def _held(engine: Engine, broker: ExecutionClient, client: ExecutionClient) -> dict[InstrumentId, int]:
    """Units of each instrument that the desk holds in this account."""
    held: dict[InstrumentId, int] = {}
    for position in engine.state.positions.values():
        if position.quantity > 0 and account_of(broker, position.id) is client:
            held[position.instrument] = held.get(position.instrument, 0) + position.quantity
    return held


async def _waiting(engine: Engine, client: ExecutionClient, held: Mapping[InstrumentId, int]) -> str:
    broker = client.capabilities.name
    if not held or broker not in _HOW:
        return ""
    carried, allowed = await _carried(engine, client, held), await _allowed(client)
    rows = [
        f"{quantity} {name.partition(':')[2]}"
        for name, quantity in carried.items()
        if quantity > allowed.get(engine.isin(name), 0)
    ]
    if not rows:
        return ""
    return (
        f"{broker} sells {', '.join(rows)} of earlier days only once you have allowed it for today, unless it has your "
        f"power of attorney (DDPI): {_HOW[broker]}."
    )


async def _carried(
    engine: Engine, client: ExecutionClient, held: Mapping[InstrumentId, int]
) -> dict[InstrumentId, int]:
    """What of `held` is of earlier days; all of it where the broker does not say."""
    try:
        books = Held(Product.DELIVERY, (), await client.holdings(), engine.isin, {})
    except BrokerError:
        return dict(held)
    found = {name: min(quantity, books.of(name)) for name, quantity in held.items()}
    return {name: quantity for name, quantity in found.items() if quantity > 0}


async def _allowed(client: ExecutionClient) -> dict[str, int]:
    """Units by ISIN that may be sold already, where the broker tells."""
    if not client.capabilities.e_dis:
        return {}
    try:
        return {row.isin: row.authorised for row in await client.account.sale_authorities()}
    except BrokerError:
        return {}
