"""How to reach Dhan: its order desk and its market data."""

from __future__ import annotations

import msgspec


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
