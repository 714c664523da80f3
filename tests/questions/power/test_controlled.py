"""Control variates: what is known of the draws, and that the controlled figures are unbiased with an honest error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import kaptrial as kt
from kaptrial.errors import FieldError
from kaptrial.estimators.fit import Fit
from kaptrial.questions.power.controlled import controlled_mean, controlled_share
from kaptrial.questions.power.differences import differences
from kaptrial.questions.power.figures import by_line
from kaptrial.questions.power.measures import paired_difference
from kaptrial.questions.power.output import _with_paired_errors
from kaptrial.simulation.arm_sums import ArmSums, Drawn

N = 40


def fit_of(normals, estimate):
    n = len(estimate)
    return Fit(
        estimate=estimate, se=np.ones(n), df=np.full(n, 1e6), failure=np.zeros(n, dtype=np.int64), normals=normals,
        within=np.empty((n, 0)), centred=np.empty((n, 0)),
    )  # fmt: skip


def sums_of_noise(seed, sizes=(N, N // 2), replicates=4000):
    """Sums over two arms of five normals a patient, some of which act together."""
    rng = np.random.default_rng(seed)
    arm = np.broadcast_to(np.repeat([0, 1], sizes), (replicates, sum(sizes)))
    sums = ArmSums(arm, 2)
    sums.add(arm, Drawn(normals=[rng.standard_normal((replicates, sum(sizes), 5))], acting=(0, 3)))
    return sums.contrast((1.0, -1.0))


def test_contrasts_of_normals_are_standard_and_independent_of_what_varies_within_arms():
    """4,000 replicates: the SE of a mean is .016, of an SD .011, of a correlation .016."""
    known = sums_of_noise(1)
    np.testing.assert_allclose(known.normals.mean(axis=0), 0.0, atol=4 * 0.016)
    np.testing.assert_allclose(known.normals.std(axis=0), 1.0, atol=4 * 0.011)
    np.testing.assert_allclose(known.within.mean(axis=0), 0.0, atol=4 * 0.025)
    together = np.corrcoef(np.concatenate([known.normals, known.within], axis=1).T)[:5, 5:]
    np.testing.assert_allclose(together, 0.0, atol=4.5 * 0.016)


def test_sums_are_those_of_the_arms_by_hand():
    rng = np.random.default_rng(3)
    arm, z = rng.integers(0, 2, (3, 10)), rng.standard_normal((3, 10, 2))
    sums = ArmSums(arm, 2)
    for part in (slice(0, 6), slice(6, 10)):  # some patients at a time
        sums.add(arm[:, part], Drawn(normals=[z[:, part]], acting=(0, 1)))
    known = sums.contrast((-1.0, 1.0))
    for r in range(3):
        a, b = z[r, arm[r] == 0], z[r, arm[r] == 1]
        spread = np.sqrt(1 / len(a) + 1 / len(b))
        np.testing.assert_allclose(known.normals[r], (b.mean(axis=0) - a.mean(axis=0)) / spread)
        squares = ((a - a.mean(axis=0)) ** 2).sum(axis=0) + ((b - b.mean(axis=0)) ** 2).sum(axis=0)
        np.testing.assert_allclose(known.within[r, :2], (squares - 8) / np.sqrt(16))
        products = [((x - x.mean(axis=0)).prod(axis=1)).sum() for x in (a, b)]
        np.testing.assert_allclose(known.within[r, 3], (products[1] / len(b) - products[0] / len(a)) / spread)


def test_controlled_figures_are_unbiased_with_an_honest_error_and_the_smaller_one():
    """300 runs of 256 replicates: squared error over MCSE² is 1 within 4 of its SE; the gains are near the theory's."""
    rng, means, shares = np.random.default_rng(7), [], []
    for _ in range(300):
        normals = rng.standard_normal((256, 3))
        estimate = 2.0 + normals @ [0.8, 0.5, 0.0] + 0.3 * rng.standard_normal(256)
        fit = fit_of(normals, estimate)
        means.append(controlled_mean(estimate, fit, np.ones(256, dtype=bool)))
        shares.append(controlled_share(np.abs(estimate) > 1.96, fit))
    spread = np.sqrt(0.8**2 + 0.5**2 + 0.3**2)
    truth = {"mean": 2.0, "share": _beyond(2.0, spread)}
    for name, found in (("mean", means), ("share", shares)):
        squared = np.array([((each.value - truth[name]) / each.mcse) ** 2 for each in found])
        assert squared.mean() == pytest.approx(1.0, abs=4 * squared.std() / np.sqrt(300)), name
        gain = np.mean([each.mcse_plain**2 for each in found]) / np.mean([each.mcse**2 for each in found])
        assert gain > {"mean": 9.0, "share": 3.0}[name]


def _beyond(mean, sd):
    from scipy.special import ndtr

    return float(1 - ndtr((1.96 - mean) / sd) + ndtr((-1.96 - mean) / sd))


def test_few_replicates_and_fits_without_controls_keep_the_plain_figures():
    rng = np.random.default_rng(1)
    estimate = rng.standard_normal(20)
    few = controlled_mean(estimate, fit_of(rng.standard_normal((20, 3)), estimate), np.ones(20, dtype=bool))
    assert (few.value, few.mcse) == (few.value_plain, few.mcse_plain)
    without = replace(fit_of(rng.standard_normal((20, 3)), estimate), normals=None)
    assert controlled_share(estimate > 0, without).value == np.mean(estimate > 0)


def test_a_mean_over_the_replicates_with_an_estimate_is_plain_where_the_draws_decide_which_they_are():
    normals = np.random.default_rng(2).standard_normal((400, 3))
    estimate, kept = normals[:, 0], normals[:, 0] < 1.0
    found = controlled_mean(estimate[kept], fit_of(normals, estimate), kept)
    assert (found.value, found.mcse) == (found.value_plain, found.mcse_plain)
    assert found.value < -0.1  # that of a normal below 1, which control variates would take for 0


def test_rows_hold_the_plain_figures_which_are_those_without_control_variates():
    controlled, plain = (
        kt.power("starter", replicates=512, nulls=False, control_variates=each).to_frame() for each in (True, False)
    )
    assert "value_plain" not in plain.columns
    both = controlled.merge(plain, on="metric", suffixes=("", "_before")).dropna(subset=["value_plain"])
    assert set(both["metric"]) == {"power", "mean_estimate", "bias"}
    np.testing.assert_array_equal(both["value_plain"], both["value_before"])
    assert (both["mcse"] < both["mcse_before"]).all()
    assert both.set_index("metric")["precision_gain"]["bias"] > 10


def test_as_many_replicates_are_run_as_the_error_asked_for_needs():
    results = kt.power("starter", mcse=0.01, nulls=False)
    assert results.provenance["mcse"] == 0.01
    powers = [row for row in results.rows if row.metric == "power"]
    assert all(row.mcse <= 0.01 and row.n_replicates == results.provenance["replicates"] for row in powers)
    with pytest.raises(FieldError, match=r"from 0\.0001 to 0\.1"):
        kt.power("starter", mcse=0.5)
    with pytest.raises(FieldError, match="goes without `clinic`"):
        kt.power("starter", mcse=0.01, clinic=True)


def test_size_finds_a_narrower_interval_from_the_same_trials():
    plain, controlled = (
        kt.size("starter", power=0.8, replicates=512, control_variates=each).rows[0].numbers for each in (False, True)
    )
    assert controlled["upper"] - controlled["lower"] < 0.8 * (plain["upper"] - plain["lower"])
    assert controlled["lower"] <= plain["upper"]
    assert plain["lower"] <= controlled["upper"]


def test_cells_say_how_much_more_they_reject_with_the_error_of_the_pairs():
    """The difference of 32 runs of 256 trials varies as the errors say (their variance is known to a quarter)."""
    sizes = {"design.n_per_arm": [20, 40]}
    found = []
    for seed in range(32):
        table = kt.power("starter", vary=sizes, replicates=256, seed=seed).to_frame()
        table = table.set_index(["design.n_per_arm", "metric"])
        value = table["value"]
        assert value[40, "power_difference"] == pytest.approx(value[40, "power"] - value[20, "power"], abs=1e-12)
        assert (20, "power_difference") not in value
        found.append([value[40, "power_difference"], table["mcse"][40, "power_difference"]])
    values, errors = np.array(found).T
    assert values.var(ddof=1) / np.mean(errors**2) == pytest.approx(1.0, abs=4 * np.sqrt(2 / 32))


def test_plain_cells_have_the_difference_of_matched_proportions():
    results = kt.power("starter", vary={"design.n_per_arm": [20, 40]}, replicates=256, control_variates=False)
    fewer, more = (cell.fits[0, "ancova"].p < 0.05 for cell in results.cells)
    row = results.cells[1].primary["power_difference"]
    assert (row.value, row.mcse) == paired_difference(more, fewer)


def test_later_curves_are_drawn_with_the_error_of_their_difference_from_the_first():
    vary = {"design.n_per_arm": [20, 40]}
    raw = {"variants": {"half": {"therapies.cbt.max_effect": 3}}}
    results = kt.power(kt.load_scenario("starter", raw), vary=vary, replicates=256)
    drawn = _with_paired_errors(results.cells)
    own, half = ([row for row in rows if row.metric == "power"] for rows in by_line(drawn).values())
    assert [row.mcse for row in own] == [cell.primary["power"].mcse for cell in results.cells[:2]]
    for row, cell, first in zip(half, results.cells[2:], results.cells[:2], strict=True):
        assert row.mcse == differences(cell, first)[0].mcse
        assert row.mcse < np.hypot(cell.primary["power"].mcse, first.primary["power"].mcse)
