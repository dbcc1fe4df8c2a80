"""From the Python values of a notebook's call to what the command line would be told: strategy, options, bars."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypedDict

from saudagar.app.research_setup import Asked, parametrised
from saudagar.backtest.run import Driver
from saudagar.model import Product, TradeSide
from saudagar.model.errors import ConfigError
from saudagar.notebook.bars import Data
from saudagar.notebook.sources import Day, Wanted, read, ticks_of
from saudagar.strategies import Strategy, load

AnyStrategy: TypeAlias = str | Strategy | type[Strategy]
"""A built-in name, ``FILE.py`` or ``FILE.py:ClassName``; a strategy with its parameters; or its class."""

AnyData: TypeAlias = Any
"""What `data` reads."""


class Options(TypedDict, total=False):
    """What `backtest` and `sweep` may be told, as on the command line. Money in rupees."""

    capital: int
    leverage: float | None
    risk: str | float | None
    value: str | float | None
    quantity: int | None
    lots: int | None
    stop: str | None
    target: str | None
    trail: str | None
    side: str
    square_off: str
    product: str
    flat_cost: float | None
    plan: str
    slippage: int | str
    fill: str
    queue: float | None
    rest: int | None
    participation: float
    interval: str
    symbol: str
    first: Day
    last: Day
    directory: str | Path
    masters: str | Path


_READING = ("interval", "symbol", "first", "last", "directory", "masters")
_ENUMS: dict[str, type[TradeSide] | type[Product]] = {"side": TradeSide, "product": Product}
_TEXTS = ("risk", "value", "stop", "target", "trail", "slippage")


def wanted_of(options: Mapping[str, Any]) -> Wanted:
    """How to read a source."""
    given = {name: options[name] for name in _READING if name in options}
    return Wanted(**given | {name: Path(given[name]) for name in ("directory", "masters") if name in given})


def asked_bars(options: Options, source: AnyData) -> tuple[Asked, Data]:
    """What is asked, and the bars of `source`."""
    known = read(source, wanted_of(options))
    given = _plain(options)
    if given.get("detail") is not None:
        known = known.along(read(given["detail"], wanted_of(options | {"interval": ""})))
        given["detail"] = known.detail
    return Asked(strategy="", interval=known.interval, synthetic=known.seed, **given), known


def asked_ticks(options: Options, source: AnyData, driver: Driver) -> tuple[Asked, list[Path]]:
    """What is asked, and where the ticks of `source` are, as `prepare_ticks` takes them."""
    if driver == "kernel":
        raise ConfigError("ticks are traded by the desk's engine, not by the kernel.")
    wanted, (symbols, files) = wanted_of(options), ticks_of(source)
    first, last = wanted.days
    asked = Asked(
        strategy="",
        instruments=symbols or wanted.symbol,
        interval=wanted.interval or "1m",
        first=first,
        last=last,
        directory=wanted.directory,
        masters=wanted.masters,
        **_plain(options),
    )
    return asked, files


def _plain(options: Options) -> dict[str, Any]:
    """Of `Asked`, what does not tell how to read."""
    given: dict[str, Any] = {name: value for name, value in options.items() if name not in _READING}
    if unknown := [name for name in given if name not in Asked.__struct_fields__]:
        raise TypeError(f"there is no option {', '.join(unknown)}; options: {', '.join(Options.__annotations__)}.")
    for name, kind in _ENUMS.items():
        if name in given:
            given[name] = _named(kind, name, given[name])
    return given | {name: str(given[name]) for name in _TEXTS if given.get(name) is not None}


def _named(kind: type[TradeSide] | type[Product], option: str, value: str) -> TradeSide | Product:
    try:
        return kind(str(value).upper())
    except ValueError:
        allowed = ", ".join(each.lower() for each in kind)
        raise ConfigError(f"{option} is one of {allowed}, got {value!r}.") from None


def strategy_of(given: AnyStrategy, params: Mapping[str, Any] | None) -> Strategy:
    """A strategy with its parameters. Raises `ConfigError` if it is none."""
    if isinstance(given, Strategy):
        if not params:
            return given
        return parametrised(
            type(given), {name: getattr(given, name) for name in type(given).model_fields} | dict(params)
        )
    kind = load(given) if isinstance(given, str) else given
    if not (isinstance(kind, type) and issubclass(kind, Strategy)):
        raise ConfigError(f"a strategy is a name, a file, a Strategy or its class; got {type(given).__name__}.")
    return parametrised(kind, params or {})
