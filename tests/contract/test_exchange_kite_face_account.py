"""Kite's sessions, account and market data through the real `kiteconnect` client, against its official mock answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from http.client import HTTPConnection
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest
from kiteconnect.exceptions import (
    GeneralException,
    InputException,
    NetworkException,
    OrderException,
    PermissionException,
    TokenException,
)
from tests.contract.kite_face import ACCOUNT, NIFTY, RECORDED, RELIANCE, buy, client, recorded, root

from saudagar.exchange.process import Account
from saudagar.market.master.kite import read_kite
from saudagar.model import SECOND


def same_fields(ours: Any, theirs: Any, *, but: set[str] = frozenset()) -> None:
    """The same keys and JSON types, all the way down; `but` are keys that only newer answers have."""
    if isinstance(theirs, dict):
        assert set(ours) - but == set(theirs) - but
        for key in set(theirs) - but:
            same_fields(ours[key], theirs[key], but=but)
    elif isinstance(theirs, list):
        for place, each in enumerate(ours[: len(theirs)]):
            same_fields(each, theirs[0] if isinstance(theirs[0], dict | list) else theirs[place], but=but)
    elif theirs is not None and ours is not None:
        numbers = (int, float)
        assert type(ours) is type(theirs) or (type(ours) in numbers and type(theirs) in numbers), (ours, theirs)


def raw(market: Any, path: str) -> Any:
    """The JSON of a GET before the client touches it."""
    request = Request(
        f"{root(market)}{path}", headers={"Authorization": f"token {ACCOUNT.kite_key}:{ACCOUNT.kite_token}"}
    )
    with urlopen(request, timeout=5) as response:
        return json.load(response)


@pytest.mark.parametrize(
    ("name", "path", "but"),
    [
        ("profile", "/user/profile", set()),
        ("margins", "/user/margins", set()),
        ("positions", "/portfolio/positions", set()),
        ("holdings", "/portfolio/holdings", set()),
        ("quote", "/quote?i=NSE:RELIANCE", {"NSE:INFY", "NSE:RELIANCE"}),
    ],
)
def test_answers_have_the_recorded_fields(scripted_market: Any, name: str, path: str, but: set[str]) -> None:
    market = scripted_market(account=Account(holdings={"NSE_EQ:RELIANCE": 25}))
    buy(client(market), 10, 1301.0)
    ours, theirs = raw(market, path)["data"], recorded(name)
    same_fields(ours, theirs, but=but)
    if but:
        same_fields(ours["NSE:RELIANCE"], theirs["NSE:INFY"])
        assert set(ours["NSE:RELIANCE"]) == set(theirs["NSE:INFY"])


def test_positions_and_money_follow_the_trades(scripted_market: Any) -> None:
    kite = client(scripted_market())
    buy(kite, 50)
    buy(kite, 20, transaction_type="SELL")
    positions = kite.positions()
    assert positions["net"] == positions["day"]
    [position] = positions["net"]
    assert (position["quantity"], position["buy_quantity"], position["sell_quantity"]) == (30, 50, 20)
    assert (position["average_price"], position["last_price"], position["product"]) == (1300.1, 1300, "MIS")
    assert position["pnl"] == pytest.approx(20 * 1299.9 - 50 * 1300.1 + 30 * 1300.0)
    equity = kite.margins("equity")
    assert equity == kite.margins()["equity"]
    assert equity["utilised"]["span"] == pytest.approx(30 * 1299.9 / 5, rel=1e-3)
    assert equity["net"] == pytest.approx(1_00_00_000 + equity["utilised"]["m2m_realised"] - equity["utilised"]["span"])
    with pytest.raises(InputException):
        kite.margins("stocks")


def test_a_position_is_converted(scripted_market: Any) -> None:
    kite = client(scripted_market())
    buy(kite, 50)
    move = {
        "exchange": "NSE", "tradingsymbol": "RELIANCE", "transaction_type": "BUY", "position_type": "day",
        "old_product": "MIS", "new_product": "CNC",
    }  # fmt: skip
    with pytest.raises(OrderException):
        kite.convert_position(**move, quantity=51)
    assert kite.convert_position(**move, quantity=20) is True
    assert {row["product"]: row["quantity"] for row in kite.positions()["net"]} == {"MIS": 30, "CNC": 20}


def test_a_sale_of_holdings_without_leave_is_refused(scripted_market: Any) -> None:
    market = scripted_market(account=Account(holdings={"NSE_EQ:RELIANCE": 25}, ddpi=False))
    kite = client(market)
    sale = {"transaction_type": "SELL", "product": "CNC"}
    with pytest.raises(GeneralException) as refused:  # HoldingException: the client lacks it
        buy(kite, 5, 1290.0, **sale)
    assert (refused.value.code, kite.orders()) == (428, [])
    kite.reqsession.post(f"{kite.root}/portfolio/holdings/authorise", headers=_headers(), timeout=5)
    buy(kite, 5, 1290.0, **sale)
    assert kite.orders()[0]["status"] == "COMPLETE"


def test_holdings_are_sold_and_authorised(scripted_market: Any) -> None:
    kite = client(scripted_market(account=Account(holdings={"NSE_EQ:RELIANCE": 25})))
    buy(kite, 10, product="CNC", transaction_type="SELL")
    [holding] = kite.holdings()
    assert (holding["quantity"], holding["used_quantity"], holding["opening_quantity"]) == (15, 10, 25)
    buy(kite, 5, product="CNC")
    buy(kite, 5, product="CNC", transaction_type="SELL")  # bought today: never was a holding
    assert kite.holdings() == [holding]
    assert holding["authorised_quantity"] == 0
    assert kite.get_auction_instruments() == []
    url = f"{kite.root}/portfolio/holdings/authorise"
    asked = kite.reqsession.post(url, data={"isin": "INE002A01018", "quantity": 25}, headers=_headers())
    same_fields(asked.json()["data"], recorded("holdings_auth"))
    assert kite.holdings()[0]["authorised_quantity"] == 25
    with pytest.raises(GeneralException, match="only 15 shares") as refusal:  # HoldingException: the client lacks it
        buy(kite, 30, product="CNC", transaction_type="SELL")
    assert refusal.value.code == 400


def _headers(token: str = ACCOUNT.kite_token) -> dict[str, str]:
    return {"Authorization": f"token {ACCOUNT.kite_key}:{token}", "X-Kite-Version": "3"}


def test_market_data(scripted_market: Any) -> None:
    kite = client(scripted_market())
    assert kite.ltp(["NSE:RELIANCE", "NSE:NIFTY 50", "NSE:NOSUCH"]) == {
        "NSE:RELIANCE": {"instrument_token": RELIANCE, "last_price": 1300},
        "NSE:NIFTY 50": {"instrument_token": NIFTY, "last_price": 24010},
    }
    assert kite.ohlc("NSE:RELIANCE")["NSE:RELIANCE"]["ohlc"] == {"open": 1300, "high": 1300, "low": 1300, "close": 1290}
    quote = kite.quote(f"{RELIANCE}")[f"{RELIANCE}"]
    assert quote["depth"]["buy"][0] == {"price": 1299.9, "quantity": 100, "orders": 1}
    assert (quote["lower_circuit_limit"], quote["upper_circuit_limit"]) == (1032, 1548)
    assert quote["last_trade_time"] == datetime(2026, 11, 20, 9, 15)
    assert set(kite.quote("NSE:NIFTY 50")["NSE:NIFTY 50"]) == {
        "instrument_token", "timestamp", "last_price", "net_change", "ohlc"
    }  # fmt: skip
    with pytest.raises(InputException):
        kite.ltp([])


@pytest.mark.parametrize(("name", "most"), [("quote", 500), ("ohlc", 1000), ("ltp", 1000)])
def test_so_many_at_once_and_no_more(scripted_market: Any, name: str, most: int) -> None:
    ask = getattr(client(scripted_market()), name)
    others = [f"NFO:NIFTY26NOV{20_000 + number}CE" for number in range(most)]
    assert set(ask(["NSE:RELIANCE", *others[1:]])) == {"NSE:RELIANCE"}
    with pytest.raises(InputException, match=f"1 to {most}"):
        ask(["NSE:RELIANCE", *others])


def test_candles(scripted_market: Any) -> None:
    market = scripted_market()
    kite = client(market)
    path = f"/instruments/historical/{RELIANCE}/minute?from=2026-11-19+09:15:00&to=2026-11-19+09:17:00&oi=0"
    rows = raw(market, path)["data"]["candles"]
    assert rows[0] == ["2026-11-19T09:15:00+0530", 100, 101, 99, 100.5, 10]
    assert len(rows) == 3  # the candle that starts at `to` is one of them
    same_fields(rows, recorded("historical_minute")["candles"])
    [first, *_] = kite.historical_data(RELIANCE, "2026-11-19", "2026-11-20", "minute", oi=True)
    assert (first["date"].isoformat(), first["volume"], first["oi"]) == ("2026-11-19T09:15:00+05:30", 10, 0)
    for wrong, text in (
        ((RELIANCE, "2026-09-19", "2026-11-20", "minute"), "interval exceeds max limit: 60 days"),
        ((RELIANCE, "2026-11-20", "2026-11-19", "minute"), "invalid from date"),
        ((RELIANCE, "20-11-2026", "2026-11-19", "minute"), "invalid from date"),
        ((RELIANCE, "2026-11-19", "2026-11-19", "7minute"), "invalid interval"),
        ((1, "2026-11-19", "2026-11-19", "minute"), "invalid token"),
    ):
        with pytest.raises(InputException, match=text):
            kite.historical_data(*wrong)


def test_the_instruments_file_is_the_one_that_the_master_reads(scripted_market: Any) -> None:
    market = scripted_market()
    kite = client(market)
    [reliance, idea, nifty] = kite.instruments()
    assert (reliance["instrument_token"], reliance["exchange_token"], reliance["tick_size"]) == (RELIANCE, "2885", 0.1)
    assert (nifty["segment"], nifty["tick_size"], nifty["tradingsymbol"]) == ("INDICES", 0, "NIFTY 50")
    assert kite.instruments("NSE") == [reliance, idea, nifty]
    with pytest.raises(InputException):
        kite.instruments("MCX")
    with urlopen(f"{root(market)}/instruments", timeout=5) as answer:
        text = answer.read()
    reading = read_kite(text)
    assert {row.symbol for row in reading.rows} == {"RELIANCE", "IDEA", "NIFTY"}
    path = RECORDED / "instruments_nse.csv"
    if path.exists():
        assert text.splitlines()[0].decode() == path.read_text().splitlines()[0]


def test_margins_and_charges_are_calculated(scripted_market: Any) -> None:
    kite = client(scripted_market())
    asked = {
        "exchange": "NSE", "tradingsymbol": "RELIANCE", "transaction_type": "BUY", "variety": "regular",
        "product": "MIS", "order_type": "LIMIT", "quantity": 10, "price": 1300.0,
    }  # fmt: skip
    [margin] = kite.order_margins([asked])
    assert (margin["total"], margin["var"], margin["leverage"]) == (2600.0, 2600.0, 5)
    basket = kite.basket_order_margins([asked, asked | {"product": "CNC"}])
    assert (basket["final"]["total"], [row["total"] for row in basket["orders"]]) == (15600.0, [2600.0, 13000.0])
    compact = kite.basket_order_margins([asked], consider_positions=False, mode="compact")
    assert (compact["final"]["total"], compact["orders"]) == (2600.0, [])
    sold = asked | {"transaction_type": "SELL", "average_price": 1300.0, "order_id": "1"}
    [note] = kite.get_virtual_contract_note([sold])
    assert note["charges"]["transaction_tax"] == pytest.approx(13_000 * 0.00025)
    assert note["charges"]["brokerage"] == pytest.approx(3.9)
    parts = ("transaction_tax", "exchange_turnover_charge", "sebi_turnover_charge", "brokerage", "stamp_duty")
    whole = sum(note["charges"][part] for part in parts) + note["charges"]["gst"]["total"]
    assert note["charges"]["total"] == pytest.approx(whole)
    wrongs: list[dict[str, Any]] = [
        {"quantity": 0}, {"product": "XX"}, {"tradingsymbol": "NOSUCH"}, {"quantity": "ten"}, {"quantity": 10**12},
        {"price": -1.0}, {"price": 1e300}, {"product": "NRML"}, {"tradingsymbol": "NIFTY 50"},
    ]  # fmt: skip
    for wrong in wrongs:
        with pytest.raises(InputException):
            kite.order_margins([asked | wrong])
        with pytest.raises(InputException):
            kite.get_virtual_contract_note([asked | wrong])


def _log_in(market: Any, query: str) -> tuple[int, str]:
    """Status and target of the login page."""
    connection = HTTPConnection("127.0.0.1", market.exchange.ports.kite, timeout=5)
    with closing(connection):
        connection.request("GET", f"/connect/login?{query}")
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Location", "")


def test_a_login_gives_a_new_token_and_ends_the_old_one(scripted_market: Any) -> None:
    market = scripted_market()
    old, kite = client(market), client(market, None)
    with pytest.raises(TokenException) as refusal:
        kite.profile()
    assert (refusal.value.code, str(refusal.value)) == (403, "Incorrect `api_key` or `access_token`.")
    assert old.profile()["user_id"] == ACCOUNT.kite_user
    where = "redirect_url=http://127.0.0.1:9/back&redirect_params=state%3Dabc"
    status, url = _log_in(market, f"v=3&api_key={ACCOUNT.kite_key}&{where}")
    target = urlsplit(url)
    assert status == 302
    assert (target.netloc, target.path) == ("127.0.0.1:9", "/back")
    assert parse_qs(target.query)["state"] == ["abc"]
    [request_token] = parse_qs(target.query)["request_token"]
    with pytest.raises(TokenException):
        kite.generate_session(request_token, "not the secret")
    session = kite.generate_session(request_token, ACCOUNT.kite_secret)
    assert session["login_time"] == datetime(2026, 11, 20, 9, 15)
    same_fields(session, recorded("generate_session") | {"login_time": session["login_time"]})
    assert kite.profile()["broker"] == "ZERODHA"
    with pytest.raises(TokenException):
        old.profile()
    with pytest.raises(TokenException):
        kite.generate_session(request_token, ACCOUNT.kite_secret)  # good for one exchange
    assert kite.invalidate_access_token() is True
    with pytest.raises(TokenException):
        kite.orders()


@pytest.mark.parametrize("left_out", ["api_key", "request_token", "checksum"])
def test_a_login_needs_all_its_parts(scripted_market: Any, left_out: str) -> None:
    market = scripted_market()
    kite = client(market, None)
    fields = {"api_key": ACCOUNT.kite_key, "request_token": "r", "checksum": "c"}
    url = f"{kite.root}/session/token"
    answer = kite.reqsession.post(url, data={**fields, left_out: ""}).json()
    assert (answer["error_type"], answer["message"]) == ("InputException", f"Missing or empty field `{left_out}`.")
    assert kite.reqsession.post(url, data={**fields, "api_key": "other"}).json()["error_type"] == "InputException"
    assert kite.reqsession.delete(url, params={"api_key": ACCOUNT.kite_key, "access_token": "x"}).status_code == 403
    assert client(market).profile()


def test_the_login_page_sends_nobody_elsewhere(scripted_market: Any) -> None:
    market = scripted_market()
    assert _log_in(market, f"api_key={ACCOUNT.kite_key}")[1].startswith(ACCOUNT.kite_redirect)
    for query in (f"api_key={ACCOUNT.kite_key}&redirect_url=http://example.org/", "api_key=other"):
        assert _log_in(market, query) == (400, "")


def test_the_token_ends_at_six_in_the_morning(scripted_market: Any) -> None:
    market = scripted_market(prices=(1_300_00,))
    kite = client(market)
    assert kite.profile()
    core = market.exchange.core
    core.advance(core.now + 20 * 3600 * 10**9 + 2_699 * 10**9)  # 05:59:59
    assert kite.profile()
    core.advance(core.now + 10**9)
    with pytest.raises(TokenException):
        kite.profile()


def test_an_operator_can_end_the_token_and_refuse_the_address(scripted_market: Any) -> None:
    market = scripted_market()
    kite = client(market)
    ended: list[bool] = []
    kite.set_session_expiry_hook(lambda: ended.append(True))
    switches = market.exchange.switches["kite"]
    switches.wrong_ip = True
    with pytest.raises(PermissionException):
        buy(kite, 1, 1290.0)
    assert kite.orders() == []  # reading is allowed from anywhere
    switches.wrong_ip = False
    switches.expired = True
    with pytest.raises(TokenException):
        kite.orders()
    assert ended == [True]
    switches.expired = False
    market.exchange.kite.session.renew("another")
    with pytest.raises(TokenException):
        kite.orders()
    kite.set_access_token("another")
    assert kite.orders() == []


def test_ten_writes_in_a_second_of_the_market(scripted_market: Any) -> None:
    market = scripted_market()
    kite = client(market)
    for _ in range(10):
        buy(kite, 1, 1290.0)
    with pytest.raises(NetworkException, match="Too many requests") as refusal:
        buy(kite, 1, 1290.0)
    assert refusal.value.code == 429
    assert len(kite.orders()) == 10
    market.step()
    buy(kite, 1, 1290.0)


def refused_within(call: Callable[[], object], times: int) -> bool:
    """Whether one of so many calls meets the limit."""
    for _ in range(times):
        try:
            call()
        except NetworkException:
            return True
    return False


def test_reads_are_counted_where_asked(scripted_market: Any) -> None:
    now = [7 * SECOND]
    kite = client(scripted_market(read_limits=True, monotonic=lambda: now[0]))
    for call, within_a_second in (
        (lambda: kite.ltp("NSE:RELIANCE"), 1),
        (lambda: kite.historical_data(RELIANCE, "2026-11-19", "2026-11-19", "minute"), 3),
        (kite.orders, 10),
    ):
        for _ in range(2):
            now[0] += SECOND
            assert not refused_within(call, within_a_second)
            assert refused_within(call, 1)
