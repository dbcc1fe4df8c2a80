"""What the doctor looks at, scripted: a desk's file, a broker's door, a feed and an order desk."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from saudagar.app import doctor_broker
from saudagar.app.config import DeskConfig
from saudagar.app.doctor_broker import Room
from saudagar.app.doctor_machine import Finding
from saudagar.execution.ports import LinkState, LinkStatus
from saudagar.market.ist import at
from saudagar.model import Funds, Instrument, InstrumentKind, Segment, Tick, TickFrame

FRIDAY = date(2026, 11, 20)
NOW = at(FRIDAY, "08:30")
CONFIG = """
[desk]
mode = "live"
capital = 100000
directory = "desk"
[strategies.ema]
kind = "ema_cross"
instruments = ["NSE:SBIN"]
size = { quantity = 10 }
"""
TOKENS = {"SAUDAGAR_DHAN_CLIENT_ID": "1", "SAUDAGAR_DHAN_TOKEN": "d", "SAUDAGAR_UPSTOX_TOKEN": "u"}
SBIN = Instrument(
    segment=Segment.NSE_EQ, symbol="SBIN", kind=InstrumentKind.EQUITY, tick_size=5, upstox_id="NSE_EQ|1", dhan_id="1"
)


def room(config: DeskConfig, **options: Any) -> Room:
    return Room(config=config, clock=lambda: NOW, seconds=0.2, **options)


def door(monkeypatch: pytest.MonkeyPatch, standing: Any = None, addresses: Any = None) -> None:
    def answer(value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    made = SimpleNamespace(standing=lambda _: answer(standing), addresses=lambda _: answer(addresses))
    monkeypatch.setattr(doctor_broker, "access", lambda *_: (made, "token"))


def told(finding: Finding) -> str:
    return f"{finding.verdict} {finding.detail}"


class Client:
    """A feed and an order desk in one, as scripted."""

    def __init__(self, states: list[LinkState], ticks: bool = True, funds: Any = None) -> None:
        self.states, self.ticks, self.answer = states, ticks, funds
        self.stopped = 0

    async def start(self, *arguments: Any) -> None:
        *_, on_data, on_status = arguments
        for state in self.states:
            on_status(LinkStatus(state, "link", "why"))
        if len(arguments) == 3 and self.ticks:
            on_data(TickFrame(NOW, []))
            on_data(TickFrame(NOW, [Tick(SBIN.id, NOW, 100)]))

    async def funds(self) -> Funds:
        if isinstance(self.answer, Exception):
            raise self.answer
        return Funds(available=self.answer, used=0, opening=0)

    async def stop(self) -> None:
        self.stopped += 1


UP, DOWN, AUTH = LinkState.UP, LinkState.DOWN, LinkState.AUTH
