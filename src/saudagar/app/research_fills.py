"""How a backtest's orders fill, from the words of the command line. Called by `research_setup`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from saudagar.backtest.fill_rules import PPM, Fill, FillRules
from saudagar.backtest.fills import Slippage
from saudagar.model.errors import ConfigError

if TYPE_CHECKING:
    from saudagar.app.research_setup import Asked

_SLIPPAGE = re.compile(r"(\d{1,4})(?:\s*ticks?)?|(\d{1,4}(?:\.\d{1,2})?)\s*bps")
_PPM_BPS = 100
_PPM_PERCENT = 10_000


def fill_rules(asked: Asked) -> FillRules:
    """When and how much orders fill.

    Raises
    ------
    ConfigError
        No such rule, a share outside 0 to 100 %, or an option of ``limit-touch`` without it.
    """
    try:
        fill = Fill(asked.fill)
    except ValueError:
        raise ConfigError(f"--fill is one of {', '.join(Fill)}, got {asked.fill!r}.") from None
    if fill is not Fill.LIMIT_TOUCH and (asked.queue is not None or asked.rest is not None):
        raise ConfigError("--queue and --rest are of limit orders.", hint="Give --fill limit-touch.")
    usual = FillRules()
    queue = usual.queue if asked.queue is None else _share("--queue", asked.queue)
    rest = usual.rest if asked.rest is None else asked.rest
    return FillRules(fill=fill, queue=queue, rest=rest, participation=_share("--participation", asked.participation))


def slippage(text: str) -> Slippage:
    """``2``, ``2ticks`` or ``5bps`` (hundredths of a percent of the price).

    Raises
    ------
    ConfigError
        Anything else.
    """
    found = _SLIPPAGE.fullmatch(text.strip())
    if found is None:
        raise ConfigError(f"--slippage counts ticks from 0 on, or basis points like 5bps, got {text!r}.")
    ticks, points = found.groups()
    return Slippage(ticks=int(ticks or 0), ppm=round(float(points or 0) * _PPM_BPS))


def told_slippage(given: Slippage) -> str:
    """For a report."""
    return f"{given.ppm / _PPM_BPS:g} bps of the price" if given.ppm else f"{given.ticks} ticks"


def _share(option: str, percent: float) -> int:
    if not 0 <= percent <= 100:
        raise ConfigError(f"{option} is a percentage from 0 to 100, got {percent}.")
    return min(round(percent * _PPM_PERCENT), PPM)
