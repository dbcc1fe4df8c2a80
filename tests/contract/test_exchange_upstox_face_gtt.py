"""Upstox's GTT orders through the real SDK, over sockets."""

from __future__ import annotations

from typing import Any

import pytest
import upstox_client
from tests.contract.upstox_face import code_of

from saudagar.exchange.process import Account
from saudagar.market.ist import DAY
from saudagar.model import SECOND

RELIANCE = "NSE_EQ|INE002A01018"
SIM = Account()


def gtt(kind: str = "MULTIPLE", side: str = "BUY", rules: Any = None, quantity: int = 50, product: str = "I") -> Any:
    return upstox_client.GttPlaceOrderRequest(
        type=kind, instrument_token=RELIANCE, product=product, quantity=quantity, rules=rules, transaction_type=side
    )


def rule(strategy: str, price: float, when: str = "IMMEDIATE", **more: Any) -> Any:
    return upstox_client.GttRule(strategy=strategy, trigger_type=when, trigger_price=price, **more)


def rules_of(v3: Any, gtt_id: str) -> dict[str, tuple[str, float]]:
    [found] = v3.get_gtt_order_details(gtt_order_id=gtt_id).data
    return {each.strategy: (each.status, each.trigger_price) for each in found.rules}


def test_a_gtt_order_enters_trails_and_leaves(scripted_market: Any, api: Any) -> None:
    market = scripted_market(prices=[1_300_00, 1_305_00, 1_311_00, 1_309_00, 1_298_00, 1_298_00])
    v3 = upstox_client.OrderApiV3(api(market))
    rules = [
        rule("ENTRY", 1304.0, "ABOVE", market_protection=-1),
        rule("TARGET", 1400.0),
        rule("STOPLOSS", 1295.0, trailing_gap=3.0),
    ]
    [gtt_id] = v3.place_gtt_order(gtt(rules=rules)).data.gtt_order_ids
    assert gtt_id.startswith("GTT-")
    assert rules_of(v3, gtt_id) == {
        "ENTRY": ("SCHEDULED", 1304.0), "TARGET": ("INACTIVE", 1400.0), "STOPLOSS": ("INACTIVE", 1295.0),
    }  # fmt: skip
    market.step()  # 1305: the entry fires and fills
    assert rules_of(v3, gtt_id)["ENTRY"] == ("COMPLETED", 1304.0)
    assert rules_of(v3, gtt_id)["STOPLOSS"][0] == "SCHEDULED"
    market.step(2)  # 1311, the anchor; then 1309
    assert rules_of(v3, gtt_id)["STOPLOSS"] == ("SCHEDULED", 1295.0)
    market.step()  # 1298 does not reach it
    assert rules_of(v3, gtt_id)["STOPLOSS"][0] == "SCHEDULED"
    assert v3.cancel_gtt_order(upstox_client.GttCancelOrderRequest(gtt_order_id=gtt_id)).data.gtt_order_ids == [gtt_id]
    assert {status for status, _ in rules_of(v3, gtt_id).values()} == {"COMPLETED", "CANCELLED"}
    again = upstox_client.GttCancelOrderRequest(gtt_order_id=gtt_id)
    assert code_of(lambda: v3.cancel_gtt_order(again)) == "UDAPI100040"


@pytest.mark.parametrize(("protected", "end", "left"), [(True, "COMPLETED", 0), (False, "OPEN", 50)])
def test_a_trailing_stop_follows_and_fires(
    scripted_market: Any, api: Any, protected: bool, end: str, left: int
) -> None:
    """Without market protection its order is a limit at the moved trigger, which may come too late."""
    market = scripted_market(prices=[1_300_00, 1_300_00, 1_307_00, 1_300_00, 1_300_00])
    client = api(market)
    v3 = upstox_client.OrderApiV3(client)
    more = {"market_protection": 5} if protected else {}
    rules = [rule("ENTRY", 1301.0), rule("STOPLOSS", 1295.0, trailing_gap=3.0, **more)]
    [gtt_id] = v3.place_gtt_order(gtt(rules=rules)).data.gtt_order_ids
    market.step()
    market.step()  # 1307: two whole gaps up
    assert rules_of(v3, gtt_id)["STOPLOSS"] == ("SCHEDULED", 1301.0)
    market.step()  # 1300: out
    assert rules_of(v3, gtt_id)["STOPLOSS"] == (end, 1301.0)
    assert [row.quantity for row in upstox_client.PortfolioApi(client).get_positions("2.0").data] == [left]
    book = upstox_client.OrderApi(client).get_order_book("2.0").data
    assert [row.order_type for row in book] == ["LIMIT", "MARKET" if protected else "LIMIT"]


def test_gtt_orders_are_changed(scripted_market: Any, api: Any) -> None:
    v3 = upstox_client.OrderApiV3(api(scripted_market()))
    single = gtt("SINGLE", rules=[rule("ENTRY", 1310.0, "ABOVE")])
    [gtt_id] = v3.place_gtt_order(single).data.gtt_order_ids
    change = upstox_client.GttModifyOrderRequest(
        type="SINGLE", gtt_order_id=gtt_id, quantity=70, rules=[rule("ENTRY", 1320.0, "ABOVE")]
    )
    v3.modify_gtt_order(change)
    [found] = v3.get_gtt_order_details().data
    assert (found.quantity, found.rules[0].trigger_price, found.trading_symbol) == (70, 1320.0, "RELIANCE")
    assert found.exchange == "NSE_EQ"


def test_the_quantity_stays_once_an_order_of_it_is_in_the_market(scripted_market: Any, api: Any) -> None:
    v3 = upstox_client.OrderApiV3(api(scripted_market()))
    rules = [rule("ENTRY", 1301.0), rule("STOPLOSS", 1290.0)]
    [gtt_id] = v3.place_gtt_order(gtt(rules=rules)).data.gtt_order_ids
    assert rules_of(v3, gtt_id)["ENTRY"][0] == "COMPLETED"

    def change(quantity: int, stop: float) -> Any:
        moved = [rule("ENTRY", 1301.0), rule("STOPLOSS", stop)]
        body = upstox_client.GttModifyOrderRequest(type="MULTIPLE", gtt_order_id=gtt_id, quantity=quantity, rules=moved)
        return v3.modify_gtt_order(body)

    assert code_of(lambda: change(60, 1280.0)) == "UDAPI100040"
    change(50, 1280.0)
    assert rules_of(v3, gtt_id)["STOPLOSS"] == ("SCHEDULED", 1280.0)


ENTRY, STOP = rule("ENTRY", 1310.0), rule("STOPLOSS", 1290.0)
BAD = [
    (gtt("SINGLE", rules=[rule("TARGET", 1310.0)]), "UDAPI1141"),
    (gtt("SINGLE", rules=[ENTRY, STOP]), "UDAPI1136"),
    (gtt("MULTIPLE", rules=[ENTRY]), "UDAPI1137"),
    (gtt("MULTIPLE", rules=[rule("TARGET", 1320.0), STOP]), "UDAPI1141"),
    (gtt("MULTIPLE", rules=[ENTRY, rule("TARGET", 1320.0, "ABOVE")]), "UDAPI1143"),
    (gtt("MULTIPLE", rules=[ENTRY, STOP, STOP]), "UDAPI100036"),
    (gtt("SINGLE", rules=[rule("ENTRY", 1310.05, "ABOVE")]), "UDAPI100036"),
    (gtt("SINGLE", rules=[rule("ENTRY", 1310.0, "ABOVE")], quantity=0), "UDAPI1052"),
    (gtt("MULTIPLE", rules=[ENTRY, rule("TARGET", 1320.0, trailing_gap=1.0)]), "UDAPI100036"),
    (gtt("MULTIPLE", rules=[ENTRY, rule("STOPLOSS", 1290.0, trailing_gap=0.5)]), "UDAPI1151"),
    (gtt("SINGLE", rules=[rule("ENTRY", 1310.0, "ABOVE", market_protection=26)]), "UDAPI100036"),
]


def test_gtt_orders_that_cannot_be_are_refused_with_the_code_that_says_why(scripted_market: Any, api: Any) -> None:
    v3 = upstox_client.OrderApiV3(api(scripted_market(writes_per_second=0)))
    assert [code_of(lambda body=body: v3.place_gtt_order(body)) for body, _ in BAD] == [code for _, code in BAD]
    assert v3.get_gtt_order_details().data == []
    assert code_of(lambda: v3.get_gtt_order_details(gtt_order_id="GTT-C1")) == "UDAPI100010"


def test_an_intraday_gtt_ends_with_its_day_and_another_after_a_year(scripted_market: Any, api: Any) -> None:
    market = scripted_market()
    v3 = upstox_client.OrderApiV3(api(market))
    entry = [rule("ENTRY", 1310.0, "ABOVE")]
    [short] = v3.place_gtt_order(gtt("SINGLE", rules=entry)).data.gtt_order_ids
    [long] = v3.place_gtt_order(gtt("SINGLE", rules=entry, product="D")).data.gtt_order_ids
    ends = {each.gtt_order_id: each.expires_at * 1_000 for each in v3.get_gtt_order_details().data}
    assert ends[long] - ends[short] == 365 * DAY
    exchange = market.exchange
    exchange.core.advance(ends[short] + SECOND)
    exchange.conditionals.advance([])
    assert rules_of(v3, short)["ENTRY"][0] == "EXPIRED"
    assert rules_of(v3, long)["ENTRY"][0] == "SCHEDULED"
