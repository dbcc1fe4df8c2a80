"""A desk on a stage: the engine and its runner at one of the four brokers, for tests of the whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.contract.suite.links import quotes_of
from tests.contract.suite.market import RELIANCE, Lookup
from tests.contract.suite.stage import Stage, WiredStage

from saudagar.app.venues.base import told_band
from saudagar.engine.engine import Engine
from saudagar.engine.runner import Runner
from saudagar.engine.settings import Settings
from saudagar.engine.state import State
from saudagar.execution.ports import LinkState, LinkStatus
from saudagar.market.sessions import Calendar
from saudagar.model import (
    Direction,
    Intent,
    OrderReport,
    Product,
    Protection,
    StrategyId,
    TickFrame,
)
from saudagar.model import events as ev
from saudagar.risk import Limits


class Journal:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.events: list[ev.Event] = []

    def append(self, events: Sequence[ev.Event]) -> int:
        self.events += events
        return len(self.events)

    def entries(self, after: int = 0) -> Iterator[object]:
        return iter(())

    def close(self) -> None: ...


class Heard(list[OrderReport]):
    """A stage's reports, on their way to a runner."""

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self._runner = runner

    def append(self, report: OrderReport) -> None:
        super().append(report)
        self._runner.put(report)


class Desk:
    """An engine and its runner on a stage."""

    def __init__(
        self, stage: Stage, *, product: Product = Product.INTRADAY, journal: Sequence[ev.Event] = (), desk: str = "T"
    ) -> None:
        limits = Limits(allowed=frozenset({RELIANCE.id}), price_band_ppm=200_000)
        settings = Settings(desk=desk, plans=(), limits=limits, product=product, reconcile=0)  # compared when asked
        self.stage, self.journal = stage, Journal()
        self.journal.append(journal)
        self.engine = Engine(settings, Lookup(), Calendar(), State.replay(journal), lambda _: 0, watched=[RELIANCE.id])
        self.runner = Runner(self.engine, self.journal, stage.client, price_band=self._band)
        stage.reports = Heard(self.runner)

    async def _band(self, instrument: str) -> tuple[int, int]:
        if isinstance(self.stage, WiredStage):
            return await told_band(quotes_of(self.stage.name, self.stage.floor), RELIANCE)
        return self.stage.core.band(RELIANCE.id)

    async def step(self, price: int) -> None:
        """The market moves, the desk sees it, and both come to rest."""
        await self.stage.step(price)
        last = self.stage.core.last(RELIANCE.id)
        assert last is not None
        self.runner.put(TickFrame(self.stage.core.now, [last]))
        await self.runner.quiet()
        await self.stage.until(self._agree)

    def long(self, strategy: str, quantity: int, protection: Protection) -> None:
        """`strategy` wants so much of RELIANCE."""
        self.runner.put(
            Intent(
                strategy=StrategyId(strategy),
                instrument=RELIANCE.id,
                direction=Direction.LONG,
                ts=self.engine.now,
                reason="test",
                quantity=quantity,
                protection=protection,
            )
        )

    def _agree(self) -> bool:
        """Whether the desk knows of every order what the exchange knows (Dhan does not say that a stop has woken)."""
        known = self.engine.state.orders
        return self.runner.idle and all(
            (known[each.tag].working, known[each.tag].filled) == (each.status.working, each.filled)
            for each in self.stage.core.orders.values()
            if each.tag in known
        )

    async def compare(self) -> None:
        """Have the broker's book compared until a difference is no message under way."""
        for _ in range(2):
            for _ in range(11):
                await self.step(self.stage.day.price)
            self.runner.on_link(LinkStatus(LinkState.UP, "orders"))
            await self.runner.quiet()

    @property
    def refusals(self) -> list[str]:
        """What the exchange refused: orders, and changes of orders."""
        orders = [order.reason for order in self.engine.state.orders.values() if order.status == "REJECTED"]
        changes = [e.reason for e in self.journal.events if isinstance(e, ev.ModifyEnded) and e.terms is None]
        return orders + changes
