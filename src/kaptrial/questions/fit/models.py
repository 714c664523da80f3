"""The model that a user asks for, by the names of its options."""

from __future__ import annotations

from dataclasses import dataclass

from kaptrial.questions.fit import binary, counts, gaussian
from kaptrial.questions.fit.data import InteractionData
from kaptrial.questions.fit.gaussian import Covariance, Residual
from kaptrial.questions.fit.model import InteractionModel, Likelihood

# Unknowns of each likelihood whose diagnostics count.
PARAMETERS = {"normal": gaussian.PARAMETERS, "binary": binary.PARAMETERS, "abstinent_days": counts.PARAMETERS}


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """`covariance` and `residual` are those of scores."""

    likelihood: Likelihood = "normal"
    covariance: Covariance = "unstructured"
    residual: Residual = "common"


def model_of(data: InteractionData, options: ModelOptions) -> InteractionModel:
    """The model of these data."""
    if options.likelihood == "binary":
        return binary.model(data)
    if options.likelihood == "abstinent_days":
        return counts.model(data)
    return gaussian.model(data, covariance=options.covariance, residual=options.residual)
