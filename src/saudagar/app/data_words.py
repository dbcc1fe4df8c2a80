"""What ``saudagar data`` says of a series: rows for --json, and lines for people."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import typer

from saudagar.model import group_digits

if TYPE_CHECKING:
    from collections.abc import Callable

    from saudagar.model import Instrument, Nanos
    from saudagar.storage.catalog import Catalog, Entry, Span
    from saudagar.storage.catalog_check import Finding
    from saudagar.storage.catalog_ticks import TickCatalog, TickDay

_SHOWN = 20  # findings of a series


def checked(
    catalog: Catalog, instrument: Instrument | str, interval: Nanos, span: Span, now: Nanos | None = None
) -> dict[str, Any]:
    """One series and what looks wrong in it; nothing after `now` (UTC ns), when it was asked for, is missed."""
    from saudagar.market.sessions import Calendar
    from saudagar.model import InstrumentId, segment_of
    from saudagar.storage.catalog import interval_name
    from saudagar.storage.catalog_check import check_bars

    name = InstrumentId(instrument if isinstance(instrument, str) else instrument.id)
    segment = segment_of(name)
    bars = catalog.read(name, interval, span)
    return {
        "instrument": name,
        "interval": interval_name(interval),
        "bars": len(bars),
        "from": _ist(bars[0].start) if bars else None,
        "to": _ist(bars[-1].start) if bars else None,
        "findings": [_finding(found) for found in check_bars(bars, segment, Calendar(), now)],
    }


def checked_ticks(catalog: TickCatalog, days: list[TickDay]) -> dict[str, Any]:
    """One instrument's ticks and what looks wrong in them."""
    from saudagar.app.data_ticks import check_ticks, series

    (row,) = series(days)
    return row | {"findings": [_finding(found) for found in check_ticks(catalog, days)]}


def _finding(found: Finding) -> dict[str, Any]:
    return {"kind": found.kind, "from": _ist(found.start), "to": _ist(found.end), "detail": found.detail}


def entry_row(entry: Entry) -> dict[str, Any]:
    """One series of bars, as the catalog lists it."""
    from saudagar.storage.catalog import interval_name

    return {
        "instrument": entry.instrument,
        "interval": interval_name(entry.interval),
        "bars": entry.bars,
        "from": _ist(entry.first) if entry.bars else None,
        "to": _ist(entry.last) if entry.bars else None,
        "covered": [[_ist(start), _ist(end)] for start, end in entry.covered],
        "sources": entry.sources,
        "bytes": entry.bytes,
    }


def entry_text(row: dict[str, Any]) -> str:
    """One line."""
    if "rows" in row:
        kinds = f" ({dirt_words(row['dirt'])})" if row["dirt"] else ""
        rows = group_digits(row["rows"])
        return f"{row['instrument']:<32} {rows:>14} ticks {_ticks_when(row)}{kinds}  {', '.join(row['sources'])}"
    when = _bars_when(row) if row["bars"] else "asked for, nothing traded"
    bars = group_digits(row["bars"])
    return f"{row['instrument']:<32} {row['interval']:>4} {bars:>9} bars  {when}  {', '.join(row['sources'])}"


def series_text(row: dict[str, Any]) -> str:
    """What there is, and a line for each finding."""
    if "rows" in row:
        lines = [f"{row['instrument']}: {group_digits(row['rows'])} ticks, {_ticks_when(row)}"]
    else:
        when = f", {_bars_when(row)}" if row["bars"] else ""
        lines = [f"{row['instrument']} {row['interval']}: {group_digits(row['bars'])} bars{when}"]
    lines += [f"  not fetched: {trouble}" for trouble in row.get("troubles", ())]
    if row.get("left_out"):
        lines.append(f"  {group_digits(row['left_out'])} bad rows left out")
    findings = row["findings"]
    lines += [f"  {found['kind']}: {_when(found)}: {found['detail']}" for found in findings[:_SHOWN]]
    if len(findings) > _SHOWN:
        lines.append(f"  … and {len(findings) - _SHOWN} more; --json prints all")
    return "\n".join(lines)


def _bars_when(row: dict[str, Any]) -> str:
    """First and last bar's start in India; of bars of whole days, their days."""
    style = "%Y-%m-%d" if row["interval"].endswith("d") else "%Y-%m-%d %H:%M"
    first, last = (datetime.fromisoformat(row[key]).strftime(style) for key in ("from", "to"))
    return f"{first} … {last}"


def _ticks_when(row: dict[str, Any]) -> str:
    when = row["from"] if row["days"] == 1 else f"{row['from']} … {row['to']} ({row['days']} days)"
    return f"{when}, {group_digits(sum(row['dirt'].values()))} dirty"


def dirt_words(dirt: dict[str, int]) -> str:
    """``1970: 3007, late: 106``."""
    return ", ".join(f"{kind}: {group_digits(count)}" for kind, count in dirt.items())


def _when(found: dict[str, Any]) -> str:
    """Days where it is about days, else both times."""
    first, end = (datetime.fromisoformat(found[key]) for key in ("from", "to"))
    if found["kind"] in ("missing days", "not checked", "dirty rows"):
        last = end - timedelta(days=1)
        return f"{first:%Y-%m-%d}" if first == last else f"{first:%Y-%m-%d} … {last:%Y-%m-%d}"
    return f"{first:%Y-%m-%d %H:%M} … {end:%Y-%m-%d %H:%M}"


def _ist(ts: Nanos) -> str:
    from saudagar.market.ist import ist

    return ist(ts).isoformat()


def say(rows: list[dict[str, Any]], as_json: bool, text: Callable[[dict[str, Any]], str]) -> None:
    """Print each row: as JSON, or as `text` puts it."""
    import msgspec

    for row in rows:
        typer.echo(msgspec.json.encode(row).decode() if as_json else text(row))
