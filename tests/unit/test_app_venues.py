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
from saudagar.app.venues.live import LiveVenue
from saudagar.brokers.dhan.broker import DhanBroker
from saudagar.brokers.paper import PaperBroker
from saudagar.exchange.universe import universe
from saudagar.execution.ports import LinkState, LinkStatus
from saudagar.market.ist import at
from saudagar.market.master import Master
from saudagar.model import SECOND, Instrument, Tick, TickFrame, TimeAdvanced
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
