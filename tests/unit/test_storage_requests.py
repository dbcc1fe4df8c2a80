"""The request log: on disk before the wire, whole after a crash, silent about nothing."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from saudagar.model import Conversion, InstrumentId, Product, Side
from saudagar.model.errors import JournalError
from saudagar.storage.requests import Outcome, RequestLog

ASKED = Conversion(
    instrument=InstrumentId("NSE_EQ:IDEA"), side=Side.BUY, quantity=5, held=Product.INTRADAY, wanted=Product.DELIVERY
)


def log_at(path: Path) -> RequestLog:
    ticking = count(1)
    return RequestLog(path, lambda: next(ticking))


def test_a_request_is_there_before_its_answer_and_the_answer_after(tmp_path: Path):
    log = log_at(tmp_path / "deep" / "requests.jsonl")
    assert log.entries() == []
    request = log.ask("A1", "dhan", "convert", ASKED)
    assert [(r.id, r.kind, r.body["quantity"], a) for r, a in log.entries()] == [("A1", "convert", 5, None)]
    assert log.unanswered() == [request]
    log.answer(request, Outcome.UNKNOWN, "reset")
    log.answer(request, Outcome.DONE)
    [(again, answer)] = log_at(tmp_path / "deep" / "requests.jsonl").entries()
    assert again == request
    assert answer is not None
    assert answer.outcome is Outcome.DONE
    assert log.unanswered() == []
    assert stat.S_IMODE((tmp_path / "deep" / "requests.jsonl").stat().st_mode) == 0o600


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_torn_last_line_was_never_sent_and_goes(tmp_path: Path, cut: int):
    path = tmp_path / "requests.jsonl"
    log = log_at(path)
    log.ask("A1", "kite", "exit all", {})
    log.ask("A2", "kite", "exit all", {})
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    assert [request.id for request in log.unanswered()] == ["A1"]
    log.ask("A3", "kite", "exit all", {})
    assert [request.id for request in log.unanswered()] == ["A1", "A3"]


def test_a_damaged_line_stops_the_next_request(tmp_path: Path):
    path = tmp_path / "requests.jsonl"
    path.write_bytes(b'{"type":"request"\n')
    with pytest.raises(JournalError, match=r"requests\.jsonl:1"):
        log_at(path).unanswered()


def test_no_room_and_no_right_are_told_before_anything_is_sent(tmp_path: Path):
    with pytest.raises(JournalError, match="Nothing was sent"):
        log_at(Path("/dev/full/requests.jsonl")).ask("A1", "dhan", "convert", ASKED)
    with pytest.raises(JournalError, match="cannot be"):
        log_at(tmp_path).entries()


def test_an_answer_that_cannot_be_noted_does_not_deny_that_something_was_sent(tmp_path: Path):
    request = log_at(tmp_path / "requests.jsonl").ask("A1", "dhan", "convert", ASKED)
    with pytest.raises(JournalError, match="request A1, convert, was made: DONE") as told:
        log_at(Path("/dev/full/requests.jsonl")).answer(request, Outcome.DONE)
    assert "Nothing was sent" not in str(told.value)


WRITER = """
import sys
from itertools import count
from pathlib import Path
from saudagar.storage.requests import RequestLog
log = RequestLog(Path(sys.argv[1]), lambda: 1)
for number in count():
    log.ask(f"{number}", "dhan", "convert", {"number": number})
    print(number, flush=True)
"""


def test_what_was_acknowledged_outlives_kill_9(tmp_path: Path):
    path = tmp_path / "requests.jsonl"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) >= 50:
                break
        os.kill(writer.pid, signal.SIGKILL)
        last = [int(text) for text in writer.stdout.read().split()]
    acknowledged = max([50, *last])
    there = [int(request.id) for request in log_at(path).unanswered()]
    assert there == list(range(len(there)))
    assert len(there) > acknowledged
