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
    cut = {
        name: value[:, :n] for name, value in vars(trials).items() if isinstance(value, np.ndarray) and name != "days"
    }
    covariates = {
        name: Covariate(values=each.values[:, :n], levels=each.levels) for name, each in trials.covariates.items()
    }
    changed = {
        "score": _past(cut["score"], trials.days, days_since),
        "dropout_day": None if trials.dropout_day is None else _happened(cut["dropout_day"], days_since),
        "events": {name: _happened(day[:, :n], days_since) for name, day in trials.events.items()},
        "others": {name: _measured(own, days_since) for name, own in trials.others.items()},
        "latent": None,
        "outcome": None,
        "sums": None,
    }
    return Trials(**{**vars(trials), **cut, **changed, "covariates": covariates})


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


def _happened(day: Floats, days_since: Floats) -> Floats:
    return np.where(day <= days_since, day, np.inf)
