"""Tables that figures draw: mean courses by arm, and the decay of the drug's effect after one and six doses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kaptrial.estimators.endpoints import responded
from kaptrial.methods.prepared import rule
from kaptrial.questions.power.truth import FIRST_BLOCK
from kaptrial.scenario.conduct import Conduct
from kaptrial.scenario.patients import Expectancy
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.sourced import ByArm
from kaptrial.scenario.treatment import Arm, Doses
from kaptrial.scenario.trial import Endpoint, Estimand, Randomisation
from kaptrial.simulation.simulate import simulate_block

if TYPE_CHECKING:
    import pandas as pd

PATIENTS = 100
# The series drawn beside one dose where the trial gives one only, and how long after a series its decay is followed.
SERIES_DAYS = (0.0, 2.0, 4.0, 7.0, 9.0, 11.0)
FOLLOWED = 89


def trajectories(scenario: Scenario, *, seed: int) -> pd.DataFrame:
    """Mean score of each arm: latent on a fine grid of days, and observed at the visits with its 95 % range
    between trials.

    Columns: arm, kind (latent, observed), day, mean, lower, upper. The latent course is that of the treatment
    as received;
    the observed means are of those still seen, in trials of the scenario's size.
    """
    import pandas as pd

    rows = []
    scenario = scenario.without_other_outcomes()
    visits = scenario.design.visits
    grid = tuple(sorted({*visits, *_fine(scenario)}))
    fine = replace(scenario, design=replace(scenario.design, visits=grid, n_per_arm=None, n_total=PATIENTS))
    for a, arm in enumerate(scenario.arms):
        forced = simulate_block(fine, seed=seed, block=FIRST_BLOCK, full=True, force_arm=a)
        assert forced.latent is not None
        means = forced.latent.mean(axis=(0, 1))
        rows += [
            {"arm": arm.id, "kind": "latent", "day": d, "mean": m, "lower": m, "upper": m}
            for d, m in zip(grid, means, strict=True)
        ]
    trials = simulate_block(scenario, seed=seed, block=0)
    for a, arm in enumerate(scenario.arms):
        scores = np.where((trials.arm == a)[..., None], trials.score, np.nan)
        by_trial = np.nanmean(scores, axis=1)
        for v, day in enumerate(visits):
            mean, sd = float(np.nanmean(by_trial[:, v])), float(np.nanstd(by_trial[:, v], ddof=1))
            rows.append(
                {
                    "arm": arm.id,
                    "kind": "observed",
                    "day": day,
                    "mean": mean,
                    "lower": mean - 1.96 * sd,
                    "upper": mean + 1.96 * sd,
                }
            )
    return pd.DataFrame(rows)


def _fine(scenario: Scenario) -> list[float]:
    last = scenario.design.visits[-1]
    if scenario.scale.link == "logit":  # an outcome counted by days needs whole days, and a week shows its mean
        return [float(day) for day in range(0, int(last) + 1, 7)]
    return [float(day) for day in np.linspace(0, last, 121)]


def decay(scenario: Scenario, *, seed: int, last_day: int | None = None) -> pd.DataFrame:
    """The course after one dose and after a series, each dose the mean of `course_drawn`, without therapy.

    The series is the trial's own; of a trial that gives one dose, six in two weeks.

    Natural course and the drug expectancy of the first ketamine arm are in it; therapy, therapists, adjuncts and
    conduct are not. Columns:
    doses, day, improvement (mean noise-free change of the score), responding (share of recorded scores
    that respond; NaN where
    the scale has no rule).
    """
    import pandas as pd

    scenario = scenario.without_other_outcomes()
    alone = _drug_alone(scenario, int(series_days(scenario)[-1]) + FOLLOWED if last_day is None else last_day)
    days, scale = np.asarray(alone.design.visits), scenario.scale
    rows = []
    for a, arm in enumerate(alone.arms):
        trials = simulate_block(alone, seed=seed, block=FIRST_BLOCK, full=True, force_arm=a)
        assert trials.latent is not None
        improvement = ((trials.latent - trials.latent[..., :1]) * scale.sign).mean(axis=(0, 1))
        share = np.full(len(days), np.nan)
        if scale.has_response:
            share = responded(trials.score, trials.baseline[..., None], rule(alone, alone.estimand)).mean(axis=(0, 1))
        doses = len(arm.doses[0].days)
        for day, mean, responding in zip(days, improvement, share, strict=True):
            rows.append({"doses": doses, "day": day, "improvement": mean, "responding": responding})
    return pd.DataFrame(rows)


def course_drawn(scenario: Scenario) -> Doses:
    """The first ketamine course of the first ketamine arm, whose mean dose `decay` gives."""
    return next(d for d in _first_ketamine_arm(scenario).doses if d.is_ketamine and d.days)


def series_days(scenario: Scenario) -> tuple[float, ...]:
    """The days of the series that `decay` gives, from its first dose."""
    days = course_drawn(scenario).days
    return tuple(day - days[0] for day in days) if len(days) > 1 else SERIES_DAYS


def mean_mg_per_kg(doses: Doses) -> float:
    """The mean dose of a course; where all are alike, that one to the bit."""
    each = doses.mg_per_kg_by_day()
    return each[0] if len(set(each)) == 1 else sum(each) / len(each)


def _first_ketamine_arm(scenario: Scenario) -> Arm:
    return next(arm for arm in scenario.arms if any(d.is_ketamine and d.days for d in arm.doses))


def _drug_alone(scenario: Scenario, last_day: int) -> Scenario:
    """Two arms, one dose and a series, in the scenario's world without therapy."""
    source, dose, series = _first_ketamine_arm(scenario), course_drawn(scenario), series_days(scenario)
    counted = scenario.scale.link == "logit"
    days = tuple(float(day) for day in np.arange(0, last_day + 1, 1 if counted else 0.5))
    hope = scenario.expectancy.drug
    if hope is not None and isinstance(hope.belief, ByArm):
        hope = replace(hope, belief=hope.belief.by_arm[source.id])
    one_dose = replace(dose, mg_per_kg=mean_mg_per_kg(dose), mg=None, body_weight=None)
    allocation = replace(scenario.design.allocation, ratio=None, block=None)
    endpoint: Endpoint = "percent_abstinent_days" if counted else "score"
    return replace(
        scenario,
        arms=tuple(
            Arm(id=f"doses_{len(at)}", label="", doses=(replace(one_dose, days=at),)) for at in ((0.0,), series)
        ),
        expectancy=Expectancy(drug=hope),
        conduct=Conduct(),
        randomisation=Randomisation(),
        analysis=replace(scenario.analysis, methods=("difference",), covariates=()),
        design=replace(scenario.design, visits=days, n_per_arm=None, n_total=PATIENTS, allocation=allocation),
        estimand=Estimand(contrast=f"doses_{len(series)} - doses_1", day=days[-1], endpoint=endpoint),
        secondary=(),
        relapse=None,
        null=None,
        variants=None,
    )
