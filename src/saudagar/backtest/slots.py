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
    POINTS,  # of stop, target, trail, break-even
) = range(28)
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
) = range(26)
HAS = 26  # stop, target, trail, break-even: whether there is one
PPM = 30
CONST_POINTS = 34
ATR_MILLI = 38  # multiple of ATR, times its scale
ATR_SCALE = 42
CONSTANTS = 46

# what all positions share
TRADES, TODAY, REALISED, CHARGES, OPEN, REDUCING, OPEN_PROFIT = range(7)
SHARED = 7

# one round trip
(OUT_ROW, OUT_SIGN, OUT_QUANTITY, OUT_ENTRY_TS, OUT_ENTRY_VALUE, OUT_EXIT_TS, OUT_EXIT_VALUE, OUT_REASON) = range(8)
OUT = 8

BY_QUANTITY, BY_LOTS, BY_VALUE, BY_RISK = range(4)
LONG, SHORT, EXIT_LONG, EXIT_SHORT = 1, 2, 4, 8

BY_SIGNAL, BY_STOP, BY_TRAIL, BY_BREAK_EVEN, BY_TARGET, BY_TIME, BY_SQUARE_OFF, BY_DAY_LIMIT, BY_DENIAL = range(1, 10)
REASONS = ("", "", "stop", "trailing stop", "break-even", "target", "time", "square-off", "day limit", "entry denied")
