"""Tables of all kinds become the same bars; rows that cannot be are named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saudagar.indicators import BarArrays
from saudagar.market.ist import at
from saudagar.model import DAY, HOUR, IST_AHEAD, MINUTE, InstrumentId
from saudagar.model.errors import DataError
from saudagar.notebook.bars import bar_table
from saudagar.notebook.frames import bars_of, is_table

OPEN = at(date(2026, 11, 5), "09:15")
COLUMNS = ("start", "end", "open", "high", "low", "close", "volume")


def made(count: int = 6, interval: int = 5 * MINUTE, seed: int = 1) -> BarArrays:
    random = np.random.default_rng(seed)
    path = random.integers(1_000, 200_000, (count, 4))
    start = OPEN + np.arange(count) * interval
    return BarArrays.from_columns(
        interval=interval,
        start=start,
        end=start + interval,
        open=path[:, 0],
        high=path.max(axis=1),
        low=path.min(axis=1),
        close=path[:, 3],
        volume=random.integers(0, 10**6, count),
    )


def plain(bars: BarArrays, times: Any) -> dict[str, Any]:
    rupees = {name.title(): getattr(bars, name) / 100 for name in ("open", "high", "low", "close")}
    return {"Date": times, **rupees, "VOLUME": bars.volume}


def naive(bars: BarArrays) -> Any:
    return (bars.start + IST_AHEAD).astype("datetime64[ns]")


def structured(table: dict[str, Any]) -> Any:
    found = np.empty(len(table["Date"]), dtype=[(name, np.asarray(column).dtype) for name, column in table.items()])
    for name, column in table.items():
        found[name] = column
    return found


def aware(bars: BarArrays, zone: timezone) -> list[datetime]:
    return [datetime.fromtimestamp(ns // 10**9, zone) for ns in bars.start.tolist()]


FORMS: dict[str, Callable[[BarArrays], Any]] = {
    "datetime64 of India's clock": lambda bars: plain(bars, naive(bars)),
    "seconds": lambda bars: plain(bars, naive(bars).astype("datetime64[s]")),
    "UTC ns": lambda bars: plain(bars, bars.start),
    "texts": lambda bars: plain(bars, [str(each) for each in naive(bars).astype("datetime64[s]")]),
    "texts with a zone": lambda bars: plain(bars, [each.isoformat() for each in aware(bars, UTC)]),
    "datetimes": lambda bars: plain(bars, aware(bars, timezone(timedelta(hours=-5)))),
    "a structured array": lambda bars: structured(plain(bars, naive(bars))),
    "a frame": lambda bars: pd.DataFrame(plain(bars, naive(bars))),
    "a frame with a zone": lambda bars: pd.DataFrame(plain(bars, pd.to_datetime(bars.start, utc=True))),
    "a frame by its index": lambda bars: pd.DataFrame(plain(bars, naive(bars))).set_index("Date"),
    "an index with a zone": lambda bars: pd.DataFrame(
        plain(bars, pd.to_datetime(bars.start, utc=True).tz_convert("America/New_York"))
    ).set_index("Date"),
    "a nameless index": lambda bars: pd.DataFrame(plain(bars, naive(bars))).set_index("Date").rename_axis(None),
    "our own table": lambda bars: bar_table(bars, InstrumentId("NSE_EQ:X")),
}


def same(a: BarArrays, b: BarArrays) -> bool:
    return a.interval == b.interval and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in COLUMNS)


@pytest.mark.parametrize("form", FORMS)
def test_every_kind_of_table_gives_the_same_bars(form: str) -> None:
    bars = made()
    (found,) = bars_of(FORMS[form](bars)).values()
    assert same(found, bars)
    assert is_table(FORMS[form](bars))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 40), st.sampled_from([MINUTE, 5 * MINUTE, HOUR]), st.integers(0, 99))
def test_paise_survive_as_rupees(count: int, interval: int, seed: int) -> None:
    bars = made(count, interval, seed)
    (found,) = bars_of(plain(bars, naive(bars))).values()
    assert same(found, bars)


def test_holes_and_nights_do_not_hide_the_interval() -> None:
    start = np.array([OPEN, OPEN + 10 * MINUTE, OPEN + 15 * MINUTE, OPEN + DAY])
    flat = np.full(4, 10.0)
    (found,) = bars_of({"time": start, **dict.fromkeys(("open", "high", "low", "close"), flat)}).values()
    assert (found.interval, found.volume.tolist()) == (5 * MINUTE, [0, 0, 0, 0])
    days = {"time": np.array(["2026-11-05", "2026-11-06", "2026-11-09"], "datetime64[D]")}
    (found,) = bars_of({**days, **dict.fromkeys(("open", "high", "low", "close"), flat[:3])}).values()
    assert found.interval == DAY


def test_a_column_called_symbol_parts_the_rows() -> None:
    one, two = made(seed=1), made(seed=2)
    frames = [
        pd.DataFrame(plain(bars, naive(bars))).assign(Symbol=name) for name, bars in (("TCS", one), ("INFY", two))
    ]
    mixed = pd.concat(frames).sort_values("Date", kind="stable")
    found = bars_of(mixed)
    assert list(found) == ["TCS", "INFY"]
    assert same(found["TCS"], one)
    assert same(found["INFY"], two)
    with pytest.raises(DataError, match=r"row 1, .*the same time"):
        bars_of(mixed, symbol="TCS")


NAN = float("nan")
GOOD: dict[str, list[Any]] = {
    "time": ["2026-11-05 09:15", "2026-11-05 09:20", "2026-11-05 09:25"],
    "open": [10, 11, 12],
    "high": [11, 12, 13],
    "low": [9, 10, 11],
    "close": [10, 11, 12],
    "volume": [1, 2, 3],
}


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("close", [10, NAN, 12], "1 of 3 rows cannot be: row 1, 2026-11-05 09:20: a price is missing"),
        ("high", [11, float("inf"), 13], "row 1, .*no finite number"),
        ("low", [9, -10, 11], "row 1, .*above 0"),
        ("open", [10, 0, 12], "row 1, .*above 0"),
        ("close", [10, 11, 1e11], "row 2, .*(above 0 and below|contradict)"),
        ("low", [9, 10, 12.5], "row 2, .*contradict"),
        ("volume", [1, -2, 3], "row 1, .*volume"),
        ("volume", [1, NAN, 3], "row 1, .*volume"),
        ("volume", [1, 2, 2.5], "row 2, .*volume"),
        ("time", ["2026-11-05 09:15", "2026-11-05 09:15", "2026-11-05 09:25"], "row 1, .*same time"),
        ("time", ["2026-11-05 09:20", "2026-11-05 09:15", "2026-11-05 09:25"], "row 1, .*goes back"),
        ("time", np.array(["2026-11-05T09:15", "NaT", "2026-11-05T09:25"], "datetime64[ns]"), "row 1: the time is mis"),
        ("time", [1_700_000_000, 1_700_000_300, 1_700_000_600], "UTC nanoseconds"),
        ("time", ["noon", "2026-11-05 09:20", "2026-11-05 09:25"], "'noon', which is no time"),
        ("time", [1.5, 2.5, 3.5], "must hold times, got float"),
        ("close", ["ten", "eleven", "twelve"], "column close must hold numbers"),
        ("close", [[1, 2], [3, 4], [5, 6]], "one dimension"),
        ("time", [["2026-11-05"]], "one dimension"),
        ("close", [10, 11], "differ in length"),
        ("symbol", ["A"], "differ in length"),
    ],
)
def test_a_row_that_cannot_be_is_named(column: str, values: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        bars_of({**GOOD, column: values})


def test_the_first_five_bad_rows_are_told_and_the_others_counted() -> None:
    count = 9
    table = {name: np.ones(count) for name in ("open", "high", "low", "close")}
    with pytest.raises(DataError, match=r"9 of 9 rows .*row 4.*; and 4 more"):
        bars_of({**table, "low": np.full(count, NAN), "time": OPEN + np.arange(count) * MINUTE})


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"time": [1], "open": [1]}, "no column high, low, close; it has time, open"),
        ({name: [1] for name in ("open", "high", "low", "close")}, "no column for the time"),
        ({**{name: [] for name in GOOD}}, "no rows"),
        (7, "got int"),
        ({name: column[:1] for name, column in GOOD.items()}, "interval cannot be told"),
        ({**GOOD, "time": ["2026-11-05 09:15:00.5", "2026-11-05 09:15:01", "2026-11-05 09:15:02"]}, "Ticks are no"),
        ({**GOOD, "time": ["2026-11-05", "2026-11-12", "2026-11-19"]}, "interval cannot be told"),
    ],
)
def test_what_is_no_table_of_bars_is_refused(table: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        bars_of(table)
