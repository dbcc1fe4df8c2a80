"""``--capital`` and ``--leverage`` as their users meet them: refused, counted, told, and turned off."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.typed import Run, Said, typed

BUYS = ("ema_cross", "--synthetic", "7", "-i", "5m", "--product", "delivery", "--side", "buy")
ALL = ("--value", "1000000")  # nothing to spare


@pytest.fixture
def saudagar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return typed(monkeypatch, capsys)


def told(said: Said) -> dict[str, Any]:
    assert said.code == 0, said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


def test_entries_beyond_the_money_are_refused_and_counted(saudagar: Run) -> None:
    counted, free, lent = (
        told(saudagar("backtest", *BUYS, *ALL, "--instruments", "RELIANCE", "--driver", "engine", *more, "--json", "-"))
        for more in ((), ("--leverage", "0"), ("--leverage", "2.5"))
    )
    refused = counted["facts"]["refused_for_cash"]
    entries = [len(each["trades"]) + len(each["open"]) for each in (counted, free)]
    assert 0 < refused == entries[1] - entries[0]
    assert f"Entries refused for want of cash: {refused}." in " ".join(counted["facts"]["warnings"])
    assert counted["facts"]["assumptions"]["cash"] == "entries beyond the capital and what was made since are refused"
    assert (free["facts"]["refused_for_cash"], lent["facts"]["refused_for_cash"]) == (0, 0)
    assert free["facts"]["assumptions"]["cash"] == "no entry is refused for want of it"
    assert "2.5 times the capital" in lent["facts"]["assumptions"]["cash"]
    assert lent["trades"] == free["trades"]
    assert len({each["facts"]["config"] for each in (counted, free, lent)}) == 3
    worth, money = dict[int, float](), counted["capital"]
    for moment in sorted({*(t["entry_ts"] for t in counted["trades"]), *(t["exit_ts"] for t in counted["trades"])}):
        money += sum(trade["net"] for trade in counted["trades"] if trade["exit_ts"] == moment)
        held = [t for t in counted["trades"] if t["entry_ts"] <= moment < t["exit_ts"]]
        worth[moment] = sum(t["quantity"] * t["entry_price"] for t in held)
        assert worth[moment] <= money + 1
    assert max(worth.values()) > counted["capital"] * 0.8


@pytest.mark.parametrize("leverage", ["-1", "0.001", "101", "nan", "inf"])
def test_a_leverage_that_cannot_be_is_refused(saudagar: Run, leverage: str) -> None:
    said = saudagar("backtest", *BUYS, "--leverage", leverage)
    assert said.code == 2
    assert "--leverage is from 0.01 to 100 times the money there is, or 0 for no bound" in " ".join(said.err.split())


def test_a_sweep_refuses_alike(saudagar: Run) -> None:
    sets = ("--grid", "fast=5,9", "--lots", "600", "--driver", "lanes", "--json")
    bound, free = (told(saudagar("sweep", *BUYS, *sets, *more)) for more in ((), ("--leverage", "0")))
    for place, fast in enumerate((5, 9)):
        plain = ("--set", f"fast={fast}", "--lots", "600", "--driver", "engine", "--json", "-")
        alone = told(saudagar("backtest", *BUYS, *plain))
        assert alone["facts"]["refused_for_cash"] > 0
        assert bound["table"]["trades"][place] == len(alone["trades"]) < free["table"]["trades"][place]
