"""The prior of a model as numbers that can be replaced without compiling again: effects, and the widths of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.priors.effects import EffectPrior

# SDs of the priors besides those of the effects, in SDs of the outcome (docs/bayes.md): means by visit, slopes of the
# baseline and of covariates in SDs of these, the log of SDs about that of the data, SD of therapists, and the log ratio
# of residual SDs of arms. No power of units is `levels`: each column of a category of so many is divided by their
# number to this power, so that a category of any size explains as much as a number does.
WIDTHS = {"means": 5.0, "slopes": 1.0, "levels": 0.5, "log_sds": 1.0, "therapists": 0.25, "log_ratios": 0.5}
# Under `flat` nothing else may speak either.
FLAT_WIDTHS = {"means": 100.0, "slopes": 100.0, "levels": 0.0, "log_sds": 10.0, "therapists": 1.0, "log_ratios": 2.0}
# Those that are in SDs of the outcome.
IN_UNITS = ("means", "slopes", "therapists")
# On the logit scale, where 3 is nearly always, means and effects not asked about have these shares of their widths:
# N(0, 1.8), about flat in the share responding, and not all or nothing.
LOGIT_SHARES = {"means": 0.2, "elsewhere": 0.1}


def share(name: str, *, linked: bool) -> float:
    """What a width is multiplied by; `linked`: the model is on the logit scale."""
    return LOGIT_SHARES.get(name, 1.0) if linked else 1.0


def widths(prior: EffectPrior) -> dict[str, float]:
    """The widths that go with a prior of the effects."""
    return FLAT_WIDTHS if prior.name == "flat" else WIDTHS


def scaled(width: Mapping[str, float], unit: float, *, linked: bool) -> dict[str, float]:
    """The widths in points or logits."""
    return {n: of * (unit * share(n, linked=linked) if n in IN_UNITS else 1.0) for n, of in width.items()}


def coefficient_widths(width: Mapping[str, float], columns_alike: Floats) -> Floats:
    """Of each column of the covariates; `columns_alike`: how many belong to its category."""
    return width["slopes"] / columns_alike ** width["levels"]


def prior_arrays(prior: EffectPrior, n_components: int) -> dict[str, Floats]:
    """Weights, means and Cholesky factors of the mixture, the first component split until there are `n_components`.

    So that every prior has the same graph: a component and its two halves are one and the same.
    """
    components = list(prior.components)
    split = n_components - len(components) + 1
    weights = [components[0].weight / split] * split + [c.weight for c in components[1:]]
    components = [components[0]] * split + components[1:]
    return {
        "prior_weight": np.array(weights) / np.sum(weights),
        "prior_mean": np.stack([c.mean for c in components]),
        "prior_root": np.stack([np.linalg.cholesky(c.covariance) for c in components]),
    }


def prior_data(prior: EffectPrior, n_components: int) -> dict[str, Floats]:
    """What to give to `with_data` so that a compiled model has this prior."""
    return prior_arrays(prior, n_components) | {
        f"width_{name}": np.asarray(value) for name, value in widths(prior).items()
    }


def most_components(priors: Sequence[EffectPrior]) -> int:
    """Components that a model needs which is to take any of these priors."""
    return max(len(prior.components) for prior in priors)
