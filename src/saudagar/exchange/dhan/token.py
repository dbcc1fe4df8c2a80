"""Dhan's access token: good for 24 hours of market time from its issue, whatever the hour (DhanHQ documentation,
"Authentication"). All of the face's doors ask here.
"""

from __future__ import annotations

from collections.abc import Callable

from saudagar.exchange.face import Switches
from saudagar.market.ist import DAY
from saudagar.model import Nanos


class AccessToken:
    """Which token is good now, and until when.

    Parameters
    ----------
    issued
        When the first token was (UTC ns); 0 is when somebody first asks, as if of a log-in today.
    now
        Market time, UTC ns.
    switches
        An operator's: they end a token before its time.
    """

    def __init__(self, text: str, *, now: Callable[[], Nanos], switches: Switches, issued: Nanos = 0) -> None:
        self.text = text
        self._now, self._switches = now, switches
        self._issued = issued

    @property
    def expires(self) -> Nanos:
        """UTC ns."""
        self._issued = self._issued or self._now()
        return self._issued + DAY

    @property
    def expired(self) -> bool:
        return self._switches.expired or self._now() >= self.expires

    def renew(self, text: str) -> None:
        """Make `text` the one good token, from now on for a day."""
        self.text = text
        self._issued = self._now()
        self._switches.expired = False
