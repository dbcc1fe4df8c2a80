"""What a broker holds of an instrument, out of its two books: shares of earlier days, and positions of today.

A share bought for delivery is a position until the evening and a holding from the next morning on; sold again, it is a
negative position beside the holding. Only the sum says what is there, and of a share on two exchanges only the sum over
both: what is bought on one may be sold on the other. The engine compares it with its own book
(`engine.reconciliation`), and ``saudagar desk accept`` shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from saudagar.model import BrokerPosition, Holding, InstrumentId, Product


class Held:
    """The broker's books of one product.

    Parameters
    ----------
    holdings
        Counted for delivery only. A broker names a share of both exchanges on one of them: it is found by its ISIN.
    isin
        Of an instrument, by today's master; empty where it has none.
    ours
        Signed units that the desk believes in.

    Attributes
    ----------
    today
        Signed units of today's positions.
    """

    def __init__(
        self,
        product: Product,
        positions: Iterable[BrokerPosition],
        holdings: Iterable[Holding],
        isin: Callable[[InstrumentId], str],
        ours: Mapping[InstrumentId, int],
    ) -> None:
        self.today: dict[InstrumentId, int] = {}
        self._carried: dict[str, int] = {}  # by instrument
        self._beyond: dict[str, int] = {}  # by ISIN, for delivery: what is there more than `ours`, over all exchanges
        self._isin, self._ours = isin, ours
        for row in positions:
            if row.product is product:
                self.today[row.instrument] = self.today.get(row.instrument, 0) + row.quantity
        if product is Product.DELIVERY:
            self._add_up(holdings)

    def _add_up(self, holdings: Iterable[Holding]) -> None:
        for name in {*self.today, *self._ours}:
            _add(self._beyond, self._isin(name), self.today.get(name, 0) - self._ours.get(name, 0))
        for share in holdings:
            _add(self._carried, share.instrument, share.quantity)
            _add(self._beyond, share.isin or self._isin(share.instrument), share.quantity)

    def of(self, instrument: InstrumentId) -> int:
        """Signed units of `instrument`; where it trades elsewhere too, what `ours` there leaves of all there is."""
        isin = self._isin(instrument)
        if isin in self._beyond:
            return self._ours.get(instrument, 0) + self._beyond[isin]
        return self.today.get(instrument, 0) + self._carried.get(instrument, 0)


def _add(sums: dict[str, int], key: str, quantity: int) -> None:
    if key:
        sums[key] = sums.get(key, 0) + quantity


def agree(product: Product, ours: int, theirs: int) -> bool:
    """Whether a desk that believes in `ours` (signed units) may go on with `theirs` at the broker.

    For delivery the broker may hold more: shares lie in the account that were bought long ago, by hand, and are none of
    the desk's business. Where less is there than the desk believes, its exit would sell what does not exist.
    """
    return ours == theirs or (product is Product.DELIVERY and 0 <= ours < theirs)
