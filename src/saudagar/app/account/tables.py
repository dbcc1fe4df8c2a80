"""How rows of an account are shown: a table for people, a line of JSON each for programs (paise, UTC ns)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import typer

from saudagar.app.columns import aligned, terminal_room
from saudagar.app.wording import NOTHING, clock, count, gain, plain, price

if TYPE_CHECKING:
    from saudagar.model import (
        AccountTrade,
        BrokerPosition,
        ConditionalReport,
        Depth,
        DepthLevel,
        Holding,
        LedgerEntry,
        NewConditional,
        OptionQuote,
        OrderReport,
        Quote,
        SaleAuthority,
    )


class Column(NamedTuple):
    """`told` gives the text of one cell; numbers stand to the right."""

    title: str
    told: Callable[[Any], str]
    right: bool = False


def say(rows: Sequence[Any], columns: Sequence[Column], as_json: bool, nothing: str) -> None:
    """Print `rows`, or what to say where there are none. A column that tells nothing of any row is left out."""
    if as_json:
        for row in rows:
            typer.echo(msgspec.json.encode(row).decode())
        return
    if not rows:
        typer.echo(nothing)
        return
    shown = [[column.title, *(column.told(row) for row in rows)] for column in columns]
    telling = [place for place, column in enumerate(shown) if not {"", NOTHING}.issuperset(column[1:])]
    titles, *cells = zip(*(shown[place] for place in telling), strict=True)
    typer.echo("\n".join(aligned(titles, cells, [columns[place].right for place in telling], terminal_room())))


def day_and_time(ts: int) -> str:
    return f"{_ist_day(ts)} {clock(ts)}"


def moment(ts: int) -> str:
    return clock(ts) if ts else NOTHING


def _symbol(row: Any) -> str:
    return str(row.instrument).partition(":")[2] or getattr(row, "symbol", "") or NOTHING


def _terms(report: OrderReport) -> str:
    terms = report.terms
    if terms is None:
        return NOTHING
    at = " ".join(
        part
        for part in (
            f"@ {price(terms.price)}" if terms.price else "",
            f"when {price(terms.trigger_price)}" if terms.trigger_price else "",
        )
        if part
    )
    return f"{terms.order_type} {at}".strip()


def legs(report: ConditionalReport | NewConditional) -> str:
    """The triggers of a conditional order in words."""
    return ", ".join(
        f"{leg.name.lower()} {f'at {price(leg.trigger)}' if leg.trigger else 'at once'}"
        f"{f' limit {price(leg.price)}' if leg.price else ''}{f' trailing {price(leg.trail)}' if leg.trail else ''}"
        for leg in report.legs
    )


def _reason(row: OrderReport | ConditionalReport) -> str:
    return row.reason


def _ordered(row: OrderReport) -> str:
    return f"{row.filled}/{row.terms.quantity}" if row.terms else str(row.filled)


def _trade_charges(row: AccountTrade) -> str:
    return NOTHING if row.charges is None else plain(row.charges)


def _value(row: Holding) -> str:
    return plain(row.quantity * row.average_price)


def _net(row: BrokerPosition) -> str:
    return f"{row.quantity:+d}" if row.quantity else "0"


def _number(field: str) -> Callable[[Any], str]:
    return lambda row: count(getattr(row, field))


def _price(field: str) -> Callable[[Any], str]:
    return lambda row: price(getattr(row, field))


def _greek(field: str, digits: int) -> Callable[[OptionQuote], str]:
    def told(row: OptionQuote) -> str:
        value = getattr(row, field)
        return NOTHING if value is None else f"{value:.{digits}f}"

    return told


def _text(field: str) -> Callable[[Any], str]:
    return lambda row: str(getattr(row, field) or NOTHING)


def _day(row: LedgerEntry) -> str:
    return row.day.isoformat()


def _authorised(row: SaleAuthority) -> str:
    return f"{count(row.authorised)} of {count(row.held)}"


def _traded(row: Quote | AccountTrade) -> str:
    return moment(row.ts)


def _change(row: Quote) -> str:
    if not row.previous_close:
        return NOTHING
    return f"{100 * (row.ltp - row.previous_close) / row.previous_close:+.2f} %"


def levels(book: Depth) -> list[tuple[DepthLevel | None, DepthLevel | None]]:
    """The two sides of a book beside each other, the best level first."""
    return list(zip_longest(book.bids, book.asks))


def _level(level: DepthLevel | None, field: str) -> str:
    if level is None:
        return NOTHING
    if field == "price":
        return price(level.price)
    return count(getattr(level, field)) if getattr(level, field) else NOTHING  # Upstox counts no orders


ORDERS = (
    Column("time", lambda row: moment(row.ts)),
    Column("instrument", _symbol),
    Column("side", _text("side")),
    Column("product", _text("product")),
    Column("filled", _ordered, right=True),
    Column("terms", _terms),
    Column("status", _text("status")),
    Column("average", lambda row: price(row.average_price), right=True),
    Column("our id", _text("order_id")),
    Column("broker's id", _text("broker_id")),
    Column("reason", _reason),
)
POSITIONS = (
    Column("instrument", _symbol),
    Column("product", _text("product")),
    Column("net", _net, right=True),
    Column("bought", _number("buy_quantity"), right=True),
    Column("for ₹", lambda row: plain(row.buy_value), right=True),
    Column("sold", _number("sell_quantity"), right=True),
    Column("for ₹", lambda row: plain(row.sell_value), right=True),
    Column("realised", lambda row: gain(row.realised), right=True),
    Column("unrealised", lambda row: gain(row.unrealised), right=True),
)
HOLDINGS = (
    Column("instrument", _symbol),
    Column("quantity", _number("quantity"), right=True),
    Column("T+1", _number("t1_quantity"), right=True),
    Column("sellable", _number("sellable"), right=True),
    Column("average ₹", _price("average_price"), right=True),
    Column("cost ₹", _value, right=True),
)
TRADES = (
    Column("day", lambda row: _ist_day(row.ts)),
    Column("time", _traded),
    Column("instrument", _symbol),
    Column("side", _text("side")),
    Column("product", _text("product")),
    Column("quantity", _number("quantity"), right=True),
    Column("price ₹", _price("price"), right=True),
    Column("charges ₹", _trade_charges, right=True),
    Column("order", _text("broker_id")),
)
LEDGER = (
    Column("day", _day),
    Column("narration", _text("narration")),
    Column("voucher", _text("voucher")),
    Column("debit ₹", lambda row: plain(row.debit), right=True),
    Column("credit ₹", lambda row: plain(row.credit), right=True),
    Column("balance ₹", lambda row: plain(row.balance), right=True),
)
QUOTES = (
    Column("instrument", _symbol),
    Column("last ₹", _price("ltp"), right=True),
    Column("change", _change, right=True),
    Column("bid", _price("bid"), right=True),
    Column("ask", _price("ask"), right=True),
    Column("open", _price("open"), right=True),
    Column("high", _price("high"), right=True),
    Column("low", _price("low"), right=True),
    Column("volume", _number("volume"), right=True),
    Column("time", _traded),
)
CHAIN = (
    Column("strike", _price("strike"), right=True),
    Column("", _text("right")),
    Column("last ₹", _price("ltp"), right=True),
    Column("bid", _price("bid"), right=True),
    Column("ask", _price("ask"), right=True),
    Column("open interest", _number("open_interest"), right=True),
    Column("volume", _number("volume"), right=True),
    Column("iv %", _greek("iv", 2), right=True),
    Column("delta", _greek("delta", 3), right=True),
    Column("theta", _greek("theta", 2), right=True),
    Column("vega", _greek("vega", 2), right=True),
)
CONDITIONALS = (
    Column("id", _text("broker_id")),
    Column("kind", _text("kind")),
    Column("status", _text("status")),
    Column("instrument", _symbol),
    Column("side", _text("side")),
    Column("quantity", _number("quantity"), right=True),
    Column("product", _text("product")),
    Column("legs", legs),
    Column("orders sent", lambda row: " ".join(row.orders) or NOTHING),
    Column("reason", _reason),
)
BOOK = (
    Column("orders", lambda row: _level(row[0], "orders"), right=True),
    Column("quantity", lambda row: _level(row[0], "quantity"), right=True),
    Column("bid ₹", lambda row: _level(row[0], "price"), right=True),
    Column("ask ₹", lambda row: _level(row[1], "price"), right=True),
    Column("quantity", lambda row: _level(row[1], "quantity"), right=True),
    Column("orders", lambda row: _level(row[1], "orders"), right=True),
)
AUTHORITIES = (
    Column("ISIN", _text("isin")),
    Column("authorised", _authorised, right=True),
    Column("status", _text("status")),
    Column("remarks", _text("remarks")),
)


def _ist_day(ts: int) -> str:
    from saudagar.market.ist import ist_day

    return ist_day(ts).isoformat() if ts else NOTHING
