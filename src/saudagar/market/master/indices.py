"""One name for each index. The brokers' names differ in case, blanks and, for some, altogether.

Squeezing a name to capitals and digits makes most of them equal (``Nifty Auto``, ``NIFTY AUTO``); the table holds
the rest. Taken from the brokers' files of June and August 2026. Called by the readers and by `Master.resolve`.
"""

from __future__ import annotations

import re

_OURS: dict[str, str] = {
    # the ones that derivatives are written on: our name is the exchange's derivative symbol
    "NIFTY50": "NIFTY",
    "NIFTYBANK": "BANKNIFTY",
    "NIFTYFINSERVICE": "FINNIFTY",
    "NIFTYFINANCIALSERVICES": "FINNIFTY",
    "NIFTYMIDSELECT": "MIDCPNIFTY",
    "NIFTYMIDCAPSELECT": "MIDCPNIFTY",
    "NIFTYNEXT50": "NIFTYNXT50",
    "NIFTYFPI150": "NIFTYFPI",
    "SNSX50": "SENSEX50",
    "BSESENSEX": "SENSEX",
    "BSEBANKEX": "BANKEX",
    # written out by Dhan, shortened by the exchange
    "NIFTY100EQUALWEIGHT": "NIFTY100EQLWGT",
    "NIFTY100LOWVOLATILITY30": "NIFTY100LOWVOL30",
    "NIFTYMCAP50": "NIFTYMIDCAP50",
    "NIFTYMID100FREE": "NIFTYMIDCAP100",
    "NIFTYMIDSMALLCAP400": "NIFTYMIDSML400",
    "NIFTYSMALLCAP50": "NIFTYSMLCAP50",
    "NIFTYSMALLCAP100": "NIFTYSMLCAP100",
    "NIFTYSMALLCAP250": "NIFTYSMLCAP250",
}

_NOISE = re.compile(r"[^A-Z0-9]+")


def index_symbol(name: str) -> str:
    """Our symbol of the index that a broker calls `name`; empty if the name holds no letter or digit."""
    squeezed = _NOISE.sub("", name.upper())
    return _OURS.get(squeezed, squeezed)
