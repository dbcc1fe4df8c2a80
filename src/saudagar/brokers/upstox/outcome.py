"""What a reply of Upstox means for a request: done, refused, or nobody knows.

The SDK raises one exception for every answer that is not 2xx and lets urllib3's own out for the rest; a 2xx may still
be an error by its body. Status and body together (see `lane`) tell them apart.
"""

from __future__ import annotations

from typing import Any

import msgspec

from saudagar.brokers.lane import Reply
from saudagar.brokers.outcomes import kind_of, kind_of_page, page
from saudagar.model.errors import AuthError, BrokerError, OutcomeUnknown, RateLimited, RejectedByBroker

CODES: dict[str, type[BrokerError]] = {
    "UDAPI10005": RateLimited,
    "UDAPI100016": AuthError,  # wrong credentials
    "UDAPI100050": AuthError,  # token invalid
    "UDAPI100067": AuthError,  # not with this kind of token
    "UDAPI100500": OutcomeUnknown,  # Upstox's own failure: it may have gone on to the exchange
    "UDAPI100068": OutcomeUnknown,
    "UDAPI100073": AuthError,  # the app is inactive
}
"""Upstox's error codes where the HTTP status alone does not say it."""

STATUSES: dict[int, type[BrokerError]] = {
    400: RejectedByBroker,
    401: AuthError,
    403: RejectedByBroker,
    404: RejectedByBroker,
    405: RejectedByBroker,
    422: RejectedByBroker,
    423: RejectedByBroker,  # outside the service's hours
    429: RateLimited,
}
"""HTTP statuses. Any other leaves the outcome unknown."""

_LOOK_UP = "It will be looked up by our own id."
_LOG_IN = "Log in again: Upstox's tokens end at 03:30."


def content(reply: Reply, request: str, doubt: str = "") -> Any:
    """The ``data`` of a plain yes, an empty list where that is null; see `answer`."""
    data = answer(reply, request, doubt)["data"]
    return [] if data is None else data


def answer(reply: Reply, request: str, doubt: str = "") -> dict[str, Any]:
    """The whole body of a plain yes; it holds ``data``.

    Parameters
    ----------
    request
        What was asked, for the message.
    doubt
        What to do where the outcome is unknown; by default an order's own look-up is promised.

    Raises
    ------
    AuthError, RateLimited, RejectedByBroker
        Upstox said no; nothing was done.
    OutcomeUnknown
        Anything else: no reply, an empty or garbled one, a failure inside Upstox.
    """
    try:
        body = msgspec.json.decode(reply.body)
    except msgspec.DecodeError:
        body = None
    told = body if isinstance(body, dict) else {}
    if 200 <= reply.status < 300 and told.get("status") == "success" and "data" in told:
        return told
    code, message = _complaint(told)
    if not message or not reply.status:
        kind, message = kind_of_page(reply.status, STATUSES), page(reply)
    else:
        kind = kind_of(CODES.get(code), reply.status, STATUSES, message)
        message = f"{message} (HTTP {reply.status}{', ' + code if code else ''})"
    hint = {AuthError: _LOG_IN, OutcomeUnknown: doubt or _LOOK_UP}.get(kind, "")
    raise kind(f"Upstox, {request}: {message}.", code=code, hint=hint)


def _complaint(body: dict[str, Any]) -> tuple[str, str]:
    """Code and message of the first error; two empty texts if it names none."""
    errors = body.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, dict):
        return "", ""
    code = str(first.get("errorCode") or first.get("error_code") or "")
    return code, str(first.get("message") or "no reason given").rstrip(".")
