"""How the desk's numbers read on screen, in its report and in HTML. What research says as well is in `market.words`."""

from __future__ import annotations

from saudagar.market.words import NOTHING, clock, long_date, plain
from saudagar.model import Nanos, group_digits, inr

__all__ = ["NOTHING", "clock", "count", "counted", "duration", "gain", "long_date", "one_line", "plain", "price"]


def price(paise: float) -> str:
    """A price in rupees without the sign; 0 is none."""
    return plain(paise) if paise else NOTHING


def gain(paise: int) -> str:
    """An amount won or lost. The sign says which, so that colour is never needed."""
    return inr(paise, sign=True)


def one_line(text: str) -> str:
    """Somebody else's words without line breaks or control characters, which could repaint a terminal."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def count(number: int) -> str:
    """A count in the Indian grouping."""
    return group_digits(number)


def counted(number: int, what: str) -> str:
    """``1 round trip``, ``12 round trips``."""
    return f"{count(number)} {what}{'' if number == 1 else 's'}"


def duration(ns: Nanos | None) -> str:
    """A latency in the unit that suits it: ``850 ns``, ``12.3 µs``, ``4.56 ms``, ``1.20 s``. None is not measured."""
    if ns is None:
        return NOTHING
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}" if ns < 1000 * size else f"{ns / size:.0f} {unit}"
    return f"{ns} ns"
