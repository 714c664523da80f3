"""The likelihood of the synthesis against scipy, and how figures of the same patients are counted together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from kaptrial.catalogue import trial
from kaptrial.evidence.shipped_priors import PRIOR
from kaptrial.evidence.synthesis import fit
from kaptrial.evidence.synthesis.correlation import BETWEEN_SCALES, LARGEST, correlation, precision
from kaptrial.evidence.synthesis.layout import layout, targets
from kaptrial.evidence.synthesis.leaving_out import trial_terms
from kaptrial.evidence.synthesis.model import build, trial_of_terms
from kaptrial.evidence.synthesis.shipped import prior_draws
from kaptrial.priors.design_prior import TRIAL_EFFECTS
from tests.builders import published_trial, trial_figure

SHARES = {"ketamine": (45, 20), "midazolam": (10, 22)}


def middle():
    return {name: np.median(value, axis=0, keepdims=True) for name, value in prior_draws(PRIOR).items()}


def log_likelihood(lay, joint, **changes):
    """Of each trial at the medians of the prior, without effects of its own."""
    terms = trial_terms(build(lay, joint), compiled=False)
    draws = middle() | {name: np.array([value]) for name, value in changes.items()}
    return terms(draws, 0, np.zeros((len(lay.trials), len(TRIAL_EFFECTS))))


def with_shares(folder, **values):
    """A trial that reports shares of responders on day 1."""
    return published_trial(
        folder, figures=[trial_figure("response", value, arm=arm, day=1) for arm, value in values.items()]
    )


def test_a_share_is_binomial(tmp_path):
    """Differences of the log likelihood of counts at the same probability are those of the binomial."""
    found, wanted = [], []
    for value in (10, 50, 90):
        one = with_shares(tmp_path, ketamine=value)
        lay = layout([one], targets(one))
        found.append([float(log_likelihood(lay, np.eye(1), non_responders=x)[0]) for x in (0.2, 0.6)])
    # For counts of 20 at two probabilities, log p/q and log (1-p)/(1-q) are two unknowns, found from two counts.
    ratio = np.diff(found, axis=1)[:, 0]
    a, b = np.linalg.solve([[2, 18], [10, 10]], ratio[:2])
    wanted = 18 * a + 2 * b
    assert ratio[2] == pytest.approx(wanted, rel=1e-6)
    # They are logs of ratios of probabilities that add to one.
    q = (1 - np.exp(b)) / (np.exp(a) - np.exp(b))
    assert 0 < q < 1
    assert 0 < q * np.exp(a) < 1


def test_a_mean_is_normal(tmp_path):
    found = []
    for value in (-20.0, -10.0):
        one = published_trial(
            tmp_path, figures=[trial_figure("mean_change", value, arm="ketamine", day=1) | {"se": 1.5}]
        )
        lay = layout([one], targets(one))
        found.append(float(log_likelihood(lay, np.eye(1))[0]))
    # log N(x; m, s) = c − (x − m)²/2s², and c = −log s as the fit has it.
    mean = -15.0 + (found[0] - found[1]) * 1.5**2 / -10.0
    assert found[0] == pytest.approx(stats.norm.logpdf(-20.0, mean, 1.5) + 0.5 * np.log(2 * np.pi), abs=1e-9)


def test_a_test_that_was_not_significant_has_its_power_against_it(tmp_path):
    """−½z² with z² = −2 log(1 − power): the more patients, the less likely that a large effect is missed."""
    said = []
    for n in (10, 20, 80):
        raw = [{"id": "ketamine", "n": n, "doses": [{"agent": "ketamine", "mg_per_kg": 0.5, "days": [0]}]}]
        raw.append({"id": "saline", "n": n, "doses": [{"agent": "saline", "days": [0]}]})
        one = published_trial(
            tmp_path, arms=raw, figures=[trial_figure("significant", 0, arm="ketamine - saline", day=1)]
        )
        said.append(float(log_likelihood(layout([one], targets(one)), np.eye(1))[0]))
    power = -np.expm1(said)
    # One effect d explains all three: power is that of a normal test at d·√(n/2).
    d = (stats.norm.ppf(power[0]) + 1.959964) / np.sqrt(5)
    for n, each in zip((20, 80), power[1:], strict=True):
        assert each == pytest.approx(stats.norm.cdf(d * np.sqrt(n / 2) - 1.959964), abs=2e-3)


def test_figures_that_say_the_same_count_once(tmp_path):
    """Two residuals of correlation r: −½(z₁² − 2rz₁z₂ + z₂²)/(1 − r²)."""
    one = with_shares(tmp_path, ketamine=45, midazolam=10)
    lay = layout([one], targets(one))
    alone = [
        float(log_likelihood(layout([each], targets(each)), np.eye(1))[0])
        for each in (with_shares(tmp_path, ketamine=45), with_shares(tmp_path, midazolam=10))
    ]
    z = np.sqrt(-2 * np.array(alone))
    r = 0.9
    joint = np.linalg.inv([[1, r], [r, 1]])
    both = {
        round(float(-(z[0] ** 2 - 2 * sign * r * z[0] * z[1] + z[1] ** 2) / (2 * (1 - r * r))), 6) for sign in (-1, 1)
    }
    assert round(float(log_likelihood(lay, joint)[0]), 6) in both
    assert log_likelihood(lay, np.eye(2))[0] == pytest.approx(sum(alone), abs=1e-9)


def test_a_term_belongs_to_the_trial_of_its_figure():
    trials, chosen = fit.fitted_trials(fit.PUBLISHED, ("murrough2013a", "singh2016", "mathew2010"))
    lay = layout(trials, chosen)
    of = trial_of_terms(lay)
    assert [lay.trials[i] for i in of[: len(lay.figures)]] == [t.trial for t in lay.figures]
    with_sd = [t.trial for t in lay.levels if t.sd is not None and t.statistic == "mean_change"]
    assert [lay.trials[i] for i in of[len(lay.figures) :]] == with_sd


# --- correlation of figures of the same patients ----------------------------------------------------------------------


def test_correlation_of_rows():
    rng = np.random.default_rng(1)
    x, e = rng.normal(size=(2, 20_000))
    rows = np.stack([x, 0.6 * x + 0.8 * e, -x, np.ones_like(x), np.where(x > 3, np.nan, x)])
    found = correlation(rows)
    se = 4 / np.sqrt(20_000)
    assert found[0, 1] == pytest.approx(0.6 * LARGEST, abs=se)
    assert found[0, 2] == pytest.approx(-LARGEST, rel=1e-6)
    np.testing.assert_array_equal(found[3], [0, 0, 0, 1, 0])
    assert found[0, 4] == pytest.approx(LARGEST, abs=0.02)
    np.testing.assert_array_equal(np.diag(found), 1)


def test_trials_are_independent_and_scales_share_half():
    studies = [trial(key) for key in ("taylor2018", "mathew2010")]
    lay = layout(studies, [t for one in studies for t in targets(one)])
    found = np.linalg.inv(precision(studies, lay.figures, middle(), seed=0))
    of = [(t.trial, t.endpoint, t.arms) for t in lay.figures]
    for i, (study, scale, arms) in enumerate(of):
        for j, (other, another, theirs) in enumerate(of[:i]):
            if study != other:
                assert found[i, j] == pytest.approx(0, abs=1e-12)
            elif arms != theirs:
                assert abs(found[i, j]) < 0.2  # 4 SE of 400 replicates
            elif scale != another:
                assert found[i, j] <= BETWEEN_SCALES
