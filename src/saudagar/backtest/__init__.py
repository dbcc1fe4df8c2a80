"""Past data through the same engine that trades live. Called, it is `saudagar.notebook.backtest`."""

from saudagar.callable_room import make_callable

make_callable(__name__)
