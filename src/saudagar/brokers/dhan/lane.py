"""The SDK client of Dhan that a lane drives, made quiet and pointed at the right address."""

from __future__ import annotations

import logging
from typing import Any

from saudagar.brokers.governor import Window
from saudagar.model import MINUTE, SECOND

LIMITS = (
    Window(SECOND, 10),  # since 2026-03-21 (madefortrade.in/t/61689)
    Window(MINUTE, 250),
    Window(60 * MINUTE, 1_000),
    Window(1_440 * MINUTE, 7_000),
)
"""Order writes that Dhan allows (dhanhq.co/docs/v2; those above a second are of its older table)."""


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
