"""One trial as the interaction models take it: arrays without a replicate axis, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.errors import DataError
from kaptrial.priors.effects import Better, Role
from kaptrial.results import Note
from kaptrial.scenario.own_prior import OwnPrior

# Fewer say nothing of how patients of one arm differ.
LEAST_PER_ARM = 3


@dataclass(frozen=True, kw_only=True)
class InteractionData:
    """Scores of one trial and what explains them. Only patients with at least one score.

    `y`: (patient, visit), NaN where not observed; of counts one column, the successes out of `trials_of`, (patient,).
    `effects`: their names, with a role each that picks their prior; `x`, (patient, effect), is 1 where an effect acts;
    `levels`, (arm, effect), the same for the arms. `baseline`: (patient,) or None. `covariates`: (patient, column), a
    category of several levels as 0/1 columns, all but the first level's; `categories`: of each column the category that
    it belongs to, empty for a number. `patients`: their codes in a file.
    `therapist`: (patient,), −1 without one. `unit_sd`: what one SD of the named priors is in the unit of the effects.
    `target_day`: the day that the verdict is about. `left_out`: patients without any score.
    `asked`: the contrast that the verdict is about, and `own_priors`, where a scenario names them. `notes`: what is to
    be said of the data.
    """

    y: Floats
    days: tuple[float, ...]
    effects: tuple[str, ...]
    roles: tuple[Role, ...]
    x: Floats
    levels: Floats
    baseline: Floats | None
    covariates: Floats
    covariate_names: tuple[str, ...]
    categories: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    arms: tuple[str, ...]
    arm: Ints
    therapist: Ints
    unit_sd: float
    target_day: float
    better: Better
    factors: tuple[str, ...] = ()
    trials_of: Floats | None = None
    left_out: int = 0
    asked: str | None = None
    own_priors: Mapping[str, OwnPrior] | None = None
    notes: tuple[Note, ...] = ()

    @property
    def patient_names(self) -> tuple[str, ...]:
        """Codes of the patients, or numbers from 1 where they have none."""
        return self.patients or tuple(str(i + 1) for i in range(len(self.y)))

    @property
    def columns_alike(self) -> Floats:
        """Of each column of the covariates, how many belong to its category: 1 for a number."""
        of = self.categories or ("",) * self.covariates.shape[1]
        return np.array([of.count(name) if name else 1 for name in of], dtype=np.float64)

    @property
    def target(self) -> int:
        """Number of the visit on the target day."""
        return visit_of(self.days, self.target_day)

    @property
    def question(self) -> str:
        """The contrast that the verdict is about: the one asked for, else the interaction or the first effect."""
        usual = self.roles.index("interaction") if "interaction" in self.roles else 0
        return self.asked or self.effects[usual]

    @property
    def asks_interaction(self) -> bool:
        """Whether the verdict is about an interaction."""
        return dict(zip(self.effects, self.roles, strict=True)).get(self.question) == "interaction"

    @property
    def n_therapists(self) -> int:
        """Number of therapists who treated anybody."""
        return int(self.therapist.max()) + 1

    @property
    def sign(self) -> float:
        """−1 where lower is better: a benefit times this is positive."""
        return -1.0 if self.better == "lower" else 1.0

    @property
    def seen(self) -> Bools:
        """(patient, visit): observed."""
        return np.isfinite(self.y)


def visit_of(days: Sequence[float], day: float) -> int:
    """Number of the visit on a day; a file without days has one visit."""
    return 0 if len(days) == 1 else list(days).index(day)


def standardised(values: Floats) -> Floats:
    """Columns less their mean, in their SD."""
    return (values - values.mean(axis=0)) / values.std(axis=0)


def check(data: InteractionData, source: str, *, continuous: bool) -> None:
    """Raise DataError, one line that begins with `source`, for data that a model cannot use.

    `continuous`: the outcome is a score, whose SD the model estimates.
    """
    _check_scores(data, source)
    if continuous:
        _check_arms_vary(data, source)
    if data.baseline is not None:
        for t, day in enumerate(data.days):
            own = data.seen[:, t]
            if np.array_equal(data.y[own, t], data.baseline[own]):
                raise DataError(
                    f"{source}: the scores on day {day:g} are the baseline itself: "
                    "leave these rows out, or say that there is no baseline"
                )
        if np.ptp(data.baseline) == 0:
            raise DataError(f"{source}: the baseline is {data.baseline[0]:g} for everybody: must vary, or be left out")
    _check_columns(data, source)


def _check_scores(data: InteractionData, source: str) -> None:
    seen = data.seen
    for a, name in enumerate(data.arms):
        own = seen[data.arm == a]
        if len(own) < LEAST_PER_ARM:
            raise DataError(
                f"{source}: arm {name} has {len(own)} patients with a score: must be ≥ {LEAST_PER_ARM} an arm"
            )
        for t, day in enumerate(data.days):
            if not own[:, t].any():
                when = "" if np.isnan(day) else f" on day {day:g}"
                raise DataError(
                    f"{source}: arm {name} has no score at all{when}: every arm must; leave the rows of that day out"
                )
    if np.ptp(data.y[seen]) == 0:
        raise DataError(f"{source}: all scores are {data.y[seen][0]:g}: must vary")
    for t, day in enumerate(data.days):
        if np.ptp(data.y[seen[:, t], t]) == 0 and data.trials_of is None:
            raise DataError(f"{source}: all scores on day {day:g} are {data.y[seen[:, t], t][0]:g}: must vary")


def _check_arms_vary(data: InteractionData, source: str) -> None:
    """Scores of an arm on a day that are all the same have no SD."""
    for a, name in enumerate(data.arms):
        for t, day in enumerate(data.days):
            own = data.y[(data.arm == a) & data.seen[:, t], t]
            if len(own) >= LEAST_PER_ARM and np.ptp(own) == 0:
                raise DataError(
                    f"{source}: the {len(own)} scores of arm {name} on day {day:g} are all {own[0]:g}: "
                    "must vary, or that day or arm be left out"
                )


def _check_columns(data: InteractionData, source: str) -> None:
    """No covariate that is constant, and none that the others or the arms already say."""
    for k, name in enumerate(data.covariate_names):
        if np.ptp(data.covariates[:, k]) == 0:
            raise DataError(
                f"{source}: covariate {name} is {data.covariates[0, k]:g} for everybody with a score: must vary"
            )
    columns, names = [np.ones(len(data.y)), *data.x.T], ["1", *data.effects]
    if data.baseline is not None:
        columns, names = [*columns, standardised(data.baseline)], [*names, "baseline"]
    if len(data.covariate_names):
        columns, names = [*columns, *standardised(data.covariates).T], [*names, *data.covariate_names]
    for k in range(1, len(columns) + 1):
        if np.linalg.matrix_rank(np.stack(columns[:k], axis=1), tol=1e-8) < k:
            raise DataError(f"{source}: {names[k - 1]} says nothing that {', '.join(names[1 : k - 1])} do not")
    free = len(data.y) - len(columns)
    least = len(data.days) + 1
    if free < least:
        raise DataError(
            f"{source}: {len(data.y)} patients with scores for {len(columns)} coefficients a visit and "
            f"{len(data.days)} visits: must be ≥ {len(columns) + least}"
        )
