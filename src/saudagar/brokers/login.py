"""What logging in gives at any broker, and what the three ways share: end of day, redaction, a broker's clock.

Each broker's `login` module has an `Access`, which speaks to it through its SDK; `saudagar.app.login` and
`saudagar.app.doctor` drive them. All of it blocks: a person is waiting anyway.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import Protocol

import msgspec

from saudagar.model import SECOND, Nanos
from saudagar.model.errors import AuthError

TIMEOUT = (3, 10)
"""Seconds to connect, seconds to wait for an answer (whole numbers: Upstox's SDK ignores others)."""

_TALKATIVE = ("urllib3", "upstox_client", "kiteconnect")


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """An access token. `key` is the public name it goes with: Dhan's client id, Kite's API key; empty at Upstox."""

    token: str
    expires: Nanos  # UTC ns
    key: str = ""

    def __repr__(self) -> str:
        return f"Grant(token='•••', expires={self.expires})"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a broker says of a token that is good, and of the time while it says so."""

    expires: Nanos  # UTC ns
    skew: Nanos | None = None  # the broker's clock minus ours; None if it named no time
    doubt: Nanos = 0  # how wrong `skew` may be, either way
    remark: str = ""  # what the account lacks, in words; empty if nothing


class Access(Protocol):
    """One app or account at one broker, from log-in to log-out.

    Every method raises `AuthError` when the broker says no, and `BrokerError` when it cannot be understood or reached.
    No message holds a credential.
    """

    name: str
    code: str
    """The parameter of the redirect that carries the one-time code."""

    def page(self, redirect: str, state: str) -> str:
        """The address where a person logs in. `state` comes back with the redirect, where the broker allows it."""
        ...

    def redeem(self, code: str, redirect: str) -> Grant:
        """Change the redirect's one-time code into a token."""
        ...

    def adopt(self, token: str) -> Grant:
        """Take a token that a person got elsewhere, if the broker knows it."""
        ...

    def standing(self, token: str) -> Standing:
        """Ask the broker whether it still takes `token`."""
        ...

    def addresses(self, token: str) -> tuple[str, ...] | None:
        """The static addresses registered for orders; None where the broker does not tell."""
        ...

    def end(self, token: str) -> bool:
        """Make the token worthless; False where the broker has no such thing."""
        ...


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP exchange as it was, with our clock around it (UTC ns)."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    sent: Nanos = 0
    received: Nanos = 0

    def __repr__(self) -> str:
        """Without the body, which may be a token."""
        return f"Reply(status={self.status})"

    def skew(self) -> tuple[Nanos | None, Nanos]:
        """The server's clock minus ours, and how wrong that may be: half the way there and back, half a second."""
        try:
            served = parsedate_to_datetime(self.headers["Date"]).timestamp()
        except (KeyError, ValueError, TypeError):
            return None, 0
        told = round(served * SECOND) + SECOND // 2  # the header cuts to whole seconds
        return told - (self.sent + self.received) // 2, (self.received - self.sent + SECOND) // 2


def expiry_of_jwt(token: str) -> Nanos | None:
    """The `exp` of a JSON web token in UTC ns, unverified; None if it is none."""
    with suppress(ValueError, msgspec.DecodeError, IndexError):
        body = token.split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        if isinstance(claims, dict) and isinstance(claims.get("exp"), int):
            return int(claims["exp"]) * SECOND
    return None


def redacted(text: object, *secrets: str) -> str:
    """`text` without any of `secrets`, on one line and not too long."""
    shown = str(text)
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        shown = shown.replace(secret, "•••")
    return " ".join(shown.split())[:200]


@contextmanager
def hushed() -> Iterator[None]:
    """While it lasts, no library logs requests or answers: at debug level they print whole addresses and tokens."""
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def wanted(value: str, what: str) -> str:
    """`value`, or an `AuthError` that names what is missing."""
    if not value:
        raise AuthError(f"{what} is needed for this.")
    return value


Clock = Callable[[], Nanos]
