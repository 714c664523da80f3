"""What a prior is worth beside the data, when the verdict tips, and what is borderline."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import kaptrial as kt
from kaptrial.cli import main
from kaptrial.methods.options import Options
from kaptrial.priors.effects import Component, EffectPrior, belief, named
from kaptrial.questions.fit import gaussian
from kaptrial.questions.fit.estimands import Limits
from kaptrial.questions.fit.fit import fit
from kaptrial.questions.fit.information import likelihood, worth
from kaptrial.questions.fit.priors import believed
from kaptrial.questions.fit.tipping import p_benefit, tipping_points
from kaptrial.questions.fit.trial_data import FitQuestion, from_file
from kaptrial.questions.fit.verdict import SHOWN, verdict
from tests import DATA, SCENARIOS

FACTORIAL = Options(factors=("ketamine", "therapy"), covariates=("site",), target_day=28)


def mixture(*parts):
    components = tuple(Component(weight=w, mean=np.array([m]), covariance=np.array([[s * s]])) for w, m, s in parts)
    return EffectPrior(name="x", roles=("drug",), days=(1.0,), asked=np.ones(1), components=components)


@pytest.mark.parametrize(("sigma", "ess"), [(10.0, 10.82796), (20.0, 43.31185)])
def test_effective_size_of_a_mixture_is_that_of_rbest(sigma, ess):
    """Printed in the reference page of RBesT's `ess`, method elir: N(0, 2) and N(3, 4), even odds."""
    prior = mixture((0.5, 0.0, 2.0), (0.5, 3.0, 4.0))
    assert sigma**2 * prior.information(np.ones(1)) == pytest.approx(ess, rel=1e-5)


def test_information_of_a_t_and_of_a_prior_with_an_edge():
    """Of a t with ν df and scale 1 it is (ν + 1)/(ν + 3); of a half-normal 1/variance, 1/(1 - 2/π)."""
    about = {"roles": ("drug",), "days": (1.0,), "contrast": (1.0,), "visit": 0, "unit": 1.0}
    t, edge = (named(text, **about) for text in ("t(0, 1, 4)", "half-normal(1)"))
    assert t.information(t.asked) == pytest.approx(5 / 7, rel=1e-3)
    assert edge.information(edge.asked) == pytest.approx(1 / (1 - 2 / np.pi), rel=0.01)


def generalised_least_squares(data, covariance):
    """Estimate and information of the asked contrast (the last effect, or the first of two arms) by plain matrices."""
    n_visits, k = len(data.days), data.x.shape[1]
    w = (data.covariates - data.covariates.mean(axis=0)) if data.covariates.shape[1] else np.empty((len(data.y), 0))
    matrix, vector = 0.0, 0.0
    for i, scores in enumerate(data.y):
        seen, eye = np.isfinite(scores), np.eye(n_visits)
        z = () if data.baseline is None else ((data.baseline[i] - data.baseline.mean()) * eye,)
        columns = [eye, *(data.x[i, e] * eye for e in range(k)), *z, *(np.full((n_visits, 1), c) for c in w[i])]
        x = np.concatenate(columns, axis=1)[seen]
        inverse = np.linalg.inv(covariance[np.ix_(seen, seen)])
        matrix, vector = matrix + x.T @ inverse @ x, vector + x.T @ inverse @ scores[seen]
    effect = data.effects.index(data.question)
    at = n_visits * (1 + effect) + data.target
    return np.linalg.solve(matrix, vector)[at], 1 / np.linalg.inv(matrix)[at, at]


@pytest.fixture(scope="module")
def fitted():
    data = from_file(DATA / "factorial_intermittent.csv", FACTORIAL, FitQuestion())
    names = ("weak", "skeptical", "normal(0.54, 0.3)")
    return data, fit(gaussian.model(data), [believed(name, data, "normal") for name in names], seed=1)


def test_worth_is_the_information_of_generalised_least_squares(fitted):
    """Covariances are taken as their posterior mean, 5 %, and at the mean of the parameters, as the fit does."""
    data, posteriors = fitted
    alone = likelihood(posteriors[0])
    estimate, information = generalised_least_squares(data, posteriors[0].named["covariance"].mean(axis=(0, 1))[0])
    assert alone.estimate == pytest.approx(estimate, abs=0.02 / np.sqrt(information))
    at_mean = posteriors[0].model.natural(posteriors[0].draws.flat.mean(axis=0)[None])["covariance"][0, 0]
    assert (alone.estimate, alone.information) == pytest.approx(generalised_least_squares(data, at_mean), rel=1e-4)
    found = worth(posteriors[1].prior, data, alone)
    _, _, (sd,) = posteriors[1].prior.along(posteriors[1].prior.asked)
    assert found.realised == pytest.approx(len(data.y) / sd**2 / information, rel=0.05)
    assert found.nominal == pytest.approx(16 * (data.unit_sd / sd) ** 2, rel=1e-9)  # 16 σ²/n is the variance in a 2×2


@pytest.mark.validation
@pytest.mark.parametrize("source", [SCENARIOS / "ketamine_by_cbt.yaml", SCENARIOS / "starter.yaml"])
def test_worth_in_simulated_trials(source):
    results = kt.fit(kt.load_scenario(source), prior="weak", seed=3)
    posterior = results.posteriors[0]
    data = posterior.model.data
    estimate, information = generalised_least_squares(data, posterior.named["covariance"].mean(axis=(0, 1))[0])
    assert results.data_alone.information == pytest.approx(information, rel=0.05)
    assert results.data_alone.estimate == pytest.approx(estimate, abs=0.05 / np.sqrt(information))


def test_the_closed_form_is_the_posterior(fitted):
    """P(benefit) of the draws and of the t-likelihood times the prior; at the tipping point it is the limit."""
    data, posteriors = fitted
    alone = likelihood(posteriors[0])
    for posterior in posteriors:
        said = verdict(posterior, Limits())
        _, (mean,), (sd,) = posterior.prior.along(posterior.prior.asked)
        assert p_benefit(alone, float(mean), float(sd), data.sign) == pytest.approx(said.p, abs=0.01 + 3 * said.p_mcse)
    rows = tipping_points(alone, data)
    for row in rows:
        mean = data.sign * row["prior_mean"] * data.unit_sd
        assert p_benefit(alone, mean, row["prior_sd"] * data.unit_sd, data.sign) == pytest.approx(
            row["p_benefit"], abs=1e-4
        )
    tips = [row["prior_mean"] for row in rows if row["p_benefit"] == SHOWN]
    assert tips == sorted(tips)  # the wider the prior, the more it must expect


def test_near_a_limit_the_verdict_is_borderline(fitted):
    """The prior mean of .54 SD at which P(benefit) is .975: whichever side the draws fall, that is said."""
    said = verdict(fitted[1][2], Limits())
    assert abs(said.p - SHOWN) < 2 * said.p_mcse
    assert said.borderline
    assert "Borderline" in said.text
    assert not verdict(fitted[1][0], Limits()).borderline


def test_conflict_is_of_the_effects_prior_alone(fitted):
    data, posteriors = fitted
    alone = likelihood(posteriors[0])
    prior = believed("normal(-2, 0.1)", data, "normal")
    found = worth(prior, data, alone)
    z = (alone.estimate - 2 * data.unit_sd) / np.hypot(0.1 * data.unit_sd, alone.information**-0.5)
    assert found.conflict == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-6)
    assert found.conflict < 1e-6


def test_a_stated_prior_is_what_it_says():
    """The distribution functions of t and half-normal are met within .005, a mixture's parts exactly."""
    about = {"roles": ("drug",), "days": (1.0,), "contrast": (1.0,), "visit": 0, "unit": 1.0, "better": "higher"}
    x = np.linspace(-4, 5, 901)
    for text, exact in (
        ("t(0.5, 0.4, 3)", stats.t.cdf((x - 0.5) / 0.4, 3)),
        ("half-normal(2)", stats.halfnorm.cdf(x / 2)),
    ):
        share, mean, sd = named(text, **about).along(np.ones(1))
        assert np.abs(stats.norm.cdf(x[:, None], mean, sd) @ share - exact).max() < 0.005
    both = belief("0.8 normal(0, 0.25) + 0.2 normal(0.1, 1)")
    assert both.parts["therapy"] == ((0.8, 0.0, 0.25), (0.2, 0.1, 1.0))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("normal(0.2)", "normal must have mean, sd"),
        ("cauchy(0, 1)", "must be normal(mean, sd)"),
        ("normal(0, -1)", "sd of normal must be more than 0"),
        ("0.5 normal(0, 1)", "positive weight, 1 in sum"),
        ("normal(0, 1) normal(0, 1)", "must be +"),
        ("normal(a, 1)", "'a' must be a number"),
        ("t(0, 1, 1)", "df of t must be more than 2"),
        ("0.5 normal(0,1) + 0.6 normal(0,1)", "positive weight, 1 in sum"),
    ],
)
def test_what_states_no_prior_is_refused(text, said):
    with pytest.raises(kt.FieldError, match=said.replace("(", r"\(").replace(")", r"\)").replace("+", r"\+")):
        belief(text)


def test_own_priors_of_a_scenario_speak_of_their_kind_of_effect():
    stated = {"interaction": "normal(0.1, 0.2)", "source": "assumption"}
    s = kt.load_scenario(SCENARIOS / "ketamine_by_cbt.yaml")
    own = s.with_values({"decision": {"own_priors": {"ours": stated | {"note": "why"}}, "priors": ["ours"]}}).decision
    about = {"days": (1.0,), "contrast": (1.0,), "visit": 0, "unit": 10.0}
    prior = named(belief("ours", own.own_priors), roles=("interaction",), **about)
    assert prior.along(prior.asked)[1:] == (pytest.approx([-1.0]), pytest.approx([2.0]))
    with pytest.raises(kt.FieldError, match="says nothing of it"):
        named(belief("ours", own.own_priors), roles=("drug",), **about)
    with pytest.raises(kt.ScenarioError, match=r"own_priors\.ours\.note"):
        s.with_values({"decision": {"own_priors": {"ours": stated}}})


def test_check_says_what_own_priors_and_looks_are(tmp_path, capsys):
    text = (
        (SCENARIOS / "starter.yaml")
        .read_text(encoding="utf-8")
        .replace("visits: [0, 1, 7, 14, 28]", "looks: [{share: 0.5, efficacy: 0.99}]\n  visits: [0, 1, 7, 14, 28]")
    )
    own = "decision: {own_priors: {ours: {therapy: 'normal(0.2, 0.2)', source: assumption, note: elicited}}}\n"
    (tmp_path / "own.yaml").write_text(f"{text}\n{own}", encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["check", str(tmp_path / "own.yaml")])
    said = " ".join(capsys.readouterr().out.split())
    assert "prior ours: therapy normal(0.2, 0.2) (SDs towards benefit), assumption: elicited" in said
    assert (
        "look after 50 % of the patients: stop if P(go at the end) < 0.05; go if P(better than the margin) ≥ 0.99"
        in said
    )
