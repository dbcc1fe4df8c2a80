"""The same configuration and seed give the same trades to the paisa: twice, at any speed, over the wire or not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.unmeasured

HARMLESS = """
faults = {{ seed = {seed}, rules = [
  {{ kind = "duplicate", endpoint = "dhan.updates", probability = 0.3 }},
  {{ kind = "delay", endpoint = "dhan.updates", probability = 0.2, delay = 0.004 }},
  {{ kind = "delay", endpoint = "dhan.orders.*", probability = 0.2, delay = 0.004 }},
  {{ kind = "duplicate", endpoint = "upstox.feed", probability = 0.1 }},
  {{ kind = "delay", endpoint = "upstox.feed", probability = 0.02, delay = 0.004 }},
] }}
"""
"""What a network does on an ordinary day: late and doubled messages, none lost."""

HALF_HOUR = {"end": "09:45"}
FIVE_MINUTES = {"end": "09:20", "last_entry": "09:18", "square_off": "09:19"}


def traded(day: Any, forge: Any) -> dict[str, Any]:
    """What came of the day, to the paisa."""
    report = day.desk(forge.start).finish()
    assert report["orders"]["unknown"] == report["orders"]["working"] == 0
    return {key: report[key] for key in ("trades", "total", "open", "orders")}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7, 8, 9])
def test_the_wire_changes_nothing(trading_day: Callable[..., Any], forge: Any, seed: int) -> None:
    direct = traded(trading_day("direct", seed=seed, in_process="true", **HALF_HOUR), forge)
    assert len(direct["trades"]) >= 10
    assert traded(trading_day("wire", seed=seed, **HALF_HOUR), forge) == direct
    faults = HARMLESS.format(seed=seed)
    assert traded(trading_day("rough", seed=seed, faults=faults, **HALF_HOUR), forge) == direct


@pytest.fixture(scope="module")
def first(shared_day: Callable[..., Any], forge: Any) -> dict[str, Any]:
    """Five minutes over the wire, as fast as they go."""
    report = traded(shared_day("first", seed=7, **FIVE_MINUTES), forge)
    assert len(report["trades"]) >= 2
    return report


def test_twice_the_same_and_another_seed_another_day(
    trading_day: Callable[..., Any], forge: Any, first: dict[str, Any]
) -> None:
    assert traded(trading_day("again", seed=7, **FIVE_MINUTES), forge) == first
    assert traded(trading_day("other", seed=8, **FIVE_MINUTES), forge) != first


@pytest.mark.parametrize("in_process", ["true", "false"])
def test_speed_changes_nothing(
    trading_day: Callable[..., Any], forge: Any, first: dict[str, Any], in_process: str
) -> None:
    slow = trading_day("slow", seed=7, in_process=in_process, speed=100, **FIVE_MINUTES)
    assert traded(slow, forge) == first
    assert slow.seconds() > 2.9, "300 market seconds at 100 a second"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_is_the_same_without_its_wire(saudagar: Path, tmp_path: Path) -> None:
    found = []
    for name, more in (("wire", []), ("direct", ["--in-process"])):
        command = [str(saudagar), "demo", "--json", "--directory", name, *more]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=400, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        report = json.loads(done.stdout)
        found.append({key: report[key] for key in ("trades", "total", "open", "orders")})
    assert len(found[0]["trades"]) > 20
    assert found[0] == found[1]
