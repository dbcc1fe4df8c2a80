"""Upstox's lane: one thread that carries out requests through the account's one SDK client, in order.

The SDK hands out the reply itself (`_preload_content=False`) or raises; its models would refuse a whole order book for
one word that they do not know, so they never see it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from saudagar.brokers import lane
from saudagar.brokers.governor import Governor, Window
from saudagar.brokers.lane import Reply
from saudagar.model import MINUTE, SECOND

LIMITS = (
    Window(SECOND, 10),  # since April 2026 for everybody not registered as an algo provider
    Window(MINUTE, 500),
    Window(30 * MINUTE, 2_000),
)
"""Order writes that Upstox allows: place, modify and cancel together (api-evangelist/upstox, September 2026)."""

READS = (Window(SECOND, 50), Window(MINUTE, 500), Window(30 * MINUTE, 2_000))
"""Other calls that it allows (Upstox, "Rate limiting": standard APIs)."""


class Lane(lane.Lane):
    """See the module.

    Parameters
    ----------
    client
        The account's `ApiClient`, asked for in the lane's thread and again for each new token.
    """

    def __init__(
        self,
        name: str,
        client: Callable[[], Any],
        *,
        timeout: tuple[float, float],
        secrets: tuple[str, ...] = (),
        governor: Governor | None = None,
    ) -> None:
        super().__init__(name, self._nothing, secrets=secrets, governor=governor)
        self._client = client
        # two floats: a single one would be ignored in silence
        self._asked = {"_preload_content": False, "_request_timeout": timeout}

    @staticmethod
    def _nothing() -> tuple[Any, Any, str]:
        raise AssertionError("Upstox's SDK does not sit on `requests`.")

    def _build(self) -> None:
        self._sdk = self._client()

    def _exchange(self, call: lane.Call) -> Reply:
        from upstox_client.rest import ApiException
        from urllib3.exceptions import MaxRetryError

        try:
            response = call((self._sdk, self._asked))
            return Reply(response.status, response.data)
        except ApiException as error:
            if error.status:
                return Reply(error.status, error.body or b"")
            fault = f"{error.reason}"
        except MaxRetryError as error:  # of the one try that there is
            fault = f"{type(error.reason).__name__}: {error.reason}"
        except Exception as error:  # urllib3's, or the SDK's own; what it did before that, nobody knows
            fault = f"{type(error).__name__}: {error}"
        for secret in self._secrets:
            fault = fault.replace(secret, "•••")
        return Reply(0, b"", fault)
