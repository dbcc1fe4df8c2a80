"""What a trade costs: the dated rates of the state and the exchanges, and the brokers' price lists. Data for `charges`.

Rates are fractions of turnover (of the premium, for options); each row begins on its date and ends where the next one
begins. A day before the first row is refused. Newest evidence: September 2026.

Sources. *STT*: NSE FATAX73524 (2026-03-31, Finance Act 2026) and, for the past, Zerodha's support pages. *Exchange*:
NSE FA73061 (from 2026-03-01), NSE/FA/64323 (from 2024-10-01), FA61137 (2024-04-01), FA56129 (2023-04-01) and FA46730
(2021-01-01; its fund's share of one paisa per crore is in no broker's print); before October 2024 members paid by
slabs, and the first is tabled, which brokers passed on. BSE notices 20240927-37, 20240430-42, 20220425-2 and
20190819-14; what SENSEX and BANKEX options cost before 2024-05-13 hung on their expiry. MCX from brokers' price lists
(of its older rates the first day is not known). *SEBI*: halved from June 2020 to March 2021 (press release of
2020-04-27). *Stamp*: uniform rates since 2020-07-01. *Brokerage*: the brokers' support pages of 2026; what they charged
before is not tabled, so past days are costed at today's brokerage. BSE's group rates (X, XT, Z 0.10 %; P, ZP 1 %; M,
MT, TS 0.00275 %) need a group that an `Instrument` does not carry: every BSE share is costed as group A or B.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

import msgspec

from saudagar.model import Exchange


class ChargeClass(StrEnum):
    """What the rules tell apart."""

    DELIVERY = "DELIVERY"
    FUND_DELIVERY = "FUND_DELIVERY"  # units of an equity-oriented fund (an ETF)
    INTRADAY = "INTRADAY"
    FUTURE = "FUTURE"
    OPTION = "OPTION"
    COMMODITY_FUTURE = "COMMODITY_FUTURE"  # not agricultural
    COMMODITY_OPTION = "COMMODITY_OPTION"


class Tariff(StrEnum):
    """The lines of an exchange's price list."""

    CASH = "CASH"
    FUTURE = "FUTURE"
    OPTION = "OPTION"
    OTHER_OPTION = "OTHER_OPTION"  # BSE: SENSEX50 and stocks


Pair: TypeAlias = tuple[Decimal, Decimal]
Dated: TypeAlias = tuple[tuple[date, Pair], ...]


def _percent(text: str) -> Decimal:
    return Decimal(text) / 100


def _dated(*rows: tuple[str, str, str]) -> Dated:
    """Rows of (first day, percent, percent)."""
    return tuple((date.fromisoformat(day), (_percent(one), _percent(two))) for day, one, two in rows)


STT: dict[ChargeClass, Dated] = {  # buyer, seller
    ChargeClass.DELIVERY: _dated(("2015-01-01", "0.1", "0.1")),
    ChargeClass.FUND_DELIVERY: _dated(("2015-01-01", "0", "0.001")),
    ChargeClass.INTRADAY: _dated(("2015-01-01", "0", "0.025")),
    ChargeClass.FUTURE: _dated(
        ("2015-01-01", "0", "0.01"),
        ("2023-04-01", "0", "0.0125"),
        ("2024-10-01", "0", "0.02"),
        ("2026-04-01", "0", "0.05"),
    ),
    ChargeClass.OPTION: _dated(
        ("2015-01-01", "0", "0.017"),
        ("2016-06-01", "0", "0.05"),
        ("2023-04-01", "0", "0.0625"),
        ("2024-10-01", "0", "0.1"),
        ("2026-04-01", "0", "0.15"),
    ),
    ChargeClass.COMMODITY_FUTURE: _dated(("2015-01-01", "0", "0.01")),
    ChargeClass.COMMODITY_OPTION: _dated(("2015-01-01", "0", "0.05")),
}
"""Securities transaction tax; for commodities CTT."""

EXERCISE_STT: Dated = _dated(("2015-01-01", "0.125", "0"), ("2026-04-01", "0.15", "0"))
"""On the intrinsic value of an option that is exercised at expiry, paid by its holder."""

EXCHANGE: dict[tuple[Exchange, Tariff], Dated] = {  # transaction charge, contribution to the investor protection fund
    (Exchange.NSE, Tariff.CASH): _dated(
        ("2021-01-01", "0.00345", "0"),
        ("2023-04-01", "0.00325", "0.0001"),
        ("2024-04-01", "0.00322", "0.0001"),
        ("2024-10-01", "0.00297", "0.0001"),
        ("2026-03-01", "0.0030699", "0.0000001"),
    ),
    (Exchange.NSE, Tariff.FUTURE): _dated(
        ("2021-01-01", "0.002", "0"),
        ("2023-04-01", "0.0019", "0.0001"),
        ("2024-04-01", "0.00188", "0.0001"),
        ("2024-10-01", "0.00173", "0.0001"),
        ("2026-03-01", "0.0018299", "0.0000001"),
    ),
    (Exchange.NSE, Tariff.OPTION): _dated(
        ("2021-01-01", "0.053", "0"),
        ("2023-04-01", "0.05", "0.0005"),
        ("2024-04-01", "0.0495", "0.0005"),
        ("2024-10-01", "0.03503", "0.0005"),
        ("2026-03-01", "0.03552", "0.00001"),
    ),
    (Exchange.BSE, Tariff.CASH): _dated(("2022-12-01", "0.00375", "0")),
    (Exchange.BSE, Tariff.FUTURE): _dated(("2021-01-01", "0", "0")),
    (Exchange.BSE, Tariff.OPTION): _dated(("2024-05-13", "0.0495", "0"), ("2024-10-01", "0.0325", "0")),
    (Exchange.BSE, Tariff.OTHER_OPTION): _dated(("2022-05-02", "0.005", "0")),
    (Exchange.MCX, Tariff.FUTURE): _dated(("2024-10-01", "0.0021", "0")),
    (Exchange.MCX, Tariff.OPTION): _dated(("2024-10-01", "0.0418", "0")),
}
BSE_FULL_RATE_UNDERLYINGS = frozenset({"SENSEX", "BANKEX"})

SEBI: Dated = _dated(("2020-06-01", "0.00005", "0"), ("2021-04-01", "0.0001", "0"))
"""Its turnover fee, on each side; the second of each pair stays empty."""

STAMP: dict[ChargeClass, Decimal] = {  # buyer only
    ChargeClass.DELIVERY: _percent("0.015"),
    ChargeClass.FUND_DELIVERY: _percent("0.015"),
    ChargeClass.INTRADAY: _percent("0.003"),
    ChargeClass.FUTURE: _percent("0.002"),
    ChargeClass.OPTION: _percent("0.003"),
    ChargeClass.COMMODITY_FUTURE: _percent("0.002"),
    ChargeClass.COMMODITY_OPTION: _percent("0.003"),
}
GST = _percent("18")


class Brokerage(msgspec.Struct, frozen=True):
    """The smaller of `most` rupees and `fraction` of turnover, per executed order; flat without a fraction."""

    most: Decimal
    fraction: Decimal | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A broker's price list and its habits.

    `dp` is the depository charge in rupees without GST, per ISIN and day on which shares leave the demat account.
    `gst_on_sebi` and `gst_on_ipft` are the first days from which GST is also taken on those fees.
    `whole_rupees` names the components that its contract notes show without paise.
    """

    name: str
    brokerage: Mapping[ChargeClass, Brokerage]
    dp: Decimal
    gst_on_sebi: date = date.min
    gst_on_ipft: date = date(2024, 10, 1)
    whole_rupees: frozenset[str] = frozenset({"stt"})


def _flat(rupees: str) -> Brokerage:
    return Brokerage(Decimal(rupees))


def _up_to(rupees: str, percent: str) -> Brokerage:
    return Brokerage(Decimal(rupees), _percent(percent))


def price_list(
    delivery: Brokerage, intraday: Brokerage, future: Brokerage, option: Brokerage
) -> dict[ChargeClass, Brokerage]:
    """A price list per class, from the four lines that brokers print."""
    return {
        ChargeClass.DELIVERY: delivery,
        ChargeClass.FUND_DELIVERY: delivery,
        ChargeClass.INTRADAY: intraday,
        ChargeClass.FUTURE: future,
        ChargeClass.OPTION: option,
        ChargeClass.COMMODITY_FUTURE: future,
        ChargeClass.COMMODITY_OPTION: option,
    }


PLANS: dict[str, Plan] = {
    plan.name: plan
    for plan in (
        Plan(
            name="zerodha",
            brokerage=price_list(_flat("0"), _up_to("20", "0.03"), _up_to("20", "0.03"), _flat("20")),
            dp=Decimal("13"),  # 15.34 with GST
        ),
        Plan(
            name="dhan",
            brokerage=price_list(_flat("0"), _up_to("20", "0.03"), _up_to("20", "0.03"), _flat("20")),
            dp=Decimal("12.5"),
            whole_rupees=frozenset({"stt", "stamp"}),
        ),
        Plan(
            name="upstox",
            brokerage=price_list(_flat("20"), _up_to("20", "0.1"), _up_to("20", "0.05"), _flat("20")),
            dp=Decimal("18.5"),
            gst_on_sebi=date(2024, 10, 1),  # Upstox's sample of 2023 taxes brokerage and the exchange's fee only
        ),
    )
}
