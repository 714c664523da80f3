"""The course of the response: closed forms, an independent reference, sums, order of events and limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kaptrial.model.response import ArmSchedule, DrugParameters, PatientParameters, TherapyParameters, course, timetable
from tests.model.reference import Patient, follow

# Both sides do the same few dozen double-precision operations in another order: 1e-12 is some 5000 roundings.
EXACT = {"rtol": 1e-12, "atol": 1e-12}
LN2 = np.log(2.0)
SIX_DAYS = (0.0, 2.0, 4.0, 7.0, 9.0, 11.0)
SIX = tuple((day, 1.0) for day in SIX_DAYS)


def run(patient, visits, doses=(), sessions=(), adjuncts=(), taken=None):
    """The model under test for one patient: K and T − ξ·T·O at the visits."""
    table = timetable(visits, [ArmSchedule(doses=doses, session_days=sessions, adjuncts=adjuncts)])
    p = patient
    one = np.ones((1, 1))
    drug, therapy = course(
        table,
        arm=np.zeros((1, 1), dtype=np.int64),
        taken=None if taken is None else np.asarray(taken, dtype=np.bool_)[None, None, :],
        drug=DrugParameters(
            linear=p.linear, ec50=p.ec50, hill=p.hill, consolidated_share=p.rho,
            consolidated_rate_per_day=p.k_c, window_rate_per_day=p.k_w,
        ),
        therapy=TherapyParameters(
            learning_per_session=[p.g], forgetting_rate_per_day=[p.k_l], gamma=[p.gamma], kappa=[p.kappa], xi=[p.xi]
        ),
        patients=PatientParameters(
            decay_rate_per_day=p.k * one, max_effect=p.max_effect * one, max_therapy_effect=p.max_therapy_effect * one,
            responder=np.full((1, 1), p.responder),
        ),
    )  # fmt: skip
    return drug[0, 0], therapy[0, 0]


# --- closed forms (kappa = 0) ----------------------------------------------------------------------------------------

VISITS = np.array([0.0, 0.5, 1, 2, 4, 5.25, 7, 11, 12, 28, 90, 365])
DOSES = ((0.0, 1.0), (2.0, 0.5), (4.0, 1.2), (7.0, 1.0), (9.0, 2.0), (11.0, 0.7))
SESSIONS = (0.0, 1.0, 5.0, 9.0, 16.0, 30.0)
K = LN2 / 5


def amounts(t, k, k_c, rho):
    """A + C at t, a sum over the doses before t."""
    total = 0.0
    for day, q in DOSES:
        u = t - day
        if u <= 0:
            continue
        if abs(k - k_c) < 1e-9 * k:  # the limit; the next term is (k − k_c)·u/2 < 1e-10·1e-2, relative
            consolidated = k * u * np.exp(-k * u)
        else:
            consolidated = k * (np.exp(-k_c * u) - np.exp(-k * u)) / (k - k_c)
        total += q * (np.exp(-k * u) + rho * consolidated)
    return total


@pytest.mark.parametrize(
    "k_c", [LN2 / 60, LN2 / 2, K, K * (1 + 1e-12), K * (1 - 1e-12)], ids=["slower", "faster", "equal", "above", "below"]
)
def test_amounts_are_sums_of_exponentials(k_c):
    patient = Patient(k=K, k_c=k_c, rho=0.3, max_effect=1.0, linear=True)
    drug, _ = run(patient, VISITS, DOSES)
    np.testing.assert_allclose(drug, [amounts(t, K, k_c, 0.3) for t in VISITS], **EXACT)


@pytest.mark.parametrize("hill", [1.0, 0.6, 2.5])
def test_effect_is_a_share_of_the_largest(hill):
    patient = Patient(k=K, k_c=LN2 / 60, rho=0.3, max_effect=24.0, ec50=0.4, hill=hill)
    drug, _ = run(patient, VISITS, DOSES)
    level = np.array([amounts(t, K, LN2 / 60, 0.3) for t in VISITS])
    np.testing.assert_allclose(drug, 24.0 * level**hill / (0.4**hill + level**hill), **EXACT)


def test_therapy_is_known_exactly():
    """L, L_w and W as sums over the sessions and doses before; γ and ξ on top."""
    p = Patient(
        k=K, max_effect=24.0, max_therapy_effect=9.0, ec50=0.4, k_w=LN2 / 4, g=0.3, k_l=LN2 / 70, gamma=0.8, xi=0.5
    )
    drug, therapy = run(p, VISITS, DOSES, SESSIONS)

    def window(day):  # a session sees the doses of its own day
        return sum(q * np.exp(-p.k_w * (day - d)) for d, q in DOSES if d <= day)

    expected = []
    for t, effect in zip(VISITS, drug, strict=True):
        past = [s for s in SESSIONS if s < t]
        learnt = sum(p.g * np.exp(-p.k_l * (t - s)) for s in past)
        in_window = sum(p.g * (1 - np.exp(-window(s))) * np.exp(-p.k_l * (t - s)) for s in past)
        gain = 1 + p.gamma * in_window / learnt if past else 0.0
        expected.append(9.0 * (1 - np.exp(-learnt)) * gain * (1 - p.xi * effect / 24.0))
    np.testing.assert_allclose(therapy, expected, **EXACT)


# --- the reference (any kappa) ---------------------------------------------------------------------------------------


def random_case(rng):
    """A patient and a schedule on quarter days, so that visits, doses, sessions and adjuncts often coincide."""

    def days(n, last=40):
        return tuple(np.sort(rng.choice(np.arange(0, 4 * last + 1), size=n, replace=False)) / 4)

    doses = tuple((day, float(rng.uniform(0.2, 2))) for day in days(rng.integers(0, 8), 20))
    sessions = days(rng.integers(0, 12))
    adjuncts = tuple(
        (*days(2), float(rng.uniform(0.5, 2)), float(rng.uniform(0.3, 3))) for _ in range(rng.integers(0, 3))
    )
    k = float(LN2 / rng.uniform(0.5, 30))
    patient = Patient(
        k=k, max_effect=float(rng.uniform(5, 30)), max_therapy_effect=float(rng.uniform(0, 12)),
        responder=bool(rng.random() < 0.85), linear=bool(rng.random() < 0.2),
        ec50=float(rng.uniform(0.1, 2)), hill=float(rng.choice([1.0, rng.uniform(0.5, 3)])),
        rho=float(rng.choice([0.0, 1.0, rng.random()])), k_c=float(rng.choice([k, LN2 / rng.uniform(1, 200)])),
        k_w=float(LN2 / rng.uniform(0.5, 10)), g=float(rng.uniform(0.05, 0.8)), k_l=float(LN2 / rng.uniform(20, 400)),
        gamma=float(rng.choice([0.0, rng.uniform(0, 2)])), kappa=float(rng.uniform(0, 3)),
        xi=float(rng.choice([0.0, 1.0, rng.random()])),
    )  # fmt: skip
    return patient, days(8, 60), doses, sessions, adjuncts, rng.random(len(doses) + len(sessions)) < 0.8


@pytest.mark.parametrize("seed", range(300))
def test_agrees_with_the_plain_reference(seed):
    patient, visits, doses, sessions, adjuncts, taken = random_case(np.random.default_rng(seed))
    received = [dose for dose, here in zip(doses, taken[: len(doses)], strict=True) if here]
    attended = [day for day, here in zip(sessions, taken[len(doses) :], strict=True) if here]
    expected = follow(patient, visits, received, attended, adjuncts)
    actual = run(patient, visits, doses, sessions, adjuncts, taken)
    np.testing.assert_allclose(np.transpose(actual), expected, **EXACT)


def test_each_patient_follows_his_own_arm_and_parameters():
    """Arms of different length in one table, two replicates with a parameter each."""
    arms = [((), ()), (SIX, ()), (SIX[:1], SESSIONS), ((), SESSIONS)]
    table = timetable(VISITS, [ArmSchedule(doses=d, session_days=s) for d, s in arms])
    rng = np.random.default_rng(1)
    arm = rng.permuted(np.tile(np.arange(4), (2, 3)), axis=1)
    k, emax, tmax = rng.uniform(0.05, 1, arm.shape), rng.uniform(5, 25, arm.shape), rng.uniform(1, 9, arm.shape)
    responder = rng.random(arm.shape) < 0.7
    ec50, g, kappa = np.array([0.3, 0.9]), np.array([[0.1, 0.2, 0.3, 0.4]] * 2), np.array([[1, 1, 1, 1], [2, 0, 2, 0]])
    drug, therapy = course(
        table, arm=arm, taken=None, drug=DrugParameters(linear=False, ec50=ec50),
        therapy=TherapyParameters(
            learning_per_session=g, forgetting_rate_per_day=[0.01] * 4, gamma=[0.0] * 4, kappa=kappa, xi=[0.5] * 4
        ),
        patients=PatientParameters(
            decay_rate_per_day=k, max_effect=emax, max_therapy_effect=tmax, responder=responder
        ),
    )  # fmt: skip
    for r, i in np.ndindex(arm.shape):
        a = arm[r, i]
        alone = Patient(
            k=k[r, i], max_effect=emax[r, i], max_therapy_effect=tmax[r, i], responder=bool(responder[r, i]),
            ec50=ec50[r], g=g[r, a], k_l=0.01, kappa=kappa[r, a], xi=0.5,
        )  # fmt: skip
        np.testing.assert_allclose(np.transpose([drug[r, i], therapy[r, i]]), follow(alone, VISITS, *arms[a]), **EXACT)


# --- sums ------------------------------------------------------------------------------------------------------------


def test_without_a_ceiling_doses_sum():
    patient = Patient(k=K, k_c=LN2 / 60, rho=0.4, max_effect=3.0, linear=True)
    all_doses, _ = run(patient, VISITS, DOSES)
    parts = sum(run(patient, VISITS, [dose])[0] for dose in DOSES)
    np.testing.assert_allclose(all_doses, parts, **EXACT)


def test_with_a_ceiling_they_do_not():
    patient = Patient(k=K, max_effect=24.0, ec50=0.5)
    at = [11.5]
    assert run(patient, at, SIX)[0] < 0.5 * sum(run(patient, at, [dose])[0] for dose in SIX)


def test_drug_and_therapy_add_when_nothing_links_them():
    patient = Patient(k=K, max_effect=24.0, max_therapy_effect=9.0, ec50=0.5, g=0.3, k_l=0.01)
    both = run(patient, VISITS, DOSES, SESSIONS)
    np.testing.assert_allclose(both[0], run(patient, VISITS, DOSES)[0], **EXACT)
    np.testing.assert_allclose(both[1], run(patient, VISITS, (), SESSIONS)[1], **EXACT)


@pytest.mark.parametrize("link", ["gamma", "kappa", "xi"])
def test_each_link_breaks_the_sum_and_only_where_it_should(link):
    patient = Patient(k=K, max_effect=24.0, max_therapy_effect=9.0, ec50=0.5, g=0.3, k_l=0.01)
    plain = run(patient, [28.0], DOSES, SESSIONS)
    drug, therapy = run(replace(patient, **{link: 0.9}), [28.0], DOSES, SESSIONS)
    assert (drug > plain[0]) if link == "kappa" else (drug == plain[0])
    assert {"gamma": therapy > plain[1], "kappa": therapy == plain[1], "xi": therapy < plain[1]}[link]


# --- order -----------------------------------------------------------------------------------------------------------

TALKER = Patient(k=K, max_effect=24.0, max_therapy_effect=9.0, ec50=0.5, g=0.3, k_l=0.01, gamma=1.0, k_w=0.3)


def test_a_visit_comes_before_the_dose_and_session_of_its_day():
    np.testing.assert_array_equal(run(TALKER, [0.0], [(0.0, 1.0)], [0.0]), [[0.0], [0.0]])


def test_a_session_sees_the_dose_of_its_day():
    same_day = run(TALKER, [5.0], [(2.0, 1.0)], [2.0])[1][0]
    without = run(TALKER, [5.0], (), [2.0])[1][0]
    # L_w/L = 1 − exp(−1): the whole dose is there. Tolerance as for the closed forms.
    assert same_day / without == pytest.approx(1 + TALKER.gamma * (1 - np.exp(-1)), rel=1e-12)


def test_a_visit_on_the_first_day_of_an_adjunct_does_not_see_it_and_one_on_the_last_day_does():
    effects, _ = run(TALKER, [3.0, 4.0, 5.0], [(0.0, 1.0)], adjuncts=[(3.0, 4.0, 2.0, 1.0)])
    plain, _ = run(TALKER, [3.0, 4.0, 5.0], [(0.0, 1.0)])
    np.testing.assert_allclose(effects / plain, [1, 2, 1], **EXACT)


def test_a_further_visit_changes_no_state():
    """Visits only read: the same bits, whatever stands between."""
    patient = replace(TALKER, kappa=0.7, xi=0.3, rho=0.2, k_c=0.02)
    few = run(patient, [1.0, 7.0, 28.0, 90.0], DOSES, SESSIONS)
    many = run(patient, [0.3, 1.0, 3.7, 6.0, 7.0, 13.1, 28.0, 31.0, 77.7, 90.0], DOSES, SESSIONS)
    np.testing.assert_array_equal(few, np.array(many)[:, [1, 4, 6, 9]])


# --- limits ----------------------------------------------------------------------------------------------------------


def test_full_overlap_leaves_the_share_of_receptors_that_is_free():
    patient = replace(TALKER, gamma=0.0)
    drug, alone = run(patient, VISITS, DOSES, SESSIONS)
    _, overlapped = run(replace(patient, xi=1.0), VISITS, DOSES, SESSIONS)
    np.testing.assert_allclose(overlapped, alone * (1 - drug / 24.0), **EXACT)


def test_strong_durability_stops_the_loss_of_effect():
    """κ = 50 and ℓ* near 1: the rate is e^−50 of what it was, nothing is lost after the session."""
    patient = replace(TALKER, g=40.0, kappa=50.0)
    drug, _ = run(patient, [1.1, 400.0], [(0.0, 1.0)], [1.0])
    assert drug[0] == pytest.approx(24 * np.exp(-K) / (0.5 + np.exp(-K)), rel=1e-12)
    assert drug[1] == pytest.approx(drug[0], rel=1e-12)


def test_durability_is_frozen_after_the_last_session():
    """ℓ* does not fade with what is forgotten: the decay stays one exponential for ever."""
    patient = replace(TALKER, kappa=1.0, linear=True, k_l=0.05, k_c=0.0)
    drug, _ = run(patient, [2.0, 100.0, 198.0], [(0.0, 1.0)], [1.0])
    assert drug[1] / drug[0] == pytest.approx(drug[2] / drug[1], rel=1e-11)  # 98 days of decay: relative error grows
    slowed = K * np.exp(-1.0 * (1 - np.exp(-0.3)))
    assert drug[1] / drug[0] == pytest.approx(np.exp(-98 * slowed), rel=1e-11)


def test_non_responders_have_no_drug_effect_but_the_window_of_their_dose():
    deaf = replace(TALKER, responder=False, xi=1.0)
    drug, therapy = run(deaf, VISITS, DOSES, SESSIONS)
    assert not drug.any()
    np.testing.assert_array_equal(therapy, run(replace(TALKER, xi=0.0), VISITS, DOSES, SESSIONS)[1])


def test_no_dose_and_no_session_do_nothing():
    np.testing.assert_array_equal(run(TALKER, VISITS), np.zeros((2, len(VISITS))))


@pytest.mark.parametrize(("doses", "half_life", "openness"), [(SIX[:1], 3.0, 0.63), (SIX, 3.0, 0.91)])
def test_the_window_is_as_open_as_the_design_says(doses, half_life, openness):
    """.63 after one fresh dose whatever the half-life; .91 after six with a half-life of 3 days."""
    patient = replace(TALKER, gamma=1.0, k_w=LN2 / half_life)
    session = [doses[-1][0]]
    gain = run(patient, [20.0], doses, session)[1] / run(patient, [20.0], (), session)[1] - 1
    assert gain[0] == pytest.approx(openness, abs=0.005)  # the design gives two decimals
