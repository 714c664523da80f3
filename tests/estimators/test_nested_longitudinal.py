"""MMRM with therapists: with one visit the nested model, otherwise plain dense algebra; a number or a named failure."""

from __future__ import annotations

import numpy as np
import pytest

from kaptrial.estimators.fit import Failure
from kaptrial.estimators.nested import nested
from kaptrial.estimators.nested_longitudinal import nested_longitudinal
from tests.estimators.mixed_reference import peaks

TWO_ARMS = [-1.0, 1.0]
MIDDLE, LAST = [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
# Newton's last step leaves the parameters within some 1e-7 of their standard errors (`reml.LAST`).
CLOSE = 1e-7


def random_trial(rng, n=40, n_visits=3, n_arms=2, therapist_sd=2.0):
    """y, arm, therapist and a baseline of one trial; the first arm has no therapist."""
    arm = np.arange(n) % n_arms
    therapist = np.where(arm == 0, -1, np.minimum(rng.integers(0, 5, n), rng.integers(0, 5, n)))
    baseline = rng.normal(30.0, 6.0, n)
    y = (
        baseline[:, None] * 0.5
        + rng.normal(0.0, 3.0, (n, 1))
        + rng.normal(0.0, 2.0, (n, n_visits)) * [1, 1.3, 1.6][:n_visits]
    )
    effect = rng.normal(0.0, therapist_sd, (5, 1))
    y += np.where(arm[:, None] > 0, effect[therapist], 0.0)
    return y, arm, therapist, baseline


def lose(rng, y, dropout, gaps):
    """Scores with dropout and gaps."""
    n, n_visits = y.shape
    last = np.where(rng.random(n) < dropout, rng.integers(0, n_visits, n), n_visits)
    return np.where((np.arange(n_visits) >= last[:, None]) | (rng.random(y.shape) < gaps), np.nan, y)


def test_with_one_visit_it_is_the_nested_model():
    rng = np.random.default_rng(1)
    at_zero = 0
    for therapist_sd in [0.0, 4.0] * 10:
        n_arms = int(rng.integers(2, 4))
        y, arm, therapist, baseline = random_trial(rng, 36, 1, n_arms, therapist_sd)
        y = lose(rng, y, 0.2, 0.0)
        weights = TWO_ARMS if n_arms == 2 else [-1.0, 0.5, 0.5]
        x = baseline[None, :, None]
        crossed, main = (x, x[..., :0]) if rng.random() < 0.5 else (x[..., :0], x)
        df = "kenward-roger" if rng.random() < 0.5 else "satterthwaite"
        one = nested_longitudinal(y[None], arm[None], therapist[None], crossed, main, weights, [1.0], df=df)
        expected = nested(y[None, :, 0], arm[None], therapist[None], x, weights, df=df)
        assert one.contrast(0).failure[0] == expected.fit.failure[0] == Failure.NONE
        at_zero += expected.therapist_sd[0] == 0.0
        np.testing.assert_allclose(
            one.contrast(0).estimate, expected.fit.estimate, atol=CLOSE * expected.fit.se[0], rtol=0
        )
        np.testing.assert_allclose(one.contrast(0).se, expected.fit.se, rtol=CLOSE)
        np.testing.assert_allclose(one.contrast(0).df, expected.fit.df, rtol=CLOSE)
        np.testing.assert_allclose(one.reml_loglik, expected.reml_loglik, atol=1e-10)
        np.testing.assert_allclose(one.therapist_sd, expected.therapist_sd, atol=CLOSE)
        np.testing.assert_allclose(np.sqrt(one.covariance[0, 0]), expected.residual_sd[0, :1], rtol=CLOSE)
    assert 2 <= at_zero <= 14


def dense_model(y, arm, therapist, baseline, weights, over, begins=(0, 0)):
    """The arguments of the dense reference: visit × arm, baseline × visit, the elements of V, that of therapists."""
    n_visits = y.shape[1]
    patient, at = np.nonzero(np.isfinite(y))
    outcome = y[patient, at]
    columns, contrast = [], []
    for j in range(n_visits):
        columns += [(at == j) & (arm[patient] == a) for a in range(len(weights))]
        columns.append((at == j) * baseline[patient])
        contrast += [*(np.array(weights) * over[j]), 0.0]
    same_patient = patient[:, None] == patient
    who = therapist[patient]
    affected = (who >= 0) & (at >= np.array(begins)[arm[patient]])
    same_therapist = (who[:, None] == who) & affected[:, None] & affected
    g, start = [], []
    for j in range(n_visits):
        for k in range(j + 1):
            pair = (at[:, None] == j) & (at == k)
            g.append(same_patient & (pair | pair.T))
            start.append(float(j == k) + 0.1 * (j != k))
    g.append(same_therapist)
    start.append(0.2)
    held = np.arange(len(g)) >= n_visits * (n_visits + 1) // 2
    design = np.column_stack(columns).astype(float)
    return outcome, design, np.array(contrast), np.array(g, dtype=float), held, np.array(start) * np.var(outcome)


@pytest.mark.parametrize(
    ("dropout", "gaps", "therapist_sd", "over", "begins"),
    [
        (0.0, 0.0, 3.0, LAST, (0, 0)),
        (0.3, 0.0, 3.0, LAST, (0, 0)),
        (0.2, 0.1, 3.0, LAST, (0, 0)),
        (0.2, 0.1, 0.0, LAST, (0, 0)),
        (0.2, 0.1, 4.0, LAST, (0, 1)),  # the first visit is before the therapy
        (0.2, 0.1, 4.0, [0.2, 0.3, 0.5], (2, 1)),
    ],
)
def test_equals_dense_algebra(dropout, gaps, therapist_sd, over, begins):
    rng = np.random.default_rng(2)
    y, arm, therapist, baseline = random_trial(rng, 30, therapist_sd=therapist_sd)
    y = lose(rng, y, dropout, gaps)
    y[:2, 2] = 15.0, 18.0  # somebody of each arm at the last visit
    data = (y[None], arm[None], therapist[None], baseline[None, :, None], np.empty((1, len(y), 0)), TWO_ARMS, over)
    result = nested_longitudinal(*data, np.array(begins))
    expected = peaks(*dense_model(y, arm, therapist, baseline, TWO_ARMS, over, begins), shares=(1.0,))[0]
    fit = result.contrast(0)
    assert fit.failure[0] == Failure.NONE
    np.testing.assert_allclose(result.reml_loglik[0], expected.loglik, atol=1e-10)
    np.testing.assert_allclose(fit.estimate[0], expected.estimate, atol=CLOSE * expected.se, rtol=0)
    np.testing.assert_allclose(fit.se[0], expected.se, rtol=CLOSE)
    np.testing.assert_allclose(fit.df[0], expected.df, rtol=CLOSE)
    adjusted = nested_longitudinal(*data, np.array(begins), df="kenward-roger").contrast(0)
    np.testing.assert_array_equal(adjusted.estimate, fit.estimate)
    np.testing.assert_allclose(adjusted.se[0], expected.se_kenward_roger, rtol=CLOSE)
    np.testing.assert_allclose(adjusted.df[0], expected.df_kenward_roger, rtol=CLOSE)
    np.testing.assert_allclose(
        result.covariance[0][np.tril_indices(3)], expected.psi[:6], rtol=CLOSE, atol=CLOSE * expected.psi.max()
    )
    np.testing.assert_allclose(result.therapist_sd[0], np.sqrt(expected.psi[6]), rtol=CLOSE)


def test_scores_in_other_units_give_the_same_test():
    rng = np.random.default_rng(3)
    y, arm, therapist, baseline = random_trial(rng)
    y = lose(rng, y, 0.2, 0.05)
    rest = (arm[None], therapist[None], baseline[None, :, None], np.empty((1, len(y), 0)), TWO_ARMS, LAST)
    one = nested_longitudinal(y[None], *rest).contrast(0)
    assert one.failure[0] == Failure.NONE
    for unit in (1e-6, 1e6):
        other = nested_longitudinal(1e4 * unit + unit * y[None], *rest).contrast(0)
        # Exact but for rounding, which the origin of 10,000 raises to 1e-12.
        np.testing.assert_allclose(other.estimate, unit * one.estimate, rtol=1e-9)
        np.testing.assert_allclose(other.se, unit * one.se, rtol=1e-9)
        np.testing.assert_allclose(other.df, one.df, rtol=1e-9)


def test_closely_correlated_visits_converge():
    rng = np.random.default_rng(7)
    for _ in range(20):
        y, arm, therapist, baseline = random_trial(rng, therapist_sd=rng.choice([0.0, 2.0]))
        y = lose(rng, y + rng.normal(0.0, 8.0, (len(y), 1)), 0.2, 0.05)  # correlations of .95
        none = np.empty((1, len(y), 0))
        fit = nested_longitudinal(
            y[None], arm[None], therapist[None], baseline[None, :, None], none, TWO_ARMS, LAST
        ).contrast(0)
        assert fit.failure[0] == Failure.NONE


def test_redundant_and_confounded_covariates():
    rng = np.random.default_rng(4)
    y, arm, therapist, baseline = random_trial(rng)
    x, none = baseline[None, :, None], np.empty((1, len(y), 0))
    data = (y[None], arm[None], therapist[None])
    one = nested_longitudinal(*data, x, none, TWO_ARMS, LAST)
    two = nested_longitudinal(*data, np.concatenate([x, 2.0 * x + 1.0], axis=-1), none, TWO_ARMS, LAST)
    assert one.contrast(0).failure[0] == Failure.NONE
    # The same columns are left: equal but for the order of additions.
    np.testing.assert_allclose(
        (two.contrast(0).estimate, two.contrast(0).se), (one.contrast(0).estimate, one.contrast(0).se), rtol=1e-9
    )
    np.testing.assert_allclose(two.contrast(0).df, one.contrast(0).df, rtol=1e-9)
    confounded = nested_longitudinal(*data, arm[None, :, None].astype(float), none, TWO_ARMS, LAST).contrast(0)
    assert confounded.failure[0] == Failure.CONFOUNDED_COVARIATE
    assert np.isnan([confounded.estimate[0], confounded.se[0], confounded.df[0]]).all()


def test_too_few_therapists_visits_not_seen_and_arguments_that_do_not_fit():
    rng = np.random.default_rng(5)
    y, arm, therapist, _ = (a[None] for a in random_trial(rng))
    none = np.empty((1, y.shape[1], 0))
    one = np.where(therapist >= 0, 0, -1)
    assert nested_longitudinal(y, arm, one, none, none, TWO_ARMS, LAST).failure[0, 0] == Failure.TOO_FEW_THERAPISTS
    # A therapist an arm is an effect of the arms, a therapist a patient is a part of the patients' covariance.
    assert nested_longitudinal(y, arm, arm, none, none, TWO_ARMS, LAST).failure[0, 0] == Failure.TOO_FEW_THERAPISTS
    own = np.arange(y.shape[1])[None]
    assert nested_longitudinal(y, arm, own, none, none, TWO_ARMS, LAST).failure[0, 0] == Failure.TOO_FEW_PATIENTS
    unseen = np.where((arm == 1)[..., None] & (np.arange(3) == 2), np.nan, y)
    assert nested_longitudinal(unseen, arm, therapist, none, none, TWO_ARMS, LAST).failure[0, 0] == Failure.NOT_OBSERVED
    assert nested_longitudinal(unseen, arm, therapist, none, none, TWO_ARMS, MIDDLE).failure[0, 0] == Failure.NONE
    with pytest.raises(ValueError, match="visit"):
        nested_longitudinal(y, arm, therapist, none, none, TWO_ARMS, [0.0, 1.0])


def test_a_number_or_a_named_failure_whatever_comes():
    rng = np.random.default_rng(6)
    n_fitted = 0
    for _ in range(500):
        n, n_visits, n_arms = int(rng.integers(1, 16)), int(rng.integers(1, 4)), int(rng.integers(2, 4))
        arm = np.arange(n) % n_arms if rng.random() < 0.7 else rng.integers(0, n_arms, n)
        therapists = {
            "one": np.zeros(n, dtype=np.int64),
            "each his own": np.arange(n),
            "none": np.full(n, -1),
            "some": rng.integers(-1, 3, n),
            "therapy arms only": np.where(arm == 0, -1, rng.integers(0, 3, n)),
        }
        therapist = therapists[rng.choice(list(therapists))]
        y = rng.normal(size=(n, n_visits)) + rng.normal(size=(n, 1))
        match rng.choice(["normal", "constant", "by patient", "whole", "missing", "all missing"]):
            case "constant":
                y[:] = 5.0
            case "by patient":
                y = np.broadcast_to(rng.normal(size=(n, 1)), y.shape).copy()
            case "whole":
                y = np.round(y)
            case "missing":
                y = lose(rng, y, 0.3, 0.1)
            case "all missing":
                y[:] = np.nan
        y = y * rng.choice([1e-6, 1.0, 1e6])
        x = rng.normal(size=(1, n, int(rng.integers(0, 2))))
        crossed, main = (x, x[..., :0]) if rng.random() < 0.5 else (x[..., :0], x)
        result = nested_longitudinal(
            y[None], arm[None], therapist[None], crossed, main, TWO_ARMS if n_arms == 2 else [-1.0, 0.5, 0.5],
            np.eye(n_visits)[rng.integers(0, n_visits)],
            begins=rng.integers(0, n_visits + 1, n_arms) if rng.random() < 0.3 else None,
            df=rng.choice(["satterthwaite", "kenward-roger"]),
        )  # fmt: skip
        fit = result.contrast(0)
        numbers = [fit.estimate[0], fit.se[0], fit.df[0], result.therapist_sd[0], result.reml_loglik[0]]
        if fit.failure[0]:
            assert fit.failure[0] in list(Failure)
            assert np.isnan(numbers).all()
        else:
            n_fitted += 1
            assert np.isfinite(numbers).all()
            assert fit.se[0] > 0.0
            assert fit.df[0] > 0.0
    assert n_fitted > 40  # so that the fits above were not all failures
