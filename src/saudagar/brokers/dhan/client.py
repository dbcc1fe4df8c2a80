"""How to reach Dhan, and the SDK's client made quiet. The SDK is imported only where it is wanted."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from saudagar.brokers.governor import Window
from saudagar.model import MINUTE, SECOND

LIMITS = (
    Window(SECOND, 10),  # since 2026-03-21 (madefortrade.in/t/61689)
    Window(MINUTE, 250),
    Window(60 * MINUTE, 1_000),
    Window(1_440 * MINUTE, 7_000),
)
"""Order writes that Dhan allows (dhanhq.co/docs/v2; those above a second are of its older table)."""

READS = (Window(SECOND, 10),)
"""Other calls that it allows (10 or 20 a second: its pages differ)."""


class DhanSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach Dhan's order desk.

    Attributes
    ----------
    token
        The access token (24 hours).
    rest_url, order_feed_url
        Other addresses, for a simulated exchange; `rest_url` ends in ``/v2``.
    timeout
        Seconds to connect and seconds to wait for a reply.
    """

    client_id: str
    token: str
    rest_url: str | None = None
    order_feed_url: str | None = None
    timeout: tuple[float, float] = (3.0, 7.0)

    def __repr__(self) -> str:
        return f"DhanSettings(client_id={self.client_id!r}, token='•••', rest_url={self.rest_url!r})"


class DhanFeedSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach Dhan's market data.

    Attributes
    ----------
    token
        The access token (24 hours).
    feed_url, rest_url
        Other addresses, for a simulated exchange; `rest_url` ends in ``/v2``.
    mode
        ``ticker`` (price only), ``quote`` (price and volume) or ``full`` (and five levels).
    depth
        Whether ticks carry bids and asks; only in mode ``full``.
    timeout
        Seconds to connect and seconds to wait for a reply.
    """

    client_id: str
    token: str
    feed_url: str | None = None
    rest_url: str | None = None
    mode: str = "full"
    depth: bool = False
    timeout: tuple[float, float] = (3.0, 7.0)

    def __repr__(self) -> str:
        return f"DhanFeedSettings(client_id={self.client_id!r}, token='•••', feed_url={self.feed_url!r})"


def connect(client_id: str, token: str, url: str | None, timeout: tuple[float, float]) -> tuple[Any, Any, str]:
    """The `dhanhq` object, its session and its base address, for `saudagar.brokers.lane`."""
    import dhanhq
    import dhanhq.dhan_http

    # It logs every failure through the root logger, which would set up printing to the screen as a side effect;
    # we raise each of them ourselves.
    quiet = dhanhq.dhan_http.logging = logging.getLogger("dhanhq")
    quiet.disabled = True
    context = dhanhq.DhanContext(client_id, token)
    http = context.get_dhan_http()
    http.base_url = url or dhanhq.DhanHTTP.API_BASE_URL
    http.timeout = timeout
    return dhanhq.dhanhq(context), http.session, http.base_url
