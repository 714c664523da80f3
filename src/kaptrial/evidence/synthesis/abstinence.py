"""Abstinence after ketamine with therapy: a small hierarchical logit model of three trials.

The score model has no place for abstinence a year later: its drug effect would be gone. Here an arm's logit of
abstinence is control + drug·(1, or ½ for three doses against one) + therapy, each trial with its own control level and
drug effect, constant over the follow-up. Three trials say little: the priors are wide and stay so; that is the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from kaptrial.arrays import Floats
from kaptrial.catalogue import Trial, trial, trial_keys
from kaptrial.evidence.synthesis.arms import doses
from kaptrial.evidence.synthesis.layout import Target, targets
from kaptrial.evidence.synthesis.measures import ABSTINENCE
from kaptrial.priors.quadrature import normal_nodes

if TYPE_CHECKING:
    import pymc as pm

PARAMETERS = {
    "control": "logit of abstinence without ketamine, mean over trials",
    "control_between": "its SD between trials",
    "drug": "effect of ketamine on the logit, mean over trials",
    "drug_between": "its SD between trials",
    "therapy": "effect of a relapse-prevention therapy on the logit",
    "patient_sd": "SD between patients of the logit of a day's abstinence",
}
# A second and third dose against one only: half of the effect of ketamine against none; assumption.
MORE_DOSES = 0.5
_NODES, _WEIGHTS = normal_nodes(9)


def fitted() -> list[Trial]:
    """Trials with figures of abstinence to reproduce."""
    chosen = (trial(key) for key in trial_keys())
    return [study for study in chosen if not study.held_out and any(t.statistic in ABSTINENCE for t in targets(study))]


def drug_weight(study: Trial, arm: str) -> float:
    """How much of the drug effect an arm has over the trial's control."""
    ketamine = {
        arm: sum(len(each.days) for each in given if each.agent == "ketamine") for arm, given in doses(study).items()
    }
    if min(ketamine.values()) == 0:
        return 1.0 if ketamine[arm] else 0.0
    return MORE_DOSES if ketamine[arm] > min(ketamine.values()) else 0.0


def therapy_weight(study: Trial, arm: str) -> float:
    """1 where the arm's therapy differs from the trial's lesser one."""
    names = {raw["id"]: (raw.get("therapy") or {}).get("name") for raw in study.arms}
    return 1.0 if len(set(names.values())) > 1 and names[arm] != "education" else 0.0


def build(trials: Sequence[Trial], left_out: str | None = None) -> pm.Model:
    """The model of the trials' figures; a trial left out keeps its parameters and loses its data."""
    import pymc as pm
    import pytensor.tensor as pt

    def share(logit: Any, sd: Any) -> Any:
        return (_WEIGHTS * pt.sigmoid(logit + sd * _NODES)).sum()

    with pm.Model() as model:
        control = pm.Normal("control", -0.3, 1.0)
        drug = pm.Normal("drug", 0.6, 0.7)
        between_control = pm.HalfNormal("control_between", 1.0)
        between_drug = pm.HalfNormal("drug_between", 0.5)
        therapy = pm.Normal("therapy", 0.3, 0.3)
        sd = pm.LogNormal("patient_sd", np.log(1.5), 0.3)
        level = pm.Normal("level_raw", 0.0, 1.0, shape=len(trials))
        effect = pm.Normal("effect_raw", 0.0, 1.0, shape=len(trials))
        for i, study in enumerate(trials):
            if study.key == left_out:
                continue
            base, gain = control + between_control * level[i], drug + between_drug * effect[i]
            for t in targets(study):
                name = f"{study.key}_{t.number}"
                if t.statistic == "abstinent":
                    logit = base + gain * drug_weight(study, t.arms[0])
                    pm.Binomial(name, n=t.n[0], logit_p=logit, observed=round(t.value * t.n[0]))
                elif t.se is not None:
                    logits = [[base + gain * d + therapy * w for d, w in side] for side in sides(study, t)]
                    left, right = (sum(share(x, sd) for x in side) / len(side) for side in logits)
                    pm.Normal(name, 100 * (left - right), t.se, observed=t.value)
    return model


def sides(study: Trial, t: Target) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Weights of drug and therapy of the arms left and right of a contrast; `main ketamine` averages over therapy."""
    arms = [raw["id"] for raw in study.arms]
    if t.arms == ("main ketamine",):
        left = [arm for arm in arms if drug_weight(study, arm)]
        right = [arm for arm in arms if not drug_weight(study, arm)]
    else:
        left, right = [t.arms[0]], [t.arms[1]]
    both = [[(drug_weight(study, arm), therapy_weight(study, arm)) for arm in side] for side in (left, right)]
    return both[0], both[1]


def sample(
    trials: Sequence[Trial], *, seed: int, left_out: str | None = None, draws: int, tune: int, chains: int
) -> Any:
    """Draw from the posterior (NUTS by nutpie); an ArviZ DataTree."""
    import nutpie

    compiled = nutpie.compile_pymc_model(build(trials, left_out))
    return nutpie.sample(
        compiled, draws=draws, tune=tune, chains=chains, cores=2, seed=seed, target_accept=0.95, progress_bar=False
    )


def simulate(
    study: Trial, t: Target, draws: Mapping[str, Floats], level: Floats, effect: Floats, rng: np.random.Generator
) -> Floats:
    """The figure of a trial simulated at its size, one a draw; `level`, `effect`: the trial's own, (draw,)."""
    if t.statistic == "abstinent":
        p = expit(level + effect * drug_weight(study, t.arms[0]))
        return rng.binomial(t.n[0], p) / t.n[0]
    n = {raw["id"]: int(raw["n"]) for raw in study.arms}
    size = n[study.arms[0]["id"]]
    means = []
    for side in sides(study, t):
        arms = []
        for d, w in side:
            logit = (level + effect * d + draws["therapy"] * w)[:, None]
            p = expit(logit + draws["patient_sd"][:, None] * rng.standard_normal((len(level), size)))
            arms.append(rng.binomial(int(t.days[-1]), p).mean(axis=1) / t.days[-1])
        means.append(np.mean(arms, axis=0))
    return 100 * (means[0] - means[1])
