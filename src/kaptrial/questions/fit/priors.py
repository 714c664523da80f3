"""The named priors of a trial's effects: of the contrast and the day that the verdict is about."""

from __future__ import annotations

from kaptrial.priors.effects import ELSEWHERE, EffectPrior, belief, named
from kaptrial.questions.fit.data import InteractionData
from kaptrial.questions.fit.estimands import effect_weights
from kaptrial.questions.fit.model import Likelihood
from kaptrial.questions.fit.scales import share


def believed(name: str, trial: InteractionData, likelihood: Likelihood) -> EffectPrior:
    """The prior, by name or stated, of what is asked of this trial. Raises FieldError for what is neither."""
    return named(
        belief(name, trial.own_priors),
        roles=trial.roles,
        days=trial.days,
        contrast=effect_weights(trial),
        visit=trial.target,
        unit=trial.unit_sd,
        better=trial.better,
        elsewhere=ELSEWHERE * share("elsewhere", linked=likelihood != "normal"),
    )
