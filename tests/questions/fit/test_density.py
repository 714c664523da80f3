"""The compiled log densities against plain loops, against PyMC, and their gradients against differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, special, stats

from kaptrial.questions.fit.density.beta_binomial import digamma
from kaptrial.questions.fit.models import ModelOptions, model_of
from kaptrial.questions.fit.priors import believed
from kaptrial.questions.fit.scales import prior_data
from tests.builders import binary_trial, days_trial, factorial
from tests.questions.fit import pymc_models


def in_sites(data):
    """The trial with two more covariates, columns of a category of three levels."""
    site = np.arange(len(data.y)) % 3
    columns = np.column_stack([data.covariates, site == 1, site == 2]).astype(float)
    names, categories = ("age", "site b", "site c"), ("", "site", "site")
    return replace(data, covariates=columns, covariate_names=names, categories=categories)


LONGER = (1.0, 7.0, 14.0, 28.0)
CASES = {
    "unstructured": (factorial(), ModelOptions()),
    "unstructured by arm": (factorial(), ModelOptions(residual="by_arm")),
    "random": (factorial(days=LONGER), ModelOptions(covariance="random")),
    "random by arm": (factorial(days=LONGER), ModelOptions(covariance="random", residual="by_arm")),
    "intercept": (factorial(), ModelOptions(covariance="intercept")),
    "one visit": (factorial(days=(28.0,)), ModelOptions(residual="by_arm")),
    "no covariates": (
        replace(
            factorial(), baseline=None, covariates=np.empty((40, 0)), covariate_names=(), therapist=np.full(40, -1)
        ),
        ModelOptions(),
    ),
    "a category": (in_sites(factorial()), ModelOptions()),
    "binary": (binary_trial(), ModelOptions(likelihood="binary")),
    "days": (days_trial(), ModelOptions(likelihood="abstinent_days")),
}


def prior_of(model, name="evidence"):
    return believed(name, model.data, model.likelihood)


def points(model, n, seed=1):
    rng = np.random.default_rng(seed)
    return model.start + rng.normal(0, 0.3, (n, model.layout.size))


@pytest.mark.parametrize("name", CASES)
def test_gradient_is_that_of_the_density(name):
    model = model_of(*CASES[name])
    scores, given = np.nan_to_num(model.data.y), prior_data(prior_of(model), 2)
    for theta in points(model, 2):
        gradient = model.density(theta, scores, given)[1]
        step = 1e-5
        numeric = [
            (model.density(theta + e, scores, given)[0] - model.density(theta - e, scores, given)[0]) / (2 * step)
            for e in step * np.eye(len(theta))
        ]
        # Central differences: rounding of a value near 1e3 over the step.
        np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["unstructured by arm", "random by arm", "one visit"])
def test_scores_against_scipy_patient_by_patient(name):
    model = model_of(*CASES[name])
    data = model.data
    thetas = points(model, 3)
    actual = model.parts(thetas, np.nan_to_num(data.y))
    covariance, expected = model.natural(thetas)["covariance"], model.expected(thetas)
    for s in range(3):
        for i in range(len(data.y)):
            seen = np.isfinite(data.y[i])
            own = covariance[s, data.arm[i]][np.ix_(seen, seen)]
            reference = stats.multivariate_normal.logpdf(data.y[i, seen], expected[s, i, seen], own)
            assert actual[s, i] == pytest.approx(reference, abs=1e-8)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("prior", ["evidence", "flat"])
def test_pymc_says_the_same(name, prior):
    from pytensor.compile.mode import Mode

    model = model_of(*CASES[name])
    given_prior = prior_of(model, prior)
    built = pymc_models.build(model.data, given_prior, CASES[name][1])
    assert len(built.value_vars) == sum(model.layout.at[1:] > model.layout.at[:-1])
    # Interpreted: to compile would take minutes.
    plain = Mode("py", "fast_compile")
    loglik = built["patient_loglik"]
    function = built.compile_fn(
        [built.logp(), *built.replace_rvs_by_values([loglik])], inputs=built.value_vars, mode=plain
    )
    thetas, scores = points(model, 3), np.nan_to_num(model.data.y)
    theirs = [function(pymc_models.values_for(model, built, theta)) for theta in thetas]
    ours = [model.density(theta, scores, prior_data(given_prior, 2))[0] for theta in thetas]
    # The LKJ's constant is left out.
    np.testing.assert_allclose(np.diff(ours), np.diff([float(t[0]) for t in theirs]), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(model.parts(thetas, scores), [t[1] for t in theirs], rtol=1e-8, atol=1e-8)


# Far logits and a wide intercept: where the product of odds would overflow, and where few nodes would not do.
@pytest.mark.parametrize(("sd", "shift"), [(1.0, 0.0), (-3.0, 0.0), (1.0, 300.0)])
def test_binary_against_an_integral(sd, shift):
    model = model_of(*CASES["binary"])
    data = model.data
    theta = points(model, 1)[0]
    theta[model.layout.at[6]] = sd
    theta[model.layout.at[1]] += shift
    logits = model.expected(theta[None])[0]
    assert model.natural(theta)["patient_sd"] == [abs(sd)]
    actual = model.parts(theta[None], np.nan_to_num(data.y))[0]
    for i in range(8):
        seen = np.isfinite(data.y[i])

        def integrand(v, i=i, seen=seen):
            at = logits[i, seen] + sd * v
            # Divided by the first visit's own probability at v = 0, which may be beyond a double.
            log_p = np.where(data.y[i, seen] == 1, special.log_expit(at), special.log_expit(-at)).sum()
            return np.exp(log_p + 300 * (shift > 0) * (data.y[i, 0] == 0)) * stats.norm.pdf(v)

        exact = np.log(integrate.quad(integrand, -9, 9, epsabs=1e-12, limit=200)[0])
        exact -= 300 * (shift > 0) * (data.y[i, 0] == 0)
        # The step's error falls as exp(-2 pi^2/(sd h)): 1e-12 for the narrow one, and least where visits disagree.
        assert actual[i] == pytest.approx(exact, abs=1e-3 if abs(sd) > 1 else 1e-7)


def test_days_against_scipy():
    model = model_of(*CASES["days"])
    data = model.data
    theta = points(model, 1)
    p = special.expit(model.expected(theta)[0, :, 0])
    kappa = 1 / model.natural(theta)["rho"][0] - 1
    reference = stats.betabinom.logpmf(data.y[:, 0], data.trials_of, p * kappa, (1 - p) * kappa)
    np.testing.assert_allclose(model.parts(theta, data.y)[0], reference, rtol=1e-9)


def test_digamma():
    for x in (1e-9, 0.01, 0.5, 3.0, 17.0, 1e6):
        assert digamma(x) == pytest.approx(special.digamma(x), rel=1e-13)
