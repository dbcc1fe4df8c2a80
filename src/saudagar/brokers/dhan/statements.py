"""What Dhan's statements say: executions of today and of earlier days, the ledger, margins, what may be sold.

Amounts come as numbers or as texts, dates in three spellings; ``Jan 01, 1970`` and ``NA`` mean none.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

import msgspec

from saudagar.brokers.dhan import words
from saudagar.brokers.dhan.parse import NONE, broker_id, count, instrument_of, number, paise
from saudagar.brokers.fields import Row, naive_ist, text, units_per_lot
from saudagar.execution.ports import InstrumentLookup
from saudagar.model import AccountTrade, InstrumentId, LedgerEntry, Margin, Paise, SaleAuthority, to_paise
from saudagar.model.errors import DataError

_CHARGES = ("sebiTax", "stt", "brokerageCharges", "serviceTax", "exchangeTransactionCharges", "stampDuty")
_NO_DAY = date(1970, 1, 1)


def trade_of_today(row: Row, lookup: InstrumentLookup) -> AccountTrade:
    """One execution of the day's trade book, which counts lots on MCX. Raises `DataError` if it is none."""
    told = trade(row, lookup)
    return msgspec.structs.replace(told, quantity=told.quantity * units_per_lot(instrument_of(row, lookup)[0]))


def trade(row: Row, lookup: InstrumentLookup) -> AccountTrade:
    """One execution of the history. It names charges and no ids of trades, and counts units on MCX too.

    (GOLD, four lots: recorded on 2026-08-27 as 400, with the STT of 400.)

    Raises
    ------
    DataError
        If it is none.
    """
    side = words.SIDE.get(text(row.get("transactionType")))
    product = words.PRODUCT_READ.get(text(row.get("productType")))
    quantity, price = count(row, "tradedQuantity"), money(row, "tradedPrice")
    if side is None or product is None or quantity <= 0 or price < 0:
        raise DataError(
            f"Dhan gave a trade of {row.get('tradedQuantity')!r} at {row.get('tradedPrice')!r}: "
            f"{row.get('transactionType')!r} as {row.get('productType')!r}."
        )
    name = text(row.get("exchangeTradeId"))
    symbol = text(row.get("tradingSymbol")) or text(row.get("customSymbol"))
    known, _ = instrument_of(row, lookup)
    return AccountTrade(
        trade_id="" if name in NONE else name,
        broker_id=broker_id(row.get("orderId")),
        symbol=symbol,
        side=side,
        product=product,
        quantity=quantity,
        price=price,
        ts=naive_ist(row.get("exchangeTime")) or naive_ist(row.get("createTime")),
        instrument=known.id if known else InstrumentId(""),
        charges=to_paise(sum(number(row.get(name)) for name in _CHARGES)) if _CHARGES[0] in row else None,
    )


def ledger(rows: Iterable[Row], start: date, end: date) -> list[LedgerEntry]:
    """The ledger of `start` to `end`, oldest first; Dhan gives the newest first, and its first and last line no day.

    Raises
    ------
    DataError
        If a row is not a line of it.
    """
    lines = [_line(row, start, end) for row in rows]
    lines.reverse()
    lines.sort(key=lambda line: line.day)  # keeps the order within a day
    return lines


def _line(row: Row, start: date, end: date) -> LedgerEntry:
    narration = text(row.get("narration"))
    day = _day(row.get("voucherdate"))
    if day == _NO_DAY:
        day = start if narration.upper().startswith("OPENING") else end
    return LedgerEntry(
        day=day,
        narration=narration,
        debit=money(row, "debit"),
        credit=money(row, "credit"),
        balance=money(row, "runbal"),
        voucher=text(row.get("vouchernumber")),
    )


def _day(value: object) -> date:
    try:
        return datetime.strptime(text(value), "%b %d, %Y").date()  # noqa: DTZ007  # a day, not a moment
    except ValueError:
        raise DataError(f"Dhan gave {value!r} for a day of the ledger; it writes Jun 22, 2022.") from None


def margin(row: Row, lookup: InstrumentLookup) -> Margin:
    """Of one order. Its brokerage is not all of its charges, so those stay unknown."""
    return Margin(
        required=money(row, "totalMargin", needed=True),
        available=money(row, "availableBalance"),
        span=money(row, "spanMargin"),
        exposure=money(row, "exposureMargin"),
    )


def margin_of_several(row: Row, lookup: InstrumentLookup) -> Margin:
    """Of several orders together, with what they save by hedging each other."""
    return Margin(
        required=money(row, "total_margin", needed=True),
        span=money(row, "span_margin"),
        exposure=money(row, "exposure_margin"),
    )


def authority(row: Row, lookup: InstrumentLookup) -> SaleAuthority:
    """What the depository lets Dhan sell of one holding."""
    if not text(row.get("isin")):
        raise DataError("Dhan gave an authority to sell without an ISIN.")
    return SaleAuthority(
        isin=text(row.get("isin")),
        held=count(row, "totalQty"),
        authorised=count(row, "aprvdQty"),
        status=text(row.get("status")),
        remarks=text(row.get("remarks")),
    )


def money(row: Row, key: str, *, needed: bool = False) -> Paise:
    """An amount of `row`. Raises `DataError`, also for one that is missing and `needed`."""
    if needed and row.get(key) is None:
        raise DataError(f"Dhan's answer holds no {key!r}.")
    return paise(row.get(key))
