"""How figures read in the reports of research, on terminal and page; what the desk says too is in `market.words`."""

from __future__ import annotations

from saudagar.market.words import NOTHING, amounts, apart, day, moment, symbol
from saudagar.market.words import SHORT_MONTHS as MONTHS
from saudagar.market.words import plain as price
from saudagar.model import Nanos, Paise, group_digits, inr
from saudagar.research.report import Report
from saudagar.research.report_metrics import Metrics

__all__ = ["MONTHS", "NOTHING", "amounts", "apart", "day", "facts", "figure", "moment", "odds", "percent", "period"]
__all__ += ["price", "rupees", "span", "symbol", "whole_percent"]

_MINUTE = 60_000_000_000
_DAY = 1440


def figure(value: float | int | None, kind: str) -> str:
    """A figure of `Metrics` by its kind; a dash where it is not defined."""
    if value is None:
        return NOTHING
    match kind:
        case "money":
            return rupees(round(value))
        case "percent":
            return percent(value)
        case "count":
            return group_digits(int(value))
        case "days":
            return f"{group_digits(int(value))} days" if value != 1 else "1 day"
        case "time":
            return span(int(value))
        case _:
            return f"{value:.2f}"


def percent(share: float, *, sign: bool = False) -> str:
    """``12.34 %``; small shares with the digits that tell them from zero."""
    digits = 4 if 0 < abs(share) < 0.001 else 2
    value = round(share * 100, digits) or 0.0  # no minus before a zero
    return f"{value:{'+' if sign else ''}.{digits}f} %"


def whole_percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def rupees(paise: Paise, *, sign: bool = False) -> str:
    """An amount; from a thousand rupees on without paise."""
    if abs(paise) < 100_000:
        return inr(paise, sign=sign)
    whole = abs(paise) // 100 + (abs(paise) % 100 >= 50)
    mark = "-" if paise < 0 else "+" if sign else ""
    return f"{mark}₹{group_digits(whole)}"


def period(start: Nanos, end: Nanos) -> str:
    """``1 Jan 2024 to 31 Jan 2024``, or the one day."""
    first, last = day(start), day(end)
    return first if first == last else f"{first} to {last}"


def span(ns: Nanos) -> str:
    """``3 d 4 h``, ``2 h 05 min``, ``7 min``, ``40 s``."""
    minutes = ns // _MINUTE
    if minutes >= _DAY:
        return f"{minutes // _DAY} d {minutes % _DAY // 60} h"
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min" if minutes else f"{ns // 1_000_000_000} s"


def odds(metrics: Metrics) -> str:
    """``7 of 12 (58 %)``."""
    if metrics.win_rate is None:
        return NOTHING
    won = group_digits(round(metrics.win_rate * metrics.trades))
    return f"{won} of {group_digits(metrics.trades)} ({whole_percent(metrics.win_rate)})"


def facts(report: Report) -> list[tuple[str, str]]:
    """What somebody needs to make the run again, as (name, sentence)."""
    known = report.facts
    bars = f"{group_digits(known.bars)} bars" if known.bars else ""
    made = [bars, known.interval and f"of {known.interval}", known.driver and f"through the {known.driver} driver"]
    took = "" if known.seconds is None else f"in {known.seconds:.2f} s"
    lines = [
        ("period", f"{moment(report.start)} to {moment(report.end)} IST, {report.days} trading days"),
        ("run", " ".join(part for part in (*made, took) if part) or NOTHING),
        ("parameters", _listed(known.parameters)),
        *known.assumptions.items(),
        ("seed", "none: no chance in this run" if known.seed is None else str(known.seed)),
        ("data hash", known.data_hash),
        ("configuration", known.config or NOTHING),
        ("version", f"saudagar {known.version}"),
        ("command", known.command),
    ]
    for position in report.open:
        worth = f"{rupees(position.entry_value)} since {moment(position.entry_ts)}"
        lines.append(("still open", f"{position.instrument} {position.quantity:+d}, {worth}"))
    return lines


def _listed(parameters: dict[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in parameters.items()) or NOTHING
