"""The commands of ``saudagar account`` that ask the broker to change something, and the margin that shows before."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from saudagar.app.account.room import room_of, typed_paise
from saudagar.app.errors import told
from saudagar.app.options import Json, Symbol, Units, Yes
from saudagar.model import Product, Segment, Side


class Switch(StrEnum):
    ON = "on"
    OFF = "off"


def mount(app: typer.Typer) -> None:
    """Put the commands into `app`."""
    from saudagar.app.account.conditional import app as conditional

    for command in (margin, convert, exit_all, kill_switch, profit_exit, sale_pin, sale_form):
        app.command(command.__name__.replace("_", "-"))(command)
    app.add_typer(conditional, name="conditional")


def margin(
    context: typer.Context,
    side: Annotated[Side, typer.Argument(case_sensitive=False, help="Of the order whose margin is asked.")],
    quantity: Units,
    symbol: Symbol,
    price: Annotated[str, typer.Option(help="Rupees; default: at the market.")] = "",
    product: Annotated[Product, typer.Option(case_sensitive=False, help="Of the order.")] = Product.INTRADAY,
    as_json: Json = False,
) -> None:
    """What an order would take. Nothing is placed.

    Exit codes: 0; 2 a wrong option; 3 an unknown symbol; 5 the broker did not answer.
    """
    with told(json=as_json):
        import msgspec

        from saudagar.model import NewOrder, OrderTerms, OrderType, PositionId, Purpose, inr

        room = room_of(context)
        instrument = room.master.resolve(symbol)
        terms = (
            OrderTerms(quantity=quantity, order_type=OrderType.LIMIT, price=typed_paise(price))
            if price
            else OrderTerms(quantity=quantity, order_type=OrderType.MARKET)
        )
        order = NewOrder(
            order_id=room.new_id(),
            instrument=instrument.id,
            side=side,
            terms=terms,
            product=product,
            purpose=Purpose.ENTRY,
            position=PositionId(f"manual@{instrument.id}"),
        )
        found = room.with_desk(lambda desk: desk.account.margin([order]))
        if as_json:
            typer.echo(msgspec.json.encode(found).decode())
            return
        for title in ("required", "available", "span", "exposure", "charges"):
            amount = getattr(found, title)
            if amount is not None:
                typer.echo(f"{title:<10} {inr(amount):>18}")


def convert(
    context: typer.Context,
    symbol: Symbol,
    quantity: Units,
    held: Annotated[Product, typer.Option("--from", case_sensitive=False, help="The position's product.")],
    wanted: Annotated[Product, typer.Option("--to", case_sensitive=False, help="The product it shall have.")],
    side: Annotated[Side, typer.Option(case_sensitive=False, help="BUY: a long position.")] = Side.BUY,
    overnight: Annotated[bool, typer.Option("--overnight", help="Brought over from an earlier day.")] = False,
    yes: Yes = False,
) -> None:
    """Move a position, or a part of it, to another product.

    Exit codes: 0; 2 a wrong option; 3 an unknown symbol; 4 the request log cannot be written; 5 the broker.
    """
    with told():
        from saudagar.app.account.carry_out import carry_out
        from saudagar.model import Conversion

        room = room_of(context)
        instrument = room.master.resolve(symbol)
        asked = Conversion(
            instrument=instrument.id, side=side, quantity=quantity, held=held, wanted=wanted, overnight=overnight
        )
        words = f"Convert {quantity} {instrument.symbol} ({side}) from {held} to {wanted}"
        carry_out(room, "convert", asked, words, lambda account: account.convert(asked), yes=yes)
        typer.echo(f"{instrument.symbol}: {quantity} are {wanted} now.")


def exit_all(context: typer.Context, yes: Yes = False) -> None:
    """Have the broker close every position at the market. Those of a running desk too.

    A desk closes its own with: saudagar desk close-all

    Exit codes: 0; 2 a wrong option; 4 the request log cannot be written; 5 the broker, or it has no such thing.
    """
    with told():
        from saudagar.app.account.carry_out import carry_out

        words = "Close EVERY position of the account at the market"
        sent = carry_out(room_of(context), "exit all", {}, words, lambda account: account.exit_all(), yes=yes)
        typer.echo(f"Asked. Orders: {', '.join(sent)}" if sent else "Asked. Look: saudagar account positions")


def kill_switch(
    context: typer.Context,
    to: Annotated[Switch, typer.Argument(help="on: the broker refuses all trading; off: it allows it again.")],
    segment: Annotated[list[Segment] | None, typer.Option(help="Upstox tells segments apart; default: all.")] = None,
    yes: Yes = False,
) -> None:
    """The broker's own kill switch. Dhan wants a flat book first; the desk's is: saudagar desk halt

    Exit codes: 0; 2 a wrong option; 4 the request log cannot be written; 5 the broker, or it has none.
    """
    with told():
        from saudagar.app.account.carry_out import carry_out

        on, segments = to is Switch.ON, tuple(segment or ())
        words = "Have all trading of the account refused" if on else "Allow trading again"
        body = {"on": on, "segments": segments}
        carry_out(
            room_of(context), "kill switch", body, words, lambda account: account.kill_switch(on, segments), yes=yes
        )
        typer.echo(f"The kill switch is {to}.")


def profit_exit(
    context: typer.Context,
    profit: Annotated[str, typer.Option(help="Rupees gained in the day.")] = "",
    loss: Annotated[str, typer.Option(help="Rupees lost in the day, without a sign.")] = "",
    off: Annotated[bool, typer.Option("--off", help="Take it back.")] = False,
    yes: Yes = False,
) -> None:
    """Have the broker close all at a profit or loss of the day. The desk's own limits are in [risk].

    Exit codes: 0; 2 a wrong option; 4 the request log cannot be written; 5 the broker, or it has none.
    """
    with told():
        from saudagar.app.account.carry_out import carry_out
        from saudagar.model import inr
        from saudagar.model.errors import ConfigError

        if off is bool(profit or loss):
            raise ConfigError("name --profit, --loss or both; or --off alone.")
        gain, lost = (typed_paise(text) if text else None for text in (profit, loss))
        if any(amount is not None and amount <= 0 for amount in (gain, lost)):
            raise ConfigError("--profit and --loss are positive amounts in rupees.")
        at = " or ".join(f"a {w} of {inr(a)}" for w, a in (("profit", gain), ("loss", lost)) if a is not None)
        words = f"Have everything closed at {at}" if at else "Take the profit exit back"
        body = {"profit": gain, "loss": lost}
        carry_out(
            room_of(context), "profit exit", body, words, lambda account: account.profit_exit(gain, lost), yes=yes
        )
        typer.echo("Done.")


def sale_pin(context: typer.Context, yes: Yes = False) -> None:
    """Have the depository send its T-PIN to your phone (e-DIS).

    Exit codes: 0; 2 a wrong option; 4 the request log cannot be written; 5 the broker, or it has no e-DIS.
    """
    with told():
        from saudagar.app.account.carry_out import carry_out

        words = "Have the depository send a T-PIN"
        carry_out(room_of(context), "sale pin", {}, words, lambda account: account.request_sale_pin(), yes=yes)
        typer.echo("Asked. Then: saudagar account sale-form SYMBOL QUANTITY")


def sale_form(
    context: typer.Context,
    symbol: Symbol,
    quantity: Annotated[int, typer.Argument(min=1, help="Shares to allow the sale of.")],
    out: Annotated[Path, typer.Option(help="Where the page is written.")] = Path("var/account/e-dis.html"),
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open it, or only write it.")] = True,
) -> None:
    """Open the page on which you allow a sale (e-DIS). It is the depository's and takes the T-PIN.

    Exit codes: 0; 2 a wrong option; 3 an unknown symbol; 5 the broker, or it has no e-DIS.
    """
    with told():
        import os
        import webbrowser

        room = room_of(context)
        instrument = room.master.resolve(symbol)
        page = room.with_desk(lambda desk: desk.account.sale_form(instrument, quantity))
        out.parent.mkdir(parents=True, exist_ok=True)
        out.unlink(missing_ok=True)
        handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # it carries a session of the depository
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(page)
        typer.echo(f"{out}: allow the sale of {quantity} {instrument.symbol} there.")
        if open_browser:
            webbrowser.open(out.resolve().as_uri())
