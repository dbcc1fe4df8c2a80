"""The whole configuration, checked: what the composition root builds a desk from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from saudagar.app.config.secrets import Secrets
from saudagar.app.config.sections import (
    ChargesSection,
    DataSection,
    DeskSection,
    InstrumentsSection,
    OrdersSection,
    RiskSection,
    SessionSection,
    SimulationSection,
    is_url,
)
from saudagar.model import Nanos, TradeSide
from saudagar.strategies import Exits, Size, Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountConfig:
    """One ``[accounts.NAME]``."""

    name: str
    broker: str
    secrets: Secrets = field(repr=False)
    file: Path | None = None  # of its own secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyConfig:
    """One ``[strategies.NAME]``: the validated strategy and where it trades.

    `instruments` are names as the file has them (``NSE:RELIANCE``); the instrument master turns them into ids.
    """

    name: str
    kind: str
    strategy: Strategy
    instruments: tuple[str, ...]
    interval: Nanos
    side: TradeSide
    size: Size
    exits: Exits
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskConfig:
    """Every section of the file, defaults filled in. Relative paths count from the file's folder, `base`."""

    desk: DeskSection
    data: DataSection
    orders: OrdersSection
    simulation: SimulationSection
    risk: RiskSection
    session: SessionSection
    charges: ChargesSection
    instruments: InstrumentsSection
    strategies: dict[str, StrategyConfig]
    secrets: Secrets = field(repr=False)
    base: Path
    accounts: dict[str, AccountConfig] = field(default_factory=dict)

    def path(self, text: str) -> Path:
        """A path of the file, from the file's folder."""
        return self.base / Path(text).expanduser()

    def source(self, text: str) -> str:
        """A URL as it is, or a path from the file's folder."""
        return text if is_url(text) else str(self.path(text))

    @property
    def directory(self) -> Path:
        """The folder of the journal and the reports."""
        return self.path(self.desk.directory)

    @property
    def names(self) -> tuple[str, ...]:
        """The instruments of all strategies, each once, in the order of the file."""
        return tuple(dict.fromkeys(name for strategy in self.strategies.values() for name in strategy.instruments))

    def charges_plan(self, strategy: str) -> str:
        """The broker whose charges the trades of `strategy` bear."""
        if self.charges.plan != "broker":
            return self.charges.plan
        found = self.strategies.get(strategy)
        return self.accounts[found.account].broker if found and found.account else self.orders.broker

    def as_dict(self) -> dict[str, Any]:
        """All settings in force as plain values; no secrets, no machine's paths."""
        sections = ("desk", "data", "orders", "simulation", "risk", "session", "charges", "instruments")
        shown: dict[str, Any] = {name: getattr(self, name).model_dump(mode="json") for name in sections}
        if self.accounts:
            shown["accounts"] = {name: account.broker for name, account in self.accounts.items()}
        shown["strategies"] = {name: _strategy(strategy) for name, strategy in self.strategies.items()}
        return shown

    def digest(self) -> str:
        """12 hex digits that change whenever a setting does; the journal notes them. Secrets do not count."""
        text = json.dumps(self.as_dict(), sort_keys=True, default=str)
        return blake2b(text.encode(), digest_size=6).hexdigest()


def _strategy(strategy: StrategyConfig) -> dict[str, Any]:
    account = {"account": strategy.account} if strategy.account else {}
    return account | {
        "kind": strategy.kind,
        "params": strategy.strategy.model_dump(mode="json"),
        "instruments": strategy.instruments,
        "interval": strategy.interval,
        "side": strategy.side,
        "size": strategy.size.model_dump(mode="json", exclude_none=True),
        "exits": strategy.exits.model_dump(mode="json", exclude_none=True),
    }
