"""Which class speaks to which broker, for commands that need one broker and no whole desk.

Each takes the broker's credentials, or the simulated exchange's, where one is given. Called by `data` and `doctor`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from saudagar.model.errors import ConfigError

if TYPE_CHECKING:
    from saudagar.app.config import Secrets
    from saudagar.app.simulated import Simulated
    from saudagar.brokers.login import Access
    from saudagar.brokers.supervisor import Watch
    from saudagar.execution.ports import DataClient, ExecutionClient, InstrumentLookup

Clock = Callable[[], int]


def access(broker: str, secrets: Secrets, simulated: Simulated | None, clock: Clock) -> tuple[Access, str]:
    """The door of `broker` and the token for it.

    Raises
    ------
    ConfigError
        If there is no token.
    """
    from saudagar.brokers.dhan.login import DhanAccess
    from saudagar.brokers.kite.login import KiteAccess
    from saudagar.brokers.upstox.login import UpstoxAccess

    if simulated is not None:
        account, exchange = simulated.account, simulated.exchange
        if broker == "dhan":
            return DhanAccess(clock=clock, client_id=account.client_id, api_url=exchange.dhan_url), account.dhan_token
        if broker == "upstox":
            return UpstoxAccess(clock=clock, url=exchange.upstox_url), account.upstox_token
        return KiteAccess(clock=clock, api_key=account.kite_key, url=exchange.kite_url), account.kite_token
    token = _token(broker, secrets)
    if broker == "dhan":
        return DhanAccess(clock=clock, client_id=secrets.dhan_client_id.get_secret_value()), token
    if broker == "upstox":
        return UpstoxAccess(clock=clock), token
    return KiteAccess(clock=clock, api_key=secrets.kite_api_key.get_secret_value()), token


def data_client(
    broker: str, secrets: Secrets, simulated: Simulated | None = None, watch: Watch | None = None
) -> DataClient:
    """Ticks and past bars of `broker`.

    Raises
    ------
    ConfigError
        If there is no token, or no such client.
    """
    from saudagar.brokers.upstox.feed import UpstoxFeed, UpstoxSettings

    if broker != "upstox":
        raise ConfigError(f"expected the data of upstox, got {broker!r}.")
    if simulated is not None:
        exchange, token = simulated.exchange, simulated.account.upstox_token
        settings = UpstoxSettings(token=token, feed_url=exchange.feed_url, rest_host=exchange.upstox_url)
    else:
        settings = UpstoxSettings(token=_token(broker, secrets))
    return UpstoxFeed(settings, watch)


def execution_client(
    broker: str, secrets: Secrets, lookup: InstrumentLookup, simulated: Simulated | None = None
) -> ExecutionClient:
    """The order desk of `broker`.

    Raises
    ------
    ConfigError
        If there is no token, or no such client.
    """
    from saudagar.brokers.dhan.broker import DhanBroker, DhanSettings

    if broker != "dhan":
        raise ConfigError(f"expected the orders of dhan, got {broker!r}.")
    if simulated is not None:
        account, exchange = simulated.account, simulated.exchange
        settings = DhanSettings(
            client_id=account.client_id,
            token=account.dhan_token,
            rest_url=exchange.dhan_url,
            order_feed_url=exchange.order_feed_url,
        )
    else:
        settings = DhanSettings(client_id=secrets.dhan_client_id.get_secret_value(), token=_token(broker, secrets))
    return DhanBroker(settings, lookup)


def _token(broker: str, secrets: Secrets) -> str:
    token: str = getattr(secrets, f"{broker}_token").get_secret_value()
    if not token:
        raise ConfigError(f"there is no token of {broker}.", hint=f"Run: saudagar login {broker}")
    return token
