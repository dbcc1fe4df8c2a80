"""The bars that a notebook trades on, as an object that shows itself and gives them back as tables.

Rupees and India's time for people; the whole paise and the UTC nanoseconds stay in `Data.market`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from saudagar.backtest.data import Market
from saudagar.indicators import BarArrays
from saudagar.model import InstrumentId
from saudagar.model.errors import ConfigError, DataError
from saudagar.notebook.tables import Table, moments, texts
from saudagar.research import report_words as say
from saudagar.storage.catalog import interval_name, interval_of


class Data:
    """Bars to trade on, of one instrument or several."""

    def __init__(
        self, market: Market, interval: int, source: str = "data", seed: int | None = None, detail: str = ""
    ) -> None:
        self.market = market
        self.interval = interval_name(interval)
        self.detail = detail  # interval of the finer bars
        self.source = source  # as one would write it in the call
        self.seed = seed  # of made-up bars

    def along(self, finer: Data) -> Data:
        """The same bars, to be walked along `finer` ones.

        Raises
        ------
        DataError
            They do not fit, or are of other instruments.
        """
        market = self.market
        ours = {name: bars for name, bars in finer.market.bars.items() if name in market.bars}
        if not ours:
            raise DataError(
                f"the finer bars are of {', '.join(finer.symbols)}, the others of {', '.join(self.symbols)}."
            )
        both = Market(market.bars, market.instruments, market.calendar, ours)
        return Data(both, interval_of(self.interval), self.source, self.seed, finer.interval)

    @property
    def symbols(self) -> list[str]:
        return [str(name) for name in self.market.bars]

    def __len__(self) -> int:
        """Bars of all instruments."""
        return sum(map(len, self.market.bars.values()))

    def __getitem__(self, symbol: str) -> Table:
        """The bars of one instrument, rupees."""
        names = [name for name in self.market.bars if symbol in (name, say.symbol(name))]
        if not names:
            raise ConfigError(f"there are no bars of {symbol!r}; there are {', '.join(self.symbols)}.")
        return bar_table(self.market.bars[names[0]], names[0])

    def to_pandas(self) -> Any:
        """All bars as one frame, the instrument as a column."""
        return self._whole().to_pandas()

    def to_polars(self) -> Any:
        """The same for polars."""
        return self._whole().to_polars()

    def _whole(self) -> Table:
        parts = {name: bar_table(bars, name) for name, bars in self.market.bars.items()}
        symbols = texts([str(name) for name, part in parts.items() for _ in range(len(part))])
        names = next(iter(parts.values())).columns
        columns = {name: np.concatenate([part[name] for part in parts.values()]) for name in names}
        return Table({"symbol": symbols, **columns})

    def _summary(self) -> Table:
        bars = self.market.bars
        return Table(
            {
                "symbol": texts(self.symbols),
                "bars": np.array([len(each) for each in bars.values()]),
                "from": moments(np.array([each.start[0] for each in bars.values()])),
                "to": moments(np.array([each.end[-1] for each in bars.values()])),
                "low": np.array([each.low.min() / 100 for each in bars.values()]),
                "high": np.array([each.high.max() / 100 for each in bars.values()]),
            },
            f"Bars of {self.interval}",
        )

    def __repr__(self) -> str:
        return repr(self._summary())

    def _repr_html_(self) -> str:
        return self._summary()._repr_html_()


def bar_table(bars: BarArrays, name: InstrumentId) -> Table:
    """Bars as rupees; `time` is the start."""
    prices = {each: getattr(bars, each) / 100 for each in ("open", "high", "low", "close")}
    return Table({"time": moments(bars.start), **prices, "volume": bars.volume.astype(np.int64)}, str(name))
