"""Margin, funds and positions of the simulated account."""

from __future__ import annotations

import pytest

from saudagar.exchange.core_account import Account
from saudagar.exchange.core_orders import Refusal
from saudagar.model import Instrument, InstrumentKind, Product, Right, Segment, Side

SBIN = Instrument(segment=Segment.NSE_EQ, symbol="SBIN", kind=InstrumentKind.EQUITY, tick_size=5)
CALL = Instrument(
    segment=Segment.NSE_FNO,
    symbol="NIFTY-2026-11-23-24000-CE",
    kind=InstrumentKind.OPTION,
    tick_size=5,
    lot_size=65,
    strike=2_400_000,
    right=Right.CALL,
)
BUY, SELL = Side.BUY, Side.SELL
INTRADAY, DELIVERY, MARGIN, MTF = Product.INTRADAY, Product.DELIVERY, Product.MARGIN, Product.MTF


@pytest.mark.parametrize(
    ("instrument", "product", "side", "quantity", "price", "used"),
    [
        (SBIN, INTRADAY, BUY, 100, 80_000, 1_600_000),
        (SBIN, INTRADAY, SELL, 100, 80_000, 1_600_000),
        (SBIN, DELIVERY, BUY, 100, 80_000, 8_000_000),
        (SBIN, MTF, BUY, 100, 80_000, 2_000_000),
        (CALL, MARGIN, BUY, 65, 10_000, 650_000),
        (CALL, INTRADAY, BUY, 65, 10_000, 650_000),
        (CALL, MARGIN, SELL, 65, 10_000, 2_400_000 * 65 // 5),
    ],
)
def test_margin_by_product(instrument, product, side, quantity, price, used):
    account = Account(10**9)
    account.reserve(instrument, product, side, quantity, price)
    assert account.funds().used == used
    assert account.funds().available == 10**9 - used
    account.release(instrument, product, side, quantity)
    assert account.funds().used == 0


def test_an_order_that_worsens_nothing_is_free():
    account = Account(1_600_000)
    account.reserve(SBIN, INTRADAY, BUY, 100, 80_000)
    account.trade(SBIN, INTRADAY, BUY, 100, 80_000)
    assert account.available == 0
    account.reserve(SBIN, INTRADAY, SELL, 100, 80_000)
    account.reserve(SBIN, INTRADAY, SELL, 100, 80_000)  # the worst is being short 100: no worse than long 100
    with pytest.raises(Refusal, match=r"short of ₹160\.00") as refused:
        account.reserve(SBIN, INTRADAY, SELL, 1, 80_000)
    assert refused.value.code == "funds"


def test_profit_and_loss_are_money():
    account = Account(2_000_000)
    account.reserve(SBIN, INTRADAY, BUY, 100, 80_000)
    account.trade(SBIN, INTRADAY, BUY, 100, 80_000)
    account.reserve(SBIN, INTRADAY, SELL, 100, 81_000)
    account.trade(SBIN, INTRADAY, SELL, 40, 81_000)
    assert account.available == 2_000_000 + 40_000 - 60 * 81_000 // 5
    account.trade(SBIN, INTRADAY, SELL, 60, 79_000)
    assert account.funds().used == 0
    assert account.available == 2_000_000 + 40 * 1_000 - 60 * 1_000
    (line,) = account.lines()
    assert (line.buy_quantity, line.buy_value, line.sell_quantity) == (100, 8_000_000, 100)
    assert line.sell_value == 40 * 81_000 + 60 * 79_000


def test_delivery_sales_need_shares():
    account = Account(10**9, {SBIN.id: 50})
    account.reserve(SBIN, DELIVERY, SELL, 30, 80_000)
    with pytest.raises(Refusal, match="only 20 shares") as refused:
        account.reserve(SBIN, DELIVERY, SELL, 21, 80_000)
    assert refused.value.code == "quantity"
    account.reserve(SBIN, DELIVERY, SELL, 20, 80_000)
    account.trade(SBIN, DELIVERY, SELL, 50, 80_000)
    assert account.funds().used == 0
    with pytest.raises(Refusal, match="only 0 shares"):
        account.reserve(SBIN, DELIVERY, SELL, 1, 80_000)


def test_shares_bought_today_can_be_sold():
    account = Account(10**9)
    account.reserve(SBIN, DELIVERY, BUY, 10, 80_000)
    account.trade(SBIN, DELIVERY, BUY, 10, 80_000)
    account.reserve(SBIN, DELIVERY, SELL, 10, 80_000)
    account.trade(SBIN, DELIVERY, SELL, 10, 80_500)
    assert account.available == 10**9 + 5_000


def test_products_do_not_mix():
    account = Account(10**9)
    account.reserve(SBIN, INTRADAY, BUY, 10, 80_000)
    account.trade(SBIN, INTRADAY, BUY, 10, 80_000)
    account.reserve(SBIN, MTF, SELL, 10, 80_000)
    account.trade(SBIN, MTF, SELL, 10, 80_000)
    assert [line.net for line in account.lines()] == [10, -10]
    assert account.funds().used == 800_000 // 5 + 800_000 // 4
