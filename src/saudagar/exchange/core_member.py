"""One broker's view of the exchange: the same market, its own cash and positions.

Given to a wire face in the place of the core when the simulated accounts are apart (`ExchangeConfig.accounts`).
"""

from __future__ import annotations

from typing import Any

from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_orders import ExchangeOrder
from saudagar.model import Funds, Instrument, InstrumentId, Paise, Product, Side


class Member:
    """`MatchingCore` for the account `name`; everything else is the core's."""

    def __init__(self, core: MatchingCore, name: str) -> None:
        self._core = core
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._core, attribute)

    def place(self, **order: Any) -> ExchangeOrder:
        return self._core.place(**order, account=self._name)

    def convert(self, instrument: InstrumentId, old: Product, new: Product, side: Side, quantity: int) -> None:
        self._core.convert(instrument, old, new, side, quantity, self._name)

    def authorise(self, instrument: InstrumentId, quantity: int) -> None:
        self._core.authorise(instrument, quantity, self._name)

    def positions(self) -> list[tuple[Instrument, Product, int, Paise, int, Paise]]:
        return self._core.positions(self._name)

    def funds(self) -> Funds:
        return self._core.funds(self._name)
