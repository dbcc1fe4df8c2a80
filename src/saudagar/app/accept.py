"""What it would mean to take the broker's book of an instrument for the truth, and doing it.

For what the broker squared off, or a person traded by hand, while the desk believed otherwise. Called by the running
desk's `ControlServer` for ``saudagar desk accept``. Prices are those of the broker's trade book of today, as far as it
explains the difference, else one that the person names, else the last price.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from saudagar.brokers.router import account_of, accounts_of
from saudagar.engine.engine import Engine
from saudagar.engine.reconciliation import allotted
from saudagar.engine.runner import Runner
from saudagar.execution.held import Held, agree
from saudagar.execution.ports import ExecutionClient
from saudagar.model import AcceptBook, AccountTrade, InstrumentId, Paise, PositionId, Product
from saudagar.model.errors import BrokerError, SaudagarError, UnknownInstrument
from saudagar.portfolio import Position, net

TRADE_BOOK, NAMED, LAST = "the broker's trade book", "the price named", "the last price"


class Booking(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the difference: units and price (paise), and the gross profit that closing with it makes."""

    strategy: str
    quantity: int  # signed units
    price: Paise
    profit: Paise
    source: str


class Acceptance(msgspec.Struct, frozen=True, kw_only=True):
    """What the desk holds, what the broker holds, and what would be booked, or was."""

    instrument: InstrumentId
    ours: int  # signed units
    theirs: int
    bookings: tuple[Booking, ...]
    booked: bool = False


class Accepting:
    """Looks at one instrument in both books, and books the difference where it is told to."""

    def __init__(self, runner: Runner, broker: ExecutionClient, resolve: Callable[[str], InstrumentId]) -> None:
        self._runner, self._broker, self._resolve = runner, broker, resolve

    async def accept(self, name: str, price: Paise, *, yes: bool) -> Acceptance:
        """Say what would be booked; with `yes`, book it.

        Raises
        ------
        SaudagarError
            There is nothing to accept, or nobody knows a price; nothing was booked.
        """
        engine, instrument = self._runner.engine, self._named(name)
        theirs, ours = await self._theirs(instrument, self._broker), _ours(engine, instrument)
        if agree(engine.product, ours, theirs):
            more = "" if ours == theirs else f" (the other {theirs - ours} at the broker are not the desk's)"
            raise SaudagarError(
                f"{instrument}: the desk and the broker agree on {ours:+d}{more}; there is nothing to accept."
            )
        if engine.differences.get(instrument) != theirs:
            raise SaudagarError(
                f"{instrument}: {ours:+d} here and {theirs:+d} at the broker, and the desk has not yet found them to "
                "differ: a fill may be under way.",
                hint="The books are compared every minute; ask again then.",
            )
        account = await self._account(instrument)
        trades = await self._trades(instrument, theirs - ours, price, account)
        bearers = [each for each in self._in(account) if each.instrument == instrument]
        parts = allotted(bearers, instrument, [part.quantity for part in trades])
        if any(account_of(self._broker, part[0]) is not account for part in parts):
            raise SaudagarError(
                f"{instrument}: more was traded in an account by hand than its strategies hold, and it is not the one "
                "that the desk uses for what is made by hand.",
                hint="Undo it at the broker.",
            )
        found = Acceptance(instrument=instrument, ours=ours, theirs=theirs, bookings=_bookings(engine, parts, trades))
        return await self._book(found, trades, tuple(each.id for each in bearers)) if yes else found

    async def _account(self, instrument: InstrumentId) -> ExecutionClient:
        """The account in which the books differ: a strategy answers for nothing that was traded in another."""
        product, clients = self._runner.engine.product, accounts_of(self._broker)
        if len(clients) == 1:
            return clients[0]
        apart = []
        for client in clients:
            ours = net(self._in(client)).get(instrument, 0)
            if not agree(product, ours, await self._theirs(instrument, client)):
                apart.append(client)
        if len(apart) != 1:
            raise SaudagarError(
                f"{instrument}: the books differ in {len(apart)} accounts, and one at a time can be accepted.",
                hint="Set the others right at their brokers first.",
            )
        return apart[0]

    def _in(self, account: ExecutionClient) -> list[Position]:
        """The positions in `account`; all of them in all accounts together."""
        positions = self._runner.engine.state.positions.values()
        if account is self._broker:
            return [*positions]
        return [each for each in positions if account_of(self._broker, each.id) is account]

    async def _book(self, found: Acceptance, trades: list[_Part], among: tuple[PositionId, ...]) -> Acceptance:
        engine, name = self._runner.engine, found.instrument
        sources = " and ".join(dict.fromkeys(part.source for part in trades))
        self._runner.put(
            AcceptBook(
                ts=engine.now,
                instrument=name,
                ours=found.ours,
                theirs=found.theirs,
                trades=tuple((part.quantity, part.price) for part in trades),
                among=among,
                reason=f"traded without the desk, at {sources}",
            )
        )
        await self._runner.taken()
        if _ours(engine, name) != found.theirs:
            raise SaudagarError(
                f"{name}: one of the books has changed meanwhile; nothing was booked.", hint="Ask again."
            )
        return msgspec.structs.replace(found, booked=True)

    def _named(self, name: str) -> InstrumentId:
        """What a user's name means, also where today's master does not know any more what is held."""
        try:
            return self._resolve(name)
        except UnknownInstrument:
            for each in self._runner.engine.state.positions.values():
                if each.quantity and each.instrument == name:
                    return each.instrument
            raise

    async def _theirs(self, instrument: InstrumentId, account: ExecutionClient) -> int:
        engine = self._runner.engine
        holdings = await account.holdings() if engine.product is Product.DELIVERY else ()
        ours = net(self._in(account))
        return Held(engine.product, await account.positions(), holdings, engine.isin, ours).of(instrument)

    async def _trades(
        self, instrument: InstrumentId, change: int, price: Paise, account: ExecutionClient
    ) -> list[_Part]:
        """The trades that make up `change`."""
        parts = [] if price else explained(await self._foreign(instrument, account), change)
        left = change - sum(part.quantity for part in parts)
        if left:
            price, source = (price, NAMED) if price else (self._runner.engine.price(instrument), LAST)
            if price <= 0:
                raise SaudagarError(f"{instrument}: nobody knows a price for {left:+d}.", hint="Name one with --price.")
            parts.append(_Part(left, price, source))
        return parts

    async def _foreign(self, instrument: InstrumentId, account: ExecutionClient) -> list[AccountTrade]:
        """Today's trades in `instrument` that no order of the desk made, oldest first; none where nobody tells them."""
        state, product = self._runner.engine.state, self._runner.engine.product
        ours = {order.broker_id for order in state.orders.values()}
        try:
            rows = await account.account.trades()
        except BrokerError:
            return []
        rows = [row for row in rows if row.instrument == instrument and row.product is product]
        foreign = [row for row in rows if row.order_id not in state.orders and row.broker_id not in ours]
        return sorted(foreign, key=lambda row: row.ts)


class _Part(msgspec.Struct, frozen=True):
    quantity: int  # signed units
    price: Paise
    source: str


def explained(foreign: Iterable[AccountTrade], change: int) -> list[_Part]:
    """What makes up `change` (signed units), oldest first: all of them, where they do, else the newest on its side."""
    parts = [_Part(row.side.sign * row.quantity, row.price, TRADE_BOOK) for row in foreign]
    if sum(part.quantity for part in parts) == change:
        return parts
    found: list[_Part] = []
    left = change
    for part in reversed(parts):
        if part.quantity * left > 0:
            quantity = part.quantity if abs(part.quantity) < abs(left) else left
            found.append(msgspec.structs.replace(part, quantity=quantity))
            left -= quantity
    return found[::-1]


def _ours(engine: Engine, instrument: InstrumentId) -> int:
    return sum(each.quantity for each in engine.state.positions.values() if each.instrument == instrument)


def _bookings(engine: Engine, parts: Iterable[tuple[PositionId, int, int]], trades: list[_Part]) -> tuple[Booking, ...]:
    """`trades` as they fall to the positions (see `allotted`); one line for what is the same but for the units."""
    state = engine.state
    sums: dict[tuple[PositionId, Paise, str], int] = {}
    for name, quantity, place in parts:
        key = (name, trades[place].price, trades[place].source)
        sums[key] = sums.get(key, 0) + quantity
    return tuple(
        Booking(
            strategy=(position := state.position(name)).strategy,
            quantity=quantity,
            price=price,
            profit=-quantity * (price - position.average_price) if position.quantity * quantity < 0 else 0,
            source=source,
        )
        for (name, price, source), quantity in sums.items()
    )
