"""Time to an event: log-rank, Cox, Kaplan–Meier and restricted means, batched over replicates.

Patients with equal times are tied; times that differ by rounding alone are made equal where a file is read.
"""

from kaptrial.estimators.survival.cox import cox
from kaptrial.estimators.survival.kaplan_meier import KaplanMeier, kaplan_meier
from kaptrial.estimators.survival.logrank import logrank
from kaptrial.estimators.survival.rmst import Rmst, rmst
from kaptrial.estimators.survival.visits import observed_at_visits

__all__ = ["KaplanMeier", "Rmst", "cox", "kaplan_meier", "logrank", "observed_at_visits", "rmst"]
