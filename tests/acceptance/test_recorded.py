"""``saudagar demo --ticks``: recorded files, dirt and all. Bad rows are counted, never traded on."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from saudagar.market.ist import at

pytestmark = pytest.mark.unmeasured

SAUDAGAR = str(Path(sys.executable).with_name("saudagar"))
TICKS = Path(__file__).resolve().parents[2] / "../shared/fixtures/prices/ticks"
DAY = date(2026, 11, 20)
OPEN = at(DAY, "09:15") // 1_000_000_000


def demo(folder: Path, files: list[Path], *options: str) -> dict[str, Any]:
    """The report of ``saudagar demo --ticks FILE … --json``."""
    ticks = [word for file in files for word in ("--ticks", str(file))]
    done = subprocess.run(
        [SAUDAGAR, "demo", *ticks, "--json", "--directory", "demo", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    verified = subprocess.run([SAUDAGAR, "journal", "verify", "demo/journal.db"], cwd=folder, capture_output=True)
    assert verified.returncode == 0
    return report


def in_order(report: dict[str, Any]) -> None:
    """What must hold of every day: nothing open or unknown, no trade outside the session, sums that add up."""
    assert report["open"] == []
    assert (report["orders"]["unknown"], report["orders"]["working"]) == (0, 0)
    day = date.fromisoformat(report["day"])
    first, last = at(day, "09:15"), at(day, "15:35")
    for trade in report["trades"]:
        assert first <= trade["entry_ts"] <= trade["exit_ts"] <= last
        assert trade["net"] == trade["gross"] - sum(trade["charges"].values())
    assert report["total"]["net"] == sum(trade["net"] for trade in report["trades"])


def write_dirty(file: Path, start: float, seed: int) -> Counter[str]:
    """Two hours of a share that swings, with every kind of dirt; what was put in, by kind."""
    rng = random.Random(seed)
    rows, price, volume = [], start, 0
    dirt: Counter[str] = Counter()
    for second in range(7200):
        price = max(1.0, price * (1 + rng.gauss(0, 0.0002) + (0.00012 if second // 1200 % 2 else -0.00012)))
        volume += rng.randrange(0, 400)
        rows.append(row(OPEN + second, price, volume))
        kind = rng.choice(("1970", "duplicate", "late", "zero", "negative", "volume")) if second % 60 == 7 else ""
        dirt[kind] += 1
        match kind:
            case "1970":
                rows.append(row(-19_800, price, volume))
            case "duplicate":
                rows.append(rows[-1])
            case "late":
                rows.append(row(OPEN + max(0, second - 400), price * 1.01, volume))
            case "zero":
                rows.append(row(OPEN + second, 0, volume))
            case "negative":
                rows.append(row(OPEN + second, -price, volume))
            case "volume":
                rows.append(row(OPEN + second, price, volume // 2))
    rows += [
        row(at(DAY, "19:00") // 1_000_000_000 + i, price * 1.5, volume) for i in range(50)
    ]  # stale, after the close
    text = "timestamp,ltp,volume\n" + "".join(rows)
    if file.suffix == ".gz":
        file.write_bytes(gzip.compress(text.encode()))
    else:
        file.write_text(text)
    del dirt[""]
    return dirt + Counter(stale=50)


def row(second: int, price: float, volume: int) -> str:
    from datetime import datetime, timedelta, timezone

    moment = datetime.fromtimestamp(second, timezone(timedelta(hours=5, minutes=30)))
    return f"{moment:%Y-%m-%d %H:%M:%S},{round(price * 20) / 20:.2f},{volume}\n"


@pytest.fixture
def dirty(tmp_path: Path) -> tuple[list[Path], Counter[str]]:
    """Two small files full of dirt."""
    files = [tmp_path / "RELIANCE_2026_20_November.csv.gz", tmp_path / "TATASTEEL.csv"]
    dirt = write_dirty(files[0], 1_400.0, 1) + write_dirty(files[1], 180.0, 2)
    return files, dirt


def test_dirt_is_counted_and_not_traded(tmp_path: Path, dirty: tuple[list[Path], Counter[str]]) -> None:
    files, dirt = dirty
    report, again = (demo(tmp_path, files, "--in-process") for _ in range(2))
    assert (report["trades"], report["run"]["refused"]) == (again["trades"], again["run"]["refused"])
    in_order(report)
    assert report["trades"]
    assert report["day"] == "2026-11-20"
    refused = Counter(report["run"]["refused"])
    assert refused["price"] == dirt["zero"] + dirt["negative"]
    assert refused["day"] == dirt["1970"]
    assert refused["session"] + refused["future"] >= dirt["stale"]
    assert sum(refused.values()) >= dirt.total()
    plausible = {"NSE_EQ:RELIANCE": (1_000_00, 2_000_00), "NSE_EQ:TATASTEEL": (100_00, 260_00)}
    for trade in report["trades"]:
        low, high = plausible[trade["instrument"]]
        assert low < trade["entry_price"] < high
        assert low < trade["exit_price"] < high


@pytest.mark.slow
@pytest.mark.skipif(not TICKS.is_dir(), reason="the recorded tick files are not beside the checkout")
def test_four_real_files_through_the_wire(tmp_path: Path) -> None:
    """Two shares and two indices of 16 April 2021, as found; the wire and the direct way give the same trades."""
    files = sorted(TICKS.glob("*_2021_16_April.csv.gz"))
    assert len(files) == 4
    wired = demo(tmp_path, files)
    in_order(wired)
    assert wired["day"] == "2021-04-16"
    assert wired["trades"]
    assert {trade["instrument"] for trade in wired["trades"]} <= {"NSE_EQ:RELIANCE", "NSE_EQ:TATAMOTORS"}
    refused = wired["run"]["refused"]
    assert refused["day"] > 1_000  # the rows of 1970 and of other days
    assert refused["session"] > 1_000  # stale rows after the close
    assert wired["run"]["ticks"] > 100_000
    direct = demo(tmp_path, files, "--in-process")
    assert direct["trades"] == wired["trades"]
