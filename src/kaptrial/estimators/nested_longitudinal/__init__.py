"""MMRM with therapists: unstructured covariance within patients, a therapist intercept in the therapy arms.

The likelihood, its derivatives and the identity behind them: `likelihood`; how it is maximised and tested: `fit`.
Scores are standardised first, for the arithmetic's sake.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi, sqrt
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from kaptrial.arrays import Floats, Ints
from kaptrial.compile_cache import INLINED
from kaptrial.estimators import codes
from kaptrial.estimators.fit import Failure, Fit
from kaptrial.estimators.interpreted import interpreted, is_sooner_interpreted
from kaptrial.estimators.mmrm import Df, design_columns, design_matrix, reml
from kaptrial.estimators.nested_longitudinal import fit, likelihood
from kaptrial.estimators.nested_longitudinal.likelihood import Clusters

# Of Newton's method.
TYPICAL_STEPS = 6


class Scores(NamedTuple):
    """As `nested_longitudinal` has them."""

    y: Floats
    arm: Ints
    therapist: Ints
    crossed: Floats
    main: Floats


class Model(NamedTuple):
    """What is fitted.

    The contrasts' weights, the first visit that each arm's therapists can affect, the numbers of the coefficients as
    `design_columns` has them, how many therapists there are, and the test.
    """

    by_arm: Floats
    by_visit: Floats
    begins: Ints
    column: Ints
    n_coefficients: int
    n_therapists: int
    kenward_roger: bool


class Result(NamedTuple):
    """Estimate, SE and df of the contrasts, (replicate, contrast, 3), their failures, and what the model estimates."""

    contrasts: Floats
    failure: Ints
    parameters: Floats
    covariance: Floats


@dataclass(frozen=True, kw_only=True)
class NestedLongitudinalFit:
    """Contrasts and variance parameters; NaN where they failed.

    `estimate`, `se`, `df`, `failure`: (replicate, contrast). `therapist_sd`: (replicate,); `covariance`: (replicate,
    visit, visit) within patients; `reml_loglik`: (replicate,).
    """

    estimate: Floats
    se: Floats
    df: Floats
    failure: Ints
    therapist_sd: Floats
    covariance: Floats
    reml_loglik: Floats

    def contrast(self, k: int) -> Fit:
        """The k-th contrast."""
        return Fit(estimate=self.estimate[:, k], se=self.se[:, k], df=self.df[:, k], failure=self.failure[:, k])


def nested_longitudinal(
    y: Floats,
    arm: Ints,
    therapist: Ints,
    crossed: Floats,
    main: Floats,
    arm_weights: ArrayLike,
    visit_weights: ArrayLike,
    begins: Ints | None = None,
    df: Df = "satterthwaite",
) -> NestedLongitudinalFit:
    """REML estimates of contrasts of arms, averaged over visits, patients clustered in therapists.

    Parameters
    ----------
    y : (replicate, patient, visit)
        Scores after baseline, NaN where not seen.
    arm, therapist : (replicate, patient)
        Index of the arm; number of the therapist, −1 for none.
    crossed, main : (replicate, patient, p)
        Covariates with a slope at each visit, and with one slope.
    arm_weights, visit_weights : (contrast, arm), (contrast, visit)
        Each contrast is Σ_j ω_j Σ_a w_a (mean of arm a at visit j); the arms' weights sum to 0.
    begins : (arm,)
        Index of the first visit that an arm's therapists can affect; the first of all unless given. A therapist of
        several arms counts from the latest of them.
    df : degrees of freedom; with "kenward-roger" the standard error is adjusted, too
    """
    w_arm = np.atleast_2d(np.asarray(arm_weights, dtype=float))
    w_visit = np.atleast_2d(np.asarray(visit_weights, dtype=float))
    (n_replicates, _, n_visits), n_arms = y.shape, w_arm.shape[1]
    if len(w_arm) != len(w_visit) or w_visit.shape[1] != n_visits:
        raise ValueError(f"weights {w_arm.shape} and {w_visit.shape} do not fit {n_visits} visits")
    first = np.zeros(n_arms, dtype=np.int64) if begins is None else np.asarray(begins, dtype=np.int64)
    column = design_columns(n_visits, n_arms, crossed.shape[-1], main.shape[-1], constrained_baseline=False)
    data = Scores(
        np.ascontiguousarray(y, dtype=float),
        np.ascontiguousarray(arm, dtype=np.int64),
        np.ascontiguousarray(therapist, dtype=np.int64),
        np.ascontiguousarray(crossed, dtype=float),
        np.ascontiguousarray(main, dtype=float),
    )
    out = Result(
        contrasts=np.full((n_replicates, len(w_arm), 3), np.nan),
        failure=np.zeros((n_replicates, len(w_arm)), dtype=np.int64),
        parameters=np.full((n_replicates, 2), np.nan),
        covariance=np.full((n_replicates, n_visits, n_visits), np.nan),
    )
    n_therapists = int(therapist.max(initial=-1)) + 1
    model = Model(w_arm, w_visit, first, column, int(column.max()) + 1, n_therapists, df == "kenward-roger")
    fit_one = interpreted(_fit_one) if n_replicates == 1 and _sooner_interpreted(data, model) else _fit_one
    for r in range(n_replicates):
        code = fit_one(data, r, model, out)
        if code != Failure.NONE:
            out.failure[r] = code
    out.contrasts[out.failure != Failure.NONE] = np.nan
    return NestedLongitudinalFit(
        estimate=out.contrasts[..., 0],
        se=out.contrasts[..., 1],
        df=out.contrasts[..., 2],
        failure=out.failure,
        therapist_sd=np.sqrt(out.parameters[:, 0]),
        covariance=out.covariance,
        reml_loglik=out.parameters[:, 1],
    )


def _sooner_interpreted(data: Scores, model: Model) -> bool:
    """Whether one data set is fitted by plain Python in less time than `_fit_one` is compiled in, or loaded."""
    n_patterns = len(np.unique(np.isfinite(data.y[0]), axis=0))
    n_elements, n = len(model.column) * (len(model.column) + 1) // 2, model.n_coefficients
    by_therapist = model.n_therapists * n_elements * n * (n + n_elements)
    return is_sooner_interpreted(_fit_one, TYPICAL_STEPS * (2 * n_patterns * n_elements * n**2 + by_therapist))


@njit(cache=True, nogil=True)
def _fit_one(data: Scores, r: int, model: Model, out: Result) -> int:
    """Fit replicate r into `out`, the failures of single contrasts with it; the failure of the whole model."""
    arm, therapist, n_arms = data.arm[r], data.therapist[r], model.by_arm.shape[1]
    y, unit = _standardise(data.y[r])
    w, scales = design_matrix(arm, data.crossed[r], data.main[r], n_arms)
    n_visits = y.shape[1]
    n_patterns, masks, counts, t = reml.by_pattern(y, w)
    seen, n_scores = _seen(n_patterns, masks, counts, t, n_visits, n_arms)
    for j in range(n_visits):
        anybody = False
        for a in range(n_arms):
            anybody = anybody or seen[j, a] > 0.0
        if not anybody:
            return codes.NOT_OBSERVED
    column, contrasts, n = _contrasts(n_patterns, masks, t, seen, model, out.failure[r])
    if n == 0:
        return codes.NONE
    n_cell, cells = _cells(y, w, therapist, model.n_therapists, masks, n_patterns)
    code = _therapist_failure(n_cell, counts, n_patterns)
    n_psi = n_visits * (n_visits + 1) // 2 + 1
    if code == codes.NONE and n_scores - n < n_psi:
        code = codes.TOO_FEW_PATIENTS
    if code != codes.NONE:
        return code
    z = _affected(arm, therapist, model.begins, model.n_therapists, n_visits)
    clusters = Clusters(reml.Patterns(n_patterns, masks, counts, t, column), n_cell, cells, z)
    code, value, peak = fit.maximise(clusters, n)
    if code != codes.NONE:
        return code
    expected = peak.factor
    if model.kenward_roger:
        expected = likelihood.information(peak.v, peak.g, clusters, peak.w, peak.mean)
    for k in range(len(contrasts)):
        if out.failure[r, k] == codes.NONE:
            if model.kenward_roger:
                estimate, se, df = fit.infer_kenward_roger(contrasts[k, :n], clusters, peak, expected)
            else:
                estimate, se, df = fit.infer(contrasts[k, :n], peak)
            if se > 0.0 and 0.0 < df < np.inf:
                out.contrasts[r, k, 0] = estimate * unit
                out.contrasts[r, k, 1] = se * unit
                out.contrasts[r, k, 2] = df
            else:
                out.failure[r, k] = codes.NOT_CONVERGED
    out.parameters[r, 0] = peak.g * unit * unit
    out.parameters[r, 1] = -0.5 * (value + (n_scores - n) * log(2.0 * pi * unit * unit)) - _scaling(column, scales, n)
    for j in range(n_visits):
        for k in range(n_visits):
            out.covariance[r, j, k] = peak.v[j, k] * (unit * unit)
    return codes.NONE


@njit(**INLINED)
def _standardise(scores: Floats) -> tuple[Floats, float]:
    """Scores about their mean in units of their SD, and that SD; as they are, and 1, where all are the same."""
    total, square, n = 0.0, 0.0, 0
    for i in range(len(scores)):
        for j in range(scores.shape[1]):
            if scores[i, j] == scores[i, j]:
                total += scores[i, j]
                n += 1
    mean = total / max(n, 1)
    out = np.empty(scores.shape)
    for i in range(len(scores)):
        for j in range(scores.shape[1]):
            out[i, j] = scores[i, j] - mean
            if out[i, j] == out[i, j]:
                square += out[i, j] * out[i, j]
    sd = sqrt(square / max(n, 1))
    if not sd > 1e-12 * abs(mean):
        return scores, 1.0
    for i in range(len(scores)):
        for j in range(scores.shape[1]):
            out[i, j] /= sd
    return out, sd


@njit(**INLINED)
def _seen(n_patterns: int, masks: Ints, counts: Floats, t: Floats, n_visits: int, n_arms: int) -> tuple[Floats, float]:
    """How many patients were seen at each visit, (visit, arm), and how many scores there are."""
    seen, n_scores = np.zeros((n_visits, n_arms)), 0.0
    for p in range(n_patterns):
        for j in range(n_visits):
            if masks[p] >> j & 1:
                n_scores += counts[p]
                for a in range(n_arms):
                    seen[j, a] += t[p, a, a]
    return seen, n_scores


@njit(cache=True, nogil=True)
def _contrasts(
    n_patterns: int, masks: Ints, t: Floats, seen: Floats, model: Model, failure: Ints
) -> tuple[Ints, Floats, int]:
    """The columns kept, the contrasts' weights on them, and their number, 0 where every contrast has failed."""
    by_arm, by_visit, template = model.by_arm, model.by_visit, model.column
    column, contrasts = template.copy(), np.zeros((len(by_arm), model.n_coefficients))
    n = left = 0
    for k in range(len(by_arm)):
        for j in range(len(template)):
            for a in range(template.shape[1]):
                column[j, a] = template[j, a]
                if a < by_arm.shape[1]:
                    contrasts[k, template[j, a]] = by_arm[k, a] * by_visit[k, j]
                    if by_arm[k, a] * by_visit[k, j] != 0.0 and seen[j, a] == 0.0:
                        failure[k] = codes.NOT_OBSERVED
        left, estimable = reml.keep_columns(n_patterns, masks, t, column, contrasts[k : k + 1])
        if failure[k] == codes.NONE and not estimable:
            failure[k] = codes.CONFOUNDED_COVARIATE
        if failure[k] == codes.NONE:
            n = left
    return column, contrasts, n


@njit(**INLINED)
def _cells(
    y: Floats, w: Floats, therapist: Ints, n_therapists: int, masks: Ints, n_patterns: int
) -> tuple[Floats, Floats]:
    """Numbers of patients by therapist and pattern, and their sums of (w, y)."""
    m, n_visits = w.shape[1], y.shape[1]
    n_cell, cells = np.zeros((n_therapists, n_patterns)), np.zeros((n_therapists, n_patterns, m + n_visits))
    for i in range(len(y)):
        h, mask, complete = therapist[i], 0, True
        for j in range(n_visits):
            if y[i, j] == y[i, j]:
                mask |= 1 << j
        for a in range(m):
            complete = complete and w[i, a] == w[i, a]
        if h < 0 or not complete:
            continue
        for p in range(n_patterns):
            if masks[p] == mask:
                n_cell[h, p] += 1.0
                for a in range(m):
                    cells[h, p, a] += w[i, a]
                for j in range(n_visits):
                    if mask >> j & 1:
                        cells[h, p, m + j] += y[i, j]
    return n_cell, cells


@njit(**INLINED)
def _therapist_failure(n_cell: Floats, counts: Floats, n_patterns: int) -> int:
    """The failure that is plain from the numbers of patients: g is part of V where each has a therapist of his own."""
    busy, total, most, patients = 0, 0.0, 0.0, 0.0
    for h in range(len(n_cell)):
        treated = 0.0
        for p in range(n_patterns):
            treated += n_cell[h, p]
        busy += treated > 0.0
        total += treated
        most = max(most, treated)
    for p in range(n_patterns):
        patients += counts[p]
    if busy < 2:
        return codes.TOO_FEW_THERAPISTS
    return codes.TOO_FEW_PATIENTS if most == 1.0 and total == patients else codes.NONE


@njit(**INLINED)
def _affected(arm: Ints, therapist: Ints, begins: Ints, n_therapists: int, n_visits: int) -> Floats:
    """z: 1 at the visits that a therapist can affect, from the latest beginning of the arms treated."""
    z = np.ones((n_therapists, n_visits))
    for i in range(len(arm)):
        if therapist[i] >= 0 and arm[i] >= 0:
            for j in range(min(begins[arm[i]], n_visits)):
                z[therapist[i], j] = 0.0
    return z


@njit(**INLINED)
def _scaling(column: Ints, scales: Floats, n: int) -> float:
    """Σ log of the scale of each coefficient's covariate."""
    total, counted = 0.0, np.zeros(n, dtype=np.bool_)
    for j in range(len(column)):
        for a in range(column.shape[1]):
            if column[j, a] >= 0 and not counted[column[j, a]]:
                counted[column[j, a]] = True
                total += log(scales[a])
    return total
