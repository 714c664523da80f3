"""The numbers of `Failure`, for compiled code."""

from __future__ import annotations

from kaptrial.estimators.fit import Failure

NONE = int(Failure.NONE)
TOO_FEW_PATIENTS = int(Failure.TOO_FEW_PATIENTS)
NO_RESIDUAL_VARIANCE = int(Failure.NO_RESIDUAL_VARIANCE)
CONFOUNDED_COVARIATE = int(Failure.CONFOUNDED_COVARIATE)
NOT_CONVERGED = int(Failure.NOT_CONVERGED)
SINGULAR_COVARIANCE = int(Failure.SINGULAR_COVARIANCE)
SEPARATION = int(Failure.SEPARATION)
NO_EVENTS = int(Failure.NO_EVENTS)
TOO_FEW_THERAPISTS = int(Failure.TOO_FEW_THERAPISTS)
NOT_OBSERVED = int(Failure.NOT_OBSERVED)
