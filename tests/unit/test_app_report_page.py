"""The desk's report as a page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.day_report import RUN, report, shown, trip

from saudagar.app.report import build
from saudagar.app.report_html import render_html, write_html
from saudagar.engine.state import State
from saudagar.market.charges import Charges
from saudagar.model import (
    Side,
)
from saudagar.model.errors import SaudagarError


class Page(HTMLParser):
    """What a browser would see: balanced tags, text, and every attribute that could load something."""

    VOID = frozenset({"meta", "line", "path"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def test_the_page_is_whole_and_loads_nothing() -> None:
    source = render_html(report())
    page = Page(source)
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(page.tags)
    assert not {"src", "href", "onload", "onclick", "style"} & {name for name, _ in page.attributes}
    assert "url(" not in source
    assert "@import" not in source
    assert "//" not in source


def test_the_page_shows_every_trade_and_every_charge() -> None:
    day = report()
    text = " ".join(Page(render_html(day)).text)
    for line in day.trades:
        for word in (line.symbol, line.entry_reason, line.exit_reason, line.side):
            assert word in text
        for kind in ("brokerage", "stt", "exchange", "sebi", "stamp", "gst"):
            amount = getattr(line.charges, kind)
            assert f"{amount // 100}.{amount % 100:02d}" in text
    assert "10:31:12 at 1,250.10" in text
    assert "+₹566.39" in text


def test_other_peoples_words_stay_words() -> None:
    source = render_html(report())
    assert "the broker said: [2J no &lt;funds&gt;" in source
    assert "M&amp;M" in source
    assert "\x1b" not in source
    assert "the broker said: [2J no <funds>" in shown(report(), 120)


def test_the_curve_starts_at_zero_and_ends_at_the_net() -> None:
    source = render_html(report())
    assert source.count("<circle") == 2 * 3, "once for a screen, once for a phone"
    assert "Net profit after each of 3 round trips, ending at +₹566.39" in source
    assert '<line class="zero"' in source
    for curve, width in zip(re.findall(r'class="curve" d="([^"]+)"', source), (960, 370), strict=True):
        assert re.fullmatch(r"M[\d.]+ [\d.]+(H[\d.]+V[\d.]+){3}", curve)
        assert max(map(float, re.findall(r"H([\d.]+)", curve))) <= width


def test_a_lone_flat_trade_still_draws() -> None:
    flat = trip("ema", "SBIN", Side.BUY, 1, (100_00, 100_00), "09:15:00 09:15:00", "x")
    desk = State()
    desk.trades.append(flat)
    page = render_html(build(desk, RUN, lambda _: Charges(), []))
    assert "nan" not in page
    assert page.count("<circle") == 2 * 1


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    write_html(report(), path)
    first = path.read_text(encoding="utf-8")
    write_html(report(), path)
    assert path.read_text(encoding="utf-8") == first == render_html(report())
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]


def test_a_page_that_cannot_be_written_says_where_the_day_is(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()  # in its way
    with pytest.raises(SaudagarError, match=r"report\.html cannot be written: .*in var/demo/journal\.db"):
        write_html(report(), tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
