"""``saudagar account …``: what the broker's books say, and prices. What changes something is in `changes`."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saudagar.app.account.changes import mount
from saudagar.app.account.room import room_of
from saudagar.app.errors import told
from saudagar.app.options import DATES, FROM, MASTERS, First, JsonLines, Masters, SecretsFile, Symbol

if TYPE_CHECKING:
    from saudagar.app.account.room import Room

app = typer.Typer(
    no_args_is_help=True,
    help="Look at one account and ask its broker for things by hand.\n\n"
    "Books, prices, conversions, conditional orders, kill switch, e-DIS.",
)
_To = Annotated[datetime | None, typer.Option("--to", formats=DATES, help="The last day; default: today.")]


@app.callback()
def _root(
    context: typer.Context,
    broker: Annotated[str, typer.Option(help="dhan, upstox or kite. Default: the configuration's, else dhan.")] = "",
    config: Annotated[Path | None, typer.Option(help="A desk's file: its broker and secrets.")] = None,
    account: Annotated[str, typer.Option(help="One of the [accounts.NAME] of that file.")] = "",
    secrets: SecretsFile = None,
    masters: Masters = MASTERS,
    log: Annotated[Path, typer.Option(help="Where requests are noted before they are sent.")] = Path(
        "var/account/requests.jsonl"
    ),
    exchange_ports: Annotated[
        str, typer.Option(help="Ports of a simulated exchange: UPSTOX,DHAN,CONTROL or UPSTOX,DHAN,KITE,CONTROL.")
    ] = "",
) -> None:
    """Options of the account stand before the command: saudagar account --broker kite positions."""
    from saudagar.app.account.room import Room

    context.obj = Room(
        broker=broker,
        config=config,
        account=account,
        secrets=secrets,
        masters=masters,
        exchange_ports=exchange_ports,
        log=log,
    )


@app.command()
def funds(context: typer.Context, as_json: JsonLines = False) -> None:
    """Money: available, used, at the day's start.

    Exit codes: 0; 2 a wrong option; 5 the broker did not answer.
    """
    with told(json=as_json):
        import msgspec

        from saudagar.model import inr

        found = room_of(context).with_desk(lambda desk: desk.funds())
        if as_json:
            typer.echo(msgspec.json.encode(found).decode())
            return
        for title, amount in (("available", found.available), ("used", found.used), ("opening", found.opening)):
            typer.echo(f"{title:<10} {inr(amount):>18}")


@app.command()
def orders(context: typer.Context, as_json: JsonLines = False) -> None:
    """Today's order book.

    Exit codes: 0; 2 a wrong option; 5 the broker did not answer.
    """
    _books(context, lambda desk: desk.orders(), "ORDERS", as_json, "No orders today.")


@app.command()
def positions(context: typer.Context, as_json: JsonLines = False) -> None:
    """Today's positions, closed ones included.

    Exit codes: 0; 2 a wrong option; 5 the broker did not answer.
    """
    _books(context, lambda desk: desk.positions(), "POSITIONS", as_json, "No positions today.")


@app.command()
def holdings(context: typer.Context, as_json: JsonLines = False) -> None:
    """Shares in the demat account.

    Exit codes: 0; 2 a wrong option; 5 the broker did not answer.
    """
    _books(context, lambda desk: desk.holdings(), "HOLDINGS", as_json, "No holdings.")


@app.command()
def trades(context: typer.Context, first: First = None, last: _To = None, as_json: JsonLines = False) -> None:
    """Today's trade book; with --from that of earlier days.

    Exit codes: 0; 2 a wrong option; 5 the broker did not answer, or has no such history.
    """
    room = room_of(context)

    def asked(desk: Any) -> Any:
        if first is None:
            return desk.account.trades()
        return desk.account.trade_history(*_days(room, first, last))

    _books(context, asked, "TRADES", as_json, "No trades.")


@app.command()
def ledger(
    context: typer.Context,
    first: Annotated[datetime, FROM],
    last: _To = None,
    as_json: JsonLines = False,
) -> None:
    """The account's ledger.

    Exit codes: 0; 2 a wrong option; 5 the broker did not answer, or has none to give.
    """
    room = room_of(context)
    _books(context, lambda desk: desk.account.ledger(*_days(room, first, last)), "LEDGER", as_json, "No entries.")


@app.command()
def authorities(
    context: typer.Context,
    isin: Annotated[str, typer.Argument(help="Of one share; default: of all holdings.")] = "",
    as_json: JsonLines = False,
) -> None:
    """What the depository lets the broker sell today (e-DIS).

    Exit codes: 0; 2 a wrong option; 5 the broker did not answer, or has no e-DIS.
    """
    _books(context, lambda desk: desk.account.sale_authorities(isin), "AUTHORITIES", as_json, "Nothing to authorise.")


@app.command()
def quote(
    context: typer.Context,
    symbols: Annotated[list[str], typer.Argument(metavar="SYMBOL", help="RELIANCE, NSE:RELIANCE, NSE_INDEX:NIFTY …")],
    as_json: JsonLines = False,
) -> None:
    """Prices of now.

    Exit codes: 0; 2 a wrong option; 3 an unknown symbol; 5 the broker did not answer.
    """
    with told(json=as_json):
        from saudagar.app.account import tables

        room = room_of(context)
        wanted = [room.master.resolve(symbol) for symbol in dict.fromkeys(symbols)]
        found = room.with_quotes(lambda quotes: quotes.quotes(wanted))
        rows = [found[each.id] for each in wanted if each.id in found]
        tables.say(rows, tables.QUOTES, as_json, "The broker gave no prices.")


@app.command()
def chain(
    context: typer.Context,
    underlying: Annotated[str, typer.Argument(help="NIFTY, RELIANCE …")],
    expiry: Annotated[datetime | None, typer.Option(formats=DATES, help="Default: the nearest.")] = None,
    strikes: Annotated[int, typer.Option(min=0, help="This many each side of the money; 0: all.")] = 8,
    as_json: JsonLines = False,
) -> None:
    """The option chain of one expiry.

    Exit codes: 0; 2 a wrong option; 3 an unknown symbol; 5 the broker did not answer.
    """
    with told(json=as_json):
        from saudagar.app.account import tables
        from saudagar.app.wording import long_date, price

        room = room_of(context)
        of = room.master.resolve(underlying)

        async def asked(quotes: Any) -> Any:
            day = expiry.date() if expiry else (await quotes.expiries(of) or [None])[0]
            return None if day is None else await quotes.option_chain(of, day)

        found = room.with_quotes(asked)
        rows = [] if found is None else _near(found, strikes)
        if found is not None and not as_json:
            typer.echo(f"{of.symbol} {price(found.spot)}, expiry {long_date(found.expiry)}")
        tables.say(rows, tables.CHAIN, as_json, f"{of.symbol} has no options.")


@app.command()
def depth(
    context: typer.Context,
    symbol: Symbol,
    levels: Annotated[int, typer.Option(min=0, help="Dhan: 20 or 200; Upstox: 30; 0: the broker's least.")] = 0,
    seconds: Annotated[float, typer.Option(min=0.1, max=120, help="How long to wait for it.")] = 10.0,
    as_json: JsonLines = False,
) -> None:
    """The order book of now, deeper than five levels. It comes from the broker's stream.

    Exit codes: 0; 2 a wrong option; 3 an unknown symbol; 5 no book came, or the broker has none.
    """
    with told(json=as_json):
        import msgspec

        from saudagar.app.account import tables
        from saudagar.model.errors import BrokerError

        room = room_of(context)
        instrument = room.master.resolve(symbol)
        book = room.book_of(instrument, levels, seconds)
        if book is None:
            raise BrokerError(
                f"no order book of {instrument.id} came within {seconds:g} s.", hint="Is the market open?"
            )
        if as_json:
            typer.echo(msgspec.json.encode(book).decode())
            return
        tables.say(tables.levels(book), tables.BOOK, False, "")


@app.command()
def requests(context: typer.Context, as_json: JsonLines = False) -> None:
    """What was asked with these commands, and what became of it.

    Exit codes: 0; 1 there is a request without an answer; 4 the log cannot be read.
    """
    with told(json=as_json):
        from saudagar.app.account import tables

        entries = room_of(context).log.entries()
        rows = [
            {
                "ts": request.ts,
                "id": request.id,
                "broker": request.broker,
                "kind": request.kind,
                "outcome": answer.outcome.value if answer else None,
                "detail": answer.detail if answer else "",
            }
            for request, answer in entries
        ]
        columns = (
            tables.Column("when", lambda row: tables.day_and_time(row["ts"])),
            tables.Column("broker", lambda row: row["broker"]),
            tables.Column("request", lambda row: row["kind"]),
            tables.Column("outcome", lambda row: row["outcome"] or "no answer is known"),
            tables.Column("detail", lambda row: row["detail"]),
            tables.Column("id", lambda row: row["id"]),
        )
        tables.say(rows, columns, as_json, "Nothing was asked yet.")
        if any(answer is None for _, answer in entries):
            raise typer.Exit(1)


def _books(context: typer.Context, asked: Any, columns: str, as_json: bool, nothing: str) -> None:
    with told(json=as_json):
        from saudagar.app.account import tables

        tables.say(room_of(context).with_desk(asked), getattr(tables, columns), as_json, nothing)


def _days(room: Room, first: datetime, last: datetime | None) -> tuple[date, date]:
    from saudagar.market.ist import ist_day
    from saudagar.model.errors import ConfigError

    end = last.date() if last else ist_day(room.now())
    if first.date() > end:
        raise ConfigError(f"--from {first.date()} lies after --to {end}.")
    return first.date(), end


def _near(chain: Any, strikes: int) -> list[Any]:
    """The rows of `strikes` strikes each side of the one nearest to the spot."""
    levels = sorted({row.strike for row in chain.rows})
    if not strikes or not levels:
        return list(chain.rows)
    middle = min(range(len(levels)), key=lambda index: abs(levels[index] - chain.spot))
    kept = set(levels[max(0, middle - strikes) : middle + strikes + 1])
    return [row for row in chain.rows if row.strike in kept]


mount(app)
