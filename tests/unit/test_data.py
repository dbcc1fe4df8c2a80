"""`saudagar data`: what is asked of a broker, what is kept when it fails, and the commands around the catalog."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from saudagar.app import clients, data
from saudagar.app.data_fetch import TRIES, Outcome, fetch, plan
from saudagar.market.ist import DAY, at, midnight
from saudagar.market.master import Master
from saudagar.model import MINUTE, Bar, Instrument, InstrumentKind, Segment
from saudagar.model.errors import AuthError, BrokerError, RateLimited
from saudagar.storage.catalog import Catalog, Span
from saudagar.storage.master import save

SBIN = Instrument(segment=Segment.NSE_EQ, symbol="SBIN", kind=InstrumentKind.EQUITY, tick_size=5, upstox_id="1")
TCS = Instrument(segment=Segment.NSE_EQ, symbol="TCS", kind=InstrumentKind.EQUITY, tick_size=5, upstox_id="2")
FRIDAY = date(2026, 11, 20)
NOON = at(FRIDAY, "12:00")


def day(text: str) -> int:
    return midnight(date.fromisoformat(f"2026-{text}"))


class Past:
    """A broker that has a bar at every noon and, on `FRIDAY`, one each minute from 09:15; fails as scripted."""

    def __init__(self, *troubles: Exception | None) -> None:
        self.asked: list[tuple[str, Span]] = []
        self.troubles = list(troubles)
        self.stopped = False

    async def bars(self, instrument: Instrument, interval: int, start: int, end: int) -> list[Bar]:
        self.asked.append((instrument.symbol, (start, end)))
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble:
            raise trouble
        if interval == DAY:
            starts = list(range(midnight(date(2026, 1, 1)), end, DAY))
        else:
            noons = range(at(date(2026, 1, 1), "12:00"), at(FRIDAY, "00:00"), DAY)
            starts = [*noons, *range(at(FRIDAY, "09:15"), at(FRIDAY, "15:30"), interval)]
        found = [Bar(instrument.id, interval, ts, ts + interval, 100, 100, 100, 100, 1) for ts in starts]
        return [bar for bar in found if start <= bar.start and bar.end <= end]

    async def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "catalog")


def run(
    past: Past, catalog: Catalog, span: Span, interval: int = MINUTE, now: int = NOON, **options: Any
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    pieces = plan(catalog, [SBIN], interval, span, now, **options)
    asyncio.run(fetch(past, catalog, pieces, now, source="test", done=outcomes.append, sleep=sleep))
    past.slept = slept  # type: ignore[attr-defined]  # for the tests below
    return outcomes


def test_short_bars_are_asked_for_by_the_month_and_days_at_once(catalog: Catalog) -> None:
    past = Past()
    run(past, catalog, (day("09-15"), day("11-05")))
    assert past.asked == [
        ("SBIN", (day("09-15"), day("10-01"))),
        ("SBIN", (day("10-01"), day("11-01"))),
        ("SBIN", (day("11-01"), day("11-05"))),
    ]
    past = Past()
    run(past, catalog, (day("01-01"), day("11-05")), DAY)
    assert past.asked == [("SBIN", (day("01-01"), day("11-05")))]


def test_what_is_there_is_not_asked_for_again(catalog: Catalog) -> None:
    run(Past(), catalog, (day("10-05"), day("10-20")))
    past = Past()
    run(past, catalog, (day("10-01"), day("11-05")))
    assert [span for _, span in past.asked] == [
        (day("10-01"), day("10-05")),
        (day("10-20"), day("11-01")),
        (day("11-01"), day("11-05")),
    ]
    assert plan(catalog, [SBIN], MINUTE, (day("10-01"), day("11-05")), NOON) == []
    assert len(plan(catalog, [SBIN], MINUTE, (day("10-01"), day("11-05")), NOON, again=True)) == 2


def test_nothing_of_the_future_is_asked_for(catalog: Catalog) -> None:
    assert plan(catalog, [SBIN], MINUTE, (NOON, NOON + DAY), NOON) == []
    assert plan(catalog, [SBIN], DAY, (day("11-20"), day("11-21")), NOON) == [], "the day's bar is not closed"
    (piece,) = plan(catalog, [SBIN], DAY, (day("11-19"), day("11-30")), NOON)
    assert piece.span == (day("11-19"), day("11-20"))


def test_a_day_that_runs_is_covered_as_far_as_its_bars_are_closed(catalog: Catalog) -> None:
    hour = 60 * MINUTE
    now = at(FRIDAY, "11:40")
    past = Past()
    run(past, catalog, (day("11-20"), day("11-21")), hour, now)
    assert past.asked == [("SBIN", (day("11-20"), now))]
    assert catalog.missing(SBIN.id, hour, (day("11-20"), day("11-21"))) == [(at(FRIDAY, "11:15"), day("11-21"))]
    run(Past(), catalog, (day("11-20"), day("11-21")), hour, at(FRIDAY, "12:20"))
    starts = [bar.start for bar in catalog.read(SBIN.id, hour, (day("11-20"), day("11-21")))]
    assert starts == [at(FRIDAY, clock) for clock in ("09:15", "10:15", "11:15")]


def test_before_the_first_closed_bar_nothing_is_covered(catalog: Catalog) -> None:
    run(Past(), catalog, (day("11-20"), day("11-21")), MINUTE, at(FRIDAY, "09:00"))
    assert catalog.missing(SBIN.id, MINUTE, (day("11-20"), day("11-21"))) == [(day("11-20"), day("11-21"))]


def test_a_broker_in_a_hurry_is_waited_for(catalog: Catalog) -> None:
    past = Past(RateLimited("slower."), RateLimited("slower."))
    (outcome,) = run(past, catalog, (day("11-01"), day("11-05")))
    assert past.slept == [1.0, 2.0]  # type: ignore[attr-defined]
    assert (outcome.bars, outcome.trouble) == (4, "")
    past = Past(*[RateLimited("slower.")] * TRIES)
    (outcome,) = run(past, catalog, (day("10-01"), day("10-05")))
    assert outcome.trouble == "slower."
    assert len(past.asked) == TRIES


def test_a_piece_that_fails_is_told_and_asked_for_next_time(catalog: Catalog) -> None:
    past = Past(None, BrokerError("no answer."))
    outcomes = run(past, catalog, (day("09-15"), day("11-05")))
    assert [outcome.trouble for outcome in outcomes] == ["", "no answer.", ""]
    again = Past()
    run(again, catalog, (day("09-15"), day("11-05")))
    assert again.asked == [("SBIN", (day("10-01"), day("11-01")))]


def test_a_refused_token_ends_it_with_what_was_fetched_kept(catalog: Catalog) -> None:
    past = Past(None, AuthError("token."))
    with pytest.raises(AuthError):
        run(past, catalog, (day("09-15"), day("11-05")))
    assert len(past.asked) == 2
    again = Past()
    run(again, catalog, (day("09-15"), day("11-05")))
    assert [span[0] for _, span in again.asked] == [day("10-01"), day("11-01")]


def test_bars_outside_what_was_asked_for_are_not_kept(catalog: Catalog) -> None:
    class Generous(Past):
        async def bars(self, instrument: Instrument, interval: int, start: int, end: int) -> list[Bar]:
            return await super().bars(instrument, interval, start - 5 * DAY, end + 5 * DAY)

    run(Generous(), catalog, (day("10-05"), day("10-07")))
    (entry,) = catalog.contents()
    assert entry.covered == ((day("10-05"), day("10-07")),)
    assert entry.bars == 2


class Desk:
    """The commands in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str, code: int = 0) -> str:
        where = ["-d", str(self.folder / "catalog")]
        result = CliRunner().invoke(data.app, [*arguments, *where], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.output

    def fetch(self, *arguments: str, code: int = 0) -> str:
        return self("fetch", *arguments, "--masters", str(self.folder / "masters"), code=code)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    save(Master(FRIDAY, (SBIN, TCS)), tmp_path / "masters")
    monkeypatch.setenv("SAUDAGAR_TOKENS", str(tmp_path / "none"))
    monkeypatch.delenv("SAUDAGAR_UPSTOX_TOKEN", raising=False)
    return Desk(tmp_path)


def test_fetch_list_check_export(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    past = Past()
    monkeypatch.setattr(clients, "data_client", lambda *_: past)
    arguments = ("SBIN", "NSE:TCS", "SBIN", "--from", "2026-01-05", "--to", "2026-01-09", "--json")
    rows = [json.loads(line) for line in desk.fetch(*arguments).splitlines()]
    assert [(row["instrument"], row["bars"], row["findings"], row["troubles"]) for row in rows] == [
        ("NSE_EQ:SBIN", 5, [], []),
        ("NSE_EQ:TCS", 5, [], []),
    ]
    assert past.stopped
    assert len(past.asked) == 2
    assert "NSE_EQ:SBIN 1d: 5 bars, 2026-01-05 … 2026-01-09" in desk.fetch(*arguments[:-1])
    assert len(past.asked) == 2, "all was there"
    assert desk("list").count("5 bars") == 2
    listed = [json.loads(line) for line in desk("list", "--json").splitlines()]
    assert listed[0]["covered"] == [["2026-01-05T00:00:00+05:30", "2026-01-10T00:00:00+05:30"]]
    assert listed[0]["sources"] == ["upstox"]
    assert "5 bars" in desk("check")
    out = desk.folder / "out.csv"
    desk("export", "SBIN", "--out", str(out), "--from", "2026-01-06", "--to", "2026-01-07")
    assert [line[:10] for line in out.read_text().splitlines()] == ["time,open,", "2026-01-06", "2026-01-07"]
    desk("export", "NSE:SBIN", "--out", str(out))
    assert len(out.read_text().splitlines()) == 6


def test_a_fetch_that_did_not_get_all_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "data_client", lambda *_: Past(BrokerError("no answer.")))
    output = desk.fetch("SBIN", "--from", "2026-01-05", "--to", "2026-01-09", code=5)
    assert "not fetched: no answer." in output


def test_mistakes_are_named(desk: Desk) -> None:
    span = ("--from", "2026-01-05", "--to", "2026-01-09")
    assert "there is no token of upstox" in desk.fetch("SBIN", *span, code=2)
    assert "NOSUCH" in desk.fetch("NOSUCH", *span, code=3)
    assert "expected an interval" in desk.fetch("SBIN", *span, "-i", "1w", code=3)
    assert "--from must be before" in desk.fetch("SBIN", "--from", "2026-01-05", "--to", "2026-01-01", code=2)
    assert "expected one of dhan, upstox, kite" in desk.fetch("SBIN", *span, "--broker", "nobody", code=2)
    assert "wants port numbers" in desk.fetch("SBIN", *span, "--exchange-ports", "1,2", code=2)
    assert "holds no bars yet" in desk("list")
    assert "does not hold NSE_EQ:SBIN" in desk("check", "SBIN", code=3)
    assert "no bars of NSE_EQ:SBIN" in desk("export", "SBIN", "--out", "x.csv", code=3)


def test_import(desk: Desk) -> None:
    file = desk.folder / "bars.csv"
    file.write_text('Day,Open,High,Low,Close,Qty\n2026-01-05,"1,000",1000,1000,1000,5\n2026-01-08,500,500,500,500,1\n')
    renamed = ("--symbol", "NSE:SBIN", "--columns", "time=Day,volume=Qty")
    output = desk("import", str(file), *renamed)
    assert "NSE_EQ:SBIN 1d: 2 bars" in output
    assert "missing days: 2026-01-06 … 2026-01-07: 2 sessions without a bar" in output
    assert "looks like a split or bonus, 2 shares for 1" in output
    assert "jump" in desk("check", "SBIN", code=1)
    file.write_text(file.read_text() + "2026-01-09,x,1,1,1,1\n")
    assert "row 4: not a number" in desk("import", str(file), *renamed, code=3)
    assert "1 bad rows left out" in desk("import", str(file), *renamed, "--skip-bad")
    assert "--columns wants" in desk("import", str(file), "--symbol", "SBIN", "--columns", "Day", code=2)
    assert "expected a segment such as" in desk("import", str(file), *renamed, "--skip-bad", "--symbol", "X:Y", code=3)
    file.write_text("time,open,high,low,close,volume\n")
    assert "holds no bars" in desk("import", str(file), "--symbol", "SBIN", code=3)


def test_many_findings_are_cut_on_screen_only(desk: Desk) -> None:
    file = desk.folder / "bars.csv"
    days = [f"2026-01-{number:02d}" for number in range(5, 30) if date(2026, 1, number).weekday() < 5]
    jumps = [f"{name},{price},{price},{price},{price},1" for name, price in zip(days, [100, 50] * 20, strict=False)]
    months = [line.replace("2026-01", "2026-04") for line in jumps]
    file.write_text("\n".join(["date,open,high,low,close,volume", *jumps, *months]))
    assert "more; --json prints all" in desk("import", str(file), "--symbol", "SBIN")
