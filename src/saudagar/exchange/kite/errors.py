"""Kite's error envelope, its classes and texts, and which of them a refusal of the exchange becomes.

Classes and statuses: kite.trade/docs/connect/v3/exceptions. The texts of a missing order, a bad tick, too many
modifications, too long a history, a bad field and missing market protection are Kite's own as users reported them; the
text of a refused address is not known and is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import cycle

from aiohttp import web

from saudagar.exchange.core_orders import Refusal
from saudagar.exchange.face import json_response

STATUSES: Mapping[str, int] = {
    "TokenException": 403,
    "PermissionException": 403,
    "UserException": 403,
    "TwoFAException": 403,
    "OrderException": 400,
    "InputException": 400,
    "MarginException": 400,
    "HoldingException": 400,
    "GeneralException": 500,
    "DataException": 502,
    "NetworkException": 503,
}
"""Class -> HTTP status."""

REFUSALS: Mapping[str, str] = {
    "instrument": "InputException",
    "quantity": "HoldingException",  # the form is checked before: what is left is a delivery sale without shares
    "authority": "HoldingException",
    "price": "InputException",
    "product": "InputException",
    "tick": "InputException",
    "band": "InputException",
    "freeze": "InputException",
    "lot": "InputException",
    "session": "OrderException",
    "funds": "MarginException",
    "order": "OrderException",
    "state": "OrderException",
}
"""The exchange's refusal -> Kite's class."""

_ODD_STATUS = {"authority": 428}  # kite.trade/forum 7786; its class is not told there

BAD_TOKEN = "Incorrect `api_key` or `access_token`."  # noqa: S105
NO_SUCH_ORDER = "Couldn't find that `order_id`."
NO_PROTECTION = (
    "Market orders without market protection are not allowed via API. "
    "Please set market protection or use a Limit order."
)
TOO_MANY_CHANGES = "Maximum allowed order modifications exceeded."
TOO_MANY = "Too many requests"
TIMED_OUT = "Order request timed out. Please check the order book and confirm before placing again."
WRONG_ADDRESS = "Order requests are not allowed from this IP address. Register it in the developer console."
CLOSED = "Markets are closed right now. Use GTT for placing long standing orders instead."

_HTML = "<html><head><title>429 Too Many Requests</title></head><body><h1>429 Too Many Requests</h1></body></html>"


class KiteError(Exception):
    """A request that Kite refuses.

    Parameters
    ----------
    kind
        One of `STATUSES`.
    status
        HTTP status where it is not the class's usual one.
    """

    def __init__(self, kind: str, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status or STATUSES[kind]


def bad_input(message: str) -> KiteError:
    return KiteError("InputException", message)


def refused(refusal: Refusal) -> KiteError:
    """What Kite says to a refusal of the exchange."""
    message = CLOSED if refusal.code == "session" else refusal.message
    return KiteError(REFUSALS[refusal.code], message, _ODD_STATUS.get(refusal.code, 0))


def answer(problem: KiteError) -> web.Response:
    """`problem` in Kite's envelope."""
    body = {"status": "error", "message": problem.message, "error_type": problem.kind}
    return json_response(body, problem.status)


def too_many() -> web.Response:
    """Kite's own 429."""
    return answer(KiteError("NetworkException", TOO_MANY, 429))


def odd_too_many() -> Callable[[], web.Response]:
    """Makes the 429s of a fault: Kite's own, its gateway's page of HTML, and an envelope without `error_type`."""
    kinds = cycle((too_many, _page, _without_class))

    def odd() -> web.Response:
        return next(kinds)()

    return odd


def server_errors() -> Callable[[], web.Response]:
    """Makes the 5xx of a fault: the order system is away, its answer is not understood, anything else.

    And it is late, which Kite tells with HTTP 400 (kite.trade/forum 35732).
    """
    unknown = "Something went wrong. The status of the request is not known."
    kinds = ("NetworkException", "DataException", "GeneralException")
    problems = cycle([*(KiteError(kind, unknown) for kind in kinds), KiteError("OrderException", TIMED_OUT)])

    def broken() -> web.Response:
        return answer(next(problems))

    return broken


def _page() -> web.Response:
    return web.Response(text=_HTML, status=429, content_type="text/html")


def _without_class() -> web.Response:
    return json_response({"status": "error", "message": TOO_MANY}, 429)
