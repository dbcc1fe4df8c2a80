"""Upstox's exit of positions and the address it wants orders from, through the real SDK."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import upstox_client
from tests.contract.conftest import IDEA, RELIANCE
from tests.contract.upstox_face import code_of

from saudagar.exchange.process import Account
from saudagar.exchange.upstox import orders as face
from saudagar.market.ist import at, ist_day
from saudagar.model import OrderTerms, OrderType, Product, Side

TOKEN = Account().upstox_token


@pytest.fixture
def market(scripted_market: Any) -> Any:
    return scripted_market(writes_per_second=0)


@pytest.fixture
def client(market: Any) -> Iterator[Any]:
    configuration = upstox_client.Configuration()
    configuration.host = configuration.order_host = market.upstox
    configuration.access_token = TOKEN
    for name in ("upstox_client", "urllib3"):
        logging.getLogger(name).handlers.clear()
    client = upstox_client.ApiClient(configuration)
    yield client
    client.pool.close()
    client.pool.join()
    client.rest_client.pool_manager.clear()


def buy(market: Any, instrument: Any, quantity: int, tag: str = "", product: Product = Product.INTRADAY) -> None:
    terms = OrderTerms(quantity=quantity, order_type=OrderType.MARKET)
    market.exchange.upstox._site.desk.place(instrument, (), tag=tag, side=Side.BUY, terms=terms, product=product)


def held(market: Any) -> dict[tuple[str, str], int]:
    return {(row[0].symbol, row[1].value): row[2] - row[4] for row in market.exchange.core.positions()}


def test_positions_are_left_by_tag_by_segment_or_all(market: Any, client: Any) -> None:
    orders = upstox_client.OrderApi(client)
    buy(market, RELIANCE, 10, "mine")
    buy(market, RELIANCE, 7, "other", Product.DELIVERY)
    buy(market, IDEA, 20)
    assert len(orders.exit_positions(tag="mine").data.order_ids) == 1
    assert held(market) == {("RELIANCE", "INTRADAY"): 0, ("RELIANCE", "DELIVERY"): 7, ("IDEA", "INTRADAY"): 20}
    assert code_of(lambda: orders.exit_positions(tag="mine")) == "UDAPI1111"
    assert code_of(lambda: orders.exit_positions(tag="nobody")) == "UDAPI1111"
    assert code_of(lambda: orders.exit_positions(segment="NSE_FO")) == "UDAPI1111"
    assert code_of(lambda: orders.exit_positions(segment="LSE")) == "UDAPI1108"
    done = orders.exit_positions(segment="NSE_EQ")
    assert (done.status, done.summary.total, len(done.data.order_ids)) == ("success", 2, 2)
    assert set(held(market).values()) == {0}
    assert code_of(orders.exit_positions) == "UDAPI1111"


def test_more_than_a_freeze_quantity_leaves_in_slices(market: Any, client: Any) -> None:
    for _ in range(5):
        buy(market, IDEA, 500)
        market.step(2)  # IDEA shows new depth every other second
    assert held(market)[("IDEA", "INTRADAY")] == 2_500
    done = upstox_client.OrderApi(client).exit_positions()
    book = {order.exchange_id: order.terms.quantity for order in market.exchange.core.orders.values()}
    assert [book[number] for number in done.data.order_ids] == [1_000, 1_000, 500]


def test_more_than_ten_positions_are_not_left_together(market: Any, client: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(face, "_EXITS", 1)
    buy(market, RELIANCE, 1)
    buy(market, IDEA, 1)
    assert code_of(upstox_client.OrderApi(client).exit_positions) == "UDAPI1112"
    assert set(held(market).values()) == {1}


def test_nothing_is_left_outside_the_market_s_hours(market: Any, client: Any) -> None:
    buy(market, RELIANCE, 1)
    core = market.exchange.core
    core.advance(at(ist_day(core.now), "20:00"))
    assert code_of(upstox_client.OrderApi(client).exit_positions) == "UDAPI1113"


def test_a_part_that_is_refused_makes_it_a_partial_success(market: Any, client: Any, monkeypatch: Any) -> None:
    buy(market, RELIANCE, 1)
    buy(market, IDEA, 1)
    desk = market.exchange.upstox._site.desk
    place = desk.place

    def refusing(instrument: Any, late: Any, **order: Any) -> Any:
        if instrument.id == IDEA.id:
            raise face.Refusal("band", "outside the band")
        return place(instrument, late, **order)

    monkeypatch.setattr(desk, "place", refusing)
    done = upstox_client.OrderApi(client).exit_positions()
    assert (done.status, done.summary.success, done.summary.error) == ("partial_success", 1, 1)
    assert [each.error_code for each in done.errors] == ["UDAPI100036"]


def test_every_order_write_must_come_from_the_registered_address(market: Any, client: Any) -> None:
    """Conversion, the kill switch and reading work from anywhere."""
    buy(market, RELIANCE, 5)
    v2, v3 = upstox_client.OrderApi(client), upstox_client.OrderApiV3(client)
    order = {
        "quantity": 1, "product": "I", "validity": "DAY", "price": 1250.0, "instrument_token": RELIANCE.upstox_id,
        "order_type": "LIMIT", "transaction_type": "BUY", "disclosed_quantity": 0, "trigger_price": 0.0,
        "is_amo": False,
    }  # fmt: skip
    change = {"validity": "DAY", "price": 1251.0, "order_id": "1", "order_type": "LIMIT", "trigger_price": 0.0}
    rules = [upstox_client.GttRule(strategy="ENTRY", trigger_type="ABOVE", trigger_price=1310.0)]
    gtt = {"type": "SINGLE", "quantity": 1, "rules": rules}
    placed = {"product": "I", "instrument_token": RELIANCE.upstox_id, "transaction_type": "BUY"}
    many = [upstox_client.MultiOrderRequest(**order, slice=False, correlation_id="a")]
    writes = [
        lambda: v3.place_order(upstox_client.PlaceOrderV3Request(**order)),
        lambda: v3.modify_order(upstox_client.ModifyOrderRequest(**change)),
        lambda: v3.cancel_order("1"),
        lambda: v2.place_multi_order(many),
        lambda: v2.cancel_multi_order(),
        lambda: v2.exit_positions(),
        lambda: v3.place_gtt_order(upstox_client.GttPlaceOrderRequest(**gtt, **placed)),
        lambda: v3.modify_gtt_order(upstox_client.GttModifyOrderRequest(**gtt, gtt_order_id="GTT-C1")),
        lambda: v3.cancel_gtt_order(upstox_client.GttCancelOrderRequest(gtt_order_id="GTT-C1")),
    ]
    market.exchange.switches["upstox"].wrong_ip = True
    assert [code_of(write) for write in writes] == ["UDAPI1154"] * len(writes)
    conversion = upstox_client.ConvertPositionRequest(
        instrument_token=RELIANCE.upstox_id, new_product="D", old_product="I", transaction_type="BUY", quantity=1
    )
    assert upstox_client.PortfolioApi(client).convert_positions(conversion, "2.0").data.status == "complete"
    upstox_client.UserApi(client).update_kill_switch([{"segment": "NSE_FO", "action": "DISABLE"}])
    assert len(upstox_client.OrderApi(client).get_order_book("2.0").data) == 1
