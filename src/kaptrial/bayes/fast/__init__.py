"""Deterministic posteriors of Gaussian models, thousands a second: coefficients exactly, SDs by quadrature."""

from kaptrial.bayes.fast.posterior import CoefficientPrior, Flag, Posterior, Scales, Terms, TrialData, posterior

__all__ = ["CoefficientPrior", "Flag", "Posterior", "Scales", "Terms", "TrialData", "posterior"]
