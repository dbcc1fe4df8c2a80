"""Upstox's token ends at 03:30 IST of market time: on REST, on both sockets' doors, and for the desk."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from datetime import date
from typing import Any

import pytest
from tests.contract.conftest import MARKET_DAY

from saudagar.brokers.upstox.broker import UpstoxBroker, UpstoxOrderSettings
from saudagar.exchange.access import AccessToken
from saudagar.exchange.face import Switches
from saudagar.exchange.process import Account
from saudagar.exchange.upstox.token import expiry
from saudagar.market.ist import DAY, at
from saudagar.model import SECOND
from saudagar.model.errors import AuthError

TOKEN = Account().upstox_token
END = at(date(2026, 11, 21), "03:30")
DOORS = ("/v2/user/profile", "/v3/feed/market-data-feed/authorize", "/v2/feed/portfolio-stream-feed/authorize")


@pytest.mark.parametrize(
    ("issued", "ends"),
    [("00:00", "03:30"), ("03:29", "03:30"), ("03:30", None), ("09:15", None), ("23:59", None)],
)
def test_the_next_half_past_three_whenever_it_was_issued(issued: str, ends: str | None) -> None:
    assert expiry(at(MARKET_DAY, issued)) == (at(MARKET_DAY, ends) if ends else END)


def test_a_token_lives_from_its_issue_or_its_first_use() -> None:
    now = at(MARKET_DAY, "09:15")
    switches = Switches()
    token = AccessToken("a", ends=expiry, now=lambda: now, switches=switches)
    assert not token.expired
    now = END - 1
    assert not token.expired
    now = END
    assert token.expired
    token.renew("b")
    assert (token.text, token.expires, token.expired) == ("b", END + DAY, False)
    switches.expired = True
    assert token.expired
    token.renew("c")
    assert not token.expired


def status(market: Any, path: str, token: str = TOKEN) -> int:
    request = urllib.request.Request(market.upstox + path, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_every_door_shuts_at_the_hour_and_opens_to_a_new_token(scripted_market: Any) -> None:
    market = scripted_market()
    core = market.exchange.core
    assert [status(market, door) for door in DOORS] == [200] * 3
    core.advance(END - SECOND)
    assert [status(market, door) for door in DOORS] == [200] * 3
    core.advance(END)
    assert [status(market, door) for door in DOORS] == [401] * 3
    market.exchange.upstox.token = "fresh"
    assert [status(market, door, "fresh") for door in DOORS] == [200] * 3
    assert [status(market, door) for door in DOORS] == [401] * 3


class NoInstruments:
    """No question here names one."""


def test_the_desk_is_told_to_log_in_and_goes_on_with_the_new_token(scripted_market: Any) -> None:
    market = scripted_market()

    async def main() -> None:
        broker = UpstoxBroker(UpstoxOrderSettings(token=TOKEN, rest_host=market.upstox), NoInstruments())
        await broker.open()
        try:
            assert await broker.account.conditionals() == []
            market.exchange.core.advance(END)
            with pytest.raises(AuthError, match="03:30"):
                await broker.account.conditionals()
            market.exchange.upstox.token = "fresh"
            await broker.renew("fresh")
            assert await broker.account.conditionals() == []
        finally:
            await broker.stop()

    asyncio.run(main())
