"""Upstox's access token: good until the next 03:30 IST of market time, whenever it was issued (Upstox, "Get token").

REST and the feed ask here; what is connected stays so.
"""

from __future__ import annotations

from collections.abc import Callable

from saudagar.exchange.face import Switches
from saudagar.market.ist import DAY, at, ist_day
from saudagar.model import Nanos

EXPIRY = "03:30"  # IST


class AccessToken:
    """Which token is good now, and until when.

    Parameters
    ----------
    now
        Market time, UTC ns; the first token is as of a log-in today.
    switches
        An operator's: they end a token before its time.
    """

    def __init__(self, text: str, *, now: Callable[[], Nanos], switches: Switches) -> None:
        self.text = text
        self._now, self._switches = now, switches
        self._issued: Nanos = 0  # set by the first look, when market time has begun

    @property
    def expires(self) -> Nanos:
        """UTC ns."""
        self._issued = self._issued or self._now()
        return expiry(self._issued)

    @property
    def expired(self) -> bool:
        return self._switches.expired or self._now() >= self.expires

    def renew(self, text: str) -> None:
        """Make `text` the one good token, from now on."""
        self.text = text
        self._issued = self._now()
        self._switches.expired = False


def expiry(issued: Nanos) -> Nanos:
    """When a token issued at `issued` ends (UTC ns)."""
    today = at(ist_day(issued), EXPIRY)
    return today if issued < today else today + DAY
