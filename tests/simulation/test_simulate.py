"""Scenario and seed to trials: common random numbers, run-in, nulls, rescue, dropout, day-by-day outcomes, files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kaptrial.errors import ScenarioError
from kaptrial.model.streams import BLOCK
from kaptrial.scenario.files import build, load, read_raw, with_settings
from kaptrial.scenario.nulls import with_null
from kaptrial.scenario.sourced import for_arm
from kaptrial.simulation.simulate import simulate, simulate_block
from kaptrial.simulation.trials import read_csv
from tests import SCENARIOS
from tests.builders import number
from tests.model.reference import Patient, follow
from tests.scenario.malformed import edit

STARTER = SCENARIOS / "starter.yaml"
SCREENED = {
    "randomisation": {
        "day": 7,
        "run_in": {
            "doses": [{"agent": "ketamine", "mg_per_kg": 0.5, "days": [0]}],
            "eligible": {"improved_by": 0.5, "on_day": 7},
        },
    },
    "arms[0].doses": [],
    "arms[1].doses": [],
    "arms[1].therapy.days": [8, 12, 16, 20],
}
BUSY = {
    "design": {
        "n_total": 120, "visits": [0, 1, 7, 14, 28],
        "allocation": {"block": 4, "strata": [{"name": "site", "levels": {"a": {"share": 0.7}, "b": {"share": 0.3}}}]},
    },
    "population.entry": {"at_least": 28},
    "population.non_responders": number(0.2, "share"),
    "therapies.cbt.therapists": {"caseload": 7, "sd": number(2, "points")},
    "conduct": {
        "missed_sessions": number(0.2, "share"), "stop_sessions": number(0.01, "per_day"),
        "rescue": {
            "from_day": 7, "score_at_least": 30, "effect": number(5, "points"), "onset": number(7, "day"),
            "half_life": number(14, "day"), "share_taking": number(0.5, "share"),
        },
        "dropout": {"hazard": number(0.01, "per_day"), "last_score": number(0.05, "per_point")},
    },
}  # fmt: skip
PLAIN = {"measurement.round": False, "measurement.clip": False}  # scores stay sums, so that differences can be read


def starter(*settings):
    raw = read_raw(STARTER)
    for values in settings:
        edit(values)(raw)
    return build(raw)


def arrays(trials):
    return {k: v for k, v in vars(trials).items() if isinstance(v, np.ndarray) and k != "days"}


def dropout(hazard=0.02, **more):
    return {"conduct.dropout": {"hazard": number(hazard, "per_day"), **more}}


# --- common random numbers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [BUSY, SCREENED, PLAIN], ids=["busy", "screened", "plain"])
def test_more_replicates_keep_the_earlier_ones(settings):
    s = starter(settings, {"design.n_per_arm": None, "design.n_total": 14})
    few, many = (simulate(s, seed=4, replicates=n) for n in (300, 1000))
    assert many.n_replicates == 1000
    for name, value in arrays(few).items():
        np.testing.assert_array_equal(value, arrays(many)[name][:300], err_msg=name)


@pytest.mark.parametrize("settings", [BUSY, SCREENED, PLAIN], ids=["busy", "screened", "plain"])
def test_a_trial_of_80_is_the_first_80_patients_of_a_trial_of_120(settings):
    small, large = (
        simulate(starter(settings, {"design.n_per_arm": None, "design.n_total": n}), seed=4, replicates=130)
        for n in (80, 120)
    )
    for name, value in arrays(small).items():
        np.testing.assert_array_equal(value, arrays(large)[name][:, :80], err_msg=name)
    for name, covariate in small.covariates.items():
        np.testing.assert_array_equal(covariate.values, large.covariates[name].values[:, :80], err_msg=name)


@pytest.mark.parametrize("name", ["cbt_after_ketamine", "rescue_and_dropout", "alcohol_single_infusion_met"])
def test_patients_followed_a_few_at_a_time_are_the_same(name, monkeypatch):
    s = load(SCENARIOS / f"{name}.yaml", {"design.n_per_arm": 12})
    together = simulate(s, seed=5, replicates=BLOCK)
    monkeypatch.setattr("kaptrial.simulation.simulate.PATIENTS_AT_ONCE", 5)
    apart = simulate(s, seed=5, replicates=BLOCK)
    for field in ("arm", "baseline", "score", "latent", "outcome"):
        assert getattr(apart, field).tobytes() == getattr(together, field).tobytes()
    assert apart.events.keys() == together.events.keys()
    assert all(apart.events[event].tobytes() == day.tobytes() for event, day in together.events.items())


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("cbt_after_ketamine", {}),
        ("kare_factorial", {"conduct.dropout.hazard.value": 0.003}),
        ("depression_series_with_cbt", {}),
    ],
)
def test_only_those_are_followed_again_whose_course_changes(name, settings, monkeypatch):
    """After dropout, and until a run-in is passed: the same bits as where everybody is."""
    s = load(SCENARIOS / f"{name}.yaml", {**settings, "design.n_per_arm": 12})
    some = simulate(s, seed=5, replicates=BLOCK)
    assert np.isnan(some.score).any()
    for module in ("follow_up", "eligibility"):
        monkeypatch.setattr(
            f"kaptrial.simulation.{module}.first_of", lambda mask: np.indices(mask.shape)[1]  # all of them
        )  # fmt: skip
    everybody = simulate(s, seed=5, replicates=BLOCK)
    for field in ("arm", "baseline", "score", "latent", "outcome"):
        assert getattr(some, field).tobytes() == getattr(everybody, field).tobytes()


def test_another_seed_gives_other_patients():
    s = starter(PLAIN)
    one, other = (simulate(s, seed=seed, replicates=1).baseline for seed in (1, 2))
    assert not np.isin(one, other).any()


@pytest.mark.parametrize("afterwards", ["off_treatment", "as_treated", "as_reference"])
def test_dropout_hides_scores_and_changes_nothing_else(afterwards):
    without = simulate(starter(), seed=4, replicates=50)
    with_ = simulate(
        starter(dropout(last_score=number(0.05, "per_point"), afterwards=afterwards)), seed=4, replicates=50
    )
    np.testing.assert_array_equal(with_.latent, without.latent)
    np.testing.assert_array_equal(with_.baseline, without.baseline)
    seen = ~np.isnan(with_.score)
    assert 0.3 < seen[..., -1].mean() < 0.9
    assert (seen[..., :-1] >= seen[..., 1:]).all()  # nobody comes back
    np.testing.assert_array_equal(with_.score[seen], without.score[seen])
    np.testing.assert_array_equal(with_.outcome[seen], without.score[seen])


# --- who is in the trial ---------------------------------------------------------------------------------------------


def test_everybody_meets_the_entry_criterion_as_recorded():
    trials = simulate(starter({"population.entry": {"at_least": 30, "at_most": 40}}), seed=4, replicates=100)
    assert trials.baseline.min() == 30  # 12 000 patients: the limits themselves occur
    assert trials.baseline.max() == 40


def test_arms_are_equal_in_size():
    trials = simulate(starter(), seed=4, replicates=100)
    assert ((trials.arm == 1).sum(axis=1) == 60).all()


def test_an_unequal_ratio_is_met():
    settings = {
        "design.n_per_arm": None, "design.n_total": 90, "design.allocation": {"ratio": {"ketamine_cbt": 2}}
    }  # fmt: skip
    trials = simulate(starter(settings), seed=4, replicates=10)
    assert ((trials.arm == 1).sum(axis=1) == 60).all()


def test_only_responders_to_the_run_in_are_randomised():
    trials = simulate(starter(SCREENED), seed=4, replicates=100)
    on_day_7 = trials.score[..., 2]
    assert (trials.baseline - on_day_7 >= 0.5 * trials.baseline).all()
    np.testing.assert_array_equal(trials.covariates["randomisation_score"].values, on_day_7)
    everybody = SCREENED["randomisation"] | {"run_in": {"doses": SCREENED["randomisation"]["run_in"]["doses"]}}
    all_ = simulate(starter(SCREENED, {"randomisation": everybody}), seed=4, replicates=100)
    assert 0.2 < (all_.baseline - all_.score[..., 2] >= 0.5 * all_.baseline).mean() < 0.8  # the rule does select


def test_a_rule_that_nobody_meets_is_an_error():
    impossible = SCREENED | {"drug.ec50.value": 999}
    with pytest.raises(ScenarioError, match=r"improved_by = 0\.5: must be met by more"):
        simulate(starter(impossible), seed=4, replicates=1)


def test_non_responders_have_their_share_and_no_drug_effect():
    s = starter({"population.non_responders": number(0.3, "share")})
    trials = simulate_block(s, seed=4, block=0, full=True, force_arm=0)
    still = (np.ptp(trials.latent, axis=-1) == 0).ravel()
    assert abs(still.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / still.size)  # 4 binomial SE


def test_patients_of_one_therapist_share_his_effect_and_the_others_have_none():
    with_ = starter(PLAIN, {"therapies.cbt.therapists": {"count": 5, "sd": number(3, "points")}})
    trials = simulate(with_, seed=4, replicates=400)
    shift = (simulate(starter(PLAIN), seed=4, replicates=400).latent - trials.latent)[..., -1]
    assert ((trials.therapist == -1) == (trials.arm == 0)).all()
    np.testing.assert_allclose(shift[trials.arm == 0], 0, atol=1e-12)  # the difference of equal sums
    effects = np.array(
        [[shift[r][trials.therapist[r] == j].mean() for j in range(5)] for r in range(trials.n_replicates)]
    )
    for j in range(5):
        mine = np.where(trials.therapist == j, shift - effects[:, j, None], 0)
        np.testing.assert_allclose(mine, 0, atol=1e-10)  # one effect for all of a therapist's patients
    assert abs(effects.std() - 3) < 4 * 3 / np.sqrt(2 * effects.size)  # 4 SE of an SD
    assert (np.abs(trials.latent[..., 1] - trials.latent[..., 0])[trials.arm == 1] > 0).all()


# --- nulls -----------------------------------------------------------------------------------------------------------

LINKED = {
    "drug.window_half_life": number(3, "day"),
    "therapies.cbt.gamma": number(1, "none"),
    "therapies.cbt.kappa": number(1, "none"),
    "therapies.cbt.xi": number(0.5, "share"),
}


def counterfactual(s, arm):
    return simulate_block(s, seed=4, block=0, full=True, force_arm=arm)


def therapy_effect(s):
    return counterfactual(s, 0).latent - counterfactual(s, 1).latent


def test_under_no_therapy_effect_the_arms_are_the_same():
    assert therapy_effect(starter(LINKED))[..., -1].min() > 1
    null = with_null(starter(LINKED), "therapy", expectancy=False)
    np.testing.assert_allclose(therapy_effect(null), 0, atol=1e-11)  # roundings of sums near 30


def test_without_synergy_the_effect_of_therapy_is_the_same_for_everybody():
    assert therapy_effect(starter(LINKED))[..., -1].std() > 0.1
    null = therapy_effect(with_null(starter(LINKED), "synergy", expectancy=False))
    cbt = starter().therapies["cbt"]
    learnt = sum(0.25 * 2 ** (-(28 - day) / cbt.half_life.value) for day in range(2, 27, 3))
    np.testing.assert_allclose(null[..., -1], 6 * (1 - np.exp(-learnt)), rtol=1e-11)  # roundings of sums near 30


def test_without_the_drug_nobody_improves_without_therapy():
    latent = counterfactual(with_null(starter(LINKED), "drug", expectancy=False), 0).latent
    assert (np.ptp(latent, axis=-1) == 0).all()


def test_a_null_declared_in_the_scenario_is_the_same_null():
    declared = simulate(starter(LINKED, {"null": "therapy"}), seed=4, replicates=3)
    made = simulate(with_null(starter(LINKED), "therapy", expectancy=False), seed=4, replicates=3)
    np.testing.assert_array_equal(declared.score, made.score)


def test_the_null_of_therapy_makes_conduct_equal_and_keeps_the_therapists():
    settings = {
        "conduct.dropout": {
            "hazard": {"by_arm": {"ketamine": number(0.01, "per_day"), "ketamine_cbt": number(0.2, "per_day")}}
        },
        "therapies.cbt.therapists": {"count": 5, "sd": number(3, "points")},
        "expectancy.therapy": {
            "effect": number(3, "points"),
            "onset": number(1, "day"),
            "half_life": number(30, "day"),
        },
        "therapies.cbt.is_hoped_for": True,
    }
    null = with_null(starter(settings), "therapy", expectancy=False)
    assert null.conduct.dropout.hazard.value == 0.01
    assert null.therapies["cbt"].therapists.sd.value == 3
    assert null.expectancy.therapy is None
    kept = with_null(starter(settings), "therapy", expectancy=True)
    shape = (1 - np.exp(-28)) * 2 ** (-28 / 30)
    alone = with_null(starter(settings, {"therapies.cbt.therapists": None}), "therapy", expectancy=True)
    alone = replace(alone, null=None)  # a null that is declared turns expectancy off once more
    assert kept.expectancy.therapy is not None
    np.testing.assert_allclose(therapy_effect(alone)[..., -1], 3 * shape, rtol=1e-11)  # roundings of sums near 30


def test_the_null_of_therapy_leaves_a_2x2_the_conduct_that_comes_with_the_drug():
    path = SCENARIOS / "ketamine_by_cbt.yaml"
    hazards = {"midazolam_tau": 0.01, "midazolam_cbt": 0.02, "ketamine_tau": 0.03, "ketamine_cbt": 0.2}
    settings = {"conduct.dropout.hazard": {"by_arm": {arm: number(x, "per_day") for arm, x in hazards.items()}}}
    settings |= {"therapies.cbt.therapists": None, "secondary": []}
    null = with_null(load(path, settings), "therapy", expectancy=False)
    hazard_by_arm = {arm.id: for_arm(null.conduct.dropout.hazard, arm.id) for arm in null.arms}
    assert hazard_by_arm == {"midazolam_tau": 0.01, "midazolam_cbt": 0.01, "ketamine_tau": 0.03, "ketamine_cbt": 0.03}
    # Without therapists, who differ under the null too, two arms with the same drug are the same.
    arms = {arm.id: counterfactual(null, a).score for a, arm in enumerate(null.arms)}
    np.testing.assert_array_equal(arms["midazolam_tau"], arms["midazolam_cbt"])
    np.testing.assert_array_equal(arms["ketamine_tau"], arms["ketamine_cbt"])
    assert not np.array_equal(arms["ketamine_tau"], arms["midazolam_tau"], equal_nan=True)


# --- adherence and rescue --------------------------------------------------------------------------------------------


def test_who_misses_everything_gets_nothing():
    missed = starter({"conduct.missed_doses": number(1, "share"), "conduct.missed_sessions": number(1, "share")})
    assert (np.ptp(counterfactual(missed, 1).latent, axis=-1) == 0).all()


def test_who_misses_nothing_is_treated_as_planned():
    none_missed = starter({"conduct.missed_sessions": number(0, "share"), "conduct.stop_doses": number(0, "per_day")})
    np.testing.assert_array_equal(counterfactual(none_missed, 1).latent, counterfactual(starter(), 1).latent)


def test_stopping_is_recorded_only_where_it_withholds_something():
    trials = simulate(starter({"conduct.stop_sessions": number(0.05, "per_day")}), seed=4, replicates=100)
    with_sessions = trials.events["therapy_discontinuation"][trials.arm == 1]
    assert np.isinf(trials.events["therapy_discontinuation"][trials.arm == 0]).all()
    stopped = 1 - np.exp(-0.05 * 26)  # before the last session on day 26
    assert abs(np.isfinite(with_sessions).mean() - stopped) < 4 * np.sqrt(
        stopped * (1 - stopped) / with_sessions.size
    )  # 4 binomial SE


def rescue(share, trigger=0):
    return {
        "conduct.rescue": {
            "from_day": 7, "score_at_least": trigger, "effect": number(5, "points"), "onset": number(7, "day"),
            "half_life": number(14, "day"), "share_taking": number(share, "share"),
        }
    }  # fmt: skip


def test_rescue_is_taken_at_the_first_bad_visit_and_works_from_there():
    high = PLAIN | {"population.baseline": number(50, "points", sd=2)}  # no score falls below the trigger, 0
    trials = simulate(starter(high, rescue(1, 0)), seed=4, replicates=20)
    assert (trials.events["rescue"] == 7).all()
    gained = simulate(starter(high), seed=4, replicates=20).score - trials.score
    since = np.maximum(trials.days - 7, 0)
    wanted = 5 * (1 - np.exp(-since / 7)) / 2 ** (since / 14)
    np.testing.assert_allclose(gained, np.broadcast_to(wanted, gained.shape), atol=1e-11)  # roundings of sums near 30


def test_open_label_ketamine_wears_off_within_the_trial():
    """8 points given on day 7 are 8/2^((365 − 7)/28) at the end of a year, also in those who left."""
    asked = rescue(1, 0)["conduct.rescue"] | {
        "effect": number(8, "points"), "onset": number(1, "day"), "half_life": number(28, "day"),
    }  # fmt: skip
    year = PLAIN | {
        "population.baseline": number(50, "points", sd=2), "design.visits": [0, 7, 35, 365], "estimand.day": 365,
        "conduct.dropout": {"hazard": number(0.005, "per_day")},
    }  # fmt: skip
    given = simulate(starter(year, {"conduct.open_label_ketamine": asked}), seed=4, replicates=4)
    absent = simulate(starter(year), seed=4, replicates=4)
    taken = np.isfinite(given.events["open_label_ketamine"])
    gained = (absent.outcome - given.outcome)[taken]
    wanted = [0, 0, 8 * (1 - np.exp(-28)) / 2, 8 / 2 ** (358 / 28)]
    np.testing.assert_allclose(gained, np.broadcast_to(wanted, gained.shape), atol=1e-11)  # roundings of sums near 30
    assert 0 < np.isnan(given.score[taken][:, -1]).mean() < 1


def test_rescue_waits_for_its_trigger_and_its_share():
    trials = simulate(starter(rescue(1, 25)), seed=4, replicates=50)
    for r, i in np.argwhere(np.isfinite(trials.events["rescue"]))[:500]:
        v = int(np.flatnonzero(trials.days == trials.events["rescue"][r, i])[0])
        assert trials.score[r, i, v] >= 25
        assert (trials.score[r, i, 2:v] < 25).all()
    assert (trials.score[np.isinf(trials.events["rescue"])][:, 2:] < 25).all()
    half = np.isfinite(simulate(starter(rescue(0.5, 0)), seed=4, replicates=50).events["rescue"])
    assert abs(half.mean() - 0.5) < 4 * 0.5 / np.sqrt(half.size)  # 4 binomial SE; every score is ≥ 0


# --- dropout ---------------------------------------------------------------------------------------------------------


def test_dropout_completely_at_random_has_its_share_at_every_visit():
    score = simulate(starter(dropout(0.02)), seed=4, replicates=200).score
    days = np.array([0, 1, 7, 14, 28])
    gone = 1 - np.exp(-0.02 * days)
    # 4 binomial SE; on day 0 exactly nobody is gone
    assert (
        np.abs(np.isnan(score).mean(axis=(0, 1)) - gone) <= 4 * np.sqrt(gone * (1 - gone) / score[..., 0].size)
    ).all()


def test_dropout_may_differ_by_arm():
    hazard = {"by_arm": {"ketamine": number(0, "per_day"), "ketamine_cbt": number(0.02, "per_day")}}
    trials = simulate(starter({"conduct.dropout": {"hazard": hazard}}), seed=4, replicates=50)
    assert not np.isnan(trials.score[trials.arm == 0]).any()
    assert np.isnan(trials.score[trials.arm == 1]).any()


@pytest.mark.parametrize("slope", ["last_score", "current_latent"])
def test_the_worse_leave_more_often(slope):
    trials = simulate(starter(dropout(0.01, **{slope: number(0.1, "per_point")})), seed=4, replicates=100)
    left = np.isnan(trials.score[..., 2]) & ~np.isnan(trials.score[..., 1])
    stayed = ~np.isnan(trials.score[..., 2])
    last = trials.score[..., 1] if slope == "last_score" else trials.latent[..., 2]
    # 10 points multiply the hazard by e; with an SD of 7 points or more the means lie about 5 apart, SE below .3
    assert last[left].mean() - last[stayed].mean() > 2


def observed(afterwards):
    return simulate(starter(PLAIN, dropout(0.05, afterwards=afterwards)), seed=4, replicates=BLOCK)


def as_if(arm):
    return simulate_block(starter(PLAIN), seed=4, block=0, full=True, force_arm=arm).score


def test_outcome_as_treated_is_that_of_those_who_stayed():
    np.testing.assert_array_equal(
        observed("as_treated").outcome, simulate(starter(PLAIN), seed=4, replicates=BLOCK).score
    )


def test_outcome_as_reference_is_that_of_the_reference_arm():
    trials = observed("as_reference")
    gone = np.isnan(trials.score)
    np.testing.assert_allclose(trials.outcome[gone], as_if(0)[gone], atol=1e-11)  # roundings of sums near 30


def test_outcome_off_treatment_is_that_with_the_sessions_until_then():
    trials = observed("off_treatment")
    gone = np.isnan(trials.score)
    treated = trials.arm == 1
    never_begun = gone & (treated & gone[..., 1])[..., None]  # left by day 1; the first session is on day 2
    assert never_begun.any()
    np.testing.assert_allclose(trials.outcome[never_begun], as_if(0)[never_begun], atol=1e-11)  # as above
    late = gone & (treated & ~gone[..., 3])[..., None]  # left after day 14, with five sessions at least
    between = trials.outcome[late]
    # five of nine sessions do something, nine do more: the score lies between (points, 1e-9 for roundings)
    assert (between <= as_if(0)[late] - 2).all()
    assert (between >= as_if(1)[late] - 1e-9).all()


# --- outcomes counted by days ----------------------------------------------------------------------------------------

COUNTED = {
    "outcome.scale": "percent_abstinent_days",
    "population.baseline": number(-0.5, "logit", sd=0),
    "drug.share": None,
    "drug.max_effect": number(1.5, "logit"),
    "drug.half_life": number(7, "day"),
    "therapies.cbt.max_effect": number(1, "logit"),
    "measurement.deviation_sd": number(0, "logit"),
    "measurement.rater_sd": number(0, "logit"),
    "estimand.endpoint": "percent_abstinent_days",
}


def expected_percent(arm):
    """Mean of 100·expit over the middles of the days since the visit before, from the plain reference."""
    ln2 = np.log(2)
    patient = Patient(k=ln2 / 7, max_effect=1.5, max_therapy_effect=1.0, ec50=0.5, g=0.25, k_l=ln2 / 365)
    middles = [day + 0.5 for day in range(28)]
    sessions = [2 + 3 * i for i in range(9)] if arm else []
    gained = np.sum(follow(patient, middles, [(0.0, 1.0)], sessions), axis=1)
    day = 100 / (1 + np.exp(0.5 - gained))
    return [100 / (1 + np.exp(0.5)), day[0], day[1:7].mean(), day[7:14].mean(), day[14:28].mean()]


@pytest.mark.parametrize("arm", [0, 1])
def test_abstinent_days_are_counted_around_their_expectation(arm):
    trials = counterfactual(starter(COUNTED), arm)
    expected = np.broadcast_to(expected_percent(arm), trials.latent.shape)
    np.testing.assert_allclose(trials.latent[..., 1:], expected[..., 1:], rtol=1e-11)  # sums of a few exponentials
    assert trials.score.min() >= 0
    assert trials.score.max() <= 100
    n_days = np.array([28, 1, 6, 7, 14])
    se = 50 / np.sqrt(n_days * trials.baseline.size)  # at most: independent days of probability one half
    assert (np.abs(trials.score.mean(axis=(0, 1)) - expected[0, 0]) < 4 * se).all()
    counts = trials.score * n_days / 100
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-9)  # whole days


def test_days_before_entry_may_be_few_but_not_none():
    with pytest.raises(ScenarioError, match="baseline_period_days"):
        simulate(starter(COUNTED, {"measurement.baseline_period_days": 0.5}), seed=4, replicates=1)


# --- to a file and back ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [BUSY, BUSY | PLAIN], ids=["whole points", "fractions"])
def test_a_trial_comes_back_from_its_file(settings, tmp_path):
    trial = simulate(starter(settings), seed=4, replicates=1)
    path = tmp_path / "trial.csv"
    trial.to_frame().to_csv(path, index=False)
    back = read_csv(path, covariates=["site"], therapist="therapist")
    assert back.arms == trial.arms
    n = trial.arm.shape[1]
    order = np.argsort(np.array([str(i + 1) for i in range(n)]))  # patients come back in the order of their names
    np.testing.assert_array_equal(back.days, trial.days[1:])
    np.testing.assert_array_equal(back.arm[0], trial.arm[0, order])
    np.testing.assert_array_equal(back.baseline[0], trial.baseline[0, order])
    np.testing.assert_array_equal(back.score[0], trial.score[0, order, 1:])
    np.testing.assert_array_equal(back.covariates["site"].values[0], trial.covariates["site"].values[0, order])
    theirs = trial.therapist[0, order]
    pairs = {(int(a), int(b)) for a, b in zip(back.therapist[0], theirs, strict=True)}
    assert len(pairs) == len(np.unique(theirs))  # the same groups, whatever their numbers
    assert (-1, -1) in pairs


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_scenario_shipped_can_be_simulated(path):
    s = load(path)
    trials = simulate(s, seed=4, replicates=2)
    assert trials.score.shape == (2, s.n_total, len(s.design.visits))
    assert not np.isnan(trials.outcome).any()
    assert not np.isnan(trials.score[..., 0]).any()


def test_settings_reach_the_simulation():
    raw = with_settings(read_raw(STARTER), {"therapies.cbt.max_effect": 0})
    np.testing.assert_allclose(therapy_effect(build(raw)), 0, atol=1e-11)  # roundings of sums near 30
