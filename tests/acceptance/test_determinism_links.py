"""Both streams are cut again and again in the middle of a day: nothing is missed and the trades stay the same."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from saudagar.model.events import Alerted
from saudagar.storage.journal import read_journal

pytestmark = pytest.mark.unmeasured

CUTS = 4
PART = {"end": "09:25", "last_entry": "09:22", "square_off": "09:23"}


def test_a_day_of_cut_streams(trading_day: Callable[..., Any], forge: Any) -> None:
    calm = trading_day("calm", **PART)
    expected = calm.desk(forge.start).finish()
    assert len(expected["trades"]) >= 3

    rough = trading_day("rough", **PART)
    rough.open()
    desk = rough.desk(forge.start)
    for cut in range(1, CUTS + 1):
        reach(rough, cut * 600 // (CUTS + 1))
        rough.exchange.disconnect()
    report = desk.finish()

    assert report["trades"] == expected["trades"]
    assert report["total"] == expected["total"]
    books = rough.books()
    assert books.exchange["done"]
    assert not (wrong := books.faults()), wrong
    said = Counter(
        entry.event.message.partition(":")[0]
        for entry in read_journal(rough.journal)
        if isinstance(entry.event, Alerted)
    )
    for link in ("upstox feed", "dhan orders"):
        assert said[f"{link} is down"] == CUTS, said
        assert said[f"{link} is up"] == CUTS + 1, said


def reach(day: Any, step: int) -> None:
    deadline = time.monotonic() + 60
    while day.exchange.state()["steps"] < step:
        assert time.monotonic() < deadline, "the market does not move"
        time.sleep(0.01)
