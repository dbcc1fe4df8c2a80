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


def reserve(account, instrument, product, side, quantity, price) -> None:
    account.reserve(instrument, product, side, quantity, quantity * price)


def trade(account, instrument, product, side, quantity, price, asked: int = 0) -> None:
    """At `price`, of an order that was reserved at `asked`."""
    account.trade(instrument, product, side, quantity, price, quantity * (asked or price))


def have(account, instrument, product, side, quantity, price) -> None:
    reserve(account, instrument, product, side, quantity, price)
    trade(account, instrument, product, side, quantity, price)


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
    reserve(account, instrument, product, side, quantity, price)
    assert account.funds().used == used
    assert account.funds().available == 10**9 - used
    account.release(instrument, product, side, quantity, quantity * price)
    assert account.funds().used == 0


def test_an_order_that_worsens_nothing_is_free():
    account = Account(1_600_000)
    reserve(account, SBIN, INTRADAY, BUY, 100, 80_000)
    trade(account, SBIN, INTRADAY, BUY, 100, 80_000)
    assert account.available == 0
    reserve(account, SBIN, INTRADAY, SELL, 100, 80_000)
    reserve(account, SBIN, INTRADAY, SELL, 100, 80_000)  # the worst is being short 100: no worse than long 100
    with pytest.raises(Refusal, match=r"short of ₹160\.00") as refused:
        reserve(account, SBIN, INTRADAY, SELL, 1, 80_000)
    assert refused.value.code == "funds"


def test_profit_and_loss_are_money():
    account = Account(2_000_000)
    reserve(account, SBIN, INTRADAY, BUY, 100, 80_000)
    trade(account, SBIN, INTRADAY, BUY, 100, 80_000)
    reserve(account, SBIN, INTRADAY, SELL, 100, 81_000)
    trade(account, SBIN, INTRADAY, SELL, 40, 81_000)
    assert account.available == 2_000_000 + 40_000 - 60 * 80_000 // 5, "what is left of the position, at its cost"
    trade(account, SBIN, INTRADAY, SELL, 60, 79_000, asked=81_000)
    assert account.funds().used == 0
    assert account.available == 2_000_000 + 40 * 1_000 - 60 * 1_000
    (line,) = account.lines()
    assert (line.buy_quantity, line.buy_value, line.sell_quantity) == (100, 8_000_000, 100)
    assert line.sell_value == 40 * 81_000 + 60 * 79_000


def test_delivery_sales_need_shares():
    account = Account(10**9, {SBIN.id: 50})
    reserve(account, SBIN, DELIVERY, SELL, 30, 80_000)
    with pytest.raises(Refusal, match="only 20 shares") as refused:
        reserve(account, SBIN, DELIVERY, SELL, 21, 80_000)
    assert refused.value.code == "quantity"
    reserve(account, SBIN, DELIVERY, SELL, 20, 80_000)
    trade(account, SBIN, DELIVERY, SELL, 50, 80_000)
    assert account.funds().used == 0
    with pytest.raises(Refusal, match="only 0 shares"):
        reserve(account, SBIN, DELIVERY, SELL, 1, 80_000)


def test_shares_bought_today_can_be_sold():
    account = Account(10**9)
    reserve(account, SBIN, DELIVERY, BUY, 10, 80_000)
    trade(account, SBIN, DELIVERY, BUY, 10, 80_000)
    reserve(account, SBIN, DELIVERY, SELL, 10, 80_000)
    trade(account, SBIN, DELIVERY, SELL, 10, 80_500)
    assert account.available == 10**9 + 5_000


def test_products_do_not_mix():
    account = Account(10**9)
    have(account, SBIN, INTRADAY, BUY, 10, 80_000)
    have(account, SBIN, MTF, BUY, 10, 80_000)
    reserve(account, SBIN, INTRADAY, SELL, 10, 80_000)
    assert [line.net for line in account.lines()] == [10, 10]
    assert account.funds().used == 800_000 // 5 + 800_000 // 4


@pytest.mark.parametrize("product", [DELIVERY, MTF])
def test_nobody_is_short_of_delivery(product):
    account = Account(10**9)
    have(account, SBIN, INTRADAY, BUY, 10, 80_000)
    with pytest.raises(Refusal, match="only 0 shares"):
        reserve(account, SBIN, product, SELL, 10, 80_000)
    have(account, SBIN, INTRADAY, SELL, 20, 80_000)
    with pytest.raises(Refusal, match="shares that are not there"):
        account.convert(SBIN, INTRADAY, product, SELL, 10)
    assert [line.net for line in account.lines()] == [-10]


def test_shares_that_are_offered_cannot_be_converted():
    account = Account(10**9)
    have(account, SBIN, DELIVERY, BUY, 10, 80_000)
    reserve(account, SBIN, DELIVERY, SELL, 6, 81_000)
    with pytest.raises(Refusal, match="shares that are not there"):
        account.convert(SBIN, DELIVERY, INTRADAY, BUY, 5)
    account.convert(SBIN, DELIVERY, INTRADAY, BUY, 4)
    assert [line.net for line in account.lines()] == [6, 4]


def test_what_was_paid_is_gone_whatever_is_asked_next():
    account = Account(100 * 80_000)
    have(account, SBIN, DELIVERY, BUY, 100, 80_000)
    with pytest.raises(Refusal, match="short of"):
        reserve(account, SBIN, DELIVERY, BUY, 1, 64_000)  # at a fifth less
    assert account.available == 0


def test_each_working_order_keeps_its_own_price():
    account = Account(1_000 * 80_000)
    reserve(account, SBIN, DELIVERY, BUY, 900, 80_000)
    reserve(account, SBIN, DELIVERY, BUY, 100, 64_000)
    assert account.funds().used == 900 * 80_000 + 100 * 64_000
    account.release(SBIN, DELIVERY, BUY, 900, 900 * 80_000)
    assert account.funds().used == 100 * 64_000


def test_a_premium_is_gone_until_the_option_is_sold():
    account = Account(65 * 10_000)
    have(account, CALL, MARGIN, BUY, 65, 10_000)
    with pytest.raises(Refusal, match="short of"):
        reserve(account, CALL, MARGIN, BUY, 65, 1_000)
    have(account, CALL, MARGIN, SELL, 65, 1_000)
    assert (account.funds().used, account.available) == (0, 65 * 1_000)


def test_a_conversion_that_is_refused_changes_nothing():
    account = Account(100 * 80_000 // 5 + 90_001)
    have(account, SBIN, DELIVERY, BUY, 1, 90_001)
    have(account, SBIN, INTRADAY, BUY, 100, 80_000)
    before = [(line.buy_quantity, line.buy_value) for line in account.lines()], account.funds()
    with pytest.raises(Refusal, match="short of"):
        account.convert(SBIN, INTRADAY, DELIVERY, BUY, 50)
    assert ([(line.buy_quantity, line.buy_value) for line in account.lines()], account.funds()) == before


def test_a_conversion_into_a_line_that_has_traded_keeps_the_sum_of_money():
    account = Account(10**9)
    have(account, SBIN, DELIVERY, BUY, 10, 80_000)
    have(account, SBIN, DELIVERY, SELL, 10, 81_000)
    have(account, SBIN, INTRADAY, BUY, 10, 90_000)
    account.convert(SBIN, INTRADAY, DELIVERY, BUY, 10)
    have(account, SBIN, DELIVERY, SELL, 10, 90_000)
    assert account.available == 10**9 + 10 * 1_000


def test_without_standing_leave_a_sale_of_holdings_is_to_be_authorised():
    account = Account(10**9, {SBIN.id: 50}, standing_leave=False)
    with pytest.raises(Refusal, match="TPIN") as refused:
        reserve(account, SBIN, DELIVERY, SELL, 1, 80_000)
    assert refused.value.code == "authority"
    account.authorised = {SBIN.id: 20}
    have(account, SBIN, DELIVERY, SELL, 15, 80_000)
    with pytest.raises(Refusal, match="TPIN"):
        reserve(account, SBIN, DELIVERY, SELL, 6, 80_000)
    have(account, SBIN, DELIVERY, BUY, 30, 80_000)
    reserve(account, SBIN, DELIVERY, SELL, 35, 80_000)  # what was bought today needs no leave
    have(account, SBIN, INTRADAY, SELL, 5, 80_000)
    with pytest.raises(Refusal, match="TPIN"):
        account.convert(SBIN, INTRADAY, DELIVERY, SELL, 5)
