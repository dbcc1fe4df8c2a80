"""``saudagar instruments sync|find|show``: make today's instrument master, and look into it.

The files are the brokers' own and are given by the user, as paths or addresses: saudagar has no address built in.
Errors travel up to the command line's one place that prints them.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saudagar.app.options import Json

if TYPE_CHECKING:
    from saudagar.market.master import Master
    from saudagar.model import Instrument

app = typer.Typer(no_args_is_help=True, help="The instrument master: what can be traded, at which broker.")

_DIRECTORY = Path("var/instruments")
_TIMEOUT_S = 120
_SHOWN_CONFLICTS = 10
_Directory = Annotated[Path, typer.Option(help="Where the masters are kept.")]


@app.command()
def sync(
    upstox: Annotated[str, typer.Option(help="Upstox's complete.json.gz: a path or an http(s) address.")] = "",
    dhan: Annotated[str, typer.Option(help="Dhan's api-scrip-master.csv, compact or detailed.")] = "",
    kite: Annotated[str, typer.Option(help="Kite's instruments CSV.")] = "",
    day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Default: today in India.")] = None,
    tolerance: Annotated[float, typer.Option(help="How far a segment's row count may move; 0.05 is 5 %.")] = 0.05,
    accept: Annotated[bool, typer.Option("--accept", help="Take it although row counts moved too far.")] = False,
    directory: _Directory = _DIRECTORY,
    as_json: Json = False,
) -> None:
    """Merge the brokers' instrument files and put them in force. Whole or not at all.

    Exit codes: 0 done; 2 no file given; 3 a file is unusable or the result was not taken (the old one stays).
    """
    from saudagar.engine.clock import wall_clock
    from saudagar.market.ist import ist_day
    from saudagar.market.master import merge, read_dhan, read_kite, read_upstox
    from saudagar.model.errors import ConfigError
    from saudagar.storage.master import save

    given = [(read, source) for read, source in ((read_upstox, upstox), (read_dhan, dhan), (read_kite, kite)) if source]
    if not given:
        raise ConfigError("no instrument file given.", hint="Give one or more of --upstox, --dhan, --kite.")
    master = merge([read(_fetch(source)) for read, source in given], day.date() if day else ist_day(wall_clock()))
    path = save(master, directory, tolerance=tolerance, accept=accept)
    typer.echo(_json(_summary(master, path)) if as_json else _summary_text(master, path))


@app.command()
def find(
    words: Annotated[
        list[str], typer.Argument(metavar="WORD", help="Words of a symbol, a name or an ISIN, e.g. nifty 24000 ce")
    ],
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    directory: _Directory = _DIRECTORY,
    as_json: Json = False,
) -> None:
    """List the instruments that some words may mean, best first.

    Exit codes: 0, also if nothing is found; 3 no usable master.
    """
    from saudagar.storage.master import load_latest

    text = " ".join(words)
    found = load_latest(directory).find(text, limit)
    if as_json:
        typer.echo(_json([_shown(instrument) for instrument in found]))
    for instrument in () if as_json else found:
        typer.echo(f"{instrument.id:<40} {instrument.name}".rstrip())
    if not found and not as_json:
        typer.echo(f"nothing is like {text!r}.")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="RELIANCE, NSE:RELIANCE, NSE_FNO:NIFTY-2026-12-29-24000-CE …")],
    directory: _Directory = _DIRECTORY,
    as_json: Json = False,
) -> None:
    """Show all that the master holds about one instrument.

    Exit codes: 0; 3 unknown, or no usable master.
    """
    from saudagar.model import group_digits, inr
    from saudagar.storage.master import load_latest

    master = load_latest(directory)
    instrument = master.resolve(name, conflicts=True)
    conflicts = [f"{conflict.field}: {conflict.detail}" for conflict in master.conflicts_of(instrument.id)]
    facts = _shown(instrument) | {"master_of": str(master.day), "conflicts": conflicts}
    if as_json:
        typer.echo(_json(facts))
        return
    facts |= {field: inr(facts[field]) for field in ("tick_size", "strike") if facts[field]}
    facts |= {field: group_digits(facts[field]) for field in ("lot_size", "freeze_quantity") if facts[field]}
    facts |= {field: "yes" if value else "no" for field, value in facts.items() if isinstance(value, bool)}
    facts["conflicts"] = "; ".join(conflicts)
    for field, value in facts.items():
        if value:
            typer.echo(f"{field.replace('_', ' '):<16} {value}")


def _fetch(source: str) -> bytes:
    from saudagar.model.errors import DataError

    if source.startswith(("http://", "https://")):
        return _download(source)
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the instrument file {source}: {error.strerror or error}.") from None


def _download(address: str) -> bytes:
    import asyncio

    import aiohttp

    from saudagar.model.errors import DataError

    async def get() -> bytes:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as http, http.get(address) as reply:
            return await reply.read()

    try:
        return asyncio.run(get())
    except (aiohttp.ClientError, TimeoutError) as error:
        raise DataError(
            f"cannot download {address}: {error or type(error).__name__}.",
            hint="The master in force stays. Try again, or download the file yourself and give its path.",
        ) from None


def _summary(master: Master, path: Path) -> dict[str, Any]:
    return {
        "day": str(master.day),
        "path": str(path),
        "rows": {segment.value: count for segment, count in sorted(master.counts.items())},
        "refused": master.refused,
        "conflicts": [
            {"instrument": conflict.instrument, "field": conflict.field, "detail": conflict.detail}
            for conflict in master.conflicts
        ],
    }


def _summary_text(master: Master, path: Path) -> str:
    lines = [f"{len(master)} instruments of {master.day} in {path}"]
    lines += [f"  {segment.value:<10} {count:>7}" for segment, count in sorted(master.counts.items())]
    for broker, counts in master.refused.items():
        if counts:
            lines.append(f"rows of {broker} left out: {', '.join(f'{why} {n}' for why, n in counts.items())}")
    if master.conflicts:
        lines.append(f"{len(master.conflicts)} conflicts between the files; these are not tradable:")
        lines += [
            f"  {found.instrument} {found.field}: {found.detail}" for found in master.conflicts[:_SHOWN_CONFLICTS]
        ]
        if len(master.conflicts) > _SHOWN_CONFLICTS:
            lines.append(f"  … and {len(master.conflicts) - _SHOWN_CONFLICTS} more; --json prints all")
    return "\n".join(lines)


def _shown(instrument: Instrument) -> dict[str, Any]:
    import msgspec

    return {"id": instrument.id, **msgspec.to_builtins(instrument)}


def _json(value: object) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()
