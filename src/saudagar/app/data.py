"""``saudagar data``: fetch past bars from a broker, bring them in from files, look them over, take them out."""

from __future__ import annotations

import asyncio
import os
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saudagar.app.errors import told

if TYPE_CHECKING:
    from saudagar.app.data_fetch import Outcome, Piece
    from saudagar.execution.ports import DataClient
    from saudagar.market.master import Master
    from saudagar.model import Instrument, Nanos
    from saudagar.storage.catalog import Catalog, Span
    from saudagar.storage.catalog_check import Finding

app = typer.Typer(no_args_is_help=True, help="Past bars: a catalog of Parquet files.")

_DIRECTORY = Path("var/catalog")
_MASTERS = Path("var/instruments")
_SHOWN = 20
_DATES = ["%Y-%m-%d"]
_Directory = Annotated[Path, typer.Option("--directory", "-d", help="The catalog.")]
_Symbol = Annotated[str, typer.Argument(help="As the catalog has it, e.g. NSE_EQ:RELIANCE or NSE:RELIANCE.")]
_Interval = Annotated[str, typer.Option("--interval", "-i", help="1m, 5m, 1h, 1d …")]
_From = Annotated[datetime | None, typer.Option("--from", formats=_DATES, help="The first day, in India.")]
_To = Annotated[datetime | None, typer.Option("--to", formats=_DATES, help="The last day; default: up to now.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def fetch(
    symbols: Annotated[list[str], typer.Argument(help="RELIANCE, NSE:RELIANCE, NSE_INDEX:NIFTY …")],
    first: Annotated[datetime, typer.Option("--from", formats=_DATES, help="The first day, in India.")],
    last: _To = None,
    interval: _Interval = "1d",
    broker: Annotated[str, typer.Option(help="Whose history: upstox, dhan or kite.")] = "upstox",
    again: Annotated[bool, typer.Option("--again", help="Ask also for what is there already.")] = False,
    secrets: Annotated[Path | None, typer.Option(help="A file of NAME=value lines, mode 0600.")] = None,
    masters: Annotated[Path, typer.Option(help="Where the instrument masters are.")] = _MASTERS,
    directory: _Directory = _DIRECTORY,
    exchange_ports: Annotated[str, typer.Option(help="UPSTOX,DHAN,CONTROL ports of a simulated exchange.")] = "",
    as_json: _Json = False,
) -> None:
    """Fetch bars through a broker into the catalog. Stopped at any moment, the same command goes on where it was.

    Exit codes: 0 all is there; 2 a wrong option; 3 an unknown symbol; 5 the broker did not give all; 130 interrupted.
    """
    with told(json=as_json):
        from saudagar.app.data_fetch import plan
        from saudagar.storage.catalog import Catalog, interval_of

        length = interval_of(interval)
        source = _Source(broker, secrets, masters, exchange_ports)
        instruments = [source.master.resolve(symbol) for symbol in dict.fromkeys(symbols)]
        span = _span(first, last, source.now)
        catalog = Catalog(directory)
        pieces = plan(catalog, instruments, length, span, source.now, again=again)
        troubles = asyncio.run(_fetch(source, catalog, pieces))
        rows = [
            _checked(catalog, instrument, length, span) | {"troubles": _of(troubles, instrument)}
            for instrument in instruments
        ]
        catalog.close()
        _say(rows, as_json, _series_text)
        if troubles:
            raise typer.Exit(5)


@app.command("list")
def list_(directory: _Directory = _DIRECTORY, as_json: _Json = False) -> None:
    """What the catalog holds.

    Exit codes: 0; 3 a file is damaged.
    """
    with told(json=as_json):
        from saudagar.storage.catalog import Catalog

        rows = [_entry(entry) for entry in Catalog(directory).contents()]
        _say(rows, as_json, _entry_text)
        if not rows and not as_json:
            typer.echo(f"{directory} holds no bars yet. Try: saudagar data fetch RELIANCE --from 2026-01-01")


@app.command()
def check(
    symbols: Annotated[list[str] | None, typer.Argument(help="Default: all.")] = None,
    directory: _Directory = _DIRECTORY,
    as_json: _Json = False,
) -> None:
    """Report missing days, holes in a session, bars outside of it, and jumps that look like corporate actions.

    Exit codes: 0 nothing was found; 1 something was; 3 a file is damaged, or a symbol is not there.
    """
    with told(json=as_json):
        from saudagar.model.errors import DataError
        from saudagar.storage.catalog import Catalog

        catalog = Catalog(directory)
        entries = catalog.contents()
        wanted = {_id(symbol) for symbol in symbols or ()}
        if lacking := wanted - {entry.instrument for entry in entries}:
            raise DataError(f"the catalog does not hold {', '.join(sorted(lacking))}.")
        rows = [
            _checked(catalog, entry.instrument, entry.interval, (0, entry.last + 1))
            for entry in entries
            if not wanted or entry.instrument in wanted
        ]
        _say(rows, as_json, _series_text)
        if any(row["findings"] for row in rows):
            raise typer.Exit(1)


@app.command()
def export(
    symbol: _Symbol,
    out: Annotated[Path, typer.Option(help="A file ending in .csv or .parquet.")],
    interval: _Interval = "1d",
    first: _From = None,
    last: _To = None,
    directory: _Directory = _DIRECTORY,
) -> None:
    """Write one series for other programs: times with +05:30, prices in rupees.

    Exit codes: 0; 3 there is nothing, or the file cannot be written.
    """
    with told():
        from saudagar.market.ist import midnight
        from saudagar.model.errors import DataError
        from saudagar.storage.catalog import Catalog, interval_of

        far = midnight(date(9000, 1, 1)) if last is None else 0
        span = (midnight(first.date()) if first else 0, far or _span(None, last, 0)[1])
        try:
            rows = Catalog(directory).export(_id(symbol), interval_of(interval), span, out)
        except OSError as error:
            raise DataError(f"cannot write {out}: {error.strerror or error}.") from None
        typer.echo(f"{out}: {rows} bars.")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV, a CSV in a zip, or Parquet.")],
    symbol: Annotated[str, typer.Option(help="Whose bars these are, e.g. NSE_EQ:RELIANCE.")],
    interval: _Interval = "1d",
    columns: Annotated[str, typer.Option(help="Names that are not the usual ones: time=Date,volume=Qty")] = "",
    header: Annotated[bool, typer.Option(help="Without: time,open,high,low,close,volume in this order.")] = True,
    scale: Annotated[int, typer.Option(min=1, help="Prices are rupees times this: 100 paise, 10000 LEAN.")] = 1,
    day: Annotated[
        datetime | None, typer.Option(formats=_DATES, help="Times are milliseconds from this day's midnight in India.")
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave bad rows out.")] = False,
    directory: _Directory = _DIRECTORY,
    as_json: _Json = False,
) -> None:
    """Bring in bars from a file. They replace what the catalog had between the first and the last of them.

    Exit codes: 0; 2 a wrong option; 3 the file cannot be used.
    """
    with told(json=as_json):
        from saudagar.model.errors import DataError
        from saudagar.storage.catalog import Catalog, interval_of
        from saudagar.storage.catalog_import import Shape, read_bars

        length, instrument = interval_of(interval), _id(symbol)
        shape = Shape(columns=_columns(columns), header=header, scale=scale, day=day.date() if day else None)
        bars, left_out = read_bars(file, instrument, length, shape, skip_bad=skip_bad)
        if not bars:
            raise DataError(f"{file} holds no bars.")
        span = (bars[0].start, bars[-1].end)
        catalog = Catalog(directory)
        catalog.add(instrument, length, bars, span, source=file.name)
        _say([_checked(catalog, instrument, length, span) | {"left_out": left_out}], as_json, _series_text)


class _Source:
    """A broker's history, or the simulated exchange's."""

    master: Master

    def __init__(self, broker: str, secrets: Path | None, masters: Path, exchange_ports: str) -> None:
        from saudagar.engine.clock import wall_clock
        from saudagar.storage.master import load_latest

        self.broker = broker
        self._simulated = None
        self._secrets = secrets
        self.now: Nanos = wall_clock()
        if exchange_ports:
            from saudagar.app.simulated import Simulated

            self._simulated = Simulated(exchange_ports)
            self.master, self.now = self._simulated.master(), self._simulated.now()
        else:
            self.master = load_latest(masters)

    def client(self) -> DataClient:
        """Raises `ConfigError` for a broker without history here, or without a token."""
        from saudagar.app.clients import data_client
        from saudagar.app.config.secrets import read_secrets
        from saudagar.app.errors import ConfigProblems

        secrets, problems = read_secrets(os.environ, self._secrets)
        if problems:
            raise ConfigProblems(problems)
        return data_client(self.broker, secrets, self._simulated)


async def _fetch(source: _Source, catalog: Catalog, pieces: list[Piece]) -> list[Outcome]:
    from rich.console import Console
    from rich.progress import Progress

    from saudagar.app.data_fetch import fetch as fetch_pieces

    troubles: list[Outcome] = []
    if not pieces:
        return troubles
    console, client = Console(stderr=True), source.client()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("fetching", total=len(pieces))

        def done(outcome: Outcome) -> None:
            progress.update(task, advance=1, description=outcome.piece.instrument.symbol)
            if outcome.trouble:
                troubles.append(outcome)

        try:
            await fetch_pieces(client, catalog, pieces, source.now, source=source.broker, done=done)
        finally:
            await client.stop()
    return troubles


def _checked(catalog: Catalog, instrument: Instrument | str, interval: Nanos, span: Span) -> dict[str, Any]:
    """One series and what looks wrong in it."""
    from saudagar.market.sessions import Calendar
    from saudagar.model import InstrumentId, Segment
    from saudagar.model.errors import DataError
    from saudagar.storage.catalog import interval_name
    from saudagar.storage.catalog_check import check_bars

    name = InstrumentId(instrument if isinstance(instrument, str) else instrument.id)
    try:
        segment = Segment(name.partition(":")[0])
    except ValueError:
        raise DataError(f"{name}: expected a segment such as {', '.join(Segment)}.") from None
    bars = catalog.read(name, interval, span)
    return {
        "instrument": name,
        "interval": interval_name(interval),
        "bars": len(bars),
        "from": _ist(bars[0].start) if bars else None,
        "to": _ist(bars[-1].start) if bars else None,
        "findings": [_finding(found) for found in check_bars(bars, segment, Calendar())],
    }


def _finding(found: Finding) -> dict[str, Any]:
    return {"kind": found.kind, "from": _ist(found.start), "to": _ist(found.end), "detail": found.detail}


def _entry(entry: Any) -> dict[str, Any]:
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


def _entry_text(row: dict[str, Any]) -> str:
    when = f"{row['from']} … {row['to']}" if row["bars"] else "asked for, nothing traded"
    return f"{row['instrument']:<32} {row['interval']:>4} {row['bars']:>9} bars  {when}  {', '.join(row['sources'])}"


def _series_text(row: dict[str, Any]) -> str:
    when = f", {row['from']} … {row['to']}" if row["bars"] else ""
    lines = [f"{row['instrument']} {row['interval']}: {row['bars']} bars{when}"]
    lines += [f"  not fetched: {trouble}" for trouble in row.get("troubles", ())]
    if row.get("left_out"):
        lines.append(f"  {row['left_out']} bad rows left out")
    findings = row["findings"]
    lines += [f"  {found['kind']}: {_when(found)}: {found['detail']}" for found in findings[:_SHOWN]]
    if len(findings) > _SHOWN:
        lines.append(f"  … and {len(findings) - _SHOWN} more; --json prints all")
    return "\n".join(lines)


def _when(found: dict[str, Any]) -> str:
    """Days where it is about days, else both times."""
    first, end = (datetime.fromisoformat(found[key]) for key in ("from", "to"))
    if found["kind"] in ("missing days", "not checked"):
        last = end - timedelta(days=1)
        return f"{first:%Y-%m-%d}" if first == last else f"{first:%Y-%m-%d} … {last:%Y-%m-%d}"
    return f"{first:%Y-%m-%d %H:%M} … {end:%Y-%m-%d %H:%M}"


def _of(troubles: list[Outcome], instrument: Instrument) -> list[str]:
    return [each.trouble for each in troubles if each.piece.instrument.id == instrument.id]


def _span(first: datetime | None, last: datetime | None, now: Nanos) -> Span:
    from saudagar.market.ist import DAY, midnight
    from saudagar.model.errors import ConfigError

    start = midnight(first.date()) if first else 0
    end = midnight(last.date()) + DAY if last else now
    if start >= end:
        raise ConfigError("--from must be before --to, and not in the future.")
    return start, end


def _id(symbol: str) -> Any:
    """An instrument id; ``NSE:RELIANCE`` is a share."""
    exchange, colon, name = symbol.partition(":")
    if not colon:
        return f"NSE_EQ:{symbol}"
    return f"{exchange}_EQ:{name}" if exchange in ("NSE", "BSE") else symbol


def _columns(text: str) -> dict[str, str]:
    from saudagar.model.errors import ConfigError
    from saudagar.storage.catalog_import import FIELDS

    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    if any(field not in FIELDS or not name for field, _, name in pairs):
        raise ConfigError(f"--columns wants FIELD=NAME,… with fields {', '.join(FIELDS)}; got {text!r}.")
    return {field: name for field, _, name in pairs}


def _ist(ts: Nanos) -> str:
    from saudagar.market.ist import ist

    return ist(ts).isoformat()


def _say(rows: list[dict[str, Any]], as_json: bool, text: Any) -> None:
    import msgspec

    for row in rows:
        typer.echo(msgspec.json.encode(row).decode() if as_json else text(row))
