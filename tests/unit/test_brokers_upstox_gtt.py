"""Upstox's GTT orders read: every word of a rule's status, and what the rules make of the whole."""

from itertools import product

import pytest

from saudagar.brokers.upstox import gtt
from saudagar.model import ConditionalKind, ConditionalStatus, Instrument, InstrumentKind, LegName, Segment, Side
from saudagar.model.errors import DataError

SHARE = Instrument(
    segment=Segment.NSE_EQ, symbol="IDEA", kind=InstrumentKind.EQUITY, tick_size=1, upstox_id="NSE_EQ|INE669E01016"
)
DOCUMENTED = ["SCHEDULED", "TRIGGERED", "EXPIRED", "OPEN", "COMPLETED", "CANCELLED", "PENDING", "FAILED", "INACTIVE"]


class Lookup:
    def by_upstox(self, key):
        return SHARE if key == SHARE.upstox_id else None


def rule(strategy, status, side="BUY", **more):
    return {
        "strategy": strategy, "status": status, "trigger_type": "IMMEDIATE", "trigger_price": 7.7,
        "transaction_type": side, "order_id": None, "message": "",
    } | more  # fmt: skip


def row(*rules, **changes):
    return {
        "type": "MULTIPLE", "exchange": "NSE_EQ", "quantity": 1, "product": "I", "rules": list(rules),
        "trading_symbol": "IDEA", "instrument_token": SHARE.upstox_id, "gtt_order_id": "GTT-CU25280200021010",
        "expires_at": 1740767399000000, "created_at": 1740723100000000,
    } | changes  # fmt: skip


def test_the_table_has_every_documented_word_and_no_other():
    assert sorted(gtt.RULE_STATUS) == sorted(DOCUMENTED)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("SCHEDULED", ConditionalStatus.ACTIVE),
        ("PENDING", ConditionalStatus.ACTIVE),
        ("INACTIVE", ConditionalStatus.ACTIVE),
        ("TRIGGERED", ConditionalStatus.WORKING),
        ("OPEN", ConditionalStatus.WORKING),
        ("COMPLETED", ConditionalStatus.DONE),
        ("CANCELLED", ConditionalStatus.CANCELLED),
        ("EXPIRED", ConditionalStatus.EXPIRED),
        ("FAILED", ConditionalStatus.REJECTED),
    ],
)
def test_a_single_rule_is_the_whole(word, status):
    assert gtt.status([rule("ENTRY", word)]) is status
    assert gtt.status([rule("ENTRY", word.lower())]) is status


@pytest.mark.parametrize(
    ("entry", "target", "stop", "status"),
    [
        ("SCHEDULED", "INACTIVE", "INACTIVE", ConditionalStatus.ACTIVE),
        ("OPEN", "INACTIVE", "INACTIVE", ConditionalStatus.WORKING),
        ("COMPLETED", "SCHEDULED", "SCHEDULED", ConditionalStatus.WORKING),
        ("COMPLETED", "OPEN", "CANCELLED", ConditionalStatus.WORKING),
        ("COMPLETED", "COMPLETED", "CANCELLED", ConditionalStatus.DONE),
        ("COMPLETED", "CANCELLED", "CANCELLED", ConditionalStatus.CANCELLED),
        ("COMPLETED", "CANCELLED", "FAILED", ConditionalStatus.REJECTED),  # a position without its stop
        ("FAILED", "CANCELLED", "CANCELLED", ConditionalStatus.REJECTED),
        ("EXPIRED", "EXPIRED", "EXPIRED", ConditionalStatus.EXPIRED),
        ("EXPIRED", "CANCELLED", "CANCELLED", ConditionalStatus.EXPIRED),
        ("CANCELLED", "CANCELLED", "CANCELLED", ConditionalStatus.CANCELLED),
    ],
)
def test_a_bracket_is_what_its_rules_make_of_it(entry, target, stop, status):
    assert gtt.status([rule("ENTRY", entry), rule("TARGET", target), rule("STOPLOSS", stop)]) is status


def test_live_is_exactly_what_can_still_send_an_order():
    for words in product(DOCUMENTED, repeat=3):
        states = dict(zip(("ENTRY", "TARGET", "STOPLOSS"), words, strict=True))
        waits = any(gtt.RULE_STATUS[word] in (gtt.WAITS, gtt.WORKS) for word in words)
        assert gtt.status([rule(name, word) for name, word in states.items()]).live is waits


def test_an_answer_from_the_documentation():
    """A multi-leg order whose entry the exchange refused (Upstox, "Get GTT Order Details")."""
    told = gtt.report(
        row(
            rule("ENTRY", "FAILED", message="The price set should be within the circuit limits.", order_id="250228010"),
            rule("STOPLOSS", "CANCELLED", "SELL", trigger_price=7.6),
            rule("TARGET", "CANCELLED", "SELL", trigger_price=7.64),
        ),
        Lookup(),
    )
    assert (told.kind, told.status, told.side) == (ConditionalKind.BRACKET, ConditionalStatus.REJECTED, Side.BUY)
    assert (told.instrument, told.broker_id, told.orders) == (SHARE.id, "GTT-CU25280200021010", ("250228010",))
    assert told.reason == "The price set should be within the circuit limits."
    assert told.ts == 1740723100_000_000_000
    assert {each.name: each.trigger for each in told.legs} == {
        LegName.ENTRY: 0, LegName.STOP: 760, LegName.TARGET: 764,
    }  # fmt: skip


def test_a_gap_makes_a_trailing_order_and_a_single_one_keeps_its_trigger():
    trailing = gtt.report(
        row(rule("ENTRY", "SCHEDULED"), rule("STOPLOSS", "INACTIVE", "SELL", trailing_gap=0.05)), Lookup()
    )
    assert (trailing.kind, trailing.legs[1].trail) == (ConditionalKind.TRAILING, 5)
    single = gtt.report(row(rule("ENTRY", "SCHEDULED"), type="SINGLE"), Lookup())
    assert (single.kind, single.legs[0].trigger) == (ConditionalKind.SINGLE, 770)


@pytest.mark.parametrize("created", [None, "soon", -1, 0, 1.5, 10**30])
def test_a_time_that_is_none_is_zero(created):
    assert gtt.report(row(rule("ENTRY", "SCHEDULED"), created_at=created), Lookup()).ts == 0


@pytest.mark.parametrize(
    "bad",
    [
        row(),
        row(None),
        row(rule("ENTRY", "SCHEDULED"), rules="none"),
        row(rule("ENTRY", "DREAMING")),
        row(rule("ENTRY", "SCHEDULED"), type="DOUBLE"),
        row(rule("TARGET", "SCHEDULED")),
        row(rule("ENTRY", "SCHEDULED"), rule("ENTRY", "SCHEDULED")),
        row(rule("ENTRY", "SCHEDULED", "LEND")),
        row(rule("ENTRY", "SCHEDULED", trigger_type="ABOVE", trigger_price="dear")),
        row(rule("ENTRY", "SCHEDULED", trailing_gap=1e20)),
        row(rule("ENTRY", "SCHEDULED"), rule("EXIT", "SCHEDULED")),
        row(rule("ENTRY", "SCHEDULED"), quantity=-1),
        row(rule("ENTRY", "SCHEDULED"), product="LOAN"),
        row(rule("ENTRY", "SCHEDULED"), gtt_order_id=None),
    ],
)
def test_what_is_no_gtt_order_is_refused(bad):
    with pytest.raises(DataError, match="Upstox gave"):
        gtt.report(bad, Lookup())
