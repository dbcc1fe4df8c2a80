"""Behind the stage: an exchange in a thread of its own, and what may be done to it in the middle of a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.contract.served import Served
from tests.contract.suite.market import CalledDay
from tests.contract.suite.wire import Wire

from saudagar.exchange.faults import FaultPlan, FaultRule
from saudagar.exchange.process import Account

WIRED = ("dhan", "upstox", "kite")
CAPITAL = 50_00_00_000_00
CANARY = "canary"
ACCOUNT = Account(
    capital=CAPITAL,
    dhan_token="canary-dhan-1",
    upstox_token="canary-upstox-1",
    kite_token="canarykite1",
    kite_key="canarykitekey",
    kite_secret="canarykitesecret",
    upstox_secret="canary-upstox-secret",
    dhan_secret="canary-dhan-secret",
)


class Floor(Served):
    """An exchange with a wire in front of each face that may break."""

    def __init__(self, day: CalledDay | None = None, *, names: tuple[str, ...] = WIRED, **options: Any) -> None:
        self.day = day or CalledDay()
        options = {"writes_per_second": 0, "account": ACCOUNT} | options
        super().__init__(self.day, **options)
        self.account: Account = options["account"]
        self.wires = {name: Wire(getattr(self.exchange.ports, name)) for name in names}
        for wire in self.wires.values():
            self.call(wire.open())

    def faults(self, *rules: FaultRule, seed: int = 1) -> None:
        self.exchange.wire.plan = FaultPlan(rules, seed)

    def token(self, name: str, token: str) -> None:
        """The token that is good from now on."""
        face = {"dhan": self.exchange.dhan, "upstox": self.exchange.upstox}.get(name)
        if face is not None:
            face.token = token
        if name == "upstox":
            self.exchange.feed.token = token
        if name == "kite":
            self.exchange.kite.session.renew(token)

    async def _hang_up(self) -> None:
        for face in (self.exchange.feed, self.exchange.dhan.feed, self.exchange.updates):
            face.disconnect()

    def hang_up(self) -> None:
        """Reset every stream."""
        self.call(self._hang_up())

    def close(self) -> None:
        for wire in self.wires.values():
            self.call(wire.close())
        super().close()


@contextmanager
def floor_of(name: str, day: CalledDay | None = None, **options: Any) -> Iterator[Floor]:
    """An exchange with one face to speak to; closed in the end, come what may."""
    floor = Floor(day, names=(name,), **options)
    try:
        yield floor
    finally:
        floor.close()


def token_of(name: str, floor: Floor) -> str:
    token: str = getattr(floor.account, f"{name}_token")
    return token
