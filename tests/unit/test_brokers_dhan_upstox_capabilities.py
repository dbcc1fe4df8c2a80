"""What each broker offers: the command's table, and the refusal of what it does not."""

import json

import msgspec
import pytest
from typer import Typer
from typer.testing import CliRunner

from saudagar.app.brokers_commands import app
from saudagar.brokers.dhan.broker import DhanBroker
from saudagar.brokers.dhan.history import MINUTES
from saudagar.brokers.paper import PaperBroker
from saudagar.brokers.upstox.broker import UpstoxBroker
from saudagar.model import (
    ClientOrderId,
    InstrumentId,
    NewOrder,
    OrderTerms,
    OrderType,
    PositionId,
    Product,
    Purpose,
    Side,
    Validity,
)
from saudagar.model.errors import Unsupported

ORDER = NewOrder(
    order_id=ClientOrderId("T1"),
    instrument=InstrumentId("NSE_EQ:SBIN"),
    side=Side.BUY,
    terms=OrderTerms(quantity=1, order_type=OrderType.SL),
    product=Product.MTF,
    purpose=Purpose.ENTRY,
    position=PositionId("p"),
    validity=Validity.IOC,
    after_market=True,
)


def shown(*arguments: str) -> str:
    whole = Typer()
    whole.add_typer(app, name="brokers")
    result = CliRunner().invoke(whole, ["brokers", "capabilities", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_table_has_a_column_for_each_and_a_line_for_every_field():
    text = shown()
    assert text.split()[:4] == ["dhan", "upstox", "kite", "paper"]
    assert "25,000" in text
    assert "1-300 min" in text


def test_json_holds_every_field_of_every_broker():
    told = json.loads(shown("--json"))
    assert list(told) == ["dhan", "upstox", "kite", "paper"]
    for broker in (DhanBroker, UpstoxBroker, PaperBroker):
        fields = msgspec.structs.asdict(broker.capabilities)
        assert set(told[broker.capabilities.name]) == set(fields)
    assert told["dhan"]["slices"] is None
    assert told["upstox"]["conditional"] == ["BRACKET", "SINGLE", "TRAILING"]
    assert tuple(told["dhan"]["history_minutes"]) == MINUTES


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ({"order_types": frozenset({OrderType.LIMIT})}, "no order type SL; it has LIMIT"),
        ({"products": frozenset()}, "no product MTF; it has none"),
        ({"validities": frozenset({Validity.DAY})}, "no validity IOC"),
        ({"after_market": False}, "after the market's close"),
        ({"id_length": 1}, "keeps 1 to 1 characters of an id, not 'T1'"),
    ],
)
def test_what_a_broker_lacks_is_refused_in_its_name(lacking, words):
    UpstoxBroker.capabilities.check(ORDER)
    with pytest.raises(Unsupported, match=f"^upstox .*{words}"):
        msgspec.structs.replace(UpstoxBroker.capabilities, **lacking).check(ORDER)
