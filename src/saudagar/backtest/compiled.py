"""The door to Numba: an optional package (extra ``research``), loaded only when a kernel is wanted."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from importlib import import_module
from inspect import Parameter, Signature
from math import isfinite
from typing import Any, TypeVar, cast

from saudagar.model.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])


def fma(a: float, b: float, c: float) -> float:
    """``a * b + c``, rounded once: one instruction inside kernels."""
    if not (isfinite(a) and isfinite(b) and isfinite(c)):
        return a * b + c
    return float(Fraction(a) * Fraction(b) + Fraction(c))


@cache
def numba() -> Any:
    """The package, with `fma` made known to it.

    Raises
    ------
    ConfigError
        It is not installed.
    """
    try:
        import numba as package
        from numba.core import types
        from numba.extending import intrinsic, overload
    except ImportError:
        raise ConfigError(
            "the compiled driver needs Numba, which is not installed.",
            hint='pip install "saudagar[research]", or use the engine driver.',
        ) from None

    def instruction(context: Any, a: Any, b: Any, c: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.fma(*values)

        return types.float64(types.float64, types.float64, types.float64), code

    single: Any = intrinsic(instruction)

    def inside(a: Any, b: Any, c: Any) -> Any:
        def fused(a: Any, b: Any, c: Any) -> Any:
            return single(a, b, c)

        return fused

    overload(fma)(inside)
    return package


def compiled(function: F) -> F:
    """`function` for use inside kernels, put into its callers whole: an array is seven arguments of a call.

    Division is Python's for whole numbers (rounds down) and never raises. Arrays are not counted (`_nrt`), which costs
    more than most of these functions do; so nothing here may make or keep one.
    """
    result: F = numba().njit(nogil=True, error_model="numpy", _nrt=False, forceinline=True)(function)
    return result


def apart(function: F) -> F:
    """The same for large functions, which are called."""
    result: F = numba().njit(nogil=True, error_model="numpy", _nrt=False)(function)
    return result


def kept_as(signature: str) -> Callable[[F], F]:
    """The same as `kept` for one signature: without it every constant among the arguments would be compiled anew."""
    made: Callable[[F], F] = numba().njit(signature, nogil=True, error_model="numpy", cache=True)
    return made


def by_address(function: F, name: str) -> F:
    """`function`, which is `kept_as` one signature, for kernels that shall not contain it: they call where it lies.

    Otherwise each of them would optimise its code again, which takes as long as all the rest of it. `name` is
    the same in every process, since kernels are kept with it.
    """
    made: Any = function
    if not hasattr(made, "overloads"):  # plain Python: Numba is told to compile nothing
        return function
    from numba.extending import intrinsic

    llvm, cgutils = import_module("llvmlite.binding"), import_module("numba.core.cgutils")  # which have no types
    (code,) = made.overloads.values()
    told = code.fndesc
    llvm.add_symbol(name, code.library.get_pointer_to_function(told.llvm_func_name))

    def call(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = context.call_conv.get_function_type(told.restype, told.argtypes)
        there = cgutils.get_or_insert_function(builder.module, kind, name)
        status, _ = context.call_conv.call_function(builder, there, told.restype, told.argtypes, values)
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return context.get_dummy_value()

    def typed(context: Any, *arguments: Any) -> Any:
        return code.signature, call

    names = ["context", *(f"a{place}" for place in range(len(code.signature.args)))]
    signature = Signature([Parameter(each, Parameter.POSITIONAL_OR_KEYWORD) for each in names])
    typed.__dict__["__signature__"] = signature  # Numba calls by it, and takes no `*arguments`
    found: Any = intrinsic(typed)
    return cast(F, found)


def kept(function: F) -> F:
    """A whole kernel, whose machine code is kept on disk beside its source."""
    result: F = numba().njit(nogil=True, error_model="numpy", cache=True)(function)
    return result
