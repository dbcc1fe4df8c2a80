"""What an executed order costs, component by component, by the rules of its day.

One executed order is one leg: `charge` costs it, `round_trip` costs two, `contract_note` costs a whole day the way the
broker's evening statement does. The numbers live in `charge_tables`. Called when a trade is booked, by the closing
report and by backtests. Arithmetic is `Decimal`; nothing is rounded unless a rounding is asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from enum import StrEnum
from functools import lru_cache

import msgspec

from saudagar.market import charge_tables as tables
from saudagar.market.charge_tables import PLANS, ChargeClass, Dated, Pair, Plan, Tariff
from saudagar.model import Instrument, InstrumentId, InstrumentKind, Paise, Product, Segment, Side
from saudagar.model.errors import CalendarError, ConfigError, DataError

__all__ = [
    "PLANS",
    "Charges",
    "ContractNote",
    "ExecutedOrder",
    "Plan",
    "Rounding",
    "charge",
    "contract_note",
    "exercise_stt",
    "plan_named",
    "round_trip",
]

_ZERO = Decimal(0)
_PAISA = Decimal("0.01")
_RUPEE = Decimal(1)


class Rounding(StrEnum):
    """Where rupees are cut."""

    EXACT = "exact"  # nowhere; the default, and what sums add up in
    CONTRACT_NOTE = "contract_note"  # STT in whole rupees (Dhan: stamp too), the rest to the paisa, half up
    KITE_API = "kite_api"  # like Kite's charges API: exact but for the stamp, which it prints in whole rupees


class Charges(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a cost, each in rupees. Add them with ``+``.

    `exchange` is the exchange's transaction charge and `ipft` the investor-protection contribution that brokers'
    statements often show within it; `stt` is CTT for commodities; `gst` covers brokerage and the fees.
    """

    brokerage: Decimal = _ZERO
    stt: Decimal = _ZERO
    exchange: Decimal = _ZERO
    ipft: Decimal = _ZERO
    sebi: Decimal = _ZERO
    stamp: Decimal = _ZERO
    gst: Decimal = _ZERO
    dp: Decimal = _ZERO

    @property
    def total(self) -> Decimal:
        """The sum of all parts, rupees."""
        return self.brokerage + self.stt + self.exchange + self.ipft + self.sebi + self.stamp + self.gst + self.dp

    @property
    def total_paise(self) -> Paise:
        """The total in whole paise, half a paisa up."""
        return int((self.total * 100).to_integral_value(ROUND_HALF_UP))

    def __add__(self, other: Charges) -> Charges:
        return Charges(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


class ExecutedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order's fills of the day, as a contract note lists them."""

    instrument: Instrument
    product: Product
    side: Side
    quantity: int  # units
    value: Paise  # of all its fills


class ContractNote(msgspec.Struct, frozen=True):
    """A day's charges per instrument, and their sum."""

    by_instrument: dict[InstrumentId, Charges]
    total: Charges


class Rates(msgspec.Struct, frozen=True):
    """Everything that does not depend on the order itself."""

    most: Decimal
    fraction: Decimal | None
    stt_buy: Decimal
    stt_sell: Decimal
    exchange: Decimal
    ipft: Decimal
    sebi: Decimal
    stamp: Decimal
    taxed: Decimal  # fraction of turnover on which GST is taken, brokerage apart


def plan_named(name: str) -> Plan:
    """A broker's built-in plan.

    Raises
    ------
    ConfigError
        If there is no such plan.
    """
    plan = PLANS.get(name)
    if plan is None:
        raise ConfigError(f"there is no charges plan {name!r}; known plans: {', '.join(sorted(PLANS))}.")
    return plan


def charge(
    plan: Plan | str,
    day: date,
    instrument: Instrument,
    product: Product,
    side: Side,
    quantity: int,
    value: Paise,
    rounding: Rounding = Rounding.EXACT,
    *,
    order_value: Paise = 0,
    dp: bool = False,
) -> Charges:
    """The charges of one executed order, or of a part of one.

    Parameters
    ----------
    plan
        A `Plan`, or the name of a built-in one: ``zerodha``, ``dhan``, ``upstox``.
    day
        The IST date of the trade; it chooses the rates.
    quantity
        Units executed, positive.
    value
        Turnover in paise: the sum of price × units; for options, of the premium.
    order_value
        Turnover of the whole order (paise) when this is a part of it: brokerage, being per order, is shared by value.
    dp
        Add the depository charge: for the first delivery sale of an ISIN on a day.

    Raises
    ------
    ConfigError
        Unknown plan.
    CalendarError
        `day` is before the first tabled rate.
    DataError
        A quantity or value that is not a positive whole number; an instrument or product that has no charges.
    """
    if type(quantity) is not int or quantity <= 0 or type(value) is not int or value <= 0:
        raise DataError(
            f"{instrument.id}: charges need a positive whole quantity and value in paise, got {quantity!r}, {value!r}."
        )
    if isinstance(plan, str):
        plan = plan_named(plan)
    rates = rates_of(plan, day, instrument, product)
    turnover = Decimal(value).scaleb(-2)
    bought = side is Side.BUY
    exact = _assemble(
        rates,
        turnover,
        brokerage=_share(rates, turnover, Decimal(max(order_value, value)).scaleb(-2)),
        stt=turnover * (rates.stt_buy if bought else rates.stt_sell),
        stamp=turnover * rates.stamp if bought else _ZERO,
        dp=plan.dp if dp and not bought else _ZERO,
    )
    return exact if rounding is Rounding.EXACT else _rounded(exact, plan, day, rounding)


def round_trip(
    plan: Plan | str,
    day: date,
    instrument: Instrument,
    product: Product,
    quantity: int,
    bought: Paise,
    sold: Paise,
    rounding: Rounding = Rounding.EXACT,
    *,
    sell_day: date | None = None,
    dp: bool = False,
) -> Charges:
    """The charges of `quantity` units bought for `bought` and sold for `sold` paise, one order each.

    `day` is the day of both orders, or of the purchase when `sell_day` is given. Raises like `charge`.
    """
    return charge(plan, day, instrument, product, Side.BUY, quantity, bought, rounding) + charge(
        plan, sell_day or day, instrument, product, Side.SELL, quantity, sold, rounding, dp=dp
    )


def contract_note(
    plan: Plan | str,
    day: date,
    orders: Iterable[ExecutedOrder],
    rounding: Rounding = Rounding.CONTRACT_NOTE,
    *,
    dp: bool = False,
) -> ContractNote:
    """The charges of a whole day, netted per instrument as the exchange nets.

    Of a share, what was both bought and sold that day is intraday and the rest is delivery, whatever product the
    orders named; STT is taken on the day's average price of all its trades, buys and sells together, and rounded per
    part (Zerodha support page on STT). Stamp duty uses the average price of the buys. Brokerage is per order.

    `dp` adds the depository charge, which brokers book beside the note, for each share of which more was sold than
    bought. Raises like `charge`.
    """
    if isinstance(plan, str):
        plan = plan_named(plan)
    groups: defaultdict[InstrumentId, list[ExecutedOrder]] = defaultdict(list)
    for order in orders:
        groups[order.instrument.id].append(order)
    notes = {name: _net(plan, day, group, rounding, dp) for name, group in groups.items()}
    return ContractNote(notes, sum(notes.values(), Charges()))


def exercise_stt(day: date, intrinsic: Paise) -> Decimal:
    """STT in rupees that the holder of an option pays at expiry on its intrinsic value (paise)."""
    if type(intrinsic) is not int or intrinsic < 0:
        raise DataError(f"the intrinsic value must be whole paise and not negative, got {intrinsic!r}.")
    return Decimal(intrinsic).scaleb(-2) * _on(day, tables.EXERCISE_STT, "STT of exercised options")[0]


def _brokerage(rates: Rates, turnover: Decimal) -> Decimal:
    return rates.most if rates.fraction is None else min(rates.most, turnover * rates.fraction)


def _share(rates: Rates, turnover: Decimal, whole: Decimal) -> Decimal:
    brokerage = _brokerage(rates, whole)
    return brokerage if turnover == whole else brokerage * turnover / whole


def _assemble(
    rates: Rates, turnover: Decimal, *, brokerage: Decimal, stt: Decimal, stamp: Decimal, dp: Decimal
) -> Charges:
    return Charges(
        brokerage=brokerage,
        stt=stt,
        exchange=turnover * rates.exchange,
        ipft=turnover * rates.ipft,
        sebi=turnover * rates.sebi,
        stamp=stamp,
        gst=(brokerage + dp + turnover * rates.taxed) * tables.GST,
        dp=dp,
    )


def _net(plan: Plan, day: date, orders: list[ExecutedOrder], rounding: Rounding, dp: bool) -> Charges:
    legs = [
        charge(plan, day, order.instrument, order.product, order.side, order.quantity, order.value) for order in orders
    ]
    brokerage = sum((leg.brokerage for leg in legs), _ZERO)
    instrument = orders[0].instrument
    if instrument.kind is not InstrumentKind.EQUITY:
        return _rounded(sum(legs, Charges()), plan, day, rounding)
    delivery, intraday = (rates_of(plan, day, instrument, kind) for kind in (Product.DELIVERY, Product.INTRADAY))
    bought, buy_value = _totals(orders, Side.BUY)
    sold, sell_value = _totals(orders, Side.SELL)
    turnover = buy_value + sell_value
    average, buy_average = turnover / (bought + sold), buy_value / (bought or 1)
    both, net = min(bought, sold), bought - sold
    tax = both * average * intraday.stt_sell, abs(net) * average * (delivery.stt_buy if net > 0 else delivery.stt_sell)
    whole = rounding is Rounding.CONTRACT_NOTE and "stt" in plan.whole_rupees
    exact = _assemble(
        delivery,
        turnover,
        brokerage=brokerage,
        stt=sum((_half_up(part, _RUPEE) if whole else part for part in tax), _ZERO),
        stamp=buy_average * (both * intraday.stamp + max(net, 0) * delivery.stamp),
        dp=plan.dp if dp and net < 0 else _ZERO,
    )
    return _rounded(exact, plan, day, rounding)


def _totals(orders: list[ExecutedOrder], side: Side) -> tuple[int, Decimal]:
    own = [order for order in orders if order.side is side]
    return sum(order.quantity for order in own), Decimal(sum(order.value for order in own)).scaleb(-2)


def _rounded(exact: Charges, plan: Plan, day: date, rounding: Rounding) -> Charges:
    if rounding is Rounding.EXACT:
        return exact
    if rounding is Rounding.KITE_API:
        # Samples of 2023 and 2025 carry whole rupees; the older sample in Kite's documentation is cut to the paisa.
        stamp = _half_up(exact.stamp, _RUPEE) if day >= date(2023, 4, 1) else exact.stamp.quantize(_PAISA, ROUND_DOWN)
        return msgspec.structs.replace(exact, stamp=stamp)
    return Charges(
        **{
            name: _half_up(getattr(exact, name), _RUPEE if name in plan.whole_rupees else _PAISA)
            for name in exact.__struct_fields__
        }
    )


def _half_up(amount: Decimal, unit: Decimal) -> Decimal:
    return amount.quantize(unit, ROUND_HALF_UP)


def rates_of(plan: Plan, day: date, instrument: Instrument, product: Product) -> Rates:
    """What an order's charges depend on beside the order itself. Raises like `charge`."""
    return _rates(
        plan,
        day,
        instrument.segment,
        instrument.kind,
        product,
        instrument.underlying in tables.BSE_FULL_RATE_UNDERLYINGS,
        instrument.isin.startswith("INF"),  # the ISINs of fund units; shares have INE
    )


@lru_cache(maxsize=1024)
def _rates(
    plan: Plan, day: date, segment: Segment, kind: InstrumentKind, product: Product, full_rate: bool, fund: bool
) -> Rates:
    kind_of = _class_of(segment, kind, product, fund)
    tariff = _TARIFFS[kind_of]
    if segment is Segment.BSE_FNO and tariff is Tariff.OPTION and not full_rate:
        tariff = Tariff.OTHER_OPTION
    exchange, ipft = _on(day, tables.EXCHANGE[segment.exchange, tariff], f"{segment.exchange} {tariff} charges")
    stt_buy, stt_sell = _on(day, tables.STT[kind_of], f"STT for {kind_of}")
    sebi, _ = _on(day, tables.SEBI, "SEBI fees")
    brokerage = plan.brokerage[kind_of]
    return Rates(
        most=brokerage.most,
        fraction=brokerage.fraction,
        stt_buy=stt_buy,
        stt_sell=stt_sell,
        exchange=exchange,
        ipft=ipft,
        sebi=sebi,
        stamp=tables.STAMP[kind_of],
        taxed=exchange + (sebi if day >= plan.gst_on_sebi else _ZERO) + (ipft if day >= plan.gst_on_ipft else _ZERO),
    )


def _class_of(segment: Segment, kind: InstrumentKind, product: Product, fund: bool) -> ChargeClass:
    found = _CLASSES.get((kind, segment is Segment.MCX_COMM, product))
    if found is None or not segment.tradable:
        raise DataError(f"no charges are tabled for {product} in {kind} on {segment}.")
    return ChargeClass.FUND_DELIVERY if fund and found is ChargeClass.DELIVERY else found


def _on(day: date, rows: Dated, what: str) -> Pair:
    for first, pair in reversed(rows):
        if day >= first:
            return pair
    raise CalendarError(
        f"{what} are tabled from {rows[0][0]} on; {day} is before that.",
        hint="Add the older row to saudagar/market/charge_tables.py, or cost the trade at a later day's rates.",
    )


_CLASSES: dict[tuple[InstrumentKind, bool, Product], ChargeClass] = {  # (kind, on MCX, product)
    (InstrumentKind.EQUITY, False, Product.DELIVERY): ChargeClass.DELIVERY,
    (InstrumentKind.EQUITY, False, Product.INTRADAY): ChargeClass.INTRADAY,
    (InstrumentKind.FUTURE, False, Product.INTRADAY): ChargeClass.FUTURE,
    (InstrumentKind.FUTURE, False, Product.MARGIN): ChargeClass.FUTURE,
    (InstrumentKind.OPTION, False, Product.INTRADAY): ChargeClass.OPTION,
    (InstrumentKind.OPTION, False, Product.MARGIN): ChargeClass.OPTION,
    (InstrumentKind.FUTURE, True, Product.INTRADAY): ChargeClass.COMMODITY_FUTURE,
    (InstrumentKind.FUTURE, True, Product.MARGIN): ChargeClass.COMMODITY_FUTURE,
    (InstrumentKind.OPTION, True, Product.INTRADAY): ChargeClass.COMMODITY_OPTION,
    (InstrumentKind.OPTION, True, Product.MARGIN): ChargeClass.COMMODITY_OPTION,
}
_TARIFFS: dict[ChargeClass, Tariff] = {
    ChargeClass.DELIVERY: Tariff.CASH,
    ChargeClass.FUND_DELIVERY: Tariff.CASH,
    ChargeClass.INTRADAY: Tariff.CASH,
    ChargeClass.FUTURE: Tariff.FUTURE,
    ChargeClass.OPTION: Tariff.OPTION,
    ChargeClass.COMMODITY_FUTURE: Tariff.FUTURE,
    ChargeClass.COMMODITY_OPTION: Tariff.OPTION,
}
