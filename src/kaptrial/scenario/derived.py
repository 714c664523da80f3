"""How a number follows from published figures: what `derived` says, as a formula that can be recomputed.

Up to the first `;` stands a formula, and after it whatever else is to be said. It is made of numbers, `+ - * / ^`,
parentheses, sqrt, log (natural) and exp, and of

    figure NAME                the figure of that name in the number's own source; `of KEY` names another source
    sd of figure NAME          the SD beside it; `se of figure NAME` its standard error
    median                     the median of this number under the shipped prior that is its source

Other text is words, which nobody can recompute.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from kaptrial.catalogue import source_keys
from kaptrial.catalogue.figures import named_figures
from kaptrial.catalogue.priors import prior_names
from kaptrial.errors import FieldError, nearest

_REFERENCE = re.compile(r"(?:\b(sd|se) of )?\bfigure ([A-Za-z]\w*)(?: of (\w+))?|\bmedian\b")
_LONGEST = 200
_FUNCTIONS: dict[str, Callable[[float], float]] = {"sqrt": math.sqrt, "log": math.log, "exp": math.exp}
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: math.pow,
}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a formula refers to: a figure by name, of `key` where it names one, or the median without a name.

    `part`: `sd` or `se` where not the figure itself but what stands beside it is meant.
    """

    name: str | None
    key: str | None
    part: str | None


@dataclass(frozen=True, kw_only=True)
class Formula:
    """Arithmetic on what it refers to, by number of the reference."""

    references: tuple[Reference, ...]
    arithmetic: ast.expr

    @property
    def has_median(self) -> bool:
        """Whether it refers to the median of a prior."""
        return any(reference.name is None for reference in self.references)

    def value(self, source: str, median: float | None = None) -> float:
        """Its value as of a number with this source. `median`: that of the prior, where it refers to it.

        Raises FieldError for a figure that is not there and for arithmetic that has no result.
        """
        known = [_looked_up(reference, source, median) for reference in self.references]
        try:
            return _evaluated(self.arithmetic, known)
        except (ArithmeticError, ValueError):
            raise FieldError("", ast.unparse(self.arithmetic), "must have a result") from None


def formula(text: str | None, source: str) -> Formula | None:
    """The formula with which `derived` begins, of a number with this source; None where it is not given or in words.

    A median is one only of a shipped prior.
    """
    parsed = _parsed(text) if text is not None else None
    return None if parsed is not None and parsed.has_median and source not in prior_names() else parsed


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Formula | None:
    references: list[Reference] = []

    def numbered(match: re.Match[str]) -> str:
        references.append(Reference(part=match[1], name=match[2], key=match[3]))
        return f"figure_{len(references) - 1}"

    said = _REFERENCE.sub(numbered, text.split(";")[0]).replace("^", "**").strip()
    if not references or len(said) > _LONGEST:
        return None
    try:
        arithmetic = ast.parse(said, mode="eval").body
    except (SyntaxError, ValueError):
        return None
    if not _is_arithmetic(arithmetic, len(references)):
        return None
    return Formula(references=tuple(references), arithmetic=arithmetic)


def _is_arithmetic(node: ast.expr, n_references: int) -> bool:
    match node:
        case ast.Constant(value=float() | int()):
            return True
        case ast.Name(id=name):
            return name in {f"figure_{k}" for k in range(n_references)}
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _is_arithmetic(operand, n_references)
        case ast.BinOp(op=operator, left=left, right=right):
            parts = _is_arithmetic(left, n_references) and _is_arithmetic(right, n_references)
            return type(operator) in _OPERATORS and parts
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]):
            return name in _FUNCTIONS and _is_arithmetic(argument, n_references)
        case _:
            return False


def _evaluated(node: ast.expr, known: list[float]) -> float:
    match node:
        case ast.Constant(value=float() | int() as number):
            return float(number)
        case ast.Name(id=name):
            return known[int(name.removeprefix("figure_"))]
        case ast.UnaryOp(operand=operand):
            return -_evaluated(operand, known)
        case ast.BinOp(op=operator, left=left, right=right):
            return _OPERATORS[type(operator)](_evaluated(left, known), _evaluated(right, known))
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return _FUNCTIONS[name](_evaluated(argument, known))
        case _:  # `formula` lets nothing else through
            raise ValueError(ast.dump(node))


def _looked_up(reference: Reference, source: str, median: float | None) -> float:
    if reference.name is None:
        if median is None:
            raise FieldError("", "median", f"must be of a number of which {source} has draws")
        return median
    key = reference.key or source
    if key not in source_keys() or key in prior_names():
        raise FieldError("", f"figure {reference.name} of {key}", "must be a figure of a source of the catalogue")
    figures = named_figures(key)
    if reference.name not in figures:
        near = nearest(reference.name, figures)
        some = f"one of {', '.join(figures)}" if figures else "named in the catalogue, and none of this source is"
        raise FieldError("", f"figure {reference.name} of {key}", f"must be {some}{near}")
    number = figures[reference.name].of(reference.part)
    if number is None:
        raise FieldError("", f"{reference.part} of figure {reference.name} of {key}", "none was read in the source")
    return number


def check_figures(field: str, text: str | None, source: str) -> None:
    """Raise FieldError for a formula that refers to what the catalogue does not have, or that has no result."""
    stated = formula(text, source)
    if stated is None:
        return
    try:
        stated.value(source, median=1.0)
    except FieldError as error:
        raise FieldError(field, error.value, error.allowed) from None
