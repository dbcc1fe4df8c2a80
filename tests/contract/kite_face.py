"""The real Kite client at the exchange's Kite face, and what its tests ask of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kiteconnect import KiteConnect

from saudagar.exchange.process import Account

RECORDED = Path(__file__).resolve().parents[2] / "../shared/fixtures/kite/rest"
ACCOUNT = Account()
RELIANCE, IDEA, NIFTY = 738561, 3677697, 256265


def recorded(name: str) -> Any:
    path = RECORDED / f"{name}.json"
    if not path.exists():
        pytest.skip("Kite's mock answers are not part of the project")
    return json.loads(path.read_text())["data"]


def client(market: Any, token: str | None = ACCOUNT.kite_token) -> Any:
    return KiteConnect(ACCOUNT.kite_key, token, root=root(market))


def root(market: Any) -> str:
    return f"http://127.0.0.1:{market.exchange.ports.kite}"


def buy(kite: Any, quantity: int = 50, price: float | None = None, **more: Any) -> str:
    words: dict[str, Any] = {
        "variety": "regular",
        "exchange": "NSE",
        "tradingsymbol": "RELIANCE",
        "transaction_type": "BUY",
        "quantity": quantity,
        "product": "MIS",
        "order_type": "LIMIT" if price else "MARKET",
        "price": price,
        "market_protection": None if price else -1,
        "tag": "A1",
    }
    return kite.place_order(**words | more)
