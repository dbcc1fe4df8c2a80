"""Kite's triggers through the real client: they place real orders on the simulated exchange."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from kiteconnect import KiteConnect
from kiteconnect.exceptions import GeneralException, InputException, PermissionException

from saudagar.exchange.process import Account

RECORDED = Path(__file__).resolve().parents[2] / "../shared/fixtures/kite/rest"
ACCOUNT = Account()


def client(market: Any) -> Any:
    return KiteConnect(ACCOUNT.kite_key, ACCOUNT.kite_token, root=f"http://127.0.0.1:{market.exchange.ports.kite}")


def leg(side: str, price: float, quantity: int = 10, **more: Any) -> dict[str, Any]:
    words = {"transaction_type": side, "quantity": quantity, "order_type": "LIMIT", "product": "MIS", "price": price}
    return words | more


def place(kite: Any, kind: str, values: list[Any], orders: list[dict[str, Any]], last: float = 1300.0) -> int:
    return int(kite.place_gtt(kind, "RELIANCE", "NSE", values, last, orders)["trigger_id"])


def test_a_single_trigger_places_its_order_when_the_price_comes(scripted_market: Any) -> None:
    market = scripted_market(prices=(1_300_00, 1_300_00, 1_290_00, 1_290_00))
    kite = client(market)
    trigger = place(kite, "single", [1290.0], [leg("BUY", 1291.0)])
    waiting = kite.get_gtt(trigger)
    assert (waiting["status"], waiting["orders"][0]["result"]) == ("active", None)
    market.step()
    assert kite.orders() == []
    market.step()
    [order] = kite.orders()
    assert (order["status"], order["filled_quantity"], order["average_price"]) == ("COMPLETE", 10, 1290.1)
    assert order["tags"] == ["gtt", f"gtt:{trigger}"]
    assert [step["status"] for step in kite.order_history(order["order_id"])][-2:] == ["OPEN", "COMPLETE"]
    assert len(kite.trades()) == 1
    fired = kite.get_gtt(trigger)
    result = fired["orders"][0]["result"]
    assert (fired["status"], result["order_result"]["order_id"]) == ("triggered", order["order_id"])
    assert (result["order_result"]["status"], result["triggered_at"]) == ("success", 1290)
    with pytest.raises(GeneralException, match="triggered"):
        kite.delete_gtt(trigger)


@pytest.mark.parametrize(("price", "expected"), [(1_310_00, 1310), (1_280_00, 1280)])
def test_of_two_legs_one_fires(scripted_market: Any, price: int, expected: float) -> None:
    market = scripted_market(prices=(1_300_00, price, price))
    kite = client(market)
    legs = [leg("SELL", 1279.0), leg("SELL", 1309.0)]
    trigger = place(kite, "two-leg", [1280.0, 1310.0], legs)
    market.step()
    [order] = kite.orders()
    fired = kite.get_gtt(trigger)
    results = [each["result"] for each in fired["orders"]]
    assert [each is not None for each in results] == ([True, False] if expected == 1280 else [False, True])
    done = next(each for each in results if each)
    assert (done["triggered_at"], order["price"]) == (expected, expected - 1)
    assert order["status"] == "COMPLETE"


def test_an_order_that_the_exchange_refuses_is_told(scripted_market: Any) -> None:
    market = scripted_market(prices=(1_300_00, 1_310_00, 1_310_00))
    kite = client(market)
    trigger = place(kite, "single", [1310.0], [leg("BUY", 2000.0)])
    market.step()
    result = kite.get_gtt(trigger)["orders"][0]["result"]["order_result"]
    assert (result["status"], result["order_id"]) == ("failed", "")
    assert "band" in result["rejection_reason"]
    assert kite.orders() == []


def test_triggers_are_modified_and_deleted(scripted_market: Any) -> None:
    market = scripted_market()
    kite = client(market)
    trigger = place(kite, "single", [1310.0], [leg("BUY", 1311.0)])
    other = place(kite, "two-leg", [1280.0, 1320.0], [leg("SELL", 1279.0), leg("SELL", 1319.0)])
    kite.modify_gtt(trigger, "single", "RELIANCE", "NSE", [1312.0], 1300.0, [leg("BUY", 1313.0, 20)])
    changed = kite.get_gtt(trigger)
    assert changed["condition"]["trigger_values"] == [1312]
    assert (changed["orders"][0]["price"], changed["orders"][0]["quantity"]) == (1313, 20)
    assert [each["id"] for each in kite.get_gtts()] == [other, trigger]
    assert kite.delete_gtt(trigger) == {"trigger_id": trigger}
    assert [each["id"] for each in kite.get_gtts()] == [other]
    assert kite.get_gtt(trigger)["status"] == "deleted"
    with pytest.raises(GeneralException, match="deleted"):
        kite.modify_gtt(trigger, "single", "RELIANCE", "NSE", [1312.0], 1300.0, [leg("BUY", 1313.0)])
    with pytest.raises(InputException, match="tick"):
        kite.modify_gtt(other, "two-leg", "RELIANCE", "NSE", [1280.05, 1320.0], 1300.0, [leg("SELL", 1279.0)] * 2)
    assert kite.get_gtt(other)["condition"]["trigger_values"] == [1280, 1320]
    with pytest.raises(InputException, match="type"):
        kite.modify_gtt(other, "single", "RELIANCE", "NSE", [1312.0], 1300.0, [leg("BUY", 1313.0)])


@pytest.mark.parametrize(
    ("kind", "values", "orders", "text"),
    [
        ("single", [1290.0], [leg("BUY", 1291.0, order_type="MARKET")], "LIMIT orders only"),
        ("single", [1290.0], [leg("BUY", 1291.0, quantity=0)], "quantity"),
        ("single", [1290.0], [leg("BUY", 0.0)], "price"),
        ("single", [1290.05], [leg("BUY", 1291.0)], "tick"),
        ("single", [1e300], [leg("BUY", 1291.0)], "trigger_values"),
        ("single", [1290.0], [leg("BUY", 1e300)], "price"),
        ("single", [1290.0], [leg("BUY", 1291.0, quantity=10**12)], "quantity"),
        ("single", [-1.0], [leg("BUY", 1291.0)], "trigger_values"),
        ("single", [1300.0], [leg("BUY", 1291.0)], "already met"),
        ("single", [1290.0], [leg("BUY", 1291.0), leg("BUY", 1.0)], "1 value"),
        ("single", ["near"], [leg("BUY", 1291.0)], "condition"),
        ("single", [1290.0], [leg("HOLD", 1291.0)], "transaction_type"),
        ("single", [1290.0], [leg("BUY", 1291.0, product="XX")], "product"),
        ("two-leg", [1290.0, 1295.0], [leg("SELL", 1.0), leg("SELL", 2.0)], "already met"),
        ("two-leg", [1290.0, 1310.0], [leg("SELL", 1.0), leg("SELL", 2.0, product="CNC")], "same"),
    ],
)
def test_bad_triggers_are_refused(scripted_market: Any, kind: str, values: list[Any], orders: Any, text: str) -> None:
    kite = client(scripted_market())
    with pytest.raises(InputException, match=text):
        place(kite, kind, values, orders)
    assert kite.get_gtts() == []


def test_unknown_triggers_and_addresses(scripted_market: Any) -> None:
    market = scripted_market()
    kite = client(market)
    for call in (kite.get_gtt, kite.delete_gtt):
        with pytest.raises(GeneralException, match="trigger_id"):
            call(7)
    with pytest.raises(InputException, match="tradingsymbol"):
        kite.place_gtt("single", "NOSUCH", "NSE", [1.0], 2.0, [leg("BUY", 1.0)])
    market.exchange.switches["kite"].wrong_ip = True
    with pytest.raises(PermissionException):
        place(kite, "single", [1290.0], [leg("BUY", 1291.0)])


def test_triggers_have_the_recorded_fields(scripted_market: Any) -> None:
    path = RECORDED / "gtt_get_orders.json"
    if not path.exists():
        pytest.skip("Kite's mock answers are not part of the project")
    active, triggered = json.loads(path.read_text())["data"]
    market = scripted_market(prices=(1_300_00, 1_310_00, 1_310_00))
    kite = client(market)
    place(kite, "two-leg", [1280.0, 1310.0], [leg("SELL", 1279.0), leg("SELL", 1309.0)])
    market.step()
    place(kite, "single", [1290.0], [leg("BUY", 1291.0)], 1310.0)
    request = Request(
        f"{kite.root}/gtt/triggers", headers={"Authorization": f"token {ACCOUNT.kite_key}:{ACCOUNT.kite_token}"}
    )
    with urlopen(request, timeout=5) as answer:
        waiting, fired = json.load(answer)["data"]
    for ours, theirs in ((waiting, active), (fired, triggered)):
        assert list(ours) == list(theirs)
        assert set(ours["condition"]) == set(theirs["condition"])
        assert set(ours["orders"][-1]) == set(theirs["orders"][-1])
        assert len(ours["created_at"]) == 19
        assert datetime.fromisoformat(ours["expires_at"]) > datetime.fromisoformat(ours["created_at"])
    result = fired["orders"][1]["result"]
    assert set(result) == set(triggered["orders"][1]["result"])
    assert json.loads(result["meta"]).keys() == json.loads(triggered["orders"][1]["result"]["meta"]).keys()
