"""What can be asked of the exchange without changing anything: time, books, positions, money.

The half of `core.MatchingCore` that the wire faces read from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from saudagar.exchange.book import Book
from saudagar.exchange.core_account import Account
from saudagar.exchange.core_floor import Floor
from saudagar.exchange.core_orders import ExchangeOrder, ExchangeTrade, Refusal
from saudagar.exchange.core_rules import band, check_product
from saudagar.exchange.core_session import SessionCalendar, SessionClock
from saudagar.market.sessions import PhaseKind
from saudagar.model import Funds, Instrument, InstrumentId, Nanos, Paise, Product, Side, Tick


class MarketView:
    """The state of the exchange. Parameters as in `core.MatchingCore`."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        calendar: SessionCalendar,
        *,
        capital: Paise,
        protection_ppm: int | None,
        previous_close: Mapping[InstrumentId, Paise],
        band_ppm: int,
        holdings: Mapping[InstrumentId, int] | None,
        standing_leave: bool,
    ) -> None:
        self.orders: dict[str, ExchangeOrder] = {}
        self.standing_leave = standing_leave
        self._books = {each.id: Book(each, previous_close.get(each.id, 0)) for each in instruments}
        self._clock = SessionClock(calendar, (book.instrument for book in self._books.values()))
        self._capital, self._holdings = capital, holdings
        self._accounts: dict[str, Account] = {}
        self._floor = Floor(self.account, protection_ppm, band_ppm)
        self._band = band_ppm
        self._tags: dict[str, ExchangeOrder] = {}

    @property
    def now(self) -> Nanos:
        """Market time, UTC ns; 0 before the first `advance`."""
        return self._floor.now

    @property
    def trades(self) -> list[ExchangeTrade]:
        """Every execution, oldest first."""
        return self._floor.trades

    @property
    def accounts(self) -> tuple[str, ...]:
        """The names of the accounts in use; "" is the one that is meant where none is named."""
        return tuple(self._accounts)

    def account(self, name: str) -> Account:
        """The account of that name; each begins with the same capital and holdings."""
        found = self._accounts.get(name)
        if found is None:
            found = self._accounts[name] = Account(self._capital, self._holdings, standing_leave=self.standing_leave)
        return found

    def margin(self, instrument: InstrumentId, product: Product, side: Side, quantity: int, price: Paise) -> Paise:
        """Margin that an order would need on its own, paise; `price` 0 takes the last. Raises as `place` does."""
        book = self._book(instrument)
        check_product(book.instrument, product)
        return self.account("").margin(book.instrument, product, side, quantity, price or book.last)

    def by_tag(self, tag: str) -> ExchangeOrder | None:
        """The first order placed with `tag`."""
        return self._tags.get(tag)

    def positions(self, account: str = "") -> list[tuple[Instrument, Product, int, Paise, int, Paise]]:
        """Instrument, product, bought units and value, sold units and value of everything traded."""
        return [
            (line.instrument, line.product, line.buy_quantity, line.buy_value, line.sell_quantity, line.sell_value)
            for line in self.account(account).lines()
        ]

    def funds(self, account: str = "") -> Funds:
        """Money of the account, paise."""
        return self.account(account).funds()

    def instrument(self, instrument: InstrumentId) -> Instrument:
        """The instrument of that id. Raises as `last` does."""
        return self._book(instrument).instrument

    def last(self, instrument: InstrumentId) -> Tick | None:
        """The newest good tick of `instrument`, None before the first.

        Raises
        ------
        Refusal
            ``instrument`` if it is not known.
        """
        return self._book(instrument).tick

    def band(self, instrument: InstrumentId) -> tuple[Paise, Paise]:
        """The lowest and highest price taken now, paise; (0, 0) while no base is known. Raises as `last` does."""
        return band(self._book(instrument), self._band)

    def phase(self, instrument: InstrumentId) -> PhaseKind | None:
        """The phase `instrument` is in, None in closed hours. Raises as `last` does."""
        return self._clock.phase(self._book(instrument).instrument)

    def _book(self, instrument: InstrumentId) -> Book:
        book = self._books.get(instrument)
        if book is None:
            raise Refusal("instrument", f"no such instrument: {instrument!r}.")
        return book
