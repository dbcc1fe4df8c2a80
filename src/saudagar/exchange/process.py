"""The simulated exchange as a child process: its configuration, and a handle that never leaves it behind.

Kept light, for the desk imports it: the exchange itself is loaded in the child only (`saudagar.exchange.server`).
"""

from __future__ import annotations

import http.client
import subprocess
import sys
from types import TracebackType
from typing import Any

import msgspec

from saudagar.model import InstrumentId, Paise
from saudagar.model.errors import DataError, SaudagarError

_STOP_SECONDS = 5.0


class SyntheticSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="synthetic"):
    """A made-up day. `instruments` is how many of the universe trade; 0 takes the source's own choice."""

    seed: int = 1
    day: str = "2026-11-20"
    instruments: int = 0
    start: str | None = None  # IST, HH:MM; None is the opening
    end: str | None = None
    options: int = 0  # strikes of NIFTY's option chain each side of the money; 0 lists none


class RecordedSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="recorded"):
    """Recorded tick files of one day, one instrument each."""

    files: list[str]


class Ports(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the exchange listens; 0 lets the system choose."""

    upstox: int = 0
    dhan: int = 0
    kite: int = 0
    control: int = 0


class Account(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The one account at the simulated brokers. Its tokens open nothing else.

    `holdings` are shares in the demat account by instrument id, e.g. ``{"NSE_EQ:RELIANCE": 100}``. Without `ddpi` each
    sale of them needs the depository's leave of that day (e-DIS, CDSL TPIN).
    """

    capital: Paise = 1_00_00_000_00
    holdings: dict[InstrumentId, int] = {}
    ddpi: bool = True
    client_id: str = "1000000001"
    dhan_token: str = "simulated-dhan-token"  # noqa: S105  # opens the simulated exchange only
    dhan_issued: str = ""  # IST (HH:MM) of the day before: the token ends at that hour; empty: of this morning
    upstox_token: str = "simulated-upstox-token"  # noqa: S105
    upstox_key: str = "simulated-upstox-key"
    upstox_secret: str = "simulated-upstox-secret"  # noqa: S105
    dhan_key: str = "simulated-dhan-key"
    dhan_secret: str = "simulated-dhan-secret"  # noqa: S105
    dhan_pin: str = "111111"
    dhan_redirect: str = "http://127.0.0.1:5010/"  # where Dhan's login page sends the browser
    kite_user: str = "SIM001"
    kite_key: str = "simulatedkitekey"
    kite_secret: str = "simulated-kite-secret"  # noqa: S105
    kite_token: str = "simulated-kite-token"  # noqa: S105
    kite_redirect: str = "http://127.0.0.1:5010/"  # where Kite's login page sends the browser


class ExchangeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything `python -m saudagar.exchange.server --json-config` reads.

    Parameters
    ----------
    speed
        Market seconds per wall second, at most; 0 is as fast as possible.
    lockstep
        The market waits for the desk at every step.
    hold
        Do not begin before somebody is subscribed to the feed.
    writes_per_second
        Each broker's limit on order writes, in market seconds; 0 switches it off.
    read_limits
        Whether the brokers count reads too, on the wall.
    separate
        Each broker's face has an account of its own, with the whole capital; else all share one.
    faults
        A fault plan as `faults.FaultPlan.from_json` reads it.
    """

    source: SyntheticSource | RecordedSource = SyntheticSource()
    speed: float = 0.0
    lockstep: bool = False
    hold: bool = False
    host: str = "127.0.0.1"
    ports: Ports = Ports()
    account: Account = Account()
    writes_per_second: int = 10
    read_limits: bool = False
    separate: bool = False
    faults: dict[str, Any] = {}


class ExchangeProcess:
    """Runs the exchange as a child; a context manager that always ends it.

    The child also ends by itself when this process dies, however it dies: its standard input is a pipe from here.
    """

    def __init__(self, config: ExchangeConfig, *, start_seconds: float = 30.0) -> None:
        self.config = config
        self.ports = Ports()
        self._start_seconds = start_seconds
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ExchangeProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the child and wait until it listens.

        Raises
        ------
        SaudagarError
            If it ends, or says nothing in time; what it said is on standard error.
        """
        command = [sys.executable, "-m", "saudagar.exchange.server", "--with-parent", "--json-config", "-"]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603
        assert self._child.stdin is not None, "a pipe was asked for"
        self._child.stdin.write(msgspec.json.encode(self.config) + b"\n")  # not an argument: those are for all to see
        self._child.stdin.flush()
        line = self._first_line(self._child)
        try:
            self.ports = msgspec.json.decode(line, type=Ports)
        except msgspec.DecodeError:
            self.stop()
            raise SaudagarError(f"the simulated exchange did not start; it said {line!r}.") from None

    def _first_line(self, child: subprocess.Popen[bytes]) -> bytes:
        import selectors

        assert child.stdout is not None, "a pipe was asked for"
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            return child.stdout.readline() if selector.select(self._start_seconds) else b""

    @property
    def pid(self) -> int:
        return self._child.pid if self._child else 0

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def dhan_url(self) -> str:
        """Base URL of Dhan's REST, ``/v2`` included."""
        return f"http://{self.config.host}:{self.ports.dhan}/v2"

    @property
    def order_feed_url(self) -> str:
        return f"ws://{self.config.host}:{self.ports.dhan}/order-update"

    @property
    def dhan_auth_url(self) -> str:
        """Base of Dhan's login (`DhanLogin.AUTH_BASE_URL`)."""
        return f"http://{self.config.host}:{self.ports.dhan}"

    @property
    def dhan_feed_url(self) -> str:
        return f"ws://{self.config.host}:{self.ports.dhan}/feed"

    @property
    def dhan_depth_url(self) -> str:
        return f"ws://{self.config.host}:{self.ports.dhan}/twentydepth"

    @property
    def dhan_full_depth_url(self) -> str:
        return f"ws://{self.config.host}:{self.ports.dhan}/twohundreddepth"

    @property
    def portfolio_url(self) -> str:
        """Upstox's order stream."""
        return f"ws://{self.config.host}:{self.ports.upstox}/v2/feed/portfolio-stream-feed"

    @property
    def upstox_url(self) -> str:
        return f"http://{self.config.host}:{self.ports.upstox}"

    @property
    def feed_url(self) -> str:
        return f"ws://{self.config.host}:{self.ports.upstox}/v3/feed/market-data-feed"

    @property
    def kite_url(self) -> str:
        """Root of Kite's REST; its library takes no path in it."""
        return f"http://{self.config.host}:{self.ports.kite}"

    @property
    def kite_ticker_url(self) -> str:
        return f"ws://{self.config.host}:{self.ports.kite}"

    @property
    def kite_login_url(self) -> str:
        return f"{self.kite_url}/connect/login"

    @property
    def kite_master_url(self) -> str:
        return f"{self.kite_url}/instruments"

    @property
    def pace_url(self) -> str:
        return f"ws://{self.config.host}:{self.ports.control}/pace"

    @property
    def dhan_master_url(self) -> str:
        return f"http://{self.config.host}:{self.ports.dhan}/api-data/api-scrip-master-detailed.csv"

    @property
    def upstox_master_url(self) -> str:
        return f"{self.upstox_url}/market-quote/instruments/exchange/complete.json.gz"

    def state(self) -> dict[str, Any]:
        """What the exchange knows: market time, orders, trades, positions, counts."""
        return self._call("GET", "/state")

    def set_faults(self, plan: dict[str, Any]) -> None:
        """Replace the faults in force."""
        self._call("POST", "/faults", plan)

    def set_tokens(self, *, dhan: str | None = None, upstox: str | None = None, kite: str | None = None) -> None:
        """Change the tokens that are good from now on."""
        self._call("POST", "/tokens", {"dhan": dhan, "upstox": upstox, "kite": kite})

    def set_switches(self, **switches: dict[str, bool]) -> None:
        """Expire a face's token or refuse its caller's address, e.g. ``set_switches(dhan={"expired": True})``."""
        self._call("POST", "/switches", switches)

    def disconnect(self) -> None:
        """Reset every socket of the brokers' faces."""
        self._call("POST", "/disconnect")

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self.config.host, self.ports.control, timeout=10)
        try:
            connection.request(method, path, msgspec.json.encode(body) if body is not None else None)
            response = connection.getresponse()
            answer: dict[str, Any] = msgspec.json.decode(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise DataError(f"the simulated exchange refused {path}: {answer.get('error', answer)}")
        return answer

    def stop(self) -> None:
        """End the child: first by asking, at last by force."""
        child, self._child = self._child, None
        if child is None:
            return
        with child:  # closes the pipes and waits
            if child.stdin is not None:
                child.stdin.close()
            try:
                child.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
