"""Which token an exchange's face takes now, and until when. All doors of one face ask the same `AccessToken`."""

from __future__ import annotations

from collections.abc import Callable

from saudagar.exchange.face import Switches
from saudagar.model import Nanos


class AccessToken:
    """A token and its life in market time.

    Parameters
    ----------
    ends
        The broker's rule: when a token issued at that moment ends, both UTC ns.
    now
        Market time, UTC ns.
    switches
        An operator's: they end a token before its time.
    issued
        When the first token was (UTC ns); 0 is when somebody first asks, as if of a log-in today.
    """

    def __init__(
        self,
        text: str,
        *,
        ends: Callable[[Nanos], Nanos],
        now: Callable[[], Nanos],
        switches: Switches,
        issued: Nanos = 0,
    ) -> None:
        self.text = text
        self._ends, self._now, self._switches = ends, now, switches
        self._issued = issued  # set by the first look, when market time has begun

    @property
    def expires(self) -> Nanos:
        """UTC ns."""
        self._issued = self._issued or self._now()
        return self._ends(self._issued)

    @property
    def expired(self) -> bool:
        return self._switches.expired or self._now() >= self.expires

    def renew(self, text: str) -> None:
        """Make `text` the one good token, from now on."""
        self.text = text
        self._issued = self._now()
        self._switches.expired = False
