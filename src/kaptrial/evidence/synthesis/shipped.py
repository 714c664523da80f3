"""Writing the calibrated model for the catalogue, and reading back the draws of a fit without one trial."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from kaptrial.arrays import Floats
from kaptrial.catalogue.priors import columns
from kaptrial.evidence.synthesis.model import PARAMETERS, VECTORS

# Vehtari et al. (2024), J Mach Learn Res 25(72): above this Pareto k, weights are not to be trusted.
LARGEST_K = 0.7
FOLDS = "leave_one_out.npz"
# In the archive of folds, beside the draws by trial: the trials, the Pareto k of leaving each out, and whether it was
# fitted anew.
FOLD_TRIALS, FOLD_K, FOLD_REFITTED = "left_out", "pareto_k", "refitted"
ABSTINENCE_FOLDS = "leave_one_out_abstinence.npz"


def as_table(draws: Mapping[str, Floats]) -> tuple[list[str], Floats]:
    """Column names and the draws as one table (draw, column)."""
    names = list(PARAMETERS) + [f"{name}[{level}]" for name, levels in VECTORS.items() for level in levels[1:]]
    parts = [draws[name][:, None] for name in PARAMETERS] + [draws[name][:, 1:] for name in VECTORS]
    return names, np.concatenate(parts, axis=1)


def as_columns(draws: Mapping[str, Floats]) -> dict[str, Floats]:
    """The draws by the column names of `as_table`; reference levels, whose effect is 0, have none, nor unknown ones."""
    columns_of = {name: values for name, values in draws.items() if name not in VECTORS}
    for name, levels in VECTORS.items():
        of = draws.get(name)
        known = [i for i in range(1, len(levels)) if of is not None and not np.isnan(of[0, i])]
        columns_of |= {f"{name}[{levels[i]}]": of[:, i] for i in known if of is not None}
    return columns_of


def from_table(names: list[str], table: Floats) -> dict[str, Floats]:
    """The inverse of `as_table`; the reference levels' zeros are put back.

    A prior of before 2026b lacks some parameters, which are left out, and levels, which are NaN.
    """
    by_name = {name: table[:, i].astype(float) for i, name in enumerate(names)}
    unknown = np.full(len(table), np.nan)
    out: dict[str, Floats] = {name: by_name[name] for name in PARAMETERS if name in by_name}
    for name, levels in VECTORS.items():
        rest = [by_name.get(f"{name}[{level}]", unknown) for level in levels[1:]]
        out[name] = np.stack([np.zeros(len(table)), *rest], axis=1)
    return out


def prior_draws(name: str) -> dict[str, Floats]:
    """Draws of a shipped prior by parameter. Raises KeyError for an unknown name."""
    names, table = columns(name)
    return from_table(names, table)


@cache
def _archive(name: str) -> dict[str, NDArray[np.float32]]:
    data = (files("kaptrial.evidence.synthesis") / "data" / name).read_bytes()
    with np.load(io.BytesIO(data)) as archive:
        return {key: archive[key] for key in archive.files}


def fold_draws(trial: str) -> dict[str, Floats] | None:
    """Draws of the fit without this trial; None where the trial was not fitted."""
    archive = _archive(FOLDS)
    if trial not in archive:
        return None
    return from_table([str(name) for name in archive["columns"]], archive[trial].astype(float))


def rough_folds() -> dict[str, float]:
    """Trials whose fold was made by weights that are not to be trusted, and not fitted anew, with their Pareto k."""
    return {key: k for key, k in fold_shapes().items() if k is not None and k > LARGEST_K}


def fold_shapes() -> dict[str, float | None]:
    """Of each trial the Pareto k of the weights that leave it out; none where that was fitted anew."""
    archive = _archive(FOLDS)
    rows = zip(archive[FOLD_TRIALS], archive[FOLD_K], archive[FOLD_REFITTED], strict=True)
    return {str(key): None if refitted else float(k) for key, k, refitted in rows}


def abstinence_fold_draws(trial: str) -> dict[str, Floats] | None:
    """The same of the model of abstinence, by the names of its parameters."""
    archive = _archive(ABSTINENCE_FOLDS)
    if trial not in archive:
        return None
    return {str(name): archive[trial][:, i].astype(float) for i, name in enumerate(archive["columns"])}
