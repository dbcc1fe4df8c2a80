"""The instrument master: read the brokers' files, merge them into one table, look things up in it."""

from saudagar.market.master.dhan import read_dhan
from saudagar.market.master.kite import read_kite
from saudagar.market.master.master import Conflict, Master
from saudagar.market.master.merge import merge
from saudagar.market.master.rows import Reading, contract_symbol
from saudagar.market.master.upstox import read_upstox

__all__ = ["Conflict", "Master", "Reading", "contract_symbol", "merge", "read_dhan", "read_kite", "read_upstox"]
