"""`LiveVenue`: what it refuses before the market is asked for anything, and how paper hears the ticks first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from saudagar.app.config import DeskConfig, parse
from saudagar.app.venues.in_process import InProcessVenue
from saudagar.app.venues.live import LiveVenue
from saudagar.brokers.dhan.broker import DhanBroker
from saudagar.brokers.paper import PaperBroker
from saudagar.exchange.synthetic import SyntheticDay
from saudagar.exchange.universe import universe
from saudagar.execution.ports import LinkState, LinkStatus
from saudagar.market.ist import at
from saudagar.market.master import Master
from saudagar.model import SECOND, Instrument, Quote, Tick, TickFrame, TimeAdvanced
from saudagar.model.errors import CalendarError, ConfigError, DataError
from saudagar.storage.master import save

FRIDAY = date(2026, 11, 20)
SATURDAY = date(2026, 11, 21)
NAMES = '"NSE:RELIANCE", "NSE:INFY"'
SECRETS = {
    "SAUDAGAR_UPSTOX_TOKEN": "upstox-secret",
    "SAUDAGAR_DHAN_TOKEN": "dhan-secret",
    "SAUDAGAR_DHAN_CLIENT_ID": "1",
}


class Feed:
    """In the place of `UpstoxFeed`."""

    def __init__(self, settings: Any, watch: Any = None) -> None:
        self.settings, self.watch = settings, watch
        self.refusals = {"bad price": 2}
        self.stopped = False

    async def start(
        self, instruments: Sequence[Instrument], on_frame: Callable[[TickFrame], None], on_status: Callable[..., None]
    ) -> None:
        on_status(LinkStatus(LinkState.UP, "upstox feed"))
        self.on_frame = on_frame

    async def bars(self, *_: Any) -> list[Any]:
        return []

    async def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., DeskConfig]:
    monkeypatch.setattr("saudagar.brokers.upstox.feed.UpstoxFeed", Feed)

    def make(mode: str = "paper", names: str = NAMES, master: date | None = FRIDAY) -> DeskConfig:
        if master is not None:
            save(Master(master, tuple(universe())), tmp_path / "var" / "instruments", accept=True)
        text = f"""
            [desk]
            mode = "{mode}"
            [strategies.ema]
            kind = "ema_cross"
            instruments = [{names}]
            size = {{ quantity = 1 }}
        """
        return parse(text, tmp_path / "desk.toml", SECRETS)

    return make


def venue(config: DeskConfig, moment: str = "10:00:00", day: date = FRIDAY) -> LiveVenue:
    return LiveVenue(config, clock=lambda: at(day, moment))


def test_an_old_master_is_refused(config: Callable[..., DeskConfig]) -> None:
    with pytest.raises(DataError, match="of 2026-11-19, today is 2026-11-20"):
        asyncio.run(venue(config(master=date(2026, 11, 19))).open())


def test_a_closed_day_is_refused(config: Callable[..., DeskConfig]) -> None:
    with pytest.raises(CalendarError, match="Saturday 21 November 2026 is not a trading day"):
        asyncio.run(venue(config(master=SATURDAY), day=SATURDAY).open())


def test_all_missing_instruments_are_named(config: Callable[..., DeskConfig]) -> None:
    with pytest.raises(ConfigError) as caught:
        asyncio.run(venue(config(names='"NSE:NOPE", "NSE:INFY", "NSE:NIFTY"')).open())
    assert [problem.split(": ")[0] for problem in caught.value.problems] == ["NSE:NOPE", "NSE:NIFTY"]


def test_what_was_never_opened_can_be_closed(config: Callable[..., DeskConfig]) -> None:
    asyncio.run(venue(config()).close())


def test_live_sends_to_dhan_and_paper_does_not(config: Callable[..., DeskConfig]) -> None:
    paper, real = venue(config()), venue(config("live"))
    asyncio.run(paper.open())
    asyncio.run(real.open())
    assert isinstance(paper.broker, PaperBroker)
    assert isinstance(real.broker, DhanBroker)
    assert "secret" not in repr(real.broker._settings)
    assert paper.span == (at(FRIDAY, "09:15"), at(FRIDAY, "15:35"))
    assert paper.fresh is False
    assert paper.watched() == []


def test_paper_fills_before_the_desk_sees_the_price(config: Callable[..., DeskConfig]) -> None:
    """And the day ends a minute after the close."""
    now = [at(FRIDAY, "15:34:59")]
    desk = LiveVenue(config(), clock=lambda: now[0])
    put: list[Any] = []
    runner: Any = SimpleNamespace(
        put=put.append,
        on_link=put.append,
        engine=SimpleNamespace(state=SimpleNamespace(orders={})),
    )

    async def day() -> None:
        await desk.open()
        reliance = desk.resolve("NSE:RELIANCE")
        assert await desk.bars(reliance, SECOND, 0, 1) == []
        await desk.connect(runner, [reliance])
        frame = TickFrame(now[0], [Tick(reliance.id, now[0], 1_400_00, 10)], 0)
        feed: Any = desk._feed
        feed.on_frame(frame)
        assert desk._core.last(reliance.id) == frame.ticks[0]
        assert put[-1] is frame
        feed.on_frame(TickFrame(now[0] + 61 * SECOND, frame.ticks, 0))
        assert put[-1] is frame
        trading = asyncio.create_task(desk.trade(runner))
        await asyncio.sleep(0)
        assert put[-1] == TimeAdvanced(now[0])
        assert await desk.now() == now[0]
        now[0] += 61 * SECOND
        await asyncio.wait_for(trading, 2)
        await desk.close()
        assert feed.stopped

    asyncio.run(day())
    assert desk.links["feed"] is LinkState.UP
    assert desk.refusals() == {"bad price": 2, "frame from the future": 1}


def test_the_price_band_of_paper_is_the_cores_and_of_live_a_quotes(
    config: Callable[..., DeskConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    share = next(each for each in universe() if each.symbol == "RELIANCE")

    class Quotes:
        """Knows one share and its band, and must be closed."""

        open = 0

        async def start(self) -> None:
            Quotes.open += 1

        async def quotes(self, asked: Sequence[Instrument]) -> dict[Any, Quote]:
            assert Quotes.open == 1
            known = Quote(instrument=share.id, ltp=1, lower_limit=1_100_00, upper_limit=1_500_00)
            return {each.id: known for each in asked if each.id == share.id}

        async def stop(self) -> None:
            Quotes.open -= 1

    monkeypatch.setattr("saudagar.app.venues.live.quote_client", lambda *_: Quotes())

    async def day() -> None:
        real, paper = venue(config("live")), venue(config())
        await real.open()
        assert await real.price_band(share.id) == (1_100_00, 1_500_00)
        assert await real.price_band(real.resolve("NSE:INFY").id) == (0, 0)  # not in the answer
        await paper.open()
        assert await paper.price_band(share.id) == (0, 0)  # no price yet
        now = at(FRIDAY, "10:00")
        paper._core.advance(now, [Tick(share.id, now, 1_000_00, 10)])
        assert await paper.price_band(share.id) == (800_00, 1_200_00)

    asyncio.run(day())
    assert Quotes.open == 0


def test_the_price_band_of_a_simulated_day_is_its_cores() -> None:
    source = SyntheticDay(7, FRIDAY, universe(3), start="09:15", end="09:16")
    simulated = InProcessVenue(source, capital=1, speed=0.0)
    share = source.instruments[1].id
    low, high = asyncio.run(simulated.price_band(share))
    assert 0 < low < source.previous_close(share) < high
