"""``saudagar account conditional``: orders that the broker keeps until a price is reached, day after day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from saudagar.app.account.room import room_of, typed_paise
from saudagar.app.errors import told
from saudagar.app.options import JsonLines, Symbol, Units, Yes
from saudagar.model import ConditionalKind, Product, Side

if TYPE_CHECKING:
    from saudagar.app.account.room import Room
    from saudagar.model import ConditionalLeg, ConditionalReport, Instrument, NewConditional, Paise

app = typer.Typer(no_args_is_help=True, help="GTT, forever and super orders: list, place, modify, cancel.")

_Last = Annotated[str, typer.Option(help="The last price, in rupees; default: asked of the broker.")]
_Rupees = Annotated[str, typer.Option(help="Rupees.")]
_Id = Annotated[str, typer.Argument(help="The broker's id, from the list.")]
_Trigger = Annotated[str, typer.Option(help="Rupees at which the order, or the entry of a bracket, is sent.")]
_Price = Annotated[str, typer.Option(help="Limit of that order; default: at the market, where the broker can.")]
_Target = Annotated[str, typer.Option(help="Rupees of the profit's trigger.")]
_Stop = Annotated[str, typer.Option(help="Rupees of the loss's trigger.")]
_Limit = Annotated[str, typer.Option(help="Limit of that leg; default: at the market, where the broker can.")]
_Trail = Annotated[str, typer.Option(help="Rupees per step in which the stop follows the price.")]


@app.command("list")
def list_(context: typer.Context, as_json: JsonLines = False) -> None:
    """What the broker keeps, ended ones included where it tells of them.

    Exit codes: 0; 2 a wrong option; 5 the broker did not answer.
    """
    with told(json=as_json):
        from saudagar.app.account import tables

        rows = room_of(context).with_desk(lambda desk: desk.account.conditionals())
        tables.say(rows, tables.CONDITIONALS, as_json, "No conditional orders.")


@app.command()
def place(
    context: typer.Context,
    kind: Annotated[ConditionalKind, typer.Argument(case_sensitive=False, help="What the broker has: see `brokers`.")],
    side: Annotated[Side, typer.Argument(case_sensitive=False, help="Of the first order that is sent.")],
    quantity: Units,
    symbol: Symbol,
    trigger: _Trigger = "",
    price: _Price = "",
    target: _Target = "",
    target_price: _Limit = "",
    stop: _Stop = "",
    stop_price: _Limit = "",
    trail: _Trail = "",
    last: _Last = "",
    product: Annotated[Product, typer.Option(case_sensitive=False, help="Of the order.")] = Product.DELIVERY,
    yes: Yes = False,
    as_json: JsonLines = False,
) -> None:
    """Place a GTT, forever or super order.

    Kinds: single (--trigger), oco (--target and --stop), bracket (entry, --target, --stop), trailing (--trail).

    Where the reply is lost, the order is looked for at the broker; it is never sent twice.

    Exit codes: 0; 2 a wrong option; 3 an unknown symbol; 4 the request log cannot be written; 5 the broker.
    """
    with told(json=as_json):
        from saudagar.app.account import tables
        from saudagar.app.account.carry_out import carry_out
        from saudagar.app.account.carry_out import place as place_once
        from saudagar.model import NewConditional

        room = room_of(context)
        instrument = room.master.resolve(symbol)
        legs = _legs(kind, _paise(trigger, price, target, target_price, stop, stop_price, trail))
        asked = NewConditional(
            order_id=room.new_id(),
            kind=kind,
            instrument=instrument.id,
            side=side,
            quantity=quantity,
            product=product,
            legs=legs,
            last_price=typed_paise(last) if last else _last_price(room, instrument),
        )
        asked.check()
        placed = carry_out(
            room,
            "place conditional",
            asked,
            f"Place {_words(asked, instrument)}",
            lambda account: place_once(account, asked),
            yes=yes,
        )
        tables.say([placed], tables.CONDITIONALS, as_json, "")


@app.command()
def modify(
    context: typer.Context,
    id: _Id,
    quantity: Annotated[int, typer.Option(min=0, help="Units; 0: as it is.")] = 0,
    trigger: _Trigger = "",
    price: _Price = "",
    target: _Target = "",
    target_price: _Limit = "",
    stop: _Stop = "",
    stop_price: _Limit = "",
    trail: _Trail = "",
    last: _Last = "",
    yes: Yes = False,
) -> None:
    """Change what is named, leave the rest. Upstox does not tell limits again: name them anew, or it is the market.

    Exit codes: 0; 2 a wrong option; 3 there is no such order; 4 the request log cannot be written; 5 the broker.
    """
    with told():
        from saudagar.app.account.carry_out import carry_out
        from saudagar.model import NewConditional

        room = room_of(context)
        known = _known(room, id)
        instrument = room.master.get(known.instrument)
        given = _paise(trigger, price, target, target_price, stop, stop_price, trail)
        asked = NewConditional(
            order_id=known.order_id or room.new_id(),
            kind=known.kind,
            instrument=known.instrument,
            side=known.side,
            quantity=quantity or known.quantity,
            product=known.product,
            legs=_changed(known.legs, given),
            last_price=typed_paise(last) if last else _last_price(room, instrument),
        )
        asked.check()
        words = f"Change {id} to {_words(asked, instrument)}"
        carry_out(
            room,
            "modify conditional",
            asked,
            words,
            lambda account: account.modify_conditional(known, asked),
            yes=yes,
        )
        typer.echo(f"{id} is changed.")


@app.command()
def cancel(context: typer.Context, id: _Id, yes: Yes = False) -> None:
    """Withdraw one.

    Exit codes: 0; 2 a wrong option; 3 there is no such order; 4 the request log cannot be written; 5 the broker.
    """
    with told():
        from saudagar.app.account.carry_out import carry_out

        room = room_of(context)
        known = _known(room, id)
        words = f"Cancel the {known.kind} order {id} of {known.instrument}"
        carry_out(
            room,
            "cancel conditional",
            {"broker_id": id},
            words,
            lambda account: account.cancel_conditional(known),
            yes=yes,
        )
        typer.echo(f"{id} is cancelled.")


_GIVEN = {
    ("ENTRY", "trigger"): 0,
    ("ENTRY", "price"): 1,
    ("TARGET", "trigger"): 2,
    ("TARGET", "price"): 3,
    ("STOP", "trigger"): 4,
    ("STOP", "price"): 5,
    ("STOP", "trail"): 6,
}
"""Leg and field → place among the options."""


def _paise(*rupees: str) -> list[Paise | None]:
    return [typed_paise(text) if text else None for text in rupees]


def _legs(kind: ConditionalKind, given: list[Paise | None]) -> tuple[ConditionalLeg, ...]:
    """The legs of `kind`. Raises `ConfigError` for an option that it has no leg for."""
    from saudagar.model import ConditionalLeg, LegName
    from saudagar.model.errors import ConfigError

    names = {
        ConditionalKind.SINGLE: (LegName.ENTRY,),
        ConditionalKind.OCO: (LegName.TARGET, LegName.STOP),
    }.get(kind, tuple(LegName))
    for (leg, _), place_ in _GIVEN.items():
        if given[place_] is not None and leg not in names:
            raise ConfigError(
                f"a {kind} order has no {leg.lower()}.", hint="See: saudagar account conditional place --help"
            )
    return _changed(tuple(ConditionalLeg(name=name) for name in names), given)


def _changed(legs: tuple[ConditionalLeg, ...], given: list[Paise | None]) -> tuple[ConditionalLeg, ...]:
    import msgspec

    def value(leg: ConditionalLeg, field: str) -> Paise:
        place_ = _GIVEN.get((leg.name.value, field))
        new = None if place_ is None else given[place_]
        kept: Paise = getattr(leg, field)
        return kept if new is None else new

    return tuple(
        msgspec.structs.replace(leg, **{field: value(leg, field) for field in ("trigger", "price", "trail")})
        for leg in legs
    )


def _last_price(room: Room, instrument: Instrument) -> Paise:
    from saudagar.model.errors import BrokerError

    found = room.with_quotes(lambda quotes: quotes.quotes([instrument])).get(instrument.id)
    if found is None:
        raise BrokerError(f"{room.broker} gave no price of {instrument.id}.", hint="Name it: --last RUPEES")
    return found.ltp


def _known(room: Room, id: str) -> ConditionalReport:
    from saudagar.model.errors import DataError

    for report in room.with_desk(lambda desk: desk.account.conditionals()):
        if report.broker_id == id:
            return report
    raise DataError(f"{room.broker} keeps no conditional order {id!r}.", hint="saudagar account conditional list")


def _words(asked: NewConditional, instrument: Instrument) -> str:
    from saudagar.app.account.tables import legs

    return f"{asked.kind} {asked.side} {asked.quantity} {instrument.symbol} {asked.product} ({legs(asked)})"
