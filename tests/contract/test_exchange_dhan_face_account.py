"""Dhan's account, data, conditional-order and login endpoints through the real `dhanhq`, by recorded answers."""

from __future__ import annotations

import csv
import json
import logging
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import dhanhq.auth
import pytest
from dhanhq import DhanContext, DhanLogin
from dhanhq import dhanhq as make_client
from dhanhq._security import Security
from dhanhq.dhan_http import DhanHTTP

from saudagar.exchange.options import WithOptions
from saudagar.exchange.process import Account
from saudagar.model import SECOND

RECORDED = Path(__file__).resolve().parents[2] / "../shared/fixtures/dhan/rest"
ACCOUNT = Account()


def recorded(name: str) -> Any:
    path = RECORDED / f"{name}.json"
    if not path.exists():
        pytest.skip("the recorded answers are not part of the project")
    return json.loads(path.read_text())["response_body"]


def client(market: Any, token: str = ACCOUNT.dhan_token) -> Any:
    context = DhanContext(ACCOUNT.client_id, token)
    context.get_dhan_http().base_url = f"{market.base}/v2"
    logging.disable(logging.CRITICAL)  # the SDK logs each failure it swallows
    return make_client(context)


def status_of(dhan: Any) -> list[tuple[int, bytes]]:
    """The true answers, which the SDK hides where a body is empty."""
    seen: list[tuple[int, bytes]] = []
    dhan.dhan_http.session.hooks["response"].append(
        lambda answer, **_: seen.append((answer.status_code, answer.content))
    )
    return seen


def same_shape(ours: Any, theirs: Any) -> None:
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        if isinstance(value, dict):
            same_shape(ours[key], value)
        elif value is not None and type(value) is not int:
            assert type(ours[key]) is type(value), key


def buy(dhan: Any, quantity: int = 50, **words: Any) -> str:
    usual: dict[str, Any] = {"order_type": "MARKET", "product_type": "INTRADAY", "price": 0, "tag": "A1"}
    return str(dhan.place_order("2885", "NSE_EQ", "BUY", quantity, **(usual | words))["data"]["orderId"])


def test_slices_stop_where_the_money_ends(scripted_market: Any) -> None:
    market = scripted_market(account=Account(capital=12_000_00))
    got = client(market).place_slice_order("14366", "NSE_EQ", "BUY", 2_500, "LIMIT", "CNC", 9.9, tag="S")["data"]
    assert [row["orderStatus"] for row in got] == ["TRANSIT"] * 3
    rows = client(market).get_order_list()["data"]
    assert [row["orderStatus"] for row in rows] == ["PENDING", "REJECTED", "REJECTED"]


def switch(market: Any, body: dict[str, Any]) -> None:
    request = urllib.request.Request(f"{market.control}/switches", json.dumps(body).encode())
    urllib.request.urlopen(request).close()


def test_a_conversion_answers_202_without_a_body(scripted_market: Any) -> None:
    dhan = client(scripted_market())
    seen = status_of(dhan)
    buy(dhan)
    dhan.convert_position("INTRADAY", "NSE_EQ", "LONG", "2885", 20, "CNC")
    assert seen[-1] == (202, b"")
    assert {row["productType"]: row["netQty"] for row in dhan.get_positions()["data"]} == {"INTRADAY": 30, "CNC": 20}
    for quantity, products in ((31, ("INTRADAY", "CNC")), (5, ("INTRADAY", "INTRADAY"))):
        got = dhan.convert_position(products[0], "NSE_EQ", "LONG", "2885", quantity, products[1])
        assert got["remarks"]["error_code"] == "DH-905"


def test_exit_all_leaves_pending_orders(scripted_market: Any) -> None:
    dhan = client(scripted_market())
    buy(dhan)
    resting = buy(dhan, order_type="LIMIT", price=1290.0)
    assert dhan.exit_all_positions()["data"]["status"] == "SUCCESS"
    [position] = dhan.get_positions()["data"]
    assert (position["positionType"], position["netQty"]) == ("CLOSED", 0)
    [order] = dhan.get_order_by_id(resting)["data"]
    assert order["orderStatus"] == "PENDING"


def test_margins(scripted_market: Any) -> None:
    dhan = client(scripted_market())
    got = dhan.margin_calculator("2885", "NSE_EQ", "BUY", 5, "CNC", 1428)["data"]
    assert (got["totalMargin"], got["leverage"], got["insufficientBalance"]) == (7140.0, "1X", 0.0)
    assert dhan.margin_calculator("2885", "NSE_EQ", "BUY", 5, "INTRADAY", 1428)["data"]["leverage"] == "5X"
    short = dhan.margin_calculator("2885", "NSE_EQ", "BUY", 100_000, "CNC", 1428)["data"]
    assert short["insufficientBalance"] == 142_800_000 - 10_000_000
    line = {
        "exchangeSegment": "NSE_EQ", "transactionType": "BUY", "quantity": 5, "productType": "CNC",
        "securityId": "2885", "price": 1428.0,
    }  # fmt: skip
    multi = dhan.margin_calculator_multi([line, line])["data"]
    assert (multi["total_margin"], multi["equity_margin"], multi["fo_margin"]) == ("14280.00", "14280.00", "0.00")
    assert dhan.margin_calculator_multi([])["remarks"]["error_code"] == "DH-905"
    same_shape(got, recorded("base_api__margin_calculator__0"))


def test_statements(scripted_market: Any) -> None:
    dhan = client(scripted_market())
    buy(dhan, 150)
    rows = dhan.get_trade_history("2026-11-20", "2026-11-20", 0)["data"]
    assert [row["tradedQuantity"] for row in rows] == [100, 50]
    assert dhan.get_trade_history("2026-11-20", "2026-11-20", 1)["data"] == []
    assert dhan.get_trade_history("2026-11-01", "2026-11-19", 0)["data"] == []
    assert dhan.get_trade_history("2026-11-20", "2026-11-19", 0)["remarks"]["error_code"] == "DH-905"
    ledger = dhan.ledger_report("2026-11-01", "2026-11-20")["data"]
    assert dhan.ledger_report("soon", "2026-11-20")["remarks"]["error_code"] == "DH-905"
    same_shape(rows[0], recorded("models__trade_history__0")[0])
    for ours, theirs in zip(ledger, recorded("models__ledger_entry__0"), strict=True):
        assert ours | {"dhanClientId": ""} == theirs | {"dhanClientId": ""}


def test_edis(scripted_market: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dhan = client(scripted_market(account=Account(holdings={"NSE_EQ:RELIANCE": 100})))
    seen, forms = status_of(dhan), []
    monkeypatch.setattr(dhan, "_save_as_temp_html_file_and_open_in_browser", forms.append)
    dhan.dhan_http.get("/edis/tpin")  # `generate_tpin` trips over the empty body
    assert seen[-1] == (202, b"")
    assert dhan.edis_inquiry("INE002A01018")["data"]["status"] == "PENDING"
    dhan.open_browser_for_tpin("INE002A01018", 40, "NSE")
    assert forms[0].startswith("<!DOCTYPE html>")
    got = dhan.edis_inquiry("INE002A01018")["data"]
    assert (got["totalQty"], got["aprvdQty"], got["status"]) == (100, 40, "SUCCESS")
    assert dhan.edis_inquiry("ALL")["data"] == [got]
    assert dhan.edis_inquiry("INE000000000")["status"] == "failure"


def test_a_sale_of_holdings_without_leave_is_rejected(scripted_market: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    dhan = client(scripted_market(account=Account(holdings={"NSE_EQ:RELIANCE": 100}, ddpi=False)))
    assert dhan.dhan_http.get("/profile")["data"]["ddpi"] == "Deactive"
    monkeypatch.setattr(dhan, "_save_as_temp_html_file_and_open_in_browser", lambda form: None)
    sale = ("2885", "NSE_EQ", "SELL", 40, "LIMIT", "CNC", 1290.0)
    assert dhan.place_order(*sale)["data"]["orderStatus"] == "TRANSIT"
    dhan.open_browser_for_tpin("INE002A01018", 40, "NSE")
    dhan.place_order(*sale)
    said = {row["orderStatus"]: row["omsErrorDescription"] for row in dhan.get_order_list()["data"]}
    assert said.keys() == {"REJECTED", "TRADED"}
    assert "TPIN" in said["REJECTED"]


def test_the_profit_exit_leaves_and_kills(scripted_market: Any) -> None:
    market = scripted_market(prices=[1_300_00, 1_300_00, 1_310_00, 1_310_00])
    dhan = client(market)
    assert dhan.get_pnl_exit()["data"] == {"pnlExitStatus": "INACTIVE"}
    buy(dhan)
    assert dhan.set_pnl_exit(400, 400, ["INTRADAY"], True)["data"]["pnlExitStatus"] == "ACTIVE"
    assert dhan.get_pnl_exit()["data"]["profit"] == "400.00"
    market.step()
    assert dhan.get_positions()["data"][0]["netQty"] == 50
    market.step()
    assert dhan.get_positions()["data"][0]["netQty"] == 0
    assert dhan.status_kill_switch()["data"]["killSwitchStatus"] == "ACTIVATE"
    assert dhan.set_pnl_exit(0, 400, ["INTRADAY"])["remarks"]["error_code"] == "DH-905"
    assert dhan.set_pnl_exit(1, 1, ["SOMETHING"])["remarks"]["error_code"] == "DH-905"
    dhan.set_pnl_exit(1, 1, ["DELIVERY"])
    assert dhan.stop_pnl_exit()["data"]["pnlExitStatus"] == "DISABLED"


def test_candles_come_in_columns(scripted_market: Any) -> None:
    dhan = client(scripted_market())
    got = dhan.intraday_minute_data("2885", "NSE_EQ", "EQUITY", "2026-11-19", "2026-11-19")["data"]
    assert got["timestamp"] == [1795059900.0, 1795059960.0, 1795060020.0]  # 2026-11-19 09:15 IST in true UTC
    assert got["high"] == [101.0, 101.01, 101.02]
    cut = dhan.intraday_minute_data("2885", "NSE_EQ", "EQUITY", "2026-11-19 09:16:00", "2026-11-19 09:16:00")["data"]
    assert cut["timestamp"] == [1795059960.0]  # both ends included
    oi = dhan.intraday_minute_data("2885", "NSE_EQ", "EQUITY", "2026-11-19", "2026-11-19", oi=True)["data"]
    assert oi["open_interest"] == [0.0] * 3
    for words in ({"interval": 7}, {"from_date": "soon"}, {"from_date": "2026-01-01"}, {"security_id": "1"}):
        arguments = {
            "security_id": "2885", "exchange_segment": "NSE_EQ", "instrument_type": "EQUITY",
            "from_date": "2026-11-19", "to_date": "2026-11-19",
        } | words  # fmt: skip
        assert dhan.intraday_minute_data(**arguments)["remarks"]["error_code"] == "DH-905"
    same_shape(got, recorded("base_api__charts_historical__0"))


def test_the_option_chain(scripted_market: Any) -> None:
    dhan = client(scripted_market(around=lambda day: WithOptions(day, strikes=2)))
    expiries = dhan.expiry_list(13, "IDX_I")["data"]["data"]
    assert expiries == ["2026-11-23", "2026-12-01", "2026-12-29"]
    chain = dhan.option_chain(13, "IDX_I", expiries[0])["data"]["data"]
    assert list(chain["oc"]) == [f"{strike}.000000" for strike in (23900, 23950, 24000, 24050, 24100)]
    assert chain["last_price"] == 24_010.0
    assert dhan.option_chain(13, "IDX_I", "2026-11-24")["status"] == "failure"
    theirs = recorded("models__option_chain__0")["data"]
    same_shape(chain["oc"]["24000.000000"]["ce"], next(iter(theirs["oc"].values()))["ce"])


def test_reads_are_limited_where_asked(scripted_market: Any) -> None:
    now = [9 * SECOND]
    dhan = client(scripted_market(read_limits=True, monotonic=lambda: now[0]))
    chains = []
    for second in (9, 10, 11, 12):
        now[0] = second * SECOND
        answers = [dhan.ticker_data({"NSE_EQ": [2885]})["remarks"] for _ in range(2)]
        assert not answers[0]
        assert answers[1]["error_code"] == "DH-904"
        chains.append(dhan.expiry_list(13, "IDX_I")["status"])  # the windows are of three seconds
    assert chains == ["success", "failure", "failure", "success"]
    assert [dhan.get_fund_limits()["status"] for _ in range(21)] == ["success"] * 20 + ["failure"]


def test_switches(scripted_market: Any) -> None:
    market = scripted_market()
    dhan = client(market)
    switch(market, {"dhan": {"wrong_ip": True}})
    refused = dhan.place_order("2885", "NSE_EQ", "BUY", 1, "MARKET", "INTRADAY", 0)
    assert refused["remarks"]["error_code"] == "DH-911"
    assert dhan.get_order_list()["data"] == []
    switch(market, {"dhan": {"expired": True}})
    assert dhan.get_order_list()["remarks"]["error_code"] == "DH-901"
    request = urllib.request.Request(f"{market.base}/v2/marketfeed/ltp", b"{}", {"access-token": ACCOUNT.dhan_token})
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(request)
    with answer.value:
        assert list(json.load(answer.value)["data"]) == ["807"]


def test_addresses(scripted_market: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    market = scripted_market()
    monkeypatch.setattr(DhanHTTP, "API_BASE_URL", f"{market.base}/v2")
    login = DhanLogin(ACCOUNT.client_id)
    assert login.set_ip(ACCOUNT.dhan_token, "10.0.0.1", "PRIMARY")["data"]["status"] == "SUCCESS"
    assert login.modify_ip(ACCOUNT.dhan_token, "10.0.0.2", "PRIMARY")["remarks"]["error_code"] == "DH-911"
    got = login.get_ip(ACCOUNT.dhan_token)["data"]
    assert (got["primaryIP"], got["modifyDatePrimary"], got["secondaryIP"]) == ("10.0.0.1", "2026-11-27", None)
    assert login.set_ip(ACCOUNT.dhan_token, "ten", "SECONDARY")["remarks"]["error_code"] == "DH-905"


def test_logins_end_the_old_token(scripted_market: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    market = scripted_market()
    monkeypatch.setattr(DhanLogin, "AUTH_BASE_URL", market.base)
    monkeypatch.setattr(DhanLogin, "API_BASE_URL", f"{market.base}/v2")
    pages: list[str] = []
    monkeypatch.setattr(dhanhq.auth.webbrowser, "open", pages.append)
    monkeypatch.setattr(dhanhq.auth, "print", lambda *_: None, raising=False)
    logging.disable(logging.CRITICAL)
    login = DhanLogin(ACCOUNT.client_id)
    login.generate_login_session(ACCOUNT.dhan_key, ACCOUNT.dhan_secret)
    token_id = followed(pages[0]).split("tokenId=")[1]
    first = login.consume_token_id(token_id, ACCOUNT.dhan_key, ACCOUNT.dhan_secret)
    assert first["expiryTime"] == "2026-11-21T09:15:00.000"
    with pytest.raises(Exception, match="DH-901"):
        login.consume_token_id(token_id, ACCOUNT.dhan_key, ACCOUNT.dhan_secret)
    with pytest.raises(Exception, match="DH-901"):
        login.generate_login_session("wrong", ACCOUNT.dhan_secret)
    assert client(market, first["accessToken"]).get_fund_limits()["status"] == "success"
    second = login.generate_token(ACCOUNT.dhan_pin, "123456")["accessToken"]
    assert client(market, first["accessToken"]).get_fund_limits()["remarks"]["error_code"] == "DH-906"
    third = login.renew_token(second)["accessToken"]
    assert client(market, third).get_fund_limits()["status"] == "success"
    with pytest.raises(Exception, match="DH-901"):
        login.generate_token("000000", "123456")


def followed(url: str) -> str:
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.build_opener(Stay).open(url)
    with answer.value:
        assert answer.value.code == 302
        return str(answer.value.headers["Location"])


def test_the_compact_master_is_as_recorded(scripted_market: Any, tmp_path: Path, monkeypatch: Any) -> None:
    market = scripted_market(around=lambda day: WithOptions(day, strikes=1))
    monkeypatch.setattr(Security, "COMPACT_CSV_URL", f"{market.base}/api-data/api-scrip-master.csv")
    path = tmp_path / "list.csv"
    assert len(Security.fetch_security_list("compact", str(path))) == 3 + 18
    rows = {
        (row["SEM_SEGMENT"], row["SEM_SMST_SECURITY_ID"]): row for row in csv.DictReader(path.read_text().splitlines())
    }
    option = next(row for row in rows.values() if row["SEM_INSTRUMENT_NAME"] == "OPTIDX")
    assert (option["SEM_LOT_UNITS"], option["SEM_TICK_SIZE"], option["SEM_EXPIRY_FLAG"]) == ("65.0", "5.0000", "M")
    assert option["SEM_TRADING_SYMBOL"] == "NIFTY-Nov2026-23950-CE"
    assert (option["SEM_CUSTOM_SYMBOL"], option["SEM_EXPIRY_DATE"]) == (
        "NIFTY 23 NOV 23950 CALL", "2026-11-23 14:30:00",
    )  # fmt: skip
    real = RECORDED.parents[1] / "masters/dhan_compact_eq_idx_2026-06-29_sample.csv"
    if not real.exists():
        pytest.skip("the recorded masters are not part of the project")
    theirs = {
        (row["SEM_SEGMENT"], row["SEM_SMST_SECURITY_ID"]): row
        for row in csv.DictReader(real.read_text().splitlines())
        if row["SEM_EXM_EXCH_ID"] == "NSE"
    }
    for key in (("E", "2885"), ("I", "13")):
        ours, want = rows[key], theirs[key]
        assert list(ours) == list(want)
        assert ours | {"SM_SYMBOL_NAME": ""} == want | {"SM_SYMBOL_NAME": ""}


@pytest.mark.parametrize(
    ("amo_time", "minutes"), [("PRE_OPEN", None), ("OPEN", 0), ("OPEN_30", 30), ("OPEN_60", 60), ("NOON", -1)]
)
def test_after_market_times(scripted_market: Any, amo_time: str, minutes: int | None) -> None:
    market = scripted_market(prices=(1_300_00,))
    core = market.exchange.core
    core.advance(core.now + 9 * 3600 * 10**9)
    words = {"order_type": "LIMIT", "product_type": "INTRADAY", "price": 1290.0, "after_market_order": True}
    dhan = client(market)
    if amo_time in ("OPEN", "OPEN_30", "OPEN_60"):
        got = dhan.place_order("2885", "NSE_EQ", "BUY", 5, **words, amo_time=amo_time)
    else:  # the SDK refuses PRE_OPEN, which the documentation has
        with pytest.raises(Exception, match="amo_time"):
            dhan.place_order("2885", "NSE_EQ", "BUY", 5, **words, amo_time=amo_time)
        body = {
            "transactionType": "BUY", "exchangeSegment": "NSE_EQ", "productType": "INTRADAY", "orderType": "LIMIT",
            "validity": "DAY", "securityId": "2885", "quantity": 5, "price": 1290.0, "afterMarketOrder": True,
            "amoTime": amo_time,
        }  # fmt: skip
        got = dhan.dhan_http.post("/orders", body)
    if minutes == -1:
        assert got["remarks"]["error_code"] == "DH-905"
        return
    assert core.orders[got["data"]["orderId"]].amo_delay == (None if minutes is None else minutes * 60 * 10**9)
