"""The SDK's `ApiClient`, made safe. Imported only where the SDK is wanted: it costs a tenth of a second."""

from __future__ import annotations

import logging
from typing import Any

import upstox_client
import urllib3

LIVE_HOST = "https://api.upstox.com"
LIVE_ORDER_HOST = "https://api-hft.upstox.com"


def api_client(token: str, host: str | None = None) -> Any:
    """One account's `ApiClient` (each starts a pool of threads: make one only).

    - `Configuration` keeps its first instance and copies it ever after, so that an earlier one's hosts would win:
      both hosts are set here every time.
    - It puts stream handlers on the loggers `upstox_client` and `urllib3`, which would print headers: taken off.
    - urllib3 re-sends PUT, DELETE and GET three more times on a broken connection: off.
    """
    configuration = upstox_client.Configuration()
    configuration.host, configuration.order_host = host or LIVE_HOST, host or LIVE_ORDER_HOST
    configuration.access_token = token
    for logger in configuration.logger.values():
        for handler in [h for h in logger.handlers if type(h) is logging.StreamHandler]:
            logger.removeHandler(handler)
    client = upstox_client.ApiClient(configuration)
    client.rest_client.pool_manager.connection_pool_kw["retries"] = urllib3.Retry(0, redirect=0)
    return client


def close(client: Any) -> None:
    """Give back the SDK's threads and connections."""
    client.pool.close()
    client.pool.join()
    client.rest_client.pool_manager.clear()
