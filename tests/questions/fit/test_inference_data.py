"""The tree that `fit` writes: its groups, its log prior against PyMC, through a file and back, and power-scaling."""

from __future__ import annotations

from dataclasses import replace

import arviz as az
import numpy as np
import pymc as pm
import pytest

from kaptrial.questions.fit import gaussian
from kaptrial.questions.fit.answer import answer
from kaptrial.questions.fit.chains import density, power_scaling, rank_shares, unknowns
from kaptrial.questions.fit.estimands import Limits
from kaptrial.questions.fit.inference_data import save
from kaptrial.questions.fit.log_prior import log_prior
from kaptrial.questions.fit.models import ModelOptions, model_of
from kaptrial.questions.fit.priors import believed
from kaptrial.questions.fit.scales import widths
from tests.builders import binary_trial, days_trial, factorial
from tests.questions.fit import pymc_models

LONGER = (1.0, 7.0, 14.0, 28.0)
CASES = {
    "unstructured by arm": (factorial(), ModelOptions(residual="by_arm")),
    "random": (factorial(days=LONGER), ModelOptions(covariance="random")),
    "binary": (binary_trial(), ModelOptions(likelihood="binary")),
    "days": (days_trial(), ModelOptions(likelihood="abstinent_days")),
}


def fitted(data, prior, draws=1000):
    return answer(data, ModelOptions(), [prior], Limits(), seed=1, draws=draws, data="made up").inference_data


@pytest.fixture(scope="module")
def conflict():
    """An interaction of three SDs under a prior that doubts one of half an SD."""
    data = factorial()
    patients = tuple(f"P{i}" for i in range(len(data.y)))
    y = data.y + 3 * data.unit_sd * (data.arm == 3)[:, None]
    return fitted(replace(data, y=y, patients=patients), "skeptical")


def diagnosis(tree):
    return az.psense_summary(tree, var_names=["asked"]).loc["asked"]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("prior", ["evidence", "flat"])
def test_log_prior_is_pymcs(name, prior):
    """Differences between points; PyMC's without its changes of variable and without the therapists given their SD."""
    from pytensor.compile.mode import Mode

    data, options = CASES[name]
    model, believed_in = model_of(data, options), believed(prior, data, options.likelihood)
    built = pymc_models.build(data, believed_in, options)
    # Of the root of a covariance PyMC knows the density of the root alone: the SDs are held against its log-normal.
    left_out = {"therapist_raw", "rho", "packed"}
    counted = [rv for rv in built.free_RVs if rv.name not in left_out]
    compiled = built.compile_fn(
        built.logp(vars=counted, jacobian=False), inputs=built.value_vars, mode=Mode("py", "fast_compile"),
        on_unused_input="ignore",
    )  # fmt: skip
    rng = np.random.default_rng(1)
    thetas = model.start + rng.normal(0, 0.3, (3, model.layout.size))
    named = model.natural(thetas)
    blocks = log_prior(model, believed_in, named)
    theirs = np.array([float(compiled(pymc_models.values_for(model, built, theta))) for theta in thetas])
    if "packed" in built.named_vars:
        centres = gaussian.spread_centres(data, options.covariance)[: named["sds"].shape[-1]]
        of_sds = pm.LogNormal.dist(centres, widths(believed_in)["log_sds"])
        theirs += pm.logp(of_sds, named["sds"]).sum(axis=-1).eval(mode=Mode("py", "fast_compile"))
    ours = sum(blocks.values())
    np.testing.assert_allclose(np.diff(ours), np.diff(theirs), rtol=1e-8, atol=1e-8)


def test_round_trip_through_netcdf(conflict, tmp_path):
    save(conflict, tmp_path / "posterior.nc")
    with az.from_netcdf(tmp_path / "posterior.nc") as tree:
        assert set(tree.children) == set(conflict.children)
        for group in conflict.children:
            for name, values in conflict[group].data_vars.items():
                np.testing.assert_array_equal(tree[group][name], values, err_msg=f"{group}: {name}")
                assert tree[group][name].dims == values.dims
        assert set(tree["log_prior"].data_vars) == {
            "effects", "means", "slopes", "coefficients", "therapist_sd", "sds",
        }  # fmt: skip
        assert set(tree["constant_data"].data_vars) == {
            "arm", "therapist", "acting", "unit_sd", "baseline", "covariates",
        }  # fmt: skip
        assert list(tree["constant_data"]["patient"].values[:2]) == ["P0", "P1"]
        therapists = tree["posterior"]["therapist_effect"]
        np.testing.assert_allclose(
            therapists, tree["posterior"]["therapist_sd"].values * tree["posterior"]["therapist_raw"].values
        )
        assert diagnosis(tree)["diagnosis"] == "potential prior-data conflict"


def test_power_scaling_finds_a_conflict_and_nothing_under_flat(conflict):
    assert diagnosis(conflict)["prior"] > 0.1
    table = power_scaling(conflict).set_index("parameter")
    assert table.loc["asked", "prior"] == diagnosis(conflict)["prior"]
    assert table.loc["asked", "diagnosis"] == "potential prior-data conflict"
    # The other effects have wide priors.
    assert (table["prior_of_effects"].drop(["asked", "effect[ketamine:therapy, 28.0]"]) < 0.2).all()
    data = replace(factorial(), therapist=np.full(40, -1))
    assert diagnosis(fitted(data, "flat", 500))["diagnosis"] == "✓"


def test_unknowns_shown(conflict):
    shown = unknowns(conflict, factorial())
    labels = [unknown.label for unknown in shown]
    assert labels[:4] == [
        "effect of ketamine, day 28", "effect of therapy, day 28", "effect of ketamine:therapy, day 28",
        "mean without effects, day 28",
    ]  # fmt: skip
    assert {"SD, day 28", "correlation, days 1, 7", "SD between therapists", "slope of age"} <= set(labels)
    assert len(shown) <= 12
    third = conflict["posterior"]["effect"].values[..., 2, 2]
    np.testing.assert_array_equal(shown[2].draws, third)


def test_ranks_and_density():
    rng = np.random.default_rng(1)
    draws = rng.standard_normal((4, 1000))
    level = rank_shares(draws)
    np.testing.assert_allclose(level.mean(axis=0), 1.0)
    # 50 a bin: four SDs of a binomial.
    assert np.abs(level - 1).max() < 4 / np.sqrt(50)
    draws[3] += 2
    assert rank_shares(draws)[3, -1] > 2
    x = np.linspace(-1, 1, 5)
    normal = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(density(rng.standard_normal(20_000), x), normal, atol=0.02)
    half = density(np.abs(rng.standard_normal(20_000)), np.array([-0.1, 0.05]))
    assert half[0] == 0
    assert half[1] == pytest.approx(2 * 0.3984, rel=0.06)
