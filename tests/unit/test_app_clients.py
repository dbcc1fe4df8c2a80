"""`app/clients.py`: which class speaks to which broker, and by which clock."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from saudagar.app import clients
from saudagar.app.config import DeskConfig, parse
from saudagar.brokers.dhan.feed import DhanFeed
from saudagar.engine.clock import wall_clock
from saudagar.exchange.process import Account
from saudagar.market.ist import at
from saudagar.market.master import Master
from saudagar.model.errors import ConfigError

FRIDAY = date(2026, 11, 20)
CONFIG = """
[desk]
mode = "live"
capital = 100000
[strategies.ema]
kind = "ema_cross"
instruments = ["NSE:SBIN"]
size = { quantity = 10 }
"""
TOKENS = {
    "SAUDAGAR_DHAN_CLIENT_ID": "1",
    "SAUDAGAR_DHAN_TOKEN": "d",
    "SAUDAGAR_UPSTOX_TOKEN": "u",
    "SAUDAGAR_KITE_API_KEY": "k",
    "SAUDAGAR_KITE_TOKEN": "t",
}


@pytest.fixture
def config(tmp_path: Path) -> DeskConfig:
    return parse(CONFIG, tmp_path / "desk.toml", TOKENS)


def test_each_broker_s_door_and_clients(config: DeskConfig) -> None:
    secrets = config.secrets
    for broker, token in (("dhan", "d"), ("upstox", "u"), ("kite", "t")):
        made, given = clients.access(broker, secrets, None, lambda: at(FRIDAY, "08:30"))
        assert (made.name, given) == (broker, token)
    assert clients.data_client("upstox", secrets).refusals == {}
    assert clients.execution_client("dhan", secrets, Master(FRIDAY, ())).capabilities.name == "dhan"
    with pytest.raises(ConfigError, match="expected one of dhan, upstox, kite"):
        clients.execution_client("nobody", secrets, Master(FRIDAY, ()))


def test_dhans_frames_get_this_machines_time_and_at_a_simulated_exchange_that_of_the_market(config: DeskConfig) -> None:
    exchange = SimpleNamespace(dhan_feed_url="ws://127.0.0.1:9/feed", dhan_url="http://127.0.0.1:9/v2")
    simulated = SimpleNamespace(exchange=exchange, account=Account())
    for there, clock in ((None, wall_clock), (simulated, None)):
        feed = clients.data_client("dhan", config.secrets, there)
        assert isinstance(feed, DhanFeed)
        assert feed._clock is clock
