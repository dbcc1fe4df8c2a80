"""The door to Numba: an optional package (extra ``research``), loaded only when a kernel is wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from saudagar.model.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])


def _numba() -> Any:
    try:
        import numba
    except ImportError:
        raise ConfigError(
            "the compiled driver needs Numba, which is not installed.",
            hint='pip install "saudagar[research]", or use the engine driver.',
        ) from None
    return numba


def compiled(function: F) -> F:
    """`function` for use inside kernels; plain Python where no kernel calls it.

    Division is Python's for whole numbers (rounds down) and never raises.
    """
    result: F = _numba().njit(nogil=True, error_model="numpy", _nrt=False)(function)
    return result


def kept(function: F) -> F:
    """A whole kernel, whose machine code is kept on disk beside its source."""
    result: F = _numba().njit(nogil=True, error_model="numpy", cache=True)(function)
    return result
