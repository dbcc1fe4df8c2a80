"""The composition root's first half: from the user's file to the engine's plain settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, time

from saudagar.app.config import DeskConfig
from saudagar.engine.settings import Hours, Plan, Settings
from saudagar.execution.steering import Tactics
from saudagar.market.charges import Charges
from saudagar.market.ist import at, ist
from saudagar.market.sessions import Calendar
from saudagar.model import MINUTE, ClientOrderId, Instrument, InstrumentId, Order, Paise, StrategyId
from saudagar.model.errors import ConfigError, UnknownInstrument
from saudagar.portfolio import Trade, trade_charges

Resolve = Callable[[str], Instrument]
CHARGE_PLANS = {"dhan": "dhan", "upstox": "upstox", "kite": "zerodha"}
"""The broker's name in the file → the name of its charges plan."""


_LEAVING = 5 * MINUTE  # before the last close, on a day that ends before the square-off of the file


def settings_of(config: DeskConfig, resolve: Resolve, day: date, calendar: Calendar) -> Settings:
    """What the engine is told for `day`; a session that ends early, such as Muhurat, brings the square-off forward.

    Raises
    ------
    ConfigError
        Instruments that the master does not hold or that cannot be traded; all of them at once.
    """
    names = dict.fromkeys((*config.names, *config.risk.allowed))
    found = resolve_all(names, resolve)
    allowed = config.risk.allowed or config.names
    orders, session = config.orders, config.session
    traded = [found[name] for name in config.names]
    return Settings(
        desk=config.desk.name,
        plans=tuple(
            Plan(
                id=StrategyId(strategy.name),
                strategy=strategy.strategy,
                instruments=tuple(found[name].id for name in strategy.instruments),
                interval=strategy.interval,
                sizing=strategy.size.sizing(),
                exits=strategy.exits,
                side=strategy.side,
            )
            for strategy in config.strategies.values()
        ),
        limits=config.risk.limits(frozenset(found[name].id for name in allowed), config.desk.capital),
        product=orders.product,
        tactics=Tactics(
            entry_type=orders.entry_type,
            protection_ppm=orders.protection_ppm,
            chase=orders.chase,
            entry_age=orders.late,
        ),
        hours=Hours(
            no_entry_before=_clock(session.no_entry_before) if session.no_entry_before else "",
            no_entry_after=_clock(session.no_entry_after),
            square_off=_square_off(session.square_off, traded, day, calendar),
        ),
        adopt=orders.hand_made == "adopt",
        digest=config.digest(),
    )


def costs_of(
    config: DeskConfig, instrument: Callable[[InstrumentId], Instrument], orders: Mapping[ClientOrderId, Order]
) -> tuple[Callable[[Trade], Charges], Callable[[Trade], Paise]]:
    """The exact charges of a round trip, and their total in paise."""

    def charges(trade: Trade) -> Charges:
        plan = CHARGE_PLANS[config.charges_plan(trade.strategy)]
        return trade_charges(trade, instrument, config.orders.product, plan, orders)

    return charges, lambda trade: charges(trade).total_paise


def resolve_all(names: Iterable[str], resolve: Resolve) -> dict[str, Instrument]:
    """The tradable instrument of each name; `ConfigError` names all that are not."""
    found: dict[str, Instrument] = {}
    problems: list[str] = []
    for name in names:
        try:
            instrument = resolve(name)
        except UnknownInstrument as error:
            problems.append(f"{name}: {error}")
            continue
        if not instrument.segment.tradable:
            problems.append(f"{name}: an index is watched, not traded; name a stock, a future or an option.")
        found[name] = instrument
    if problems:
        raise ConfigError("some instruments cannot be used.", problems)
    return found


def _square_off(moment: time | None, traded: Iterable[Instrument], day: date, calendar: Calendar) -> str:
    if moment is None:
        return ""
    clock = _clock(moment)
    last = max(calendar.open_close(each.segment, day, each.closing_auction)[1] for each in traded)
    return clock if at(day, clock) < last else f"{ist(last - _LEAVING):%H:%M:%S}"


def _clock(moment: time) -> str:
    return f"{moment:%H:%M:%S}"
