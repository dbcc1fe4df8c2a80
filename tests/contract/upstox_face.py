"""The real Upstox client at the exchange's Upstox face, and what its tests ask of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import upstox_client
from upstox_client.rest import ApiException

from saudagar.exchange.process import Account

RELIANCE, IDEA = "NSE_EQ|INE002A01018", "NSE_EQ|INE669E01016"
TOKEN = Account().upstox_token


def order(kind: Any = upstox_client.PlaceOrderV3Request, **words: Any) -> Any:
    usual = {
        "quantity": 50, "product": "I", "validity": "DAY", "price": 1290.0, "instrument_token": RELIANCE,
        "order_type": "LIMIT", "transaction_type": "BUY", "disclosed_quantity": 0, "trigger_price": 0.0,
        "is_amo": False, "tag": "A1",
    }  # fmt: skip
    return kind(**(usual | words))


def place(client: Any, **words: Any) -> str:
    [order_id] = upstox_client.OrderApiV3(client).place_order(order(**words)).data.order_ids
    return str(order_id)


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(ApiException) as problem:
        call()
    return str(json.loads(problem.value.body)["errors"][0]["errorCode"])
