"""Who is randomised after a run-in."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from kaptrial.errors import TooFewEligible
from kaptrial.model.streams import BlockStreams
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.assessments import AssessmentSchedule
from kaptrial.simulation.course import improvement_of
from kaptrial.simulation.follow_up import linear_predictor, record
from kaptrial.simulation.patients import Patients, draw_patients
from kaptrial.simulation.randomisation import draw_strata
from kaptrial.simulation.received import Received

# A run-in that hardly anybody passes cannot be simulated by drawing until somebody does.
MAX_SCREENED = 200


def eligible_patients(s: Scenario, streams: BlockStreams, schedule: AssessmentSchedule) -> Patients:
    """A block's patients who meet the criterion of the run-in, redrawn until all do."""
    run_in = s.randomisation.run_in
    assert run_in is not None
    assert run_in.eligible is not None
    patients = draw_patients(s, streams, draw_strata(s, streams), schedule)
    eligible = _meets(s, schedule, patients)
    for attempt in range(1, MAX_SCREENED):
        if eligible.all():
            return patients
        others = draw_patients(s, streams, draw_strata(s, streams, attempt), schedule, attempt)
        better = ~eligible & _meets(s, schedule, others)
        patients = Patients(
            **{f.name: _where(better, getattr(others, f.name), getattr(patients, f.name)) for f in fields(patients)}
        )
        eligible |= better
    if eligible.all():
        return patients
    raise TooFewEligible(
        f"randomisation.run_in.eligible.improved_by = {run_in.eligible.improved_by:g}: "
        "must be met by more than about 5 % of patients. "
        "Too few patients would pass the run-in for the trial to recruit its sample."
    )


def _where(mask: np.ndarray, new: np.ndarray, old: np.ndarray) -> np.ndarray:
    if old.ndim == 1:
        return old
    return np.where(mask.reshape(mask.shape + (1,) * (old.ndim - 2)), new, old)


def _meets(s: Scenario, schedule: AssessmentSchedule, patients: Patients) -> np.ndarray:
    """Who has improved enough on the recorded score; before randomisation every arm is the same."""
    assert s.randomisation.run_in is not None
    assert s.randomisation.run_in.eligible is not None
    rule = s.randomisation.run_in.eligible
    everyone = np.zeros(patients.trait.shape, dtype=np.int64)
    nothing = np.zeros((1, 1, 1))
    improvement = improvement_of(s, schedule, patients, Received(arm=everyone))
    v = int(np.searchsorted(schedule.visits, rule.on_day))
    scores = [
        record(s, schedule, w, linear_predictor(s, patients.trait, improvement) + nothing, patients, None)
        for w in (0, v)
    ]
    return (scores[1] - scores[0]) * s.scale.sign >= rule.improved_by * np.abs(scores[0] - s.scale.best)
