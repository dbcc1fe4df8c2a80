"""Logging in at the simulated exchange by each broker's own flow, with a browser that follows redirects."""

from __future__ import annotations

import socket
import threading
import urllib.request
import webbrowser
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from saudagar.app import login as command
from saudagar.app.tokens import TokenStore
from saudagar.brokers.dhan.login import DhanAccess
from saudagar.brokers.kite.login import KiteAccess
from saudagar.brokers.upstox.login import UpstoxAccess
from saudagar.exchange.process import Account, ExchangeConfig, ExchangeProcess, SyntheticSource
from saudagar.market.ist import DAY, at
from saudagar.model import MINUTE
from saudagar.model.errors import AuthError

cli = typer.Typer()
cli.command()(command.login)


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/saudagar"


NOW = at(date(2026, 11, 20), "09:15")
REDIRECT = free_address()  # of the apps at Dhan and Kite, which know theirs


@pytest.fixture(scope="module")
def exchange() -> Iterator[ExchangeProcess]:
    source = SyntheticSource(instruments=2)
    account = Account(kite_redirect=REDIRECT, dhan_redirect=REDIRECT)
    with ExchangeProcess(ExchangeConfig(source=source, hold=True, account=account)) as exchange:
        yield exchange


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: ExchangeProcess) -> TokenStore:
    account = exchange.config.account
    for name, value in {
        "SAUDAGAR_TOKENS": str(tmp_path / "tokens"),
        "SAUDAGAR_DHAN_CLIENT_ID": account.client_id,
        "SAUDAGAR_DHAN_APP_ID": account.dhan_key,
        "SAUDAGAR_DHAN_APP_SECRET": account.dhan_secret,
        "SAUDAGAR_DHAN_PIN": account.dhan_pin,
        "SAUDAGAR_DHAN_TOTP": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
        "SAUDAGAR_UPSTOX_API_KEY": account.upstox_key,
        "SAUDAGAR_UPSTOX_API_SECRET": account.upstox_secret,
        "SAUDAGAR_KITE_API_KEY": account.kite_key,
        "SAUDAGAR_KITE_API_SECRET": account.kite_secret,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("saudagar.engine.clock.wall_clock", lambda: NOW)
    endpoints = {
        "dhan": {"auth_url": exchange.dhan_url.removesuffix("/v2"), "api_url": exchange.dhan_url},
        "upstox": {"url": exchange.upstox_url},
        "kite": {"url": exchange.kite_url, "page_url": exchange.kite_login_url},
    }
    monkeypatch.setattr(command, "ENDPOINTS", endpoints)

    def browse(page: str) -> bool:
        threading.Thread(target=lambda: urllib.request.urlopen(page, timeout=10).close()).start()
        return True

    monkeypatch.setattr(webbrowser, "open", browse)
    return TokenStore(tmp_path / "tokens")


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_upstox(store: TokenStore, exchange: ExchangeProcess) -> None:
    output = run("upstox", "--redirect", free_address())
    stored = store.load("upstox")
    assert stored is not None
    assert stored.token not in output
    assert exchange.config.account.upstox_secret not in output
    door = UpstoxAccess(clock=lambda: NOW, url=exchange.upstox_url)
    door.standing(stored.token)
    with pytest.raises(AuthError):
        door.standing(exchange.config.account.upstox_token)  # a new token ends the old one
    assert "ended at the broker" in run("upstox", "--logout")
    with pytest.raises(AuthError):
        door.standing(stored.token)


@pytest.mark.parametrize("arguments", [("--method", "pin"), ("--method", "browser", "--redirect", REDIRECT)])
def test_dhan(store: TokenStore, exchange: ExchangeProcess, arguments: tuple[str, ...]) -> None:
    output = run("dhan", *arguments)
    stored = store.load("dhan")
    assert stored is not None
    assert stored.key == exchange.config.account.client_id
    assert 0 < stored.expires - NOW <= DAY + MINUTE
    assert stored.token not in output
    door = DhanAccess(clock=lambda: NOW, client_id=stored.key, api_url=exchange.dhan_url)
    door.standing(stored.token)
    assert run("dhan", "--logout") == "dhan: its token was forgotten.\n"


def test_kite(store: TokenStore, exchange: ExchangeProcess) -> None:
    output = run("kite", "--redirect", REDIRECT)
    stored = store.load("kite")
    assert stored is not None
    assert stored.key == exchange.config.account.kite_key
    assert stored.token not in output
    assert exchange.config.account.kite_secret not in output
    door = KiteAccess(clock=lambda: NOW, api_key=stored.key, url=exchange.kite_url)
    door.standing(stored.token)
    assert "ended at the broker" in run("kite", "--logout")
    with pytest.raises(AuthError):
        door.standing(stored.token)


def test_kite_with_a_wrong_secret(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAUDAGAR_KITE_API_SECRET", "CANARY-wrong")
    result = CliRunner().invoke(cli, ["kite", "--redirect", REDIRECT])
    assert result.exit_code == 5
    assert "checksum" in result.output
    assert "CANARY" not in result.output
    assert store.load("kite") is None
