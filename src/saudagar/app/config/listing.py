"""Whether the simulated market lists what a file names: of all markets the one that can be asked without a download.

Called by `checks.check`. It looks at the file as it was read, so that a strategy with other mistakes is looked at too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from saudagar.app.config.lines import Path as KeyPath
from saudagar.app.config.mistakes import Mistakes
from saudagar.app.config.sections import SimulationSection, is_instrument
from saudagar.model import Instrument
from saudagar.model.errors import DataError, UnknownInstrument

_REAL_SHARES = 200  # more than the simulated market knows by name; beyond them it invents


def check_listing(simulation: SimulationSection, ticks: Sequence[Path], mistakes: Mistakes) -> None:
    """Note every name of ``instruments`` and ``allowed`` that cannot be traded there; `ticks` are its files."""
    from saudagar.market.master import Master

    try:
        listed = _listed(simulation, ticks)
    except DataError:  # a tick file named after no instrument: said when the files are read
        return
    market = Master(simulation.date, listed)
    for path, name in _named(mistakes.data):
        try:
            found = market.resolve(name)
        except UnknownInstrument:
            mistakes.add(path, "the simulated market does not list it", _nearest(name, listed, simulation))
        else:
            if not found.segment.tradable:
                mistakes.add(path, "an index is watched, not traded", "Name a stock, a future or an option.")


def _listed(simulation: SimulationSection, ticks: Sequence[Path]) -> tuple[Instrument, ...]:
    if ticks:
        from saudagar.exchange.recorded import listed, symbol_of

        symbols = dict.fromkeys(map(symbol_of, ticks))
        return tuple(listed(symbol, 100_00, simulation.date) for symbol in symbols)
    from saudagar.exchange.universe import universe

    return universe(simulation.symbols + 1)  # NIFTY is the first of them


def _named(data: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Every name that is written as one, with its place."""
    strategies, risk = data.get("strategies"), data.get("risk")
    lists: list[tuple[KeyPath, Any]] = []
    if isinstance(strategies, dict):
        for name, table in strategies.items():
            if isinstance(table, dict):
                lists.append((("strategies", name, "instruments"), table.get("instruments")))
    if isinstance(risk, dict):
        lists.append((("risk", "allowed"), risk.get("allowed")))
    for path, names in lists:
        for number, name in enumerate(names if isinstance(names, list) else ()):
            if isinstance(name, str) and is_instrument(name):
                yield (*path, number), name


def _nearest(name: str, listed: tuple[Instrument, ...], simulation: SimulationSection) -> str:
    symbol = name.partition(":")[2]
    shares = [each.symbol for each in listed if each.segment.tradable]
    if simulation.ticks:
        return f"Its tick files are of {', '.join(each.symbol for each in listed)}."
    if near := get_close_matches(symbol, shares, n=1):
        return f'Did you mean "NSE:{near[0]}"?'
    from saudagar.exchange.universe import universe

    known = [each.symbol for each in universe(_REAL_SHARES)]
    if name.startswith("NSE") and symbol in known:
        return f"It is share {known.index(symbol)}: simulation.symbols = {known.index(symbol)} lists it."
    return f"It lists shares of the NSE: {', '.join(shares[:5])}{' …' if len(shares) > 5 else ''}"
