"""From draws to rows, verdicts and checks, on posteriors made up so that the answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from kaptrial.errors import DataError
from kaptrial.estimators.huber import pooled_scale
from kaptrial.questions.fit import binary, counts, gaussian
from kaptrial.questions.fit.checks import far_scores, posterior_check, prior_check
from kaptrial.questions.fit.diagnostics import Diagnostics, diagnose
from kaptrial.questions.fit.estimands import (
    Limits,
    arm_means,
    asked_draws,
    contrast_weights,
    density_at_zero,
    rows,
    share_kept,
)
from kaptrial.questions.fit.fit import Posterior
from kaptrial.questions.fit.forward import draw_prior, replicate_scores
from kaptrial.questions.fit.plot_data import question
from kaptrial.questions.fit.priors import believed
from kaptrial.questions.fit.sample import Draws
from kaptrial.questions.fit.separation import separation_notes
from kaptrial.questions.fit.trial_data import FitQuestion, from_scenario
from kaptrial.questions.fit.verdict import judged, verdict
from kaptrial.scenario.files import load
from tests import SCENARIOS
from tests.builders import binary_trial, days_trial, factorial

GOOD = Diagnostics(
    r_hat=1.0, ess_bulk=1000, ess_tail=1000, worst="", divergences=0, k_hat=np.zeros(40), elpd=0.0, elpd_se=1.0
)


def made_up(model, *, spread=0.3, shift=None, prior="weak", diagnostics=GOOD, n=500):
    """A posterior of normal draws about the start."""
    rng = np.random.default_rng(0)
    thetas = model.start + spread * rng.standard_normal((4, n, model.layout.size))
    if shift is not None:
        thetas[..., : model.layout.at[1]] += shift
    data = model.data
    of_asked = believed(prior, data, model.likelihood)
    return Posterior(
        model=model, prior=of_asked, draws=Draws(thetas=thetas, stats={"diverging": np.zeros((4, n), dtype=bool)}),
        named=model.natural(thetas), patient_loglik=np.zeros((4, n, len(data.y))), diagnostics=diagnostics, reruns=0,
    )  # fmt: skip


def row_of(table, **wanted):
    (row,) = [row for row in table if all(row[key] == value for key, value in wanted.items())]
    return row


def test_rows_of_scores():
    posterior = made_up(gaussian.model(factorial()), shift=np.repeat([-4.0, -2.0, -1.0], 3))
    table = rows(posterior, Limits(margin=1.0, rope=0.5))
    effect = posterior.named["effect"]
    for k, name in enumerate(("ketamine", "therapy", "ketamine:therapy")):
        row, draws = row_of(table, contrast=name, measure="difference", day=28.0), effect[..., k, 2]
        assert row["mean"] == pytest.approx(draws.mean())
        assert row["sd"] == pytest.approx(draws.std())
        np.testing.assert_allclose([row["lower"], row["upper"]], np.quantile(draws, [0.025, 0.975]))
        assert row["p_below_zero"] == row["p_favours_left"] == np.mean(draws < 0)
        assert row["p_beyond_margin"] == np.mean(draws < -1)
        assert row["p_in_rope"] == np.mean(np.abs(draws) < 0.5)
    main = row_of(table, contrast="main(therapy)", measure="difference", day=28.0)
    assert main["mean"] == pytest.approx((effect[..., 1, 2] + effect[..., 2, 2] / 2).mean())
    means = posterior.named["arm_mean"][..., 2]
    ratio = row_of(table, contrast="ketamine:therapy", measure="ratio_of_means", day=28.0)
    assert ratio["mean"] == pytest.approx((means[..., 3] * means[..., 0] / means[..., 1] / means[..., 2]).mean())
    kept = row_of(table, contrast="ketamine", measure="share_kept", day=28.0)
    assert kept["median"] == pytest.approx(np.median(effect[..., 0, 2] / effect[..., 0, 0]))
    assert np.isnan(kept["mean"])
    assert np.isnan(kept["sd"])


def test_a_share_of_nothing_is_not_told():
    rng = np.random.default_rng(0)
    row = share_kept(rng.normal(0, 1, (4, 100)), np.ones((4, 100)))
    assert np.isnan(row["median"])
    assert "one side of zero with probability" in row["reason"]


def test_bayes_factor_of_a_normal_posterior():
    model = gaussian.model(factorial())
    posterior = made_up(model, spread=1.0, n=4000)
    row = row_of(rows(posterior, Limits()), contrast="ketamine:therapy", measure="difference", day=28.0)
    exact = stats.norm.pdf(0) / stats.norm.pdf(0, scale=model.data.unit_sd)
    assert row["bf_null"] == pytest.approx(exact, rel=4 * row["bf_null_se"] / exact)
    far = made_up(model, spread=0.1, shift=5.0)
    row = row_of(rows(far, Limits()), contrast="ketamine:therapy", measure="difference", day=28.0)
    assert np.isnan(row["bf_null"])
    assert row["bf_reason"] == "zero lies outside the draws"
    for elsewhere in ({"contrast": "ketamine", "day": 28.0}, {"contrast": "ketamine:therapy", "day": 7.0}):
        row = row_of(rows(posterior, Limits()), measure="difference", **elsewhere)
        assert np.isnan(row["bf_null"])
        assert row["bf_reason"] == "the prior speaks of ketamine:therapy at day 28 alone"
    flat = rows(made_up(model, prior="flat"), Limits())[0]
    assert np.isnan(flat["bf_null"])


@pytest.mark.parametrize("mean", [0.0, 1.0, 2.0, 2.5])
def test_density_at_zero_of_normal_draws_has_hardly_a_bias(mean):
    """200 sets of 4,000 draws: their mean within 4 of its standard errors and 1 % of the normal density. Measured bias
    0, 0, .5 and 3 %; the plain kernel estimate is 2 % low at the mode, and 6 and 13 % high in the tail."""
    rng = np.random.default_rng(7)
    densities = np.array([density_at_zero(rng.normal(mean, 1, 4000)) for _ in range(200)])
    error = densities.std(ddof=1) / np.sqrt(len(densities))
    assert abs(densities.mean() - stats.norm.pdf(mean)) < 4 * error + 0.01 * stats.norm.pdf(mean)
    assert error < 0.01 * stats.norm.pdf(mean)


def test_standardised_risks_by_brute_force():
    model = binary.model(binary_trial())
    posterior = made_up(model, n=20)
    means = arm_means(posterior)
    theta, sd = posterior.draws.thetas[0, 0], posterior.named["patient_sd"][0, 0, 0]
    v = stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    for a, level in enumerate(model.data.levels):
        data = replace(model.data, x=np.tile(level, (40, 1)), therapist=np.full(40, -1))
        lay = replace(model.layout, x=data.x, therapist=data.therapist)
        logit = replace(model, layout=lay).expected(theta[None])[0]
        risk = (1 / (1 + np.exp(-(logit[..., None] + sd * v)))).mean(axis=(0, 2))
        np.testing.assert_allclose(means[0, 0, a], risk, atol=1e-4)  # 4,000 points of the normal
    names = {(row["contrast"], row["measure"]) for row in rows(posterior, Limits())}
    assert {("ketamine:therapy", m) for m in ("risk_difference", "log_odds_ratio", "odds_ratio", "share_kept")} <= names


CONTRASTS = {
    "ketamine:therapy": [1, -1, -1, 1], "ketamine": [-1, 0, 1, 0], "main(ketamine)": [-0.5, -0.5, 0.5, 0.5],
    "11 - 00": [-1, 0, 0, 1],
}  # fmt: skip


@pytest.mark.parametrize("better", ["lower", "higher"])
@pytest.mark.parametrize("asked", CONTRASTS)
def test_sentence_and_row_say_the_same_of_the_contrast_asked_for(asked, better):
    data = replace(factorial(), asked=asked, better=better)
    posterior = made_up(gaussian.model(data), shift=-1.0)
    np.testing.assert_allclose(dict(contrast_weights(data))[asked], CONTRASTS[asked], atol=1e-12)
    said = verdict(posterior, Limits(margin=1.0))
    (row,) = [
        row for row in rows(posterior, Limits(margin=1.0))
        if (row["contrast"], row["measure"], row["day"]) == (asked, "difference", data.target_day)
    ]  # fmt: skip
    assert (said.lower, said.upper) == (row["lower"], row["upper"])
    assert f"{row['lower']:.1f} to {row['upper']:.1f} points; {better} is better" in said.text
    assert (said.p, said.p_margin) == pytest.approx((row["p_favours_left"], row["p_beyond_margin"]))
    means = arm_means(posterior)[..., data.target] @ CONTRASTS[asked]
    np.testing.assert_allclose(asked_draws(posterior), means, atol=1e-9)
    assert row["mean"] == pytest.approx(means.mean())
    assert ("sum" in said.text) == (asked == "ketamine:therapy")
    curve = question(posterior)
    assert curve["name"] == asked
    assert (curve["lower"], curve["upper"]) == pytest.approx((row["lower"], row["upper"]))
    # The prior of a contrast is that of its part in the effects.
    prior = draw_prior(posterior.model, posterior.prior, 4000, np.random.default_rng(0))
    effects = posterior.model.natural(prior)["arm_mean"][..., data.target] @ CONTRASTS[asked]
    area = np.trapezoid(curve["prior"], curve["x"])
    inside = np.mean((effects > curve["x"][0]) & (effects < curve["x"][-1]))
    assert area == pytest.approx(inside, abs=4 * 0.5 / np.sqrt(4000))  # 4 standard errors of a share


@pytest.mark.parametrize(
    ("name", "asked", "day"),
    [
        ("anxiety_ascending_dose", "high - midazolam", 1),
        ("depression_asat_training", "ketamine_asat - ketamine_sham", 30),
        ("ketamine_by_cbt", "ketamine:therapy", 28),
        ("ptsd_prolonged_exposure", "ketamine - midazolam", 71),
        ("depression_randomised_withdrawal", "esketamine - placebo", 294),
    ],
)
def test_a_scenario_asks_its_own_question(name, asked, day):
    scenario = load(SCENARIOS / f"{name}.yaml")
    data = from_scenario(scenario, FitQuestion(), seed=1, source=name)
    assert (data.question, data.target_day, data.better) == (asked, day, "lower")
    assert bool(data.notes) == (scenario.estimand.endpoint == "time_to_relapse")


def test_one_arm_is_refused():
    scenario = load(SCENARIOS / "oral_titration_single_arm.yaml")
    with pytest.raises(DataError, match="arms = 1"):
        from_scenario(scenario, FitQuestion(), seed=1, source="x")


@pytest.mark.parametrize(
    ("p", "margin", "rope", "words"),
    [
        (0.99, None, None, "more than the sum; how much is another question"),
        (0.99, 0.98, None, "more than the sum, and beyond the margin"),
        (0.99, 0.92, None, "more than the sum, and likely beyond the margin"),
        (0.99, 0.5, None, "more than the sum, and whether beyond the margin is undecided"),
        (0.99, 0.02, None, "more than the sum, and hardly beyond the margin"),
        (0.01, 0.0, None, "less than the sum"),
        (0.6, None, 0.95, "practically additive"),
        (0.95, 0.5, None, "leaning to more than the sum, not shown"),
        (0.05, 0.01, None, "leaning to less than the sum, not shown, but an effect beyond the margin is unlikely"),
        (0.5, 0.05, 0.2, "undecided whether more than the sum, but an effect beyond the margin is unlikely"),
        (0.5, None, None, "undecided: neither is shown, and a larger trial or a stronger prior would be needed"),
    ],
)
def test_words(p, margin, rope, words):
    assert judged(p, margin, rope, interaction=True) == words


def test_bad_draws_have_no_verdict():
    bad = replace(GOOD, r_hat=1.2, worst="effect", divergences=3, ess_tail=50)
    said = verdict(made_up(gaussian.model(factorial()), diagnostics=bad), Limits())
    assert said.withheld
    assert said.text.startswith("DO NOT USE: R-hat 1.200 of effect (must be < 1.01); tail ESS 50")
    assert "3 divergent" in said.text


def test_diagnostics_find_a_chain_elsewhere():
    rng = np.random.default_rng(0)
    good, loglik = rng.standard_normal((4, 500, 2)), rng.normal(-3, 0.1, (4, 500, 10))
    assert not diagnose({"effect": good}, ["effect"], 0, loglik).failures
    stuck = good.copy()
    stuck[3, :, 1] += 3
    diagnostics = diagnose({"effect": stuck}, ["effect"], 0, loglik)
    assert diagnostics.r_hat > 1.1
    assert diagnostics.failures
    heavy = loglik.copy()
    heavy[..., 4] = -50 * rng.standard_normal((4, 500)) ** 2
    assert diagnose({"effect": good}, ["effect"], 0, heavy).influential == 1


def test_prior_check_knows_data_from_elsewhere():
    data = factorial()
    model = gaussian.model(data)
    prior = believed("weak", data, "normal")
    assert not prior_check(model, prior, seed=1).warnings
    # An arm a hundred SDs below the others.
    odd = replace(data, y=np.where((data.arm == 3)[:, None], data.y - 100 * data.unit_sd, data.y))
    (line,) = prior_check(gaussian.model(odd), prior, seed=1).warnings
    assert line.startswith("prior weak and data are at odds: ")


def test_posterior_check_sees_a_spread_that_is_wrong():
    posterior = made_up(gaussian.model(factorial()), spread=0.02, shift=5.0)
    check = posterior_check(posterior, seed=1)
    assert {row["statistic"] for row in check.rows} == {"mean", "SD"}
    assert len(check.rows) == 4 * 3 * 2
    # Effects that the data do not have; no score lies far from its arm.
    (line,) = check.warnings
    assert "far from" not in line


def test_impossible_scores_are_named_and_do_not_move_the_unit():
    data = factorial()
    y, codes = data.y.copy(), tuple(f"P{i}" for i in range(len(data.y)))
    y[5, 2], y[9, 2] = 400.0, -300.0
    odd = replace(data, y=y, patients=codes)
    assert [who for who, *_ in far_scores(odd)] == ["P5", "P9"]
    (line,) = posterior_check(made_up(gaussian.model(odd), spread=0.02), seed=1).warnings
    location, scale = pooled_scale(y[:, 2], data.arm, 4)
    off = (400 - location[data.arm[5]]) / scale
    assert f"patient P5 on day 28: 400, {off:+.1f} SD; patient P9 on day 28: -300, " in line
    # 2 of 32 at most: each is counted as 2 SDs off, which adds 8 of 30 to a sum whose slope in log s is 1.48.
    assert 1 < scale / data.unit_sd < 1.3
    assert not far_scores(replace(odd, y=np.where(np.abs(y) > 200, np.nan, y)))


def test_a_category_explains_no_more_for_having_many_levels():
    rng = np.random.default_rng(1)
    data, site = factorial(n=80), rng.permutation(np.arange(80) % 20)
    columns = (site[:, None] == np.arange(1, 20)).astype(float)
    names = tuple(f"site {k}" for k in range(1, 20))
    many = replace(data, covariates=columns, covariate_names=names, categories=("site",) * 19)
    model = gaussian.model(many)
    thetas = draw_prior(model, believed("weak", many, "normal"), 4000, rng)
    explained = model.layout.block(thetas, "coefficients") @ model.layout.w.T
    # N(0, 1 SD) of a standardised number: variance 1 over the patients; 4 SE of the mean of a scaled chi-squared.
    assert np.mean(explained**2) == pytest.approx(data.unit_sd**2, rel=4 * np.sqrt(2 / 4000))
    spreads = [
        row for row in prior_check(model, believed("weak", many, "normal"), seed=1).rows if row["statistic"] == "SD"
    ]
    assert all(row["mean"] < 3 * many.unit_sd for row in spreads)
    flat = draw_prior(model, believed("flat", many, "normal"), 4000, rng)
    alone = model.layout.block(flat, "coefficients").std() / many.unit_sd
    assert alone == pytest.approx(100, rel=4 / np.sqrt(2 * 4000 * 19))


def test_separation_is_named():
    data, ends = binary_trial(), ": the prior alone bounds the log odds there"
    mixed = replace(data, y=np.where(data.seen, (np.arange(40) // 4 % 2)[:, None], np.nan))
    assert not separation_notes(mixed)
    arm = replace(mixed, y=np.where((mixed.arm == 2)[:, None] & mixed.seen, 1.0, mixed.y))
    seen = int(mixed.seen[mixed.arm == 2, 1].sum())
    assert f"; arm 10 on day 7: all {seen} outcomes are 1; " in separation_notes(arm)[0].text
    site = np.arange(40) // 4 % 4
    names, columns = ("site b", "site c", "site d"), (site[:, None] == [1, 2, 3]).astype(float)
    sites = replace(mixed, covariates=columns, covariate_names=names, categories=("site",) * 3)
    levels = [f"all {int(mixed.seen[site == k].sum())} outcomes are {k % 2}" for k in range(4)]
    places = ("site b", "site c", "site d", "the first level of site")
    said = "; ".join(f"{place}: {levels[k]}" for place, k in zip(places, (1, 2, 3, 0), strict=True))
    assert separation_notes(sites)[0].text == said + ends
    sex = replace(mixed, covariates=(site % 2)[:, None].astype(float), covariate_names=("sex",), categories=("",))
    assert separation_notes(sex)[0].text.startswith("sex 0: all ")
    days = days_trial()
    none = replace(days, y=np.where(days.arm[:, None] == 0, 0.0, days.y))
    assert separation_notes(none)[0].text.startswith("arm 00 on day 28: all 10 have 0 days")


@pytest.mark.parametrize(
    "model",
    [gaussian.model(factorial(), residual="by_arm"), binary.model(binary_trial()), counts.model(days_trial())],
    ids=["scores", "binary", "days"],
)
def test_prior_draws_have_the_priors_moments(model):
    data = model.data
    prior = believed("evidence", data, model.likelihood)
    thetas = draw_prior(model, prior, 20_000, np.random.default_rng(1))
    share, mean, sd = prior.along(prior.asked)
    effect = model.natural(thetas)["effect"][:, -1, -1]
    variance = share @ (sd**2 + mean**2) - (share @ mean) ** 2
    assert effect.mean() == pytest.approx(share @ mean, abs=4 * np.sqrt(variance / 20_000))
    # 4 SE of a variance, twice as wide for the mixture's heavy tails.
    assert effect.var() == pytest.approx(variance, rel=8 * np.sqrt(2 / 20_000))
    assert replicate_scores(model, thetas[:5], np.random.default_rng(2)).shape == (5, *data.y.shape)


def test_correlations_of_the_prior_are_flat():
    roots = gaussian.correlation_roots(4, 20_000, np.random.default_rng(1))
    np.testing.assert_allclose((roots**2).sum(axis=2), 1.0, atol=1e-12)
    correlations = roots @ np.swapaxes(roots, 1, 2)
    # Each has (r + 1)/2 ~ Beta(q/2, q/2) under a flat density of matrices (LKJ 2009); Kolmogorov's band at 1e-4.
    for i, j in zip(*np.tril_indices(4, -1), strict=True):
        d = stats.kstest((correlations[:, i, j] + 1) / 2, stats.beta(2, 2).cdf).statistic
        assert d < 2.23 / np.sqrt(20_000)
