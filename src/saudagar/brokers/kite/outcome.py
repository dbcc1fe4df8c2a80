"""What a reply of Kite means for a request: done, refused, or nobody knows.

The SDK turns errors into its own classes by their `error_type`, stumbles over answers without one, without a content
type, or of HTML, and knows only some of the classes. The true HTTP status and body (see `saudagar.brokers.lane`)
decide instead.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from saudagar.brokers.lane import Reply
from saudagar.brokers.outcomes import kind_of, kind_of_page, page
from saudagar.model.errors import AuthError, BrokerError, OutcomeUnknown, RateLimited, RejectedByBroker

CLASSES: dict[str, type[BrokerError] | None] = {
    "TokenException": AuthError,
    "TwoFAException": AuthError,
    "PermissionException": RejectedByBroker,  # no access to this, or not from this address
    "UserException": RejectedByBroker,
    "OrderException": RejectedByBroker,
    "InputException": RejectedByBroker,
    "MarginException": RejectedByBroker,
    "HoldingException": RejectedByBroker,
    "NetworkException": OutcomeUnknown,  # Kite did not reach its order system, or did not hear back
    "DataException": OutcomeUnknown,  # Kite did not understand its order system's answer
    "GeneralException": None,  # anything at all
}
"""Kite's `error_type` (kite.trade/docs/connect/v3/exceptions); None says nothing."""

STATUSES: dict[int, type[BrokerError]] = {
    400: RejectedByBroker,
    401: AuthError,
    403: AuthError,
    404: RejectedByBroker,
    405: RejectedByBroker,
    410: RejectedByBroker,
    422: RejectedByBroker,
    428: RejectedByBroker,  # shares that wait for the holder's leave at the depository
    429: RateLimited,
}
"""HTTP statuses, where the class does not decide. Any other leaves the outcome unknown."""

_PAGES = {429: RateLimited}
"""Of a gateway's pages the one that says how it did not let the request pass."""

_TOO_MANY_CHANGES = re.compile(r"order modifications exceeded", re.IGNORECASE)  # a 429 that no waiting cures
_LOG_IN = "Log in again: Kite's tokens end at 06:00 IST."
_LOOKED_UP = "It will be looked up by our own id."


def content(reply: Reply, request: str, doubt: str = "") -> Any:
    """The `data` of a plain yes.

    Parameters
    ----------
    request
        What was asked, for the message.
    doubt
        What a person shall do where nobody knows the outcome; by default an order's own look-up is promised.

    Raises
    ------
    AuthError, RateLimited, RejectedByBroker
        Kite said no; nothing was done.
    OutcomeUnknown
        Anything else: no reply, an empty or garbled one, a failure inside Kite.
    """
    body = _json(reply.body)
    if 200 <= reply.status < 300 and body is not None and body.get("status") == "success" and "data" in body:
        return body["data"]
    raise _error(reply, body, request, doubt)


def _error(reply: Reply, body: dict[str, Any] | None, request: str, doubt: str) -> BrokerError:
    code = str((body or {}).get("error_type") or "")
    if body is None or not reply.status:
        kind, message = kind_of_page(reply.status, _PAGES), page(reply)
    else:
        said = str(body.get("message") or "no reason given")
        kind = _kind(reply.status, code, said)
        message = f"{said} (HTTP {reply.status}{', ' + code if code else ''})"
    hint = doubt or _LOOKED_UP if kind is OutcomeUnknown else _LOG_IN if kind is AuthError else ""
    return kind(f"Kite, {request}: {message}.", code=code, hint=hint)


def _kind(status: int, code: str, message: str) -> type[BrokerError]:
    if _TOO_MANY_CHANGES.search(message):
        return RejectedByBroker
    if status == 429:
        return RateLimited
    meant = CLASSES.get(code)
    if status < 400 and meant is not AuthError:  # a yes that is none
        return OutcomeUnknown
    return kind_of(meant, status, STATUSES, message)


def _json(body: bytes) -> dict[str, Any] | None:
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    return answer if isinstance(answer, dict) else None
