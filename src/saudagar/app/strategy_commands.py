"""``saudagar strategy``: what strategies there are, a new one from a pattern, and a hard look at one of them."""

from __future__ import annotations

import json as json_
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saudagar.app.errors import told
from saudagar.app.options import CATALOG, Assignments, Catalog, Json

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from saudagar.research.sample import Sample
    from saudagar.research.strategy_check import Finding
    from saudagar.strategies import Strategy

app = typer.Typer(no_args_is_help=True, help="List, begin and check strategies.")

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_NEW = '''"""{title}: write here what it trades on, and why that should pay."""

from pydantic import Field

from saudagar.indicators import BarFields, crosses_above, crosses_below, ema, rsi
from saudagar.strategies import Signals, Strategy


class {name}(Strategy):
    """Long when RSI recovers in an uptrend; out when the close falls below its long average."""

    trend: int = Field(50, ge=5, le=500, description="bars of the trend's average")
    low: float = Field(40.0, gt=0, lt=100, description="RSI that counts as a pullback")

    def signals(self, bar: BarFields) -> Signals:
        average, strength = ema(bar.close, self.trend), rsi(bar.close, 14)
        return Signals(
            long=(bar.close > average) & crosses_above(strength, self.low),
            exit_long=crosses_below(bar.close, average),
        )
'''


@app.command("list")
def list_(as_json: Json = False) -> None:
    """The built-in strategies, with their parameters.

    Exit codes: 0.
    """
    from saudagar.strategies import BUILT_IN, load

    rows = [_described(name, load(name)) for name in BUILT_IN]
    if as_json:
        typer.echo(json_.dumps(rows, ensure_ascii=False))
        return
    from saudagar.app.columns import terminal_room, wrapped

    room = terminal_room()
    for row in rows:
        lines = [row["name"], *wrapped("", row["about"], room, indent=2)]
        for each in row["parameters"]:
            lines += wrapped(f"{each['name']} = {each['default']}  ", each["about"], room, indent=4)
        typer.echo("\n".join(lines))


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Like gap_fade: small letters, digits and underscores.")],
    like: Annotated[str, typer.Option(help="Begin from this built-in strategy; `list` names them.")] = "",
    directory: Annotated[Path, typer.Option("--directory", "-d", help="Where to write NAME.py.")] = Path(),
) -> None:
    """Write NAME.py, a strategy that runs as it is. An existing file is left alone.

    Exit codes: 0; 1 the file cannot be written; 2 a wrong name, or the file exists.
    """
    with told():
        from saudagar.model.errors import ConfigError, SaudagarError

        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!r} is no name for a strategy.", hint="Write one like gap_fade.")
        class_name = name.title().replace("_", "")
        text = _renamed(like, class_name) if like else _NEW.format(title=_words(name), name=class_name)
        path = directory / f"{name}.py"
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise ConfigError(f"{path} exists; it is left as it is.", hint="Choose another name.") from None
        except OSError as error:
            raise SaudagarError(f"{path} cannot be written: {error.strerror}.") from None
        typer.echo(f"{path} written. Look it over: saudagar strategy check {path}")


@app.command()
def check(
    strategy: Annotated[str, typer.Argument(help="FILE.py, FILE.py:ClassName, or a built-in name.", metavar="FILE")],
    assignments: Assignments = None,
    symbols: Annotated[
        list[str] | None,
        typer.Option("--symbol", metavar="SYMBOL", help="Bars of the catalog; default: ten made-up sessions."),
    ] = None,
    interval: Annotated[str, typer.Option("--interval", "-i", help="With --symbol: 1m, 5m, 15m …")] = "1m",
    catalog: Catalog = CATALOG,
    as_json: Json = False,
) -> None:
    """Look one over: look-ahead, chance, warm-up, noise, charges.

    Exit codes: 0 nothing failed; 1 a check failed; 2 a wrong parameter, or no such strategy; 3 no such bars.
    """
    with told(json=as_json):
        from saudagar.research.sample import catalog_sample, synthetic_sample
        from saudagar.research.strategy_check import Verdict, check_strategy
        from saudagar.strategies import load

        made = _made(load(strategy), assignments or [])
        sample = catalog_sample(catalog, symbols, interval) if symbols else synthetic_sample()
        findings = check_strategy(made, sample)
        typer.echo(_as_json(made, sample, findings) if as_json else _table(made, sample, findings))
        if any(finding.verdict is Verdict.FAILED for finding in findings):
            raise typer.Exit(1)


def _described(name: str, kind: type[Strategy]) -> dict[str, Any]:
    schema = kind.model_json_schema()
    parameters = [
        {"name": key, "default": field.get("default"), "about": field.get("description", "")}
        for key, field in schema.get("properties", {}).items()
    ]
    return {"name": name, "about": (kind.__doc__ or "").strip().split("\n")[0], "parameters": parameters}


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _renamed(like: str, class_name: str) -> str:
    """The source of a built-in strategy under another class name."""
    import inspect
    import sys

    from saudagar.model.errors import ConfigError
    from saudagar.strategies import BUILT_IN, load

    kind = load(like)
    if like not in BUILT_IN:
        raise ConfigError(f"{like!r} is not built in.", hint=f"Built-in: {', '.join(BUILT_IN)}.")
    source = inspect.getsource(sys.modules[kind.__module__])
    return re.sub(rf"\bclass {kind.__name__}\b", f"class {class_name}", source)


def _made(kind: type[Strategy], assignments: list[str]) -> Strategy:
    """The strategy with the parameters of the command line."""
    from pydantic import ValidationError

    from saudagar.model.errors import ConfigError

    given = dict(each.partition("=")[::2] for each in assignments)
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        problems = [_problem(kind, detail) for detail in error.errors(include_url=False)]
        raise ConfigError(f"{kind.__name__} cannot be made with these parameters.", problems) from None


def _problem(kind: type[Strategy], detail: ErrorDetails) -> str:
    """One of pydantic's errors in our words."""
    name = ".".join(map(str, detail["loc"]))
    if detail["type"] == "missing":
        return f"{name} is wanted: --set {name}=…"
    if detail["type"] == "extra_forbidden":
        return f"there is no parameter {name!r}; parameters are {', '.join(kind.model_fields)}."
    return f"{name}: {detail['msg']}, got {detail['input']!r}."


def _as_json(strategy: Strategy, sample: Sample, findings: list[Finding]) -> str:
    import msgspec

    shown = {
        "strategy": type(strategy).__name__,
        "parameters": strategy.model_dump(mode="json"),
        "instruments": list(sample.bars),
        "bars": sum(map(len, sample.bars.values())),
        "findings": findings,
    }
    return msgspec.json.encode(shown).decode()


def _table(strategy: Strategy, sample: Sample, findings: list[Finding]) -> str:
    import textwrap

    from saudagar.app.columns import terminal_room
    from saudagar.model import group_digits

    room = max(20, (terminal_room() or 112) - 24)
    parameters = ", ".join(f"{name}={value}" for name, value in strategy.model_dump().items())
    total = sum(map(len, sample.bars.values()))
    lines = [f"{type(strategy).__name__}({parameters}) on {group_digits(total)} bars of {', '.join(sample.bars)}"]
    for each in findings:
        first, *rest = textwrap.wrap(each.detail, room) or [""]
        lines.append(f"  {each.verdict.value:<4}  {each.check:<15} {first}")
        lines += [" " * 24 + line for line in rest]
    return "\n".join(lines)
