"""How to reach Kite, and the SDK's `KiteConnect`, made safe. The SDK is imported only where it is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from saudagar.brokers.governor import Window
from saudagar.model import MINUTE, SECOND, Instrument, InstrumentId

LIMITS = (
    Window(SECOND, 10),  # in force since 2026-04-01 (kite.trade/forum 15912)
    Window(MINUTE, 200),
    Window(1_440 * MINUTE, 3_000),
)
"""Order writes that Kite allows, for the account. Its staff have named 200 a minute and 3,000 a day (kite.trade/forum
2760, 11404), later 400 and 5,000 (16217): the smaller are kept until the documentation says one of them."""

READS = (Window(SECOND, 10),)
"""Calls that it allows besides quotes and past bars (the same)."""

AUTOMATIC = -1.0


class KiteSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach Kite.

    Attributes
    ----------
    token
        The day's access token (ends at 06:00 IST).
    rest_url, ticker_url
        Other addresses, for a simulated exchange; neither may have a path, which the SDK drops.
    timeout
        Seconds to connect and seconds to wait for a reply.
    protection
        Market protection of MARKET and SL-M orders: percent, above 0 and up to 100, or -1 for Kite's own. Kite refuses
        such orders without it.
    """

    api_key: str
    token: str
    rest_url: str | None = None
    ticker_url: str | None = None
    timeout: tuple[float, float] = (3.0, 7.0)
    protection: float = AUTOMATIC

    def __repr__(self) -> str:
        return f"KiteSettings(api_key='•••', token='•••', rest_url={self.rest_url!r}, ticker_url={self.ticker_url!r})"


class KiteLookup(Protocol):
    """Finds instruments by our id and by Kite's token."""

    def get(self, instrument: InstrumentId) -> Instrument:
        """Raises `UnknownInstrument`."""
        ...

    def by_kite(self, token: int | str) -> Instrument | None: ...

    def __iter__(self) -> Iterator[Instrument]: ...


def connect(settings: KiteSettings) -> tuple[Any, Any, str]:
    """The `KiteConnect` object, its session and its base address, for `saudagar.brokers.lane`."""
    from kiteconnect.connect import KiteConnect  # not the package: that installs Twisted's reactor

    kite = KiteConnect(
        settings.api_key, access_token=settings.token, root=settings.rest_url, timeout=tuple(settings.timeout)
    )
    # ten thousands of dicts that nobody wants: our own reader takes the file as it is
    kite._parse_instruments = lambda _: []
    return kite, kite.reqsession, kite.root
