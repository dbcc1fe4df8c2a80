"""Money is whole paise. Rupees exist only where people or brokers read and write them."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TypeAlias

from saudagar.model.errors import DataError

Paise: TypeAlias = int
"""Prices, amounts and charges, in paise (₹1 = 100)."""


_MOST = 10**16
"""Rupees beyond all money there is; less of them, in paise, still fit the whole numbers of a journal."""


def to_paise(rupees: str | int | float | Decimal) -> Paise:
    """Rupees as read from outside, in paise, half a paisa rounded up.

    Raises
    ------
    DataError
        For NaN, an infinity, or text that is no number.
    """
    if isinstance(rupees, float):
        if not abs(rupees) < _MOST:  # false for NaN as well
            raise DataError(f"a price must be a finite number, got {rupees!r}.")
        return round(rupees * 100)
    try:
        value = Decimal(rupees)
        if not value.is_finite() or abs(value) >= _MOST:
            raise InvalidOperation
    except (InvalidOperation, TypeError, ValueError):
        raise DataError(f"expected an amount in rupees such as 1234.50, got {rupees!r}.") from None
    return int((value * 100).to_integral_value(rounding=ROUND_HALF_UP))


def group_digits(whole: int) -> str:
    """Digits in the Indian grouping: 12345678 → ``1,23,45,678``."""
    text = str(abs(whole))
    head, tail = text[:-3], text[-3:]
    while head:
        tail = f"{head[-2:]},{tail}"
        head = head[:-2]
    return f"-{tail}" if whole < 0 else tail


def inr(paise: Paise, *, sign: bool = False) -> str:
    """Paise for people: ``₹1,23,456.78``; with `sign`, gains carry a plus."""
    rupees, rest = divmod(abs(paise), 100)
    mark = "-" if paise < 0 else "+" if sign and paise > 0 else ""
    return f"{mark}₹{group_digits(rupees)}.{rest:02d}"
