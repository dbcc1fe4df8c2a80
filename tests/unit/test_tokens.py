"""Tokens on disk: readable by nobody else, whole or absent, and never shown."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from saudagar.app.config.secrets import read_secrets
from saudagar.app.tokens import StoredToken, TokenStore, store_of
from saudagar.model.errors import ConfigError, DataError

CANARY = "eyJ-CANARY-31337"
TOKEN = StoredToken(token=CANARY, expires=1_000, obtained=10, key="1100")


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(tmp_path / "state" / "tokens")


def test_a_token_comes_back_and_only_its_owner_can_read_it(store: TokenStore) -> None:
    path = store.save("dhan", TOKEN)
    assert store.load("dhan") == TOKEN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.directory.stat().st_mode) == 0o700
    assert [file.name for file in store.directory.iterdir()] == ["dhan.json"]
    assert CANARY not in repr(TOKEN)


def test_it_is_private_whatever_the_umask(store: TokenStore) -> None:
    before = os.umask(0)
    try:
        path = store.save("dhan", TOKEN)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_token_is_good_before_its_end() -> None:
    assert TOKEN.good(999)
    assert not TOKEN.good(1_000)


def test_none_is_none(store: TokenStore) -> None:
    assert store.load("kite") is None
    assert store.forget("kite") is False


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_file_that_others_can_read_is_not_used(store: TokenStore, mode: int) -> None:
    store.save("dhan", TOKEN).chmod(mode)
    with pytest.raises(ConfigError, match="others on this machine can read it") as caught:
        store.load("dhan")
    assert "chmod 600" in caught.value.hint
    store.save("dhan", TOKEN)  # a new log-in mends it
    assert store.load("dhan") == TOKEN


def test_a_folder_that_others_can_write_gets_no_token(store: TokenStore) -> None:
    store.directory.mkdir(parents=True)
    store.directory.chmod(0o777)
    with pytest.raises(ConfigError, match="others can write") as caught:
        store.save("dhan", TOKEN)
    assert "chmod 700" in caught.value.hint
    assert not list(store.directory.iterdir())


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"token":1}', b'{"token":"","expires":1,"obtained":1}'])
def test_a_damaged_file_is_named(store: TokenStore, content: bytes) -> None:
    store.save("dhan", TOKEN).write_bytes(content)
    with pytest.raises(DataError, match="damaged") as caught:
        store.load("dhan")
    assert caught.value.hint == "Run: saudagar login dhan"
    assert store.forget("dhan") is True


def test_a_failed_save_leaves_the_old_token(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save("dhan", TOKEN)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        store.save("dhan", StoredToken(token="new", expires=2, obtained=1))
    assert store.load("dhan") == TOKEN
    assert [file.name for file in store.directory.iterdir()] == ["dhan.json"]


def test_places_that_cannot_be_written_or_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot write"):
        TokenStore(tmp_path / "file" / "tokens").save("dhan", TOKEN)
    with pytest.raises(ConfigError, match="cannot be read"):
        TokenStore(tmp_path / "file").load("dhan")
    (tmp_path / "tokens" / "dhan.json").mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot"):
        TokenStore(tmp_path / "tokens").forget("dhan")
    with pytest.raises(ConfigError, match="expected one of dhan, upstox, kite"):
        TokenStore(tmp_path).path("../../etc/passwd")


def test_a_keyring_holds_the_token_instead(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[tuple[str, str], str] = {}
    ring = SimpleNamespace(
        set_password=lambda service, name, value: kept.update({(service, name): value}),
        get_password=lambda service, name: kept.get((service, name)),
        delete_password=lambda service, name: kept.pop((service, name)),
    )
    monkeypatch.setitem(sys.modules, "keyring", ring)
    path = store.save("kite", StoredToken(token=CANARY, expires=9, obtained=1, keyring=True))
    assert CANARY not in path.read_text()
    loaded = store.load("kite")
    assert loaded is not None
    assert loaded.token == CANARY
    kept.clear()
    assert store.load("kite") is None
    kept["saudagar", "kite"] = CANARY
    assert store.forget("kite") is True
    assert not kept


def test_without_a_keyring_it_says_so(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match="keyring package is not installed"):
        store.save("kite", StoredToken(token=CANARY, expires=9, obtained=1, keyring=True))
    assert not store.directory.exists()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"SAUDAGAR_TOKENS": "/a/b", "XDG_STATE_HOME": "/x", "HOME": "/h"}, "/a/b"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/saudagar/tokens"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/saudagar/tokens"),
        ({"HOME": "/h"}, "/h/.local/state/saudagar/tokens"),
        ({}, None),
    ],
)
def test_where_the_store_is(environ: dict[str, str], expected: str | None) -> None:
    store = store_of(environ)
    assert (str(store.directory) if store else None) == expected


class TestSecrets:
    """The desk takes what the environment lacks from the store."""

    def read(self, store: TokenStore, now: int = 500, **environ: str) -> tuple[str, str]:
        given = {"SAUDAGAR_TOKENS": str(store.directory)} | environ
        secrets, problems = read_secrets(given, None, clock=lambda: now)
        assert not problems
        return secrets.dhan_client_id.get_secret_value(), secrets.dhan_token.get_secret_value()

    def test_from_the_store(self, store: TokenStore) -> None:
        store.save("dhan", TOKEN)
        assert self.read(store) == ("1100", CANARY)
        assert self.read(store, SAUDAGAR_DHAN_CLIENT_ID="1100") == ("1100", CANARY)

    def test_the_environment_wins(self, store: TokenStore) -> None:
        store.save("dhan", TOKEN)
        assert self.read(store, SAUDAGAR_DHAN_TOKEN="other") == ("", "other")

    def test_an_ended_token_is_not_used(self, store: TokenStore) -> None:
        store.save("dhan", TOKEN)
        assert self.read(store, now=1_000) == ("", "")

    def test_another_account_s_token_is_not_used(self, store: TokenStore) -> None:
        store.save("dhan", TOKEN)
        assert self.read(store, SAUDAGAR_DHAN_CLIENT_ID="2200") == ("2200", "")

    def test_an_unusable_store_is_an_empty_one(self, store: TokenStore) -> None:
        store.save("dhan", TOKEN).chmod(0o644)
        assert self.read(store) == ("", "")

    def test_the_other_brokers(self, store: TokenStore) -> None:
        store.save("upstox", TOKEN)
        store.save("kite", TOKEN)
        secrets, _ = read_secrets({"SAUDAGAR_TOKENS": str(store.directory)}, None, clock=lambda: 0)
        assert secrets.upstox_token.get_secret_value() == CANARY
        assert secrets.kite_token.get_secret_value() == CANARY
        assert secrets.kite_api_key.get_secret_value() == "1100"
