"""What the brokers' folders share: times as they come, several accounts as one, what a refusal amounts to."""

import asyncio

import msgspec
import pytest

from saudagar.brokers.dhan import parse as dhan
from saudagar.brokers.dhan.capabilities import CAPABILITIES as DHAN
from saudagar.brokers.fields import naive_ist
from saudagar.brokers.kite import parse as kite
from saudagar.brokers.kite.capabilities import CAPABILITIES as KITE
from saudagar.brokers.paper import PaperBroker
from saudagar.brokers.router import Router
from saudagar.brokers.upstox import parse as upstox
from saudagar.brokers.upstox.capabilities import CAPABILITIES as UPSTOX
from saudagar.execution.ports import Capabilities, LinkState, LinkStatus, LookUp
from saudagar.model import OrderStatus, Product
from saudagar.model.errors import DataError

NINE_THIRTY = 1_795_147_200_000_000_000


@pytest.mark.parametrize(
    "said",
    [
        "2026-11-20 09:30:00",
        "2026-11-20T09:30:00",
        "2026-11-20T09:30:00+05:30",
        "2026-11-20T04:00:00Z",
        "2026-11-20T04:00:00+00:00",
        "20-Nov-2026 09:30:00",
    ],
)
def test_a_time_is_indias_unless_it_names_its_zone(said):
    assert naive_ist(said, "%d-%b-%Y %H:%M:%S") == NINE_THIRTY


@pytest.mark.parametrize("said", ["9999-12-31 23:59:59", "2100-01-01", "0001-01-01 00:00:00", "0001-01-01T00:00:00Z"])
def test_a_time_of_another_age_is_none(said):
    assert naive_ist(said) == 0


class Desk:
    def __init__(self, capabilities: Capabilities) -> None:
        self.capabilities = capabilities


@pytest.mark.parametrize("first", [DHAN, UPSTOX, KITE, PaperBroker.capabilities], ids=lambda each: each.name)
@pytest.mark.parametrize("second", [DHAN, UPSTOX, KITE, PaperBroker.capabilities], ids=lambda each: each.name)
def test_accounts_at_two_brokers_can_do_what_both_can_whichever_is_named_first(first, second):
    one, other = (
        Router({"": Desk(a), "x": Desk(b)}, {}, "").capabilities for a, b in ((first, second), (second, first))
    )
    assert one.name == f"{first.name}+{second.name}"
    assert set(msgspec.structs.astuple(one)[1:]) == set(msgspec.structs.astuple(other)[1:])
    assert one.id_length == min(first.id_length, second.id_length)


def test_the_weaker_of_two_look_ups_and_the_smaller_of_two_limits_count():
    both = Router({"": Desk(DHAN), "x": Desk(KITE)}, {}, "").capabilities
    assert (both.look_up, both.slices) == (LookUp.SCAN, 10)
    assert Router({"": Desk(DHAN), "x": Desk(DHAN)}, {}, "").capabilities.slices is None


def test_the_streams_of_two_accounts_at_one_broker_are_told_apart():
    """Else the one that comes up would let the other's strategies enter, whose token is refused."""
    told, speak = [], {}

    class Streaming(Desk):
        async def start(self, on_report, on_status):
            speak[self] = on_status

    main, family = Streaming(DHAN), Streaming(DHAN)
    router = Router({"": main, "family": family}, {}, "")
    asyncio.run(router.start(lambda report: None, told.append))
    speak[family](LinkStatus(LinkState.AUTH, "dhan orders", "no"))
    speak[main](LinkStatus(LinkState.UP, "dhan orders"))
    speak[family](LinkStatus(LinkState.UP, "orders"))  # the one link that all requests share
    assert [(each.state, each.link, each.detail) for each in told] == [
        ("AUTH", "dhan orders (family)", "no"),
        ("UP", "dhan orders", ""),
        ("UP", "orders", ""),
    ]


class NoMaster:
    def by_dhan(self, segment, security_id):
        return None

    by_upstox = by_kite = lambda self, key: None


ORDERS = {
    "dhan": (dhan.book_report, {"orderId": "1", "quantity": 9}, "orderStatus", "filledQty"),
    "dhan stream": (dhan.stream_report, {"orderno": "1", "quantity": 9}, "status", "tradedqty"),
    "upstox": (upstox.order_report, {"order_id": "1", "quantity": 9}, "status", "filled_quantity"),
    "kite": (kite.order_report, {"order_id": "1", "quantity": 9}, "status", "filled_quantity"),
}


@pytest.mark.parametrize("mouth", ORDERS)
@pytest.mark.parametrize("nothing", [{}, None, ""])
def test_an_order_that_was_withdrawn_must_say_what_it_had_traded(mouth, nothing):
    """Read as 0, its fills would be lost: the desk would hold a position that it does not know of."""
    read, row, status, filled = ORDERS[mouth]
    silent = row if nothing == {} else row | {filled: nothing}
    with pytest.raises(DataError, match=filled):
        read(silent | {status: "CANCELLED"}, NoMaster())
    assert read(row | {status: "CANCELLED", filled: "3"}, NoMaster()).filled == 3
    refused = read(silent | {status: "REJECTED"}, NoMaster())
    assert (refused.status, refused.filled) == (OrderStatus.REJECTED, 0)


POSITIONS = {
    "dhan": (dhan.position, {"productType": "INTRADAY"}, "netQty"),
    "upstox": (upstox.position, {"product": "I"}, "quantity"),
    "kite": (kite.position, {"product": "MIS"}, "quantity"),
}


@pytest.mark.parametrize("broker", POSITIONS)
def test_a_position_that_does_not_say_how_much_is_not_flat(broker):
    read, row, key = POSITIONS[broker]
    for silent in (row, row | {key: None}, row | {key: ""}):
        with pytest.raises(DataError, match=key):
            read(silent, NoMaster())
    assert read(row | {key: "-3"}, NoMaster()).quantity == -3


@pytest.mark.parametrize("word", ["CO", "OCO"])
def test_a_cover_order_made_by_hand_does_not_hide_the_positions_at_upstox(word):
    told = upstox.position({"product": word, "quantity": 0, "instrument_token": "NSE_EQ|X"}, NoMaster())
    assert told.product is Product.INTRADAY


@pytest.mark.parametrize("body", [{}, {"net": None}, {"net": ""}])
def test_money_that_is_not_told_is_not_none(body):
    with pytest.raises(DataError, match="net"):
        kite.funds({"equity": body})
    with pytest.raises(DataError, match="availabelBalance"):
        dhan.funds({"availabelBalance": body.get("net"), "sodLimit": 1})


def test_executions_of_one_second_are_told_in_the_order_of_their_numbers():
    """A list that begins with the newest would give what was booked before another price."""
    rows = [{"trade_id": number, "quantity": 1, "average_price": 1.5} for number in ("10", "9", "101", "X", "")]
    told = [trade.trade_id for trade in upstox.trades(rows, NoMaster())]
    assert told == ["X", "", "9", "10", "101"]
    later = [
        rows[0] | {"exchange_timestamp": "2026-11-20 09:30:01"},
        rows[2] | {"exchange_timestamp": "2026-11-20 09:30:00"},
    ]
    assert [trade.trade_id for trade in upstox.trades(later, NoMaster())] == ["101", "10"]
