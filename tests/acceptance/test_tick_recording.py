"""A desk that records: what came through the broker's library is in the catalog row by row, and can be traded again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from saudagar.storage.catalog_ticks import COLUMNS, TickCatalog, TickDay

pytestmark = pytest.mark.unmeasured

SAUDAGAR = str(Path(sys.executable).with_name("saudagar"))

CONFIG = """
[desk]
mode = "simulation"
directory = "{name}"
[data]
record_ticks = true
[simulation]
symbols = 3
end = "09:35"
in_process = {in_process}
[strategies.ema]
kind = "ema_cross"
instruments = ["NSE:RELIANCE"]
size = {{ value = 50000 }}
"""


def run(folder: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run([SAUDAGAR, *arguments], cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def rows(catalog: TickCatalog, held: TickDay) -> dict[str, list[int]]:
    ticks = catalog.read(held.instrument, held.day)
    return {name: getattr(ticks, name).tolist() for name in COLUMNS}


def test_what_the_wire_brought_is_in_the_catalog(tmp_path: Path) -> None:
    catalogs = {}
    for name, in_process in (("wired", "false"), ("called", "true")):
        (tmp_path / f"{name}.toml").write_text(CONFIG.format(name=name, in_process=in_process))
        ticks = run(tmp_path, "run", f"{name}.toml", "--json")["run"]["ticks"]
        catalogs[name] = TickCatalog(tmp_path / name / "catalog")
        assert sum(held.rows for held in catalogs[name].contents()) == ticks > 2_000
    wired, called = catalogs.values()
    assert [held.instrument for held in wired.contents()] == [held.instrument for held in called.contents()]
    for ours, theirs in zip(wired.contents(), called.contents(), strict=True):
        assert ours.dirt == {}
        assert rows(wired, ours) == rows(called, theirs)
    words = "backtest ema_cross --ticks catalog --instruments RELIANCE --set fast=2 --set slow=3 --value 50000 --json -"
    told = [run(tmp_path, *words.split(), "-d", f"{name}/catalog") for name in catalogs]
    assert told[0]["trades"] == told[1]["trades"]
    assert len(told[0]["trades"]) > 1
