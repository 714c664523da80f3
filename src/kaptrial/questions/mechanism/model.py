"""The response model fitted to the scores of one trial: its mean course by arm, with a free covariance between visits.

    y_it = level + b_t·z_i ∓ improvement(arm_i, t) + e_it,   e_i ~ N(0, Σ)

z the baseline centred; the improvement as in `course`. Missing scores are integrated out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kaptrial.arrays import Floats, Ints
from kaptrial.estimators.patterns import Patterns, patterns
from kaptrial.questions.mechanism.course import PARAMETERS, Course, improvement

if TYPE_CHECKING:
    import pymc as pm


# assumption: how well the scenario's own numbers are taken to be known before the trial; log SDs of sizes and
# half-lives, SDs of effects in units of the SD between patients, and half-normal scales of γ and κ (γ = 1 doubles what
# is learnt in a full window, κ = 1 slows the loss to .37). ξ is uniform.
LOG_SD_MAX_EFFECT, LOG_SD_HALF_LIFE = 0.5, 0.7
SD_THERAPY, SD_NATURAL = 1.0, 0.5
SCALE_GAMMA, SCALE_KAPPA = 1.0, 1.0
# The mechanisms that a model may hold, and the parameter of each; all hold the rest of PARAMETERS.
VARIANTS: dict[str, tuple[str, ...]] = {
    "additive": (),
    "window synergy": ("gamma",),
    "durability": ("kappa",),
    "overlap": ("xi",),
}
MECHANISMS = ("gamma", "kappa", "xi")
ALWAYS = tuple(name for name in PARAMETERS if name not in MECHANISMS)


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The scores of one trial: `y` (patient, visit), NaN where missing; `baseline` (patient,); `arm` (patient,) among
    the course's arms; `unit`, SD of the outcome between patients; `sign`, −1 where lower scores are better."""

    y: Floats
    baseline: Floats
    arm: Ints
    unit: float
    sign: float


def build(course: Course, scores: Scores, centres: dict[str, float]) -> pm.Model:
    """The PyMC model. `centres`: prior medians of `natural`, `max_effect`, `half_life` and `therapy`.

    The data `on` (3,) switches γ, κ and ξ, so that one compilation serves every variant; a parameter that is off is 0
    in the course and keeps its prior. Deterministics: `course` (arm, visit), mean scores at the mean baseline;
    `patient_loglik`.
    """
    import pymc as pm
    import pytensor.tensor as pt

    n_visits = scores.y.shape[1]
    centred = scores.baseline - scores.baseline.mean()
    spread = max(float(centred.std()), 1e-9)
    with pm.Model(coords={"arm": list(course.arms), "visit": list(course.days)}) as model:
        observed = pm.Data("scores", np.nan_to_num(scores.y))
        on = pm.Data("on", np.ones(3))
        p = {
            "natural": pm.Normal("natural", centres["natural"], SD_NATURAL * scores.unit),
            "max_effect": pm.LogNormal("max_effect", np.log(centres["max_effect"]), LOG_SD_MAX_EFFECT),
            "half_life": pm.LogNormal("half_life", np.log(centres["half_life"]), LOG_SD_HALF_LIFE),
            "therapy": pm.Normal("therapy", centres["therapy"], SD_THERAPY * scores.unit),
            "gamma": on[0] * pm.HalfNormal("gamma", SCALE_GAMMA),
            "kappa": on[1] * pm.HalfNormal("kappa", SCALE_KAPPA),
            "xi": on[2] * pm.Uniform("xi", 0.0, 1.0),
        }
        level = pm.Normal("level", scores.baseline.mean(), 2 * scores.unit)
        slope = pm.Normal("slope", 0.5, 0.5, shape=n_visits)
        gained = improvement(course, p, pt).reshape((len(course.arms), n_visits))
        mean = pm.Deterministic("course", level + scores.sign * gained, dims=("arm", "visit"))
        sds = pm.LogNormal.dist(np.log(scores.unit), 1.0, shape=n_visits)
        root, _, _ = pm.LKJCholeskyCov("covariance", n=n_visits, eta=1.0, sd_dist=sds, store_in_trace=False)
        sigma = pt.dot(root, root.T)[None]
        residuals = observed - mean[scores.arm] - (centred / spread)[:, None] * (spread * slope)[None, :]
        seen_patterns = patterns(np.isfinite(scores.y), np.zeros(len(scores.y), dtype=np.int64))
        loglik = pm.Deterministic("patient_loglik", masked_normal(residuals, sigma, seen_patterns))
        pm.Potential("likelihood", loglik.sum())
    return model


def masked_normal(residuals: Any, sigma: Any, of: Patterns) -> Any:
    """Log density of each patient's observed scores, (patient,), as a PyTensor graph.

    `residuals`: (patient, visit), anything where not seen. Rows and columns of Σ that were not seen become those of
    the identity, and their residual 0: they then add nothing to determinant or square.
    """
    import pytensor.tensor as pt

    mask = of.mask
    n_patterns, n_visits = mask.shape
    both = mask[:, :, None] * mask[:, None, :]
    root = pt.linalg.cholesky(both * sigma[of.group] + (1 - both) * np.eye(n_visits)[None])
    identity = pt.as_tensor(np.broadcast_to(np.eye(n_visits), (n_patterns, n_visits, n_visits)))
    inverse = pt.linalg.solve_triangular(root, identity, lower=True)
    half_log_determinant = pt.log(pt.diagonal(root, axis1=-2, axis2=-1)).sum(axis=-1)
    observed = residuals * mask[of.of]
    z = (inverse[of.of] * observed[:, None, :]).sum(axis=-1)
    constant = 0.5 * np.log(2 * np.pi) * mask.sum(axis=1)
    return -0.5 * (z**2).sum(axis=-1) - (half_log_determinant + constant)[of.of]


def prior_draws(centres: dict[str, float], unit: float, n: int, *, seed: int) -> dict[str, Floats]:
    """Draws of the priors of PARAMETERS, (n,) each."""
    rng = np.random.default_rng(seed)
    z = {name: rng.standard_normal(n) for name in PARAMETERS}
    return {
        "natural": centres["natural"] + SD_NATURAL * unit * z["natural"],
        "max_effect": centres["max_effect"] * np.exp(LOG_SD_MAX_EFFECT * z["max_effect"]),
        "half_life": centres["half_life"] * np.exp(LOG_SD_HALF_LIFE * z["half_life"]),
        "therapy": centres["therapy"] + SD_THERAPY * unit * z["therapy"],
        "gamma": SCALE_GAMMA * np.abs(z["gamma"]),
        "kappa": SCALE_KAPPA * np.abs(z["kappa"]),
        "xi": rng.random(n),
    }


def compiled(model: pm.Model) -> Any:
    """The model as nutpie samples it."""
    import warnings

    import nutpie

    with warnings.catch_warnings():
        # Compiling warns of functions that numba has no cache for.
        warnings.simplefilter("ignore")
        return nutpie.compile_pymc_model(model)
