"""The simulated exchange as a program: `serve` runs a market day in this event loop, ``python -m
saudagar.exchange.server`` in a process of its own (see `process.ExchangeProcess`). The day itself is `running`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import msgspec

from saudagar.exchange.market_feed import DaySource
from saudagar.exchange.process import (
    Account,
    ExchangeConfig,
    ExchangeProcess,
    Ports,
    RecordedSource,
    SyntheticSource,
)
from saudagar.exchange.running import RunningExchange
from saudagar.market.sessions import Calendar
from saudagar.model import Nanos
from saudagar.model.errors import DataError, SaudagarError

__all__ = ["ExchangeConfig", "ExchangeProcess", "Ports", "RunningExchange", "main", "open_source", "serve"]


async def serve(
    source: DaySource,
    *,
    speed: float = 0.0,
    lockstep: bool = False,
    hold: bool = False,
    host: str = "127.0.0.1",
    ports: Ports | None = None,
    account: Account | None = None,
    writes_per_second: int = 10,
    read_limits: bool = False,
    faults: dict[str, Any] | None = None,
    calendar: Calendar | None = None,
    monotonic: Callable[[], Nanos] = time.monotonic_ns,
) -> RunningExchange:
    """Serve `source` in this event loop; returns as soon as the ports are open.

    See `process.ExchangeConfig` and `RunningExchange` for the parameters. Call `stop` on what is returned.
    """
    config = ExchangeConfig(
        speed=speed,
        lockstep=lockstep,
        hold=hold,
        host=host,
        ports=ports or Ports(),
        account=account or Account(),
        writes_per_second=writes_per_second,
        read_limits=read_limits,
        faults=faults or {},
    )
    exchange = RunningExchange(source, config, calendar or Calendar(), monotonic)
    await exchange.start()
    return exchange


def open_source(config: SyntheticSource | RecordedSource) -> DaySource:
    """The day that `config` names.

    Raises
    ------
    DataError
        If it cannot be made or read.
    """
    if isinstance(config, RecordedSource):
        from saudagar.exchange.recorded import RecordedDay

        return RecordedDay(config.files)
    from saudagar.exchange.synthetic import SyntheticDay
    from saudagar.exchange.universe import universe

    try:
        day = date.fromisoformat(config.day)
    except ValueError:
        raise DataError(f"expected a day such as 2026-11-20, got {config.day!r}.") from None
    chosen = universe(config.instruments) if config.instruments else universe()
    made = SyntheticDay(config.seed, day, chosen, start=config.start, end=config.end)
    if not config.options:
        return made
    from saudagar.exchange.options import WithOptions

    return WithOptions(made, config.options)


async def _main(config: ExchangeConfig, with_parent: bool) -> None:
    if with_parent:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to the parent, which ends us when it is done
    exchange = RunningExchange(open_source(config.source), config, Calendar())
    await exchange.start()
    gc.collect()
    gc.freeze()
    print(msgspec.json.encode(exchange.ports).decode(), flush=True)  # noqa: T201  # the parent reads it
    watch = asyncio.create_task(_parent_gone(exchange.stopped)) if with_parent else None
    try:
        await exchange.stopped.wait()
    finally:
        if watch is not None:
            watch.cancel()
        await exchange.stop()


async def _parent_gone(stopped: asyncio.Event) -> None:
    """The parent holds the other end of our standard input and never writes: the end of it is the end of the parent."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(4096):
        pass
    stopped.set()


def _first_line() -> bytes:
    """Of standard input, byte by byte: what follows is the parent's sign of life, not ours to buffer."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the exchange until it is told to stop; prints one JSON line with its ports when it listens."""
    parser = argparse.ArgumentParser(prog="python -m saudagar.exchange.server", description=__doc__)
    parser.add_argument(
        "--json-config", default="{}", help="an ExchangeConfig as JSON; - reads a line of standard input"
    )
    parser.add_argument("--with-parent", action="store_true", help="stop when standard input ends")
    options = parser.parse_args(arguments)
    try:
        given = options.json_config
        config = msgspec.json.decode(_first_line() if given == "-" else given, type=ExchangeConfig)
        asyncio.run(_main(config, options.with_parent))
    except msgspec.DecodeError as error:
        print(f"--json-config: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except SaudagarError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
