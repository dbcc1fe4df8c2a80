"""Upstox's account, GTT, option and login endpoints through the real SDK, over sockets."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
import upstox_client
from tests.contract.upstox_face import code_of
from upstox_client.rest import ApiException

from saudagar.exchange.options import WithOptions
from saudagar.exchange.process import Account
from saudagar.exchange.upstox import account

RELIANCE, NIFTY = "NSE_EQ|INE002A01018", "NSE_INDEX|Nifty 50"
SIM = Account()


def buy(client: Any, quantity: int = 50, product: str = "I") -> None:
    upstox_client.OrderApiV3(client).place_order(
        upstox_client.PlaceOrderV3Request(
            quantity=quantity, product=product, validity="DAY", price=0.0, instrument_token=RELIANCE,
            order_type="MARKET", transaction_type="BUY", disclosed_quantity=0, trigger_price=0.0, is_amo=False,
        )
    )  # fmt: skip


def test_a_position_is_converted(scripted_market: Any, api: Any) -> None:
    client = api(scripted_market())
    buy(client)
    portfolio = upstox_client.PortfolioApi(client)

    def convert(quantity: int) -> Any:
        body = upstox_client.ConvertPositionRequest(
            instrument_token=RELIANCE, new_product="D", old_product="I", transaction_type="BUY", quantity=quantity
        )
        return portfolio.convert_positions(body, "2.0")

    assert code_of(lambda: convert(51)) == "UDAPI1052"
    assert convert(20).data.status == "complete"
    rows = {row.product: row.quantity for row in portfolio.get_positions("2.0").data}
    assert rows == {"I": 30, "D": 20}
    funds = upstox_client.UserApi(client).get_user_fund_margin("2.0").data["equity"]
    assert funds.used_margin == pytest.approx(30 * 1300.1 / 5 + 20 * 1300.1, abs=0.02)


def test_holdings_and_what_is_left_of_them(scripted_market: Any, api: Any) -> None:
    client = api(scripted_market(account=Account(holdings={"NSE_EQ:RELIANCE": 100})))
    [row] = upstox_client.PortfolioApi(client).get_holdings("2.0").data
    assert (row.quantity, row.isin, row.average_price, row.pnl) == (100, "INE002A01018", 1290.0, 1000.0)
    assert row.cnc_used_quantity == 0


def test_margin_and_charges(scripted_market: Any, api: Any) -> None:
    client = api(scripted_market())
    charge = upstox_client.ChargeApi(client)

    def ask(**words: Any) -> Any:
        line = {"instrument_key": RELIANCE, "quantity": 10, "product": "I", "transaction_type": "BUY", "price": 1000.0}
        return upstox_client.MarginRequest(instruments=[upstox_client.Instrument(**(line | words))])

    data = charge.post_margin(ask()).data
    assert (data.required_margin, data.margins[0].equity_margin) == (2_000.0, 2_000.0)
    assert charge.post_margin(ask(product="D")).data.final_margin == 10_000.0
    assert code_of(lambda: charge.post_margin(ask(quantity=0))) == "UDAPI1052"
    costs = charge.get_brokerage(RELIANCE, 10, "I", "BUY", 1000.0, "2.0").data.charges
    parts = costs.brokerage + costs.taxes.gst + costs.taxes.stt + costs.taxes.stamp_duty
    parts += costs.other_taxes.transaction + costs.other_taxes.sebi_turnover
    assert costs.total == pytest.approx(parts, abs=0.01)
    assert costs.brokerage == 10.0  # 0.1 % of ₹10,000, less than ₹20
    assert code_of(lambda: charge.get_brokerage(RELIANCE, 0, "I", "BUY", 1000.0, "2.0")) == "UDAPI100036"


def test_the_kill_switch_wants_a_flat_book_and_twelve_hours(scripted_market: Any, api: Any) -> None:
    market = scripted_market()
    client = api(market)
    user = upstox_client.UserApi(client)
    buy(client)
    off = [{"segment": "NSE_EQ", "action": "DISABLE"}]
    assert code_of(lambda: user.update_kill_switch(off)) == "UDAPI100040"
    upstox_client.OrderApi(client).exit_positions()
    upstox_client.OrderApiV3(client).place_order(
        upstox_client.PlaceOrderV3Request(
            quantity=1, product="I", validity="DAY", price=1200.0, instrument_token=RELIANCE,
            order_type="LIMIT", transaction_type="BUY", disclosed_quantity=0, trigger_price=0.0, is_amo=False,
        )
    )  # fmt: skip
    user.update_kill_switch(off)
    assert [row.status for row in upstox_client.OrderApi(client).get_order_book("2.0").data][-1] == "cancelled"
    state = {row["segment"]: row["kill_switch_enabled"] for row in user.get_kill_switch().data}
    assert (state["NSE_EQ"], state["NSE_FO"]) == (True, False)
    assert code_of(lambda: buy(client)) == "UDAPI100040"
    on = [{"segment": "NSE_EQ", "action": "ENABLE"}]
    assert code_of(lambda: user.update_kill_switch(on)) == "UDAPI100040"
    assert code_of(lambda: user.update_kill_switch([{"segment": "LSE", "action": "ENABLE"}])) == "UDAPI100036"
    core = market.exchange.core
    core.advance(core.now + account._COOLING)
    user.update_kill_switch(on)
    assert not any(row["kill_switch_enabled"] for row in user.get_kill_switch().data)


def test_addresses(scripted_market: Any, api: Any) -> None:
    user = upstox_client.UserApi(api(scripted_market()))
    assert user.get_user_ips().data.primary_ip == "127.0.0.1"
    assert user.update_user_ip(upstox_client.UpdateUserIpRequest(primary_ip="10.0.0.1")).data.primary_ip == "10.0.0.1"
    assert user.get_user_ips().data.primary_ip == "10.0.0.1"
    bad = upstox_client.UpdateUserIpRequest(primary_ip="ten")
    assert code_of(lambda: user.update_user_ip(bad)) == "UDAPI100036"


def test_the_option_chain_and_its_contracts(scripted_market: Any, api: Any) -> None:
    client = api(scripted_market(around=lambda day: WithOptions(day, strikes=2)))
    options = upstox_client.OptionsApi(client)
    contracts = options.get_option_contracts(NIFTY).data
    expiries = sorted({str(row.expiry)[:10] for row in contracts})
    assert expiries == ["2026-11-23", "2026-12-01", "2026-12-29"]  # the 24th is a holiday
    assert {row.weekly for row in contracts if str(row.expiry)[:10] == "2026-12-01"} == {True}
    assert {row.weekly for row in contracts if str(row.expiry)[:10] == "2026-11-23"} == {False}
    assert len(options.get_option_contracts(NIFTY, expiry_date="2026-12-01").data) == 10
    chain = options.get_put_call_option_chain(NIFTY, "2026-11-23").data
    assert [row.strike_price for row in chain] == [23_900.0, 23_950.0, 24_000.0, 24_050.0, 24_100.0]
    calls = [row.call_options.market_data.ltp for row in chain]
    assert calls == sorted(calls, reverse=True)
    assert all(0 < row.call_options.option_greeks.delta < 1 for row in chain)
    assert all(-1 < row.put_options.option_greeks.delta < 0 for row in chain)
    assert chain[0].underlying_spot_price == pytest.approx(24_010.0)
    assert code_of(lambda: options.get_put_call_option_chain(NIFTY, "soon")) == "UDAPI1148"
    key = chain[2].call_options.instrument_key
    [quote] = upstox_client.MarketQuoteV3Api(client).get_market_quote_option_greek(instrument_key=key).data.values()
    assert quote.delta == pytest.approx(chain[2].call_options.option_greeks.delta, abs=1e-3)


def test_the_search_finds_by_word_segment_and_expiry(scripted_market: Any, api: Any) -> None:
    client = api(scripted_market(around=lambda day: WithOptions(day, strikes=2)))
    instruments = upstox_client.InstrumentsApi(client)
    [found] = instruments.search_instrument("reliance").data
    assert (found["instrument_key"], found["lot_size"]) == (RELIANCE, 1)
    answer = instruments.search_instrument("NIFTY", segments="NSE_FO", instrument_types="CE", expiry="2026-12-01")
    assert len(answer.data) == 5
    page = instruments.search_instrument("NIFTY", segments="NSE_FO", records=4, page_number=2)
    assert (len(page.data), page.meta_data.page.total_records, page.meta_data.page.total_pages) == (4, 30, 8)
    assert code_of(lambda: instruments.search_instrument("NIFTY", records=31)) == "UDAPI100036"


def test_the_login_ends_the_old_token(scripted_market: Any, api: Any) -> None:
    market = scripted_market()
    login = upstox_client.LoginApi(api(market))
    back = "http://127.0.0.1:1/back"
    url = f"{market.upstox}/v2/login/authorization/dialog?client_id={SIM.upstox_key}&redirect_uri={back}&state=s1"
    code = followed(url).split("code=")[1].split("&")[0]

    def exchange(code: str, secret: str = SIM.upstox_secret) -> Any:
        return login.token(
            "2.0", code=code, client_id=SIM.upstox_key, client_secret=secret, redirect_uri=back,
            grant_type="authorization_code",
        )  # fmt: skip

    assert code_of(lambda: exchange(code, "wrong")) == "UDAPI100016"
    token = exchange(code).access_token
    assert code_of(lambda: exchange(code)) == "UDAPI100057"
    assert upstox_client.UserApi(api(market, token)).get_profile("2.0").data.user_id == "SIM001"
    assert code_of(lambda: upstox_client.UserApi(api(market)).get_profile("2.0")) == "UDAPI100050"
    upstox_client.LoginApi(api(market, token)).logout("2.0")
    assert code_of(lambda: upstox_client.UserApi(api(market, token)).get_profile("2.0")) == "UDAPI100050"


def test_the_approval_on_the_phone_is_asked_for(scripted_market: Any, api: Any) -> None:
    login = upstox_client.LoginApi(api(scripted_market()))
    ask = upstox_client.IndieUserTokenRequest
    data = login.init_token_request_for_indie_user(ask(client_secret=SIM.upstox_secret), SIM.upstox_key).data
    assert data.authorization_expiry == "1795212000000"  # 03:30 of the next day
    wrong = ask(client_secret="wrong")
    assert code_of(lambda: login.init_token_request_for_indie_user(wrong, SIM.upstox_key)) == "UDAPI100016"


def followed(url: str) -> str:
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.build_opener(Stay).open(url)
    with answer.value:
        assert answer.value.code == 302
        return str(answer.value.headers["Location"])


def test_reads_are_limited_where_asked(scripted_market: Any, api: Any) -> None:
    user = upstox_client.UserApi(api(scripted_market(read_limits=True, monotonic=lambda: 0)))
    for _ in range(50):
        user.get_profile("2.0")
    with pytest.raises(ApiException) as problem:
        user.get_profile("2.0")
    assert json.loads(problem.value.body)["errors"][0]["errorCode"] == "UDAPI10005"
