"""Dhan's face whole: every method of the real SDK finds its endpoint, every recorded exchange its likeness."""

from __future__ import annotations

import inspect
import json
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dhanhq
import pytest
from dhanhq import DhanContext
from tests.contract.conftest import Market, ScriptedDay

from saudagar.exchange.options import WithOptions
from saudagar.exchange.process import Account

ACCOUNT = Account(holdings={"NSE_EQ:RELIANCE": 100})
RECORDED = Path(__file__).resolve().parents[2] / "../shared/fixtures/dhan/rest"
LEFT_OUT = {
    "expired_options_data",  # contracts that have expired: the simulated day has none
    "open_browser_for_tpin",  # writes a file and opens a browser; its form is asked for below
    "fetch_security_list",  # CSV files, tested with the masters
    "fetch_global_security_list",
    "convert_to_date_time",  # asks nobody
}


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    market = Market(WithOptions(ScriptedDay(), strikes=1), account=ACCOUNT, writes_per_second=0)
    yield market
    market.close()


def client(market: Market) -> Any:
    context = DhanContext(ACCOUNT.client_id, ACCOUNT.dhan_token)
    context.get_dhan_http().base_url = f"{market.base}/v2"
    logging.disable(logging.CRITICAL)  # the SDK logs each failure it swallows
    return dhanhq.dhanhq(context)


LINE = {
    "exchangeSegment": "NSE_EQ", "transactionType": "BUY", "quantity": 5, "productType": "CNC", "securityId": "2885",
    "price": 1290.0,
}  # fmt: skip
CONDITION = {
    "comparisonType": "PRICE_WITH_VALUE", "exchangeSegment": "NSE_EQ", "securityId": "2885", "operator": "GREATER_THAN",
    "comparingValue": 9000, "frequency": "ONCE",
}  # fmt: skip
ALERT = [{**LINE, "orderType": "LIMIT", "validity": "DAY", "price": "1290.00"}]
SHARE = ("2885", "NSE_EQ")
# each method of the SDK with what it is called with; {0} is the id that the call before it was given
CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("place_order", (*SHARE, "BUY", 5, "LIMIT", "INTRADAY", 1290.0, 0, 0, False, "DAY", "OPEN", None, None, "W1")),
    ("modify_order", ("{0}", "LIMIT", "ENTRY_LEG", 6, 1289.0, 0.0, 0, "DAY")),
    ("cancel_order", ("{0}",)),
    ("get_order_by_id", ("{0}",)),
    ("get_order_by_correlationID", ("W1",)),
    ("get_order_list", ()),
    ("place_slice_order", (*SHARE, "BUY", 50, "LIMIT", "INTRADAY", 1310.0)),
    ("get_trade_book", ()),
    ("get_trade_history", ("2026-11-20", "2026-11-20", 0)),
    ("ledger_report", ("2026-11-01", "2026-11-20")),
    ("convert_position", ("INTRADAY", "NSE_EQ", "LONG", "2885", 10, "CNC")),
    ("get_positions", ()),
    ("exit_all_positions", ()),
    ("get_holdings", ()),
    ("get_fund_limits", ()),
    ("margin_calculator", ("2885", "NSE_EQ", "BUY", 5, "CNC", 1290.0)),
    ("margin_calculator_multi", ([LINE],)),
    ("place_forever", (*SHARE, "BUY", "CNC", "LIMIT", 5, 1280.0, 1281.0)),
    ("modify_forever", ("{0}", "SINGLE", "LIMIT", "TARGET_LEG", 6, 1279.0, 1280.0, 0, "DAY")),
    ("cancel_forever", ("{0}",)),
    ("get_forever", ()),
    ("place_super_order", (*SHARE, "BUY", 5, "LIMIT", "INTRADAY", 1280.0, 1320.0, 1260.0, 5.0)),
    ("modify_super_order", ("{0}", "LIMIT", "ENTRY_LEG", 6, 1281.0, 1321.0, 1261.0, 4.0)),
    ("cancel_super_order", ("{0}", "ENTRY_LEG")),
    ("get_super_order_list", ()),
    ("place_conditional_order", (CONDITION, ALERT)),
    ("modify_conditional_order", ("{0}", CONDITION, ALERT)),
    ("get_conditional_order", ("{0}",)),
    ("cancel_conditional_order", ("{0}",)),
    ("get_conditional_orders", ()),
    ("set_pnl_exit", (5_000, 5_000, ["INTRADAY"])),
    ("get_pnl_exit", ()),
    ("stop_pnl_exit", ()),
    ("status_kill_switch", ()),
    ("kill_switch", ("activate",)),
    ("kill_switch", ("deactivate",)),
    ("edis_inquiry", ("ALL",)),
    ("ticker_data", ({"NSE_EQ": [2885]},)),
    ("ohlc_data", ({"NSE_EQ": [2885]},)),
    ("quote_data", ({"NSE_EQ": [2885]},)),
    ("intraday_minute_data", (*SHARE, "EQUITY", "2026-11-19", "2026-11-19")),
    ("historical_daily_data", (*SHARE, "EQUITY", "2026-11-19", "2026-11-20")),
    ("expiry_list", (13, "IDX_I")),
    ("option_chain", (13, "IDX_I", "2026-11-23")),
]


def test_every_method_of_the_sdk_is_answered(market: Market) -> None:
    dhan, last = client(market), ""
    for name, arguments in CALLS:
        if name == "historical_daily_data":  # the scripted day has no days; that it is asked at all is shown here
            continue
        got = getattr(dhan, name)(*(last if each == "{0}" else each for each in arguments))
        done_without_a_word = name == "convert_position"
        assert got["status"] == ("failure" if done_without_a_word else "success"), (name, got)
        data = got["data"]
        if name.startswith("place_") and isinstance(data, dict):
            last = data.get("orderId") or data["alertId"]
    with pytest.raises(TypeError):  # the SDK trips over the empty answer that means yes
        dhan.generate_tpin()


def test_no_method_of_the_sdk_is_forgotten() -> None:
    ours = {name for name, _ in CALLS} | LEFT_OUT | {"generate_tpin"}
    there = {
        name
        for part in dhanhq.dhanhq.__mro__[:-1]
        if part is not dhanhq.GlobalStocks  # shares of the United States
        for name, kind in vars(part).items()
        if callable(getattr(part, name)) and not name.startswith("_") and inspect.isroutine(kind)
    }
    assert there - ours == set()


def ask(market: Market, method: str, path: str, body: object = None, token: str = ACCOUNT.dhan_token) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{market.base}{path}", data, {"access-token": token}, method=method.upper())
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


ORDER = {
    "transactionType": "BUY", "exchangeSegment": "NSE_EQ", "productType": "INTRADAY", "orderType": "LIMIT",
    "validity": "DAY", "securityId": "2885", "quantity": 5, "price": 1310.0,
}  # fmt: skip
CHART = {"securityId": "2885", "exchangeSegment": "NSE_EQ", "fromDate": "2026-11-19", "toDate": "2026-11-19"}
# the recorded exchange, and what to ask here to be given the same; None asks as it was asked then
LIKE: dict[str, tuple[str, object]] = {
    "base_api__post_request__0": ("/v2/orders", ORDER),
    "models__orders__create__0": ("/v2/orders", ORDER),
    "models__orders__all__0": ("/v2/orders", None),
    "models__trade_history__0": ("/v2/trades/2026-11-20/2026-11-20/0", None),
    "models__trade__0": ("/v2/trades/2026-11-20/2026-11-20/0", None),
    "models__ledger_entry__0": ("/v2/ledger?from-date=2024-07-01&to-date=2024-07-31", None),
    "models__funds__0": ("/v2/fundlimit", None),
    "models__holdings__0": ("/v2/holdings", None),
    "models__profile__0": ("/v2/profile", None),
    "base_api__margin_calculator__0": ("/v2/margincalculator", {**LINE, "triggerPrice": 1427}),
    "base_api__marketfeed_ltp__0": ("/v2/marketfeed/ltp", {"instruments": ["NSE:INFY"], "fields": ["lastPrice"]}),
    "base_api__marketfeed_ohlc__0": ("/v2/marketfeed/ohlc", {"NSE_EQ": [2885]}),
    "base_api__optionchain_expirylist__0": (
        "/v2/optionchain/expirylist",
        {"UnderlyingScrip": 13, "UnderlyingSeg": "IDX_I"},
    ),
    "models__option_chain__0": (
        "/v2/optionchain",
        {"UnderlyingScrip": 13, "UnderlyingSeg": "IDX_I", "Expiry": "2026-11-23"},
    ),
    "base_model__real_model_test__0": ("/v2/charts/intraday", {**CHART, "instrument": "EQUITY", "interval": "1"}),
    "client__invalid_json_response__0": ("/v2/orders/112111182198", None),
    "client__error_400__0": ("/v2/invalid_endpoint", None),
    "client__error_500__0": ("/v2/server_error_endpoint", None),
}


def alike(ours: Any, theirs: Any, where: str) -> None:
    """The same keys in the same order, values of the same types; of a list its first row."""
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), where
        if theirs and all(not key.replace(".", "").isdigit() and key != "NSE_FNO" for key in theirs):
            assert list(ours) == list(theirs), where
            pairs = [(ours[key], theirs[key], key) for key in theirs]
        else:  # keyed by what was asked for
            pairs = [(next(iter(ours.values())), next(iter(theirs.values())), "…")] if theirs else []
        for one, other, key in pairs:
            alike(one, other, f"{where}.{key}")
    elif isinstance(theirs, list):
        assert isinstance(ours, list), where
        if theirs:
            alike(ours[0], theirs[0], f"{where}[0]")
    elif theirs is not None and type(theirs) is not int:  # the recorded zeros of what did not trade are whole
        assert type(ours) is type(theirs), where


@pytest.mark.parametrize("name", LIKE)
def test_a_recorded_exchange_has_its_likeness(market: Market, name: str) -> None:
    path = RECORDED / f"{name}.json"
    if not path.exists():
        pytest.skip("the recorded answers are not part of the project")
    recorded = json.loads(path.read_text())
    ask(market, "post", "/v2/orders", ORDER)  # so that there is something to tell of
    asked, body = LIKE[name]
    status, got = ask(market, recorded["method"], asked, body)
    assert status == recorded["status"]
    alike(got, recorded["response_body"], name)


def test_a_cancellation_and_a_refused_token_as_recorded(market: Market) -> None:
    if not RECORDED.is_dir():
        pytest.skip("the recorded answers are not part of the project")
    _, placed = ask(market, "post", "/v2/orders", {**ORDER, "price": 1290.0})
    recorded = json.loads((RECORDED / "base_api__delete_request__0.json").read_text())
    status, got = ask(market, "delete", f"/v2/orders/{placed['orderId']}")
    assert (status, got) == (recorded["status"], recorded["response_body"] | {"orderId": placed["orderId"]})
    recorded = json.loads((RECORDED / "client__error_dh_901__0.json").read_text())
    assert ask(market, "get", "/v2/orders", token="") == (recorded["status"], recorded["response_body"])
