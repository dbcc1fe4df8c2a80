"""A recording is whole up to its last whole record, however its writer ended; what it holds gets into the catalog."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from saudagar.app import data
from saudagar.app.config import load
from saudagar.app.recording import recording
from saudagar.market.ist import at
from saudagar.market.sessions import Calendar
from saudagar.model import SECOND, InstrumentId, Tick, TickFrame
from saudagar.model.errors import DataError
from saudagar.storage import tick_recording
from saudagar.storage.catalog_ticks import TickCatalog, Ticks
from saudagar.storage.tick_recording import MAGIC, Recorder, read_recording

SBIN, TCS = InstrumentId("NSE_EQ:SBIN"), InstrumentId("NSE_EQ:TCS")
FRIDAY, THURSDAY = date(2026, 11, 20), date(2026, 11, 19)
OPEN = at(FRIDAY, "09:15")


def frame(number: int, opening: int = OPEN) -> TickFrame:
    ts = opening + number * SECOND
    return TickFrame(ts + 5, [Tick(SBIN, ts, 80_000 + number, number), Tick(TCS, ts - 1, 250_000, 7)])


def write(path: Path, *numbers: int, anew: bool = False) -> Recorder:
    """Each number a frame and a record."""
    recorder = Recorder(path, anew=anew)
    for number in numbers:
        recorder.add(frame(number))
        recorder._drain()
    recorder.close()
    return recorder


def numbers(path: Path) -> list[int]:
    found, _ = read_recording(path)
    return found[SBIN].volume.tolist() if found else []


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorder's thread writes when it is closed, and not while a test does so itself."""
    monkeypatch.setattr(tick_recording, "_PAUSE", 600.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / f"ticks-{FRIDAY}.rec"


def test_what_is_recorded_is_read(path: Path) -> None:
    write(path, 1, 2, 3)
    found, torn = read_recording(path)
    assert torn == 0
    sbin, tcs = found[SBIN], found[TCS]
    stamps = [OPEN + n * SECOND for n in (1, 2, 3)]
    assert [column.tolist() for column in (sbin.frame, sbin.ts, sbin.ltp, sbin.volume)] == [
        [ts + 5 for ts in stamps],
        stamps,
        [80_001, 80_002, 80_003],
        [1, 2, 3],
    ]
    assert tcs.ts.tolist() == [ts - 1 for ts in stamps]


def test_a_desk_that_is_started_again_goes_on(path: Path) -> None:
    write(path, 1, 2)
    assert write(path, 3).torn == 0
    assert numbers(path) == [1, 2, 3]
    write(path, 9, anew=True)
    assert numbers(path) == [9]


def test_many_frames_at_once_are_all_there(path: Path) -> None:
    recorder = Recorder(path)
    for number in range(1_000):
        recorder.add(frame(number))
    recorder.close()
    assert numbers(path) == list(range(1_000))


def test_a_file_cut_anywhere_loses_its_tail_only(path: Path) -> None:
    ends = [0, len(MAGIC)]
    for count in range(1, 5):
        write(path, count)
        ends.append(path.stat().st_size)
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        kept = max((place for place, end in enumerate(ends) if end <= size), default=0)
        expected = list(range(1, kept))
        assert numbers(path) == expected
        assert read_recording(path)[1] == size - ends[kept]
        if size % 7 == 0 or size in ends:
            assert write(path, 9).torn == size - ends[kept]
            assert numbers(path) == [*expected, 9]


def test_a_record_that_was_changed_ends_it(path: Path) -> None:
    write(path, 1)
    first = path.stat().st_size
    write(path, 2)
    whole = path.read_bytes()
    for place in range(first, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        assert numbers(path) == [1]
        assert read_recording(path)[1] == len(whole) - first


def test_a_record_that_says_something_else_ends_it(path: Path) -> None:
    write(path, 1)
    body = b"\x01"
    head = tick_recording._HEAD.pack(len(body), tick_recording.crc32(body))
    path.write_bytes(path.read_bytes() + head + body)
    assert numbers(path) == [1]
    assert read_recording(path)[1] == len(head) + 1


def test_another_file_is_refused_and_left_alone(path: Path, tmp_path: Path) -> None:
    path.write_text("my own notes, which are long enough")
    for look in (Recorder, read_recording):
        with pytest.raises(DataError, match="is no recording of ticks"):
            look(path)
    assert path.read_text().startswith("my own notes")
    with pytest.raises(DataError, match="cannot be read"):
        read_recording(tmp_path / "none.rec")


def test_a_full_disk_ends_the_recording_not_the_desk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, 1)

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    recorder = Recorder(path)
    monkeypatch.setattr(tick_recording, "_write_whole", full)
    for number in range(100):
        recorder.add(frame(number))
    recorder.close()
    assert recorder.trouble is not None
    assert not recorder._came
    assert numbers(path) == [1]


WRITER = """
import sys
from pathlib import Path
from saudagar.model import Tick, TickFrame
from saudagar.storage import tick_recording
tick_recording._PAUSE = 0.0
recorder = tick_recording.Recorder(Path(sys.argv[1]))
for number in range(1, 10_000_000):
    recorder.add(TickFrame(number, [Tick("NSE_EQ:SBIN", number, 1, number)]))
    if number == 2_000:
        print("going", flush=True)
"""


def test_a_writer_that_is_killed_leaves_what_it_had_written(path: Path) -> None:
    for _ in range(2):
        before, size = (len(numbers(path)), path.stat().st_size) if path.exists() else (0, 0)
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"going\n"
        while path.stat().st_size < size + 200_000:
            assert writer.poll() is None
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait(30)
        writer.stdout.close()
        found = numbers(path)
        assert len(found) > before + 1_000
        assert found[before:] == list(range(1, len(found) - before + 1)), "in order, with no gap"


# -- into the catalog ----------------------------------------------------------------------------------------------

CONFIG = """
[desk]
mode = "simulation"
directory = "desk"
[data]
record_ticks = {record}
[strategies.ema]
kind = "ema_cross"
instruments = ["NSE:SBIN"]
size = {{ value = 50000 }}
"""

Day = Callable[..., list[str]]


@pytest.fixture
def day(tmp_path: Path) -> Day:
    """A day of a desk that records these frames; what it was told."""
    (tmp_path / "desk").mkdir()

    def day(*wanted: int, day: date = FRIDAY, over: bool = True, anew: bool = False, record: str = "true") -> list[str]:
        (tmp_path / "desk.toml").write_text(CONFIG.format(record=record))
        told: list[str] = []
        config = load(tmp_path / "desk.toml", {})
        with recording(config, day, Calendar(), anew=anew, over=lambda: over, say=told.append) as on_frame:
            for number in wanted:
                on_frame(frame(number, at(day, "09:15")))
        return told

    return day


def stored(folder: Path, day: date = FRIDAY, name: InstrumentId = SBIN) -> list[int]:
    catalog = TickCatalog(folder / "desk/catalog")
    volumes: list[int] = catalog.read(name, day).volume.tolist()
    catalog.close()
    return volumes


def test_a_day_that_is_over_is_in_the_catalog(day: Day, tmp_path: Path) -> None:
    (said,) = day(1, 2, 2, 1, 3)
    assert said == f"10 ticks of 2 instruments are in {tmp_path / 'desk/catalog'}."
    assert stored(tmp_path) == [1, 2, 2, 1, 3]
    catalog = TickCatalog(tmp_path / "desk/catalog")
    held = catalog.held(SBIN, FRIDAY)
    assert (held.dirt, held.source) == ({"duplicate": 2}, f"ticks-{FRIDAY}.rec")
    arrival = catalog.read(SBIN, FRIDAY).arrival.tolist()
    assert arrival == [OPEN + n * SECOND + 5 for n in (1, 2, 2, 2, 3)]
    catalog.close()


def test_nothing_is_recorded_unless_it_is_wanted(day: Day, tmp_path: Path) -> None:
    assert day(1, 2, record="false") == []
    assert list((tmp_path / "desk").iterdir()) == []


def test_a_desk_started_again_on_its_day_keeps_the_morning(day: Day, tmp_path: Path) -> None:
    assert day(1, 2, over=False) == []
    assert not (tmp_path / "desk/catalog").exists()
    day(3)
    assert stored(tmp_path) == [1, 2, 3]
    day(4)  # once more, after the close
    assert stored(tmp_path) == [1, 2, 3, 4]
    day(8, anew=True)
    assert stored(tmp_path) == [8]


def test_a_torn_end_is_cut_off_and_told(day: Day, tmp_path: Path) -> None:
    day(1, 2, over=False)
    path = tmp_path / f"desk/ticks-{FRIDAY}.rec"
    path.write_bytes(path.read_bytes() + b"\x20\x00\x00")
    cut, _ = day(3)
    assert "torn end of 3 bytes was cut off" in cut
    assert stored(tmp_path) == [1, 2, 3]


def test_a_day_whose_desk_died_comes_in_with_the_next(day: Day, tmp_path: Path) -> None:
    day(1, 2, day=THURSDAY, over=False)
    path = tmp_path / f"desk/ticks-{THURSDAY}.rec"
    path.write_bytes(path.read_bytes() + b"torn")
    said = day(5, over=False)
    assert said == [f"4 ticks of 2 instruments are in {tmp_path / 'desk/catalog'}. A torn end of 4 bytes was left out."]
    assert stored(tmp_path, THURSDAY) == [1, 2]
    assert [each.name for each in sorted((tmp_path / "desk").glob("*.rec"))] == [f"ticks-{FRIDAY}.rec"]


def test_what_cannot_come_in_stays_and_the_day_goes_on(day: Day, tmp_path: Path) -> None:
    (tmp_path / f"desk/ticks-{THURSDAY}.rec").write_text("somebody else's words, of some length")
    (tmp_path / "desk/catalog").write_text("a file where a folder should be")
    said = day(1)
    assert len(said) == 2
    assert "is no recording of ticks" in said[0]
    assert all("stays where it is" in each and "saudagar data import --ticks" in each for each in said)
    (tmp_path / "desk/catalog").unlink()
    day(2)
    assert stored(tmp_path) == [1, 2]


def test_what_came_from_elsewhere_stays(day: Day, tmp_path: Path) -> None:
    day(1, 2, over=False)
    catalog = TickCatalog(tmp_path / "desk/catalog")
    catalog.put(SBIN, FRIDAY, Ticks.of([OPEN], [OPEN], [1], [99]), dirt={}, source="bought.csv")
    catalog.close()
    (said,) = day(3)
    assert "3 ticks of 1 instruments" in said
    assert "Those of 1 came from elsewhere and stay." in said
    assert stored(tmp_path) == [99]
    assert stored(tmp_path, name=TCS) == [7, 7, 7]


def test_what_has_no_session_is_left_out(day: Day, tmp_path: Path) -> None:
    (said,) = day(1, day=date(2026, 11, 21))
    assert said.startswith("0 ticks of 0 instruments")


def test_a_recording_is_no_file_of_another_kind(day: Day, tmp_path: Path) -> None:
    path = tmp_path / f"desk/ticks-{FRIDAY}.rec"
    path.write_text("somebody else's words, of some length")
    with pytest.raises(DataError, match="is no recording"):
        day(1)
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match="cannot be recorded"):
        day(1)


def test_a_recording_can_be_brought_in_by_hand(day: Day, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    day(1, 2, 3, over=False)
    path = tmp_path / f"desk/ticks-{FRIDAY}.rec"
    path.write_bytes(path.read_bytes() + b"torn")
    there = ["-d", str(tmp_path / "desk/catalog")]
    result = CliRunner().invoke(data.app, ["import", "--ticks", str(path), *there])
    assert "NSE_EQ:SBIN: 3 ticks, 2026-11-20, 0 dirty" in result.output
    assert stored(tmp_path, name=TCS) == [7, 7, 7]
    other = path.rename(tmp_path / "mine.rec")
    result = CliRunner().invoke(data.app, ["import", "--ticks", str(other), *there])
    assert result.exit_code == 3
    assert "a recording is called ticks-2026-11-20.rec" in result.output


def test_a_trouble_of_the_disk_is_told(day: Day, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    with suppress(OSError), monkeypatch.context() as patch:
        patch.setattr(tick_recording, "_write_whole", full)
        said = day(1, 2)
    assert "recorded in part only: No space left on device" in said[0]
