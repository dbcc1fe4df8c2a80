"""Upstox's error envelopes and codes, and which of them a refusal becomes.

Codes: Upstox API documentation, "Error codes" and the pages of the endpoints; no recorded answers exist. The codes of
a missing order, a finished order and a wrong address are from memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from saudagar.exchange.core_orders import Refusal
from saudagar.exchange.face import json_response

ERRORS = {
    "UDAPI100050": (401, "Invalid token used to access API"),
    "UDAPI10005": (429, "Too Many Request Sent"),
    "UDAPI100060": (404, "Resource not Found."),
    "UDAPI100011": (400, "Invalid Instrument key"),
    "UDAPI100036": (400, "Invalid Input"),
    "UDAPI100010": (404, "Order not found."),
    "UDAPI100040": (400, "The order is already cancelled/rejected/completed."),
    "UDAPI100016": (401, "Invalid Credentials"),
    "UDAPI100057": (400, "Invalid Auth code"),
    "UDAPI1007": (400, "The product is invalid"),
    "UDAPI1015": (400, "to_date must be greater than or equal to from_date"),
    "UDAPI1052": (400, "The quantity is invalid"),
    "UDAPI1054": (400, "The price is invalid"),
    "UDAPI1066": (400, "The segment is invalid"),
    "UDAPI1067": (400, "The segment is required"),
    "UDAPI1088": (400, "Invalid date"),
    "UDAPI1108": (400, "The segment is invalid"),
    "UDAPI1111": (400, "No open position available to exit."),
    "UDAPI1112": (400, "More than 10 open positions cannot be exited together."),
    "UDAPI1113": (400, "Positions can be exited in the market's hours only."),
    "UDAPI1126": (400, "A valid GTT order type is required."),
    "UDAPI1136": (400, "A GTT order of type SINGLE has exactly one rule."),
    "UDAPI1137": (400, "A GTT order of type MULTIPLE has two or three rules."),
    "UDAPI1141": (400, "An ENTRY rule is mandatory."),
    "UDAPI1143": (400, "Rules other than ENTRY can only have the trigger type IMMEDIATE."),
    "UDAPI1146": (400, "Invalid unit"),
    "UDAPI1147": (400, "Invalid interval"),
    "UDAPI1148": (400, "Invalid date range"),
    "UDAPI1151": (400, "The trailing gap is below the minimum."),
    "UDAPI1154": (403, "Access to this API is restricted to the registered static IP."),
    "UDAPI100068": (500, "Internal error"),
}

LATE = frozenset({"tick", "band", "freeze", "lot", "funds", "session", "authority"})
"""Refused by the risk desk or the exchange only after Upstox has given an id: the order is in the book, rejected."""

REFUSALS: Mapping[str, str] = {
    "instrument": "UDAPI100011",
    "quantity": "UDAPI1052",
    "price": "UDAPI1054",
    "product": "UDAPI1007",
    "order": "UDAPI100010",
    "state": "UDAPI100040",
    **dict.fromkeys(LATE, "UDAPI100036"),  # where nothing was placed: a modification, a GTT
}
"""The exchange's refusal -> Upstox's code."""


class Refused(Exception):
    """The request is refused with Upstox's own code; `message` replaces the code's usual words."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.message = message or ERRORS[code][1]


def of(refusal: Refusal) -> Refused:
    """Upstox's word for a refusal of the exchange."""
    return Refused(REFUSALS[refusal.code], refusal.message)


def entry(code: str, message: str) -> dict[str, Any]:
    """One entry of `errors`: camelCase keys with snake_case twins."""
    return {
        "errorCode": code,
        "message": message,
        "propertyPath": None,
        "invalidValue": None,
        "error_code": code,
        "property_path": None,
        "invalid_value": None,
    }


def error(code: str, message: str = "") -> web.Response:
    """Upstox's answer to a request it refuses."""
    status, usual = ERRORS[code]
    return json_response({"status": "error", "errors": [entry(code, message or usual)]}, status)


def unauthorised() -> web.Response:
    return error("UDAPI100050")


def too_many() -> web.Response:
    return error("UDAPI10005")
