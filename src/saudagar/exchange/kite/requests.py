"""What comes in at Kite's REST: form fields, read strictly.

Nothing is guessed: a word that is not known, a number that is none, a field that is missing is refused as Kite refuses
it, with InputException and nothing done.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from saudagar.exchange.face import decode, read_post
from saudagar.exchange.kite.errors import bad_input
from saudagar.exchange.kite.words import ORDER_TYPE, PRODUCT
from saudagar.model import OrderType, Paise, Side

LARGEST = 2**31 - 1  # of any quantity or amount in paise that a field may hold
_DIGITS = 20  # of any number that is read
TAG_LENGTH = 20  # characters; a longer tag is rejected (kite.trade/forum 52970)

T = TypeVar("T")

ORDER_TYPES = {word: kind for kind, word in ORDER_TYPE.items()}
PRODUCTS = {word: product for product, word in PRODUCT.items()}
SIDES = {side.value: side for side in Side}
VALIDITIES = {"DAY": "DAY", "IOC": "IOC", "TTL": "TTL"}


def whole_number(text: str) -> int:
    """A number that `text` writes in digits, or one beyond all bounds; 0 for what is none."""
    if not text.isdecimal():
        return 0
    return int(text) if len(text) < _DIGITS else LARGEST + 1


class Form:
    """The fields of one request."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields

    def __contains__(self, name: str) -> bool:
        return bool(self._fields.get(name))

    def text(self, name: str, default: str | None = None) -> str:
        """A field as it came. Raises `KiteError` if it is missing and has no default."""
        value = self._fields.get(name, "")
        if value:
            return value
        if default is None:
            raise bad_input(f"Missing or empty field `{name}`.")
        return default

    def word(self, name: str, table: Mapping[str, T], default: str | None = None) -> T:
        """A field that must be one of the table's words."""
        word = self.text(name, default)
        if word not in table:
            raise bad_input(f"Invalid `{name}`.")
        return table[word]

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number from 0 to `LARGEST`."""
        value = self.text(name, None if default is None else str(default))
        if not value.isdecimal():
            raise bad_input(f"Invalid request (failed to decode {name}, got: {value} (expected integer))")
        number = whole_number(value)
        if number > LARGEST:
            raise bad_input(f"Invalid `{name}`.")
        return number

    def decimal(self, name: str, default: Decimal | None = None) -> Decimal:
        """A finite decimal number that somebody may have meant."""
        value = self.text(name, None if default is None else str(default))
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or number.adjusted() > _DIGITS:
            raise bad_input(f"Invalid request (failed to decode {name}, got: {value} (expected decimal))")
        return number

    def paise(self, name: str, default: Paise | None = None) -> Paise:
        """Rupees that are whole paise, at most `LARGEST` of them."""
        amount = self.decimal(name, None if default is None else Decimal(default) / 100) * 100
        if not 0 <= amount <= LARGEST or amount != int(amount):
            raise bad_input(f"Invalid `{name}`.")
        return int(amount)


async def read_form(request: web.Request) -> Form:
    """The form-encoded body of `request`."""
    return Form(dict(await read_fields(request)))


async def read_fields(request: web.Request) -> list[tuple[str, str]]:
    """The same, with every value of a name."""
    try:
        return await read_post(request)
    except ValueError as problem:
        raise bad_input(f"Invalid request ({problem})") from None


async def read_json(request: web.Request, kind: type[T]) -> T:
    """The JSON body of `request`."""
    try:
        return decode(await request.read(), kind)
    except msgspec.DecodeError as problem:
        raise bad_input(f"Invalid request ({problem})") from None


def read_field(text: str, kind: type[T], name: str) -> T:
    """JSON inside a form field, as GTT conditions come."""
    try:
        return decode(text, kind)
    except msgspec.DecodeError as problem:
        raise bad_input(f"Invalid `{name}` ({problem})") from None


def order_prices(kind: OrderType, form: Form, price: Paise, trigger: Paise) -> tuple[Paise, Paise]:
    """Price and trigger price that an order of `kind` needs; the given ones stand where the form is silent."""
    return (
        form.paise("price", price or None) if kind.has_price else 0,
        form.paise("trigger_price", trigger or None) if kind.has_trigger else 0,
    )


def success(data: Any) -> dict[str, Any]:
    return {"status": "success", "data": data}
