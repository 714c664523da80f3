"""Compiled functions as plain Python: the same bits, and the errors of neither."""

from dataclasses import astuple
from math import exp, log, sqrt

import numpy as np
import pytest
from numba import njit

from kaptrial.estimators import mmrm as package
from kaptrial.estimators import nested_longitudinal as nested_package
from kaptrial.estimators.interpreted import interpreted
from kaptrial.estimators.mmrm import STRUCTURES, MmrmPlan, mmrm
from kaptrial.estimators.nested_longitudinal import nested_longitudinal


@njit
def _elementary(x):
    return sqrt(x), log(x), exp(x)


@njit
def _through(x):
    return _elementary(x)


@pytest.mark.parametrize("x", [2.0, 0.0, -1.0, 1e4])
def test_no_number_where_compiled_code_has_none(x):
    np.testing.assert_array_equal(interpreted(_through)(x), _through(x))


def trials(visits, gaps, main):
    rng = np.random.default_rng(4)
    y = rng.normal(size=(2, 40, visits)).cumsum(-1)
    y[rng.random(y.shape) < gaps] = np.nan
    arm = np.tile(np.arange(40) % 2, (2, 1))
    return y, arm, rng.normal(size=(2, 40, 1)), rng.normal(size=(2, 40, main))


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_an_mmrm_has_the_same_bits(structure, df, monkeypatch):
    plan = MmrmPlan(structures=(structure, "cs"), df=df, components=True)
    asked = (*trials(4, 0.15, 1), [[-1, 1]] * 2, [[0, 0, 0, 1], [0.25] * 4], plan)
    compiled = mmrm(*asked)
    monkeypatch.setattr(package, "_fit_one", interpreted(package._fit_one))
    for one, other in zip(mmrm(*asked), compiled, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("df", ["satterthwaite", "kenward-roger"])
def test_an_mmrm_with_therapists_has_the_same_bits(df, monkeypatch):
    y, arm, *covariates = trials(3, 0.15, 1)
    therapist = np.where(arm == 0, -1, np.random.default_rng(5).integers(0, 4, arm.shape))
    asked = (y, arm, therapist, *covariates, [[-1, 1]] * 2, [[0, 0, 1], [0.2, 0.3, 0.5]], np.array([0, 1]), df)
    compiled = nested_longitudinal(*asked)
    assert not compiled.failure.any()
    monkeypatch.setattr(nested_package, "_fit_one", interpreted(nested_package._fit_one))
    for one, other in zip(astuple(nested_longitudinal(*asked)), astuple(compiled), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("is_compiled", [False, True])
def test_only_small_data_sets_are_fitted_by_plain_python(is_compiled, monkeypatch):
    monkeypatch.setattr("kaptrial.estimators.interpreted.is_compiled", lambda _: is_compiled)
    small, large = trials(3, 0.1, 0), trials(12, 0.3, 0)
    assert package._sooner_interpreted(package.Scores(*small))
    assert not package._sooner_interpreted(package.Scores(*large))
    between = package.Scores(*trials(8, 0.3, 1))
    assert package._sooner_interpreted(between) is not is_compiled
