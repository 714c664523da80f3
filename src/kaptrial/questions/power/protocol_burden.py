"""What a protocol asks of patients and staff, worked out of the scenario alone: nobody drops out, nothing is missed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kaptrial.results import Value
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.treatment import Arm

MINUTES_PER_HOUR = 60


@dataclass(frozen=True, kw_only=True)
class Burden:
    """What is planned in an arm, or in all of them, for the randomised patients.

    `ketamine_doses`, `control_doses`: infusions or other doses, those of the run-in among them; ketamine is the racemic
    drug and esketamine. `exposed`: patients with a dose of ketamine. `sessions`: of a patient with a therapist, alone
    or in a group; `therapist_hours`: of full groups, None where the minutes of a session are not given. `assessments`:
    visits, the baseline among them.
    """

    patients: float
    ketamine_doses: float
    control_doses: float
    exposed: float
    sessions: float
    therapist_hours: float | None
    assessments: float

    def flat(self) -> dict[str, Value]:
        """As columns of a table."""
        return dict(vars(self))


def burden_by_arm(s: Scenario) -> dict[str, Burden]:
    """The burden of each arm by its id. An arm has its share of the patients by the ratio, which may not be whole."""
    return {
        arm.id: _of_arm(s, arm, s.n_total * share / sum(s.ratio)) for arm, share in zip(s.arms, s.ratio, strict=True)
    }


def burden_in_all(s: Scenario) -> Burden:
    """The burden of all arms."""
    arms = list(burden_by_arm(s).values())
    hours = [arm.therapist_hours for arm in arms if arm.therapist_hours is not None]
    return Burden(
        patients=_sum(arms, lambda arm: arm.patients),
        ketamine_doses=_sum(arms, lambda arm: arm.ketamine_doses),
        control_doses=_sum(arms, lambda arm: arm.control_doses),
        exposed=_sum(arms, lambda arm: arm.exposed),
        sessions=_sum(arms, lambda arm: arm.sessions),
        therapist_hours=sum(hours) if len(hours) == len(arms) else None,
        assessments=_sum(arms, lambda arm: arm.assessments),
    )


def _of_arm(s: Scenario, arm: Arm, patients: float) -> Burden:
    run_in = s.randomisation.run_in
    courses = [*(run_in.doses if run_in else ()), *arm.doses]
    ketamine = sum(len(doses.days) for doses in courses if doses.is_ketamine)
    control = sum(len(doses.days) for doses in courses if not doses.is_ketamine)
    sessions = len(arm.therapy.days) if arm.therapy else 0
    return Burden(
        patients=patients,
        ketamine_doses=patients * ketamine,
        control_doses=patients * control,
        exposed=patients if ketamine else 0.0,
        sessions=patients * sessions,
        therapist_hours=_therapist_hours(s, arm, patients * sessions),
        assessments=patients * len(s.design.visits),
    )


def _therapist_hours(s: Scenario, arm: Arm, sessions: float) -> float | None:
    if arm.therapy is None or sessions == 0:
        return 0.0
    therapy = s.therapies[arm.therapy.name]
    if therapy.session_minutes is None:
        return None
    return sessions * therapy.session_minutes / MINUTES_PER_HOUR / therapy.group_size


def _sum(arms: Sequence[Burden], of: Callable[[Burden], float]) -> float:
    return sum(of(arm) for arm in arms)
