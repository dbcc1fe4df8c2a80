"""The options that `saudagar backtest` and `saudagar sweep` share stand on both command lines, and mean one thing."""

from __future__ import annotations

import inspect

from saudagar.app.research_commands import backtest, sweep
from saudagar.app.research_setup import Asked


def test_what_can_be_asked_of_a_backtest_can_be_asked_of_a_sweep_in_the_same_words() -> None:
    one, many = (inspect.signature(command).parameters for command in (backtest, sweep))
    for name in Asked.__struct_fields__:
        assert (one[name].annotation, one[name].default) == (many[name].annotation, many[name].default), name
    assert next(iter(one)) == "strategy"
    assert list(many)[:2] == ["strategy", "grid"], "what must be given comes first"
    assert set(one) - set(Asked.__struct_fields__) == {"driver", "ticks", "html", "json"}
