"""Parameters that are one number, or one a replicate in a column, (replicate, 1), set beside arrays of patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kaptrial.arrays import Floats, Ints

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


def of_patients(values: Floats, arm: Ints, *, visits: bool = False) -> Floats:
    """What `by_arm` (or, with `visits`, a course of each arm) holds for each patient's arm, (replicate, patient)."""
    if values.ndim == 1 + visits:
        return values[arm]
    return values[np.arange(len(arm))[:, None], arm]
