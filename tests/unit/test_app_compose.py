"""From the file to the engine's settings: what the day itself has a say in."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from saudagar.app.compose import settings_of
from saudagar.app.config import load
from saudagar.exchange.universe import by_symbol
from saudagar.market.sessions import Calendar
from saudagar.model import Instrument
from saudagar.model.errors import CalendarError

DESK = """
[desk]
mode = "simulation"
[strategies.ema]
kind = "ema_cross"
instruments = ["NSE:RELIANCE", "NSE:INFY"]
size = { quantity = 10 }
"""


def square_off(tmp_path: Path, day: str, more: str = "") -> str:
    file = tmp_path / "desk.toml"
    file.write_text(DESK + more)
    settings = settings_of(load(file, {}), found, date.fromisoformat(day), Calendar())
    return settings.hours.square_off


def found(name: str) -> Instrument:
    return by_symbol(name.partition(":")[2])


@pytest.mark.parametrize(
    ("day", "leaves"),
    [
        ("2026-11-20", "15:10:00"),
        ("2025-10-21", "14:40:00"),  # Muhurat from 13:45 to 14:45
        ("2024-03-02", "12:25:00"),  # a drill that ended at 12:30
        ("2024-11-01", "15:10:00"),  # Muhurat in the evening: the desk's hours are over, nothing is opened
    ],
)
def test_a_session_that_ends_early_brings_the_square_off_forward(tmp_path: Path, day: str, leaves: str) -> None:
    assert square_off(tmp_path, day) == leaves


def test_a_desk_for_delivery_may_keep_what_it_holds(tmp_path: Path) -> None:
    never = 'side = "BUY"\n[orders]\nproduct = "DELIVERY"\n[session]\nsquare_off = ""\n'
    assert square_off(tmp_path, "2026-11-20", never) == ""


def test_a_session_of_unknown_hours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalendarError, match="2026-11-08"):
        square_off(tmp_path, "2026-11-08")
