"""The rules between keys: each looks at sections that are already right in themselves, and is skipped if one is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import time
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from saudagar.app.config.desk import AccountConfig, StrategyConfig
from saudagar.app.config.listing import check_listing
from saudagar.app.config.mistakes import Mistakes
from saudagar.app.config.secrets import PREFIX, Secrets
from saudagar.app.config.sections import (
    DeskSection,
    Mode,
    OrdersSection,
    RiskSection,
    SessionSection,
    SimulationSection,
)
from saudagar.market.sessions import Calendar
from saudagar.model import DAY, Product, Segment, SizeBy, TradeSide, inr
from saudagar.model.errors import CalendarError


@dataclass(slots=True)
class Draft:
    """What of a file was right so far: sections by name, and the strategies."""

    base: Path
    secrets: Secrets
    attached: bool = False  # to a simulated market that already runs
    sections: dict[str, Any] = field(default_factory=dict)
    strategies: dict[str, StrategyConfig] = field(default_factory=dict)
    accounts: dict[str, AccountConfig] = field(default_factory=dict)


_CREDENTIALS: dict[str, tuple[str, ...]] = {
    "dhan": ("dhan_client_id", "dhan_token"),
    "upstox": ("upstox_token",),
    "kite": ("kite_api_key", "kite_token"),
}


_KEPT = frozenset({Product.DELIVERY, Product.MARGIN})
"""Over night. INTRADAY the broker closes; where each broker keeps MTF on the next day, the desk does not read."""


def _session(draft: Draft, mistakes: Mistakes) -> None:
    session: SessionSection = draft.sections["session"]
    if session.no_entry_before and session.no_entry_after <= session.no_entry_before:
        mistakes.add(
            ("session", "no_entry_after"), f"expected a time after no_entry_before ({session.no_entry_before:%H:%M})"
        )
    if session.square_off is None:
        if (product := draft.sections["orders"].product) not in _KEPT:
            mistakes.add(
                ("session", "square_off"),
                f'product = "{product}" needs a time: only "DELIVERY" and "MARGIN" are kept over night',
                'Write a time, or product = "DELIVERY".',
            )
    elif session.square_off <= session.no_entry_after:
        mistakes.add(
            ("session", "square_off"), f"expected a time after no_entry_after ({session.no_entry_after:%H:%M})"
        )


def _opening(instrument: str) -> time:
    return time(9) if instrument.startswith("MCX") else time(9, 15)


def _daily(draft: Draft, mistakes: Mistakes) -> None:
    """What a daily bar says trades at the next session's first price: no hour of entry may lie behind that."""
    first: time | None = draft.sections["session"].no_entry_before
    for name, strategy in draft.strategies.items():
        late = [each for each in strategy.instruments if first and first > _opening(each)]
        if strategy.interval == DAY and late:
            mistakes.add(
                ("session", "no_entry_before"),
                f"{name} trades daily bars: its entries in {', '.join(late)} come with the session's first price, so "
                "all of them would be refused",
                'Leave the key out, or write "", for entries from the opening on.',
            )


def _credentials(draft: Draft, mistakes: Mistakes) -> None:
    desk: DeskSection = draft.sections["desk"]
    wanted = {
        Mode.SIMULATION: (),
        Mode.PAPER: _CREDENTIALS[draft.sections["data"].broker],
        Mode.LIVE: _CREDENTIALS[draft.sections["data"].broker] + _CREDENTIALS[draft.sections["orders"].broker],
    }[desk.mode]
    missing = [PREFIX + name.upper() for name in wanted if not getattr(draft.secrets, name)]
    if missing:
        mistakes.add(
            ("desk", "mode"),
            f"mode {desk.mode} needs {_listed(missing)}, which {'is' if len(missing) == 1 else 'are'} not set",
            "Tokens: `saudagar login`; all of them may stand in the environment or in the file of [secrets]. "
            'mode = "simulation" needs none.',
        )


def _accounts(draft: Draft, mistakes: Mistakes) -> None:
    """Every account that is named exists, has its credentials, and is simulated only once per broker."""
    mode = draft.sections["desk"].mode
    seen = {draft.sections["orders"].broker}
    for name, account in draft.accounts.items():
        if mode is Mode.SIMULATION and account.broker in seen:
            text = f"the simulated exchange has one account at {account.broker}, and it is taken"
            mistakes.add(("accounts", name, "broker"), text)
        seen.add(account.broker)
        if mode is Mode.LIVE:
            missing = [
                PREFIX + key.upper() for key in _CREDENTIALS[account.broker] if not getattr(account.secrets, key)
            ]
            if missing:
                mistakes.add(("accounts", name), f"needs {_listed(missing)} in its secrets file")
    written = [table if isinstance(table, dict) else {} for table in map(mistakes.data.get, ("strategies", "accounts"))]
    for name, table in written[0].items():
        given = table.get("account") if isinstance(table, dict) else None
        if isinstance(given, str) and given and given not in written[1]:
            known = ", ".join(draft.accounts) or "none"
            near = get_close_matches(given, draft.accounts, n=1)
            hint = f'Did you mean "{near[0]}"?' if near else ""
            mistakes.add(("strategies", name, "account"), f"expected a name of [accounts.NAME]; known: {known}", hint)


def _simulated_wire(draft: Draft, mistakes: Mistakes) -> None:
    simulation: SimulationSection = draft.sections["simulation"]
    if simulation.in_process and simulation.faults:
        mistakes.add(("simulation", "faults"), "faults happen on the wire; with in_process = true there is none")


def _simulated_day(draft: Draft, mistakes: Mistakes) -> None:
    simulation: SimulationSection = draft.sections["simulation"]
    if draft.sections["desk"].mode is not Mode.SIMULATION:
        return
    files = [draft.base / Path(name).expanduser() for name in simulation.ticks]
    for number, file in enumerate(files):
        if not file.is_file():
            mistakes.add(
                ("simulation", "ticks", number), "there is no such file", "Paths count from this file's folder."
            )
    if not files:
        _synthetic_day(simulation, mistakes)
    if not draft.attached and all(file.is_file() for file in files):
        check_listing(simulation, files, mistakes)


def _synthetic_day(simulation: SimulationSection, mistakes: Mistakes) -> None:
    try:
        phases = Calendar().phases(Segment.NSE_EQ, simulation.date)
    except CalendarError as error:
        mistakes.add(("simulation", "date"), error.message, error.hint)
        return
    if not phases:
        mistakes.add(("simulation", "date"), "NSE does not trade on that day")
    elif simulation.start and simulation.end and simulation.end <= simulation.start:
        mistakes.add(("simulation", "end"), f"expected a time after start ({simulation.start:%H:%M})")


def _sizes(draft: Draft, mistakes: Mistakes) -> None:
    for name, strategy in draft.strategies.items():
        if strategy.size.risk is not None and strategy.exits.stop is None:
            mistakes.add(
                ("strategies", name, "size"),
                "sizing by risk needs a stop, or the loss has no bound",
                f'Add stop = "1%" to [strategies.{name}] exits, or size by value, quantity or lots.',
            )


def _cash(draft: Draft, mistakes: Mistakes) -> None:
    desk: DeskSection = draft.sections["desk"]
    risk: RiskSection = draft.sections["risk"]
    most = desk.capital * risk.leverage_percent // 100
    for name, strategy in draft.strategies.items():
        sizing = strategy.size.sizing()
        if risk.leverage and sizing.by is SizeBy.VALUE and sizing.amount > most:
            mistakes.add(
                ("strategies", name, "size"),
                f"an entry of {inr(sizing.amount)} is above desk.capital times risk.leverage ({inr(most)}), so none "
                "would ever pass",
                "Size smaller, or leave risk.leverage at 0.",
            )


def _delivery(draft: Draft, mistakes: Mistakes) -> None:
    orders: OrdersSection = draft.sections["orders"]
    for name, strategy in draft.strategies.items():
        if orders.product in (Product.DELIVERY, Product.MTF) and strategy.side is not TradeSide.BUY:
            mistakes.add(
                ("strategies", name, "side"),
                f'{strategy.side} would sell short, which product = "{orders.product}" cannot',
                'Write side = "BUY", or product = "INTRADAY".',
            )


def _allowed(draft: Draft, mistakes: Mistakes) -> None:
    risk: RiskSection = draft.sections["risk"]
    for name, strategy in draft.strategies.items():
        for number, instrument in enumerate(strategy.instruments):
            if risk.allowed and instrument not in risk.allowed:
                mistakes.add(
                    ("strategies", name, "instruments", number),
                    "risk.allowed does not hold it, so no order would ever pass",
                    "Add it there, or leave risk.allowed empty.",
                )


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


CHECKS: tuple[tuple[tuple[str, ...], Callable[[Draft, Mistakes], None]], ...] = (
    (("session", "orders"), _session),
    (("session",), _daily),
    (("desk", "data", "orders", "secrets"), _credentials),
    (("desk", "orders"), _accounts),
    (("simulation",), _simulated_wire),
    (("desk", "simulation"), _simulated_day),
    ((), _sizes),
    (("desk", "risk"), _cash),
    (("orders",), _delivery),
    (("risk",), _allowed),
)
"""Each check with the sections it needs."""


def check(draft: Draft, mistakes: Mistakes) -> None:
    """Run every check whose sections are there."""
    for needed, rule in CHECKS:
        if all(name in draft.sections for name in needed):
            rule(draft, mistakes)
