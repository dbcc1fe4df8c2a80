"""Lets a package be called like the function of the notebook that has its name: ``saudagar.backtest(…)``.

`saudagar.backtest` is a room of the project and the first thing a notebook calls. Importing the room puts it into the
name, whatever stood there; so the room itself answers the call.
"""

from __future__ import annotations

import sys
from importlib import import_module
from inspect import Signature, signature
from types import ModuleType
from typing import Any


class _CallableRoom(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _function(self)(*args, **kwargs)

    @property
    def __signature__(self) -> Signature:
        return signature(_function(self))


def make_callable(package: str) -> None:
    """Let the package of this name, like ``saudagar.backtest``, be called."""
    sys.modules[package].__class__ = _CallableRoom


def _function(room: ModuleType) -> Any:
    return getattr(import_module("saudagar.notebook"), room.__name__.rpartition(".")[2])
