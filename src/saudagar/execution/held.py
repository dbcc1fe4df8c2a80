"""What a broker holds of an instrument, out of its two books: shares of earlier days, and positions of today.

A share bought for delivery is a position until the evening and a holding from the next morning on; sold again, it is a
negative position beside the holding. Only the sum says what is there. The engine compares it with its own book
(`engine.reconciliation`), and ``saudagar desk accept`` shows it.
"""

from __future__ import annotations

from collections.abc import Iterable

from saudagar.model import BrokerPosition, Holding, InstrumentId, Product


class Held:
    """The broker's books of one product.

    Parameters
    ----------
    holdings
        Counted for delivery only. A broker names a share of both exchanges on one of them: it is found by its ISIN.
    """

    def __init__(self, product: Product, positions: Iterable[BrokerPosition], holdings: Iterable[Holding] = ()) -> None:
        self.today: dict[InstrumentId, int] = {}  # signed units
        self._carried: dict[str, int] = {}  # by instrument, and by ISIN
        for row in positions:
            if row.product is product:
                self.today[row.instrument] = self.today.get(row.instrument, 0) + row.quantity
        for share in holdings if product is Product.DELIVERY else ():
            for key in filter(None, (share.instrument, share.isin)):
                self._carried[key] = self._carried.get(key, 0) + share.quantity

    def of(self, instrument: InstrumentId, isin: str = "") -> int:
        """Signed units of `instrument`, whose ISIN is `isin` where it is a share."""
        carried = self._carried.get(isin)
        if carried is None:
            carried = self._carried.get(instrument, 0)
        return self.today.get(instrument, 0) + carried


def agree(product: Product, ours: int, theirs: int) -> bool:
    """Whether a desk that believes in `ours` (signed units) may go on with `theirs` at the broker.

    For delivery the broker may hold more: shares lie in the account that were bought long ago, by hand, and are none of
    the desk's business. Where less is there than the desk believes, its exit would sell what does not exist.
    """
    return ours == theirs or (product is Product.DELIVERY and 0 <= ours < theirs)
