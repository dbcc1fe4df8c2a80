"""Faults on purpose: what goes wrong at the wire, when, and how often.

The wire faces ask `FaultPlan.next(endpoint)` once per request or message and do what it says. The plan is seeded, so
a run with faults is as repeatable as one without.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from enum import StrEnum
from fnmatch import fnmatchcase

import msgspec

from saudagar.model.errors import DataError


class FaultKind(StrEnum):
    DELAY = "delay"  # answer after `delay` seconds
    DROP_BEFORE_ACCEPT = "drop_before_accept"  # connection reset, nothing done
    DROP_AFTER_ACCEPT = "drop_after_accept"  # done, then reset without an answer
    DUPLICATE = "duplicate"  # the order update or frame is sent twice
    DISCONNECT = "disconnect"  # the socket is closed
    TOO_MANY = "429"  # refused for speed, nothing done
    SERVER_ERROR = "5xx"  # done, and the broker's own answer is that something failed
    GARBLED = "garbled"  # the answer's body is no JSON, or empty
    STALE_FEED = "stale_feed"  # the frame is not sent, the socket stays open


_WIRE = frozenset(FaultKind) - {FaultKind.DUPLICATE, FaultKind.STALE_FEED, FaultKind.TOO_MANY, FaultKind.SERVER_ERROR}

ANSWERS = _WIRE | {FaultKind.TOO_MANY, FaultKind.SERVER_ERROR}
"""What can go wrong with a request; the rest happens to streams only."""

STREAMS = _WIRE | {FaultKind.DUPLICATE, FaultKind.STALE_FEED}
"""What can go wrong with a message or a frame."""


class Fault(msgspec.Struct, frozen=True):
    """One thing to do now. `delay` is in wall seconds and 0 for most kinds."""

    kind: FaultKind
    delay: float = 0.0


class FaultRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When one kind of fault happens.

    Parameters
    ----------
    endpoint
        A shell pattern over the faces' endpoint names, e.g. ``dhan.orders.*``.
    probability
        Of each matching call, 0 to 1.
    count
        At most this many times; None for no limit.
    skip
        Let this many matching calls pass first.
    """

    kind: FaultKind
    endpoint: str = "*"
    probability: float = 1.0
    count: int | None = None
    skip: int = 0
    delay: float = 0.0


class _Plan(msgspec.Struct, forbid_unknown_fields=True):
    rules: list[FaultRule] = []
    seed: int = 0


class FaultPlan:
    """The faults of a run: rules in order, the first that strikes wins.

    Parameters
    ----------
    rules
        See `FaultRule`. None at all means a quiet run.
    seed
        Of the plan's own random numbers.

    Raises
    ------
    DataError
        If a rule's probability, count, skip or delay is out of range.
    """

    def __init__(self, rules: Sequence[FaultRule] = (), seed: int = 0) -> None:
        for rule in rules:
            _check(rule)
        self.rules = tuple(rules)
        self.seed = seed
        self.enabled = True
        self.struck = [0] * len(self.rules)
        self._seen = [0] * len(self.rules)
        self._random = random.Random(seed)

    @classmethod
    def from_json(cls, text: str | bytes) -> FaultPlan:
        """A plan from ``{"seed": 7, "rules": [{"kind": "delay", "delay": 0.2, "probability": 0.1}]}``.

        Raises
        ------
        DataError
            If the text is no such thing; the message names the field.
        """
        try:
            plan = msgspec.json.decode(text, type=_Plan)
        except (msgspec.DecodeError, RecursionError) as error:
            raise DataError(f"fault plan: {error}.") from None
        return cls(plan.rules, plan.seed)

    def to_json(self) -> str:
        """The plan as text that `from_json` reads; counts of the past are not part of it."""
        return msgspec.json.encode({"seed": self.seed, "rules": self.rules}).decode()

    def next(self, endpoint: str, kinds: frozenset[FaultKind] = frozenset(FaultKind)) -> Fault | None:
        """What goes wrong with this call of `endpoint`, or None; rules of other `kinds` do not see it."""
        if not self.enabled:
            return None
        for place, rule in enumerate(self.rules):
            if rule.kind in kinds and fnmatchcase(endpoint, rule.endpoint) and self._strikes(place, rule):
                return Fault(rule.kind, rule.delay)
        return None

    def _strikes(self, place: int, rule: FaultRule) -> bool:
        self._seen[place] += 1
        if self._seen[place] <= rule.skip or (rule.count is not None and self.struck[place] >= rule.count):
            return False
        if rule.probability < 1 and self._random.random() >= rule.probability:
            return False
        self.struck[place] += 1
        return True


def _check(rule: FaultRule) -> None:
    if not 0 <= rule.probability <= 1:
        raise DataError(f"fault plan: probability is {rule.probability}, allowed is 0 to 1.")
    if not 0 <= rule.delay <= 600:
        raise DataError(f"fault plan: delay is {rule.delay} s, allowed is 0 to 600.")
    if rule.skip < 0 or (rule.count is not None and rule.count < 0):
        raise DataError(f"fault plan: count and skip must not be negative, got {rule.count} and {rule.skip}.")
    if rule.kind is FaultKind.DELAY and not rule.delay:
        raise DataError("fault plan: a delay rule needs `delay` in seconds, above 0.")
