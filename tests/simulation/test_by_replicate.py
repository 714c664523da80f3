"""Parameters that differ between replicates: each is, to the bit, that of its own scenario; some patients of each."""

from __future__ import annotations

import numpy as np
import pytest

from kaptrial.errors import ScenarioError
from kaptrial.model.streams import BLOCK
from kaptrial.scenario.drawn import with_drawn
from kaptrial.scenario.files import build, read_raw
from kaptrial.simulation.by_replicate import first_of, some, with_some
from kaptrial.simulation.simulate import simulate
from tests import SCENARIOS

ASSUMED = {"source": "assumption", "note": "for a test"}


@pytest.fixture(scope="module")
def everything():
    """A small trial with every mechanism that may differ between replicates."""
    raw = read_raw(SCENARIOS / "cbt_after_ketamine.yaml")
    raw["design"]["n_per_arm"] = 6
    raw["population"]["non_responders"] = {"value": 0.2, "unit": "share", **ASSUMED}
    raw["population"]["entry"] = {"at_least": 20}
    raw["drug"]["window_half_life"] = {"value": 3.0, "unit": "day", **ASSUMED}
    half_life = {"value": 60.0, "unit": "day", **ASSUMED}
    raw["drug"]["consolidation"] = {"share": {"value": 0.1, "unit": "share", **ASSUMED}, "half_life": half_life}
    raw["natural_course"]["immediate"] = {
        "change": {"value": 1.0, "unit": "points", **ASSUMED},
        "onset": {"value": 0.1, "unit": "day", **ASSUMED},
    }
    return build(raw).with_values(
        {
            "therapies.cbt.gamma": 2.0,
            "therapies.cbt.kappa": 1.0,
            "therapies.cbt.xi": 0.2,
            "conduct.missed_sessions": 0.2,
        }
    )


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("population.baseline", (28.0, 33.0)),
        ("population.baseline.sd", (3.0, 0.0)),
        ("population.non_responders", (0.0, 0.6)),
        ("drug.share", (0.3, 0.99)),
        ("drug.share.logit_sd", (0.1, 2.0)),
        ("drug.half_life", (1.0, 20.0)),
        ("drug.half_life.log_sd", (0.1, 1.0)),
        ("drug.ec50", (0.2, 2.0)),
        ("drug.consolidation.share", (0.0, 0.5)),
        ("drug.consolidation.half_life", (10.0, 300.0)),
        ("drug.window_half_life", (1.0, 9.0)),
        ("natural_course.change", (0.0, 5.0)),
        ("natural_course.change.sd", (0.0, 3.0)),
        ("natural_course.time_constant", (5.0, 50.0)),
        ("natural_course.immediate.change", (-2.0, 4.0)),
        ("natural_course.immediate.onset", (0.01, 3.0)),
        ("therapies.cbt.max_effect", (0.0, 12.0)),
        ("therapies.cbt.learning_per_session", (0.05, 1.0)),
        ("therapies.cbt.half_life", (20.0, 900.0)),
        ("therapies.cbt.gamma", (0.0, 4.0)),
        ("therapies.cbt.kappa", (0.0, 2.0)),
        ("therapies.cbt.xi", (0.0, 0.9)),
        ("expectancy.therapy.effect", (0.0, 5.0)),
        ("expectancy.therapy.onset", (0.1, 9.0)),
        ("expectancy.therapy.half_life", (5.0, 90.0)),
        ("measurement.deviation_sd", (0.0, 6.0)),
        ("measurement.deviation_time_constant", (1.0, 30.0)),
        ("measurement.rater_sd", (0.0, 4.0)),
    ],
)
def test_each_replicate_is_that_of_its_own_values(everything, path, values):
    drawn = simulate(with_drawn(everything, {path: values}), seed=3, replicates=4)
    differ = False
    for k, value in enumerate(values):
        alone = simulate(everything.with_values({path: value}), seed=3, replicates=4)
        for name in ("arm", "baseline", "score", "latent", "outcome"):
            np.testing.assert_array_equal(getattr(drawn, name)[k::2], getattr(alone, name)[k::2], err_msg=name)
        differ |= not np.array_equal(drawn.score, alone.score, equal_nan=True)
    assert differ, path


def test_belief_in_the_drug_by_arm():
    s = build(read_raw(SCENARIOS / "ptsd_repeated_midazolam.yaml")).with_values({"design.n_per_arm": 5})
    path = next(path for path in _paths(s) if path.startswith("expectancy.drug.belief") and "midazolam" in path)
    values = (0.0, 0.9)
    for more in ({}, {"expectancy.drug.half_life": (3.0, 60.0), "expectancy.drug.effect": (1.0, 6.0)}):
        drawn = simulate(with_drawn(s, {path: values, **more}), seed=3, replicates=4)
        for k in (0, 1):
            own = {path: values[k], **{name: each[k] for name, each in more.items()}}
            alone = simulate(s.with_values(own), seed=3, replicates=4)
            np.testing.assert_array_equal(drawn.score[k::2], alone.score[k::2])


def _paths(s):
    from kaptrial.scenario.sourced import walk

    return [path for path, _ in walk(s)]


def test_values_go_on_over_blocks(everything):
    """One value a replicate, beyond the first block, and more values keep the earlier replicates."""
    values = np.linspace(1.0, 20.0, BLOCK + 3)
    drawn = simulate(with_drawn(everything, {"drug.half_life": values}), seed=3, replicates=BLOCK + 3)
    for r in (0, BLOCK - 1, BLOCK, BLOCK + 2):
        alone = simulate(everything.with_values({"drug.half_life": values[r]}), seed=3, replicates=r + 1)
        np.testing.assert_array_equal(drawn.score[r], alone.score[r])


def test_what_comes_at_once_comes_at_once(everything):
    """Improvement without noise: V·(1 − e^(−t/onset)), in every patient."""
    with_it, without = (
        simulate(everything.with_values({"natural_course.immediate.change": v}), seed=3, replicates=2)
        for v in (3.0, 0.0)
    )
    expected = -3.0 * -np.expm1(-with_it.days / 0.1)
    np.testing.assert_allclose(
        with_it.latent - without.latent, np.broadcast_to(expected, with_it.latent.shape), atol=1e-9
    )


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"drug.half_life": [3.0, -1.0]}, "drug.half_life.value = -1: must be > 0"),
        ({"drug.half_life": [3.0, np.nan]}, "drug.half_life: must be a list of finite numbers"),
        ({"drug.half_life": []}, "drug.half_life: must be a list of finite numbers"),
        ({"drug.half_lives": [3.0]}, "drug.half_lives"),
        ({"conduct.dropout.hazard": [0.1]}, "conduct.dropout.hazard: may not differ between replicates"),
        ({"therapies.cbt.therapists.sd": [0.1]}, "therapies.cbt.therapists.sd: may not differ between replicates"),
    ],
)
def test_refused_in_one_line(everything, values, shown):
    with pytest.raises(ScenarioError) as error:
        with_drawn(everything, values)
    assert shown in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("more", [(), (3,), (3, 2), (0,)])
def test_some_patients_of_each_replicate(order, more):
    x = np.array(np.random.default_rng(1).normal(size=(4, 7, *more)), order=order)
    who = np.array([[6, 0], [1, 2], [3, 5], [0, 6]])
    rows = np.arange(4)[:, None]
    chosen = some(x, who)
    np.testing.assert_array_equal(chosen, x[rows, who])
    assert chosen.flags.f_contiguous
    expected = x.copy()
    expected[rows, who] = 9.0
    np.testing.assert_array_equal(with_some(x, who, np.full(chosen.shape, 9.0)), expected)


def test_the_first_of_a_mask_are_all_that_it_has():
    mask = np.array([[0, 1, 0, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]], dtype=bool)
    assert first_of(mask).tolist() == [[1, 3, 4], [4, 0, 1], [0, 1, 2]]
    assert first_of(mask[1:]).shape == (2, 2)
