"""What the round trips of a finished backtest cost, trip by trip and by kind of charge.

Both drivers leave the same columns; here they meet `costs`. Statutory charges are worked out for whole columns at once
(`market.charge_arrays`); only entries above the freeze quantity, which are several orders, go one by one.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from saudagar.backtest import slots
from saudagar.backtest.costs import FlatCosts, StatutoryCosts, Trip
from saudagar.market.charge_arrays import SCALE, OrderCharges, by_kind, in_paise
from saudagar.market.charges import Rates, plan_named, rates_of
from saudagar.market.ist import date_of, day_number
from saudagar.model import Instrument, Paise, Side

Ints = NDArray[np.int64]


class Charged(msgspec.Struct, frozen=True, eq=False):
    """Charges of each round trip (paise), and their sum by kind, of which each is rounded by itself; flat costs are of
    no kind."""

    costs: Ints
    kinds: dict[str, Paise]


def charged(rule: FlatCosts | StatutoryCosts, instruments: Sequence[Instrument], trades: Ints, states: Ints) -> Charged:
    """The charges of `trades`, rows by `slots`.

    Parameters
    ----------
    instruments
        Of each position, which the trades name by number.
    states
        Of each position at the end: what an order has opened beyond the last round trip shares its brokerage.
    """
    if isinstance(rule, FlatCosts):
        costs = rule.many(trades[:, slots.OUT_ENTRY_VALUE], trades[:, slots.OUT_EXIT_VALUE])
        return Charged(costs, {})
    costs, sums = np.zeros(len(trades), np.int64), dict[str, int]()
    for number, instrument in enumerate(instruments):
        mine = np.flatnonzero(trades[:, slots.OUT_ROW] == number)
        if len(mine):
            costs[mine] = _of_position(rule, instrument, trades[mine], int(states[number, slots.ENTRY_VALUE]), sums)
    return Charged(costs, by_kind(sums))


def _of_position(rule: StatutoryCosts, instrument: Instrument, trades: Ints, opened: int, sums: dict[str, int]) -> Ints:
    """Of one position's trips in their order; adds to `sums` what they come to by kind."""
    entry, exit_ = trades[:, slots.OUT_ENTRY_VALUE], trades[:, slots.OUT_EXIT_VALUE]
    through = trades[:, slots.OUT_THROUGH] == 1
    before = np.append(0, np.where(through, exit_, 0)[:-1])
    after = np.where(through, np.append(entry[1:], opened), 0)
    freeze = instrument.freeze_quantity
    sliced = (trades[:, slots.OUT_QUANTITY] > freeze) if freeze else np.zeros(len(trades), np.bool_)
    costs = np.zeros(len(trades), np.int64)
    for rates, at in _by_rates(rule, instrument, trades[:, slots.OUT_EXIT_TS]):
        for sign in (1, -1):
            rows = at[(trades[at, slots.OUT_SIGN] == sign) & ~sliced[at]]
            if not len(rows):
                continue
            side = Side.of(sign)
            legs = (
                OrderCharges(rates, side, entry[rows], entry[rows] + before[rows]),
                OrderCharges(rates, side.opposite, exit_[rows], exit_[rows] + after[rows]),
            )
            costs[rows] = in_paise(legs[0].total + legs[1].total)
            for leg in legs:
                for kind, amounts in leg.parts.items():
                    sums[kind] = sums.get(kind, 0) + sum(amounts)
    for row in np.flatnonzero(sliced).tolist():
        charges = rule.charges(_trip(instrument, trades[row], int(before[row]), int(after[row])))
        costs[row] = charges.total_paise
        for kind in charges.__struct_fields__:
            sums[kind] = sums.get(kind, 0) + int(getattr(charges, kind) * 100 * SCALE)
    return costs


def _by_rates(rule: StatutoryCosts, instrument: Instrument, exits: Ints) -> list[tuple[Rates, NDArray[np.int64]]]:
    """The trips in groups of the same rates."""
    plan = plan_named(rule.plan)
    days, which = np.unique(day_number(exits), return_inverse=True)
    rates = [rates_of(plan, date_of(day), instrument, rule.product) for day in days.tolist()]
    kinds = list(dict.fromkeys(rates))
    number = np.array([kinds.index(each) for each in rates], np.int64)[which]
    return [(each, np.flatnonzero(number == k)) for k, each in enumerate(kinds)]


def _trip(instrument: Instrument, trade: Ints, before: Paise, after: Paise) -> Trip:
    _, sign, quantity, _, entry, exit_ts, exit_, *_ = trade.tolist()
    return Trip(instrument, Side.of(sign), quantity, exit_ts, entry, exit_, before, after)
