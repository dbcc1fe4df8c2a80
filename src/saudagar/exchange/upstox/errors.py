"""Upstox's error envelopes. Codes: Upstox API documentation, "Error codes"; no recorded answers exist."""

from __future__ import annotations

from aiohttp import web

from saudagar.exchange.face import json_response

ERRORS = {
    "UDAPI100050": (401, "Invalid token used to access API"),
    "UDAPI10005": (429, "Too Many Request Sent"),
    "UDAPI100060": (404, "Resource not Found."),
    "UDAPI100011": (400, "Invalid Instrument key"),
    "UDAPI1015": (400, "to_date must be greater than or equal to from_date"),
    "UDAPI1146": (400, "Invalid unit"),
    "UDAPI1147": (400, "Invalid interval"),
    "UDAPI1148": (400, "Invalid date range"),
    "UDAPI100068": (500, "Internal error"),
}


def error(code: str) -> web.Response:
    """Upstox's answer to a request it refuses: camelCase keys with snake_case twins."""
    status, message = ERRORS[code]
    body = {
        "errorCode": code,
        "message": message,
        "propertyPath": None,
        "invalidValue": None,
        "error_code": code,
        "property_path": None,
        "invalid_value": None,
    }
    return json_response({"status": "error", "errors": [body]}, status)


def unauthorised() -> web.Response:
    return error("UDAPI100050")


def too_many() -> web.Response:
    return error("UDAPI10005")
