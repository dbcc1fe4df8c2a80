"""NIFTY options for a simulated day: the contracts, a plain model of their prices, and a day source that quotes them.

Opt-in: `WithOptions` goes around another source and adds the chain to it; the source itself plays the same day, bit by
bit, with and without. Prices follow Black and Scholes on the index's last price with a fixed smile; each second one
expiry is quoted anew. Open interest is made up. The faces ask the same model for greeks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from math import erf, exp, log, pi, sqrt

import msgspec

from saudagar.exchange.market_feed import DaySource
from saudagar.exchange.universe import NIFTY
from saudagar.market.ist import DAY, at
from saudagar.market.sessions import Calendar
from saudagar.model import SECOND, Bar, Instrument, InstrumentId, InstrumentKind, Nanos, Paise, Right, Segment, Tick
from saudagar.model.errors import DataError, UnknownInstrument

STEP: Paise = 50_00
"""From one strike to the next."""

_LOT, _FREEZE, _TICK = 65, 1_755, 5  # units, units, paise; NIFTY since January 2026
_RATE = 0.065  # a year
_YEAR: Nanos = 365 * DAY
_HOUR: Nanos = 3_600 * SECOND
_EPOCH = date(2020, 1, 1)
_TUESDAY = 1
_MONTHS = "123456789OND"  # the letter of a weekly contract's month in Kite's symbols


class Greeks(msgspec.Struct, frozen=True):
    """Price in rupees; delta, gamma and vega per rupee of spot and per cent of volatility, theta per day; `iv` in %."""

    price: float
    delta: float
    gamma: float
    theta: float
    vega: float
    iv: float


def expiries(day: date, calendar: Calendar) -> tuple[date, ...]:
    """The next two weekly expiries from `day` on and the next monthly one after them.

    Tuesdays (NSE, from September 2025); on a holiday the session before. The last of a month is the monthly one.
    """
    first = day + timedelta((_TUESDAY - day.weekday()) % 7)
    tuesdays = [first + timedelta(7 * week) for week in range(10)]
    monthly = next(each for each in tuesdays[2:] if (each + timedelta(7)).month != each.month)
    return tuple(_session(each, calendar) for each in (*tuesdays[:2], monthly))


def is_monthly(expiry: date) -> bool:
    """Whether `expiry` is the last of its month; one that a holiday moved counts for its Tuesday."""
    tuesday = expiry + timedelta((_TUESDAY - expiry.weekday()) % 7)
    return (tuesday + timedelta(7)).month != tuesday.month


def chain(day: date, spot: Paise, strikes: int, calendar: Calendar) -> tuple[Instrument, ...]:
    """Calls and puts of `strikes` strikes each side of the money, for every expiry."""
    money = round(spot / STEP)
    return tuple(
        _contract(expiry, (money + offset) * STEP, right)
        for expiry in expiries(day, calendar)
        for offset in range(-strikes, strikes + 1)
        for right in Right
    )


def greeks(instrument: Instrument, spot: Paise, now: Nanos) -> Greeks:
    """The model's view of one contract at `spot` (paise) and `now` (UTC ns)."""
    assert instrument.expiry is not None, "an option expires"
    years = max(at(instrument.expiry, "15:30") - now, _HOUR) / _YEAR
    s, k = spot / 100, instrument.strike / 100
    moneyness = log(k / s)
    volatility = 0.125 - 0.12 * moneyness + 1.2 * moneyness * moneyness
    spread = volatility * sqrt(years)
    d1 = (-moneyness + (_RATE + volatility * volatility / 2) * years) / spread
    d2 = d1 - spread
    sign = 1 if instrument.right is Right.CALL else -1
    discounted = k * exp(-_RATE * years)
    price = sign * (s * _normal(sign * d1) - discounted * _normal(sign * d2))
    density = exp(-d1 * d1 / 2) / sqrt(2 * pi)
    theta = -s * density * volatility / (2 * sqrt(years)) - sign * _RATE * discounted * _normal(sign * d2)
    return Greeks(
        price=max(price, 0.0),
        delta=sign * _normal(sign * d1),
        gamma=density / (s * spread),
        theta=theta / 365,
        vega=s * density * sqrt(years) / 100,
        iv=volatility * 100,
    )


def open_interest(instrument: Instrument, spot: Paise) -> int:
    """Units, made up: most at the money and at round strikes."""
    away = abs(instrument.strike - spot) // STEP
    round_strike = 3 if instrument.strike % (10 * STEP) == 0 else 1
    return instrument.whole_lots(instrument.lot_size * round_strike * 40_000 // (4 + away))


class WithOptions:
    """`source` with the option chain of its NIFTY.

    Parameters
    ----------
    strikes
        Each side of the money at yesterday's close.

    Raises
    ------
    DataError
        If the source has no NIFTY.
    """

    def __init__(self, source: DaySource, strikes: int = 10, calendar: Calendar | None = None) -> None:
        if all(each.id != NIFTY.instrument.id for each in source.instruments):
            raise DataError("options are quoted on NIFTY, and this day has no NIFTY.")
        self._source = source
        self.day = source.day
        self.step_ns = source.step_ns
        self._close = source.previous_close(NIFTY.instrument.id)
        self._chain = chain(source.day, self._close, strikes, calendar or Calendar())
        self._by_id = {each.id: each for each in self._chain}
        groups: dict[date | None, list[Instrument]] = {}
        for each in self._chain:
            groups.setdefault(each.expiry, []).append(each)
        self._groups = list(groups.values())
        self.instruments = (*source.instruments, *self._chain)

    def steps(self) -> Iterator[tuple[Nanos, list[Tick]]]:
        """The source's steps; where NIFTY ticks, one expiry's options tick with it."""
        volumes: dict[InstrumentId, int] = {}
        for turn, (ts, ticks) in enumerate(self._source.steps()):
            spot = next((tick.ltp for tick in ticks if tick.instrument == NIFTY.instrument.id), 0)
            if spot:
                group = self._groups[turn % len(self._groups)]
                ticks = [*ticks, *(_quote(each, spot, ts, volumes) for each in group)]
            yield ts, ticks

    def previous_close(self, instrument: InstrumentId) -> Paise:
        contract = self._by_id.get(instrument)
        if contract is None:
            return self._source.previous_close(instrument)
        return _price(contract, self._close, at(self.day, "09:15") - DAY + 6 * _HOUR)

    def history(self, instrument: InstrumentId, interval: Nanos, start: Nanos, end: Nanos) -> list[Bar]:
        """An option's bars are the model's price of the index's bars; their volume is one lot a bar."""
        contract = self._by_id.get(instrument)
        if contract is None:
            return self._source.history(instrument, interval, start, end)
        bars = self._source.history(NIFTY.instrument.id, interval, start, end)
        return [_option_bar(contract, bar) for bar in bars]


def underlying_of(instrument: Instrument, instruments: Sequence[Instrument]) -> Instrument:
    """The index that `instrument` is written on.

    Raises
    ------
    UnknownInstrument
        If it is not among `instruments`.
    """
    for each in instruments:
        if each.kind is InstrumentKind.INDEX and each.symbol == instrument.underlying:
            return each
    raise UnknownInstrument(f"{instrument.id}: its underlying {instrument.underlying!r} is not quoted here.")


def _session(day: date, calendar: Calendar) -> date:
    return day if calendar.is_session(Segment.NSE_FNO, day) else calendar.previous_session(Segment.NSE_FNO, day)


def _contract(expiry: date, strike: Paise, right: Right) -> Instrument:
    token = (expiry - _EPOCH).days * 4_000 + strike // STEP % 2_000 * 2 + (right is Right.PUT)
    rupees = strike // 100
    monthly = is_monthly(expiry)
    when = f"{expiry:%y%b}".upper() if monthly else f"{expiry:%y}{_MONTHS[expiry.month - 1]}{expiry:%d}"
    return Instrument(
        segment=Segment.NSE_FNO,
        symbol=f"NIFTY-{expiry}-{rupees}-{right}",
        kind=InstrumentKind.OPTION,
        tick_size=_TICK,
        lot_size=_LOT,
        freeze_quantity=_FREEZE,
        name="NIFTY",
        underlying="NIFTY",
        expiry=expiry,
        strike=strike,
        right=right,
        dhan_id=str(token),
        upstox_id=f"NSE_FO|{token}",
        kite_id=str(token * 256 + 2),
        kite_symbol=f"NIFTY{when}{rupees}{right}",
    )


def _price(contract: Instrument, spot: Paise, now: Nanos) -> Paise:
    return max(_TICK, round(greeks(contract, spot, now).price * 100 / _TICK) * _TICK)


def _quote(contract: Instrument, spot: Paise, ts: Nanos, volumes: dict[InstrumentId, int]) -> Tick:
    price = _price(contract, spot, ts)
    lots = 1 + (spot // 5 + contract.strike // STEP) % 7
    volumes[contract.id] = volume = volumes.get(contract.id, 0) + lots * _LOT
    spread = max(_TICK, price // 2_000 * _TICK)
    sizes = [_LOT * (2 + (lots * level) % 9) for level in range(1, 6)]
    bids = tuple((price - spread * level, size) for level, size in enumerate(sizes, 1) if price > spread * level)
    asks = tuple((price + spread * level, size) for level, size in enumerate(sizes, 1))
    return Tick(contract.id, ts, price, volume, bids, asks)


def _option_bar(contract: Instrument, bar: Bar) -> Bar:
    first, last = _price(contract, bar.open, bar.start), _price(contract, bar.close, bar.end)
    edges = (first, last, _price(contract, bar.high, bar.end), _price(contract, bar.low, bar.end))
    return Bar(contract.id, bar.interval, bar.start, bar.end, first, max(edges), min(edges), last, _LOT, 1)


def _normal(x: float) -> float:
    return (1 + erf(x / sqrt(2))) / 2
