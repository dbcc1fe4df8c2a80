"""The Kite face through the real `kiteconnect` client, field by field against Kite's official mock answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.request import Request, urlopen

import pytest
from kiteconnect.exceptions import (
    DataException,
    GeneralException,
    InputException,
    NetworkException,
    OrderException,
)
from tests.contract.kite_face import ACCOUNT, buy, client, recorded, root

from saudagar.exchange.core_orders import REFUSAL_CODES
from saudagar.exchange.kite.errors import NO_PROTECTION, REFUSALS, STATUSES
from saudagar.exchange.kite.words import EXCHANGE, ORDER_TYPE, PRODUCT, STATUS
from saudagar.exchange.process import Account
from saudagar.model import OrderStatus, OrderType, Product, Segment


def order(kite: Any, order_id: str) -> dict[str, Any]:
    return next(each for each in kite.orders() if each["order_id"] == order_id)


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


def test_a_market_order_becomes_the_limit_order_of_its_protection(scripted_market: Any) -> None:
    market = scripted_market()
    kite = client(market)
    done = order(kite, buy(kite, market_protection=2.0))
    assert (done["status"], done["filled_quantity"], done["average_price"]) == ("COMPLETE", 50, 1300.1)
    assert (done["order_type"], done["price"], done["market_protection"]) == ("LIMIT", 1326, 0)
    assert done["tags"] == ["A1", "mktp", "mktp:2.00"]
    assert done["order_timestamp"] == datetime(2026, 11, 20, 9, 15)
    [trade] = kite.trades()
    assert trade == kite.order_trades(done["order_id"])[0]
    assert (trade["quantity"], trade["average_price"], trade["order_timestamp"]) == (50, 1300.1, "09:15:00")


def test_a_protected_market_order_may_rest(scripted_market: Any) -> None:
    kite = client(scripted_market())
    resting = order(kite, buy(kite, 1_000, market_protection=0.01))
    assert (resting["status"], resting["filled_quantity"], resting["pending_quantity"]) == ("OPEN", 100, 900)
    automatic = order(kite, buy(kite, 1_000))
    assert (automatic["status"], automatic["price"]) == ("OPEN", 1306.5)  # half a percent, and the depth is five levels
    assert automatic["filled_quantity"] == 400


@pytest.mark.parametrize("kind", ["MARKET", "SL-M"])
@pytest.mark.parametrize(
    ("protection", "text"),
    [
        (None, NO_PROTECTION),
        (0, NO_PROTECTION),
        (True, "Invalid request (failed to decode market_protection, got: True (expected decimal))"),
        (-2, "Invalid `market_protection`."),
        (101, "Invalid `market_protection`."),
        ("nan", "Invalid request (failed to decode market_protection, got: nan (expected decimal))"),
    ],
)
def test_market_orders_need_protection(scripted_market: Any, kind: str, protection: Any, text: str) -> None:
    kite = client(scripted_market())
    with pytest.raises(InputException) as refusal:
        buy(kite, order_type=kind, trigger_price=1310.0, market_protection=protection)
    assert (str(refusal.value), refusal.value.code) == (text, 400)
    assert kite.orders() == []


def test_the_log_tells_every_step(scripted_market: Any) -> None:
    market = scripted_market()
    kite = client(market)
    order_id = buy(kite, 10, 1290.0)
    assert kite.modify_order("regular", order_id, price=1291.0) == order_id
    assert kite.cancel_order("regular", order_id) == order_id
    log = kite.order_history(order_id)
    assert [step["status"] for step in log] == [
        "PUT ORDER REQ RECEIVED",
        "VALIDATION PENDING",
        "OPEN PENDING",
        "OPEN",
        "MODIFY VALIDATION PENDING",
        "MODIFY PENDING",
        "MODIFIED",
        "OPEN",
        "CANCEL PENDING",
        "CANCELLED",
    ]
    assert [step["price"] for step in log] == [1290] * 6 + [1291] * 4
    assert [step["exchange_order_id"] is None for step in log] == [True] * 3 + [False] * 7
    last = log[-1]
    assert (last["cancelled_quantity"], last["pending_quantity"], last["filled_quantity"]) == (10, 10, 0)
    assert last["exchange_timestamp"] == datetime(2026, 11, 20, 9, 15)
    assert last == order(kite, order_id)


def test_a_fill_is_in_the_log(scripted_market: Any) -> None:
    kite = client(scripted_market())
    log = kite.order_history(buy(kite, 150, 1300.2))
    assert [(step["status"], step["filled_quantity"]) for step in log[3:]] == [
        ("OPEN", 0),
        ("OPEN", 100),
        ("COMPLETE", 150),
    ]
    assert log[-1]["average_price"] == pytest.approx((1300.1 * 100 + 1300.2 * 50) / 150, abs=1e-4)


def test_orders_and_trades_have_the_recorded_fields(scripted_market: Any) -> None:
    market = scripted_market()
    kite = client(market)
    buy(kite, 10, 1290.0, tag=None)
    buy(kite, 10, 1301.0)
    want = next(each for each in recorded("orders") if each["order_id"] == "1953341975595868160")
    untagged, tagged = raw(market, "/orders")["data"]
    assert "tags" not in untagged
    assert untagged["tag"] is None
    assert tagged["tags"] == ["A1"]
    same_fields(tagged, want)
    [trade] = raw(market, "/trades")["data"]
    same_fields(trade, recorded("trades")[0])
    assert list(trade) == list(recorded("trades")[0])
    for one, kept in (("price", 1290), ("average_price", 0)):
        assert untagged[one] == kept
        assert type(untagged[one]) is int  # whole rupees have no point


def test_short_money_is_refused_late(scripted_market: Any) -> None:
    market = scripted_market(account=Account(capital=1_000_00))
    kite = client(market)
    rejected = order(kite, buy(kite, 50, 1300.0))
    assert (rejected["status"], rejected["pending_quantity"], rejected["exchange_order_id"]) == ("REJECTED", 0, None)
    assert rejected["status_message"].startswith("Insufficient funds.")
    assert rejected["status_message_raw"].startswith("RMS:Margin Exceeds,")
    assert [step["status"] for step in kite.order_history(rejected["order_id"])][-1] == "REJECTED"
    with pytest.raises(OrderException, match="REJECTED"):
        kite.cancel_order("regular", rejected["order_id"])
    assert market.exchange.core.orders == {}


Call = Callable[[Any], object]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda kite: buy(kite, 1, 1300.05), InputException, "tick"),
        (lambda kite: buy(kite, 1, 1300.001), InputException, "price"),
        (lambda kite: buy(kite, 1, 2000.0), InputException, "band"),
        (lambda kite: buy(kite, 0, 1300.0), InputException, "quantity"),
        (lambda kite: buy(kite, -1, 1300.0), InputException, "failed to decode quantity"),
        (lambda kite: buy(kite, 1.5, 1300.0), InputException, "failed to decode quantity"),
        (lambda kite: buy(kite, 1, "nan"), InputException, "failed to decode price"),
        (lambda kite: buy(kite, 1, -5.0), InputException, "price"),
        (lambda kite: buy(kite, 1, order_type="LIMIT"), InputException, "Missing or empty field `price`"),
        (lambda kite: buy(kite, 1, 1300.0, order_type="SL"), InputException, "trigger_price"),
        (lambda kite: buy(kite, 1, 1300.0, order_type="BRACKET"), InputException, "order_type"),
        (lambda kite: buy(kite, 1, 1300.0, product="NRML"), InputException, "MARGIN is not offered"),
        (lambda kite: buy(kite, 1, 1300.0, tradingsymbol="NOSUCH"), InputException, "expired or does not exist"),
        (lambda kite: buy(kite, 1, 1300.0, tradingsymbol="NIFTY 50"), InputException, "index"),
        (lambda kite: buy(kite, 1, 1300.0, tag="T" * 21), InputException, "Invalid `tag`"),
        (lambda kite: buy(kite, 1, 1300.0, variety="bo"), InputException, "variety"),
        (lambda kite: buy(kite, 1, 1300.0, variety="iceberg"), InputException, "iceberg_legs"),
        (lambda kite: buy(kite, 1, 1300.0, variety="amo"), OrderException, "Markets are closed"),
        (lambda kite: buy(kite, 100_001, 1300.0), InputException, "freeze"),
        (lambda kite: buy(kite, 1, 1300.0, validity="TTL"), InputException, "validity_ttl"),
        (lambda kite: buy(kite, 10**30, 1300.0), InputException, "quantity"),
        (lambda kite: buy(kite, 1, 1e30), InputException, "price"),
        (lambda kite: kite.modify_order("regular", "1", price=1290.0), GeneralException, "Couldn't find"),
        (lambda kite: kite.cancel_order("regular", "1"), GeneralException, "Couldn't find that `order_id`."),
        (lambda kite: kite.order_history("1"), GeneralException, "Couldn't find that `order_id`."),
        (lambda kite: kite.mf_orders(), GeneralException, "Route not found"),
    ],
)
def test_bad_requests_are_named_and_do_nothing(
    scripted_market: Any, call: Call, error: type[Exception], text: str
) -> None:
    kite = client(scripted_market())
    with pytest.raises(error, match=text) as refusal:
        call(kite)
    assert type(refusal.value) is error
    assert kite.orders() == []


def test_a_cancel_needs_the_variety_and_a_living_order(scripted_market: Any) -> None:
    kite = client(scripted_market())
    order_id = buy(kite, 1, 1290.0)
    with pytest.raises(GeneralException, match="Couldn't find"):
        kite.cancel_order("amo", order_id)
    kite.cancel_order("regular", order_id)
    with pytest.raises(OrderException, match="CANCELLED"):
        kite.cancel_order("regular", order_id)
    done = buy(kite, 1)
    with pytest.raises(OrderException, match="COMPLETE"):
        kite.modify_order("regular", done, price=1290.0)


def test_a_modification_changes_only_what_it_names(scripted_market: Any) -> None:
    kite = client(scripted_market())
    order_id = buy(kite, 10, 1290.0, disclosed_quantity=5)
    kite.modify_order("regular", order_id, quantity=12)
    changed = order(kite, order_id)
    assert (changed["quantity"], changed["price"], changed["disclosed_quantity"]) == (12, 1290, 5)
    kite.modify_order("regular", order_id, order_type="SL", trigger_price=1310.0, price=1311.0)
    assert order(kite, order_id)["status"] == "TRIGGER PENDING"
    with pytest.raises(InputException, match="validity"):
        kite.modify_order("regular", order_id, validity="IOC")
    with pytest.raises(InputException, match="without market protection"):
        kite.modify_order("regular", order_id, order_type="MARKET")
    kite.modify_order("regular", order_id, order_type="MARKET", market_protection=-1)
    done = order(kite, order_id)
    assert (done["status"], done["order_type"], done["tags"]) == ("COMPLETE", "LIMIT", ["A1", "mktp", "mktp:0.50"])


def test_an_order_is_modified_twenty_five_times(scripted_market: Any) -> None:
    kite = client(scripted_market(writes_per_second=0))
    order_id = buy(kite, 10, 1290.0)
    with pytest.raises(OrderException, match="band"):
        kite.modify_order("regular", order_id, price=2000.0)
    for number in range(25):
        kite.modify_order("regular", order_id, price=1270.0 + number, quantity=11 + number)
    with pytest.raises(NetworkException, match="Maximum allowed order modifications exceeded"):
        kite.modify_order("regular", order_id, price=1250.0)
    still = order(kite, order_id)
    assert (still["price"], still["quantity"], still["modified"]) == (1294, 35, True)


def test_a_stop_is_shown_as_it_was_sent_and_fills_when_touched(scripted_market: Any) -> None:
    market = scripted_market(prices=(1_300_00, 1_300_00, 1_310_00, 1_310_00))
    kite = client(market)
    order_id = buy(kite, 10, order_type="SL-M", trigger_price=1305.0, market_protection=3.0)
    waiting = order(kite, order_id)
    assert (waiting["status"], waiting["order_type"], waiting["price"]) == ("TRIGGER PENDING", "SL-M", 0)
    assert (waiting["trigger_price"], waiting["market_protection"]) == (1305, 3)
    kite.modify_order("regular", order_id, trigger_price=1306.0)
    assert order(kite, order_id)["trigger_price"] == 1306
    market.step(2)
    done = order(kite, order_id)
    assert (done["status"], done["average_price"]) == ("COMPLETE", 1310.1)


def test_an_after_market_order_waits_for_the_morning(scripted_market: Any) -> None:
    market = scripted_market(prices=(1_300_00,))
    kite = client(market)
    market.exchange.core.advance(market.exchange.core.now + 9 * 3600 * 10**9)
    market.exchange.core.drain()
    with pytest.raises(OrderException, match="Markets are closed right now"):
        buy(kite, 1, 1290.0)
    order_id = buy(kite, 5, 1290.0, variety="amo")
    waiting = order(kite, order_id)
    assert (waiting["status"], waiting["variety"], waiting["exchange_order_id"]) == ("AMO REQ RECEIVED", "amo", None)
    kite.modify_order("amo", order_id, price=1291.0)
    kite.cancel_order("amo", order_id)
    assert [step["status"] for step in kite.order_history(order_id)] == [
        "PUT ORDER REQ RECEIVED", "AMO REQ RECEIVED", "AMO REQ RECEIVED", "CANCELLED AMO",
    ]  # fmt: skip


def test_a_ttl_order_ends_in_time(scripted_market: Any) -> None:
    market = scripted_market(prices=(1_300_00,) * 70)
    kite = client(market)
    order_id = buy(kite, 1, 1290.0, validity="TTL", validity_ttl=1)
    market.step(58)
    alive = order(kite, order_id)
    assert (alive["status"], alive["validity"], alive["validity_ttl"]) == ("OPEN", "TTL", 1)
    market.step(4)
    assert order(kite, order_id)["status"] == "CANCELLED"


def test_an_immediate_order_does_not_rest(scripted_market: Any) -> None:
    kite = client(scripted_market())
    done = order(kite, buy(kite, 150, 1300.1, validity="IOC"))
    assert (done["status"], done["filled_quantity"], done["cancelled_quantity"]) == ("CANCELLED", 100, 50)


def test_a_large_order_is_sliced(scripted_market: Any) -> None:
    kite = client(scripted_market(account=Account(capital=10**12)))
    words = {
        "variety": "regular", "exchange": "NSE", "tradingsymbol": "IDEA", "transaction_type": "BUY",
        "product": "MIS", "order_type": "LIMIT", "price": 9.9,
    }  # fmt: skip
    answer = kite.place_autoslice_order(**words, quantity=2_500)
    children = [child["order_id"] for child in answer["children"]]
    assert [order(kite, each)["quantity"] for each in children] == [1_000, 1_000, 500]
    assert order(kite, children[0])["tags"] == ["autoslice", f"autoslice:{answer['order_id']}"]
    assert answer["order_id"] not in {each["order_id"] for each in kite.orders()}
    with pytest.raises(InputException, match="slices"):
        kite.place_autoslice_order(**words, quantity=10_001)


def test_a_slice_without_money_says_so(scripted_market: Any) -> None:
    kite = client(scripted_market(account=Account(capital=3_000_00)))
    answer = kite.place_autoslice_order("regular", "NSE", "IDEA", "BUY", 2_000, "MIS", "LIMIT", price=9.9)
    placed, refused = answer["children"]
    assert set(placed) == {"order_id"}
    assert (refused["error"]["code"], refused["error"]["error_type"]) == (400, "MarginException")


def test_faults_strike_before_and_after_the_order_is_taken(scripted_market: Any) -> None:
    rules = [
        {"kind": kind, "endpoint": "kite.orders.place", "count": count}
        for kind, count in (("drop_before_accept", 1), ("drop_after_accept", 1), ("429", 3), ("garbled", 1), ("5xx", 3))
    ]
    kite = client(scripted_market(faults={"rules": rules}))
    outcomes = []
    for _ in range(10):
        try:
            outcomes.append(buy(kite, 1, 1290.0))
        except Exception as error:  # the client's own classes and those of `requests`
            outcomes.append((type(error).__name__, len(kite.orders())))
    assert outcomes[0] == ("ConnectionError", 0)
    assert outcomes[1] == ("ConnectionError", 1)  # taken, and nobody was told
    assert outcomes[2:5] == [("NetworkException", 1), ("DataException", 1), ("TypeError", 1)]  # JSON, HTML, no class
    assert outcomes[5] == ("DataException", 2)
    assert outcomes[6:9] == [("NetworkException", 3), ("DataException", 4), ("GeneralException", 5)]
    assert isinstance(outcomes[9], str)


def test_every_word_has_a_place() -> None:
    assert set(STATUS) == set(OrderStatus)
    assert set(ORDER_TYPE) == set(OrderType)
    assert set(PRODUCT) == set(Product)
    assert set(EXCHANGE) == set(Segment)
    assert set(REFUSALS) == REFUSAL_CODES
    assert set(REFUSALS.values()) <= set(STATUSES)
    assert DataException.__name__ in STATUSES
