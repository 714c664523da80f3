"""What the synthesis fixes and does not estimate; each an assumption, with the reason."""

from __future__ import annotations

# Effects of belief and of a trial's setting are there within an hour or two. The first choice was half a day, which the
# two-hour figure of murrough2013b showed to be too slow.
ONSET_DAYS = 0.04
# Spontaneous improvement takes weeks (as scenarios/cbt_after_ketamine.yaml, which takes 30 days for chronic illness).
NATURAL_TIME_CONSTANT_DAYS = 21.0
# "Durable" in trials that follow patients for three months to a year: lost with a half-life of a year.
CONSOLIDATED_HALF_LIFE_DAYS = 365.0
# Error of one rating as a share of the mean baseline: 2.5 points of MADRS in 32.
RATER_SD = 0.08
# Of the variance of reported day-0 scores, at least so much is between patients and stays; assumption.
LEAST_TRAIT = 0.1
# Effects of trials are Student's t with so many degrees of freedom, so that one trial in twenty is unlike the others;
# assumption.
TRIAL_DF = 4
