"""The tokens that `saudagar login` got, kept on disk where nobody else reads, with the hour at which they end.

One file per broker, mode 0600 in a folder 0700, replaced as a whole. With the `keyring` package installed and wished
for, the token itself lies in the desktop's keyring and the file says so. Read by `config.secrets`, which prefers the
environment.
"""

from __future__ import annotations

import importlib
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from saudagar.model import Nanos
from saudagar.model.errors import ConfigError, DataError

BROKERS = ("dhan", "upstox", "kite")
_SERVICE = "saudagar"  # in the keyring


class StoredToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One broker's token as the store keeps it. Times in UTC ns.

    `key` is what the token goes with: Dhan's client id, Kite's API key.
    """

    token: str
    expires: Nanos
    obtained: Nanos
    key: str = ""
    keyring: bool = False  # then `token` is empty in the file

    def __repr__(self) -> str:
        return f"StoredToken(token='•••', expires={self.expires}, obtained={self.obtained})"

    def good(self, now: Nanos) -> bool:
        """Whether it is before its end."""
        return now < self.expires


def store_of(environ: Mapping[str, str]) -> TokenStore | None:
    """The store of this user: ``$SAUDAGAR_TOKENS``, or `saudagar/tokens` in the XDG state folder; None without a home.

    Two accounts at one broker are two stores.
    """
    if environ.get("SAUDAGAR_TOKENS"):
        return TokenStore(Path(environ["SAUDAGAR_TOKENS"]).expanduser())
    state = environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(state):  # the XDG base directory specification: others are to be ignored
        return TokenStore(Path(state) / "saudagar" / "tokens")
    home = environ.get("HOME", "")
    return TokenStore(Path(home) / ".local" / "state" / "saudagar" / "tokens") if home else None


class TokenStore:
    """A folder of tokens."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, broker: str) -> Path:
        """The file of `broker`; its change is how a running desk learns of a new log-in."""
        if broker not in BROKERS:
            raise ConfigError(f"expected one of {', '.join(BROKERS)}, got {broker!r}.")
        return self.directory / f"{broker}.json"

    def save(self, broker: str, token: StoredToken) -> Path:
        """Put `token` in the place of an earlier one, whole or not at all.

        Raises
        ------
        ConfigError
            If the folder cannot be written, is open to others, or a keyring is wished for and there is none.
        """
        path = self.path(broker)
        if token.keyring:
            _keyring().set_password(_SERVICE, broker, token.token)
            token = msgspec.structs.replace(token, token="")
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            if stat.S_IMODE(self.directory.stat().st_mode) & 0o022:
                raise ConfigError(
                    f"others can write to {self.directory}; no token was stored.",
                    hint=f"Run: chmod 700 {self.directory}",
                )
            _replace(path, msgspec.json.encode(token))
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror or error}.") from None
        return path

    def load(self, broker: str) -> StoredToken | None:
        """The token of `broker`, expired or not; None if there is none.

        Raises
        ------
        ConfigError
            If others can read the file; it is not used.
        DataError
            If it makes no sense.
        """
        path = self.path(broker)
        try:
            with path.open("rb") as file:  # checked and read through one handle
                about = os.fstat(file.fileno())
                if stat.S_IMODE(about.st_mode) & 0o077 or about.st_uid != os.geteuid():
                    raise ConfigError(
                        f"{path}: others on this machine can read it; it was not used.", hint=f"Run: chmod 600 {path}"
                    )
                data = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror or error}.") from None
        return self._decode(broker, path, data)

    def _decode(self, broker: str, path: Path, data: bytes) -> StoredToken | None:
        try:
            token = msgspec.json.decode(data, type=StoredToken)
        except msgspec.DecodeError:
            token = None
        if token is None or not (token.token or token.keyring):
            raise DataError(f"{path} is damaged; it was not used.", hint=f"Run: saudagar login {broker}")
        if token.keyring:
            kept = _keyring().get_password(_SERVICE, broker)
            return msgspec.structs.replace(token, token=kept) if kept else None
        return token

    def forget(self, broker: str) -> bool:
        """Remove the token of `broker`; whether there was one."""
        path = self.path(broker)
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=StoredToken)
            if kept.keyring:
                _keyring().delete_password(_SERVICE, broker)
        except (OSError, msgspec.DecodeError, ConfigError):
            pass  # what cannot be read is removed all the same
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise ConfigError(f"cannot remove {path}: {error.strerror or error}.") from None
        return True


def _keyring() -> Any:
    try:
        return importlib.import_module("keyring")
    except ImportError:
        raise ConfigError("the keyring package is not installed.", hint="Install it, or leave out --keyring.") from None


def _replace(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # made with mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
