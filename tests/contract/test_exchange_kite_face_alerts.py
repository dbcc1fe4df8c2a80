"""Kite's alerts, over the session of the real `kiteconnect` client: it has no call of its own for them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kiteconnect import KiteConnect

from saudagar.exchange.kite import alerts
from saudagar.exchange.process import Account

ACCOUNT = Account()
RISING = (1_300_00, 1_310_00, 1_300_00, 1_310_00, 1_320_00, 1_320_00)
FIELDS = [  # of Kite's mock answer, in its order
    "type", "user_id", "uuid", "name", "status", "disabled_reason", "lhs_attribute", "lhs_exchange",
    "lhs_tradingsymbol", "operator", "rhs_type", "rhs_attribute", "rhs_exchange", "rhs_tradingsymbol", "rhs_constant",
    "alert_count", "created_at", "updated_at",
]  # fmt: skip
ABOVE = {
    "name": "near the top",
    "type": "simple",
    "lhs_exchange": "NSE",
    "lhs_tradingsymbol": "RELIANCE",
    "lhs_attribute": "LastTradedPrice",
    "operator": ">=",
    "rhs_type": "constant",
    "rhs_constant": "1310",
}


class Line:
    def __init__(self, market: Any) -> None:
        self.kite = KiteConnect(
            ACCOUNT.kite_key, ACCOUNT.kite_token, root=f"http://127.0.0.1:{market.exchange.ports.kite}"
        )

    def ask(self, method: str, path: str = "", status: int = 200, **more: Any) -> Any:
        token = f"token {ACCOUNT.kite_key}:{ACCOUNT.kite_token}"
        url = f"{self.kite.root}/alerts{path}"
        answer = self.kite.reqsession.request(method, url, headers={"Authorization": token}, timeout=5, **more)
        assert answer.status_code == status, answer.text
        return answer.json()["data" if status == 200 else "message"]

    def create(self, status: int = 200, **changes: Any) -> Any:
        return self.ask("POST", status=status, data=ABOVE | changes)


def test_a_condition_is_counted_each_time_it_comes_true(scripted_market: Any) -> None:
    market = scripted_market(prices=RISING)
    line = Line(market)
    made = line.create()
    assert list(made) == FIELDS
    assert (made["status"], made["alert_count"], made["rhs_constant"], len(made["uuid"])) == ("enabled", 0, 1310, 36)
    counts = []
    for _ in range(4):
        market.step()
        counts.append(line.ask("GET", f"/{made['uuid']}")["alert_count"])
    assert counts == [1, 1, 2, 2]
    newest, _ = line.ask("GET", f"/{made['uuid']}/history")
    assert newest["condition"] == "LastTradedPrice(NSE:RELIANCE) >= 1310"
    assert (newest["meta"][0]["last_price"], newest["order_meta"]) == (1310, None)
    assert line.kite.orders() == []


def test_what_is_true_from_the_start_must_become_false_first(scripted_market: Any) -> None:
    market = scripted_market(prices=RISING)
    line = Line(market)
    made = line.create(operator="<=", rhs_constant="1300")
    index = line.create(lhs_exchange="INDICES", lhs_tradingsymbol="NIFTY 50", operator=">", rhs_constant="24010.01")
    other = line.create(
        rhs_type="instrument", rhs_exchange="INDICES", rhs_tradingsymbol="NIFTY 50", rhs_constant="", operator="<"
    )
    market.step(2)
    counts = [line.ask("GET", f"/{each['uuid']}")["alert_count"] for each in (made, index, other)]
    assert counts == [1, 1, 0]
    assert (other["rhs_tradingsymbol"], other["rhs_constant"], other["rhs_type"]) == ("NIFTY 50", 0, "instrument")


def test_an_alert_may_send_orders_once(scripted_market: Any) -> None:
    market = scripted_market(prices=RISING)
    line = Line(market)
    params = {
        "transaction_type": "BUY", "product": "MIS", "order_type": "LIMIT", "validity": "DAY", "validity_ttl": 1,
        "quantity": 5, "price": 1301.0, "trigger_price": 0, "variety": "regular", "tags": [], "market_protection": 0,
    }  # fmt: skip
    item = {"type": "insert", "tradingsymbol": "RELIANCE", "exchange": "NSE", "weight": 0, "params": params}
    wrong = item | {"tradingsymbol": "NOSUCH"}
    basket = {"name": "b", "type": "alert", "tags": [], "items": [item, wrong]}
    made = line.create(type="ato", basket=json.dumps(basket))
    market.step(4)
    [order] = line.kite.orders()
    assert (order["quantity"], order["price"], order["status"]) == (5, 1301, "COMPLETE")  # the price came back
    now = line.ask("GET", f"/{made['uuid']}")
    assert (now["status"], now["disabled_reason"], now["alert_count"]) == ("disabled", "triggered", 1)
    [fired] = line.ask("GET", f"/{made['uuid']}/history")
    assert [each["status"] for each in fired["order_meta"]] == ["success", "error"]
    assert fired["order_meta"][0]["order_id"] == order["order_id"]


def test_alerts_are_changed_listed_and_deleted(scripted_market: Any) -> None:
    market = scripted_market(prices=RISING)
    line = Line(market)
    first, second = line.create(), line.create(name="another")
    assert first["uuid"] != second["uuid"]
    off = line.ask("PUT", f"/{first['uuid']}", data={"status": "disabled"})
    assert (off["status"], off["rhs_constant"]) == ("disabled", 1310)
    market.step()
    assert line.ask("GET", f"/{first['uuid']}")["alert_count"] == 0
    moved = line.ask("PUT", f"/{second['uuid']}", data=ABOVE | {"rhs_constant": "1320"})
    assert (moved["rhs_constant"], moved["alert_count"], moved["created_at"]) == (1320, 1, second["created_at"])
    assert [each["uuid"] for each in line.ask("GET", "?status=enabled")] == [second["uuid"]]
    assert "find" in line.ask("DELETE", f"?uuid={first['uuid']}&uuid=none", status=404)
    assert len(line.ask("GET")) == 2
    assert line.ask("DELETE", f"?uuid={first['uuid']}&uuid={second['uuid']}") is None
    assert line.ask("GET") == []
    for method, path in (("GET", ""), ("PUT", ""), ("GET", "/history")):
        line.ask(method, f"/{first['uuid']}{path}", status=404)
    assert "uuid" in line.ask("DELETE", status=400)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": ""}, "name"),
        ({"type": "loud"}, "type"),
        ({"type": "ato"}, "basket"),
        ({"type": "ato", "basket": "{"}, "basket"),
        ({"type": "ato", "basket": '{"items": []}'}, "basket"),
        ({"lhs_attribute": "Mood"}, "lhs_attribute"),
        ({"lhs_tradingsymbol": "NOSUCH"}, "lhs_tradingsymbol"),
        ({"lhs_exchange": "INDICES"}, "lhs_tradingsymbol"),
        ({"lhs_tradingsymbol": "NIFTY 50"}, "lhs_tradingsymbol"),
        ({"operator": "!="}, "operator"),
        ({"rhs_type": "feeling"}, "rhs_type"),
        ({"rhs_type": "instrument"}, "rhs_exchange"),
        ({"rhs_constant": "0"}, "rhs_constant"),
        ({"rhs_constant": "NaN"}, "rhs_constant"),
        ({"rhs_constant": "-5"}, "rhs_constant"),
    ],
)
def test_an_alert_that_means_nothing_is_refused(scripted_market: Any, changes: dict[str, str], text: str) -> None:
    line = Line(scripted_market(prices=RISING[:1]))
    assert text in line.create(status=400, **changes)
    assert line.ask("GET") == []


def test_there_are_only_so_many(scripted_market: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "MOST", 2)
    line = Line(scripted_market(prices=RISING[:1]))
    line.create()
    line.create()
    assert "enabled" in line.create(status=400)
