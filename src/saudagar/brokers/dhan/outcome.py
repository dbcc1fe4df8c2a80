"""What a reply of Dhan means for a request: done, refused, or nobody knows.

The SDK answers every failure with the same ``{"status": "failure"}``, a time-out after the order was accepted and a
clear refusal alike. The true HTTP status and body (caught by a hook, see `lane`) tell them apart.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from saudagar.brokers.lane import Reply
from saudagar.brokers.outcomes import kind_of, kind_of_page, page
from saudagar.model.errors import AuthError, BrokerError, OutcomeUnknown, RateLimited, RejectedByBroker

CODES: dict[str, type[BrokerError]] = {
    "DH-901": AuthError,
    "DH-902": RejectedByBroker,  # no access to this API
    "DH-903": RejectedByBroker,  # segment not activated
    "DH-904": RateLimited,
    "DH-905": RejectedByBroker,  # input
    "DH-906": RejectedByBroker,  # order; also "Invalid Token", see `_SESSION_OVER`
    "DH-907": RejectedByBroker,  # data
    "DH-908": OutcomeUnknown,  # Dhan's own failure: it may have gone on to the exchange
    "DH-909": OutcomeUnknown,  # Dhan's back end did not answer Dhan
    "DH-910": OutcomeUnknown,  # "others"
    "DH-911": RejectedByBroker,  # address not on the list
    "DH-1111": RejectedByBroker,  # no holdings; `client` reads it as an empty list
    "800": OutcomeUnknown,
    "804": RejectedByBroker,
    "805": RateLimited,
    "806": RejectedByBroker,
    "807": AuthError,
    "808": AuthError,
    "809": AuthError,
    "810": AuthError,
    "811": RejectedByBroker,
    "812": RejectedByBroker,
    "813": RejectedByBroker,
    "814": RejectedByBroker,
}
"""Dhan's error codes (annexure of its API, and recorded answers)."""

STATUSES: dict[int, type[BrokerError]] = {
    400: RejectedByBroker,
    401: AuthError,
    403: AuthError,
    404: RejectedByBroker,
    405: RejectedByBroker,
    422: RejectedByBroker,
    429: RateLimited,
}
"""HTTP statuses, where the body holds no code. Any other leaves the outcome unknown."""

_ACCEPTED = 202
_SESSION_OVER = re.compile(r"invalid.{0,12}token|token.{0,20}(invalid|expired)", re.IGNORECASE)
_NO_SUCH_ORDER = re.compile(
    r"incorrect request for order|(order|data|record)s? not found|no (such )?order", re.IGNORECASE
)
_HINTS: dict[type[BrokerError], str] = {
    AuthError: "Log in again: Dhan's tokens last 24 hours.",
    OutcomeUnknown: "It will be looked up by our own id.",
}


def content(reply: Reply, request: str, doubt: str = "") -> Any:
    """The JSON of a plain yes.

    Parameters
    ----------
    request
        What was asked, for the message.
    doubt
        What to do when nobody knows the outcome; by default an order's own look-up.

    Raises
    ------
    AuthError, RateLimited, RejectedByBroker
        Dhan said no; nothing was done.
    OutcomeUnknown
        Anything else: no reply, an empty or garbled one, a failure inside Dhan.
    """
    body = _json(reply.body)
    code, message = _complaint(body)
    if 200 <= reply.status < 300 and body is not None and not (code or message):
        return body
    raise _error(reply, body, code, message, request, doubt)


def accepted(reply: Reply, request: str, doubt: str = "") -> Any:
    """`content`, or None for a 202 without a body: so Dhan says yes to a conversion and to a T-PIN."""
    return None if reply.status == _ACCEPTED and not reply.body else content(reply, request, doubt)


def no_such_order(error: BrokerError) -> bool:
    """Whether a refused look-up means that Dhan has no order by that id.

    Dhan uses DH-906 for a dead session, a missing order and others; only the message tells (measured on its sandbox,
    September 2026: a missing order is HTTP 404, DH-906, "Incorrect request for order and cannot be processed").
    To a question that answer means the same with any HTTP status.
    """
    at_the_door = isinstance(error, (AuthError, RateLimited))
    return not at_the_door and bool(error.code) and bool(_NO_SUCH_ORDER.search(error.message))


def _error(reply: Reply, body: Any, code: str, message: str, request: str, doubt: str) -> BrokerError:
    if body is None or not reply.status:
        kind, message = kind_of_page(reply.status, STATUSES), page(reply)
    else:
        meant = AuthError if _SESSION_OVER.search(message) else CODES.get(code)
        kind = kind_of(meant, reply.status, STATUSES, message)
        message = f"{message or 'no reason given'} (HTTP {reply.status}{', ' + code if code else ''})"
    hint = doubt if doubt and kind is OutcomeUnknown else _HINTS.get(kind, "")
    return kind(f"Dhan, {request}: {message}.", code=code, hint=hint)


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None


def _complaint(body: Any) -> tuple[str, str]:
    """Code and message of an error in any of Dhan's four envelopes; two empty texts if it is none."""
    if isinstance(body, list):
        return (
            _complaint(body[0]) if body and isinstance(body[0], dict) and body[0].get("status") == "ERROR" else ("", "")
        )
    if not isinstance(body, dict):
        return "", "an answer that is neither an object nor a list"
    if body.get("errorCode") or body.get("errorType"):
        return str(body.get("errorCode") or ""), str(
            body.get("errorMessage") or body.get("errorType") or "no reason given"
        )
    if body.get("status") == "failed" and isinstance(body.get("data"), dict):
        return next(((str(code), str(message)) for code, message in body["data"].items()), ("", "failed"))
    if body.get("status") == "ERROR":
        return "", str(body.get("message") or "no reason given")
    if "error" in body and "path" in body:
        return "", str(body["error"])
    return "", ""
