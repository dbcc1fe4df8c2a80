"""Which class speaks to which broker.

Each client takes the broker's credentials, or those of a simulated exchange, where one is given. Called by the venues
of a desk, and by `data` and `doctor`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from saudagar.model.errors import ConfigError, Unsupported

if TYPE_CHECKING:
    from saudagar.app.config import DeskConfig, Secrets
    from saudagar.brokers.login import Access
    from saudagar.brokers.supervisor import Watch
    from saudagar.exchange.process import Account, ExchangeProcess
    from saudagar.execution.account_ports import DepthClient, QuoteClient
    from saudagar.execution.ports import DataClient, ExecutionClient
    from saudagar.market.master import Master

Clock = Callable[[], int]
BROKERS = ("dhan", "upstox", "kite")
_FULL_DEPTH, _UPSTOX_DEPTH = 200, 30


class Simulation(Protocol):
    """A simulated exchange to speak to instead of the brokers."""

    @property
    def exchange(self) -> ExchangeProcess: ...

    @property
    def account(self) -> Account: ...


def access(broker: str, secrets: Secrets, simulated: Simulation | None, clock: Clock) -> tuple[Access, str]:
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
    broker: str,
    secrets: Secrets,
    simulated: Simulation | None = None,
    watch: Watch | None = None,
    *,
    depth: bool = False,
) -> DataClient:
    """Ticks and past bars of `broker`.

    Raises
    ------
    ConfigError
        If there is no token, or no such broker.
    """
    makers = {"dhan": _dhan_data, "upstox": _upstox_data, "kite": _kite_data}
    client: DataClient = _chosen(broker, makers)(secrets, simulated, watch, depth)
    return client


def execution_client(
    broker: str,
    secrets: Secrets,
    lookup: Master,
    simulated: Simulation | None = None,
    watch: Watch | None = None,
    *,
    clock: Clock = lambda: 0,
    feed: DataClient | None = None,
) -> ExecutionClient:
    """The order desk of `broker`. With Kite's own `feed`, order updates share its socket.

    Raises
    ------
    ConfigError
        If there is no token, or no such broker.
    """
    makers = {"dhan": _dhan_orders, "upstox": _upstox_orders, "kite": _kite_orders}
    client: ExecutionClient = _chosen(broker, makers)(secrets, lookup, simulated, watch, clock, feed)
    return client


def quote_client(broker: str, secrets: Secrets, lookup: Master, simulated: Simulation | None = None) -> QuoteClient:
    """Prices and option chains of `broker`, on request.

    Raises
    ------
    ConfigError
        If there is no token, or no such broker.
    """
    makers = {"dhan": _dhan_quotes, "upstox": _upstox_quotes, "kite": _kite_quotes}
    client: QuoteClient = _chosen(broker, makers)(secrets, lookup, simulated)
    return client


def depth_client(broker: str, secrets: Secrets, simulated: Simulation | None = None, *, levels: int = 0) -> DepthClient:
    """Streamed books deeper than five levels; `levels` 0 takes the broker's own choice.

    Raises
    ------
    ConfigError
        If there is no token, or no such broker.
    Unsupported
        If the broker streams no such book.
    """
    makers = {"dhan": _dhan_depth, "upstox": _upstox_depth, "kite": _kite_depth}
    client: DepthClient = _chosen(broker, makers)(secrets, simulated, levels)
    return client


def order_desk(
    config: DeskConfig,
    lookup: Master,
    simulated: Simulation | None = None,
    watch: Watch | None = None,
    *,
    clock: Clock = lambda: 0,
    feed: DataClient | None = None,
) -> ExecutionClient:
    """The order desk of the whole configuration: one broker, or a router over all its accounts."""
    orders = config.orders.broker
    main = execution_client(orders, config.secrets, lookup, simulated, watch, clock=clock, feed=feed)
    if not config.accounts:
        return main
    from saudagar.brokers.router import Router
    from saudagar.model import StrategyId

    clients = {"": main}
    for name, account in config.accounts.items():
        own = feed if account.broker == config.data.broker and account.secrets == config.secrets else None
        clients[name] = execution_client(
            account.broker, account.secrets, lookup, simulated, watch, clock=clock, feed=own
        )
    chosen = {StrategyId(each.name): each.account for each in config.strategies.values()}
    return Router(clients, chosen, default="")


def _chosen(broker: str, makers: dict[str, Callable[..., Any]]) -> Callable[..., Any]:
    maker = makers.get(broker)
    if maker is None:
        raise ConfigError(f"expected one of {', '.join(BROKERS)}, got {broker!r}.")
    return maker


def _upstox_data(secrets: Secrets, simulated: Simulation | None, watch: Watch | None, depth: bool) -> DataClient:
    from saudagar.brokers.upstox.feed import UpstoxFeed

    return UpstoxFeed(_upstox_feed(secrets, simulated, depth), watch)


def _upstox_feed(secrets: Secrets, simulated: Simulation | None, depth: bool = False) -> Any:
    from saudagar.brokers.upstox.feed import UpstoxSettings

    if simulated is None:
        return UpstoxSettings(token=_token("upstox", secrets), depth=depth)
    exchange, token = simulated.exchange, simulated.account.upstox_token
    return UpstoxSettings(token=token, feed_url=exchange.feed_url, rest_host=exchange.upstox_url, depth=depth)


def _kite_data(secrets: Secrets, simulated: Simulation | None, watch: Watch | None, depth: bool) -> DataClient:
    from saudagar.brokers.kite.feed import KiteFeed

    return KiteFeed(_kite(secrets, simulated), watch, depth=depth)


def _dhan_orders(
    secrets: Secrets,
    lookup: Master,
    simulated: Simulation | None,
    watch: Watch | None,
    clock: Clock,
    feed: DataClient | None,
) -> ExecutionClient:
    from saudagar.brokers.dhan.broker import DhanBroker

    return DhanBroker(_dhan(secrets, simulated), lookup, watch=watch, clock=clock)


def _dhan(secrets: Secrets, simulated: Simulation | None) -> Any:
    from saudagar.brokers.dhan.client import DhanSettings

    if simulated is None:
        return DhanSettings(client_id=secrets.dhan_client_id.get_secret_value(), token=_token("dhan", secrets))
    account, exchange = simulated.account, simulated.exchange
    return DhanSettings(
        client_id=account.client_id,
        token=account.dhan_token,
        rest_url=exchange.dhan_url,
        order_feed_url=exchange.order_feed_url,
    )


def _dhan_quotes(secrets: Secrets, lookup: Master, simulated: Simulation | None) -> QuoteClient:
    from saudagar.brokers.dhan.quotes import DhanQuotes

    return DhanQuotes(_dhan_feed(secrets, simulated), lookup)


def _upstox_orders(
    secrets: Secrets,
    lookup: Master,
    simulated: Simulation | None,
    watch: Watch | None,
    clock: Clock,
    feed: DataClient | None,
) -> ExecutionClient:
    from saudagar.brokers.upstox.broker import UpstoxBroker

    return UpstoxBroker(_upstox(secrets, simulated), lookup, watch=watch, clock=clock)


def _upstox(secrets: Secrets, simulated: Simulation | None) -> Any:
    from saudagar.brokers.upstox.broker import UpstoxOrderSettings

    if simulated is None:
        return UpstoxOrderSettings(token=_token("upstox", secrets))
    account, exchange = simulated.account, simulated.exchange
    return UpstoxOrderSettings(
        token=account.upstox_token, rest_host=exchange.upstox_url, order_stream_url=exchange.portfolio_url
    )


def _upstox_quotes(secrets: Secrets, lookup: Master, simulated: Simulation | None) -> QuoteClient:
    from saudagar.brokers.upstox.quotes import UpstoxQuotes

    return UpstoxQuotes(_upstox(secrets, simulated), lookup)


def _kite_orders(
    secrets: Secrets,
    lookup: Master,
    simulated: Simulation | None,
    watch: Watch | None,
    clock: Clock,
    feed: DataClient | None,
) -> ExecutionClient:
    from saudagar.brokers.kite.broker import KiteBroker
    from saudagar.brokers.kite.feed import KiteFeed

    shared = feed if isinstance(feed, KiteFeed) else None
    return KiteBroker(_kite(secrets, simulated), lookup, feed=shared, watch=watch, clock=clock)


def _kite_quotes(secrets: Secrets, lookup: Master, simulated: Simulation | None) -> QuoteClient:
    from saudagar.brokers.kite.quotes import KiteQuotes

    return KiteQuotes(_kite(secrets, simulated), lookup)


def _kite(secrets: Secrets, simulated: Simulation | None) -> Any:
    from saudagar.brokers.kite.client import KiteSettings

    if simulated is None:
        return KiteSettings(api_key=secrets.kite_api_key.get_secret_value(), token=_token("kite", secrets))
    account, exchange = simulated.account, simulated.exchange
    return KiteSettings(
        api_key=account.kite_key,
        token=account.kite_token,
        rest_url=exchange.kite_url,
        ticker_url=exchange.kite_ticker_url,
    )


def _dhan_data(secrets: Secrets, simulated: Simulation | None, watch: Watch | None, depth: bool) -> DataClient:
    from saudagar.brokers.dhan.feed import DhanFeed

    return DhanFeed(_dhan_feed(secrets, simulated, depth), watch)


def _dhan_feed(secrets: Secrets, simulated: Simulation | None, depth: bool = False) -> Any:
    from saudagar.brokers.dhan.client import DhanFeedSettings

    if simulated is None:
        client = secrets.dhan_client_id.get_secret_value()
        return DhanFeedSettings(client_id=client, token=_token("dhan", secrets), depth=depth)
    account, exchange = simulated.account, simulated.exchange
    return DhanFeedSettings(
        client_id=account.client_id,
        token=account.dhan_token,
        feed_url=exchange.dhan_feed_url,
        rest_url=exchange.dhan_url,
        depth=depth,
    )


def _dhan_depth(secrets: Secrets, simulated: Simulation | None, levels: int) -> DepthClient:
    import msgspec

    from saudagar.brokers.dhan.depth import DhanDepth

    settings = _dhan_feed(secrets, simulated)
    if simulated is not None:
        exchange = simulated.exchange
        url = exchange.dhan_full_depth_url if levels == _FULL_DEPTH else exchange.dhan_depth_url
        settings = msgspec.structs.replace(settings, feed_url=url)
    return DhanDepth(settings, levels=levels or 20)


def _upstox_depth(secrets: Secrets, simulated: Simulation | None, levels: int) -> DepthClient:
    from saudagar.brokers.upstox.depth import UpstoxDepth

    if levels not in (0, _UPSTOX_DEPTH):
        raise Unsupported(f"Upstox has no depth of {levels} levels; it has {_UPSTOX_DEPTH}.")
    return UpstoxDepth(_upstox_feed(secrets, simulated))


def _kite_depth(secrets: Secrets, simulated: Simulation | None, levels: int) -> DepthClient:
    raise Unsupported(
        "Kite streams five levels, and no deeper book.", hint="saudagar account quote shows the best one."
    )


def _token(broker: str, secrets: Secrets) -> str:
    token: str = getattr(secrets, f"{broker}_token").get_secret_value()
    if not token:
        raise ConfigError(f"there is no token of {broker}.", hint=f"Run: saudagar login {broker}")
    return token
