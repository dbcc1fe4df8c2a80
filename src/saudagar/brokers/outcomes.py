"""What a reply amounts to that is no plain yes: refused for sure, or nobody knows.

Shared by the `outcome` modules of Dhan, Upstox and Kite, which know their broker's envelopes and codes. To take for
refused what was accepted is the worst mistake of all: the desk would send it again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from saudagar.brokers.lane import Reply
from saudagar.model.errors import AuthError, BrokerError, OutcomeUnknown, RateLimited, RejectedByBroker

Kind = type[BrokerError]

_IN_DOUBT = re.compile(r"timed?[ -]?out|confirm before placing again|check .{0,20}order ?book", re.IGNORECASE)
"""An order system was late. Kite's came as HTTP 400, and the orders traded seconds later (kite.trade/forum 35732)."""


def kind_of(meant: Kind | None, status: int, statuses: Mapping[int, Kind], message: str) -> Kind:
    """What an error in the broker's own envelope amounts to.

    Parameters
    ----------
    meant
        What its code stands for; None for a code that says nothing.
    status, statuses
        The HTTP status, and what each stands for where the code says nothing.
    """
    if meant in (AuthError, RateLimited):  # judged at the door
        return meant
    if status >= 500 or _IN_DOUBT.search(message):  # behind the door, whatever the code: it may have gone on
        return OutcomeUnknown
    return meant or statuses.get(status, OutcomeUnknown)


def kind_of_page(status: int, statuses: Mapping[int, Kind]) -> Kind:
    """The same for an answer without an envelope, a gateway's page: it proves nothing but that it let nobody in."""
    kind = statuses.get(status, OutcomeUnknown)
    return OutcomeUnknown if kind is RejectedByBroker else kind


def page(reply: Reply) -> str:
    """What there is to say of an answer without an envelope, or of none."""
    if not reply.status:
        return f"no reply ({reply.fault[:200] or 'connection lost'})"
    return f"HTTP {reply.status} with {'a body that makes no sense' if reply.body else 'an empty body'}"
