"""``saudagar data``: fetch past bars from a broker, bring bars and ticks in from files, check them, take them out."""

from __future__ import annotations

import asyncio
import os
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saudagar.app.data_words import checked, checked_ticks, entry_row, entry_text, say, series_text
from saudagar.app.errors import told

if TYPE_CHECKING:
    from saudagar.app.data_fetch import Outcome, Piece
    from saudagar.execution.ports import DataClient
    from saudagar.market.master import Master
    from saudagar.model import Instrument, Nanos
    from saudagar.storage.catalog import Catalog, Span
    from saudagar.storage.catalog_import import Shape
    from saudagar.storage.catalog_ticks import TickDay

app = typer.Typer(no_args_is_help=True, help="Past bars and ticks: a catalog of Parquet files.")

_DIRECTORY = Path("var/catalog")
_MASTERS = Path("var/instruments")
_DATES = ["%Y-%m-%d"]
_Directory = Annotated[Path, typer.Option("--directory", "-d", help="The catalog.")]
_Symbol = Annotated[str, typer.Argument(help="As the catalog has it, e.g. NSE_EQ:RELIANCE or NSE:RELIANCE.")]
_Interval = Annotated[str, typer.Option("--interval", "-i", help="1m, 5m, 1h, 1d …")]
_From = Annotated[datetime | None, typer.Option("--from", formats=_DATES, help="The first day, in India.")]
_To = Annotated[datetime | None, typer.Option("--to", formats=_DATES, help="The last day; default: up to now.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def fetch(
    symbols: Annotated[list[str], typer.Argument(metavar="SYMBOL", help="RELIANCE, NSE:RELIANCE, NSE_INDEX:NIFTY …")],
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
            checked(catalog, instrument, length, span, source.now) | {"troubles": _of(troubles, instrument)}
            for instrument in instruments
        ]
        catalog.close()
        say(rows, as_json, series_text)
        if troubles:
            raise typer.Exit(5)


@app.command("list")
def list_(directory: _Directory = _DIRECTORY, as_json: _Json = False) -> None:
    """What the catalog holds.

    Exit codes: 0; 3 a file is damaged.
    """
    with told(json=as_json):
        from saudagar.app.data_ticks import series
        from saudagar.storage.catalog import Catalog
        from saudagar.storage.catalog_ticks import TickCatalog

        rows = [entry_row(entry) for entry in Catalog(directory).contents()]
        rows += series(TickCatalog(directory).contents())
        say(rows, as_json, entry_text)
        if not rows and not as_json:
            typer.echo(f"{directory} holds no bars yet. Try: saudagar data fetch RELIANCE --from 2026-01-01")


@app.command()
def show(symbol: _Symbol, directory: _Directory = _DIRECTORY, as_json: _Json = False) -> None:
    """What the catalog holds of one instrument.

    Its bars, and each day of its ticks with the dirty rows by kind.

    Exit codes: 0; 3 there is nothing, or a file is damaged.
    """
    with told(json=as_json):
        from saudagar.app.data_ticks import series
        from saudagar.model.errors import DataError
        from saudagar.storage.catalog import Catalog
        from saudagar.storage.catalog_ticks import TickCatalog

        name = _id(symbol)
        rows = [entry_row(entry) for entry in Catalog(directory).contents() if entry.instrument == name]
        rows += [row for day in TickCatalog(directory).contents() if day.instrument == name for row in series([day])]
        if not rows:
            raise DataError(f"the catalog does not hold {name}.", hint="What is there: saudagar data list.")
        say(rows, as_json, entry_text)


@app.command()
def check(
    symbols: Annotated[list[str] | None, typer.Argument(metavar="SYMBOL", help="Default: all.")] = None,
    directory: _Directory = _DIRECTORY,
    as_json: _Json = False,
) -> None:
    """Report missing days, holes, jumps and dirty ticks.

    Holes in a session, bars outside of it, jumps that look like corporate actions.

    Exit codes: 0 nothing was found; 1 something was; 3 a file is damaged, or a symbol is not there.
    """
    with told(json=as_json):
        from saudagar.model.errors import DataError
        from saudagar.storage.catalog import Catalog
        from saudagar.storage.catalog_ticks import TickCatalog

        catalog, ticks = Catalog(directory), TickCatalog(directory)
        entries, days = catalog.contents(), ticks.contents()
        there = dict.fromkeys([*(entry.instrument for entry in entries), *(day.instrument for day in days)])
        wanted = {_id(symbol) for symbol in symbols or there}
        if lacking := wanted - there.keys():
            raise DataError(f"the catalog does not hold {', '.join(sorted(lacking))}.")
        rows = [
            checked(catalog, entry.instrument, entry.interval, (0, entry.last + 1), entry.covered[-1][1])
            for entry in entries
            if entry.instrument in wanted
        ]
        held = {name: [day for day in days if day.instrument == name] for name in there if name in wanted}
        rows += [checked_ticks(ticks, mine) for mine in held.values() if mine]
        say(rows, as_json, series_text)
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
    """Write one series for other programs.

    Bars with times in +05:30, or with -i ticks a file of ticks; rupees.

    Exit codes: 0; 3 there is nothing, or the file cannot be written.
    """
    with told():
        from saudagar.market.ist import midnight
        from saudagar.model.errors import DataError
        from saudagar.storage.catalog import Catalog, interval_of
        from saudagar.storage.catalog_ticks import TICKS, TickCatalog

        far = midnight(date(9000, 1, 1)) if last is None else 0
        span = (midnight(first.date()) if first else 0, far or _span(None, last, 0)[1])
        begin, end = first.date() if first else date.min, last.date() if last else date.max
        try:
            if interval == TICKS:
                rows = TickCatalog(directory).export(_id(symbol), begin, end, out)
            else:
                rows = Catalog(directory).export(_id(symbol), interval_of(interval), span, out)
        except OSError as error:
            raise DataError(f"cannot write {out}: {error.strerror or error}.") from None
        typer.echo(f"{out}: {rows} {TICKS if interval == TICKS else 'bars'}.")


@app.command("import")
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="CSV (also .gz or in a zip) or Parquet; of ticks also a folder."),
    ],
    symbol: Annotated[str, typer.Option(help="Whose they are, e.g. NSE_EQ:RELIANCE; ticks may tell themselves.")] = "",
    interval: Annotated[str, typer.Option("--interval", "-i", help="Of bars: 1m, 5m, 1h, 1d …")] = "1d",
    ticks: Annotated[bool, typer.Option("--ticks", help="They are ticks: time, price and the day's volume.")] = False,
    columns: Annotated[str, typer.Option(help="Names that are not the usual ones: time=Date,volume=Qty")] = "",
    header: Annotated[bool, typer.Option(help="Without: time,open,high,low,close,volume or time,price,volume.")] = True,
    scale: Annotated[int, typer.Option(min=1, help="Prices are rupees times this: 100 paise, 10000 LEAN.")] = 1,
    day: Annotated[
        datetime | None, typer.Option(formats=_DATES, help="Times are milliseconds from this day's midnight in India.")
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave bad rows out.")] = False,
    directory: _Directory = _DIRECTORY,
    as_json: _Json = False,
) -> None:
    """Bring in bars or ticks from files.

    Bars replace what the catalog had between the first and the last of them; ticks, whole days. Fields that --columns
    may name: time, open, high, low, close, volume; of ticks time, date, price, volume (of the day so far), quantity
    (of a row), symbol. Dirty ticks are kept as they are, and counted.

    Exit codes: 0; 2 a wrong option; 3 a file cannot be used.
    """
    with told(json=as_json):
        from saudagar.model.errors import ConfigError
        from saudagar.storage.catalog_import import FIELDS, Shape
        from saudagar.storage.catalog_ticks_import import NAMES

        named = _columns(columns, tuple(NAMES) if ticks else FIELDS)
        shape = Shape(columns=named, header=header, scale=scale, day=day.date() if day else None)
        if ticks:
            rows = _ticks(directory, files, shape, symbol, skip_bad)
        elif symbol:
            rows = [_bars(directory, file, shape, symbol, interval, skip_bad) for file in files]
        else:
            raise ConfigError("--symbol says whose bars these are, like NSE:RELIANCE.")
        say(rows, as_json, series_text)


def _bars(directory: Path, file: Path, shape: Shape, symbol: str, interval: str, skip_bad: bool) -> dict[str, Any]:
    from saudagar.model.errors import DataError
    from saudagar.storage.catalog import Catalog, interval_of
    from saudagar.storage.catalog_import import read_bars

    length, instrument = interval_of(interval), _id(symbol)
    bars, left_out = read_bars(file, instrument, length, shape, skip_bad=skip_bad)
    if not bars:
        raise DataError(f"{file} holds no bars.")
    span = (bars[0].start, bars[-1].end)
    catalog = Catalog(directory)
    catalog.add(instrument, length, bars, span, source=file.name)
    return checked(catalog, instrument, length, span) | {"left_out": left_out}


def _ticks(directory: Path, files: list[Path], shape: Shape, symbol: str, skip_bad: bool) -> list[dict[str, Any]]:
    from rich.console import Console
    from rich.progress import Progress

    from saudagar.app.data_ticks import bring_in
    from saudagar.storage.catalog_ticks import TickCatalog

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("reading", total=1.0)

        def next_is(share: float, name: str) -> None:
            progress.update(task, completed=share, description=name)

        days, left_out = bring_in(directory, files, shape, next_is, symbol=symbol, skip_bad=skip_bad)
    by_name: dict[str, list[TickDay]] = {}
    for each in days:
        by_name.setdefault(each.instrument, []).append(each)
    catalog = TickCatalog(directory)
    rows = [checked_ticks(catalog, mine) for mine in by_name.values()]
    return [*rows[:-1], rows[-1] | {"left_out": left_out}]


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


def _columns(text: str, fields: tuple[str, ...]) -> dict[str, str]:
    from saudagar.model.errors import ConfigError

    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    if any(field not in fields or not name for field, _, name in pairs):
        raise ConfigError(f"--columns wants FIELD=NAME,… with fields {', '.join(fields)}; got {text!r}.")
    return {field: name for field, _, name in pairs}
