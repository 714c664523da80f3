"""Power foreseen at a look: given the data so far, under an effect or averaged over what they leave open."""

from __future__ import annotations

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.estimators.sequential.recursion import stops


def conditional_power(
    z: float | Floats, information: float, later: Floats, upper: Floats, drift: float | Floats, *, sided: int = 1
) -> Floats:
    """The probability to cross the boundary at each of the `later` looks, given the statistic at a look.

    Parameters
    ----------
    z : (…)
        The statistic at the look.
    information : float
        At that look.
    later, upper : (look,)
        Information and boundary of the looks to come; futility is not heeded.
    drift : (…)
        θ, the mean of Z at information 1 if all data had it; z/√information is the trend seen so far.
    sided : int
        2: at either boundary.

    Returns
    -------
    (…, look); their sum is the conditional power (Jennison & Turnbull 2000, section 10.2).
    """
    more = later - information
    so_far = np.asarray(z, dtype=float)[..., None] * np.sqrt(information)
    ends = [(sign * upper * np.sqrt(later) - so_far) / np.sqrt(more) for sign in (-1.0, 1.0)]
    return _crossing(more, ends[0], ends[1], drift, sided)


def predictive_power(z: float | Floats, information: float, later: Floats, upper: Floats, *, sided: int = 1) -> Floats:
    """The same averaged over the effect's posterior at the look under a flat prior; arguments as above.

    The estimate S/I is then a Gaussian martingale whose variance grows by what that of the posterior falls, so that the
    recursion answers this too (Spiegelhalter, Freedman & Blackburn 1986, Controlled Clinical Trials 7:8-17).
    """
    gained = 1.0 / information - 1.0 / later
    so_far = np.asarray(z, dtype=float)[..., None] / np.sqrt(information)
    ends = [(sign * upper / np.sqrt(later) - so_far) / np.sqrt(gained) for sign in (-1.0, 1.0)]
    return _crossing(gained, ends[0], ends[1], 0.0, sided)


def _crossing(information: Floats, low: Floats, high: Floats, drift: float | Floats, sided: int) -> Floats:
    down, up = stops(information, low if sided == 2 else np.full_like(low, -np.inf), high, drift)
    return up + down if sided == 2 else up
