"""Deterministic posteriors of Gaussian models, thousands a second: coefficients exactly, SDs by quadrature."""

from kaptrial.priors.gaussian_quadrature.posterior import (
    CoefficientPrior,
    Flag,
    Posterior,
    Scales,
    Terms,
    TrialData,
    posterior,
)

__all__ = ["CoefficientPrior", "Flag", "Posterior", "Scales", "Terms", "TrialData", "posterior"]
