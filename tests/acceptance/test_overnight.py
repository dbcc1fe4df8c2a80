"""A desk for delivery on two days, over the wire: the shares that it bought are the broker's holdings next morning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from saudagar.exchange.process import Account, ExchangeConfig, ExchangeProcess, SyntheticSource
from saudagar.market.ist import ist_day
from saudagar.model import Purpose, Side
from saudagar.model import events as ev
from saudagar.storage.journal import read_journal

pytestmark = pytest.mark.unmeasured

TIGHT, WIDE = 'stop = "0.3%", target = "0.3%", trail = "0.2%"', 'stop = "1.5%", target = "1.5%"'


def exchange(day: str, end: str, holdings: dict[str, int]) -> ExchangeProcess:
    source = SyntheticSource(seed=7, day=day, instruments=13, start="09:15", end=end)
    account = Account(capital=1_00_00_000_00, holdings=holdings)
    return ExchangeProcess(ExchangeConfig(source=source, lockstep=True, hold=True, account=account))


def test_what_was_bought_yesterday_is_sold_today(trading_day: Callable[..., Any], forge: Any) -> None:
    day = trading_day("swing", square_off="", last_entry="15:00")
    file = day.folder / "desk.toml"
    text = file.read_text().replace(TIGHT, WIDE)
    file.write_text(text + 'side = "BUY"\n\n[orders]\nproduct = "DELIVERY"\n')
    day.exchange = exchange("2026-11-19", "09:22", {})
    day.open()
    day.desk(forge.start).finish()
    theirs, held = day.books().positions()
    assert theirs == held != {}
    rows = day.books().rows
    day.exchange.stop()

    day.exchange = exchange("2026-11-20", "09:24", held)
    day.open()
    day.desk(forge.start).finish()
    books = day.books()
    traded, left = books.positions()
    sums = Counter(held)
    sums.update(traded)
    assert {name: quantity for name, quantity in sums.items() if quantity} == left
    today = [entry.event for entry in read_journal(day.journal)][rows:]
    assert not [event for event in today if isinstance(event, ev.InstrumentFrozen)]
    for name, quantity in held.items():  # its stop rests there from the first, and became the exit
        sent = [event.order for event in today if isinstance(event, ev.OrderSubmitted)]
        first = next(order for order in sent if order.instrument == name)
        assert (first.purpose, first.side, first.terms.quantity) == (Purpose.STOP, Side.SELL, quantity)
        assert books.state.orders[first.order_id].filled == quantity
    over_night = [trade for trade in books.state.trades if ist_day(trade.entry_ts) < ist_day(trade.exit_ts)]
    assert {trade.instrument: trade.quantity for trade in over_night} == held
