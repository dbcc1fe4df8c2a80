"""``saudagar brokers capabilities``: what each broker offers, side by side.

An order that asks for what its broker lacks is refused with these words before the wire (`Capabilities.check`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from saudagar.app.options import Json

if TYPE_CHECKING:
    from saudagar.execution.ports import Capabilities

app = typer.Typer(no_args_is_help=True, help="The brokers that saudagar speaks to.")


@app.command()
def capabilities(as_json: Json = False) -> None:
    """What each broker offers: orders, products, streams, history.

    Exit codes: 0.
    """
    import msgspec
    from rich.console import Console
    from rich.table import Column, Table

    brokers = _all()
    if as_json:
        rows = {broker.name: _plain(broker) for broker in brokers}
        typer.echo(msgspec.json.format(msgspec.json.encode(rows)).decode())
        return
    table = Table(
        Column(overflow="fold"), *(broker.name for broker in brokers), box=None, pad_edge=False, padding=(0, 3, 0, 0)
    )
    for title, told in _LINES:
        table.add_row(title, *(told(broker) for broker in brokers))
    Console().print(table)


def _all() -> list[Capabilities]:
    from saudagar.brokers.dhan.capabilities import CAPABILITIES as DHAN
    from saudagar.brokers.kite.capabilities import CAPABILITIES as KITE
    from saudagar.brokers.paper import PaperBroker
    from saudagar.brokers.upstox.capabilities import CAPABILITIES as UPSTOX

    return [DHAN, UPSTOX, KITE, PaperBroker.capabilities]


def _plain(broker: Capabilities) -> dict[str, Any]:
    """The fields for JSON; sets in a fixed order."""
    import msgspec

    fields = msgspec.structs.asdict(broker)
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in fields.items()}


def _words(values: frozenset[Any]) -> str:
    return " ".join(sorted(values)) or "–"


def _yes(value: bool) -> str:
    return "yes" if value else "–"


def _number(value: int) -> str:
    return f"{value:,}" if value else "–"


def _history(broker: Capabilities) -> str:
    minutes = broker.history_minutes
    whole = minutes == tuple(range(1, len(minutes) + 1)) and len(minutes) > 2
    spans = [f"1-{minutes[-1]}"] if whole else [str(each) for each in minutes]
    return " ".join([f"{' '.join(spans)} min"] * bool(minutes) + ["day"] * broker.history_daily) or "–"


_LINES: tuple[tuple[str, Callable[[Capabilities], str]], ...] = (
    ("order types", lambda broker: _words(broker.order_types)),
    ("products", lambda broker: _words(broker.products)),
    ("validity", lambda broker: _words(broker.validities)),
    ("after market", lambda broker: _yes(broker.after_market)),
    ("writes a second", lambda broker: _number(broker.writes_per_second)),
    ("modifications of an order", lambda broker: _number(broker.modifications)),
    ("look-up by our id", lambda broker: broker.look_up.value.lower()),
    ("length of our id", lambda broker: _number(broker.id_length)),
    ("slices orders itself", lambda broker: "yes" if broker.slices is None else _number(broker.slices)),
    ("keeps conditional orders", lambda broker: _words(broker.conditional)),
    ("converts positions", lambda broker: _yes(broker.conversion)),
    ("e-DIS", lambda broker: _yes(broker.e_dis)),
    ("kill switch", lambda broker: _yes(broker.kill_switch)),
    ("exits everything", lambda broker: _yes(broker.exit_all)),
    ("exits at a day's profit or loss", lambda broker: _yes(broker.profit_exit)),
    ("streamed instruments", lambda broker: _number(broker.stream_instruments)),
    ("depth levels", lambda broker: " ".join(str(each) for each in broker.depth) or "–"),
    ("option chain", lambda broker: _yes(broker.option_chain)),
    ("greeks", lambda broker: _yes(broker.greeks)),
    ("past bars", _history),
)
