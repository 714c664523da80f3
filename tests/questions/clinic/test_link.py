"""What a clinic made of the protocol reaches the response: times, misses, losses, therapists."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kaptrial.model.delivered import DeliveredTreatment
from kaptrial.model.response import ArmSchedule, DrugParameters, PatientParameters, TherapyParameters, course, timetable
from kaptrial.model.streams import BLOCK
from kaptrial.questions.clinic.run import delivered_treatment, run
from kaptrial.scenario.files import build, load
from kaptrial.simulation.received import schedules_of, treatment_days
from kaptrial.simulation.simulate import simulate, simulate_block
from tests import ROOT
from tests.builders import clinic_raw, number, site
from tests.model import reference

FULL = ROOT / "scenarios" / "cbt_after_ketamine.yaml"


def by_protocol(s, seed=1, block=0) -> DeliveredTreatment:
    """A clinic that gives everything on its day, by the scenario's own therapists."""
    trials = simulate_block(s, seed=seed, block=block)
    days = treatment_days(schedules_of(s))[0]
    days = np.where(np.isinf(days), np.nan, days)
    return DeliveredTreatment(
        event_day=days[trials.arm],
        therapist=np.full(trials.arm.shape, -1) if trials.therapist is None else trials.therapist,
        loss_day=np.full(trials.arm.shape, np.inf),
        visit_missed=np.zeros((*trials.arm.shape, len(s.design.visits)), dtype=bool),
    )


@pytest.mark.parametrize("changes", [{}, {"therapies.cbt.gamma": 2}, {"therapies.cbt.kappa": 1.5}])
def test_a_perfect_clinic_is_the_scenario_without_misses(changes):
    s = load(FULL, {"conduct.missed_doses": None, "conduct.missed_sessions": None} | changes)
    plain = simulate(s, seed=1, replicates=20)
    run_ = simulate(s, seed=1, replicates=20, delivered=[by_protocol(s)])
    np.testing.assert_allclose(run_.latent, plain.latent, rtol=1e-13, atol=1e-12)
    np.testing.assert_array_equal(run_.therapist, plain.therapist)
    np.testing.assert_array_equal(np.isnan(run_.score), np.isnan(plain.score))


def test_own_days_agree_with_the_plain_reference():
    rng = np.random.default_rng(4)
    visits = [0.0, 1.0, 7.0, 30.0]
    arm = ArmSchedule(doses=[(0, 1.0), (7, 0.5), (14, 1.0)], session_days=[1, 8, 15], adjuncts=[(5, 20, 1.2, 1.5)])
    own = np.array([[[0.0, 7.5, np.nan, 2.3, 7.5, 40.0], [0.4, 9.0, 12.0, 10.0, 11.0, 13.5]]])
    drug = {"ec50": 0.4, "hill": 1.3, "consolidated_share": 0.3, "consolidated_rate_per_day": 0.02,
            "window_rate_per_day": 0.2}  # fmt: skip
    therapy = {"learning_per_session": 0.4, "forgetting_rate_per_day": 0.01, "gamma": 2.0, "kappa": 1.0, "xi": 0.3}
    k, emax, tmax = rng.uniform(0.05, 0.2, (1, 2)), rng.uniform(10, 20, (1, 2)), rng.uniform(3, 6, (1, 2))
    result = course(
        timetable(visits, [arm]), arm=np.zeros((1, 2), dtype=np.int64), taken=~np.isnan(own), own_day=own,
        drug=DrugParameters(linear=False, **drug), therapy=TherapyParameters(**{n: [x] for n, x in therapy.items()}),
        patients=PatientParameters(
            decay_rate_per_day=k, max_effect=emax, max_therapy_effect=tmax, responder=np.ones((1, 2), dtype=bool)
        ),
    )  # fmt: skip
    for i in range(2):
        days = own[0, i]
        mine = ArmSchedule(
            doses=[(d, q) for d, (_, q) in zip(days[:3], arm.doses, strict=True) if not np.isnan(d)],
            session_days=[d for d in days[3:] if not np.isnan(d)],
            adjuncts=arm.adjuncts,
        )
        patient = reference.Patient(
            k=k[0, i], max_effect=emax[0, i], max_therapy_effect=tmax[0, i], ec50=0.4, hill=1.3, rho=0.3, k_c=0.02,
            k_w=0.2, g=0.4, k_l=0.01, gamma=2.0, kappa=1.0, xi=0.3,
        )  # fmt: skip
        expected = np.transpose(reference.follow(patient, visits, mine.doses, mine.session_days, mine.adjuncts))
        np.testing.assert_allclose([result[0][0, i], result[1][0, i]], expected, rtol=1e-12)


def test_missed_late_and_lost_reach_the_scores():
    s = load(FULL, {"therapies.cbt.gamma": 2, "conduct": {}})
    given = by_protocol(s)
    n_doses = 6
    none = given.event_day.copy()
    none[..., n_doses:] = np.nan
    late = given.event_day.copy()
    late[..., n_doses:] += 10
    loss = np.where(np.arange(s.n_total) < 10, 5.0, np.inf) * np.ones((BLOCK, 1))
    base, missed, later, lost = (
        simulate_block(s, seed=1, block=0, full=True, delivered=r)
        for r in (given, replace(given, event_day=none), replace(given, event_day=late), replace(given, loss_day=loss))
    )
    v = s.design.visits.index(28)
    treated = base.arm == 1
    effect = [t.latent[treated][:, v].mean() for t in (base, later, missed)]
    assert effect[0] < effect[1] < effect[2]  # a lower MADRS is better
    assert np.isnan(lost.score[:, :10, 2:]).all()
    assert np.isfinite(lost.score[:, 10:]).all()
    np.testing.assert_array_equal(lost.latent, base.latent)
    assert (lost.outcome[:, :10, -1] > base.outcome[:, :10, -1]).mean() > 0.5
    seen = given.visit_missed.copy()
    seen[:, 3, 4] = True
    partly = simulate_block(s, seed=1, block=0, delivered=replace(given, visit_missed=seen))
    assert np.isnan(partly.score[:, 3, 4]).all()
    assert np.isnan(partly.score).sum() == BLOCK


def test_the_clinic_s_therapists_are_the_trial_s():
    raw = clinic_raw(site(therapists={"shift": 2}), n_per_arm=20)
    raw["therapies"]["shift"] |= {"therapists": {"sd": number(3, "points"), "caseload": 5}}
    raw["conduct"] = {"dropout": {"hazard": number(0.01, "per_day")}}
    s = build(raw)
    r = delivered_treatment(s, run(s, seed=1, replicates=range(BLOCK)))
    trials = simulate_block(s, seed=1, block=0, delivered=r)
    treated = trials.arm == 1
    assert set(np.unique(trials.therapist[treated])) <= {-1, 0, 1}
    assert (trials.therapist[~treated] == -1).all()
    # In the clinic and in the data the same patients leave at the same time, where scores have no say in it.
    plain = simulate_block(s, seed=1, block=0)
    np.testing.assert_array_equal(np.isnan(trials.score), np.isnan(plain.score))
