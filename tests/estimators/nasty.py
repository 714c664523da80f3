"""Small and degenerate trials, for estimators that must give an estimate or a named failure, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def designs(rng: np.random.Generator, how_many: int) -> Iterator[tuple]:
    """Arms, covariates and weights of one replicate: empty arms, one patient an arm, constant, duplicate, huge and
    confounded columns, all values missing."""
    for _ in range(how_many):
        n_arms = int(rng.choice([2, 2, 4]))
        n = int(rng.integers(1, 13))
        arm = rng.integers(0, n_arms, (1, n)) if rng.random() < 0.5 else np.arange(n)[None, :] % n_arms
        kinds = rng.choice(["normal", "constant", "duplicate", "binary", "huge", "arm", "missing"], rng.integers(0, 4))
        columns = []
        for kind in kinds:
            column = rng.normal(size=(1, n))
            if kind == "constant":
                column[:] = 3.0
            elif kind == "duplicate" and columns:
                column = 2.0 * columns[-1] - 1.0
            elif kind == "binary":
                column = (column > 0.5).astype(float)
            elif kind == "huge":
                column = 1e9 + 1e6 * column
            elif kind == "arm":
                column = (arm == 0).astype(float)
            elif kind == "missing":
                column[rng.random((1, n)) < rng.choice([0.3, 1.0])] = np.nan
            columns.append(column)
        x = np.stack(columns, axis=-1) if columns else np.empty((1, n, 0))
        yield arm, x, ([-1.0, 1.0] if n_arms == 2 else [1.0, -1.0, -1.0, 1.0])


def is_estimate_or_failure(fit) -> bool:
    """Numbers where the fit did not fail, none where it did."""
    if fit.failure[0] == 0:
        return bool(np.isfinite([fit.estimate[0], fit.se[0]]).all() and fit.se[0] > 0 and fit.df[0] >= 1)
    return bool(np.isnan([fit.estimate[0], fit.se[0], fit.df[0]]).all())
