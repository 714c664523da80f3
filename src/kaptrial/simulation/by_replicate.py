"""Parameters that are one number, or one a replicate in a column, (replicate, 1), set beside arrays of patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np

from kaptrial.arrays import Bools, Floats, Ints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Parameter = float | Floats


def by_visit(value: Parameter) -> Parameter:
    """To be multiplied with (replicate, patient, visit)."""
    return value if np.ndim(value) == 0 else np.asarray(value)[..., None]


def spread_over(x: Floats, visits: Parameter) -> Floats:
    """The product of what patients have, (replicate, patient), and a course over visits, as a block lies in memory."""
    return np.multiply(x[..., None], visits, order="F")


def flat(value: Parameter) -> Parameter:
    """A number, or (replicate,)."""
    return value if np.ndim(value) == 0 else np.asarray(value)[:, 0]


def by_arm(values: Sequence[Parameter]) -> Floats:
    """One parameter of each arm: (arm,), or (replicate, arm) where one of them differs between replicates."""
    return np.stack(np.broadcast_arrays(*(flat(value) for value in values)), axis=-1)


def of_some[T: DataclassInstance](node: T, who: Ints) -> T:
    """What some patients of each replicate have, by number (replicate, patient); what is no array of patients stays."""
    arrays = {each.name: getattr(node, each.name) for each in fields(node)}
    return replace(node, **{name: x if x is None or x.ndim == 1 else some(x, who) for name, x in arrays.items()})


def first_of(mask: Bools) -> Ints:
    """As many patients of each replicate as the mask, (replicate, patient), has in the one with most, by number: first
    those that it has. At least two, as the arrays of one would lie in memory in another order."""
    most = max(int(mask.sum(axis=1).max()), 2)
    return np.argsort(~mask, axis=1, kind="stable")[:, :most]


def some[A: (Floats, Ints, Bools)](x: A, who: Ints) -> A:
    """The same of one array, as a block lies in memory."""
    found = np.take(_as_it_lies(x), _places(who), axis=-1)
    return found.reshape(*found.shape[:-1], *who.shape[::-1]).T


def with_some(x: Floats, who: Ints, values: Floats) -> Floats:
    """The array with other values of some patients."""
    whole = np.array(x, order="F")
    _as_it_lies(whole)[..., _places(who)] = _as_it_lies(values)
    return whole


def _as_it_lies[A: (Floats, Ints, Bools)](x: A) -> A:
    """(…, patient and replicate); a view where x lies as a block does."""
    return x.T.reshape(*x.shape[:1:-1], x.shape[0] * x.shape[1])


def _places(who: Ints) -> Ints:
    return np.asarray((who * len(who) + np.arange(len(who))[:, None]).T.ravel())


def of_patients(values: Floats, arm: Ints, *, visits: bool = False) -> Floats:
    """What `by_arm` (or, with `visits`, a course of each arm) holds for each patient's arm, (replicate, patient)."""
    if values.ndim == 1 + visits:
        return values[arm]
    return values[np.arange(len(arm))[:, None], arm]
