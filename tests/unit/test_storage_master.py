"""The master on disk: taken in whole or not at all, and never believed when damaged."""

from __future__ import annotations

import errno
import os
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest

from saudagar.market.master import Conflict, Master
from saudagar.model import Instrument, InstrumentId, InstrumentKind, Segment
from saudagar.model.errors import DataError
from saudagar.storage.master import Moved, check_against, load_latest, save

DAY = date(2026, 11, 20)


def master(nse: int = 100, bse: int = 0, day: date = DAY) -> Master:
    rows = [
        Instrument(segment=segment, symbol=f"S{n}", kind=InstrumentKind.EQUITY, tick_size=5)
        for segment, count in ((Segment.NSE_EQ, nse), (Segment.BSE_EQ, bse))
        for n in range(count)
    ]
    return Master(
        day,
        tuple(rows),
        (Conflict(InstrumentId("NSE_EQ:S0"), "tick_size", "upstox 5, dhan 10"),),
        {"dhan": {"series": 3}},
    )


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = save(master(), tmp_path / "new" / "folder")
    again = load_latest(path.parent)
    assert list(again) == list(master())
    assert (again.day, again.conflicts, again.refused) == (DAY, master().conflicts, {"dhan": {"series": 3}})
    assert again.age(DAY + timedelta(1)) == 1
    assert files(path.parent) == ["master-2026-11-20.bin"]


def test_the_newest_day_is_in_force_and_a_week_is_kept(tmp_path: Path) -> None:
    for n in range(10):
        save(master(day=DAY + timedelta(n)), tmp_path)
    assert load_latest(tmp_path).day == date(2026, 11, 29)
    assert files(tmp_path) == [f"master-2026-11-{n}.bin" for n in range(23, 30)]


@pytest.mark.parametrize(
    ("nse", "bse", "moved"),
    [
        (95, 20, ()),
        (105, 21, ()),
        (94, 20, (Moved(Segment.NSE_EQ, 100, 94),)),
        (106, 20, (Moved(Segment.NSE_EQ, 100, 106),)),
        (100, 0, (Moved(Segment.BSE_EQ, 20, 0),)),
        (90, 30, (Moved(Segment.NSE_EQ, 100, 90), Moved(Segment.BSE_EQ, 20, 30))),
    ],
)
def test_a_segment_may_move_by_a_twentieth(nse: int, bse: int, moved: tuple[Moved, ...]) -> None:
    assert check_against(master(nse, bse), master(100, 20)) == moved


def test_a_segment_that_is_new_has_moved() -> None:
    assert check_against(master(100, 1), master(100)) == (Moved(Segment.BSE_EQ, 0, 1),)


@pytest.mark.parametrize("tolerance", [-0.01, 1.0, float("nan"), float("inf")])
def test_a_senseless_tolerance_is_refused(tolerance: float) -> None:
    with pytest.raises(DataError, match="tolerance"):
        check_against(master(), master(), tolerance)


def test_a_table_that_moved_too_far_is_not_taken(tmp_path: Path) -> None:
    save(master(), tmp_path)
    with pytest.raises(DataError, match=r"2026-11-20 stays in force.*NSE_EQ from 100 rows to 90.*--accept"):
        save(master(90, day=DAY + timedelta(1)), tmp_path)
    assert load_latest(tmp_path).day == DAY
    assert files(tmp_path) == ["master-2026-11-20.bin"]


def test_unless_the_user_says_so_or_allows_more(tmp_path: Path) -> None:
    save(master(), tmp_path)
    save(master(90, day=DAY + timedelta(1)), tmp_path, tolerance=0.1)
    save(master(10, day=DAY + timedelta(2)), tmp_path, accept=True)
    assert len(load_latest(tmp_path)) == 10


def test_an_older_day_never_replaces_a_newer(tmp_path: Path) -> None:
    save(master(), tmp_path)
    with pytest.raises(DataError, match="of 2026-11-20, newer than this of 2026-11-19"):
        save(master(day=DAY - timedelta(1)), tmp_path, accept=True)


def test_no_master_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no instrument master in .* instruments sync"):
        load_latest(tmp_path / "absent")


def test_a_file_cut_or_changed_anywhere_is_damaged_and_no_older_one_is_taken_silently(tmp_path: Path) -> None:
    save(master(), tmp_path)
    path = save(master(day=DAY + timedelta(1)), tmp_path)
    whole = path.read_bytes()
    for cut in (0, 1, 17, 40, 82, 83, 84, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match=r"2026-11-21.bin is damaged.*remove the file"):
            load_latest(tmp_path)
    for place in (0, 16, 20, 82, 90, len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DataError, match="is damaged"):
            load_latest(tmp_path)
    path.unlink()
    assert load_latest(tmp_path).day == DAY


def test_a_new_master_is_checked_against_the_newest_sound_one(tmp_path: Path) -> None:
    save(master(), tmp_path)
    torn = save(master(day=DAY + timedelta(1)), tmp_path)
    torn.write_bytes(torn.read_bytes()[:-5])
    with pytest.raises(DataError, match="2026-11-20 stays in force"):
        save(master(50, day=DAY + timedelta(1)), tmp_path)
    save(master(101, day=DAY + timedelta(1)), tmp_path)
    assert len(load_latest(tmp_path)) == 101


def test_a_sound_file_of_another_version_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msgspec.msgpack, "encode", lambda _: b"\x81\xa3day\x01")
    save(master(), tmp_path)
    with pytest.raises(DataError, match="another version"):
        load_latest(tmp_path)


def test_an_unreadable_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "master-2026-11-20.bin").mkdir()
    with pytest.raises(DataError, match="cannot read"):
        load_latest(tmp_path)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_disk_that_fails_on_the_way_leaves_the_old_one_and_no_litter(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(master(), tmp_path)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os if step == "fsync" else Path, step, fail)
    with pytest.raises(DataError, match=r"cannot write .* No space left on device"):
        save(master(101, day=DAY + timedelta(1)), tmp_path)
    monkeypatch.undo()
    assert files(tmp_path) == ["master-2026-11-20.bin"]
    assert load_latest(tmp_path).day == DAY


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        save(master(), tmp_path / "file" / "masters")
