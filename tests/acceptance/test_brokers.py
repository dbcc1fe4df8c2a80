"""Any broker for data, any for orders, several accounts at once: the same trades, through the real SDKs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from saudagar.exchange.process import Account, ExchangeConfig, ExchangeProcess, SyntheticSource

SAUDAGAR = Path(sys.executable).with_name("saudagar")
MIXES = [("kite", "kite"), ("upstox", "upstox"), ("dhan", "dhan"), ("upstox", "kite"), ("kite", "dhan")]
MEASURED = MIXES[0]

CONFIG = """
[desk]
name = "MIX"
mode = "simulation"
capital = 10000000
directory = "desk"
[data]
broker = "{data}"
[orders]
broker = "{orders}"
{accounts}
[simulation]
seed = 7
symbols = 4
end = "09:40"
in_process = {in_process}
[risk]
max_order_value = 400000
[charges]
plan = "dhan"  # each broker's own would make the same trades cost differently
[session]
no_entry_before = "09:15"
no_entry_after = "09:36"
square_off = "09:38"
[strategies.quick]
kind = "ema_cross"
interval = "1m"
instruments = ["NSE:RELIANCE", "NSE:HDFCBANK", "NSE:ICICIBANK"]
params = {{ fast = 2, slow = 3 }}
size = {{ quantity = 150 }}
exits = {{ stop = "0.3%", target = "0.3%", trail = "0.2%" }}
[strategies.second]
kind = "opening_range"
interval = "1m"
instruments = ["NSE:RELIANCE", "NSE:ICICIBANK"]
params = {{ minutes = 3 }}
size = {{ quantity = 100 }}
exits = {{ stop = "0.2%", target = "0.2%" }}
{account}
"""


def traded(folder: Path, data: str, orders: str, *, second: str = "", wire: bool = True, ports: str = "") -> Any:
    """The closing report of a short day."""
    folder.mkdir()
    text = CONFIG.format(
        data=data,
        orders=orders,
        in_process=str(not wire).lower(),
        accounts=f'[accounts.other]\nbroker = "{second}"' if second else "",
        account='account = "other"' if second else "",
    )
    (folder / "desk.toml").write_text(text)
    command = [SAUDAGAR, "run", "desk.toml", "--json", *(["--exchange-ports", ports] if ports else [])]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Any:
    report = traded(tmp_path_factory.mktemp("quiet") / "in-process", "upstox", "dhan", wire=False)
    assert len(report["trades"]) >= 10
    return report


@pytest.mark.parametrize(
    ("data", "orders"),
    [pytest.param(*mix, id="-".join(mix), marks=[] if mix == MEASURED else pytest.mark.unmeasured) for mix in MIXES],
)
def test_every_mix_of_brokers_gives_the_same_trades(tmp_path: Path, quiet: Any, data: str, orders: str) -> None:
    report = traded(tmp_path / "desk", data, orders)
    assert report["trades"] == quiet["trades"]
    assert report["orders"] == quiet["orders"]
    assert report["open"] == []


def test_two_accounts_trade_at_once_and_apart(tmp_path: Path, quiet: Any) -> None:
    config = ExchangeConfig(
        source=SyntheticSource(seed=7, instruments=5, start="09:15", end="09:40"),
        account=Account(capital=1_000_000_000),
        lockstep=True,
        hold=True,
        separate=True,
    )
    with ExchangeProcess(config) as exchange:
        ports = f"{exchange.ports.upstox},{exchange.ports.dhan},{exchange.ports.kite},{exchange.ports.control}"
        report = traded(tmp_path / "desk", "upstox", "dhan", second="kite", ports=ports)
        positions = exchange.state()["positions"]
    assert report["trades"] == quiet["trades"]
    bought: Counter[tuple[str, str]] = Counter()
    for row in positions:
        assert row["buy_quantity"] == row["sell_quantity"]
        bought[row["account"]] += row["buy_quantity"]
    of: Counter[str] = Counter()
    for trade in quiet["trades"]:
        of[trade["strategy"]] += trade["quantity"]
    assert (bought["dhan"], bought["kite"]) == (of["quick"], of["second"])
