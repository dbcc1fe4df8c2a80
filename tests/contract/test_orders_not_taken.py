"""What no broker's exchange takes is refused by each adapter before the wire, and by the simulated exchange as well."""

from datetime import date

import pytest
from tests.contract.asked import SHARE, TOKEN, live_order, new_order, opened
from tests.contract.conftest import MARKET_DAY
from tests.contract.suite.market import FUTURE

from saudagar.brokers.dhan.broker import DhanBroker, DhanSettings
from saudagar.brokers.kite.broker import KiteBroker
from saudagar.brokers.kite.client import KiteSettings
from saudagar.brokers.upstox.broker import UpstoxBroker, UpstoxOrderSettings
from saudagar.exchange.core_orders import Refusal
from saudagar.exchange.core_rules import check_terms
from saudagar.market.master import Master
from saudagar.model import (
    Instrument,
    InstrumentKind,
    OrderTerms,
    OrderType,
    Product,
    Right,
    Segment,
    Side,
    Validity,
)
from saudagar.model.errors import Unsupported

pytestmark = pytest.mark.children_unmeasured


def named(segment: Segment, symbol: str, kind: InstrumentKind, number: int, **more) -> Instrument:
    return Instrument(
        segment=segment,
        symbol=symbol,
        kind=kind,
        tick_size=5,
        dhan_id=str(number),
        upstox_id=f"{segment}|{number}",
        kite_id=str(number * 256 + 5),
        kite_symbol=symbol,
        **more,
    )


EXPIRY = {"expiry": date(2026, 11, 24), "strike": 24_000_00, "right": Right.CALL}
OPTION = named(Segment.NSE_FNO, "NIFTY-CE", InstrumentKind.OPTION, 1, **EXPIRY)
SENSEX = named(Segment.BSE_FNO, "SENSEX-CE", InstrumentKind.OPTION, 2, **EXPIRY)
BSE_FUTURE = named(Segment.BSE_FNO, "SENSEX-FUT", InstrumentKind.FUTURE, 3)
BSE_SHARE = named(Segment.BSE_EQ, "TCS", InstrumentKind.EQUITY, 4)
CRUDE = named(Segment.MCX_COMM, "CRUDEOIL-FUT", InstrumentKind.FUTURE, 6)
WITHOUT_SL_M = (OPTION, SENSEX, BSE_FUTURE, BSE_SHARE)
WITH_SL_M = (SHARE, FUTURE, CRUDE)

LOOKUP = Master(MARKET_DAY, (*WITHOUT_SL_M, *WITH_SL_M))
STOP = OrderTerms(quantity=1, order_type=OrderType.SL_M, trigger_price=100_00)


def made(name: str, port: int):
    url = f"http://127.0.0.1:{port}"
    if name == "dhan":
        return DhanBroker(DhanSettings(client_id="1", token=TOKEN, rest_url=f"{url}/v2"), LOOKUP)
    if name == "upstox":
        return UpstoxBroker(UpstoxOrderSettings(token=TOKEN, rest_host=url), LOOKUP)
    return KiteBroker(KiteSettings(api_key="KEY", token=TOKEN, rest_url=url), LOOKUP)


@pytest.mark.parametrize("name", ["dhan", "upstox", "kite"])
def test_a_stop_at_the_market_where_the_exchange_has_none_never_reaches_the_broker(server, name):
    """NSE's options since 2021, all of BSE since 2023: refused there, such a stop would leave its position bare."""

    async def work(broker):
        for instrument in WITHOUT_SL_M:
            asked = {"instrument": instrument.id, "product": Product.INTRADAY}
            with pytest.raises(Unsupported, match="no SL-M orders for"):
                await broker.submit(new_order(**asked, terms=STOP))
            with pytest.raises(Unsupported, match="no SL-M orders for"):
                await broker.modify(live_order(**asked), STOP)

    opened(lambda: made(name, server.port), work)
    assert server.requests == []


def test_the_exchange_knows_the_same_rule():
    for instrument in WITHOUT_SL_M:
        with pytest.raises(Refusal, match="SL-M orders are not allowed"):
            check_terms(instrument, Side.SELL, STOP, Product.INTRADAY, Validity.DAY)
    for instrument in WITH_SL_M:
        terms = OrderTerms(quantity=instrument.lot_size, order_type=OrderType.SL_M, trigger_price=100_00)
        check_terms(instrument, Side.SELL, terms, Product.INTRADAY, Validity.DAY)


def test_kite_takes_no_ioc_orders_of_programs_on_mcx(server):
    terms = OrderTerms(quantity=1, order_type=OrderType.LIMIT, price=100_00)

    async def work(broker):
        asked = new_order(instrument=CRUDE.id, product=Product.MARGIN, terms=terms, validity=Validity.IOC)
        with pytest.raises(Unsupported, match="IOC"):
            await broker.submit(asked)

    opened(lambda: made("kite", server.port), work)
    assert server.requests == []
