"""Non-inferiority and superiority by a margin, from any estimate with its SE.

Non-inferiority rejects "worse than the other side by the margin or more": with lower values better, θ ≥ margin is
rejected where (estimate − margin)/SE falls below the t quantile, which is where the upper end of the two-sided 1 − 2α
interval lies below the margin.
"""

from __future__ import annotations

from math import log
from typing import Literal

from scipy.special import stdtr

from kaptrial.arrays import Bools, Floats
from kaptrial.errors import FieldError
from kaptrial.estimators.fit import Fit


def non_inferior(
    fit: Fit, margin: float, *, better: Literal["lower", "higher"], alpha_one_sided: float = 0.025
) -> tuple[Bools, Floats]:
    """Whether the left side is shown to be worse by less than `margin`, and the one-sided p-value; each (replicate,).

    Parameters
    ----------
    fit : Fit
        Of left − right, on the scale of the margin.
    margin : float
        In the units of the estimate; negative, −m, asks for superiority by more than m.
    better : lower or higher
        The favourable direction of the outcome.
    alpha_one_sided : float
        The test's level. A failed fit rejects nothing, and its p is NaN.
    """
    worse = fit.estimate if better == "lower" else -fit.estimate
    p = stdtr(fit.df, (worse - margin) / fit.se)
    return p <= alpha_one_sided, p


def on_scale_of(measure: str, margin: float, better: Literal["lower", "higher"]) -> float:
    """A margin as `non_inferior` takes it: of a logarithm of a ratio, `margin` is the ratio.

    Raises
    ------
    FieldError
        For a ratio on the side that is better: non-inferiority allows for some harm.
    """
    if not measure.startswith("log_"):
        return margin
    if better == "lower" and not margin > 1.0:
        raise FieldError("margin", margin, "must be > 1: of a ratio of which lower ones are better")
    if better == "higher" and not 0.0 < margin < 1.0:
        raise FieldError("margin", margin, "must be between 0 and 1: of a ratio of which higher ones are better")
    return abs(log(margin))
