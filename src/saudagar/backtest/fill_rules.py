"""When and how much a backtest's orders trade, beyond "at once and whole": stated, selectable, told on the report.

The rules
---------
- **When a signal acts.** ``next-open``: at the first price of the next bar. ``close``: at the close of its own bar,
  seen as a last price after everything else inside that bar. ``limit-touch``: at its own close too, but the entry is a
  limit order at that close which joins the queue there and waits for later bars.
- **Queue** (``limit-touch``). A bar does not say how much traded at a price, so its volume is spread evenly over the
  ticks of its range: ``v = volume // ((high - low) / tick + 1)``. A bar that goes through the limit fills the order
  whole, at the limit. One whose extreme is the limit fills ``v - ceil(v * queue)`` of it, once a bar: what of the
  volume there was beyond the queue ahead. So 100 % never fills at a touch, 0 % with all that traded there.
- **Rest** (``limit-touch``). What has not filled in so many of its instrument's bars after the signal is withdrawn;
  with finer bars as detail those are counted.
- **Participation.** All orders on an instrument together take at most that share of a bar's volume, in whole lots;
  what is left waits for the next bars, exits and stops too. Entries wait until the day ends or the wish changes.

Exits never wait in a queue: the desk leaves with orders that reach beyond the last price.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from saudagar.engine.settings import Settings
from saudagar.market.ist import DAY
from saudagar.model import OrderType
from saudagar.model.errors import ConfigError

PPM = 1_000_000


class Fill(StrEnum):
    NEXT_OPEN = "next-open"
    CLOSE = "close"
    LIMIT_TOUCH = "limit-touch"


class FillRules(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the market; the module says what each means.

    Raises
    ------
    ConfigError
        A share outside 0 to 100 %, or a rest below one bar.
    """

    fill: Fill = Fill.NEXT_OPEN
    queue: int = PPM // 2  # ppm of the volume at the limit that stands ahead; limit-touch only
    rest: int = 1  # bars that an entry waits; limit-touch only
    participation: int = 0  # ppm of a bar's volume; 0 is no bound

    def __post_init__(self) -> None:
        if not (0 <= self.queue <= PPM and 0 <= self.participation <= PPM):
            raise ConfigError(f"a share of volume is from 0 to {PPM} ppm, got {self!r}.")
        if self.rest < 1:
            raise ConfigError(f"a limit entry rests for 1 bar at least, got {self.rest}.")

    @property
    def at_close(self) -> bool:
        """Whether a signal acts at the close of its own bar."""
        return self.fill is not Fill.NEXT_OPEN

    @property
    def counts_volume(self) -> bool:
        """Whether an order may fill in part."""
        return self.fill is Fill.LIMIT_TOUCH or self.participation > 0

    def applied(self, settings: Settings) -> Settings:
        """`settings` with the orders that these rules are about."""
        tactics = settings.tactics
        if self.fill is Fill.LIMIT_TOUCH:
            tactics = msgspec.structs.replace(tactics, entry_type=OrderType.LIMIT, entry_ppm=0, flip=False)
        if self.counts_volume:  # the broker here tells when it has waited long enough
            tactics = msgspec.structs.replace(tactics, entry_rest=DAY)
        return settings if tactics is settings.tactics else msgspec.structs.replace(settings, tactics=tactics)

    def told(self) -> str:
        """One line for a report."""
        share = f"; at most {self.participation / 10_000:g} % of a bar's volume, the rest waits for the next bars"
        return _TOLD[self.fill].format(
            queue=f"{self.queue / 10_000:g}", rest="1 bar" if self.rest == 1 else f"{self.rest} bars"
        ) + (share if self.participation else "")


_TOLD = {
    Fill.NEXT_OPEN: "a signal at a bar's close trades at the next bar's open",
    Fill.CLOSE: "a signal at a bar's close trades at that close",
    Fill.LIMIT_TOUCH: "entries wait {rest} as limits at the signal's close; crossed fills whole, touched what is "
    "beyond {queue} % of the volume there",
}
