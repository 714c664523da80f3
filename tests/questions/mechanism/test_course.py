"""The mean course against the response model's own integrator, patient by patient."""

from __future__ import annotations

import numpy as np
import pytest

from kaptrial.model.response import PatientParameters, TherapyParameters, course, timetable
from kaptrial.questions.mechanism.course import course_of, improvement, therapy_in_question
from kaptrial.scenario.files import load
from kaptrial.simulation.course import drug_parameters
from kaptrial.simulation.received import schedules_of
from tests import SCENARIOS

DAYS = (1.0, 3.0, 7.0, 14.0, 28.0, 56.0, 84.0)


def integrated(s, values: dict[str, float]) -> np.ndarray:
    """Mean improvement of 201 quantile patients an arm by the integrator, (arm × visit,)."""
    name = therapy_in_question(s)
    z = np.polynomial.hermite_e.hermegauss(11)
    weight = z[1] / z[1].sum()
    k = np.log(2) / (values["half_life"] * np.exp(s.drug.half_life.spread * z[0]))
    out = []
    for a, arm in enumerate(s.arms):
        own = arm.therapy is not None and arm.therapy.name == name
        noun = s.therapies[arm.therapy.name] if arm.therapy else None
        effect = 0.0 if noun is None else noun.max_effect.value * np.exp(noun.max_effect.spread**2 / 2)
        n_arms = len(s.arms)
        therapy = TherapyParameters(
            learning_per_session=np.full(n_arms, noun.learning_per_session.value if noun else 0.0),
            forgetting_rate_per_day=np.full(n_arms, np.log(2) / noun.half_life.value if noun else 1.0),
            gamma=np.full(n_arms, values["gamma"] * own), kappa=np.full(n_arms, values["kappa"] * own),
            xi=np.full(n_arms, values["xi"] * own),
        )  # fmt: skip
        drug, learnt = course(
            timetable(DAYS, schedules_of(s)), arm=np.full((1, 11), a), taken=None, drug=drug_parameters(s),
            therapy=therapy,
            patients=PatientParameters(
                decay_rate_per_day=k[None], max_effect=np.full((1, 11), values["max_effect"]),
                max_therapy_effect=np.full((1, 11), values["therapy"] if own else effect),
                responder=np.ones((1, 11), dtype=bool),
            ),
        )  # fmt: skip
        natural = 0.0
        if s.natural_course is not None:
            natural = values["natural"] * -np.expm1(-np.array(DAYS) / s.natural_course.time_constant.value)
        out.append(natural + np.einsum("pv,p->v", (drug + learnt)[0], weight))
    return np.concatenate(out)


@pytest.mark.parametrize("file", ["cbt_after_ketamine", "ketamine_by_cbt", "starter"])
@pytest.mark.parametrize(
    "mechanism", [{}, {"gamma": 1.3}, {"kappa": 0.9}, {"xi": 0.6}, {"gamma": 0.8, "kappa": 0.4, "xi": 0.3}]
)
def test_the_course_is_the_response_models(file: str, mechanism: dict[str, float]) -> None:
    s = load(SCENARIOS / f"{file}.yaml")
    values = {
        "natural": 3.0, "max_effect": 14.0, "half_life": 6.0, "therapy": 4.0, "gamma": 0.0, "kappa": 0.0, "xi": 0.0,
    } | mechanism  # fmt: skip
    result = improvement(course_of(s, DAYS), values, np)
    np.testing.assert_allclose(result, integrated(s, values), rtol=1e-10, atol=1e-10)


def test_pytensor_and_numpy_agree() -> None:
    import pytensor
    import pytensor.tensor as pt

    s = load(SCENARIOS / "cbt_after_ketamine.yaml")
    c = course_of(s, DAYS)
    values = {
        "natural": 3.0,
        "max_effect": 14.0,
        "half_life": 6.0,
        "therapy": 4.0,
        "gamma": 0.8,
        "kappa": 0.4,
        "xi": 0.3,
    }
    graph = improvement(c, {k: pt.constant(v) for k, v in values.items()}, pt)
    np.testing.assert_allclose(
        graph.eval(mode=pytensor.compile.mode.FAST_COMPILE), improvement(c, values, np), rtol=1e-12
    )
