"""Trials as they stand at a look: those randomised by then, and of them the visits that are past."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.simulation.trials import Covariate, Measured, Trials


def at_look(trials: Trials, days_since: Floats) -> Trials:
    """The trials at a look.

    Parameters
    ----------
    trials : Trials
    days_since : (patient,)
        Of the first patients in the order of their randomisation the day of the trial's schedule that each has reached;
        the others are not randomised yet.

    Returns
    -------
    Trials
        Scores of later days are not observed, and later events have not happened.
    """
    n = len(days_since)
    covariates = {
        name: Covariate(values=each.values[:, :n], levels=each.levels) for name, each in trials.covariates.items()
    }
    events = {name: np.where(day[:, :n] <= days_since, day[:, :n], np.inf) for name, day in trials.events.items()}
    return replace(
        trials,
        arm=trials.arm[:, :n],
        baseline=trials.baseline[:, :n],
        score=_past(trials.score[:, :n], trials.days, days_since),
        covariates=covariates,
        therapist=None if trials.therapist is None else trials.therapist[:, :n],
        events=events,
        latent=None,
        outcome=None,
        others={name: _measured(own, days_since) for name, own in trials.others.items()},
    )


def _measured(own: Measured, days_since: Floats) -> Measured:
    n = len(days_since)
    return replace(
        own,
        baseline=own.baseline[:, :n],
        score=_past(own.score[:, :n], own.days, days_since),
        randomisation_score=None if own.randomisation_score is None else own.randomisation_score[:, :n],
        latent=None,
        outcome=None,
    )


def _past(score: Floats, days: Floats, days_since: Floats) -> Floats:
    return np.where(days <= days_since[:, None], score, np.nan)
