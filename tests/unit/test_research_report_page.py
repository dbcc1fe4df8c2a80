"""The report to look at: the page that needs nothing else, the terminal, how figures and axes read."""

from __future__ import annotations

import html
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.reports import FACTS, FIRST, HELD, THREE, big, columns, ints, record

from saudagar.market.ist import DAY
from saudagar.model import MINUTE
from saudagar.research import report_charts as charts
from saudagar.research import report_words as say
from saudagar.research.report import Histogram, Report, build
from saudagar.research.report_html import render_html, write_html
from saudagar.research.report_input import PriceColumns
from saudagar.research.report_metrics import MEASURES
from saudagar.research.report_text import print_report, sparkline


class _Page(HTMLParser):
    """Every address the page names, and whether its tags close in order."""

    _VOID = frozenset({"meta", "br", "link", "img", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.policy = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [str(given[name]) for name in ("src", "href", "srcset", "action") if name in given]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(given["content"])
        if tag not in self._VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


def test_the_page_needs_nothing_else() -> None:
    from base64 import b64encode
    from hashlib import sha256

    text = render_html(build(record(columns(*THREE), charges={"stt": 1_200})))
    page = _Page(text)
    assert page.faults == page.open == []
    assert page.addresses == []
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttp|WebSocket|\bimport\b", text)
    script = text.rpartition("<script>")[2].partition("</script>")[0]
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert page.policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    assert "prefers-color-scheme: dark" in text
    assert "max-width: 700px" in text


def test_the_page_says_how_to_make_the_run_again() -> None:
    text = html.unescape(render_html(build(record(columns(*THREE)))))
    for fact in (FACTS.command, FACTS.data_hash, FACTS.version, FACTS.config, "<dt>seed</dt><dd>7</dd>", "next open"):
        assert fact in text, fact
    for each in MEASURES:
        assert each.label in text


def test_a_large_run_stays_small_on_the_page() -> None:
    report = build(big(50_000, 200_000, 12))
    text = render_html(report)
    assert len(text.encode()) < 1_500_000
    assert text.count("<tr>") < 700
    assert "the 200 largest of 50,000" in text


def test_foreign_words_stay_words() -> None:
    evil = '</script><script>alert(1)</script>"&'
    run = record(columns((f"NSE_EQ:{evil}", 1, 1, 1, 2, 100, 90, 0)))
    prices = PriceColumns(ts=ints(FIRST, FIRST + 1), open=ints(1, 1), high=ints(2, 2), low=ints(1, 1), close=ints(1, 2))
    facts = msgspec.structs.replace(FACTS, title=evil, command=evil, warnings=(evil,))
    text = render_html(build(msgspec.structs.replace(run, facts=facts, prices={f"NSE_EQ:{evil}": prices})))
    assert "<script>alert" not in text
    assert text.count("</script>") == 2
    assert _Page(text).faults == []


def test_writing_is_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "report.html"
    write_html("ü", target)
    assert target.read_text(encoding="utf-8") == "ü"
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]


def test_one_day_and_one_point() -> None:
    for report in (build(record(columns(), days=1)), build(record(columns(*THREE[:1]), days=3))):
        assert _Page(render_html(report)).faults == []
        assert any("Trading days" in note for note in report.notes)


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9), st.integers(2, 8))
def test_ticks_enclose_and_are_few(low: float, room: float, about: int) -> None:
    ticks = charts.round_ticks(low, low + room, about)
    slack = max(abs(low), room, 1.0) * 1e-6
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + room - slack
    assert 2 <= len(ticks) <= about + 3


@pytest.mark.parametrize("most", [*range(1, 40), 99, 100, 101, 2_345])
def test_counts_are_whole_numbers(most: int) -> None:
    plot = charts.histogram_plot(Histogram(edges=(-0.01, 0.0, 0.01), counts=(most, 1)), "days")
    sides: list[str] = re.findall(r'class="y"[^>]*>([^<]*)<', plot)
    assert all(text.isdecimal() for text in sides)
    assert sorted(set(sides), key=int) == sides
    assert int(sides[-1]) >= most


@pytest.mark.parametrize("width", [40, 80, 100, 160])
def test_the_terminal_fits_its_width(width: int) -> None:
    report = build(record(columns(*THREE), open=(HELD,)))
    out = io.StringIO()
    print_report(report, Console(file=out, width=width))
    text = out.getvalue()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert "₹88.00" in text
    assert "b3:5f00" in text
    assert ("Return, %" in text) == (width >= 100)


def test_many_instruments_are_cut_and_said(report_of_many: Report) -> None:
    out = io.StringIO()
    print_report(report_of_many, Console(file=out, width=120))
    assert "and 5 more" in out.getvalue()


@pytest.fixture
def report_of_many() -> Report:
    return build(big(600, 3_000, 25))


def test_sparkline() -> None:
    assert sparkline((1, 8, 1), 10) == "▁█▁"
    assert len(sparkline(tuple(range(500)), 60)) == 60
    assert sparkline((5,), 10) == "▁"


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (None, "ratio", "–"),
        (1.239, "ratio", "1.24"),
        (0.12345, "percent", "12.35 %"),
        (0.0003, "percent", "0.0300 %"),
        (12_345_678.0, "money", "₹1,23,457"),
        (-4_250, "money", "-₹42.50"),
        (1, "days", "1 day"),
        (1_234, "days", "1,234 days"),
        (123_456, "count", "1,23,456"),
        (3 * DAY + 240 * MINUTE, "time", "3 d 4 h"),
        (65 * MINUTE, "time", "1 h 05 min"),
        (7 * MINUTE, "time", "7 min"),
        (40 * 10**9, "time", "40 s"),
    ],
)
def test_how_figures_read(value: Any, kind: str, text: str) -> None:
    assert say.figure(value, kind) == text


@pytest.mark.parametrize(
    ("paise", "texts"),
    [
        ([1e9, 1.25e9], ["₹1.00 Cr", "₹1.25 Cr"]),
        ([-5e8, 0, 5e8], ["-₹50 L", "₹0", "₹50 L"]),
        ([2e6, 2.05e6], ["₹20.0k", "₹20.5k"]),
        ([-5_000.0, 0.0], ["-₹50", "₹0"]),
        ([1e12, 1e12 + 2e5], ["₹1000.0000 Cr", "₹1000.0002 Cr"]),
    ],
)
def test_axes_are_short_and_tell_their_marks_apart(paise: list[float], texts: list[str]) -> None:
    assert say.amounts(paise) == texts


@given(st.floats(-1e8, 1e8), st.floats(1e-2, 1e8), st.integers(2, 8))
def test_marks_of_an_axis_differ(low: float, room: float, about: int) -> None:
    texts = say.apart(charts.round_ticks(low, low + room, about))
    assert len(set(texts)) == len(texts)
    assert not any(re.fullmatch(r"-0\.?0*", text) for text in texts)
