"""Which visits of a patient were seen: the distinct patterns among patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kaptrial.arrays import Bools, Floats, Ints


@dataclass(frozen=True, kw_only=True)
class Patterns:
    """Patients by class of covariance and by which visits were seen: `of`, (patient,); `mask`, (pattern, visit);
    `group`, (pattern,), the class.
    """

    of: Ints
    mask: Floats
    group: Ints


def patterns(seen: Bools, group: Ints) -> Patterns:
    """The distinct patterns of observation within classes of covariance."""
    rows = np.concatenate([group[:, None], seen.astype(np.int64)], axis=1)
    distinct, of = np.unique(rows, axis=0, return_inverse=True)
    mask = np.ascontiguousarray(distinct[:, 1:], dtype=np.float64)
    return Patterns(of=of.reshape(-1).astype(np.int64), mask=mask, group=np.ascontiguousarray(distinct[:, 0]))
