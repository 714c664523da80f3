"""Whether the draws of a posterior can be used, and which patients it hangs on."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kaptrial.arrays import Floats

# Vehtari, Gelman, Simpson, Carpenter & Bürkner 2021 (Bayesian Analysis 16:667): R-hat below 1.01, 100 effective draws a
# chain; Vehtari, Simpson, Gelman, Yao & Gabry 2024 (JMLR 25:72) for k-hat.
R_HAT, ESS, K_HAT = 1.01, 400, 0.7


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """The worst of all unknowns, and where; k-hat by patient, and the expected log predictive density of a new one."""

    r_hat: float
    ess_bulk: float
    ess_tail: float
    worst: str
    divergences: int
    k_hat: Floats
    elpd: float
    elpd_se: float

    @property
    def failures(self) -> tuple[str, ...]:
        """What is wrong with the draws, in words; nothing if they can be used."""
        reasons = []
        if not self.r_hat < R_HAT:
            reasons.append(f"R-hat {self.r_hat:.3f} of {self.worst} (must be < {R_HAT})")
        for name, value in (("bulk", self.ess_bulk), ("tail", self.ess_tail)):
            if not value >= ESS:
                reasons.append(f"{name} ESS {value:.0f} (must be ≥ {ESS})")
        if self.divergences:
            reasons.append(f"{self.divergences} divergent transitions (must be 0)")
        return tuple(reasons)

    @property
    def influential(self) -> int:
        """Patients without whom the posterior cannot be told from these draws."""
        return int((self.k_hat > K_HAT).sum())


def diagnose(
    named: Mapping[str, Floats], names: Sequence[str], divergences: int, patient_loglik: Floats
) -> Diagnostics:
    """`named`: arrays (chain, draw, …); `names`: the unknowns among them; `patient_loglik`: (chain, draw, patient)."""
    import arviz as az

    r_hat, bulk, tail, worst = 0.0, np.inf, np.inf, ""
    for name in names:
        if name not in named:
            continue
        columns = named[name].reshape(*named[name].shape[:2], -1)
        for j in range(columns.shape[-1]):
            column = columns[..., j]
            value = float(az.rhat(column))
            if not value <= r_hat:
                r_hat, worst = value, name
            bulk = min(bulk, float(az.ess(column, method="bulk")))
            tail = min(tail, float(az.ess(column, method="tail", prob=(0.05, 0.95))))
    with warnings.catch_warnings():
        # Said by `influential`.
        warnings.filterwarnings("ignore", message="Estimated shape parameter")
        tree = az.from_dict({"posterior": {"x": patient_loglik[..., 0]}, "log_likelihood": {"patient": patient_loglik}})
        loo = az.loo(tree, pointwise=True)
    return Diagnostics(
        r_hat=r_hat,
        ess_bulk=bulk,
        ess_tail=tail,
        worst=worst,
        divergences=divergences,
        k_hat=np.asarray(loo.pareto_k),
        elpd=float(loo.elpd),
        elpd_se=float(loo.se),
    )
