"""Bar replay on small tables: where signals act, where levels fill, what is refused, and how things are counted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest

from saudagar.backtest.replay import replay_bars
from saudagar.backtest.result import Result, flat_costs
from saudagar.engine.settings import Hours, Plan, Settings
from saudagar.exchange.universe import universe
from saudagar.execution.steering import Tactics
from saudagar.indicators import BarArrays, BarFields
from saudagar.market.ist import at
from saudagar.market.master import Master
from saudagar.market.sessions import Calendar
from saudagar.model import DAY, MINUTE, Bar, Direction, OrderType, Side, SizeBy, Sizing, StrategyId
from saudagar.model.errors import ConfigError, DataError
from saudagar.model.events import Event, OrderFilled
from saudagar.risk import Limits
from saudagar.strategies import Context, Exits, Signals, Strategy

STOCK = universe(2)[1]
DAYS = (date(2026, 6, 1), date(2026, 6, 2))
MASTER = Master(DAYS[0], (STOCK,))
Row = tuple[int, int, int, int]
"""Open, high, low, close."""


class Levels(Strategy):
    """Long when the close is 100.50, short when it is 99.50, out at 100.10 (rupees)."""

    def signals(self, bar: BarFields) -> Signals:
        def closes_at(price: int) -> object:
            return (bar.close >= price) & (bar.close <= price)

        out = closes_at(10_010)
        return Signals(long=closes_at(10_050), short=closes_at(9_950), exit_long=out, exit_short=out)  # type: ignore[arg-type]


class Hook(Strategy):
    """Long from its third bar on, by hand."""

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        if bar.start >= at(DAYS[0], "09:17") and not ctx.position:
            ctx.want(Direction.LONG, "by hand", 3)


def columns(*days: Sequence[Row], scale: float = 1.0) -> BarArrays:
    """Minute bars from the open of each day on."""
    rows = [row for day in days for row in day]
    start = [at(day, "09:15") + k * MINUTE for day, some in zip(DAYS, days, strict=False) for k in range(len(some))]
    o, h, low, c = ([row[k] * scale for row in rows] for k in range(4))
    return BarArrays.from_columns(
        interval=MINUTE,
        start=start,
        end=[each + MINUTE for each in start],
        open=o,
        high=h,
        low=low,
        close=c,
        volume=[100] * len(rows),
    )


def trade(
    bars: BarArrays,
    exits: Exits | None = None,
    *,
    strategy: Strategy | None = None,
    limits: Limits | None = None,
    hours: Hours | None = None,
    rest_stop: bool = True,
    interval: int = MINUTE,
    events: list[Event] | None = None,
) -> Result:
    """Both ways of replaying; they must agree."""
    plan = Plan(
        id=StrategyId("plan"),
        strategy=strategy or Levels(),
        instruments=(STOCK.id,),
        interval=interval,
        sizing=Sizing(SizeBy.QUANTITY, 10),
        exits=exits or Exits(),
    )
    settings = Settings(
        desk="BT",
        plans=(plan,),
        limits=limits or Limits(allowed=frozenset({STOCK.id})),
        hours=hours or Hours(),
        tactics=Tactics(entry_type=OrderType.MARKET, rest_stop=rest_stop),
    )
    told = [
        replay_bars(
            settings,
            {STOCK.id: bars},
            MASTER,
            Calendar(),
            flat_costs(300),
            every_bar=every_bar,
            on_events=None if events is None or every_bar else events.extend,
        )
        for every_bar in (False, True)
    ]
    assert told[0].trades == told[1].trades
    return told[0]


def flat(price: int) -> Row:
    return (price, price, price, price)


UP, DOWN, OUT = (10_000, 10_050, 10_000, 10_050), (10_000, 10_000, 9_950, 9_950), (10_000, 10_010, 10_000, 10_010)


def test_a_signal_acts_at_the_next_open() -> None:
    result = trade(columns([flat(10_000), UP, flat(10_060), OUT, flat(10_100), flat(10_090)]))
    (only,) = result.trades
    assert (only.side, only.entry_value, only.exit_value) == (Side.BUY, 100_600, 101_000)
    assert only.entry_ts == at(DAYS[0], "09:17")
    assert only.exit_ts == at(DAYS[0], "09:19")
    assert (result.gross, result.costs, result.net) == (400, (60,), 340)
    assert (result.orders, result.fills, result.open) == (2, 2, ())


def test_a_reversal_with_no_stop_is_one_order_through_zero() -> None:
    result = trade(columns([flat(10_000), UP, flat(10_060), DOWN, flat(9_940), flat(9_930)]))
    (only,) = result.trades
    (held,) = result.open
    assert only.exit_value == 99_400
    assert (held.quantity, held.entry_value) == (-10, 99_400)
    assert result.fills == result.orders == 2


@pytest.mark.parametrize(
    ("exits", "bar", "price", "reason"),
    [
        (Exits(stop="1%"), (10_000, 10_020, 9_800, 9_990), 9_900, "stop"),
        (Exits(stop="1%"), (9_850, 9_900, 9_800, 9_890), 9_850, "stop"),
        (Exits(target="1%"), (10_000, 10_200, 9_990, 10_000), 10_100, "target"),
        (Exits(target="1%"), (10_150, 10_200, 10_100, 10_120), 10_150, "target"),
        (Exits(stop="1%", target="1%"), (10_000, 10_200, 9_800, 10_000), 9_900, "stop"),
        (Exits(trail="1%"), (10_000, 10_300, 10_000, 10_150), 10_200, "trailing stop"),
        (Exits(break_even="1%"), (10_000, 10_120, 9_990, 9_990), 10_000, "break-even"),
    ],
    ids=["stop", "gap through the stop", "target", "gap over the target", "worst first", "trail", "break-even"],
)
@pytest.mark.parametrize("rest_stop", [True, False], ids=["stop at the broker", "stop at the desk"])
def test_levels_fill_at_their_price_inside_a_bar(
    exits: Exits, bar: Row, price: int, reason: str, rest_stop: bool
) -> None:
    day = [flat(10_000), UP, flat(10_000), *[flat(10_000)] * 40, bar, flat(10_001), flat(10_002)]
    result = trade(columns(day), exits, rest_stop=rest_stop)
    (only,) = result.trades
    assert (only.exit_value, only.exit_reason) == (price * 10, reason)
    assert result.visited < 15


def test_a_gap_beyond_the_limit_of_a_resting_stop_is_chased() -> None:
    gap = [(9_600, 9_620, 9_590, 9_600), flat(9_610), flat(9_620)]
    result = trade(columns([flat(10_000), UP, flat(10_000), *gap]), Exits(stop="1%"))
    (only,) = result.trades
    assert only.exit_value < 97_000
    assert result.open == ()


def test_a_resting_stop_is_renewed_the_next_morning() -> None:
    events: list[Event] = []
    days = [flat(10_000), UP, flat(10_000), flat(10_030)], [flat(10_020), flat(10_030), (10_000, 10_000, 9_850, 9_860)]
    result = trade(columns(*days), Exits(stop="1%"), events=events)
    (only,) = result.trades
    assert only.exit_value == 99_000
    assert only.exit_ts >= at(DAYS[1], "09:17")
    assert result.orders == 3
    assert result.fills == sum(isinstance(event, OrderFilled) for event in events) == 2


def test_time_and_square_off_end_a_position() -> None:
    day = [flat(10_000), UP, *[flat(10_000 + k) for k in range(20)]]
    aged = trade(columns(day), Exits(max_minutes=5)).trades
    assert [(t.exit_reason, t.exit_ts) for t in aged] == [("time", at(DAYS[0], "09:22"))]
    squared = trade(columns(day), hours=Hours(square_off="09:25:10")).trades
    assert [t.exit_reason for t in squared] == ["square-off"]
    assert at(DAYS[0], "09:25:10") <= squared[0].exit_ts < at(DAYS[0], "09:26")


def test_limits_of_the_day_count_the_day() -> None:
    turn = [UP, flat(10_000), DOWN, flat(10_000)]
    limits = Limits(allowed=frozenset({STOCK.id}), max_trades=1)
    result = trade(columns([flat(10_000), *turn, *turn], [flat(10_000), *turn, *turn]), limits=limits)
    assert len(result.trades) == 2
    assert result.denials["trades"] > 0
    loss = Limits(allowed=frozenset({STOCK.id}), day_loss=1_000)
    fall = [flat(10_000), UP, flat(10_000), flat(9_950), flat(9_880), flat(9_870)]
    assert [t.exit_reason for t in trade(columns(fall), limits=loss).trades] == ["day limit"]
    first, second = [flat(10_000), UP, flat(10_000), flat(9_930)], [flat(9_930), flat(9_880), flat(9_850)]
    assert not trade(columns(first, second), limits=loss).trades  # 1,500 from the entry, 800 on the second day
    (out,) = trade(columns(first, [*second, flat(9_820)]), limits=loss).trades
    assert (out.exit_reason, out.exit_ts // DAY - out.entry_ts // DAY) == ("day limit", 1)


def test_a_strategy_with_a_hook_sees_every_bar() -> None:
    bars = columns([flat(10_000 + k) for k in range(8)])
    result = trade(bars, strategy=Hook())
    assert result.visited == len(bars)
    assert [p.quantity for p in result.open] == [3]


def test_nothing_to_do_costs_no_call() -> None:
    assert trade(columns([flat(9_000 + k) for k in range(50)])).visited == 0


def test_what_cannot_be_replayed_is_refused() -> None:
    bars = columns([flat(10_000)] * 3)
    with pytest.raises(ConfigError, match="wants bars of"):
        trade(bars, interval=5 * MINUTE)
    with pytest.raises(DataError, match="whole numbers"):
        trade(columns([flat(10_001)] * 3, scale=0.5))
    plan = Plan(
        id=StrategyId("plan"),
        strategy=Levels(),
        instruments=(universe(3)[2].id,),
        interval=MINUTE,
        sizing=Sizing(SizeBy.QUANTITY, 1),
    )
    settings = Settings(desk="BT", plans=(plan,), limits=Limits())
    with pytest.raises(ConfigError, match="no bars"):
        replay_bars(settings, {STOCK.id: bars}, MASTER, Calendar(), flat_costs(0))


def test_flat_costs_round_to_the_paisa() -> None:
    (only,) = trade(columns([flat(10_000), UP, flat(10_000), OUT, flat(10_000), flat(10_000)])).trades
    assert flat_costs(300)(only) == 60
    assert flat_costs(0)(only) == 0
    assert flat_costs(3)(only) == 1


def test_detail_in_parts_of_a_paisa_is_refused() -> None:
    rows = [(10_000, 10_010, 9_990, 10_000)] * 4
    settings = Settings(desk="BT", plans=(), limits=Limits())
    with pytest.raises(DataError, match="whole numbers"):
        replay_bars(
            settings,
            {STOCK.id: columns(rows)},
            MASTER,
            Calendar(),
            flat_costs(0),
            detail={STOCK.id: columns(rows, scale=1.00001)},
        )
