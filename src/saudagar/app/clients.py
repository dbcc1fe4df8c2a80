"""Which class speaks to which broker.

Each client takes the broker's credentials, or those of a simulated exchange, where one is given. Called by the venues
of a desk, and by `data` and `doctor`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from saudagar.model.errors import ConfigError, Unsupported

if TYPE_CHECKING:
    from saudagar.app.config import DeskConfig, Secrets
    from saudagar.brokers.dhan.client import DhanFeedSettings
    from saudagar.brokers.kite.client import KiteSettings
    from saudagar.brokers.login import Access
    from saudagar.brokers.supervisor import Watch
    from saudagar.brokers.upstox.broker import UpstoxOrderSettings
    from saudagar.brokers.upstox.feed import UpstoxSettings
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
        If there is no token, or no such broker.
    """
    return _chosen(broker, secrets, simulated).access(clock)


def data_client(
    broker: str,
    secrets: Secrets,
    simulated: Simulation | None = None,
    watch: Watch | None = None,
    *,
    depth: bool = False,
    warm: bool = False,
) -> DataClient:
    """Ticks and past bars of `broker`; `warm` spends processor time on their coming sooner, where that helps.

    Raises
    ------
    ConfigError
        If there is no token, or no such broker.
    """
    return _chosen(broker, secrets, simulated).data(watch, depth=depth, warm=warm)


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
    return _chosen(broker, secrets, simulated).orders(lookup, watch, clock, feed)


def quote_client(broker: str, secrets: Secrets, lookup: Master, simulated: Simulation | None = None) -> QuoteClient:
    """Prices and option chains of `broker`, on request.

    Raises
    ------
    ConfigError
        If there is no token, or no such broker.
    """
    return _chosen(broker, secrets, simulated).quotes(lookup)


def depth_client(broker: str, secrets: Secrets, simulated: Simulation | None = None, *, levels: int = 0) -> DepthClient:
    """Streamed books deeper than five levels; `levels` 0 takes the broker's own choice.

    Raises
    ------
    ConfigError
        If there is no token, or no such broker.
    Unsupported
        If the broker streams no such book.
    """
    return _chosen(broker, secrets, simulated).depth(levels)


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


class _Broker(ABC):
    """The clients of one account at one broker; the SDKs' modules are loaded when one is asked for."""

    def __init__(self, secrets: Secrets, simulated: Simulation | None) -> None:
        self._secrets, self._simulated = secrets, simulated

    @abstractmethod
    def access(self, clock: Clock) -> tuple[Access, str]: ...

    @abstractmethod
    def data(self, watch: Watch | None, *, depth: bool, warm: bool) -> DataClient: ...

    @abstractmethod
    def orders(self, lookup: Master, watch: Watch | None, clock: Clock, feed: DataClient | None) -> ExecutionClient: ...

    @abstractmethod
    def quotes(self, lookup: Master) -> QuoteClient: ...

    @abstractmethod
    def depth(self, levels: int) -> DepthClient: ...


class _Dhan(_Broker):
    def access(self, clock: Clock) -> tuple[Access, str]:
        from saudagar.brokers.dhan.login import DhanAccess

        url = None if self._simulated is None else self._simulated.exchange.dhan_url
        client, token = self._login()
        return DhanAccess(clock=clock, client_id=client, api_url=url), token

    def data(self, watch: Watch | None, *, depth: bool, warm: bool) -> DataClient:
        from saudagar.brokers.dhan.feed import DhanFeed
        from saudagar.engine.clock import wall_clock

        return DhanFeed(self._feed(depth=depth), watch, clock=None if self._simulated is not None else wall_clock)

    def orders(self, lookup: Master, watch: Watch | None, clock: Clock, feed: DataClient | None) -> ExecutionClient:
        from saudagar.brokers.dhan.broker import DhanBroker
        from saudagar.brokers.dhan.client import DhanSettings

        client, token = self._login()
        urls: dict[str, Any] = {}
        if self._simulated is not None:
            exchange = self._simulated.exchange
            urls = {"rest_url": exchange.dhan_url, "order_feed_url": exchange.order_feed_url}
        return DhanBroker(DhanSettings(client_id=client, token=token, **urls), lookup, watch=watch, clock=clock)

    def quotes(self, lookup: Master) -> QuoteClient:
        from saudagar.brokers.dhan.quotes import DhanQuotes

        return DhanQuotes(self._feed(), lookup)

    def depth(self, levels: int) -> DepthClient:
        import msgspec

        from saudagar.brokers.dhan.depth import DhanDepth
        from saudagar.engine.clock import wall_clock

        settings = self._feed()
        if self._simulated is not None:
            exchange = self._simulated.exchange
            url = exchange.dhan_full_depth_url if levels == _FULL_DEPTH else exchange.dhan_depth_url
            settings = msgspec.structs.replace(settings, feed_url=url)
        return DhanDepth(settings, levels=levels or 20, clock=wall_clock)

    def _feed(self, *, depth: bool = False) -> DhanFeedSettings:
        from saudagar.brokers.dhan.client import DhanFeedSettings

        client, token = self._login()
        urls: dict[str, Any] = {}
        if self._simulated is not None:
            exchange = self._simulated.exchange
            urls = {"feed_url": exchange.dhan_feed_url, "rest_url": exchange.dhan_url}
        return DhanFeedSettings(client_id=client, token=token, depth=depth, **urls)

    def _login(self) -> tuple[str, str]:
        if self._simulated is not None:
            return self._simulated.account.client_id, self._simulated.account.dhan_token
        return self._secrets.dhan_client_id.get_secret_value(), _token("dhan", self._secrets)


class _Upstox(_Broker):
    def access(self, clock: Clock) -> tuple[Access, str]:
        from saudagar.brokers.upstox.login import UpstoxAccess

        url = None if self._simulated is None else self._simulated.exchange.upstox_url
        return UpstoxAccess(clock=clock, url=url), self._login()

    def data(self, watch: Watch | None, *, depth: bool, warm: bool) -> DataClient:
        from saudagar.brokers.upstox.feed import UpstoxFeed

        return UpstoxFeed(self._feed(depth=depth, warm=warm), watch)

    def orders(self, lookup: Master, watch: Watch | None, clock: Clock, feed: DataClient | None) -> ExecutionClient:
        from saudagar.brokers.upstox.broker import UpstoxBroker

        return UpstoxBroker(self._settings(), lookup, watch=watch, clock=clock)

    def quotes(self, lookup: Master) -> QuoteClient:
        from saudagar.brokers.upstox.quotes import UpstoxQuotes

        return UpstoxQuotes(self._settings(), lookup)

    def depth(self, levels: int) -> DepthClient:
        from saudagar.brokers.upstox.depth import UpstoxDepth

        if levels not in (0, _UPSTOX_DEPTH):
            raise Unsupported(f"Upstox has no depth of {levels} levels; it has {_UPSTOX_DEPTH}.")
        return UpstoxDepth(self._feed())

    def _settings(self) -> UpstoxOrderSettings:
        from saudagar.brokers.upstox.broker import UpstoxOrderSettings

        urls: dict[str, Any] = {}
        if self._simulated is not None:
            exchange = self._simulated.exchange
            urls = {"rest_host": exchange.upstox_url, "order_stream_url": exchange.portfolio_url}
        return UpstoxOrderSettings(token=self._login(), **urls)

    def _feed(self, *, depth: bool = False, warm: bool = False) -> UpstoxSettings:
        from saudagar.brokers.upstox.feed import UpstoxSettings

        urls: dict[str, Any] = {}
        if self._simulated is not None:
            exchange = self._simulated.exchange
            urls = {"feed_url": exchange.feed_url, "rest_host": exchange.upstox_url}
        return UpstoxSettings(token=self._login(), depth=depth, warm=warm, **urls)

    def _login(self) -> str:
        return self._simulated.account.upstox_token if self._simulated is not None else _token("upstox", self._secrets)


class _Kite(_Broker):
    def access(self, clock: Clock) -> tuple[Access, str]:
        from saudagar.brokers.kite.login import KiteAccess

        url = None if self._simulated is None else self._simulated.exchange.kite_url
        key, token = self._login()
        return KiteAccess(clock=clock, api_key=key, url=url), token

    def data(self, watch: Watch | None, *, depth: bool, warm: bool) -> DataClient:
        from saudagar.brokers.kite.feed import KiteFeed

        return KiteFeed(self._settings(), watch, depth=depth)

    def orders(self, lookup: Master, watch: Watch | None, clock: Clock, feed: DataClient | None) -> ExecutionClient:
        from saudagar.brokers.kite.broker import KiteBroker
        from saudagar.brokers.kite.feed import KiteFeed

        shared = feed if isinstance(feed, KiteFeed) else None
        return KiteBroker(self._settings(), lookup, feed=shared, watch=watch, clock=clock)

    def quotes(self, lookup: Master) -> QuoteClient:
        from saudagar.brokers.kite.quotes import KiteQuotes

        return KiteQuotes(self._settings(), lookup)

    def depth(self, levels: int) -> DepthClient:
        raise Unsupported(
            "Kite streams five levels, and no deeper book.", hint="saudagar account quote shows the best one."
        )

    def _settings(self) -> KiteSettings:
        from saudagar.brokers.kite.client import KiteSettings

        key, token = self._login()
        urls: dict[str, Any] = {}
        if self._simulated is not None:
            exchange = self._simulated.exchange
            urls = {"rest_url": exchange.kite_url, "ticker_url": exchange.kite_ticker_url}
        return KiteSettings(api_key=key, token=token, **urls)

    def _login(self) -> tuple[str, str]:
        if self._simulated is not None:
            return self._simulated.account.kite_key, self._simulated.account.kite_token
        return self._secrets.kite_api_key.get_secret_value(), _token("kite", self._secrets)


_BROKERS: dict[str, type[_Broker]] = {"dhan": _Dhan, "upstox": _Upstox, "kite": _Kite}


def _chosen(broker: str, secrets: Secrets, simulated: Simulation | None) -> _Broker:
    if broker not in _BROKERS:
        raise ConfigError(f"expected one of {', '.join(BROKERS)}, got {broker!r}.")
    return _BROKERS[broker](secrets, simulated)


def _token(broker: str, secrets: Secrets) -> str:
    token: str = getattr(secrets, f"{broker}_token").get_secret_value()
    if not token:
        raise ConfigError(f"there is no token of {broker}.", hint=f"Run: saudagar login {broker}")
    return token
