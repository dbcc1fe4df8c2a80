"""What the simulated market lists: NIFTY, real large caps, and as many invented stocks as a bench asks for.

Symbols, ISINs and exchange tokens of the large caps are real (NSE and broker masters of 2026; Dhan's security id is
the NSE token, Upstox's key carries the ISIN, Kite's token is ``token * 256 + segment``). Previous closes, index
weights and daily volumes are plausible, not real. Stocks beyond the list are called ``SIM0001`` and so on: their
ISINs (``INE9SIM…``) and tokens (from 900001) are invented and belong to nobody; so are the ``INE8…`` of stocks that
recorded files name and this list lacks.
"""

from __future__ import annotations

import re
from datetime import date
from difflib import get_close_matches
from zlib import crc32

import msgspec

from saudagar.model import Instrument, InstrumentId, InstrumentKind, Paise, Segment
from saudagar.model.errors import DataError, UnknownInstrument


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument with what the synthetic day needs to move it."""

    instrument: Instrument
    previous_close: Paise
    weight: int  # in NIFTY, ppm of the whole index; 0 for what is not in it
    volume: int  # units on an average day; 0 for an index


NIFTY = Listing(
    instrument=Instrument(
        segment=Segment.NSE_INDEX,
        symbol="NIFTY",
        kind=InstrumentKind.INDEX,
        tick_size=5,
        name="Nifty 50",
        dhan_id="13",
        upstox_id="NSE_INDEX|Nifty 50",
        kite_id=str(1001 * 256 + 9),
        kite_symbol="NIFTY 50",
    ),
    previous_close=2_481_235,
    weight=0,
    volume=0,
)

_BANKNIFTY = Listing(
    instrument=Instrument(
        segment=Segment.NSE_INDEX,
        symbol="BANKNIFTY",
        kind=InstrumentKind.INDEX,
        tick_size=5,
        name="Nifty Bank",
        dhan_id="25",
        upstox_id="NSE_INDEX|Nifty Bank",
        kite_id=str(1016 * 256 + 9),
        kite_symbol="NIFTY BANK",
    ),
    previous_close=5_612_440,
    weight=0,
    volume=0,
)

# symbol, ISIN, NSE token, name, previous close (₹), NIFTY weight (%), average daily volume (million shares)
_STOCKS: tuple[tuple[str, str, int, str, float, float, float], ...] = (
    ("RELIANCE", "INE002A01018", 2885, "Reliance Industries", 1418.60, 8.6, 11.0),
    ("HDFCBANK", "INE040A01034", 1333, "HDFC Bank", 862.45, 12.4, 24.0),
    ("ICICIBANK", "INE090A01021", 4963, "ICICI Bank", 1386.20, 8.4, 12.0),
    ("BHARTIARTL", "INE397D01024", 10604, "Bharti Airtel", 2012.50, 4.8, 6.0),
    ("INFY", "INE009A01021", 1594, "Infosys", 1324.70, 4.3, 9.0),
    ("TCS", "INE467B01029", 11536, "Tata Consultancy Services", 2586.40, 2.6, 3.5),
    ("ITC", "INE154A01025", 1660, "ITC", 312.85, 2.9, 22.0),
    ("LT", "INE018A01030", 11483, "Larsen & Toubro", 3964.30, 4.0, 2.2),
    ("SBIN", "INE062A01020", 3045, "State Bank of India", 1042.80, 3.6, 12.0),
    ("AXISBANK", "INE238A01034", 5900, "Axis Bank", 1268.90, 3.1, 7.0),
    ("HINDUNILVR", "INE030A01027", 1394, "Hindustan Unilever", 2318.60, 1.8, 1.8),
    ("M&M", "INE101A01026", 2031, "Mahindra & Mahindra", 3402.10, 2.7, 2.4),
    ("SUNPHARMA", "INE044A01036", 3351, "Sun Pharmaceutical Industries", 1736.40, 1.6, 2.6),
    ("MARUTI", "INE585B01010", 10999, "Maruti Suzuki India", 14873.00, 1.7, 0.5),
    ("NTPC", "INE733E01010", 11630, "NTPC", 348.75, 1.5, 14.0),
    ("TITAN", "INE280A01028", 3506, "Titan Company", 3891.70, 1.4, 1.1),
    ("HCLTECH", "INE860A01027", 7229, "HCL Technologies", 1402.30, 1.3, 3.0),
    ("ULTRACEMCO", "INE481G01011", 11532, "UltraTech Cement", 11894.00, 1.3, 0.4),
    ("POWERGRID", "INE752E01010", 14977, "Power Grid Corporation of India", 286.40, 1.1, 13.0),
    ("TATASTEEL", "INE081A01020", 3499, "Tata Steel", 192.36, 1.2, 34.0),
    ("BAJAJ-AUTO", "INE917I01010", 16669, "Bajaj Auto", 9312.50, 1.0, 0.5),
    ("ADANIPORTS", "INE742F01042", 15083, "Adani Ports and Special Economic Zone", 1489.20, 1.0, 2.8),
    ("TMPV", "INE155A01022", 3456, "Tata Motors Passenger Vehicles", 361.15, 0.8, 13.0),
    ("WIPRO", "INE075A01022", 3787, "Wipro", 204.57, 0.7, 15.0),
    ("ASIANPAINT", "INE021A01026", 236, "Asian Paints", 2641.90, 0.9, 1.2),
    ("COALINDIA", "INE522F01014", 20374, "Coal India", 402.65, 0.8, 8.0),
    ("ONGC", "INE213A01029", 2475, "Oil and Natural Gas Corporation", 247.92, 0.8, 16.0),
    ("JSWSTEEL", "INE019A01038", 11723, "JSW Steel", 1176.30, 0.9, 2.2),
    ("HINDALCO", "INE038A01020", 1363, "Hindalco Industries", 842.15, 0.9, 6.0),
    ("CIPLA", "INE059A01026", 694, "Cipla", 1518.40, 0.7, 1.6),
)

_FREEZE = 100_000

# price up to (₹) → tick (paise), from 2025-04-15 on, reviewed monthly by the exchange; above the last: 5 rupees
_TICKS = ((250, 1), (1_000, 5), (5_000, 10), (10_000, 50), (20_000, 100))
_TICK_ABOVE = 500
_TICKS_SINCE = date(2025, 4, 15)
_ONE_PAISA_SINCE = date(2024, 6, 10)  # below ₹250


def equity_tick(price: Paise, day: date) -> Paise:
    """Tick of an NSE share that trades near `price` on `day`, paise.

    Before 2025-04-15 every share moved by 5 paise, from 2024-06-10 those below ₹250 by one.
    """
    if day < _TICKS_SINCE:
        return 1 if price < 25_000 and day >= _ONE_PAISA_SINCE else 5
    return next((tick for rupees, tick in _TICKS if price < rupees * 100), _TICK_ABOVE)


def universe(count: int = 21) -> tuple[Instrument, ...]:
    """NIFTY and `count - 1` stocks, the largest first; beyond the real ones, invented.

    Raises
    ------
    DataError
        If `count` is not between 1 and 9,000.
    """
    if not 1 <= count <= 9_000:
        raise DataError(f"the simulated market lists 1 to 9,000 instruments, {count} were asked for.")
    listings = [NIFTY, *_LARGE_CAPS]
    listings += [_invented(number) for number in range(1, count - len(listings) + 1)]
    return tuple(each.instrument for each in listings[:count])


def listing(instrument: InstrumentId) -> Listing:
    """What is known of `instrument`.

    Raises
    ------
    UnknownInstrument
        If the simulated market does not list it.
    """
    known = _BY_ID.get(instrument)
    if known is not None:
        return known
    head, _, number = instrument.partition("NSE_EQ:SIM")
    if head or not number.isdecimal() or not 0 < int(number) < 10_000:
        raise UnknownInstrument(f"the simulated market does not list {instrument!r}.", hint=_nearest(instrument))
    return _invented(int(number))


def _nearest(instrument: InstrumentId) -> str:
    near = get_close_matches(instrument, _BY_ID, n=1, cutoff=0.8)
    return f"Did you mean {near[0]}?" if near else f"It lists {', '.join(_BY_ID)}; and NSE_EQ:SIM0001 to SIM9999."


def by_symbol(symbol: str) -> Instrument:
    """The index or stock called `symbol`; a stock that is not listed here is made up, with ids of its own.

    For recorded days, whose files carry a name and nothing else.

    Raises
    ------
    DataError
        If `symbol` is empty or no symbol of an exchange.
    """
    if not re.fullmatch(r"[A-Z0-9&-]{1,20}", symbol):
        raise DataError(f"expected an exchange symbol such as RELIANCE or M&M, got {symbol!r}.")
    for segment in (Segment.NSE_INDEX, Segment.NSE_EQ):
        known = _BY_ID.get(InstrumentId(f"{segment}:{symbol}"))
        if known is not None:
            return known.instrument
    number = crc32(symbol.encode()) % 10_000_000
    return _stock(symbol, f"INE8{number:07d}0", 20_000_000 + number, symbol, 100_000, 0, 0).instrument


def _stock(symbol: str, isin: str, token: int, name: str, close: Paise, weight: float, volume: float) -> Listing:
    return Listing(
        instrument=Instrument(
            segment=Segment.NSE_EQ,
            symbol=symbol,
            kind=InstrumentKind.EQUITY,
            tick_size=equity_tick(close, date.max),
            freeze_quantity=_FREEZE,
            name=name,
            isin=isin,
            closing_auction=True,
            dhan_id=str(token),
            upstox_id=f"NSE_EQ|{isin}",
            kite_id=str(token * 256 + 1),
            kite_symbol=symbol,
        ),
        previous_close=close,
        weight=round(weight * 10_000),
        volume=round(volume * 1_000_000),
    )


def _invented(number: int) -> Listing:
    close = 4_000 + number * 7_919 % 350_000  # a spread of prices that repeats for ever
    tick = equity_tick(close, date.max)
    volume = 50_000_000_000 / close / 1_000_000  # ₹50 crore a day
    isin = f"INE9SIM{number:05d}"
    return _stock(f"SIM{number:04d}", isin, 900_000 + number, f"Simulated {number}", close // tick * tick, 0, volume)


_LARGE_CAPS = tuple(
    _stock(symbol, isin, token, name, round(close * 100), weight, volume)
    for symbol, isin, token, name, close, weight, volume in _STOCKS
)
_TATAMOTORS = _stock("TATAMOTORS", "INE155A01022", 3456, "Tata Motors", 66_000, 0, 12.0)  # TMPV since its split of 2025
_BY_ID = {each.instrument.id: each for each in (NIFTY, *_LARGE_CAPS, _BANKNIFTY, _TATAMOTORS)}
