"""How the trial goes in practice: missed doses and sessions, discontinuation, rescue, dropout."""

from __future__ import annotations

from typing import Literal

from kaptrial.errors import ABSENT, FieldError
from kaptrial.scenario.noun import Day, Number, noun
from kaptrial.scenario.sourced import Days, EffectSize, RatePerArm, Share, SharePerArm, Slope


@noun
class Dropout:
    """No further observations from some day on: missingness, not an intercurrent event.

    The hazard a day is `hazard`·exp(`last_score`·(last observed score − mean trait baseline)), missing at random, and
    ·exp(`current_latent`·(latent score − mean trait baseline)), missing not at random. `afterwards` says what the
    outcome of those who left does: treatment stops (off_treatment) or goes on (as_treated), or their course is from
    then on the one they would have had in the reference arm all along (as_reference): that of their arm in
    `analysis.reference_for`, or the arm on the right of a primary contrast of two arms.
    """

    hazard: RatePerArm
    last_score: Slope | None = None
    current_latent: Slope | None = None
    afterwards: Literal["off_treatment", "as_treated", "as_reference"] = "off_treatment"


@noun
class Rescue:
    """Rescue or open-label ketamine, taken at the first visit from `from_day` on with a score past the trigger.

    The trigger is `score_at_least`, or `score_at_most` where higher is better. `share_taking` is the
    probability that a patient
    who meets it takes the rescue; `effect` is the improvement it adds, with time constant `onset`, which is halved
    every `half_life`.
    """

    from_day: Day
    effect: EffectSize
    onset: Days
    half_life: Days
    share_taking: Share
    score_at_least: Number | None = None
    score_at_most: Number | None = None

    def __post_init__(self) -> None:
        if self.score_at_least is None and self.score_at_most is None:
            raise FieldError("score_at_least", ABSENT, "rescue needs a trigger: score_at_least or score_at_most")
        if self.score_at_least is not None and self.score_at_most is not None:
            raise FieldError(
                "score_at_most", self.score_at_most, "only one trigger may be given, and score_at_least is"
            )


@noun
class Conduct:
    """Adherence and follow-up. What is absent does not happen.

    `missed_doses`, `missed_sessions`: probability that a single one is missed. `stop_doses`, `stop_sessions`: hazard a
    day, from randomisation, of stopping them for good. `open_label_ketamine` outside the protocol is described as
    rescue is, by what triggers it and what it does to the score.
    """

    missed_doses: SharePerArm | None = None
    missed_sessions: SharePerArm | None = None
    stop_doses: RatePerArm | None = None
    stop_sessions: RatePerArm | None = None
    rescue: Rescue | None = None
    open_label_ketamine: Rescue | None = None
    dropout: Dropout | None = None

    @property
    def intercurrent_events(self) -> tuple[str, ...]:
        """The intercurrent events that can happen."""
        can = {
            "rescue": self.rescue is not None,
            "open_label_ketamine": self.open_label_ketamine is not None,
            "therapy_discontinuation": self.stop_sessions is not None,
            "missed_infusions": self.missed_doses is not None or self.stop_doses is not None,
        }
        return tuple(event for event, happens in can.items() if happens)
