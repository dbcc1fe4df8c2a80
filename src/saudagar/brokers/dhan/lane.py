"""One thread, one SDK client, one kept-alive connection: requests are carried out in the order they were asked for.

The broker has two: writes, and reads, so that a slow order book never holds up an order. A hook on the SDK's session
keeps the true HTTP status and body of each reply, which the SDK itself does not hand out.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from saudagar.brokers.dhan.outcome import Reply

Call = Callable[[Any], Any]
"""Takes the SDK's `dhanhq` object; its result is ignored in favour of the hook's."""


class Lane:
    """See the module.

    Parameters
    ----------
    url
        Base address, None for Dhan's own.
    timeout
        Seconds to connect and seconds to wait for a reply.
    """

    def __init__(self, name: str, client_id: str, token: str, url: str | None, timeout: tuple[float, float]) -> None:
        self._settings = (client_id, token, url, timeout)
        self._thread = ThreadPoolExecutor(1, f"dhan-{name}")
        self._token = token
        self._sdk: Any = None
        self._session: Any = None
        self._reply: Reply | None = None

    async def open(self) -> None:
        """Import and build the SDK client in the lane's thread (a tenth of a second)."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._build)

    async def ask(self, call: Call) -> Reply:
        """Carry out `call` after all earlier ones; never raises for what the network or the SDK does."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._exchange, call)

    async def close(self) -> None:
        if self._session is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._session.close)
            self._session = None
        self._thread.shutdown(wait=False)

    def _build(self) -> None:
        import dhanhq
        import dhanhq.dhan_http
        import requests

        client_id, token, url, timeout = self._settings
        # It logs every failure through the root logger, which would set up printing to the screen as a side effect;
        # we raise each of them ourselves.
        quiet = dhanhq.dhan_http.logging = logging.getLogger("dhanhq")
        quiet.disabled = True
        context = dhanhq.DhanContext(client_id, token)
        http = context.get_dhan_http()
        http.base_url = url or dhanhq.DhanHTTP.API_BASE_URL
        http.timeout = timeout
        session = http.session
        session.max_redirects = 0  # a redirected order would be sent twice
        session.hooks["response"].append(self._keep)
        session.proxies = requests.utils.get_environ_proxies(http.base_url)
        session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        session.trust_env = False  # read once, above, instead of once per order
        self._session, self._sdk = session, dhanhq.dhanhq(context)

    def _keep(self, response: Any, *_: object, **__: object) -> None:
        self._reply = Reply(response.status_code, response.content)

    def _exchange(self, call: Call) -> Reply:
        self._reply = None
        fault = ""
        try:
            answer = call(self._sdk)
            if isinstance(answer, dict):
                fault = str(answer.get("remarks", ""))
        except Exception as error:  # the SDK lets some of its own out; what it did before that, nobody knows
            fault = f"{type(error).__name__}: {error}"
        return self._reply or Reply(0, b"", fault.replace(self._token, "•••"))
