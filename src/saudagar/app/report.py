"""The closing report of a day, as values: every round trip with its charges, totals, orders, latency, ticks.

`build` makes it from the desk's state and what the run measured; `report_text` and `report_html` draw it and
`as_json` hands it to programs. Amounts are paise, moments UTC ns, latencies ns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from math import ceil
from typing import Any

import msgspec

from saudagar.app.wording import one_line
from saudagar.engine.state import State
from saudagar.market.charges import Charges
from saudagar.market.ist import ist_day
from saudagar.market.words import symbol
from saudagar.model import Nanos, OrderStatus, Paise, TradingState
from saudagar.portfolio import Trade


class ChargeLines(msgspec.Struct, frozen=True, kw_only=True):
    """What the state, the exchange and the broker take, each in whole paise."""

    brokerage: Paise = 0
    stt: Paise = 0
    exchange: Paise = 0  # transaction charge with the investor protection fund's part
    sebi: Paise = 0
    stamp: Paise = 0
    gst: Paise = 0
    dp: Paise = 0  # depository, on delivery sales only

    @property
    def total(self) -> Paise:
        return sum(getattr(self, name) for name in CHARGES)


CHARGES: tuple[str, ...] = ChargeLines.__struct_fields__


class TradeLine(msgspec.Struct, frozen=True, kw_only=True):
    """One round trip. `side` is the entry's; prices are averages in paise."""

    strategy: str
    instrument: str
    side: str
    quantity: int
    entry_ts: Nanos
    entry_price: float
    entry_reason: str
    exit_ts: Nanos
    exit_price: float
    exit_reason: str
    gross: Paise
    charges: ChargeLines
    net: Paise

    @property
    def symbol(self) -> str:
        return symbol(self.instrument)


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over round trips. `best` and `worst` are the extremes of net; None where nothing traded."""

    name: str
    trades: int
    wins: int  # net above zero
    quantity: int
    gross: Paise
    charges: ChargeLines
    net: Paise
    best: Paise | None
    worst: Paise | None

    @property
    def win_rate(self) -> float | None:
        """Wins per round trip, 0 to 1."""
        return self.wins / self.trades if self.trades else None


class OpenLine(msgspec.Struct, frozen=True, kw_only=True):
    """A position that the day's end found open: its profit is in none of the totals."""

    strategy: str
    instrument: str
    quantity: int  # signed units
    average: Paise


class OrderTally(msgspec.Struct, frozen=True, kw_only=True):
    """Orders by how they ended. `unknown` and `working` must be 0 after an orderly day."""

    sent: int
    filled: int
    cancelled: int  # part fills included
    rejected: int
    expired: int
    working: int
    unknown: int
    denied: dict[str, int]  # intents that risk refused, by rule


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Tick at the socket → order durable and handed to the broker's SDK, in ns; None where nothing was measured."""

    count: int
    p50: int | None
    p99: int | None
    max: int | None


class AlertLine(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person should know, told once however often it was said."""

    message: str
    first: Nanos
    last: Nanos
    times: int


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the run knows and the state does not."""

    title: str
    command: str
    version: str
    config: str  # digest
    seed: int | None
    journal: str
    report: str  # path of the HTML file
    seconds: float  # wall time of the run
    ticks: int
    refused: dict[str, int] = msgspec.field(default_factory=dict)  # ticks never traded on, by kind


class DayReport(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    day: date
    run: RunFacts
    trading: TradingState
    trading_reason: str
    trades: tuple[TradeLine, ...]  # by time of exit
    strategies: tuple[Tally, ...]
    total: Tally
    open: tuple[OpenLine, ...]
    orders: OrderTally
    latency: Latency
    alerts: tuple[AlertLine, ...]  # by first time
    state: str  # fingerprint of the desk's memory; `saudagar journal replay` must come to the same

    @property
    def ticks_per_second(self) -> float:
        return self.run.ticks / self.run.seconds if self.run.seconds > 0 else 0.0

    @property
    def equity(self) -> list[tuple[Nanos, Paise]]:
        """Net profit after each round trip, from 0."""
        points: list[tuple[Nanos, Paise]] = []
        for trade in self.trades:
            points.append((trade.exit_ts, (points[-1][1] if points else 0) + trade.net))
        return points


def build(state: State, run: RunFacts, charges: Callable[[Trade], Charges], latencies: Iterable[int]) -> DayReport:
    """The report of the newest day that `state` holds; a journal may hold many.

    Parameters
    ----------
    charges
        What a round trip costs: the sum over its legs.
    latencies
        Tick → order submitted, ns, in any order.
    """
    day = state.day or (ist_day(state.trades[-1].exit_ts) if state.trades else date(1970, 1, 1))
    closed = sorted((t for t in state.trades if ist_day(t.exit_ts) == day), key=lambda t: (t.exit_ts, t.position))
    trades = tuple(trade_line(trade, charges(trade)) for trade in closed)
    names = sorted({p.strategy for p in state.positions.values() if p.quantity} | {trade.strategy for trade in trades})
    return DayReport(
        day=day,
        run=run,
        trading=state.trading,
        trading_reason=one_line(state.trading_reason),
        trades=trades,
        strategies=tuple(tally(name, [trade for trade in trades if trade.strategy == name]) for name in names),
        total=tally("all", trades),
        open=tuple(
            OpenLine(strategy=p.strategy, instrument=p.instrument, quantity=p.quantity, average=p.average_price)
            for _, p in sorted(state.positions.items())
            if p.quantity
        ),
        orders=_orders(state, day),
        latency=latency(latencies),
        alerts=_alerts(state, day),
        state=state.digest(),
    )


def trade_line(trade: Trade, charges: Charges) -> TradeLine:
    """A round trip as the report shows it: its charges add up to the paisa, and so does its net."""
    lines = charge_lines(charges)
    return TradeLine(
        strategy=trade.strategy,
        instrument=trade.instrument,
        side=trade.side.value,
        quantity=trade.quantity,
        entry_ts=trade.entry_ts,
        entry_price=trade.entry_price,
        entry_reason=one_line(trade.entry_reason),
        exit_ts=trade.exit_ts,
        exit_price=trade.exit_price,
        exit_reason=one_line(trade.exit_reason),
        gross=trade.gross,
        charges=lines,
        net=trade.gross - lines.total,
    )


def charge_lines(charges: Charges) -> ChargeLines:
    """Exact charges in whole paise whose sum is the rounded total."""
    exact = {name: getattr(charges, name) for name in CHARGES}
    exact["exchange"] += charges.ipft
    return ChargeLines(**share_out({name: rupees * 100 for name, rupees in exact.items()}, charges.total_paise))


def share_out(parts: Mapping[str, Decimal], total: int) -> dict[str, int]:
    """`parts` as whole numbers that sum to `total`: rounded down, the rest given to the largest remainders."""
    whole = {name: int(part // 1) for name, part in parts.items()}
    by_remainder = sorted(parts, key=lambda name: whole[name] - parts[name])
    for name in by_remainder[: total - sum(whole.values())]:
        whole[name] += 1
    return whole


def tally(name: str, trades: Sequence[TradeLine]) -> Tally:
    """The sums of `trades`."""
    nets = [trade.net for trade in trades]
    return Tally(
        name=name,
        trades=len(trades),
        wins=sum(net > 0 for net in nets),
        quantity=sum(trade.quantity for trade in trades),
        gross=sum(trade.gross for trade in trades),
        charges=ChargeLines(**{kind: sum(getattr(trade.charges, kind) for trade in trades) for kind in CHARGES}),
        net=sum(nets),
        best=max(nets, default=None),
        worst=min(nets, default=None),
    )


def latency(samples: Iterable[int]) -> Latency:
    """Percentiles by nearest rank."""
    ordered = sorted(samples)
    if not ordered:
        return Latency(count=0, p50=None, p99=None, max=None)

    def rank(percent: int) -> int:
        return ordered[ceil(len(ordered) * percent / 100) - 1]

    return Latency(count=len(ordered), p50=rank(50), p99=rank(99), max=ordered[-1])


def as_json(report: DayReport) -> dict[str, Any]:
    """Plain values for `--json`; the names are those of the classes here."""
    plain: dict[str, Any] = msgspec.to_builtins(report)
    plain["ticks_per_second"] = report.ticks_per_second
    plain["equity"] = report.equity
    return plain


def _orders(state: State, day: date) -> OrderTally:
    orders = [order for order in state.orders.values() if ist_day(order.submitted) == day]
    ended = Counter(order.status for order in orders)
    unknown = ended[OrderStatus.UNKNOWN]
    return OrderTally(
        sent=len(orders),
        filled=ended[OrderStatus.FILLED],
        cancelled=ended[OrderStatus.CANCELLED],
        rejected=ended[OrderStatus.REJECTED],
        expired=ended[OrderStatus.EXPIRED],
        working=sum(order.working for order in orders) - unknown,
        unknown=unknown,
        denied=dict(sorted(state.denials.items())),
    )


def _alerts(state: State, day: date) -> tuple[AlertLine, ...]:
    said: dict[str, list[Nanos]] = {}
    for alert in state.alerts:
        if ist_day(alert.ts) == day:
            said.setdefault(one_line(f"{alert.level}: {alert.message}"), []).append(alert.ts)
    return tuple(
        AlertLine(message=text, first=min(moments), last=max(moments), times=len(moments))
        for text, moments in said.items()
    )
