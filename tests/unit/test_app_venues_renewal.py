"""A new token in mid-session reaches the clients it belongs to, and nobody else."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from saudagar.app.config import parse
from saudagar.app.tokens import StoredToken, TokenStore, store_of
from saudagar.app.venues import live
from saudagar.app.venues.renewal import follow, sources
from saudagar.brokers.dhan.capabilities import CAPABILITIES
from saudagar.brokers.router import Router
from saudagar.model.errors import AuthError

CONFIG = """
[desk]
mode = "live"
[data]
broker = "upstox"
[orders]
broker = "dhan"
[accounts.wife]
broker = "kite"
[accounts.son]
broker = "dhan"
secrets = "son.env"
[strategies.ema]
kind = "ema_cross"
instruments = ["NSE:RELIANCE"]
size = { quantity = 1 }
"""
SECRETS = {
    "SAUDAGAR_UPSTOX_TOKEN": "u",
    "SAUDAGAR_DHAN_CLIENT_ID": "1",
    "SAUDAGAR_DHAN_TOKEN": "d",
    "SAUDAGAR_KITE_API_KEY": "k",
    "SAUDAGAR_KITE_TOKEN": "t",
}


def client(refuses: bool = False) -> Any:
    """Stands for one of the brokers'."""
    return Client(refuses)


class Client:
    capabilities = CAPABILITIES

    def __init__(self, refuses: bool = False) -> None:
        self.tokens: list[str] = []
        self._refuses = refuses

    async def renew(self, token: str) -> None:
        self.tokens.append(token)
        if self._refuses:
            raise AuthError("no")


class Looks:
    """Stands for the pauses between the looks: does the next thing of a list, and ends after the last."""

    def __init__(self, *things: Any) -> None:
        self._things = list(things)

    async def __call__(self, _: float) -> None:
        if not self._things:
            raise asyncio.CancelledError
        self._things.pop(0)()


def son(folder: Path, token: str, mode: int = 0o600) -> None:
    file = folder / "son.env"
    file.write_text(f"SAUDAGAR_DHAN_CLIENT_ID=2\nSAUDAGAR_DHAN_TOKEN={token}\n")
    file.chmod(mode)


def keep(store: TokenStore, broker: str, token: str) -> None:
    store.save(broker, StoredToken(token=token, expires=1 << 62, obtained=0, key="1"))


def run(watched: Any, *things: Any) -> None:
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(follow(watched, Looks(*things, lambda: None)))


def test_each_client_goes_on_with_its_own_token(tmp_path: Path) -> None:
    son(tmp_path, "first")
    environ = SECRETS | {"SAUDAGAR_TOKENS": str(tmp_path / "tokens")}
    config = parse(CONFIG, tmp_path / "desk.toml", environ)
    store = store_of(environ)
    assert store is not None
    keep(store, "dhan", "old")
    feed, main, wife, child = client(), client(refuses=True), client(), client()
    router = Router({"": main, "wife": wife, "son": child}, {}, default="")
    run(
        sources(config, feed, router, environ),
        lambda: keep(store, "upstox", "U2"),
        lambda: keep(store, "dhan", "D2"),
        lambda: keep(store, "dhan", "D2"),
        lambda: son(tmp_path, "S2"),
        lambda: son(tmp_path, "open to all", 0o644),
        lambda: store.path("kite").write_text("{torn"),
        lambda: keep(store, "kite", "K2"),
    )
    assert (feed.tokens, main.tokens, wife.tokens, child.tokens) == (["U2"], ["D2"], ["K2"], ["S2"])


def test_one_account_and_paper(tmp_path: Path) -> None:
    environ = SECRETS | {"SAUDAGAR_TOKENS": str(tmp_path / "tokens")}
    alone = CONFIG.replace('"upstox"', '"dhan"').split("[accounts")[0] + CONFIG[CONFIG.index("[strategies") :]
    config = parse(alone, tmp_path / "desk.toml", environ)
    store = store_of(environ)
    assert store is not None
    feed, desk = client(), client()
    run(sources(config, feed, desk, environ), lambda: keep(store, "dhan", "D2"))
    assert (feed.tokens, desk.tokens) == (["D2"], ["D2"])
    run(sources(config, feed, None, environ), lambda: keep(store, "dhan", "D3"))
    assert (feed.tokens, desk.tokens) == (["D2", "D3"], ["D2"])
    assert sources(config, feed, desk, {}) == []


def test_a_price_band_is_asked_for_with_the_token_of_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An old one would be refused for the rest of the day, and exits at a circuit limit with it."""
    asked: list[tuple[str, str]] = []

    class Prices:
        async def start(self) -> None: ...

        async def stop(self) -> None: ...

        async def quotes(self, instruments: Any) -> dict[str, Any]:
            return {}

    def quote_client(broker: str, secrets: Any, lookup: Any) -> Prices:
        asked.append((broker, secrets.upstox_token.get_secret_value()))
        return Prices()

    class Master:
        def get(self, name: str) -> Any:
            return client()

    async def bands() -> None:
        son(tmp_path, "first")
        venue = live.LiveVenue(parse(CONFIG, tmp_path / "desk.toml", SECRETS))
        feed = venue._feed = client()
        venue._master, Client.id = Master(), "NSE_EQ:RELIANCE"
        assert await venue.price_band("NSE_EQ:RELIANCE") == (0, 0)
        await venue.renew("U2")
        assert feed.tokens == ["U2"]
        await venue.price_band("NSE_EQ:RELIANCE")

    monkeypatch.setattr(live, "quote_client", quote_client)
    asyncio.run(bands())
    assert asked == [("upstox", "u"), ("upstox", "U2")]
