"""Where things stand in a kernel's rows of whole numbers."""

from __future__ import annotations

FAR = 1 << 60

# the state of one position
(
    QUANTITY,
    TARGET,
    ENTRY_QUANTITY,
    ENTRY_VALUE,
    EXIT_QUANTITY,
    EXIT_VALUE,
    OPENED,
    REASON,
    STOP,
    GOAL,  # the target price
    BEST,
    TRAILED,
    AVERAGE,
    ENTRY,
    TRAIL,
    TRAIL_STEP,
    BREAK_EVEN,
    FLOOR,
    CEILING,
    FILLS,
    TRIGGER,  # of the resting stop
    WOKEN,  # the limit of a stop that the price has jumped
    CHANGES,  # modifications of the resting stop
    HIT,  # since when the desk waits for the resting stop
    LAST,  # price
    MARK,  # open profit at the last price
    PENDING,  # signed units of the order under way
    FILLED,  # price of the resting stop's fill
    POINTS,  # of stop, target, trail, break-even
) = range(29)
WISHED = POINTS + 4  # the same of the wish at hand
STATE = WISHED + 4

# what stays the same for one plan on one instrument
(
    TICK,
    LOT,
    MOST_UNITS,  # of one order (freeze), whole lots
    SIZE_BY,
    AMOUNT,
    SIDE,
    MAX_AGE,
    FROM,  # entry window, ns since midnight IST
    UNTIL,
    SQUARE_OFF,
    ALLOWED,
    MOST_QUANTITY,
    MOST_VALUE,
    MOST_OPEN,
    MOST_TRADES,
    PRICE_BAND,
    ENTRY_REACH,  # ppm beyond the price that an entry's limit reaches; -1 for market orders
    REST,
    STOP_BAND,  # ppm; -1 for stops without a limit
    MOST_CHANGES,
    CHASE,
    FLIP,
    SLIP_TICKS,
    SLIP_PPM,
    COST_PPM,
    NEEDS_ATR,
    EXIT_REACH,  # ppm beyond the price that an exit's limit reaches
    DAY_LOSS,
    DAY_PROFIT,
    CAPITAL,
    LEVERAGE,  # percent; 0 where nobody counts the cash
) = range(31)
HAS = 31  # stop, target, trail, break-even: whether there is one
PPM = HAS + 4
CONST_POINTS = PPM + 4
ATR_MILLI = CONST_POINTS + 4  # multiple of ATR, times its scale
ATR_SCALE = ATR_MILLI + 4
CONSTANTS = ATR_SCALE + 4

# what all positions share
TRADES, TODAY, REALISED, CHARGES, OPEN, REDUCING, OPEN_PROFIT, SQUARED, FLATTENED = range(9)
EARNED = 9  # before today, after charges
TIED = 10  # by the other positions
REFUSED = 11  # wishes refused for want of cash
BROUGHT = 12  # profit that lay in the positions at the last day's end
SHARED = 13

# one round trip
OUT_ROW, OUT_SIGN, OUT_QUANTITY, OUT_ENTRY_TS, OUT_ENTRY_VALUE, OUT_EXIT_TS, OUT_EXIT_VALUE, OUT_REASON = range(8)
OUT_THROUGH = 8  # whether the order that closed it opened the next
OUT = 9

BY_QUANTITY, BY_LOTS, BY_VALUE, BY_RISK = range(4)
LONG, SHORT, EXIT_LONG, EXIT_SHORT = 1, 2, 4, 8

BY_SIGNAL, BY_STOP, BY_TRAIL, BY_BREAK_EVEN, BY_TARGET, BY_TIME, BY_SQUARE_OFF, BY_DAY_LIMIT, BY_DENIAL = range(1, 10)
REASONS = ("", "", "stop", "trailing stop", "break-even", "target", "time", "square-off", "day limit", "entry denied")
