"""A strategy that raises is stopped; the others, and the exits of what it holds, go on."""

from __future__ import annotations

from typing import Any

import pytest

from saudagar.engine.engine import Engine
from saudagar.engine.settings import Plan, Settings
from saudagar.engine.state import State
from saudagar.exchange.universe import universe
from saudagar.indicators import BarFields, indicator
from saudagar.market.ist import at, ist_day
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import MINUTE, SECOND, Bar, Direction, SizeBy, Sizing, StrategyId, Tick, TickFrame
from saudagar.model import events as ev
from saudagar.risk import Limits
from saudagar.strategies import Context, Signals, Strategy

STOCK = universe(2)[1]
DAY = ist_day(1_795_150_800_000_000_000)
OPEN = at(DAY, "09:15")


class Buys(Strategy):
    """Long at every bar."""

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        ctx.want(Direction.LONG, "always")


class Breaks(Strategy):
    """Wrong from the second bar on."""

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        if bar.start > OPEN:
            raise ZeroDivisionError("a user's mistake")


@indicator
def breaks_up_there(x: Any) -> Any:
    """As it is, but for prices that the check before its use has not seen."""
    if len(x) > 1 and x[-1] > 130_000:
        raise ZeroDivisionError("a user's mistake")
    return x


class BreaksInItsGraph(Strategy):
    """The same with expressions only."""

    def signals(self, bar: BarFields) -> Signals:
        return Signals(long=breaks_up_there(bar.close) < 0)


class Rising(Strategy):
    """Long at every bar, with expressions only."""

    def signals(self, bar: BarFields) -> Signals:
        return Signals(long=bar.close > 0)


def plan(name: str, strategy: Strategy) -> Plan:
    return Plan(
        id=StrategyId(name),
        strategy=strategy,
        instruments=(STOCK.id,),
        interval=MINUTE,
        sizing=Sizing(SizeBy.QUANTITY, 10),
    )


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("breaks", [Breaks(), BreaksInItsGraph()])
def test_the_others_trade_on(order: int, breaks: Strategy) -> None:
    plans = (plan("breaks", breaks), plan("buys", Buys()), plan("rising", Rising()))[::order]
    settings = Settings(desk="T", plans=plans, limits=Limits(allowed=frozenset({STOCK.id})), reconcile=0)
    engine = Engine(settings, Master(DAY, tuple(universe(2))), Calendar(), State(), lambda _: 0)
    told: list[Any] = [*engine.start(DAY, OPEN).events]
    for beat in range(60):
        ts = OPEN + beat * 5 * SECOND
        told += engine.process(TickFrame(ts, [Tick(STOCK.id, ts, 140_000 + beat * 10, 10 + beat)])).events
    alerts = [event.message for event in told if isinstance(event, ev.Alerted)]
    assert alerts == [
        f"breaks@{STOCK.id} raised ZeroDivisionError: a user's mistake. It gives no more signals today; its exits stay."
    ]
    sent = [event.order.position for event in told if isinstance(event, ev.OrderSubmitted)]
    assert sent == [f"{name}@{STOCK.id}" for name in ("buys", "rising")[::order]]
