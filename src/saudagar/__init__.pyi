# What type checkers see: two of these names are packages as well, which can be called.
from saudagar.notebook import backtest as backtest
from saudagar.notebook import compare as compare
from saudagar.notebook import data as data
from saudagar.notebook import report as report
from saudagar.notebook import strategies as strategies
from saudagar.notebook import sweep as sweep
from saudagar.notebook import synthetic as synthetic

__version__: str
