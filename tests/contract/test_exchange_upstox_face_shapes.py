"""Every answer of the Upstox face, key by key, against the models of the SDK; differences are listed with reasons."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import upstox_client
from tests.contract.conftest import NIFTY, RELIANCE, Market, ScriptedDay
from upstox_client import models

from saudagar.exchange.options import WithOptions
from saudagar.exchange.process import Account

TOKEN = Account().upstox_token
SHARE, INDEX = quote(RELIANCE.upstox_id), quote(NIFTY.upstox_id)
ORDER = {
    "quantity": 1, "product": "I", "validity": "DAY", "price": 0, "instrument_token": RELIANCE.upstox_id,
    "order_type": "MARKET", "transaction_type": "BUY", "disclosed_quantity": 0, "trigger_price": 0, "is_amo": False,
}  # fmt: skip
GTT = {
    "type": "MULTIPLE", "quantity": 1, "product": "I", "instrument_token": RELIANCE.upstox_id,
    "transaction_type": "BUY",
    "rules": [
        {"strategy": "ENTRY", "trigger_type": "IMMEDIATE", "trigger_price": 1301},
        {"strategy": "STOPLOSS", "trigger_type": "IMMEDIATE", "trigger_price": 1290, "trailing_gap": 2},
    ],
}  # fmt: skip
LINE = {"instrument_key": RELIANCE.upstox_id, "quantity": 1, "product": "D", "transaction_type": "BUY"}

ASKED: list[tuple[str, str, str, Any]] = [
    ("PlaceOrderV3Response", "POST", "/v3/order/place", ORDER),
    ("GttTriggerOrderResponse", "POST", "/v3/order/gtt/place", GTT),
    ("GetGttOrderResponse", "GET", "/v3/order/gtt", None),
    ("GetOrderBookResponse", "GET", "/v2/order/retrieve-all", None),
    ("GetOrderDetailsResponse", "GET", "/v2/order/details?order_id={order}", None),
    ("GetOrderResponse", "GET", "/v2/order/history?order_id={order}", None),
    ("GetTradeResponse", "GET", "/v2/order/trades/get-trades-for-day", None),
    ("GetPositionResponse", "GET", "/v2/portfolio/short-term-positions", None),
    ("GetHoldingsResponse", "GET", "/v2/portfolio/long-term-holdings", None),
    ("GetProfileResponse", "GET", "/v2/user/profile", None),
    ("GetUserFundMarginV3Response", "GET", "/v3/user/get-funds-and-margin", None),
    ("GetUserFundMarginResponse", "GET", "/v2/user/get-funds-and-margin", None),
    ("KillSwitchResponse", "GET", "/v2/user/kill-switch", None),
    ("PostMarginResponse", "POST", "/v2/charges/margin", {"instruments": [LINE]}),
    (
        "GetBrokerageResponse", "GET",
        f"/v2/charges/brokerage?instrument_token={SHARE}&quantity=1&product=D&transaction_type=BUY&price=1000", None,
    ),
    ("GetOptionChainResponse", "GET", f"/v2/option/chain?instrument_key={INDEX}&expiry_date=2026-11-23", None),
    ("GetFullMarketQuoteResponseV3", "GET", f"/v3/market-quote/quotes?instrument_key={SHARE}", None),
    ("GetMarketQuoteOHLCResponseV3", "GET", f"/v3/market-quote/ohlc?instrument_key={SHARE}&interval=1d", None),
    ("GetMarketQuoteLastTradedPriceResponseV3", "GET", f"/v3/market-quote/ltp?instrument_key={SHARE}", None),
    ("GetMarketQuoteOptionGreekResponseV3", "GET", "/v3/market-quote/option-greek?instrument_key={option}", None),
    ("TradeHistoryResponse", "GET", "/v2/charges/historical-trades?start_date=2026-11-01&end_date=2026-11-19"
     "&page_number=1&page_size=10", None),
    ("GetTradeWiseProfitAndLossMetaDataResponse", "GET", "/v2/trade/profit-loss/metadata?segment=EQ"
     "&financial_year=2627", None),
    ("GetTradeWiseProfitAndLossDataResponse", "GET", "/v2/trade/profit-loss/data?segment=EQ&financial_year=2627"
     "&page_number=1&page_size=10", None),
    ("GetProfitAndLossChargesResponse", "GET", "/v2/trade/profit-loss/charges?segment=EQ&financial_year=2627", None),
    ("ConvertPositionResponse", "PUT", "/v2/portfolio/convert-position", {
        "instrument_token": RELIANCE.upstox_id, "new_product": "D", "old_product": "I", "transaction_type": "BUY",
        "quantity": 1,
    }),
    ("CancelOrExitMultiOrderResponse", "POST", "/v2/order/positions/exit", None),
]  # fmt: skip

DIFFERENT = {
    "GetUserFundMarginV3Response": {"+data.available_to_trade.pledge_available_to_trade.total"},  # documented
    # the snake_case twins are documented, and the investor-protection contribution is our own
    "GetBrokerageResponse": {
        "+data.charges.dp_plan", "+data.charges.other_taxes", "+data.charges.otherTaxes.ipft",
    },
    "TradeHistoryResponse": {"+errors", "+meta_data"},  # documented; the SDK reads metaData only
}  # fmt: skip
"""What the face sends beyond the model (+), or leaves out (-)."""


UNTYPED = {"KillSwitchResponse data.": "list[KillSwitchSegmentData]"}
"""What the SDK calls an object and has a model for."""


@pytest.fixture(scope="module")
def market() -> Iterator[Any]:
    market = Market(WithOptions(ScriptedDay(), strikes=1), account=Account(holdings={RELIANCE.id: 10}))
    yield market
    market.close()


def ask(market: Any, method: str, path: str, body: Any) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(market.upstox + path, data, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def compare(kind: str, value: Any, where: str, found: set[str]) -> None:
    """Note in `found` every key of `value` that the SDK's type `kind` has not (+), the other way round (-), and what
    has no model (?)."""
    if kind.startswith("list["):
        for each in value or ():
            compare(kind[5:-1], each, where, found)
    elif kind.startswith("dict("):
        for each in (value or {}).values():
            compare(kind.split(", ")[1][:-1], each, where, found)
    elif hasattr(model := getattr(models, kind, None), "swagger_types") and value is not None:
        keys = {model.attribute_map[name]: type_ for name, type_ in model.swagger_types.items()}
        found |= {f"-{where}{key}" for key in keys.keys() - value.keys()}
        found |= {f"+{where}{key}" for key in value.keys() - keys.keys()}
        for key in keys.keys() & value.keys():
            inside = f"{where}{key}."
            compare(UNTYPED.get(f"{kind} {inside}", keys[key]), value[key], inside, found)
    elif isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, dict) for each in value)):
        found.add(f"?{where}")  # nothing to compare it with


def test_every_answer_has_the_keys_of_its_model(market: Any) -> None:
    lines = market.exchange.tape.lines.values()
    option = next(line.instrument for line in lines if line.instrument.right and line.tick)
    known = {"option": quote(option.upstox_id)}
    found: dict[str, set[str]] = {}
    for model, method, path, body in ASKED:
        answer = ask(market, method, path.format_map(known | {"order": known.get("order", "")}), body)
        known.setdefault("order", (answer.get("data") or {}).get("order_ids", [""])[0] if method == "POST" else "")
        differences: set[str] = set()
        compare(model, answer, "", differences)
        found[model] = differences
    assert found == {model: DIFFERENT.get(model, set()) for model, *_ in ASKED}


def test_the_comparison_sees_what_is_missing_and_what_is_too_much() -> None:
    found: set[str] = set()
    compare("KillSwitchResponse", {"status": "success", "data": [{"segment": "NSE_EQ", "more": 1}]}, "", found)
    assert found == {"-data.segment_status", "-data.kill_switch_enabled", "+data.more"}
    assert upstox_client.KillSwitchResponse is models.KillSwitchResponse
