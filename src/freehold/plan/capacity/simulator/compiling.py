"""The compiled core: the functions of the rooms below, handed to numba, an optional extra, when a simulation first runs.

They are written as plain functions so that nothing is imported or compiled before, and types are checked.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import FunctionType
from typing import Any, NamedTuple

from freehold.core.errors import BadSettings
from freehold.plan.capacity.simulator import batch, finishes, law, loop, memory, prefixes, routing, settling, timeline


class Core(NamedTuple):
    """What a simulation calls; signatures are those of the functions they were compiled from."""

    run: Callable[..., None]
    route: Callable[..., int]


@lru_cache(maxsize=1)
def compiled() -> Core:
    """The core as machine code, kept on disk between runs. Raises BadSettings without numba."""
    try:
        from numba import njit  # noqa: PLC0415  an optional extra
    except ModuleNotFoundError:
        raise BadSettings("simulating needs the extra: pip install 'freehold[simulate]'") from None
    made: dict[str, Any] = {}
    functions = [
        f for room in _ROOMS for f in vars(room).values() if isinstance(f, FunctionType) and f.__module__ == room.__name__
    ]
    # Names in the cache carry a digest of all the code: numba itself notices only changes in the file of the outermost function.
    digest = hashlib.sha256(b"".join(_code(f) for f in functions)).hexdigest()[:16]
    for function in _callees_first(functions):
        copy = FunctionType(function.__code__, {**function.__globals__, **made}, function.__name__)
        copy.__module__, copy.__qualname__ = function.__module__, f"{function.__name__}_{digest}"
        entry = function.__name__ in Core._fields
        # Nothing is allocated in there: without reference counts of the world's arrays at every call it is four times as fast.
        how: dict[str, Any] = {"error_model": "numpy", "_nrt": False, "no_cfunc_wrapper": True, "no_cpython_wrapper": not entry}
        made[function.__name__] = njit(cache=entry, **how)(copy)
    return Core(*(made[name] for name in Core._fields))


def interpreted() -> Core:
    """The same functions as Python runs them: some thousand requests a second, at once and without numba."""
    return Core(run=loop.run, route=routing.route)


_ROOMS = (law, prefixes, finishes, memory, settling, timeline, routing, batch, loop)


def _code(function: FunctionType) -> bytes:
    """What the machine code of a function follows from: its own code, the names in it, and the numbers it finds by name."""
    code = function.__code__
    found = [function.__globals__.get(name) for name in code.co_names]
    return (
        code.co_code
        + repr((code.co_names, code.co_consts, [value for value in found if isinstance(value, int | float)])).encode()
    )


def _callees_first(functions: Sequence[FunctionType]) -> list[FunctionType]:
    """The functions so ordered that each comes after all it calls."""
    named, ordered = {f.__name__: f for f in functions}, dict[str, FunctionType]()

    def visit(function: FunctionType) -> None:
        for name in function.__code__.co_names:
            if name in named and name != function.__name__ and name not in ordered:
                visit(named[name])
        ordered[function.__name__] = function

    for function in functions:
        visit(function)
    return list(ordered.values())
