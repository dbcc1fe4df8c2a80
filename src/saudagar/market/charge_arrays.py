"""The charges of many orders at once, exact: what `charges.charge` tells of each, in whole-number arithmetic.

A year of minute bars may hold 50,000 orders; telling them apart one by one in `Decimal` takes longer than trading
them. Here a column of orders at the same rates costs a few array operations. Called by backtests; a property test
holds it to `charge`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from saudagar.market import charge_tables as tables
from saudagar.market.charges import Charges, Rates
from saudagar.model import Paise, Side

Ints: TypeAlias = NDArray[np.int64]
Whole: TypeAlias = NDArray[Any]
"""Python's whole numbers, which have no end, in an array."""

SCALE = 10**18
"""Amounts are counted in 10⁻¹⁸ paise: every rate has fewer decimals, and only shared brokerage is cut there."""

_HALF = SCALE // 2 + 10**5  # what shares have lost must not hide half a paisa; rates end eleven decimals before that


class OrderCharges:
    """The parts of what a column of orders costs, each in 1/`SCALE` paise.

    Parameters
    ----------
    values
        Turnover of each order (or of its part), paise.
    wholes
        Turnover of the whole order that each belongs to, paise: brokerage, being per order, is shared by value.
    """

    def __init__(self, rates: Rates, side: Side, values: Ints, wholes: Ints) -> None:
        turnover, whole = values.astype(object), wholes.astype(object)
        most = int(rates.most * 100 * SCALE)
        brokerage: Whole = np.full(len(values), most, object)
        if rates.fraction is not None:
            brokerage = np.minimum(brokerage, whole * _scaled(rates.fraction))
        shared = np.flatnonzero(values != wholes)
        brokerage[shared] = (2 * brokerage[shared] * turnover[shared] + whole[shared]) // (2 * whole[shared])
        bought = side is Side.BUY
        self.parts: dict[str, Whole] = {
            "brokerage": brokerage,
            "stt": turnover * _scaled(rates.stt_buy if bought else rates.stt_sell),
            "exchange": turnover * _scaled(rates.exchange),
            "ipft": turnover * _scaled(rates.ipft),
            "sebi": turnover * _scaled(rates.sebi),
            "stamp": turnover * (_scaled(rates.stamp) if bought else 0),
            "gst": brokerage * 18 // 100 + turnover * _scaled(rates.taxed * tables.GST),
        }

    @property
    def total(self) -> Whole:
        """Of each order."""
        return sum(self.parts.values(), np.zeros(len(self.parts["stt"]), object))


def in_paise(amounts: Whole) -> Ints:
    """1/`SCALE` paise in whole paise, half a paisa up."""
    return ((amounts + _HALF) // SCALE).astype(np.int64)


def by_kind(charges: Mapping[str, int]) -> dict[str, Paise]:
    """The kinds of `Charges` in whole paise, those that came to nothing left out."""
    paise = {kind: (charges.get(kind, 0) + _HALF) // SCALE for kind in Charges.__struct_fields__}
    return {kind: amount for kind, amount in paise.items() if amount}


def _scaled(rate: Decimal) -> int:
    return int(rate * SCALE)
