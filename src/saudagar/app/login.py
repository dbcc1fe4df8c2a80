"""``saudagar login``: get the day's token from a broker and keep it, show what is kept, log out.

Credentials come from the environment, from the file of ``[secrets]``, or are asked for without being shown; never
from the command line, where other users of the machine could read them.
"""

from __future__ import annotations

import os
import secrets
import sys
import webbrowser
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saudagar.app.errors import told
from saudagar.app.options import Json, SecretsFile
from saudagar.app.tokens import BROKERS, StoredToken, TokenStore, store_of
from saudagar.model import SECOND, Nanos
from saudagar.model.errors import AuthError, ConfigError, SaudagarError

if TYPE_CHECKING:
    from saudagar.brokers.login import Access, Grant


class Broker(StrEnum):
    DHAN = "dhan"
    UPSTOX = "upstox"
    KITE = "kite"


class Method(StrEnum):
    BROWSER = "browser"  # the broker's page
    PIN = "pin"  # Dhan: PIN and a time-based code
    TOKEN = "token"  # noqa: S105  # one that was got elsewhere


REDIRECT = "http://127.0.0.1:8722/saudagar"
"""Where the browser comes back to, unless told otherwise."""

Ask = Callable[[str], str]
"""Asks a person for something that is not shown while it is typed."""

CREDENTIALS: dict[str, dict[str, tuple[str, str]]] = {
    "dhan": {
        "client_id": ("SAUDAGAR_DHAN_CLIENT_ID", "Dhan client id"),
        "app_id": ("SAUDAGAR_DHAN_APP_ID", "Dhan app id (API key)"),
        "app_secret": ("SAUDAGAR_DHAN_APP_SECRET", "Dhan app secret"),
        "pin": ("SAUDAGAR_DHAN_PIN", "Dhan PIN"),
        "totp": ("SAUDAGAR_DHAN_TOTP", "six digits of your authenticator"),
    },
    "upstox": {
        "api_key": ("SAUDAGAR_UPSTOX_API_KEY", "Upstox API key"),
        "api_secret": ("SAUDAGAR_UPSTOX_API_SECRET", "Upstox API secret"),
    },
    "kite": {
        "api_key": ("SAUDAGAR_KITE_API_KEY", "Kite API key"),
        "api_secret": ("SAUDAGAR_KITE_API_SECRET", "Kite API secret"),
    },
}
"""What each broker wants: variable of the environment, and how a person is asked."""

_NEEDED: dict[tuple[str, Method], tuple[str, ...]] = {
    ("dhan", Method.BROWSER): ("client_id", "app_id", "app_secret"),
    ("dhan", Method.PIN): ("client_id", "pin", "totp"),
    ("dhan", Method.TOKEN): ("client_id",),
    ("upstox", Method.BROWSER): ("api_key", "api_secret"),
    ("upstox", Method.TOKEN): (),
    ("kite", Method.BROWSER): ("api_key", "api_secret"),
    ("kite", Method.TOKEN): ("api_key",),
}

ENDPOINTS: dict[str, dict[str, str]] = {}
"""Other addresses of a broker, for a simulated one: the keyword arguments of its `Access`."""

_TOKEN = {name: f"SAUDAGAR_{name.upper()}_TOKEN" for name in BROKERS}


def login(
    broker: Annotated[Broker | None, typer.Argument(help="Whom to log in at.", show_default=False)] = None,
    method: Annotated[
        Method | None, typer.Option(help="browser; pin (Dhan only, its default); token: one you already have.")
    ] = None,
    paste: Annotated[
        bool, typer.Option("--paste", help="Paste the address you are sent to; no port is opened.")
    ] = False,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page, or only print it.")] = True,
    redirect: Annotated[str, typer.Option(help="The redirect address registered with your app.")] = REDIRECT,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="How long to wait for the browser.")] = 180.0,
    file: SecretsFile = None,
    keyring: Annotated[bool, typer.Option("--keyring", help="Keep the token in the desktop's keyring.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Which tokens are kept, and until when; never a token.")] = False,
    logout: Annotated[bool, typer.Option("--logout", help="End the token at the broker and forget it.")] = False,
    as_json: Json = False,
) -> None:
    """Get a broker's token for the day.

    It is kept where only you can read it. A running desk takes the new token without a restart. Secrets are read from
    the environment or asked for.

    Exit codes: 0; 2 a wrong option or a file that others can read; 5 the broker refused.
    """
    with told(json=as_json):
        from saudagar.engine.clock import wall_clock

        store = store_of(os.environ)
        if store is None:
            raise ConfigError("there is no place for tokens: HOME is not set.", hint="Set SAUDAGAR_TOKENS to a folder.")
        if show:
            _say(shown(store, os.environ, wall_clock(), [broker] if broker else BROKERS), as_json)
            return
        if broker is None:
            raise ConfigError("no broker was named.", hint=f"saudagar login {'|'.join(BROKERS)}")
        given = _given(file)
        if logout:
            _say([end(broker, store, given, wall_clock)], as_json)
            return
        method = method or (Method.PIN if broker is Broker.DHAN else Method.BROWSER)
        ask = _ask_hidden
        access = access_for(broker, method, given, ask, wall_clock)
        if method is Method.PIN:
            grant = with_pin(access, given, ask)
        elif method is Method.TOKEN:
            grant = access.adopt(ask(f"{broker} access token").strip())
        else:
            grant = with_browser(access, redirect, seconds=seconds, paste=paste, open_browser=open_browser, ask=ask)
        keep(store, broker, grant, wall_clock(), keyring=keyring)
        _say(shown(store, os.environ, wall_clock(), [broker]), as_json)


def access_for(broker: str, method: Method, given: Mapping[str, str], ask: Ask, clock: Callable[[], Nanos]) -> Access:
    """The door of `broker`, with the credentials that `method` needs; what `given` lacks is asked for.

    Raises
    ------
    ConfigError
        If the broker has no such method, or nobody is there to be asked.
    """
    if (broker, method) not in _NEEDED:
        known = ", ".join(method for name, method in _NEEDED if name == broker)
        raise ConfigError(f"{broker} knows no log-in by {method}; choose one of {known}.")
    fields = [field for field in _NEEDED[broker, method] if field not in ("pin", "totp")]
    return _access(broker, {field: _credential(broker, field, given, ask) for field in fields}, clock)


def _access(broker: str, credentials: dict[str, str], clock: Callable[[], Nanos]) -> Access:
    from saudagar.brokers.dhan.login import DhanAccess
    from saudagar.brokers.kite.login import KiteAccess
    from saudagar.brokers.upstox.login import UpstoxAccess

    made: dict[str, Callable[..., Access]] = {"dhan": DhanAccess, "upstox": UpstoxAccess, "kite": KiteAccess}
    return made[broker](clock=clock, **credentials, **ENDPOINTS.get(broker, {}))


def _credential(broker: str, field: str, given: Mapping[str, str], ask: Ask) -> str:
    name, words = CREDENTIALS[broker][field]
    return given.get(name) or ask(words).strip()


def with_pin(access: Access, given: Mapping[str, str], ask: Ask) -> Grant:
    """Dhan's PIN and time-based code."""
    from saudagar.brokers.dhan.login import DhanAccess

    assert isinstance(access, DhanAccess), "only Dhan has a PIN"
    return access.with_pin(_credential("dhan", "pin", given, ask), _credential("dhan", "totp", given, ask))


def with_browser(access: Access, redirect: str, *, seconds: float, paste: bool, open_browser: bool, ask: Ask) -> Grant:
    """The broker's page, then the code that its redirect brings, caught on loopback or pasted."""
    from saudagar.app.login_redirect import Redirect, pasted

    state = secrets.token_urlsafe(24)
    expected = "" if access.name == "dhan" else state  # Dhan returns none
    if paste:
        _point_to(access.page(redirect, state), open_browser)
        text = ask("the address of the page you were sent to, or its code")
        return access.redeem(pasted(text, access.code, expected), redirect)
    with Redirect(redirect, access.code, expected) as catcher:
        _point_to(access.page(redirect, state), open_browser)
        code = catcher.wait(seconds)
    return access.redeem(code, redirect)


def keep(store: TokenStore, broker: str, grant: Grant, now: Nanos, *, keyring: bool = False) -> Path:
    """Store what a broker granted."""
    if grant.expires <= now:
        raise AuthError(f"the token of {broker} has already ended; it was not kept.", hint="Get a new one.")
    token = StoredToken(token=grant.token, expires=grant.expires, obtained=now, key=grant.key, keyring=keyring)
    return store.save(broker, token)


def end(broker: str, store: TokenStore, given: Mapping[str, str], clock: Callable[[], Nanos]) -> dict[str, Any]:
    """Log out at `broker` if it will, and forget the token in any case."""
    try:
        stored = store.load(broker)
    except SaudagarError:
        stored = None
    ended, trouble = False, ""
    if stored is not None and stored.good(clock()):
        key = {"dhan": {"client_id": stored.key}, "kite": {"api_key": stored.key}}.get(broker, {})
        try:
            ended = _access(broker, key, clock).end(stored.token)
        except SaudagarError as error:
            trouble = str(error)
    return {"broker": broker, "forgotten": store.forget(broker), "ended_at_broker": ended, "trouble": trouble}


def shown(store: TokenStore, environ: Mapping[str, str], now: Nanos, brokers: Any = BROKERS) -> list[dict[str, Any]]:
    """What is kept for each of `brokers`, without the tokens. Times are IST."""
    from saudagar.market.ist import ist

    rows: list[dict[str, Any]] = []
    for broker in map(str, brokers):
        row: dict[str, Any] = {"broker": broker, "state": "none", "expires": None, "path": str(store.path(broker))}
        try:
            stored = store.load(broker)
            if stored is not None:
                row |= {"state": "good" if stored.good(now) else "expired"}
                row |= {"expires": ist(stored.expires).isoformat(), "seconds_left": (stored.expires - now) // SECOND}
        except SaudagarError as error:
            row |= {"state": "unusable", "problem": str(error)}
        if environ.get(_TOKEN[broker]):
            row["overridden_by"] = _TOKEN[broker]
        rows.append(row)
    return rows


def _given(file: Path | None) -> dict[str, str]:
    from saudagar.app.config.secrets import read_given
    from saudagar.app.errors import ConfigProblems

    given, problems = read_given(os.environ, file)
    if problems:
        raise ConfigProblems(problems)
    return given


def _point_to(page: str, open_browser: bool) -> None:
    typer.echo(f"Log in here:\n  {page}", err=True)
    if open_browser:
        webbrowser.open(page)


def _ask_hidden(words: str) -> str:
    if not sys.stdin.isatty():
        raise ConfigError(
            f"{words}: nobody is there to be asked.",
            hint="Run this in a terminal, or set it in the environment: see .env.example.",
        )
    answer: str = typer.prompt(words[0].upper() + words[1:], hide_input=True, err=True)
    return answer


def _say(rows: list[dict[str, Any]], as_json: bool) -> None:
    import msgspec

    for row in rows:
        typer.echo(msgspec.json.encode(row).decode() if as_json else _line(row))


def _line(row: dict[str, Any]) -> str:
    if "forgotten" in row:
        kept = "its token was forgotten" if row["forgotten"] else "there was no token"
        at_broker = ", and ended at the broker" if row["ended_at_broker"] else ""
        return f"{row['broker']}: {kept}{at_broker}. {row['trouble']}".rstrip()
    words = {
        "none": f"no token. Run: saudagar login {row['broker']}",
        "unusable": str(row.get("problem", "")),
        "expired": f"the token ended at {row['expires']}. Run: saudagar login {row['broker']}",
        "good": f"a token, good until {row['expires']}",
    }[row["state"]]
    over = f"; but {row['overridden_by']} is set and wins over it" if "overridden_by" in row else ""
    return f"{row['broker']}: {words}{over}"
