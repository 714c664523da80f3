"""Compiled functions run as the plain Python that they are written in: a small data set is fitted so in less time than
compiling takes. The arithmetic is the same, and so are its bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from types import BuiltinFunctionType, FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from numba.core.dispatcher import Dispatcher

from kaptrial.compile_cache import is_compiled

# Innermost steps of a fit, of which plain Python does one to three million a second: half a second's, where compiled
# code would be loaded from its folder; a few seconds', where compiling it would take twenty.
SOONER_THAN_LOADED, SOONER_THAN_COMPILED = 5e5, 5e6


def is_sooner_interpreted(function: Dispatcher, steps: float) -> bool:
    """Whether plain Python does so many innermost steps in less time than the function is compiled in, or loaded."""
    return steps < (SOONER_THAN_LOADED if is_compiled(function) else SOONER_THAN_COMPILED)


@cache
def interpreted(function: Callable[..., Any]) -> Callable[..., Any]:
    """A compiled function as plain Python, which calls the plain ones behind those that it calls."""
    plain = _plain(function)

    def quiet(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return plain(*arguments)

    return quiet


@cache
def _plain(function: Dispatcher) -> Callable[..., Any]:
    source = function.py_func
    names = source.__code__.co_names
    own = {name: _stand_in(value, names) for name, value in source.__globals__.items() if name in names}
    return FunctionType(source.__code__, source.__globals__ | own, source.__name__, source.__defaults__)


def _stand_in(value: Any, names: tuple[str, ...]) -> Any:
    """What stands for a global of a compiled function that uses attributes of these names."""
    if isinstance(value, Dispatcher):
        return _plain(value)
    if isinstance(value, ModuleType) and value.__name__.startswith("kaptrial."):
        return SimpleNamespace(**{name: _stand_in(getattr(value, name), ()) for name in names if hasattr(value, name)})
    return _WITHOUT_ERRORS.get(value, value) if isinstance(value, BuiltinFunctionType) else value


# As compiled code has it: no number where Python raises an error.


def _sqrt(x: float) -> float:
    return math.sqrt(x) if x >= 0.0 else math.nan


def _log(x: float) -> float:
    return math.log(x) if x > 0.0 else -math.inf if x == 0.0 else math.nan


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


_WITHOUT_ERRORS = {math.sqrt: _sqrt, math.log: _log, math.exp: _exp}
