"""What a mechanism fit is made of; the fit itself takes a minute of compiling and stands in tests/validation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from kaptrial.errors import UserError
from kaptrial.questions.mechanism.course import course_of, improvement
from kaptrial.questions.mechanism.fit import (
    Rank,
    Told,
    best,
    cannot_rank,
    count_draws,
    duration,
    prior_centres,
    scores_of,
)
from kaptrial.questions.mechanism.model import Scores, build
from kaptrial.scenario.files import load
from kaptrial.simulation.simulate import simulate
from kaptrial.simulation.trials import read_csv
from tests import SCENARIOS

DAYS = (1.0, 14.0, 28.0)


@pytest.fixture(scope="module")
def factorial():
    return load(SCENARIOS / "ketamine_by_cbt.yaml")


def test_the_likelihood_is_the_normal_of_what_was_seen(factorial) -> None:
    """PyMC's log likelihood at one point against scipy's, patient by patient, with gaps."""
    import pytensor.tensor as pt
    from pytensor.graph.replace import clone_replace

    rng = np.random.default_rng(1)
    c, n = course_of(factorial, DAYS), 12
    y = rng.normal(25, 6, (n, 3))
    y[rng.random(y.shape) < 0.3] = np.nan
    y[:, 0] = np.where(np.isnan(y[:, 0]), 22.0, y[:, 0])
    scores = Scores(y=y, baseline=rng.normal(33, 5, n), arm=np.arange(n) % 4, unit=9.0, sign=-1.0)
    values = {
        "natural": 2.0,
        "max_effect": 18.0,
        "half_life": 5.0,
        "therapy": 4.0,
        "gamma": 0.7,
        "kappa": 0.3,
        "xi": 0.2,
    }
    slope, level = np.array([0.6, 0.4, 0.3]), 31.0
    root = np.linalg.cholesky(np.array([[40.0, 18, 10], [18, 60, 22], [10, 22, 90]]))
    model = build(c, scores, prior_centres(factorial))
    point = {**values, "slope": slope, "level": level, "covariance": root[np.tril_indices(3)]}
    graph = model["patient_loglik"]
    fixed = {rv: pt.constant(np.asarray(point[rv.name])) for rv in model.free_RVs if rv.name in point}
    replaced = clone_replace(graph, fixed)
    result = replaced.eval(mode="FAST_COMPILE")
    mean = level - improvement(c, values, np).reshape(4, 3)[scores.arm]
    mean = mean + (scores.baseline - scores.baseline.mean())[:, None] * slope
    for i in range(n):
        seen = np.isfinite(y[i])
        sigma = (root @ root.T)[np.ix_(seen, seen)]
        expected = stats.multivariate_normal.logpdf(y[i, seen], mean[i, seen], sigma)
        assert result[i] == pytest.approx(expected, abs=1e-9)


def test_only_a_factorial_or_a_randomised_lag_ranks(factorial) -> None:
    assert cannot_rank(factorial) is None
    addon = load(SCENARIOS / "cbt_after_ketamine.yaml")
    assert "cannot tell mechanisms apart" in str(cannot_rank(addon))
    early, late = addon.arms[1], addon.arms[1]
    late = replace(late, id="later", therapy=replace(late.therapy, days=tuple(d + 14 for d in late.therapy.days)))
    assert cannot_rank(replace(addon, arms=(addon.arms[0], early), estimand=addon.estimand)) is not None
    lagged = replace(
        addon, arms=(early, late), secondary=(), variants=None, conduct=replace(addon.conduct),
        estimand=replace(addon.estimand, contrast="later - ketamine_cbt"),
        expectancy=replace(addon.expectancy, drug=None),
    )  # fmt: skip
    assert cannot_rank(lagged) is None


def test_a_csv_of_the_trial_gives_the_scores_that_were_simulated(factorial, tmp_path: Path) -> None:
    trials = simulate(factorial, seed=2, replicates=1)
    trials.to_frame().to_csv(tmp_path / "trial.csv", index=False)
    again = read_csv(tmp_path / "trial.csv", factors=factorial.factors)
    a, b = (scores_of(factorial, t, (14.0, 28.0)) for t in (trials, again))
    # The file's patients come in the order of their names.
    rows = [sorted(map(str, zip(s.arm, s.baseline, s.y.tolist(), strict=True))) for s in (a, b)]
    assert rows[0] == rows[1]
    assert a.unit == pytest.approx(b.unit, rel=1e-12)


@pytest.mark.parametrize(
    ("difference", "error", "verdict"),
    [(-10.0, 2.0, "durability"), (-10.0, 6.0, None), (-3.0, 0.5, None)],
    ids=["clear", "within two standard errors", "too small a difference"],
)
def test_only_a_clear_lead_is_a_verdict(difference: float, error: float, verdict: str | None) -> None:
    def rank(variant: str, difference: float, error: float) -> Rank:
        return Rank(variant, 0.0, 0.0, difference, error, 0.0)

    others = [rank("additive", difference, error), rank("overlap", -50.0, 1.0)]
    assert best([rank("durability", 0.0, 0.0), *others]) == verdict


def test_days_counted_and_run_ins_are_refused() -> None:
    with pytest.raises(UserError, match="mechanisms are fitted to scores, not to days counted"):
        course_of(load(SCENARIOS / "kare_factorial.yaml"), DAYS)
    with pytest.raises(UserError, match="without a run-in and without adjuncts"):
        course_of(load(SCENARIOS / "depression_series_with_cbt.yaml"), DAYS)


def test_a_trial_of_another_design_is_refused(factorial) -> None:
    addon = load(SCENARIOS / "cbt_after_ketamine.yaml")
    other = simulate(addon, seed=1, replicates=1)
    with pytest.raises(UserError, match="no columns ketamine and therapy, the factors"):
        scores_of(factorial, other, (28.0,))
    renamed = replace(other, arms=("a", "b"))
    with pytest.raises(UserError, match="arm = 'a': must be one of the scenario's arms"):
        scores_of(addon, renamed, (28.0,))
    empty = replace(other, score=np.where(other.days == 28.0, np.nan, other.score))
    with pytest.raises(UserError, match="day 28: has no score at all"):
        scores_of(addon, empty, (14.0, 28.0))


def test_how_long_it_takes_is_said_in_seconds_or_minutes():
    assert duration(95, 300) == "40 s"  # measured: 15 s of compiling and 12 of sampling, on one processor
    assert duration(319, 300) == "40 s"  # 29 and 18
    assert duration(95, 20_000).endswith(" min")


def test_the_bar_is_told_of_the_draws_of_all_chains():
    told: list[int] = []
    bar = Told(told.append)
    bar([SimpleNamespace(finished_draws=n) for n in (100, 0, 50, 0)])
    bar([SimpleNamespace(finished_draws=n) for n in (300, 250, 300, 100)])
    bar.all(count_draws(200) // 4)
    assert told == [150, 800, 4 * 1000 - 950]
