"""A simulated exchange that is already running, for commands that otherwise speak to brokers (``--exchange-ports``)."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from saudagar.exchange.process import ExchangeConfig, ExchangeProcess, Ports
from saudagar.market.master import Master, merge, read_dhan, read_kite, read_upstox
from saudagar.model import Nanos
from saudagar.model.errors import BrokerError, ConfigError

_SECONDS = 10


class Simulated:
    """The exchange at these ports; its account is the one every simulated exchange has."""

    def __init__(self, ports: str) -> None:
        self.exchange = ExchangeProcess(ExchangeConfig())
        self.exchange.ports = parse_ports(ports)
        self.account = self.exchange.config.account

    def state(self) -> dict[str, Any]:
        """What the exchange knows. Raises `BrokerError` if it does not answer."""
        return state_of(self.exchange)

    def now(self) -> Nanos:
        """The market's time."""
        return int(self.state()["now"])

    def master(self) -> Master:
        """The instruments of its day, from the brokers' own files."""
        exchange, day = self.exchange, date.fromisoformat(self.state()["day"])
        readings = [read_upstox(_get(exchange.upstox_master_url)), read_dhan(_get(exchange.dhan_master_url))]
        if exchange.ports.kite:
            readings.append(read_kite(_get(exchange.kite_master_url)))
        return merge(readings, day)


def state_of(exchange: ExchangeProcess) -> dict[str, Any]:
    """What `exchange` knows. Raises `BrokerError` if it does not answer."""
    try:
        return exchange.state()
    except OSError as error:
        raise BrokerError(
            f"the simulated exchange does not answer: {error.strerror or error}.",
            hint="Start one with `saudagar exchange` and give the ports that it prints.",
        ) from None


def _get(url: str) -> bytes:
    try:
        with urlopen(url, timeout=_SECONDS) as reply:  # noqa: S310  # our own exchange on loopback
            return bytes(reply.read())
    except URLError as error:
        raise BrokerError(f"the simulated exchange gave no instrument file: {error.reason}.") from None


def parse_ports(text: str) -> Ports:
    """Three ports, or four with Kite's before the last."""
    parts = [part.strip() for part in text.split(",")]
    names = {3: ("upstox", "dhan", "control"), 4: ("upstox", "dhan", "kite", "control")}.get(len(parts))
    if names is None or not all(part.isdigit() and 0 < int(part) < 65_536 for part in parts):
        raise ConfigError(
            f"--exchange-ports wants port numbers UPSTOX,DHAN,KITE,CONTROL or UPSTOX,DHAN,CONTROL, got {text!r}."
        )
    return Ports(**dict(zip(names, map(int, parts), strict=True)))
