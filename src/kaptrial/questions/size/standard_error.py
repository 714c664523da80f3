"""How the standard error falls with n: SE² = a + b/n, with a > 0 where a fixed number of therapists does not shrink."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from kaptrial.questions.power.measures import t_power
from kaptrial.questions.size.search import Search
from kaptrial.scenario.scenario import Scenario


@dataclass(frozen=True, kw_only=True)
class SELaw:
    """SE² = fixed + per_n/n."""

    fixed: float
    fixed_mcse: float
    per_n: float

    def at(self, n: float) -> float:
        return math.sqrt(max(self.fixed + self.per_n / n, 1e-300))


def therapists_fixed(s: Scenario) -> bool:
    """Whether an arm of the contrast has a fixed number of therapists who differ."""
    for weight, arm in zip(s.contrast(s.estimand).weights, s.arms, strict=True):
        staff = s.therapies[arm.therapy.name].therapists if arm.therapy else None
        if weight and staff is not None and staff.count is not None and staff.sd.value > 0:
            return True
    return False


def se_law(search: Search, start: float, high: float, arms: int) -> SELaw:
    """Regress the squared errors of the estimates on 1/n, replicate by replicate (the points share their noise)."""
    first = min(start, 100.0 * arms)
    sizes = sorted({min(high, round(first * k)) for k in (1, 4, 12)})
    count = min(search.replicates, 1024)
    points = [search.at(n, count) for n in sizes]
    squared = np.stack([(p.estimates - p.mean) ** 2 for p in points])
    squared = squared[:, np.isfinite(squared).all(axis=0)]
    weights = 1 / np.array([p.sd for p in points]) ** 4
    x = np.stack([np.ones(len(sizes)), 1 / np.array(sizes)], axis=1)
    hat = np.linalg.pinv((x * weights[:, None]).T @ x) @ (x * weights[:, None]).T
    each = hat @ squared
    return SELaw(
        fixed=max(float(each[0].mean()), 0.0),
        fixed_mcse=float(each[0].std(ddof=1) / math.sqrt(each.shape[1])),
        per_n=max(float(each[1].mean()), 1e-12),
    )


def _z_power(effect: float, se: float, alpha: float) -> float:
    critical = special.ndtri(1 - alpha / 2)
    return float(special.ndtr(effect / se - critical) + special.ndtr(-effect / se - critical))


def ceiling_power(effect: float, law: SELaw, search: Search) -> tuple[float, float]:
    """Power of a test with the right level as n grows without end, and its error from that of the fixed part."""
    if law.fixed <= 0:
        return 1.0, 0.0
    power = _z_power(effect, math.sqrt(law.fixed), search.alpha)
    ends = [
        _z_power(effect, math.sqrt(max(law.fixed + sign * law.fixed_mcse, 1e-12)), search.alpha) for sign in (-1, 1)
    ]
    return power, abs(ends[0] - ends[1]) / 2


def size_by_law(search: Search, effect: float, law: SELaw, df_per_n: float, low: float, high: float) -> float | None:
    """n at which a t test with this SE has the target power; None beyond `high`."""

    def lack(n: float) -> float:
        return t_power(effect, law.at(n), max(df_per_n * n, 1.0), search.alpha) - search.target

    if lack(high) < 0:
        return None
    return low if lack(low) >= 0 else float(optimize.brentq(lack, low, high, xtol=1e-3))
