"""Dhan's error envelopes and codes, and which of them a refusal of the exchange becomes.

Codes and types: Dhan API v2 documentation, "Annexure"; DH-901, DH-904, DH-906 and the 404 as recorded in 2025.
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
}
"""Code -> `errorType` and HTTP status."""

REFUSALS: Mapping[str, str] = {
    "instrument": "DH-905",
    "quantity": "DH-905",
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

AUTHENTICATION = "Client ID or user generated access token is invalid or expired."
TOO_MANY = "Too many requests on server from single user breaching rate limits. Try throttling API calls."


def error(code: str, message: str) -> web.Response:
    """Dhan's answer to a request it refuses."""
    kind, status = ERRORS[code]
    return json_response({"errorType": kind, "errorCode": code, "errorMessage": message}, status)


def refused(refusal: Refusal) -> web.Response:
    """The answer to an order the exchange refused; nothing was done."""
    return error(REFUSALS[refusal.code], refusal.message)


def data_error(code: str, message: str, status: int) -> web.Response:
    """The data APIs' own envelope, e.g. code "809"."""
    return json_response({"data": {code: message}, "status": "failed"}, status)


def too_many() -> web.Response:
    return error("DH-904", TOO_MANY)
