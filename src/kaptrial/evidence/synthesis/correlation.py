"""How the sampling errors of figures of the same patients hang together, so that none is counted twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.catalogue import Trial
from kaptrial.evidence.prediction import predict
from kaptrial.evidence.synthesis.layout import Target
from kaptrial.priors.design_prior import TRIAL_EFFECTS

REPLICATES = 400
# Two scales share the patients' course but not their errors, nor all that they ask; assumption. Without it a trial
# whose scales disagree (taylor2018) can only be met by opposite extremes of its effects, in two modes.
BETWEEN_SCALES = 0.5
# Two figures of the same patients are never quite the same information; assumption. Also keeps the matrix invertible.
LARGEST = 0.95


def precision(trials: Sequence[Trial], figures: Sequence[Target], at: Mapping[str, Floats], *, seed: int) -> Floats:
    """Inverse of the correlation of the figures' sampling errors, (figure, figure); none across trials.

    Each trial is simulated `REPLICATES` times under the one parameter vector `at` (arrays of one draw), without effects
    of its own: how figures correlate depends on the parameters little.
    """
    out = np.eye(len(figures))
    draws = {name: np.repeat(value, REPLICATES, axis=0) for name, value in at.items()}
    effects = {name: np.zeros(REPLICATES) for name in TRIAL_EFFECTS}
    for study in trials:
        own = [i for i, t in enumerate(figures) if t.trial == study.key]
        if len(own) > 1:
            predictions = predict(study, [figures[i] for i in own], draws, seed=seed, effects=effects)
            errors = np.stack([_direction(p.target) * p.values for p in predictions])
            scales = np.array([p.target.endpoint for p in predictions])
            shared = np.where(scales[:, None] == scales, 1.0, BETWEEN_SCALES)
            out[np.ix_(own, own)] = np.linalg.inv(shared * correlation(errors))
    return out


def correlation(errors: Floats) -> Floats:
    """Correlations of rows (figure, replicate), shrunken; 0 of what never varies or is undefined in a replicate."""
    known = np.where(np.isfinite(errors), errors, np.nan)
    centred = known - np.nanmean(known, axis=1, keepdims=True)
    standardised = np.nan_to_num(centred / np.maximum(np.nanstd(known, axis=1, keepdims=True), 1e-12))
    out = LARGEST * standardised @ standardised.T / errors.shape[1]
    np.fill_diagonal(out, 1.0)
    return out


def _direction(figure: Target) -> float:
    """The fit counts who is free of relapse where a share that relapsed is reported."""
    return -1.0 if figure.statistic == "relapsed" else 1.0
