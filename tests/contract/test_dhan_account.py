"""`DhanAccount` through the real SDK against the simulated exchange."""

import os
from datetime import date

import pytest
from tests.contract.asked import conversion, leg
from tests.contract.conftest import MARKET_DAY, NIFTY, RELIANCE, Market, ScriptedDay
from tests.contract.dhan_desk import (
    BRACKET,
    ENTRY,
    LEGS,
    OCO,
    STOP,
    TARGET,
    TRAILING,
    new,
    on_account,
    order,
)

from saudagar.brokers.dhan.broker import DhanBroker
from saudagar.exchange.process import Account
from saudagar.model import (
    ClientOrderId,
    ConditionalKind,
    ConditionalStatus,
    OrderTerms,
    OrderType,
    Product,
    Segment,
    Side,
)
from saudagar.model.errors import (
    DataError,
    RejectedByBroker,
    Unsupported,
)


@pytest.fixture(scope="module")
def market():
    market = Market(ScriptedDay(), account=Account(holdings={RELIANCE.id: 100}), writes_per_second=0)
    yield market
    market.close()


def at(market: Market, work):
    account = market.exchange.config.account
    return on_account(
        f"{market.base}/v2", work, client_id=account.client_id, token=account.dhan_token, timeout=(3.0, 7.0)
    )


async def net(broker: DhanBroker, product: Product) -> int:
    return sum(each.quantity for each in await broker.positions() if each.product is product)


def test_a_conversion_answered_without_a_body_is_done(market):  # D2
    async def work(broker):
        await broker.submit(order(1))
        await broker.account.convert(conversion())
        assert (await net(broker, Product.INTRADAY), await net(broker, Product.DELIVERY)) == (6, 4)
        with pytest.raises(RejectedByBroker, match="cannot be converted"):
            await broker.account.convert(conversion(quantity=500))
        assert await broker.account.exit_all() == []
        assert (await net(broker, Product.INTRADAY), await net(broker, Product.DELIVERY)) == (0, 0)

    at(market, work)


def test_a_target_with_its_stop_is_changed_leg_by_leg_and_found_by_all_that_was_asked(market):
    async def work(broker):
        account, asked = broker.account, new(OCO)
        assert await account.find_conditional(asked) is None
        placed = await account.place_conditional(asked)
        assert (placed.status, placed.ts, placed.order_id) == (ConditionalStatus.ACTIVE, 77, asked.order_id)
        found = await account.find_conditional(asked)
        assert (found.broker_id, found.legs, found.order_id) == (placed.broker_id, asked.legs, "")
        moved = (leg(TARGET, 1_325_00, 1_325_00), leg(STOP, 1_285_00, 1_284_00))
        await account.modify_conditional(placed, new(OCO, legs=moved, quantity=2))
        assert await account.find_conditional(asked) is None
        found = await account.find_conditional(new(OCO, legs=moved, quantity=2))
        assert (found.broker_id, found.quantity) == (placed.broker_id, 2)
        await account.cancel_conditional(placed)
        assert [each.status for each in await account.conditionals()] == [ConditionalStatus.CANCELLED]

    at(market, work)


@pytest.mark.parametrize("kind", [BRACKET, TRAILING])
def test_a_super_order_is_changed_before_and_after_its_entry(market, kind):
    async def work(broker):
        account, asked = broker.account, new(kind, order_id=ClientOrderId(f"S{kind}"))
        placed = await account.place_conditional(asked)
        told = await account.find_conditional(asked)
        assert (told.broker_id, told.kind, told.status, told.order_id) == (
            placed.broker_id,
            kind,
            ConditionalStatus.WORKING,
            asked.order_id,
        )
        assert [each.trigger for each in sorted(told.legs, key=lambda each: each.name)] == [0, 1_270_00, 1_330_00]
        legs = (leg(ENTRY, 0, 1_310_00), *LEGS[kind][1:])  # in the market: it trades at once
        changed = new(kind, order_id=asked.order_id, legs=legs, quantity=5)
        await account.modify_conditional(placed, changed)
        assert await net(broker, Product.INTRADAY) == 5
        later = (leg(ENTRY, 0, 1_310_00), leg(TARGET, 1_340_00), leg(STOP, 1_275_00, 0, LEGS[kind][2].trail))
        with pytest.raises(Unsupported, match="no change of quantity"):
            await account.modify_conditional(placed, new(kind, legs=later, quantity=6))
        await account.modify_conditional(placed, new(kind, legs=later, quantity=5))
        told = await account.find_conditional(asked)
        assert {each.name: (each.trigger, each.trail) for each in told.legs if each.name is not ENTRY} == {
            TARGET: (1_340_00, 0),
            STOP: (1_275_00, LEGS[kind][2].trail),
        }
        await account.cancel_conditional(placed)
        assert not (await account.find_conditional(asked)).status.live
        with pytest.raises(RejectedByBroker, match="left to cancel"):
            await account.cancel_conditional(placed)
        await account.exit_all()

    at(market, work)


def test_margins_trades_and_statements(market):
    async def work(broker):
        account = broker.account
        one = await account.margin([order(2)])
        assert (one.required, one.span, one.charges) == (1_310_00 * 10 // 5, 0, None)
        assert one.available == (await broker.funds()).available
        two = await account.margin([order(2), order(3, 20)])
        assert (two.required, two.available) == (3 * one.required, None)
        market_order = OrderTerms(quantity=10, order_type=OrderType.MARKET)
        assert (await account.margin([order(2, terms=market_order)])).required > 0
        bought = await broker.submit(order(4, 12))
        mine = [each for each in await account.trades() if each.broker_id == bought.broker_id]
        assert [(each.quantity, each.side, each.instrument) for each in mine] == [(12, Side.BUY, RELIANCE.id)]
        assert mine[0].trade_id
        past = await account.trade_history(MARKET_DAY, MARKET_DAY)
        assert len(past) == len(await account.trades())
        assert all(each.charges and each.charges > 0 for each in past if each.quantity == 12)
        assert await account.trade_history(date(2026, 11, 1), date(2026, 11, 19)) == []
        lines = await account.ledger(date(2026, 11, 1), date(2026, 11, 20))
        assert [(line.day.day, line.narration) for line in lines] == [(1, "OPENING BALANCE"), (20, "CLOSING BALANCE")]
        for ask in (account.ledger, account.trade_history):
            with pytest.raises(DataError, match="must not be after"):
                await ask(date(2026, 11, 2), date(2026, 11, 1))
        await account.exit_all()

    at(market, work)


def test_the_kill_switch_wants_an_empty_book_and_can_be_taken_back(market):
    async def work(broker):
        account = broker.account
        placed = await account.place_conditional(new(BRACKET, order_id=ClientOrderId("K1")))
        with pytest.raises(RejectedByBroker, match="Close all positions"):
            await account.kill_switch(True)
        await account.cancel_conditional(placed)
        await account.kill_switch(True)
        with pytest.raises(RejectedByBroker, match="Kill switch"):
            await broker.submit(order(5))
        await account.kill_switch(False)
        with pytest.raises(Unsupported, match="segment"):
            await account.kill_switch(True, [Segment.NSE_FNO])

    at(market, work)


def test_a_profit_exit_is_set_and_taken_back(market):
    async def work(broker):
        await broker.account.profit_exit(5_000_00, 2_000_00)
        assert market.exchange.dhan._account._exit.profit_value == 5_000.0
        await broker.account.profit_exit(None, None)
        assert market.exchange.dhan._account._exit is None
        for one in ((100_00, None), (None, 100_00)):
            with pytest.raises(Unsupported, match="both"):
                await broker.account.profit_exit(*one)
        for wrong in ((0, 1), (1, -1), (1.5, 1)):
            with pytest.raises(DataError):
                await broker.account.profit_exit(*wrong)

    at(market, work)


def test_a_sale_is_authorised_without_a_browser_or_a_file(market, tmp_path, monkeypatch):  # D2
    import webbrowser

    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.chdir(tmp_path)

    async def work(broker):
        account = broker.account
        [before] = await account.sale_authorities()
        assert (before.isin, before.held, before.authorised, before.status) == (RELIANCE.isin, 100, 0, "PENDING")
        await account.request_sale_pin()
        page = await account.sale_form(RELIANCE, 40)
        assert page.startswith("<!DOCTYPE html>")
        assert "\\" not in page
        [after] = await account.sale_authorities(RELIANCE.isin)
        assert (after.authorised, after.status) == (40, "SUCCESS")
        for instrument, quantity in ((NIFTY, 1), (RELIANCE, 0)):
            with pytest.raises(DataError, match="marked for sale"):
                await account.sale_form(instrument, quantity)
        with pytest.raises(DataError, match="letters and digits"):
            await account.sale_authorities("../killswitch")

    at(market, work)
    assert (opened, os.listdir(tmp_path)) == ([], [])


def test_every_line_of_the_table_is_kept(market):
    """What the capabilities promise is answered, be it with a refusal in Dhan's own words; nothing else is."""

    async def work(broker):
        can, account = broker.capabilities, broker.account
        asked = [
            (can.conversion, account.convert(conversion(quantity=999))),
            (can.exit_all, account.exit_all()),
            (can.kill_switch, account.kill_switch(False)),
            (can.profit_exit, account.profit_exit(None, None)),
            (can.e_dis, account.sale_authorities()),
            (can.e_dis, account.request_sale_pin()),
            (can.e_dis, account.sale_form(RELIANCE, 1)),
        ]
        asked += [(kind in can.conditional, account.place_conditional(new(kind))) for kind in ConditionalKind]
        for promised, request in asked:
            lacking = False
            try:
                await request
            except Unsupported:
                lacking = True
            except RejectedByBroker:
                pass
            assert lacking is not promised

    at(market, work)
