"""The switch at a running desk: a socket in its directory that only its owner can open.

One line of JSON in, one out. `ControlServer` runs inside the desk, `ask` is what the commands of ``saudagar desk``
call. A halt given while no desk runs is written into the journal and holds from the next start on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from saudagar.app.accept import Accepting
from saudagar.engine.engine import Engine
from saudagar.engine.runner import Runner
from saudagar.execution.ports import ExecutionClient
from saudagar.model import CloseAll, InstrumentId, OrderStatus, Paise, SetTradingState, TradingState
from saudagar.model.errors import SaudagarError

SOCKET = "desk.sock"
_TIMEOUT = 10.0
_ACCEPT_TIMEOUT = 60.0  # seconds: the broker is asked for its books meanwhile
_LONGEST_LINE = 64 * 1024


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person asks of the desk: ``status``, ``close-all``, ``accept``, or a trading state to go to."""

    do: str
    reason: str = "asked for by hand"
    flatten: bool = False
    keep: tuple[str, ...] = ()
    instrument: str = ""  # to accept
    price: Paise = 0  # where no trade tells it; 0: the last one
    yes: bool = False  # book it


Answer: TypeAlias = dict[str, Any]


class ControlServer:
    """Listens in the desk's directory while it trades."""

    def __init__(
        self, directory: Path, runner: Runner, broker: ExecutionClient, resolve: Callable[[str], InstrumentId]
    ) -> None:
        self._path = directory / SOCKET
        self._runner = runner
        self._resolve = resolve
        self._accepting = Accepting(runner, broker, resolve)
        self._server: asyncio.AbstractServer | None = None

    async def __aenter__(self) -> ControlServer:
        with _short_path(self._path) as path, contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        old = os.umask(0o177)
        try:
            with _short_path(self._path) as path:
                self._server = await asyncio.start_unix_server(self._serve, path, limit=_LONGEST_LINE)
        finally:
            os.umask(old)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), _TIMEOUT)
        except (TimeoutError, ValueError):
            answer: Answer = {"error": "expected one line of JSON."}
        else:
            answer = await self._answer(line)
        writer.write(msgspec.json.encode(answer) + b"\n")
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async def _answer(self, line: bytes) -> Answer:
        try:
            request = msgspec.json.decode(line, type=Request)
            if request.do == "accept":
                found = await self._accepting.accept(request.instrument, request.price, yes=request.yes)
                return {"accept": msgspec.to_builtins(found)}
            self._do(request)
        except msgspec.DecodeError as error:
            return {"error": str(error)}
        except SaudagarError as error:
            return {"error": error.message, "hint": error.hint}
        except Exception as error:  # a broker's rows may make somebody's code stumble
            return {"error": f"{type(error).__name__}: {error}"}
        await self._runner.taken()
        return status(self._runner.engine)

    def _do(self, request: Request) -> None:
        now = self._runner.engine.now
        if request.do == "close-all":
            keep = tuple(self._resolve(name) for name in request.keep)
            self._runner.put(CloseAll(ts=now, reason=request.reason, keep=keep))
        elif request.do in tuple(TradingState):
            state = TradingState(request.do)
            self._runner.put(SetTradingState(ts=now, state=state, reason=request.reason, flatten=request.flatten))
        elif request.do != "status":
            raise SaudagarError(f"there is no request {request.do!r}.")


def status(engine: Engine) -> Answer:
    """How the desk stands."""
    state = engine.state
    return {
        "trading": state.trading,
        "reason": state.trading_reason,
        "positions": [
            {
                "strategy": p.strategy,
                "instrument": p.instrument,
                "quantity": p.quantity,
                "target": p.target,
                "stop": p.stop,
                "price": engine.price(p.instrument),
                "profit": p.profit(engine.price(p.instrument)),
            }
            for p in state.positions.values()
            if p.quantity or p.target
        ],
        "working": sum(len(ids) for ids in state.working.values()),
        "unknown": sum(order.status is OrderStatus.UNKNOWN for order in state.orders.values()),
        "profit": engine.watch.profit,
    }


def ask(directory: Path, request: Request) -> Answer | None:
    """Ask the desk that runs in `directory`; None if none does.

    Raises
    ------
    SaudagarError
        If the desk refused, or did not answer in time.
    """
    try:
        with socket.socket(socket.AF_UNIX) as channel, _short_path(directory / SOCKET) as path:
            channel.settimeout(_ACCEPT_TIMEOUT if request.do == "accept" else _TIMEOUT)
            channel.connect(path)
            channel.sendall(msgspec.json.encode(request) + b"\n")
            with channel.makefile("rb") as lines:
                line = lines.readline()
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    except OSError as error:
        raise SaudagarError(f"the desk in {directory} did not answer: {error}.") from None
    answer: Answer = msgspec.json.decode(line or b'{"error":"the desk ended before it answered."}')
    if "error" in answer:
        raise SaudagarError(answer["error"], hint=answer.get("hint", ""))
    return answer


@contextlib.contextmanager
def _short_path(path: Path) -> Any:
    """`path` for a socket call, which takes some 100 bytes at most: by way of the folder's file descriptor."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}" if os.path.isdir("/proc/self/fd") else str(path)
    finally:
        os.close(folder)
