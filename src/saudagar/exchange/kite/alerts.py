"""Kite's alerts: a condition on the last price that is counted when it comes true, or sends a basket of orders (ATO).

Kite's Python library has no call for them (kite.trade/forum 15843), so the desk does not use them; they are here for
who speaks to the API directly. Requests and fields: kite.trade/docs/connect/v3/alerts and its mock answer of one
alert. Not told there, and ours: a condition counts each time it comes true anew, and an ATO is disabled when it fires.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from saudagar.exchange.core import MatchingCore
from saudagar.exchange.kite.errors import KiteError, bad_input
from saudagar.exchange.kite.requests import Form, read_field
from saudagar.exchange.kite.shapes import ist_text
from saudagar.exchange.kite.words import Directory, rupees
from saudagar.model import Instrument, Nanos, Paise

MOST = 500  # enabled alerts of one user

Place = Callable[[str, Form], dict[str, Any]]

_INDICES = "INDICES"  # what alerts call the exchange of an index
_ATTRIBUTE = "LastTradedPrice"
_TYPES = {"simple": "simple", "ato": "ato"}
_SIDES = {"constant": "constant", "instrument": "instrument"}
_STATUSES = {"enabled": "enabled", "disabled": "disabled"}
_OPERATORS: Mapping[str, Callable[[Paise, Paise], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
}


class _Item(msgspec.Struct):
    tradingsymbol: str
    exchange: str
    params: dict[str, Any]


class _Basket(msgspec.Struct):
    items: list[_Item]


class _Alert(msgspec.Struct, kw_only=True):
    uuid: str
    kind: str
    name: str
    exchange: str
    instrument: Instrument
    word: str  # the operator
    constant: Paise = 0
    other_exchange: str = ""
    other: Instrument | None = None
    basket: _Basket | None = None
    status: str = "enabled"
    reason: str = ""
    count: int = 0
    created: Nanos = 0
    updated: Nanos = 0
    true: bool = True  # at the last look: what is true from the start must become false first
    history: list[dict[str, Any]] = []


class Alerts:
    """All alerts of the user.

    Parameters
    ----------
    place
        Takes an order of a basket: variety and form.
    """

    def __init__(self, core: MatchingCore, directory: Directory, *, user: str, place: Place) -> None:
        self._core = core
        self._directory = directory
        self._user = user
        self._place = place
        self._all: dict[str, _Alert] = {}
        self._made = 0

    def create(self, form: Form) -> dict[str, Any]:
        """`POST /alerts`. Raises `KiteError`; nothing was done then."""
        if sum(each.status == "enabled" for each in self._all.values()) >= MOST:
            raise bad_input(f"Only {MOST} alerts may be enabled.")
        self._made += 1
        name = str(UUID(bytes=sha256(f"{self._user} {self._made}".encode()).digest()[:16], version=4))
        made = self._read(form, name, self._core.now)
        self._all[name] = made
        return self._row(made)

    def modify(self, name: str, form: Form) -> dict[str, Any]:
        """`PUT /alerts/{uuid}`: everything is sent again, or its status alone. Raises `KiteError`."""
        old = self._get(name)
        status = form.word("status", _STATUSES, old.status)
        changed = self._read(form, name, old.created) if "name" in form else msgspec.structs.replace(old)
        changed.status, changed.reason = status, ""
        changed.count, changed.history, changed.updated = old.count, old.history, self._core.now
        self._all[name] = changed
        return self._row(changed)

    def delete(self, names: Iterable[str]) -> None:
        """`DELETE /alerts?uuid=…&uuid=…`. Raises `KiteError`; nothing is deleted then."""
        found = [self._get(name).uuid for name in names]
        if not found:
            raise bad_input("Missing or empty field `uuid`.")
        for name in set(found):
            del self._all[name]

    def rows(self, status: str = "") -> list[dict[str, Any]]:
        """`GET /alerts`."""
        return [self._row(each) for each in self._all.values() if status in ("", each.status)]

    def row(self, name: str) -> dict[str, Any]:
        """`GET /alerts/{uuid}`. Raises `KiteError`."""
        return self._row(self._get(name))

    def history(self, name: str) -> list[dict[str, Any]]:
        """`GET /alerts/{uuid}/history`, newest first. Raises `KiteError`."""
        return list(reversed(self._get(name).history))

    def advance(self) -> None:
        """Look at the newest prices; call at each step."""
        for each in self._all.values():
            if each.status == "enabled":
                self._look(each)

    def _look(self, each: _Alert) -> None:
        before, each.true = each.true, self._holds(each)
        if each.true and not before:
            self._fire(each)

    def _holds(self, each: _Alert) -> bool:
        """Whether the condition is true now; so it counts as long as there is no price."""
        price, bound = self._last(each.instrument), each.constant or self._last(each.other)
        return not price or not bound or _OPERATORS[each.word](price, bound)

    def _fire(self, each: _Alert) -> None:
        price = self._last(each.instrument)
        each.count += 1
        each.updated = self._core.now
        if each.basket is not None:
            each.status, each.reason = "disabled", "triggered"
        meta = {"exchange": each.exchange, "tradingsymbol": each.instrument.kite_symbol, "last_price": rupees(price)}
        each.history.append(
            {
                "uuid": each.uuid,
                "type": each.kind,
                "meta": [meta],
                "condition": f"{_ATTRIBUTE}({each.exchange}:{each.instrument.kite_symbol}) {each.word} {_bound(each)}",
                "created_at": ist_text(self._core.now),
                "order_meta": self._send(each.basket) if each.basket else None,
            }
        )

    def _send(self, basket: _Basket) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = []
        for item in basket.items:
            try:
                results.append({"status": "success", **self._place(*_order(item))})
            except KiteError as problem:
                results.append({"status": "error", "message": problem.message, "error_type": problem.kind})
        return results

    def _last(self, instrument: Instrument | None) -> Paise:
        tick = self._core.last(instrument.id) if instrument else None
        return tick.ltp if tick else 0

    def _read(self, form: Form, name: str, created: Nanos) -> _Alert:
        kind, side = form.word("type", _TYPES), form.word("rhs_type", _SIDES)
        if form.text("lhs_attribute") != _ATTRIBUTE:
            raise bad_input("Invalid `lhs_attribute`.")
        form.word("operator", _OPERATORS)
        basket = read_field(form.text("basket"), _Basket, "basket") if kind == "ato" else None
        if basket is not None and not basket.items:
            raise bad_input("Invalid `basket`.")
        made = _Alert(
            uuid=name,
            kind=kind,
            name=form.text("name"),
            exchange=form.text("lhs_exchange"),
            instrument=self._instrument(form, "lhs"),
            word=form.text("operator"),
            basket=basket,
            created=created,
            updated=created,
        )
        if side == "constant":
            made.constant = form.paise("rhs_constant")
            if not made.constant:
                raise bad_input("Invalid `rhs_constant`.")
        else:
            made.other, made.other_exchange = self._instrument(form, "rhs"), form.text("rhs_exchange")
        made.true = self._holds(made)
        return made

    def _instrument(self, form: Form, side: str) -> Instrument:
        exchange, symbol = form.text(f"{side}_exchange"), form.text(f"{side}_tradingsymbol")
        names = [f"{each}:{symbol}" for each in (("NSE", "BSE") if exchange == _INDICES else (exchange,))]
        line = next((self._directory.by_name[name] for name in names if name in self._directory.by_name), None)
        if line is None or line.instrument.segment.tradable is (exchange == _INDICES):
            raise bad_input(f"Invalid `{side}_tradingsymbol`.")
        return line.instrument

    def _get(self, name: str) -> _Alert:
        found = self._all.get(name)
        if found is None:
            raise KiteError("GeneralException", "Couldn't find that alert.", 404)
        return found

    def _row(self, each: _Alert) -> dict[str, Any]:
        return {
            "type": each.kind,
            "user_id": self._user,
            "uuid": each.uuid,
            "name": each.name,
            "status": each.status,
            "disabled_reason": each.reason,
            "lhs_attribute": _ATTRIBUTE,
            "lhs_exchange": each.exchange,
            "lhs_tradingsymbol": each.instrument.kite_symbol,
            "operator": each.word,
            "rhs_type": "instrument" if each.other else "constant",
            "rhs_attribute": _ATTRIBUTE if each.other else "",
            "rhs_exchange": each.other_exchange,
            "rhs_tradingsymbol": each.other.kite_symbol if each.other else "",
            "rhs_constant": rupees(each.constant),
            "alert_count": each.count,
            "created_at": ist_text(each.created),
            "updated_at": ist_text(each.updated),
        }


def _bound(each: _Alert) -> str:
    if each.other is None:
        return str(rupees(each.constant))
    return f"{_ATTRIBUTE}({each.other_exchange}:{each.other.kite_symbol})"


def _order(item: _Item) -> tuple[str, Form]:
    """Variety and form of one order of a basket; a number that is 0 is one that was not meant."""
    words = {name: str(value) for name, value in item.params.items() if value and not isinstance(value, list | dict)}
    variety = words.pop("variety", "regular")
    return variety, Form(words | {"exchange": item.exchange, "tradingsymbol": item.tradingsymbol})
