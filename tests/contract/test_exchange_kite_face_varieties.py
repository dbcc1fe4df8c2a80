"""Kite's other varieties through the real `kiteconnect` client: icebergs, cover orders, auctions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kiteconnect import KiteConnect
from kiteconnect.exceptions import GeneralException, InputException

from saudagar.exchange.process import Account
from saudagar.model import MINUTE

ACCOUNT = Account()
RECORDED = Path(__file__).resolve().parents[2] / "../shared/fixtures/kite/rest/orders.json"
FLAT = (1_300_00,) * 20


def client(market: Any) -> Any:
    return KiteConnect(ACCOUNT.kite_key, ACCOUNT.kite_token, root=f"http://127.0.0.1:{market.exchange.ports.kite}")


def place(kite: Any, variety: str, **more: Any) -> str:
    words: dict[str, Any] = {
        "exchange": "NSE",
        "tradingsymbol": "RELIANCE",
        "transaction_type": "BUY",
        "quantity": 50,
        "product": "MIS",
        "order_type": "LIMIT",
        "price": 1300.0,
    }
    return kite.place_order(variety=variety, **words | more)


def iceberg(kite: Any, total: int = 250, legs: int = 3, leg: int = 84, **more: Any) -> str:
    return place(kite, "iceberg", quantity=total, iceberg_legs=legs, iceberg_quantity=leg, tag="BERG", **more)


def words(kite: Any) -> list[tuple[str, int, int]]:
    return [(each["status"], each["quantity"], each["filled_quantity"]) for each in kite.orders()]


def test_each_leg_of_an_iceberg_follows_the_one_before_it(scripted_market: Any) -> None:
    market = scripted_market(prices=(1_300_00, 1_299_00, 1_299_00, 1_299_00, 1_299_00))
    kite = client(market)
    first = iceberg(kite)
    assert words(kite) == [("OPEN", 84, 0)]
    for expected in (
        [("COMPLETE", 84, 84), ("COMPLETE", 84, 84)],  # what follows takes what the book still shows
        [("COMPLETE", 84, 84), ("COMPLETE", 84, 84), ("COMPLETE", 82, 82)],
        [("COMPLETE", 84, 84), ("COMPLETE", 84, 84), ("COMPLETE", 82, 82)],
    ):
        market.step()
        assert words(kite) == expected
    legs = kite.orders()
    assert [each["parent_order_id"] for each in legs] == [None, first, first]
    assert [each["meta"]["iceberg"] for each in legs] == [
        {"leg": leg, "legs": 3, "leg_quantity": 84, "total_quantity": 250, "remaining_quantity": left}
        for leg, left in ((1, 166), (2, 82), (3, 0))
    ]
    assert {(each["variety"], each["tag"]) for each in legs} == {("iceberg", "BERG")}
    assert sum(trade["quantity"] for trade in kite.trades()) == 250


def test_an_iceberg_looks_as_recorded(scripted_market: Any) -> None:
    if not RECORDED.exists():
        pytest.skip("Kite's mock answers are not part of the project")
    theirs = next(each for each in json.loads(RECORDED.read_text())["data"] if each["variety"] == "iceberg")
    kite = client(scripted_market(account=Account(capital=1_000_00)))
    iceberg(kite, product="CNC", validity="TTL", validity_ttl=2)
    [ours] = kite.orders()
    assert set(ours["meta"]["iceberg"]) == set(theirs["meta"]["iceberg"])
    assert [ours[name] for name in ("status", "variety", "validity", "validity_ttl", "tags")] == [
        "REJECTED", "iceberg", "TTL", 2, ["BERG"],
    ]  # fmt: skip
    assert ours["status_message"].startswith("Insufficient funds.")


def test_a_cancelled_leg_ends_the_iceberg(scripted_market: Any) -> None:
    market = scripted_market(prices=(1_300_00, 1_299_00, 1_299_00, 1_299_00))
    kite = client(market)
    first = iceberg(kite, price=1290.0)
    kite.modify_order("iceberg", first, price=1291.0)
    kite.cancel_order("iceberg", first)
    market.step(2)
    assert words(kite) == [("CANCELLED", 84, 0)]


def test_a_leg_that_runs_out_of_minutes_ends_the_iceberg(scripted_market: Any) -> None:
    market = scripted_market(prices=FLAT)
    kite = client(market)
    iceberg(kite, price=1290.0, validity="TTL", validity_ttl=1)
    core = market.exchange.core
    core.advance(core.now + MINUTE)
    market.exchange.kite.orders.advance()
    market.exchange.kite.orders.advance()
    assert words(kite) == [("CANCELLED", 84, 0)]


def test_a_leg_that_the_money_does_not_reach_is_rejected_in_the_book(scripted_market: Any) -> None:
    market = scripted_market(prices=(1_300_00, 1_299_00, 1_299_00, 1_299_00), account=Account(capital=1_50_000_00))
    kite = client(market)
    first = iceberg(kite, product="CNC")
    market.step(2)
    done, refused = kite.orders()
    assert (done["status"], refused["status"], refused["parent_order_id"]) == ("COMPLETE", "REJECTED", first)
    assert refused["status_message"].startswith("Insufficient funds.")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"legs": 1, "leg": 250}, "iceberg_legs"),
        ({"legs": 51, "leg": 5}, "iceberg_legs"),
        ({"leg": 83}, "iceberg_quantity"),
        ({"leg": 250}, "iceberg_quantity"),
        ({"leg": 0}, "iceberg_quantity"),
        ({"legs": None}, "iceberg_legs"),
        ({"leg": None}, "iceberg_quantity"),
        ({"total": 0}, "quantity"),
    ],
)
def test_an_iceberg_that_is_not_evenly_split_is_refused(
    scripted_market: Any, changes: dict[str, Any], text: str
) -> None:
    kite = client(scripted_market())
    with pytest.raises(InputException, match=text):
        iceberg(kite, **changes)
    assert kite.orders() == []


def test_a_cover_order_is_followed_by_its_stop(scripted_market: Any) -> None:
    market = scripted_market(prices=(1_300_00, 1_300_00, 1_300_00, 1_289_00, 1_289_00))
    kite = client(market)
    entry = place(kite, "co", order_type="MARKET", price=None, market_protection=-1, trigger_price=1290.0, tag="C1")
    assert words(kite) == [("COMPLETE", 50, 50)]
    market.step()
    _, stop = kite.orders()
    assert (stop["parent_order_id"], stop["variety"], stop["transaction_type"]) == (entry, "co", "SELL")
    assert (stop["status"], stop["order_type"], stop["trigger_price"], stop["quantity"]) == (
        "TRIGGER PENDING", "SL-M", 1290, 50,
    )  # fmt: skip
    kite.modify_order("co", stop["order_id"], parent_order_id=entry, trigger_price=1289.0)
    market.step(2)
    assert words(kite) == [("COMPLETE", 50, 50), ("COMPLETE", 50, 50)]
    assert [position["quantity"] for position in kite.positions()["net"]] == [0]
    market.step()
    assert len(kite.orders()) == 2


def test_to_leave_a_cover_order_its_stop_is_exited_with_its_parent(scripted_market: Any) -> None:
    market = scripted_market(prices=FLAT)
    kite = client(market)
    entry = place(kite, "co", transaction_type="SELL", price=1299.0, product="CO", trigger_price=1310.0)
    market.step()
    _, stop = kite.orders()
    with pytest.raises(GeneralException, match="order_id"):
        kite.exit_order("co", stop["order_id"], parent_order_id="7")
    assert kite.exit_order("co", stop["order_id"], parent_order_id=entry) == stop["order_id"]
    assert words(kite) == [("COMPLETE", 50, 50), ("COMPLETE", 50, 50)]
    assert [position["quantity"] for position in kite.positions()["net"]] == [0]
    assert kite.order_history(stop["order_id"])[-1]["order_type"] == "LIMIT"  # a market order with its protection


def test_a_cover_order_stops_what_it_has_filled(scripted_market: Any) -> None:
    market = scripted_market(prices=FLAT)
    kite = client(market)
    entry = place(kite, "co", quantity=150, price=1300.1, trigger_price=1290.0)
    assert words(kite) == [("OPEN", 150, 100)]
    kite.cancel_order("co", entry)
    market.step()
    assert words(kite) == [("CANCELLED", 150, 100), ("TRIGGER PENDING", 100, 0)]
    untouched = place(kite, "co", price=1290.0, trigger_price=1280.0)
    kite.cancel_order("co", untouched)
    market.step(2)
    assert len(kite.orders()) == 3


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"trigger_price": None}, "trigger_price"),
        ({"trigger_price": 1301.0}, "trigger price"),
        ({"trigger_price": 1200.0}, "trigger price"),
        ({"trigger_price": 1290.0, "transaction_type": "SELL"}, "trigger price"),
        ({"trigger_price": 1290.0, "product": "CNC"}, "product"),
        ({"trigger_price": 1290.0, "order_type": "SL"}, "order_type"),
        ({"trigger_price": 1290.0, "order_type": "MARKET"}, "market protection"),
    ],
)
def test_a_cover_order_without_a_sensible_stop_is_refused(scripted_market: Any, changes: Any, text: str) -> None:
    kite = client(scripted_market())
    with pytest.raises(InputException, match=text):
        place(kite, "co", **changes)
    assert kite.orders() == []


def test_where_the_stop_of_a_cover_order_may_lie(scripted_market: Any) -> None:
    kite = client(scripted_market())
    assert kite.trigger_range("BUY", "NSE:RELIANCE", "NSE:NOSUCH") == {
        "NSE:RELIANCE": {"instrument_token": 738561, "lower": 1235, "upper": 1300}
    }
    assert kite.trigger_range("SELL", ["NSE:RELIANCE"])["NSE:RELIANCE"]["upper"] == 1365
    with pytest.raises(InputException):
        kite.trigger_range("BUY")


def test_there_is_no_auction_to_bid_in(scripted_market: Any) -> None:
    kite = client(scripted_market())
    assert kite.get_auction_instruments() == []
    for number in ("22", None):
        with pytest.raises(InputException, match="auction_number"):
            place(kite, "auction", transaction_type="SELL", product="CNC", auction_number=number)
    with pytest.raises(InputException, match="variety"):
        place(kite, "bo")
    assert kite.orders() == []
