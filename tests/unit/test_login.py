"""`saudagar login`: how credentials come in, how the redirect is caught, and what is said of it all."""

from __future__ import annotations

import json
import socket
import threading
import urllib.request
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit

import pytest
import typer
from typer.testing import CliRunner

from saudagar.app import login as command
from saudagar.app.login_redirect import Redirect, code_of, pasted
from saudagar.app.tokens import StoredToken, TokenStore
from saudagar.brokers.login import Grant, Reply, Standing
from saudagar.model import SECOND
from saudagar.model.errors import AuthError, BrokerError, ConfigError

CANARY = "CANARY-31337"
CODE = f"code-{CANARY}"
FAR = 4_000_000_000 * SECOND
cli = typer.Typer()
cli.command()(command.login)


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/saudagar"


class Door:
    """Stands in for a broker's `Access`; `test_login_brokers` has the true ones."""

    def __init__(self, name: str, code: str) -> None:
        self.name, self.code = name, code
        self.redeemed: list[tuple[str, str]] = []
        self.ended: list[str] = []
        self.given: dict[str, str] = {}
        self.expires = FAR
        self.trouble = False

    def page(self, redirect: str, state: str) -> str:
        return f"https://broker.invalid/login?state={state}&to={redirect}"

    def redeem(self, code: str, redirect: str) -> Grant:
        self.redeemed.append((code, redirect))
        return Grant(token=f"token-{CANARY}", expires=self.expires, key="key")

    def adopt(self, token: str) -> Grant:
        return Grant(token=token, expires=self.expires, key="key")

    def standing(self, token: str) -> Standing:
        return Standing(expires=self.expires)

    def addresses(self, token: str) -> tuple[str, ...] | None:
        return None

    def end(self, token: str) -> bool:
        if self.trouble:
            raise BrokerError("no answer.")
        self.ended.append(token)
        return True


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Door:
    door = Door("upstox", "code")

    def made(broker: str, credentials: dict[str, str], clock: Any) -> Door:
        door.given = credentials
        return door

    monkeypatch.setattr(command, "_access", made)
    monkeypatch.setenv("SAUDAGAR_TOKENS", str(tmp_path / "tokens"))
    for names in command.CREDENTIALS.values():
        for name, _ in names.values():
            monkeypatch.delenv(name, raising=False)
    return door


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(tmp_path / "tokens")


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == code, result.output
    assert CANARY not in result.output
    return result.output


def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAUDAGAR_UPSTOX_API_KEY", f"key-{CANARY}")
    monkeypatch.setenv("SAUDAGAR_UPSTOX_API_SECRET", f"secret-{CANARY}")


def browser(monkeypatch: pytest.MonkeyPatch, visit: Callable[[str, str], None]) -> None:
    """In place of a browser: `visit(address of the redirect, state)`, in a thread."""

    def opened(page: str) -> bool:
        query = parse_qs(urlsplit(page).query)
        threading.Thread(target=visit, args=(query["to"][0], query["state"][0])).start()
        return True

    monkeypatch.setattr(webbrowser, "open", opened)


def get(address: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_browser_s_way(door: Door, store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    keys(monkeypatch)
    address, answers = free_address(), []

    def visit(to: str, state: str) -> None:
        host = to.removesuffix("/saudagar")
        answers.append(get(f"{host}/favicon.ico"))
        answers.append(get(f"{to}?code=forged&state=wrong"))
        answers.append(get(f"{to}?code={CODE}&state={state}"))

    browser(monkeypatch, visit)
    output = run("upstox", "--redirect", address)
    assert door.given == {"api_key": f"key-{CANARY}", "api_secret": f"secret-{CANARY}"}
    assert door.redeemed == [(CODE, address)]
    assert [status for status, _ in answers] == [404, 400, 200]
    assert "You can close this page" in answers[2][1]
    assert "upstox: a token, good until 2096-10-02T" in output
    stored = store.load("upstox")
    assert stored is not None
    assert (stored.token, stored.key) == (f"token-{CANARY}", "key")


def test_a_refused_log_in_ends_the_waiting(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    keys(monkeypatch)
    browser(monkeypatch, lambda to, state: (get(f"{to}?state={state}&error=access_denied"), None)[1])
    output = run("upstox", "--redirect", free_address(), code=5)
    assert "brought no code: access_denied" in output


def test_nobody_comes(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    keys(monkeypatch)
    assert "no log-in within 1 s" in run("upstox", "--no-open", "--redirect", free_address(), "--seconds", "1", code=5)


def test_pasting(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    keys(monkeypatch)
    pages: list[str] = []
    monkeypatch.setattr(webbrowser, "open", pages.append)

    def ask(words: str) -> str:
        state = parse_qs(urlsplit(pages[0]).query)["state"][0]
        return f"https://elsewhere.invalid/?code={CODE}&state={state}\n"

    monkeypatch.setattr(command, "_ask_hidden", ask)
    run("upstox", "--paste", "--redirect", "https://elsewhere.invalid/")
    assert door.redeemed == [(CODE, "https://elsewhere.invalid/")]


def test_a_token_from_elsewhere(door: Door, store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_ask_hidden", lambda words: f" {CANARY}\n" if "token" in words else "1100")
    run("dhan", "--method", "token")
    stored = store.load("dhan")
    assert stored is not None
    assert stored.token == CANARY
    door.expires = 5
    assert "already ended" in run("dhan", "--method", "token", code=5)


def test_secrets_come_from_a_private_file(door: Door, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"SAUDAGAR_KITE_API_KEY=k\nSAUDAGAR_KITE_API_SECRET=secret-{CANARY}\n")
    file.chmod(0o644)
    assert "others on this machine can read it" in run("kite", "--secrets", str(file), code=2)
    file.chmod(0o600)
    door.name, door.code = "kite", "request_token"
    browser(monkeypatch, lambda to, state: (get(f"{to}?request_token={CODE}&state={state}"), None)[1])
    run("kite", "--secrets", str(file), "--redirect", free_address())
    assert door.given == {"api_key": "k", "api_secret": f"secret-{CANARY}"}


def test_show_and_log_out(door: Door, store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save("upstox", StoredToken(token=CANARY, expires=FAR, obtained=1))
    store.save("kite", StoredToken(token=CANARY, expires=5, obtained=1, key="k"))
    store.save("dhan", StoredToken(token=CANARY, expires=FAR, obtained=1)).chmod(0o666)
    monkeypatch.setenv("SAUDAGAR_KITE_TOKEN", CANARY)
    rows = {row["broker"]: row for row in map(json.loads, run("--show", "--json").splitlines())}
    assert [rows[name]["state"] for name in ("dhan", "upstox", "kite")] == ["unusable", "good", "expired"]
    assert rows["kite"]["overridden_by"] == "SAUDAGAR_KITE_TOKEN"
    text = run("--show")
    assert "chmod 600" in text
    assert "Run: saudagar login kite; but SAUDAGAR_KITE_TOKEN is set" in text
    assert run("upstox", "--logout") == "upstox: its token was forgotten, and ended at the broker.\n"
    assert door.ended == [CANARY]
    assert run("upstox", "--logout") == "upstox: there was no token.\n"
    run("dhan", "--logout")
    assert run("dhan", "--show") == "dhan: no token. Run: saudagar login dhan\n"
    store.save("upstox", StoredToken(token=CANARY, expires=FAR, obtained=1))
    door.trouble = True
    assert run("upstox", "--logout") == "upstox: its token was forgotten. no answer.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "no broker was named"),
        (("upstox", "--method", "pin"), "upstox knows no log-in by pin; choose one of browser, token"),
        (("dhan",), "Dhan client id: nobody is there to be asked"),
        (("upstox", "--method", "token", "--redirect", "x"), "nobody is there to be asked"),
    ],
)
def test_mistakes_are_named(door: Door, arguments: tuple[str, ...], said: str) -> None:
    assert said in run(*arguments, code=2)


def test_without_a_home_there_is_no_store(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SAUDAGAR_TOKENS", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    assert "HOME is not set" in run("--show", code=2)


def test_no_option_takes_a_secret() -> None:
    """Whoever lists processes sees the command line."""
    options = {parameter.name for parameter in typer.main.get_command(cli).params}
    assert not options & {"token", "pin", "totp", "api_key", "api_secret", "app_secret", "password", "client_id"}


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1:8722/",
        "http://example.com:8722/",
        "http://0.0.0.0:8722/",
        "http://127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:80/?x=1",
        "",
    ],
)
def test_only_a_port_on_loopback_is_opened(address: str) -> None:
    with pytest.raises(ConfigError, match="expected an address on this machine"):
        Redirect(address, "code", "")


def test_a_port_in_use_is_named() -> None:
    address = free_address()
    with Redirect(address, "code", ""), socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = f"http://127.0.0.1:{holder.getsockname()[1]}/"
        with pytest.raises(ConfigError, match="cannot listen"), Redirect(taken, "code", ""):
            pass


def test_what_is_pasted_may_be_the_address_or_the_code() -> None:
    assert pasted(" abc \n", "code", "s") == "abc"
    assert pasted("http://x/?code=abc&state=s", "code", "s") == "abc"
    for wrong in ("", "two words", "http://x/?code=abc&state=other", "http://x/?state=s"):
        with pytest.raises(AuthError):
            pasted(wrong, "code", "s")
    assert code_of("/?tokenId=t", "tokenId", "") == "t"


def test_no_answer_of_a_log_in_prints_what_it_holds():
    granted = Grant(token=CANARY, expires=0)
    reply = Reply(status=200, body=json.dumps({"access_token": CANARY}).encode(), headers={"Set-Cookie": CANARY})
    assert CANARY not in f"{granted!r} {reply!r} {[granted, reply]} {reply}"
