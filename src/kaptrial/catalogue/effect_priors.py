"""Named priors of the effect that is asked about: what each says if it is the drug's, the therapy's or an interaction.

Stated in SDs of the outcome between patients; `priors/effects.py` turns them into points.
"""

from __future__ import annotations

import numpy as np

# Quantiles of the standard normal, written out because every command would wait for SciPy.
Z_95, Z_975 = 1.6448536269514722, 1.959963984540054

# assumption: an effect of half an SD is one that a trial would be planned for (g 0.43 in cuijpers2014).
HOPED = 0.5
# The SD under which an effect of HOPED or more has probability .05 for the sceptic, and none at all for the optimist
# (Spiegelhalter, Freedman & Parmar 1994, JRSS A 157:357).
DOUBT = HOPED / Z_95
# cuijpers2014: therapy added to a drug, Hedges g 0.43 (95 % interval 0.31 to 0.56), hence the SE.
ADDED, ADDED_SE = 0.43, (0.56 - 0.31) / (2 * Z_975)
# assumption: SD between trials of that effect, and of an interaction that the same source calls absent ("largely
# independent") without a figure.
BETWEEN_TRIALS, INTERACTION_SD = 0.2, 0.25
# assumption: weight of the weak prior beside the evidence, so that conflicting data can overrule it (Schmidli and
# colleagues 2014, Biometrics 70:1023).
ROBUST = 0.2

# Each prior: (weight, {role: (mean towards benefit, SD)}) of the parts of a mixture, in SD units.
_WEAK = {"drug": (0.0, 1.0), "therapy": (0.0, 1.0), "interaction": (0.0, 1.0)}
_PUBLISHED = (ADDED, float(np.hypot(ADDED_SE, BETWEEN_TRIALS)))
_EVIDENCE = {"drug": (0.0, 1.0), "therapy": _PUBLISHED, "interaction": (0.0, INTERACTION_SD)}
TABLES: dict[str, tuple[tuple[float, dict[str, tuple[float, float]]], ...]] = {
    "flat": ((1.0, {"drug": (0.0, 100.0), "therapy": (0.0, 100.0), "interaction": (0.0, 100.0)}),),
    "weak": ((1.0, _WEAK),),
    "skeptical": ((1.0, {"drug": (0.0, 1.0), "therapy": (0.0, DOUBT), "interaction": (0.0, DOUBT)}),),
    "optimistic": ((1.0, {"drug": (0.0, 1.0), "therapy": (HOPED, DOUBT), "interaction": (HOPED, DOUBT)}),),
    "additive_shrinkage": (
        (0.5, {"drug": (0.0, 1.0), "therapy": (0.0, 1.0), "interaction": (0.0, 0.1)}),
        (0.5, {"drug": (0.0, 1.0), "therapy": (0.0, 1.0), "interaction": (0.0, 0.5)}),
    ),
    "evidence": ((1 - ROBUST, _EVIDENCE), (ROBUST, _WEAK)),
}
NAMES = tuple(TABLES)
DESCRIPTIONS = {
    "flat": "all effects N(0, 100 SD): the data alone, to compare with maximum likelihood",
    "weak": "the effect asked about N(0, 1 SD): larger ones are rare",
    "skeptical": f"therapy or interaction N(0, {DOUBT:.2f} SD): a benefit of {HOPED:g} SD has probability .05",
    "optimistic": f"therapy or interaction N({HOPED:g}, {DOUBT:.2f} SD) towards benefit: none has probability .05",
    "additive_shrinkage": "interaction N(0, 0.1 SD) or N(0, 0.5 SD), even odds: additive unless data say otherwise",
    "evidence": f"therapy g {ADDED:g} towards benefit (cuijpers2014; SD between trials {BETWEEN_TRIALS:g} assumed), "
    f"interaction N(0, {INTERACTION_SD:g} SD) assumed, and with weight {ROBUST:g} the weak prior",
}
