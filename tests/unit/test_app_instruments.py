"""`saudagar instruments`: files in, a master in force, and answers out."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from saudagar.app.instruments import app
from saudagar.model.errors import ConfigError, DataError, UnknownInstrument

KITE = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,instrument_type,"
    "segment,exchange\n"
    "738561,2885,RELIANCE,RELIANCE INDUSTRIES,0.0,,0.0,0.1,1,EQ,NSE,NSE\n"
    "256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE\n"
    "11546626,45104,NIFTY26DEC24000CE,NIFTY,0.0,2026-12-29,24000.0,0.05,65,CE,NFO-OPT,NFO\n"
    "1,1,USDINR,USDINR,0.0,2026-12-29,0,0.0025,1,FUT,CDS-FUT,CDS\n"
)
UPSTOX: list[dict[str, Any]] = [
    {
        "segment": "NSE_EQ",
        "name": "RELIANCE INDUSTRIES LTD",
        "isin": "INE002A01018",
        "instrument_type": "EQ",
        "instrument_key": "NSE_EQ|INE002A01018",
        "lot_size": 1,
        "exchange_token": "2885",
        "tick_size": 5.0,
        "trading_symbol": "RELIANCE",
    }
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kite.csv").write_text(KITE)
    (tmp_path / "upstox.json").write_text(json.dumps(UPSTOX))
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    class Files(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = folder / self.path.lstrip("/")
            self.send_response(200 if path.is_file() else 404)
            self.end_headers()
            self.wfile.write(path.read_bytes() if path.is_file() else b"gone")

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    thread.join()
    http.server_close()


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--directory", str(folder / "masters")])


def sync(folder: Path, *words: str, day: str = "2026-11-20") -> Result:
    return run(folder, "sync", "--kite", str(folder / "kite.csv"), "--day", day, *words)


def test_sync_then_find_and_show(folder: Path) -> None:
    made = sync(folder)
    assert made.exit_code == 0
    assert "3 instruments of 2026-11-20" in made.output
    assert "rows of kite left out: currency 1" in made.output

    found = run(folder, "find", "nifty", "24000", "ce")
    assert found.output.split() == ["NSE_FNO:NIFTY-2026-12-29-24000-CE"]
    assert run(folder, "find", "qqqq").output == "nothing is like 'qqqq'.\n"

    shown = run(folder, "show", "NIFTY-2026-12-29-24000-CE").output.splitlines()
    assert "kite symbol      NIFTY26DEC24000CE" in shown
    assert "tick size        ₹0.05" in shown
    assert "strike           ₹24,000.00" in shown
    assert "master of        2026-11-20" in shown


def test_everything_as_json(folder: Path) -> None:
    made = json.loads(sync(folder, "--upstox", str(folder / "upstox.json"), "--json").output)
    assert made["rows"] == {"NSE_EQ": 1, "NSE_FNO": 1, "NSE_INDEX": 1}
    assert made["refused"] == {"kite": {"currency": 1}, "upstox": {}}
    assert made["conflicts"] == [{"instrument": "NSE_EQ:RELIANCE", "field": "tick_size", "detail": "upstox 5, kite 10"}]
    assert [found["id"] for found in json.loads(run(folder, "find", "reliance", "--json").output)] == [
        "NSE_EQ:RELIANCE"
    ]
    assert json.loads(run(folder, "find", "qqqq", "--json").output) == []
    shown = json.loads(run(folder, "show", "reliance", "--json").output)
    assert (shown["kite_id"], shown["tick_size"]) == ("738561", 5)
    assert shown["conflicts"] == ["tick_size: upstox 5, kite 10"]


def test_conflicts_are_printed_the_first_ten_of_them(folder: Path) -> None:
    both = "".join(
        f"{n * 256 + 1},{n},S{(n + 1) // 2},S,0.0,,0.0,0.05,1,EQ,NSE,NSE\n"  # each share under two numbers
        for n in range(1, 25)
    )
    (folder / "kite.csv").write_text(KITE.splitlines()[0] + "\n" + both)
    output = sync(folder).output
    assert "24 conflicts between the files; these are not tradable:" in output
    assert "… and 14 more" in output
    assert "conflicts        id: kite" in run(folder, "show", "S1").output


def test_a_file_by_address(folder: Path, server: str) -> None:
    made = run(folder, "sync", "--kite", f"{server}/kite.csv", "--day", "2026-11-20")
    assert made.exit_code == 0


def test_the_day_is_todays_unless_given(folder: Path) -> None:
    (folder / "upstox.json").write_text(json.dumps(UPSTOX))
    made = json.loads(run(folder, "sync", "--upstox", str(folder / "upstox.json"), "--json").output)
    assert made["path"].endswith(f"master-{made['day']}.bin")
    assert made["day"] >= "2026-01-01"


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["sync"], ConfigError, "no instrument file given"),
        (["sync", "--dhan", "absent.csv"], DataError, "cannot read the instrument file absent.csv: No such file"),
        (["sync", "--dhan", "{folder}/kite.csv"], DataError, "not a dhan instrument file"),
        (["sync", "--upstox", "{server}/absent"], DataError, r"cannot download .*404.*stays"),
        (["sync", "--upstox", "http://127.0.0.1:1/x"], DataError, "cannot download"),
        (["find", "x"], DataError, "no instrument master"),
    ],
)
def test_what_goes_wrong_is_one_clear_error(
    folder: Path, server: str, words: list[str], error: type[Exception], message: str
) -> None:
    result = run(folder, *(word.format(folder=folder, server=server) for word in words))
    assert isinstance(result.exception, error)
    with pytest.raises(error, match=message):
        raise result.exception
    assert not (folder / "masters").exists()


def test_a_table_that_moved_is_taken_only_when_accepted(folder: Path) -> None:
    sync(folder)
    (folder / "kite.csv").write_text("".join(KITE.splitlines(keepends=True)[:2]))
    refused = sync(folder, day="2026-11-21")
    assert isinstance(refused.exception, DataError)
    assert "--accept" in str(refused.exception)
    assert sync(folder, "--accept", day="2026-11-21").exit_code == 0
    with pytest.raises(UnknownInstrument):
        raise run(folder, "show", "NIFTY").exception or AssertionError
