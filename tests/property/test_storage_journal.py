"""Whatever is appended, in whatever batches, across whatever restarts, reads back the same."""

from contextlib import closing
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from saudagar.model.errors import JournalError
from saudagar.model.events import Alerted, Event
from saudagar.storage.journal import SqliteJournal, read_journal, verify_journal

pytestmark = pytest.mark.unmeasured

INTEGERS = st.integers(-(2**62), 2**62)


def values(of: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's type, nested structs and tuples included."""
    if isinstance(of, type) and issubclass(of, msgspec.Struct):
        return structs(of)
    if get_origin(of) is UnionType:
        return st.one_of([st.none() if arm is type(None) else values(arm) for arm in get_args(of)])
    if get_origin(of) is dict:
        return st.dictionaries(*map(values, get_args(of)), max_size=4)
    if hasattr(of, "__supertype__"):  # a NewType of the ids
        return values(of.__supertype__)
    simple = {int: INTEGERS, str: st.text(max_size=30), bool: st.booleans(), date: st.dates()}
    return simple[of] if of in simple else st.sampled_from(list(of))


def structs(kind: type[Any]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    fields = {name: values(hints[name]) for name in kind.__struct_fields__}
    return st.fixed_dictionaries(fields).map(lambda given: kind(**given))


EVENTS: st.SearchStrategy[Event] = st.one_of([structs(kind) for kind in get_args(Event)])
BATCHES = st.lists(st.one_of(st.lists(EVENTS, max_size=5), st.just("restart")), max_size=12)


@settings(deadline=None, max_examples=60)
@given(BATCHES)
def test_the_journal_is_the_list_of_what_was_appended(steps: list[Any]) -> None:
    with TemporaryDirectory() as folder:
        path, expected = Path(folder) / "journal.db", []
        journal = SqliteJournal(path, lambda: 5)
        for step in steps:
            if step == "restart":
                journal.close()
                journal = SqliteJournal(path, lambda: 5)
            else:
                expected += step
                assert journal.append(step) == len(expected)
        with closing(journal):
            assert [entry.event for entry in journal.entries()] == expected
            half = len(expected) // 2
            assert [entry.seq for entry in read_journal(path, half)] == list(range(half + 1, len(expected) + 1))
            found = verify_journal(path)
            assert (found.sound, found.entries) == (True, len(expected))


WRITTEN = [Alerted(ts=number, level="info", message="m" * 300) for number in range(60)]


@cache
def closed_in_order() -> dict[str, bytes]:
    """The files of a journal with `WRITTEN` in it, by name: to make one each time is what takes long, on the disk."""
    with TemporaryDirectory() as folder:
        with closing(SqliteJournal(Path(folder) / "journal.db", lambda: 5)) as journal:
            journal.append(WRITTEN)
        return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


@settings(deadline=None, max_examples=300)
@example(b"\x80", 0.1015625)  # in the text of the schema, which SQLite quotes in its message
@given(st.binary(min_size=1, max_size=60), st.floats(0, 1, exclude_max=True))
def test_no_overwritten_bytes_yield_a_wrong_event(noise: bytes, where: float) -> None:
    """Damage is either harmless (unused space) or reported: a sound verdict means the same events."""
    with TemporaryDirectory() as folder:
        for name, whole in closed_in_order().items():
            (Path(folder) / name).write_bytes(whole)
        path = Path(folder) / "journal.db"
        content = bytearray(path.read_bytes())
        start = int(where * len(content))
        content[start : start + len(noise)] = noise
        path.write_bytes(content)
        try:
            sound = verify_journal(path).sound
            read = [entry.event for entry in read_journal(path)]
        except JournalError:
            return
        assert not sound or read == WRITTEN
