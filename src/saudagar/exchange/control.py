"""The simulated exchange's own port: what it knows, what shall go wrong, and the pace channel.

For tests, for the demo and for people with curl; no broker has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from saudagar.exchange.core import MatchingCore
from saudagar.exchange.core_orders import ExchangeOrder, ExchangeTrade
from saudagar.exchange.face import Switches, Wire, decode, json_response
from saudagar.exchange.faults import FaultPlan
from saudagar.exchange.pace import Ack, MarketSign, Pacer
from saudagar.model.errors import DataError


class Tokens(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /tokens`: the tokens that are good from now on; None leaves one as it is."""

    dhan: str | None = None
    upstox: str | None = None
    kite: str | None = None


class Control:
    """The control port.

    Parameters
    ----------
    state
        Everything `GET /state` answers.
    sign
        What the pace channel says now.
    renew, disconnect, stop
        Change the accepted tokens; reset all sockets of the faces; end the process.
    switches
        By the face's name, see `face.Switches`.
    """

    def __init__(
        self,
        wire: Wire,
        pacer: Pacer,
        *,
        state: Callable[[], dict[str, Any]],
        sign: Callable[[], MarketSign],
        renew: Callable[[Tokens], None],
        disconnect: Callable[[], None],
        stop: Callable[[], None],
        switches: Mapping[str, Switches] | None = None,
    ) -> None:
        self._wire = wire
        self._pacer = pacer
        self._state = state
        self._sign = sign
        self._renew = renew
        self._disconnect = disconnect
        self._stop = stop
        self._switches = switches or {}
        self._desks: list[web.WebSocketResponse] = []

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/state", self._get_state)
        app.router.add_post("/faults", self._post_faults)
        app.router.add_post("/tokens", self._post_tokens)
        app.router.add_post("/switches", self._post_switches)
        app.router.add_post("/disconnect", self._post_disconnect)
        app.router.add_post("/stop", self._post_stop)
        app.router.add_get("/pace", self._pace)
        return app

    async def announce(self) -> None:
        """Tell every attached desk how the market stands."""
        for desk in tuple(self._desks):
            await desk.send_str(msgspec.json.encode(self._sign()).decode())

    async def close(self) -> None:
        """Hang up on the desks, politely but not for long."""
        await asyncio.gather(*(desk.close() for desk in self._desks))

    async def _get_state(self, request: web.Request) -> web.Response:
        return json_response(self._state())

    async def _post_faults(self, request: web.Request) -> web.Response:
        try:
            self._wire.plan = FaultPlan.from_json(await request.read())
        except DataError as error:
            return json_response({"error": str(error)}, 400)
        return json_response({"rules": len(self._wire.plan.rules)})

    async def _post_tokens(self, request: web.Request) -> web.Response:
        try:
            self._renew(decode(await request.read(), Tokens))
        except msgspec.DecodeError as error:
            return json_response({"error": str(error)}, 400)
        return json_response({})

    async def _post_switches(self, request: web.Request) -> web.Response:
        """``{"dhan": {"expired": true}}``; a switch that is not named goes back to off."""
        try:
            wanted = decode(await request.read(), dict[str, Switches])
        except msgspec.DecodeError as error:
            return json_response({"error": str(error)}, 400)
        if strangers := wanted.keys() - self._switches.keys():
            return json_response({"error": f"no face is called {', '.join(sorted(strangers))}"}, 400)
        for name, switches in wanted.items():
            self._switches[name].expired, self._switches[name].wrong_ip = switches.expired, switches.wrong_ip
        return json_response({})

    async def _post_disconnect(self, request: web.Request) -> web.Response:
        self._disconnect()
        return json_response({})

    async def _post_stop(self, request: web.Request) -> web.Response:
        self._stop()
        return json_response({})

    async def _pace(self, request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(compress=False, timeout=0.5)
        await ws.prepare(request)
        await ws.send_str(msgspec.json.encode(self._sign()).decode())
        self._desks.append(ws)
        self._pacer.attach()
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    self._pacer.acknowledge(decode(message.data, Ack))
        except msgspec.DecodeError:
            await ws.close(code=1007, message=b"expected an ack: ts and updates")
        finally:
            self._desks.remove(ws)
            self._pacer.detach()
        return ws


_ORDER = ("exchange_id", "tag", "side", "product", "terms", "status", "filled", "value", "reason", "created")
_TRADE = ("trade_id", "exchange_id", "tag", "side", "product", "quantity", "price", "ts")
_POSITION = ("product", "buy_quantity", "buy_value", "sell_quantity", "sell_value")


def book(core: MatchingCore) -> dict[str, Any]:
    """Orders, trades, positions and funds as the matching core has them; money in paise, times in UTC ns."""
    return {
        "orders": [_picked(order, _ORDER) for order in core.orders.values()],
        "trades": [_picked(trade, _TRADE) for trade in core.trades],
        "positions": [
            {"account": name, "instrument": instrument.id} | dict(zip(_POSITION, row, strict=True))
            for name in core.accounts
            for instrument, *row in core.positions(name)
        ],
        "funds": core.funds(),
    }


def _picked(row: ExchangeOrder | ExchangeTrade, fields: tuple[str, ...]) -> dict[str, Any]:
    return {"instrument": row.instrument.id} | {field: getattr(row, field) for field in fields}
