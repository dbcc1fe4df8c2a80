"""The desk that `saudagar demo` runs: `demo.toml` with the day's instruments filled in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from saudagar.app.config import DeskConfig, parse


def demo_text() -> str:
    """The demo's configuration as a file, instruments left open."""
    return files("saudagar.app").joinpath("demo.toml").read_text(encoding="utf-8")


def demo_config(
    *, seed: int, speed: float, symbols: int, ticks: Sequence[Path], in_process: bool, directory: Path
) -> DeskConfig:
    """The demo's configuration for one run.

    Raises
    ------
    DataError
        A tick file that is not there or not named after an instrument.
    """
    names = [f'"NSE:{symbol}"' for symbol in _symbols(symbols, ticks)]
    text = demo_text().replace("instruments = []", f"instruments = [{', '.join(names)}]")
    text = text.replace('"var/demo"', _quoted(directory))
    recorded = ", ".join(_quoted(path) for path in ticks)
    text += f"""
[simulation]
seed = {seed}
speed = {speed}
symbols = {symbols}
in_process = {str(in_process).lower()}
ticks = [{recorded}]
"""
    return parse(text, Path("demo.toml"), os.environ)


def _symbols(count: int, ticks: Sequence[Path]) -> list[str]:
    if ticks:
        from saudagar.exchange.recorded import RecordedDay

        instruments = RecordedDay([str(path) for path in ticks]).instruments
    else:
        from saudagar.exchange.universe import universe

        instruments = tuple(universe(count + 1))
    return [each.symbol for each in instruments if each.segment.tradable]


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
