"""What the synthesis fixes and does not estimate; each an assumption, with the reason."""

from __future__ import annotations

# Effects of a dose, of belief and of a trial's setting are there by the first rating, an hour or a day later.
ONSET_DAYS = 0.5
# Spontaneous improvement takes weeks (as scenarios/cbt_after_ketamine.yaml, which takes 30 days for chronic illness).
NATURAL_TIME_CONSTANT_DAYS = 21.0
# "Durable" in trials that follow patients for three months to a year: lost with a half-life of a year.
CONSOLIDATED_HALF_LIFE_DAYS = 365.0
# Error of one rating as a share of the mean baseline: 2.5 points of MADRS in 32.
RATER_SD = 0.08
