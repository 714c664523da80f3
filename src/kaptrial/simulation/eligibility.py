"""Who is randomised after a run-in."""

from __future__ import annotations

import numpy as np

from kaptrial.arrays import Bools
from kaptrial.errors import TooFewEligible
from kaptrial.model.streams import BlockStreams
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.assessments import Reading
from kaptrial.simulation.by_replicate import first_of, some
from kaptrial.simulation.course import improvement_of
from kaptrial.simulation.follow_up import Noise, linear_predictor, record
from kaptrial.simulation.patients import Patients, draw_patients
from kaptrial.simulation.randomisation import draw_strata
from kaptrial.simulation.received import Received

# A run-in that hardly anybody passes cannot be simulated by drawing until somebody does.
MAX_SCREENED = 200


def eligible_patients(s: Scenario, streams: BlockStreams, reading: Reading) -> Patients:
    """A block's patients who meet the criterion of the run-in, redrawn until all do."""
    run_in = s.randomisation.run_in
    assert run_in is not None
    assert run_in.eligible is not None
    patients = draw_patients(s, streams, draw_strata(s, streams), reading.schedule)
    eligible = _meets(s, reading, patients)
    for attempt in range(1, MAX_SCREENED):
        if eligible.all():
            return patients
        who = first_of(~eligible)
        others = draw_patients(s, streams, draw_strata(s, streams, attempt), reading.schedule, attempt, who=who)
        replicate, number = np.nonzero(~some(eligible, who) & _meets(s, reading, others))
        patient = who[replicate, number]
        for name, x in vars(patients).items():
            if x.ndim > 1:
                x[replicate, patient] = getattr(others, name)[replicate, number]
        eligible[replicate, patient] = True
    if eligible.all():
        return patients
    raise TooFewEligible(
        f"randomisation.run_in.eligible.improved_by = {run_in.eligible.improved_by:g}: "
        "must be met by more than about 5 % of patients. "
        "Too few patients would pass the run-in for the trial to recruit its sample."
    )


def _meets(s: Scenario, reading: Reading, patients: Patients) -> Bools:
    """Who has improved enough on the recorded score; before randomisation every arm is the same."""
    assert s.randomisation.run_in is not None
    assert s.randomisation.run_in.eligible is not None
    rule = s.randomisation.run_in.eligible
    everyone = np.zeros(patients.trait.shape, dtype=np.int64)
    improvement = improvement_of(s, reading.schedule, patients, Received(arm=everyone))
    v = int(np.searchsorted(reading.schedule.visits, rule.on_day))
    predictor = linear_predictor(s.scale, patients.trait, improvement)
    noise = Noise(deviation=patients.deviation, rater_error=patients.rater_error)
    scores = [record(reading, w, predictor, noise) for w in (0, v)]
    return (scores[1] - scores[0]) * s.scale.sign >= rule.improved_by * np.abs(scores[0] - s.scale.best)
