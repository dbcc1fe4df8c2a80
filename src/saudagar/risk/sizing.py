"""How many units an entry is."""

from __future__ import annotations

from saudagar.model import Instrument, Paise, SizeBy, Sizing

_RISK, _VALUE, _LOTS = SizeBy.RISK, SizeBy.VALUE, SizeBy.LOTS


def size(sizing: Sizing, instrument: Instrument, price: Paise, stop_distance: Paise, most_value: Paise = 0) -> int:
    """Units of `instrument` in whole lots, never more than the rule allows; 0 if not even one lot fits.

    Parameters
    ----------
    price
        The price of the decision, paise.
    stop_distance
        From entry to stop, paise per unit. Counted in whole ticks, rounded up, as the stop is placed (`engine.guard`):
        its level is never nearer than asked. Sizing by risk without a stop gives 0: an unbounded loss has no size.
    most_value
        A ceiling on `quantity × price`, paise; 0 means none.
    """
    if price <= 0:
        return 0
    if sizing.by is _RISK:
        tick = instrument.tick_size
        units = sizing.amount // (-(-stop_distance // tick) * tick) if stop_distance > 0 else 0
    elif sizing.by is _VALUE:
        units = sizing.amount // price
    elif sizing.by is _LOTS:
        units = sizing.amount * instrument.lot_size
    else:
        units = sizing.amount
    if most_value:
        units = min(units, most_value // price)
    return instrument.whole_lots(units)
