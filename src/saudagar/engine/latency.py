"""How long the desk takes from a tick to an order, kept as plain samples."""

from __future__ import annotations

from saudagar.model import Nanos


class Latency:
    """Samples of a duration in ns. Bounded: when full, every second one is kept from then on."""

    def __init__(self, most: int = 100_000) -> None:
        self._most = most
        self.samples: list[Nanos] = []
        self._stride = 1
        self._skipped = 0
        self.count = 0
        self.max: Nanos = 0

    def add(self, duration: Nanos) -> None:
        self.count += 1
        self.max = max(self.max, duration)
        self._skipped += 1
        if self._skipped < self._stride:
            return
        self._skipped = 0
        self.samples.append(duration)
        if len(self.samples) >= self._most:
            self.samples = self.samples[::2]
            self._stride *= 2

    def quantile(self, q: float) -> Nanos:
        """The `q` quantile (0 to 1) of the samples; 0 if there are none."""
        if not self.samples:
            return 0
        ordered = sorted(self.samples)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))]
