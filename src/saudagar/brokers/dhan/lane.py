"""Dhan's SDK as the desk drives it: its client made quiet and pointed at the right address, and an account's two lanes.

`DhanBroker` and `DhanAccount` speak through one `Lanes`: one order of writes, one governor, one reading of outcomes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from saudagar.brokers.dhan import outcome
from saudagar.brokers.governor import Window
from saudagar.brokers.lane import Call, Lane
from saudagar.execution.ports import InstrumentLookup
from saudagar.model import MINUTE, SECOND
from saudagar.model.errors import BrokerError, DataError, OutcomeUnknown

LIMITS = (
    Window(SECOND, 10),  # since 2026-03-21 (madefortrade.in/t/61689)
    Window(MINUTE, 250),
    Window(60 * MINUTE, 1_000),
    Window(1_440 * MINUTE, 7_000),
)
"""Order writes that Dhan allows (dhanhq.co/docs/v2; those above a second are of its older table)."""

T = TypeVar("T")


class Lanes:
    """The writes and the reads of one account, with what their answers mean."""

    def __init__(self, writes: Lane, reads: Lane, lookup: InstrumentLookup) -> None:
        self.lookup = lookup
        self._writes, self._reads = writes, reads

    async def write(
        self, request: str, call: Call, *, urgent: bool = False, hint: str = "", bodiless: bool = False
    ) -> Any:
        """The body of a plain yes. See `outcome.content` for the errors.

        Parameters
        ----------
        request
            What is asked, for messages.
        urgent
            Goes before entries, see `brokers.governor`.
        hint, bodiless
            See `outcome.content`.
        """
        return outcome.content(await self._writes.ask(call, urgent=urgent), request, hint, bodiless=bodiless)

    async def read(self, request: str, call: Call) -> Any:
        """The body of the answer. Raises `BrokerError`."""
        try:
            return outcome.content(await self._reads.ask(call), request)
        except OutcomeUnknown as error:  # of a question there is no outcome to be unsure of
            raise BrokerError(error.message, code=error.code) from None

    async def rows(self, request: str, call: Call) -> list[dict[str, Any]]:
        """The answer as a list of objects. Raises `BrokerError`."""
        body = await self.read(request, call)
        if not isinstance(body, list) or not all(isinstance(row, dict) for row in body):
            raise BrokerError(f"Dhan, {request}: expected a list of objects.")
        return body

    def parsed(self, parser: Callable[[Any, InstrumentLookup], T], row: Any) -> T:
        """`row` through `parser`. Raises `BrokerError` where it makes no sense."""
        try:
            if not isinstance(row, dict):
                raise DataError(f"Dhan gave {type(row).__name__} where an object belongs.")
            return parser(row, self.lookup)
        except DataError as error:
            raise BrokerError(str(error)) from None


def connect(client_id: str, token: str, url: str | None, timeout: tuple[float, float]) -> tuple[Any, Any, str]:
    """The `dhanhq` object, its session and its base address, for `saudagar.brokers.lane`."""
    import dhanhq
    import dhanhq.dhan_http

    # It logs every failure through the root logger, which would set up printing to the screen as a side effect;
    # we raise each of them ourselves.
    quiet = dhanhq.dhan_http.logging = logging.getLogger("dhanhq")
    quiet.disabled = True
    context = dhanhq.DhanContext(client_id, token)
    http = context.get_dhan_http()
    http.base_url = url or dhanhq.DhanHTTP.API_BASE_URL
    http.timeout = timeout
    return dhanhq.dhanhq(context), http.session, http.base_url
