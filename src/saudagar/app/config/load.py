"""Reads a configuration file into a `DeskConfig`, or says everything that is wrong with it at once."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from saudagar.app.config.checks import Draft, check
from saudagar.app.config.desk import AccountConfig, DeskConfig, StrategyConfig
from saudagar.app.config.lines import Path as KeyPath
from saudagar.app.config.lines import key_lines
from saudagar.app.config.mistakes import Mistakes
from saudagar.app.config.secrets import Secrets, read_secrets
from saudagar.app.config.sections import SECTIONS, AccountSection, SessionSection, StrategySection
from saudagar.app.errors import ConfigProblems, Problem
from saudagar.model import DAY, interval_ns
from saudagar.model.errors import ConfigError
from saudagar.strategies import Strategy
from saudagar.strategies import load as load_strategy

_Model = TypeVar("_Model", bound=BaseModel)
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,19}")
_TAKEN = ("manual", "hand")  # what people ask of the desk, what they do behind its back
_NAMED = ("strategies", "accounts")
_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)")


def load(path: Path, environ: Mapping[str, str], *, attached: bool = False) -> DeskConfig:
    """The configuration in the file at `path`.

    Parameters
    ----------
    environ
        Where secrets are looked for first; `os.environ` in a running desk.
    attached
        Whether the simulated market already runs elsewhere: what it lists is not looked up.

    Raises
    ------
    ConfigError
        With every mistake that was found, as ``FILE:LINE: KEY = VALUE: what is allowed``.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigProblems([Problem(file=str(path), message=f"cannot be read: {reason}.")]) from None
    except UnicodeDecodeError:
        raise ConfigProblems([Problem(file=str(path), message="is no UTF-8 text.")]) from None
    return parse(text, path, environ, attached=attached)


def parse(text: str, path: Path, environ: Mapping[str, str], *, attached: bool = False) -> DeskConfig:
    """The configuration in `text`, which stands (or could stand) at `path`. Raises as `load` does."""
    mistakes = _read(text, str(path))
    base = path.parent
    draft = Draft(base=base, secrets=Secrets(), attached=attached)
    _check_tables(mistakes)
    for name, model in SECTIONS.items():
        section = _validate(model, mistakes.data.get(name, {}), (name,), mistakes)
        if section is not None:
            draft.sections[name] = section
    _read_secrets(draft, mistakes, environ)
    _read_accounts(draft, mistakes)
    _read_strategies(draft, mistakes)
    _settle(draft)
    check(draft, mistakes)
    if mistakes.found:
        raise ConfigProblems(mistakes.found)
    sections = {name: section for name, section in draft.sections.items() if name != "secrets"}
    return DeskConfig(
        **sections, strategies=draft.strategies, secrets=draft.secrets, base=base, accounts=draft.accounts
    )


def _settle(draft: Draft) -> None:
    """Fill in the one default that depends on the strategies: entries of daily bars begin with the session."""
    session: SessionSection | None = draft.sections.get("session")
    daily = any(strategy.interval == DAY for strategy in draft.strategies.values())
    if daily and session is not None and "no_entry_before" not in session.model_fields_set:
        draft.sections["session"] = session.model_copy(update={"no_entry_before": None})


def _read(text: str, file: str) -> Mistakes:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _AT_LINE.search(str(error))
        line = int(place[1]) if place else text.count("\n") + 1
        message = f"this is no TOML: {_AT_LINE.sub('', str(error))}."
        raise ConfigProblems([Problem(file=file, line=line, message=message)]) from None
    except RecursionError:
        raise ConfigProblems([Problem(file=file, message="is nested too deeply.")]) from None
    return Mistakes(file, data, key_lines(text))


def _check_tables(mistakes: Mistakes) -> None:
    for name in mistakes.data:
        if name not in SECTIONS and name not in _NAMED:
            mistakes.unknown((name,), [*SECTIONS, *_NAMED])


def _validate(model: type[_Model], data: Any, path: KeyPath, mistakes: Mistakes, strict: bool = False) -> _Model | None:
    """`data` as a `model`. It goes by way of JSON, where strictness still lets text name an enum or a date."""
    try:
        return model.model_validate_json(json.dumps(data, default=str), strict=strict or None)
    except ValidationError as error:
        mistakes.invalid(model, error, path)
        return None


def _read_secrets(draft: Draft, mistakes: Mistakes, environ: Mapping[str, str]) -> None:
    table = mistakes.data.get("secrets", {})
    name = table.get("file", "") if isinstance(table, dict) else ""
    file = draft.base / Path(name).expanduser() if isinstance(name, str) and name else None
    draft.secrets, problems = read_secrets(environ, file)
    mistakes.found += problems
    if problems:
        draft.sections.pop("secrets", None)  # so that a secret is not called missing as well


def _read_accounts(draft: Draft, mistakes: Mistakes) -> None:
    tables = mistakes.data.get("accounts", {})
    if not isinstance(tables, dict):
        mistakes.add(("accounts",), "expected tables [accounts.NAME]")
        return
    for name, table in tables.items():
        path: KeyPath = ("accounts", name)
        if not isinstance(table, dict) or not _NAME.fullmatch(name):
            mistakes.add(path, "expected a table [accounts.NAME], its name up to 20 of a–z, 0–9, _ and -")
            continue
        section = _validate(AccountSection, table, path, mistakes)
        if section is None:
            continue
        secrets, file = draft.secrets, None
        if section.secrets:
            file = draft.base / Path(section.secrets).expanduser()
            secrets, problems = read_secrets({}, file)
            mistakes.found += problems
        draft.accounts[name] = AccountConfig(name=name, broker=section.broker, secrets=secrets, file=file)


def _read_strategies(draft: Draft, mistakes: Mistakes) -> None:
    tables = mistakes.data.get("strategies", {})
    if not isinstance(tables, dict):
        mistakes.add(("strategies",), "expected tables [strategies.NAME]")
    elif not tables:
        mistakes.add(("strategies",), "there is none; a desk needs at least one [strategies.NAME]")
    else:
        for name, table in tables.items():
            strategy = _strategy(name, table, draft.base, mistakes)
            if strategy is not None:
                draft.strategies[name] = strategy


def _strategy(name: str, table: Any, base: Path, mistakes: Mistakes) -> StrategyConfig | None:
    path: KeyPath = ("strategies", name)
    if not isinstance(table, dict):
        near = get_close_matches(name, StrategySection.model_fields, n=1)
        hint = "Write [strategies.NAME] above its keys." if near else ""
        mistakes.add(path, "expected a table [strategies.NAME]", hint)
        return None
    if not _NAME.fullmatch(name) or name in _TAKEN:
        mistakes.add(path, "expected a name of up to 20 of a–z, 0–9, _ and -, beginning with a letter; not manual")
    section = _validate(StrategySection, table, path, mistakes)
    logic = _logic(table, path, base, mistakes)
    if section is None or logic is None:
        return None
    return StrategyConfig(
        name=name,
        kind=section.kind,
        strategy=logic,
        instruments=section.instruments,
        interval=interval_ns(section.interval),
        side=section.side,
        size=section.size,
        exits=section.exits,
        account=section.account,
    )


def _logic(table: dict[str, Any], path: KeyPath, base: Path, mistakes: Mistakes) -> Strategy | None:
    """The strategy itself; looked at even if the rest of its table is wrong, so that all mistakes come at once."""
    kind, params = table.get("kind"), table.get("params", {})
    if not (isinstance(kind, str) and kind and isinstance(params, dict)):
        return None  # the section's own check has said so
    try:
        model = load_strategy(kind, base)
    except ConfigError as error:
        mistakes.add((*path, "kind"), error.message, error.hint)
        return None
    return _validate(model, params, (*path, "params"), mistakes, strict=True)
