"""A broker that does everything a broker may do, and a world in which an engine has to live with it.

Orders are accepted, refused, lost before or after acceptance; fills come in any size; the stream's reports are
delayed, repeated, crossed and dropped; the desk is killed between any two messages and comes back from its journal.
After every step the world checks what must always hold; `settle` lets the broker behave and checks what must hold then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from msgspec.structs import replace

from saudagar.engine.engine import Engine, Step
from saudagar.engine.settings import Settings
from saudagar.engine.state import State
from saudagar.execution.effects import (
    CancelOrder,
    Effect,
    FetchPriceBand,
    FetchTrades,
    FindOrder,
    ModifyOrder,
    SubmitOrder,
)
from saudagar.execution.steering import Tactics
from saudagar.market.ist import at
from saudagar.market.sessions import Calendar
from saudagar.model import (
    MINUTE,
    SECOND,
    AccountSnapshot,
    BrokerOrderId,
    BrokerPosition,
    Direction,
    Funds,
    Instrument,
    InstrumentId,
    InstrumentKind,
    Intent,
    LookUpMissed,
    ModifyAccepted,
    NewOrder,
    Offset,
    OrderReport,
    OrderStatus,
    OrderTerms,
    OrderType,
    PriceBandTold,
    Product,
    Protection,
    Purpose,
    RequestFailed,
    Segment,
    SetTradingState,
    Side,
    StrategyId,
    Tick,
    TickFrame,
    TradeReport,
    TradingState,
)
from saudagar.model.errors import UnknownInstrument
from saudagar.model.events import PositionAdopted, TargetSet
from saudagar.risk import Limits

DAY = date(2026, 11, 20)
OPEN = at(DAY, "09:20")
SBIN = Instrument(segment=Segment.NSE_EQ, symbol="SBIN", kind=InstrumentKind.EQUITY, tick_size=5, freeze_quantity=100)
FUTURE = Instrument(
    segment=Segment.NSE_FNO,
    symbol="NIFTY-2026-11-24-FUT",
    kind=InstrumentKind.FUTURE,
    tick_size=10,
    lot_size=65,
    freeze_quantity=130,
)
STOP = Protection(stop=Offset(ppm=10_000), trail=Offset(ppm=12_000), target=Offset(ppm=30_000))
EXITS = (STOP, STOP, STOP, Protection(stop=Offset(ppm=4_000)), Protection(target=Offset(ppm=5_000)), Protection())


class Lookup:
    """The instruments by id, for an engine under test."""

    def __init__(self, *instruments: Instrument) -> None:
        self._by_id = {each.id: each for each in instruments}

    def get(self, instrument: InstrumentId) -> Instrument:
        try:
            return self._by_id[instrument]
        except KeyError:
            raise UnknownInstrument(f"no instrument {instrument!r}.") from None

    def by_dhan(self, segment: str, security_id: str) -> Instrument | None:
        return None

    def by_upstox(self, instrument_key: str) -> Instrument | None:
        return None

    def __iter__(self):
        return iter(self._by_id.values())


LIMITS = Limits(allowed=frozenset({SBIN.id, FUTURE.id}), orders_per_second=6, stale=3600 * SECOND)
SETTINGS = Settings(desk="TEST", plans=(), limits=LIMITS, tactics=Tactics(), reconcile=MINUTE)
_CALENDAR = Calendar()


@dataclass(eq=False)
class Book:
    """One order as the broker has it."""

    new: NewOrder
    number: BrokerOrderId
    terms: OrderTerms
    status: OrderStatus
    trades: list[TradeReport] = field(default_factory=list)
    reason: str = ""

    @property
    def filled(self) -> int:
        return sum(trade.quantity for trade in self.trades)

    @property
    def remaining(self) -> int:
        return self.terms.quantity - self.filled if self.status.working else 0

    def report(self, ts: int, *, stream: bool) -> OrderReport:
        filled = self.filled
        value = sum(trade.quantity * trade.price for trade in self.trades)
        return OrderReport(
            order_id=self.new.order_id,
            status=self.status,
            ts=ts,
            broker_id=self.number,
            filled=filled,
            last_price=self.trades[-1].price if stream and filled else 0,
            average_price=round(value / filled) if filled else 0.0,
            terms=self.terms,
            reason=self.reason,
            instrument=self.new.instrument,
        )


class World:
    """One engine, one journal, one broker, and the wire between them."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.settings = settings
        self.funds: Funds | None = None  # what the broker says of money
        self.foreign: dict[InstrumentId, int] = {}  # units that somebody else has bought or sold
        self.bands: dict[InstrumentId, tuple[int, int]] = {}  # what the exchange takes
        self.tells_bands = True  # and the broker says
        self.refusals = 0  # for a price outside
        self.now = OPEN
        self.price = {SBIN.id: 80_000, FUTURE.id: 2_400_000}
        self.volume = 0
        self.journal = State()  # what a replay of everything on disk gives
        self._told = self.journal.digest()  # kept: it changes with events only, and most steps have none
        self.events = []
        self.book: dict[str, Book] = {}
        self.sent: set[str] = set()
        self.limbo: list[tuple[int, NewOrder]] = []  # timed out, and on its way all the same
        self.wire: list[object] = []  # what the broker has said and the desk has not heard
        self.pending: list[Effect] = []
        self.writes: dict[int, int] = {}
        self.wanted: dict[str, tuple[int, int]] = {}  # the lowest and the highest target of each position so far
        self._begin()
        self.tick(0, 0)

    # -- the desk ------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        state = State.replay(self.events)
        assert state.digest() == self._told
        self.engine = Engine(
            self.settings, Lookup(SBIN, FUTURE), _CALENDAR, state, lambda _: 100, watched=(SBIN.id, FUTURE.id)
        )
        self._take(self.engine.start(DAY, self.now))

    def kill(self) -> None:
        """The process dies: what was in memory or in flight is gone; what the wire had taken may still arrive."""
        for effect in self.pending:
            if isinstance(effect, SubmitOrder) and len(self.book) % 2:
                self.limbo.append((self.now + SECOND, effect.order))
        self.pending, self.wire = [], []
        self.now += SECOND  # nobody comes back sooner
        self._begin()
        self.tick(0, 0)

    def say(self, event: object) -> None:
        """Hand the desk one input and check what comes of it."""
        self._take(self.engine.process(event))

    def _take(self, step: Step) -> None:
        for event in step.events:
            self.journal.apply(event)
            if isinstance(event, TargetSet | PositionAdopted):
                low, high = self.wanted.get(event.position, (0, 0))
                self.wanted[event.position] = min(low, event.quantity), max(high, event.quantity)
            if isinstance(event, PositionAdopted):  # what others have traded, the desk may trade once more
                low, high = self.wanted[event.position]
                self.wanted[event.position] = low - abs(event.quantity), high + abs(event.quantity)
        if step.events:
            self._told = self.journal.digest()
        self.events += step.events
        assert self._told == self.engine.state.digest(), "the journal tells another story"
        for effect in step.effects:
            self._check(effect)
        self.pending += step.effects

    def _check(self, effect: Effect) -> None:
        halted = self.engine.state.trading is TradingState.HALTED
        if isinstance(effect, SubmitOrder | ModifyOrder | CancelOrder):
            second = self.engine.now // SECOND
            self.writes[second] = self.writes.get(second, 0) + 1
            assert self.writes[second] <= self.settings.limits.orders_per_second
        if isinstance(effect, SubmitOrder):
            assert not halted
            assert effect.order.order_id not in self.sent, "sent twice"
            self.sent.add(effect.order.order_id)
            self._on_grid(effect.order.instrument, effect.order.terms, 0)
        if isinstance(effect, ModifyOrder):
            assert not halted
            order = self.engine.state.orders[effect.order_id]
            self._on_grid(order.new.instrument, effect.terms, order.filled)

    def _on_grid(self, instrument_id: InstrumentId, terms: OrderTerms, filled: int) -> None:
        instrument = SBIN if instrument_id == SBIN.id else FUTURE
        rest = terms.quantity - filled
        assert 0 < rest <= instrument.freeze_quantity
        assert rest % instrument.lot_size == 0
        assert not terms.order_type.has_price or instrument.on_tick(terms.price)
        assert not terms.order_type.has_trigger or instrument.on_tick(terms.trigger_price)

    # -- what must always hold -----------------------------------------------------------------------------------

    def truth(self) -> dict[str, int]:
        """Each position as the sum of the exchange's fills."""
        sums: dict[str, int] = {}
        for order in self.book.values():
            name = order.new.position
            sums[name] = sums.get(name, 0) + order.new.side.sign * order.filled
        return sums

    def check(self) -> None:
        """Whatever may still trade at the broker, closing does not open, and nobody gets more than was ever wanted."""
        held = self.truth()
        for name, quantity in held.items():
            low, high = self.wanted[name]
            entries = [o for o in self.book.values() if o.new.position == name and not o.new.purpose.reduces]
            bought, sold = (sum(o.remaining for o in entries if o.new.side is side) for side in Side)
            assert low <= quantity - sold <= quantity + bought <= high, f"{name} holds {quantity} of {low} to {high}"
            closing = [o for o in self.book.values() if o.new.position == name and o.new.purpose.reduces]
            for side in Side:
                most = sum(o.remaining for o in closing if o.new.side is side)
                room = max(0, -side.sign * quantity)
                assert most <= room, f"{name} holds {quantity}; {most} would be closed"

    # -- what the adversary may do -------------------------------------------------------------------------------

    def want(self, strategy: str, instrument: Instrument, direction: Direction, lots: int) -> None:
        """A strategy asks for so many lots (25 shares make one here), with exits of one kind or another."""
        size = 25 if instrument is SBIN else 65
        exits = EXITS[self.volume % len(EXITS)]
        self.say(
            Intent(
                strategy=StrategyId(strategy),
                instrument=instrument.id,
                direction=direction,
                ts=self.now,
                reason="test",
                quantity=lots * size if direction else None,
                protection=exits if direction else Protection(),
            )
        )

    def tick(self, which: int, move: int) -> None:
        """A second passes and one instrument trades, up to 0.4 % away."""
        instrument = FUTURE if which % 2 else SBIN
        grid, last = instrument.tick_size, self.price[instrument.id]
        self.at(instrument, (last + last * move // 1000) // grid * grid)

    def at(self, instrument: Instrument, price: int) -> None:
        """A second passes and `instrument` trades at `price`."""
        self.now += SECOND
        self._late_acceptances()
        self.price[instrument.id] = price
        self.volume += 1
        ticks = [Tick(i, self.now, price, self.volume) for i, price in self.price.items()]
        self.say(TickFrame(self.now, ticks))

    def switch(self, state: TradingState, flatten: bool) -> None:
        self.say(SetTradingState(ts=self.now, state=state, reason="test", flatten=flatten))

    def carry(self, outcome: str) -> None:
        """Carry out the oldest effect, with `outcome` if it is a write."""
        if self.pending:
            self._carry(self.pending.pop(0), outcome)

    def fill(self, which: int, part: int) -> None:
        """Some working order trades `part` eighths of its rest, at a price of the broker's choice."""
        working = [o for o in self.book.values() if o.remaining]
        if not working:
            return
        order = working[which % len(working)]
        lot = 65 if order.new.instrument == FUTURE.id else 1
        quantity = min(order.remaining, max(lot, order.remaining * part // 8 // lot * lot))
        price = order.terms.price + 5 * part if order.terms.price else self.price[order.new.instrument]
        self.fill_at(order, quantity, price)

    def end(self, which: int, status: OrderStatus) -> None:
        """The exchange ends a working order by itself."""
        working = [o for o in self.book.values() if o.remaining]
        if working:
            order = working[which % len(working)]
            order.status, order.reason = status, "the exchange says so"
            self._tell(order)

    def hear(self, which: int) -> None:
        """One message arrives, not always the oldest."""
        if self.wire:
            self.say(self.wire.pop(which % len(self.wire)))

    def echo(self, which: int) -> None:
        """One message arrives now and once more later."""
        if self.wire:
            self.say(self.wire[which % len(self.wire)])

    def lose(self, which: int) -> None:
        """A message of the stream is lost; an answer never is, it becomes a time-out.

        Of an order that waits for its trigger only the broker's book tells then, where the desk looks at it.
        """
        reports = [
            message
            for message in self.wire
            if isinstance(message, OrderReport)
            and (self.settings.reconcile or not self.book[message.order_id].terms.order_type.has_trigger)
        ]
        if reports:
            self.wire.remove(reports[which % len(reports)])

    def work(self, effects: int, messages: int) -> None:
        """For a moment everything goes well."""
        for _ in range(effects):
            self.carry("ok")
        for _ in range(messages):
            self.hear(0)

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.tick(0, 0)

    # -- the broker ----------------------------------------------------------------------------------------------

    def _tell(self, order: Book) -> None:
        self.wire.append(order.report(self.now, stream=True))

    def _accept(self, new: NewOrder) -> None:
        assert new.order_id not in self.book
        status = OrderStatus.TRIGGER_PENDING if new.terms.order_type.has_trigger else OrderStatus.OPEN
        order = Book(new, BrokerOrderId(f"B{len(self.book)}"), new.terms, status)
        self.book[new.order_id] = order
        self._tell(order)

    def _late_acceptances(self) -> None:
        due = [new for when, new in self.limbo if when <= self.now]
        self.limbo = [entry for entry in self.limbo if entry[0] > self.now]
        for new in due:
            self._accept(new)

    def _carry(self, effect: Effect, outcome: str) -> None:
        if isinstance(effect, SubmitOrder | ModifyOrder | CancelOrder):
            self._write(effect, outcome)
        elif outcome == "lost request":
            pass  # a read that failed brings nothing
        elif isinstance(effect, FindOrder):
            order = self.book.get(effect.order_id)
            missed = LookUpMissed(self.now, effect.order_id)
            self.say(order.report(self.now, stream=False) if order else missed)
        elif isinstance(effect, FetchPriceBand):
            low, high = self.bands.get(effect.instrument, (0, 0)) if self.tells_bands else (0, 0)
            self.say(PriceBandTold(ts=self.now, instrument=effect.instrument, low=low, high=high))
        elif isinstance(effect, FetchTrades):
            trades = self.book[effect.report.order_id].trades
            behind = len(trades) - 1 if outcome == "refused" else len(trades)  # the trade book may lag
            self.say(replace(effect.report, trades=tuple(trades[:behind])))
        else:
            self.compare()

    def compare(self) -> None:
        """Tell the desk the whole book."""
        net = dict(self.foreign)
        for order in self.book.values():
            key = order.new.instrument
            net[key] = net.get(key, 0) + order.new.side.sign * order.filled
        self.say(
            AccountSnapshot(
                ts=self.now,
                reports=tuple(order.report(self.now, stream=False) for order in self.book.values()),
                positions=tuple(
                    BrokerPosition(instrument=key, product=Product.INTRADAY, quantity=q) for key, q in net.items()
                ),
                funds=self.funds,
            )
        )

    def _write(self, effect: SubmitOrder | ModifyOrder | CancelOrder, outcome: str) -> None:
        word = {SubmitOrder: "submit", ModifyOrder: "modify", CancelOrder: "cancel"}[type(effect)]
        order_id = effect.order.order_id if isinstance(effect, SubmitOrder) else effect.order_id
        done = outcome in ("ok", "lost answer")
        refused = ""
        if done:
            refused = self._do(effect)
        elif outcome == "limbo" and isinstance(effect, SubmitOrder):
            self.limbo.append((self.now + 12 * SECOND, effect.order))
        unknown = outcome in ("lost answer", "lost request", "limbo")
        if refused or outcome in ("refused", "too fast") or unknown:
            self.wire.append(
                RequestFailed(
                    ts=self.now,
                    order_id=order_id,
                    request=word,
                    refused=not unknown,
                    reason=refused or outcome,
                    retry=outcome == "too fast",
                )
            )
        elif word == "submit":
            report = OrderReport(order_id=order_id, status=OrderStatus.PENDING, ts=self.now)
            self.wire.append(replace(report, broker_id=self.book[order_id].number))
        elif word == "modify":
            self.wire.append(ModifyAccepted(self.now, order_id))

    def _do(self, effect: SubmitOrder | ModifyOrder | CancelOrder) -> str:
        """What the broker does; a refusal's words, or nothing."""
        if isinstance(effect, SubmitOrder):
            if self._beyond(effect.order.instrument, effect.order.terms):
                return "circuit limit"
            self._accept(effect.order)
            return ""
        order = self.book.get(effect.order_id)
        if order is None or not order.status.working:
            return "no such working order"
        if isinstance(effect, ModifyOrder) and self._beyond(order.new.instrument, effect.terms):
            return "circuit limit"
        if isinstance(effect, CancelOrder):
            order.status = OrderStatus.CANCELLED
        else:
            if effect.terms.quantity <= order.filled:
                return "quantity has traded"
            order.terms = effect.terms
            if effect.terms.order_type.has_trigger != (order.status is OrderStatus.TRIGGER_PENDING):
                order.status = OrderStatus.PARTIALLY_FILLED if order.filled else OrderStatus.OPEN
        self._tell(order)
        return ""

    def _beyond(self, instrument: InstrumentId, terms: OrderTerms) -> bool:
        low, high = self.bands.get(instrument, (0, 1 << 62))
        beyond = any(price and not low <= price <= high for price in (terms.price, terms.trigger_price))
        self.refusals += beyond
        return beyond

    # -- good weather --------------------------------------------------------------------------------------------

    def settle(self, seconds: int = 200) -> None:
        """The broker behaves, and the market stands still: everything must come to rest."""
        self.switch(TradingState.ACTIVE, flatten=False)
        for _ in range(seconds):
            self.trade()
            self.tick(0, 0)
        self.trade()
        state, truth = self.engine.state, self.truth()
        assert {p.id: p.quantity for p in state.positions.values() if p.quantity} == {
            name: quantity for name, quantity in truth.items() if quantity
        }
        for position in state.positions.values():
            assert position.target == position.quantity
            resting = [o for o in self.book.values() if o.new.position == position.id and o.status.working]
            assert all(o.new.purpose is Purpose.STOP for o in resting), resting
            covered = abs(position.quantity) if position.stop else 0
            assert sum(o.remaining for o in resting) == covered, (position, resting)
            assert {o.new.order_id for o in resting} == set(state.working.get(position.id, ()))
            assert all(o.terms.trigger_price == position.stop for o in resting)
        assert not any(o.status is OrderStatus.UNKNOWN for o in state.orders.values())
        for order in self.book.values():
            known = state.orders[order.new.order_id]
            value = sum(trade.quantity * trade.price for trade in order.trades)
            assert known.filled == order.filled
            assert abs(known.value - value) <= order.filled  # a printed average cannot tell more
        assert not state.frozen
        assert State.replay(self.events).digest() == state.digest()
        levels = {p.id: (p.stop, p.target_price) for p in state.positions.values()}
        self._begin()  # what it would go on with after a restart
        assert levels == {p.id: (p.stop, p.target_price) for p in self.engine.state.positions.values()}

    def talk(self) -> None:
        """Carry out and deliver everything, in order; nothing trades by itself."""
        while self.pending or self.wire:
            while self.wire:
                self.hear(0)
            self.carry("ok")
            self.check()

    def trade(self) -> None:
        """The same, and whatever can be filled is filled."""
        self.talk()
        while ready := [o for o in self.book.values() if o.remaining and o.terms.order_type is OrderType.LIMIT]:
            for order in ready:
                self.fill_at(order, order.remaining, order.terms.price)
            self.talk()

    def fill_at(self, order: Book, quantity: int, price: int) -> None:
        """One execution of `order`."""
        order.trades.append(TradeReport(f"T{len(order.trades)}", quantity, price, self.now))
        order.status = OrderStatus.PARTIALLY_FILLED if order.remaining else OrderStatus.FILLED
        self._tell(order)


def play(actions: Sequence[tuple[str, int, int]], settings: Settings = SETTINGS) -> World:
    """A world after `actions`, checked after each."""
    world = World(settings)
    for name, a, b in actions:
        _ACTIONS[name](world, a, b)
        world.check()
    return world


_L, _S, _F = Direction.LONG, Direction.SHORT, Direction.FLAT
_DIRECTIONS = (_L, _S, _L, _S, _L, _S, _F, _L)
_OUTCOMES = ("ok", "ok", "refused", "too fast", "lost request", "lost answer", "lost answer", "limbo")
_ENDS = (OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED)
_STATES = (TradingState.ACTIVE,) * 6 + (TradingState.REDUCING, TradingState.HALTED)
_ACTIONS = {
    "want": lambda w, a, b: w.want("ab"[a % 2], FUTURE if a > 5 else SBIN, _DIRECTIONS[b], 1 + b),
    "tick": lambda w, a, b: w.tick(a, b - 4),
    "carry": lambda w, a, b: w.carry(_OUTCOMES[a]),
    "work": lambda w, a, b: w.work(1 + a, 1 + b),
    "fill": lambda w, a, b: w.fill(a, b + 1),
    "end": lambda w, a, b: w.end(a, _ENDS[b % 3]),
    "hear": lambda w, a, b: w.hear(a),
    "echo": lambda w, a, b: w.echo(a),
    "lose": lambda w, a, b: w.lose(a),
    "wait": lambda w, a, b: w.wait(1 + 2 * b),
    "kill": lambda w, a, b: w.kill(),
    "switch": lambda w, a, b: w.switch(_STATES[a], flatten=b == 0),
}
_WEIGHTS = {"want": 3, "tick": 3, "carry": 3, "work": 6, "fill": 5, "hear": 3, "wait": 2}
NAMES = tuple(name for name in _ACTIONS for _ in range(_WEIGHTS.get(name, 1)))
"""What the adversary does, the more usual things more often."""
