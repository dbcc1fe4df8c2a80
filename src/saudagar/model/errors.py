"""Every error that saudagar raises on purpose, in one tree.

::

    SaudagarError
    ├── ConfigError            the user's file or command line is wrong; carries every problem found, not the first
    ├── DataError              something read from outside (a tick file, a master, a reply) makes no sense
    │   └── UnknownInstrument  a symbol or broker id that the instrument master does not hold
    ├── CalendarError          a date or a time outside the dated tables
    ├── JournalError           the journal cannot be written, or does not read back
    ├── BrokerError            the broker's edge
    │   ├── AuthError          token wrong or expired: log in again
    │   ├── RateLimited        the broker asked us to slow down
    │   ├── RejectedByBroker   a clear no, with the broker's own words
    │   ├── Unsupported        this broker has no such thing
    │   └── OutcomeUnknown     a time-out, a reset or a garbled reply: it may have happened
    └── InvariantError         saudagar itself is wrong; stop rather than trade on
"""

from __future__ import annotations

from collections.abc import Sequence


class SaudagarError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    message
        What was wrong, what was received, what is allowed.
    hint
        The next step for the person who reads it; may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class ConfigError(SaudagarError):
    """The configuration or the command line is wrong. `problems` lists every one of them."""

    exit_code = 2

    def __init__(self, message: str, problems: Sequence[str] = (), *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class DataError(SaudagarError):
    """Data from outside that cannot be used."""

    exit_code = 3


class UnknownInstrument(DataError):
    """A symbol or broker id that is not in the instrument master."""


class CalendarError(SaudagarError):
    """A date that the dated tables (sessions, charges) do not cover."""

    exit_code = 3


class JournalError(SaudagarError):
    """The journal could not be written durably, or does not verify."""

    exit_code = 4


class JournalInUse(JournalError):
    """Another process writes it."""


class BrokerError(SaudagarError):
    """Base of what can go wrong at a broker. `code` is the broker's own code, where it gave one."""

    exit_code = 5

    def __init__(self, message: str, *, code: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class AuthError(BrokerError):
    """The token is wrong or has expired."""


class RateLimited(BrokerError):
    """The broker refused for speed; nothing was done."""


class RejectedByBroker(BrokerError):
    """The broker said no, in its own words; nothing was done."""


class Unsupported(BrokerError):
    """The broker has no such order type, product or service."""


class OutcomeUnknown(BrokerError):
    """Nobody knows whether it happened: look it up by our own id, never send it again."""


class InvariantError(SaudagarError):
    """A rule that must always hold did not. A defect of saudagar: stop and report."""

    exit_code = 70
