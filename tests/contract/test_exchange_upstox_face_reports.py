"""Upstox's reports of past days through the real SDK, and what the desk makes of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
import upstox_client
from tests.contract.conftest import IDEA, MARKET_DAY, NIFTY, RELIANCE, Market, ScriptedDay
from tests.contract.upstox_face import code_of

from saudagar.brokers.upstox.broker import UpstoxBroker, UpstoxOrderSettings
from saudagar.exchange.options import WithOptions
from saudagar.exchange.process import Account
from saudagar.market.charges import charge
from saudagar.market.ist import DAY, midnight
from saudagar.model import InstrumentKind, OrderTerms, OrderType, Product, Side

TOKEN = Account().upstox_token
TRADED = [
    (RELIANCE, Side.BUY, 30, Product.INTRADAY),
    (RELIANCE, Side.BUY, 20, Product.INTRADAY),
    (RELIANCE, Side.SELL, 40, Product.INTRADAY),
    (IDEA, Side.SELL, 10, Product.INTRADAY),
]


def place(market: Any, instrument: Any, side: Side, quantity: int, product: Product) -> None:
    desk = market.exchange.upstox._site.desk
    terms = OrderTerms(quantity=quantity, order_type=OrderType.MARKET)
    desk.place(instrument, (), tag="", side=side, terms=terms, product=product)


@pytest.fixture(scope="module")
def market() -> Iterator[Any]:
    """The day after: four orders of shares and one of an option, all of them past."""
    market = Market(WithOptions(ScriptedDay(), strikes=1))
    option = next(
        line.instrument
        for line in market.exchange.tape.lines.values()
        if line.instrument.kind is InstrumentKind.OPTION and line.tick
    )
    for traded in TRADED:
        place(market, *traded)
    place(market, option, Side.BUY, option.lot_size, Product.MARGIN)
    core = market.exchange.core
    core.advance(midnight(MARKET_DAY) + DAY)
    yield market, option
    market.close()


@pytest.fixture
def client(market: Any) -> Iterator[Any]:
    configuration = upstox_client.Configuration()
    configuration.host = configuration.order_host = market[0].upstox
    configuration.access_token = TOKEN
    for name in ("upstox_client", "urllib3"):
        logging.getLogger(name).handlers.clear()
    client = upstox_client.ApiClient(configuration)
    yield client
    client.pool.close()
    client.pool.join()
    client.rest_client.pool_manager.clear()


def test_executions_page_by_page_and_by_segment(client: Any, market: Any) -> None:
    ask = upstox_client.PostTradeApi(client).get_trades_by_date_range
    day = str(MARKET_DAY)
    first, second = ask(day, day, 1, 3), ask(day, day, 2, 3)
    assert (first.meta_data.page.total_records, first.meta_data.page.total_pages, len(first.data)) == (5, 2, 3)
    rows = [*first.data, *second.data]
    assert [(row.symbol, row.transaction_type, row.quantity) for row in rows[:4]] == [
        (instrument.symbol, side.value, quantity) for instrument, side, quantity, _ in TRADED
    ]
    assert all(row.trade_date == day and row.amount == round(row.quantity * row.price, 2) for row in rows)
    option = market[1]
    [row] = ask(day, day, 1, 10, segment="FO").data
    assert (row.symbol, row.option_type, row.expiry, row.strike_price) == (
        NIFTY.symbol, option.right.value, str(option.expiry), str(option.strike / 100),
    )  # fmt: skip
    before = str(MARKET_DAY - timedelta(days=1))
    assert ask(before, before, 1, 10).data == []


def test_profits_are_matched_first_in_first_out_and_what_is_open_is_left_out(client: Any) -> None:
    api = upstox_client.TradeProfitAndLossApi(client)
    meta = api.get_trade_wise_profit_and_loss_meta_data("EQ", "2627", "2.0").data
    assert (meta.trades_count, meta.page_size_limit) == (2, 5_000)
    rows = api.get_trade_wise_profit_and_loss_data("EQ", "2627", 1, 10, "2.0").data
    assert [(row.scrip_name, row.quantity, row.trade_type) for row in rows] == [
        ("RELIANCE", 30.0, "EQ"), ("RELIANCE", 10.0, "EQ"),
    ]  # fmt: skip
    assert {row.buy_date for row in rows} == {f"{MARKET_DAY:%d-%m-%Y}"}
    for row in rows:
        assert row.buy_amount == pytest.approx(row.quantity * row.buy_average)
        assert row.sell_amount == pytest.approx(row.quantity * row.sell_average)
    [last] = api.get_trade_wise_profit_and_loss_data("EQ", "2627", 2, 1, "2.0").data
    assert last.quantity == 10.0


def test_charges_are_those_of_the_orders(client: Any, market: Any) -> None:
    costs = upstox_client.TradeProfitAndLossApi(client).get_profit_and_loss_charges("EQ", "2627", "2.0").data
    core = market[0].exchange.core
    expected = sum(
        float(charge("upstox", MARKET_DAY, t.instrument, t.product, t.side, t.quantity, t.quantity * t.price).total)
        for t in core.trades
        if t.instrument.kind is InstrumentKind.EQUITY
    )
    told = costs.charges_breakdown
    assert told.total == pytest.approx(expected, abs=0.01)
    parts = (told.brokerage, *told.taxes.to_dict().values(), *told.charges.to_dict().values())
    assert sum(parts) == pytest.approx(told.total, abs=0.01)


def test_questions_that_make_no_sense(client: Any) -> None:
    history = upstox_client.PostTradeApi(client).get_trades_by_date_range
    profit = upstox_client.TradeProfitAndLossApi(client).get_profit_and_loss_charges
    day = str(MARKET_DAY)
    assert code_of(lambda: history(day, day, 1, 3, segment="XX")) == "UDAPI1066"
    assert code_of(lambda: history(day, day, 0, 3)) == "UDAPI100036"
    assert code_of(lambda: history("soon", day, 1, 3)) == "UDAPI1148"
    assert code_of(lambda: profit("XX", "2627", "2.0")) == "UDAPI1066"
    assert code_of(lambda: profit("EQ", "2628", "2.0")) == "UDAPI100036"
    assert code_of(lambda: profit("EQ", "2627", "2.0", from_date="01-04-2025")) == "UDAPI1148"


def test_the_desk_reads_them_with_the_day_for_a_time_and_no_product(market: Any) -> None:
    exchange, option = market[0].exchange, market[1]

    class Lookup:
        def by_upstox(self, key: str) -> Any:
            return next((each for each in (RELIANCE, IDEA, option) if each.upstox_id == key), None)

    async def main() -> Any:
        broker = UpstoxBroker(UpstoxOrderSettings(token=TOKEN, rest_host=market[0].upstox), Lookup())
        await broker.open()
        try:
            return await broker.account.trade_history(date(2026, 11, 1), MARKET_DAY)
        finally:
            await broker.stop()

    found = asyncio.run(main())
    assert {(t.trade_id, t.instrument, t.side, t.quantity, t.price) for t in found} == {
        (t.trade_id, t.instrument.id, t.side, t.quantity, t.price) for t in exchange.core.trades
    }
    assert {(t.ts, t.product, t.broker_id) for t in found} == {(midnight(MARKET_DAY), None, "")}
