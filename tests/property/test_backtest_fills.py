"""Whatever the rules of fills, leaving bars out changes nothing: the engine called at every bar trades the same."""

from __future__ import annotations

import msgspec
import pytest
from tests.backtests import draw, in_detail, lines

from saudagar.backtest.fill_rules import Fill, FillRules
from saudagar.backtest.run import Backtest, run
from saudagar.model import Bar, SizeBy, Sizing
from saudagar.strategies import Context, Strategy
from saudagar.strategies.ema_cross import EmaCross
from saudagar.strategies.volume_breakout import VolumeBreakout


class WatchedCross(EmaCross):
    def on_bar(self, ctx: Context, bar: Bar) -> None:
        """Wants nothing, but is asked at every bar."""


class WatchedBreakout(VolumeBreakout):
    def on_bar(self, ctx: Context, bar: Bar) -> None:
        """Likewise."""


WATCHED: dict[type[Strategy], type[Strategy]] = {EmaCross: WatchedCross, VolumeBreakout: WatchedBreakout}
RULES = {
    "next open": FillRules(),
    "close": FillRules(fill=Fill.CLOSE),
    "touch": FillRules(fill=Fill.LIMIT_TOUCH, queue=300_000, rest=2),
    "share": FillRules(participation=200_000),
    "share at the close": FillRules(fill=Fill.CLOSE, participation=200_000),
    "share of a touch": FillRules(fill=Fill.LIMIT_TOUCH, queue=0, participation=300_000, rest=3),
}


def watched(backtest: Backtest) -> Backtest:
    plans = tuple(
        msgspec.structs.replace(
            plan, strategy=WATCHED[type(plan.strategy)].model_validate(plan.strategy.model_dump()), id=plan.id
        )
        for plan in backtest.settings.plans
    )
    return msgspec.structs.replace(backtest, settings=msgspec.structs.replace(backtest.settings, plans=plans))


def sized(backtest: Backtest) -> Backtest:
    """In units that several bars must give together."""
    plans = tuple(
        msgspec.structs.replace(plan, sizing=Sizing(SizeBy.QUANTITY, 150)) for plan in backtest.settings.plans
    )
    limits = msgspec.structs.replace(backtest.settings.limits, max_order_quantity=0, max_order_value=0)
    return msgspec.structs.replace(
        backtest, settings=msgspec.structs.replace(backtest.settings, plans=plans, limits=limits)
    )


@pytest.mark.unmeasured
@pytest.mark.parametrize("name", RULES)
def test_leaving_bars_out_changes_no_trade(name: str) -> None:
    trips = 0
    for seed in range(24):
        made = in_detail if seed % 4 == 3 else draw
        backtest = msgspec.structs.replace(sized(made(seed, 1 + seed % 2)), fills=RULES[name])
        skipping, every = run(backtest, "engine"), run(watched(backtest), "engine")
        assert lines(skipping) == lines(every), seed
        assert skipping.fills == every.fills
        assert skipping.open_quantity.tolist() == every.open_quantity.tolist()
        trips += len(skipping)
    assert trips > 25
