"""Dhan's error envelopes and codes, and which of them a refusal of the exchange becomes.

Codes and types: Dhan API v2 documentation, "Annexure"; DH-901, DH-904, DH-906 and the 404 as recorded in 2025; the
missing order, the empty holdings and the late rejections as measured by others in September 2026.
"""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from saudagar.exchange.core_orders import Refusal
from saudagar.exchange.face import json_response

ERRORS: Mapping[str, tuple[str, int]] = {
    "DH-901": ("Invalid_Authentication", 401),
    "DH-902": ("Invalid_Access", 403),
    "DH-903": ("User_Account", 400),
    "DH-904": ("Input_Exception", 429),  # the type as recorded; the documentation says Rate_Limit
    "DH-905": ("Input_Exception", 400),
    "DH-906": ("Order_Error", 400),
    "DH-907": ("Data_Error", 400),
    "DH-908": ("Internal_Server_Error", 500),
    "DH-909": ("Network_Error", 502),
    "DH-910": ("Others", 400),
    "DH-911": ("Invalid_IP", 403),
    "DH-1111": ("HOLDING_ERROR", 500),  # an empty demat account is an error there
}
"""Code -> `errorType` and HTTP status."""

REFUSALS: Mapping[str, str] = {
    "instrument": "DH-905",
    "quantity": "DH-905",
    "authority": "DH-906",
    "price": "DH-905",
    "product": "DH-905",
    "tick": "DH-906",
    "band": "DH-906",
    "freeze": "DH-906",
    "lot": "DH-906",
    "session": "DH-906",
    "funds": "DH-906",
    "order": "DH-906",
    "state": "DH-906",
}
"""The exchange's refusal -> Dhan's code."""

LATE = frozenset({"band", "funds", "authority"})
"""Refused by Dhan's risk desk only after it has answered 200: the order is in the book, REJECTED."""

AUTHENTICATION = "Client ID or user generated access token is invalid or expired."
TOO_MANY = "Too many requests on server from single user breaching rate limits. Try throttling API calls."
NO_SUCH_ORDER = "Incorrect request for order and cannot be processed"


def error(code: str, message: str, status: int = 0) -> web.Response:
    """Dhan's answer to a request it refuses; `status` where it is not the code's usual one."""
    kind, usual = ERRORS[code]
    return json_response({"errorType": kind, "errorCode": code, "errorMessage": message}, status or usual)


def refused(refusal: Refusal) -> web.Response:
    """The answer to an order the exchange refused; nothing was done."""
    message = NO_SUCH_ORDER if refusal.code == "order" else refusal.message
    return error(REFUSALS[refusal.code], message)


def data_error(code: str, message: str, status: int) -> web.Response:
    """The data APIs' own envelope, e.g. code "809"."""
    return json_response({"data": {code: message}, "status": "failed"}, status)


def too_many() -> web.Response:
    return error("DH-904", TOO_MANY)
