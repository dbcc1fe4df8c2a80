"""The rules that stand between a wish and the wire.

An order that opens passes all of `ENTRY_RULES`; one that only reduces passes `EXIT_RULES`, never none. The first rule
that objects decides. Rules are pure and fail closed: what is not known is not allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import msgspec

from saudagar.model import (
    SECOND,
    Instrument,
    InstrumentId,
    Nanos,
    OrderTerms,
    OrderType,
    Paise,
    Product,
    Purpose,
    Side,
    TradingState,
    inr,
)

LEVERAGE = {Product.DELIVERY: 100, Product.INTRADAY: 500, Product.MARGIN: 1_000, Product.MTF: 400}
"""What positions may be worth in percent of the money that there is, by product and about: intraday shares are margined
at a fifth at least (SEBI, peak margins in full since September 2021), index futures at about a tenth, shares on margin
trading at a quarter."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the user allows. 0 means no limit, except where the text says otherwise."""

    allowed: frozenset[InstrumentId] = frozenset()  # empty allows nothing
    max_order_quantity: int = 0
    max_order_value: Paise = 0
    max_open_positions: int = 0
    max_trades: int = 0  # round trips in a day
    price_band_ppm: int = 20_000  # an order's price may be so far from the last one
    stale: Nanos = 10 * SECOND  # a price older than this is none
    orders_per_second: int = 8  # writes to the broker in one calendar second
    day_loss: Paise = 0  # positive
    day_profit: Paise = 0
    capital: Paise = 0  # the account's money when the desk began to count what it earns
    leverage_percent: int = 0  # of that money and what was earned since; so much may positions be worth


class Approved(msgspec.Struct, frozen=True):
    pass


class Denied(msgspec.Struct, frozen=True):
    """`rule` is its short name, `message` what a trader should read."""

    rule: str
    message: str


Verdict: TypeAlias = Approved | Denied
APPROVED = Approved()


class Proposal(msgspec.Struct, frozen=True, gc=False):
    """An order that wants out, and what the desk knows around it."""

    instrument: Instrument
    side: Side
    purpose: Purpose
    terms: OrderTerms
    now: Nanos
    last: Paise  # 0 if there never was a price
    last_ts: Nanos
    session_open: bool
    trading: TradingState
    held: int  # signed units of this position
    working: int  # unsigned units of its other working orders on the same side
    open_positions: int  # positions held or being opened, this one not counted
    trades: int  # round trips so far today
    frozen: str = ""  # why the instrument is frozen; empty if it is not
    whole: int = 0  # units of the whole entry of which this order is a slice; 0 if it is no slice
    kept: int = 0  # units held on its side that stay beside the whole entry
    tied: Paise = 0  # what the desk holds, at its cost, and is opening; without what this order opens or closes
    earned: Paise = 0  # by all round trips since the capital was stated, after charges


_ENTRY, _BUY = Purpose.ENTRY, Side.BUY
_ACTIVE, _HALTED = TradingState.ACTIVE, TradingState.HALTED
_PRICED = frozenset(kind for kind in OrderType if kind.has_price)
_TRIGGERED = frozenset(kind for kind in OrderType if kind.has_trigger)

Rule: TypeAlias = Callable[[Proposal, Limits], str]
"""Returns the objection, or an empty string."""


def _halted(p: Proposal, _: Limits) -> str:
    return "trading is HALTED: only cancels are sent." if p.trading is _HALTED else ""


def _reducing(p: Proposal, _: Limits) -> str:
    return "" if p.trading is _ACTIVE else f"trading is {p.trading}: nothing may be opened."


def _frozen(p: Proposal, _: Limits) -> str:
    return f"{p.instrument.id} is frozen: {p.frozen}" if p.frozen else ""


def _tradable(p: Proposal, limits: Limits) -> str:
    name = p.instrument.id
    if not p.instrument.segment.tradable:
        return f"{name} is an index; it cannot be traded."
    return "" if name in limits.allowed else f"{name} is not on the allowed list."


def _session(p: Proposal, _: Limits) -> str:
    return "" if p.session_open else f"{p.instrument.id} is not in a trading session now."


def _fresh(p: Proposal, limits: Limits) -> str:
    if not p.last:
        return f"{p.instrument.id} has no price yet."
    age = p.now - p.last_ts
    return f"the last price of {p.instrument.id} is {age / SECOND:.1f} s old." if age > limits.stale else ""


def _grid(p: Proposal, _: Limits) -> str:
    return _off_grid(p.instrument, p.terms)


def _off_grid(instrument: Instrument, terms: OrderTerms) -> str:
    quantity, kind = terms.quantity, terms.order_type
    if quantity <= 0 or quantity % instrument.lot_size:
        return f"quantity {quantity} is not a positive multiple of the lot {instrument.lot_size}."
    if instrument.freeze_quantity and quantity > instrument.freeze_quantity:
        return f"quantity {quantity} is above the freeze quantity {instrument.freeze_quantity}."
    tick, price, trigger = instrument.tick_size, terms.price, terms.trigger_price
    if kind in _PRICED and (price <= 0 or price % tick):
        return f"price {inr(price)} is not a positive multiple of the tick {inr(tick)}."
    if kind in _TRIGGERED and (trigger <= 0 or trigger % tick):
        return f"trigger price {inr(trigger)} is not a positive multiple of the tick {inr(tick)}."
    return ""


def _quantity(p: Proposal, limits: Limits) -> str:
    most = limits.max_order_quantity
    quantity = p.whole or p.terms.quantity  # of an order through zero only what it opens counts
    return f"quantity {quantity} is above the limit {most}." if quantity > most else ""


def _value(p: Proposal, limits: Limits) -> str:
    most, value = limits.max_order_value, _worth(p)
    return f"value {inr(value)} is above the limit {inr(most)}." if value > most else ""


def _worth(p: Proposal) -> Paise:
    """Of the whole entry, at the worst price that it may pay."""
    return (p.whole or p.terms.quantity) * max(p.terms.price, p.last)


def _band(p: Proposal, limits: Limits) -> str:
    for price in (p.terms.price, p.terms.trigger_price):
        if price and abs(price - p.last) * 1_000_000 > limits.price_band_ppm * p.last:
            share = (price - p.last) / p.last * 100
            return f"price {inr(price)} is {share:+.2f} % away from the last price {inr(p.last)}."
    return ""


def _positions(p: Proposal, limits: Limits) -> str:
    most = limits.max_open_positions
    full = not p.held and p.open_positions >= most
    return f"{p.open_positions} positions are open; the limit is {most}." if full else ""


def _trades(p: Proposal, limits: Limits) -> str:
    most = limits.max_trades
    closes = p.held < 0 if p.side is _BUY else p.held > 0
    trades = p.trades + closes  # a reversal completes one before it opens the next
    return f"{trades} round trips today; the limit is {most}." if trades >= most else ""


def _cash(p: Proposal, limits: Limits) -> str:
    """What is lent is refused beyond, not made smaller: so does a broker. A reversal frees what it closes."""
    if p.held * p.side.sign >= (p.whole or p.terms.quantity) + p.kept:
        return ""  # it was on its way out and is to stay: nothing is bought
    value, most = _worth(p), (limits.capital + p.earned) * limits.leverage_percent // 100
    if p.tied + value <= most:
        return ""
    return f"{inr(value)} is needed and {inr(max(0, most - p.tied))} is free: {inr(p.tied)} of {inr(most)} is in use."


def _reduces(p: Proposal, _: Limits) -> str:
    return _opens(p.side, p.terms.quantity + p.working, p.held)


def _opens(side: Side, total: int, held: int) -> str:
    """A close can never open."""
    if held * side.sign >= 0:
        return f"a {side} cannot reduce a position of {held}."
    return f"closing {total} of a position of {held} would open one." if total > abs(held) else ""


EXIT_RULES: tuple[tuple[str, Rule], ...] = (
    ("halted", _halted),
    ("reduce-only", _reduces),
    ("session", _session),
    ("grid", _grid),
)


ENTRY_RULES: tuple[tuple[str, Rule], ...] = (
    ("halted", _halted),
    ("reducing", _reducing),
    ("frozen", _frozen),
    ("allowed", _tradable),
    ("session", _session),
    ("stale-price", _fresh),
    ("grid", _grid),
    ("quantity", _quantity),
    ("value", _value),
    ("price-band", _band),
    ("open-positions", _positions),
    ("trades", _trades),
    ("cash", _cash),
)

_NAMES = {rule: name for name, rule in (*EXIT_RULES, *ENTRY_RULES)}

_BOUND_BY = {
    "quantity": "max_order_quantity",
    "value": "max_order_value",
    "open-positions": "max_open_positions",
    "trades": "max_trades",
    "cash": "leverage_percent",
}
"""The rules that object to nothing where their limit is 0."""


_CALM = frozenset({"halted", "reducing", "frozen", "session", "allowed"})
"""The rules that object to nothing on an ordinary day: no switch is turned, the market is open, and the instrument has
been found tradable."""


class PreTrade:
    """The rules under one set of limits."""

    def __init__(self, limits: Limits) -> None:
        idle = {name for name, limit in _BOUND_BY.items() if not getattr(limits, limit)}
        entry = [(name, rule) for name, rule in ENTRY_RULES if name not in idle]
        self._limits = limits
        self._entry, self._exit = (tuple(rule for _, rule in rows) for rows in (entry, EXIT_RULES))
        self._calm_entry, self._calm_exit = (
            tuple(rule for name, rule in rows if name not in _CALM) for rows in (entry, EXIT_RULES)
        )
        self._tradable: set[Instrument] = set()

    def check(self, proposal: Proposal) -> Verdict:
        """The verdict on one order."""
        p, limits, opens = proposal, self._limits, proposal.purpose is _ENTRY
        known = p.instrument in self._tradable
        if known and p.trading is _ACTIVE and p.session_open and not p.frozen:
            rules = self._calm_entry if opens else self._calm_exit
        else:
            rules = self._entry if opens else self._exit
        for rule in rules:
            if objection := rule(p, limits):
                return Denied(_NAMES[rule], objection)
        if opens and not known:
            self._tradable.add(p.instrument)
        return APPROVED


pre_trade = lru_cache(maxsize=16)(PreTrade)
"""The rules under `limits`, made once: a replay opens a desk for each of its days."""


def check(proposal: Proposal, limits: Limits) -> Verdict:
    """The verdict on one order."""
    return pre_trade(limits).check(proposal)


def only_closes(instrument: Instrument, side: Side, terms: OrderTerms, *, held: int, working: int) -> bool:
    """Whether an order passes `EXIT_RULES` while trading is not HALTED and the market is open; see `Proposal`.

    Asked before `check`, which says why one does not: most orders that reduce need no more.
    """
    held = -held * side.sign  # on the other side
    return 0 < terms.quantity + working <= held and not _off_grid(instrument, terms)


def day_limit(profit: Paise, limits: Limits) -> str:
    """Why `profit` (of the day, open positions included) ends the day; empty if it does not."""
    if limits.day_loss and profit <= -limits.day_loss:
        return f"day loss limit: {inr(profit)} against a limit of {inr(-limits.day_loss)}"
    if limits.day_profit and profit >= limits.day_profit:
        return f"day profit goal: {inr(profit)} against a goal of {inr(limits.day_profit)}"
    return ""


class Throttle:
    """Counts writes by calendar second of the engine's clock; the exchange's rule is 10 a second and segment."""

    def __init__(self, per_second: int) -> None:
        self.per_second = per_second
        self._second = -1
        self._used = 0

    def take(self, now: Nanos, *, spare: int = 0) -> bool:
        """Use one slot of the second of `now` if more than `spare` are left (kept for cancels and exits)."""
        second = now // SECOND
        if second != self._second:  # the first write of a second always may be made
            self._second, self._used = second, 1
            return True
        most = self.per_second
        if most and self._used + (spare if spare < most else most - 1) >= most:
            return False
        self._used += 1
        return True
