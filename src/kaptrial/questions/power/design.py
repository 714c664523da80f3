"""The design in words: size, allocation, analysis, and the primary estimand in its five attributes (ICH E9(R1))."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kaptrial.method_table import BINARY, DAYS, NOT_OF_SCORES, SCORES, TIMES, method_of
from kaptrial.output.terminal import by_mcse
from kaptrial.questions.power.headline import least_differences, method_in_words, own_unit, share_lost, unit_of, when
from kaptrial.scenario.scenario import Scenario

if TYPE_CHECKING:
    from kaptrial.questions.power.truth import Truth


def size_in_words(s: Scenario) -> str:
    """Patients by arm and in all, ratio, blocks, strata, level."""
    shares = sum(s.ratio)
    sizes = ", ".join(f"{s.n_total * share / shares:g} {arm.id}" for arm, share in zip(s.arms, s.ratio, strict=True))
    text = f"{s.n_total} patients: {sizes}"
    if len(s.arms) > 1:
        block = s.design.allocation.block or shares
        strata = f" within strata of {', '.join(s.strata)}" if s.strata else ""
        text += f"; allocated {':'.join(map(str, s.ratio))} in blocks of {block}{strata}"
    margins = any(e.margin is not None for e in s.estimands)
    one_sided = f" (non-inferiority one-sided {s.analysis.alpha / 2:g})" if margins else ""
    return f"{text}; two-sided α {s.analysis.alpha:g}{one_sided}; primary analysis by {method_in_words(s)}"


def estimand_in_words(s: Scenario) -> list[tuple[str, str]]:
    """The five attributes of the primary estimand, each with its name."""
    e = s.estimand
    events = s.conduct.intercurrent_events
    measure = method_of(s.analyses(e)[0]).measure_of(e.endpoint).replace("_", " ")
    described = s.population.description
    if s.population.entry is not None:
        low, high = s.population.entry.at_least, s.population.entry.at_most
        ends = [f"at least {low:g}" if low is not None else "", f"at most {high:g}" if high is not None else ""]
        described += f" ({s.scale.id} {' and '.join(end for end in ends if end)} at entry)"
    return [
        ("population", described),
        ("treatment", e.contrast),
        ("variable", f"{_variable(s)} {when(s)}"),
        ("intercurrent events", e.strategies.described(events).replace("_", " ") or "none declared"),
        ("summary", f"{measure}, {unit_of(s, measure.replace(' ', '_'))}"),
    ]


def _variable(s: Scenario) -> str:
    if s.estimand.endpoint == DAYS:
        return "percent of days abstinent"
    name = s.estimand.endpoint.replace("_", " ")
    return name if s.estimand.endpoint in NOT_OF_SCORES else f"{name} of {s.scale.id}"


@dataclass(frozen=True, kw_only=True)
class WithinArms:
    """The primary outcome within an arm: its SD, its correlation with the baseline (mean over arms), the SD on day 0,
    and the share of patients without a score on the day."""

    sd: float
    correlation: float
    baseline_sd: float
    lost: float


def within_arms(s: Scenario, truth: Truth, seed: int) -> WithinArms:
    """From the truth and one block of trials; arms that the primary contrast leaves out do not count."""
    from kaptrial.simulation.simulate import simulate_block

    weights = s.contrast(s.estimand).weights if len(s.arms) > 1 else (1.0,)
    sds = [sd for sd, w in zip(truth.arm_sds, weights, strict=True) if w != 0]
    trials = simulate_block(s, seed=seed, block=0)
    column = int(np.searchsorted(trials.days, s.estimand.day))
    baseline, later = trials.baseline, trials.score[..., column]
    seen = ~np.isnan(later)
    within = [
        np.corrcoef(baseline[seen & (trials.arm == a)], later[seen & (trials.arm == a)])[0, 1]
        for a, w in enumerate(weights)
        if w != 0
    ]
    return WithinArms(
        sd=float(np.sqrt(np.mean(np.square(sds)))),
        correlation=float(np.mean(within)),
        baseline_sd=float(baseline.std()),
        lost=share_lost(s, seed),
    )


def effect_in_words(s: Scenario, truth: Truth, seed: int) -> list[str]:
    """Observed SD and correlation with the baseline on the primary day; the effect in SDs and among sourced MCIDs."""
    if s.scale.link != "identity" or s.estimand.endpoint not in SCORES:
        return []
    within = within_arms(s, truth, seed)
    lines = [
        f"SD of {s.estimand.endpoint} on day {s.estimand.day:g} within an arm {within.sd:.3g}; correlation of baseline"
        f" and score {within.correlation:.2f}; SD on day 0 {within.baseline_sd:.3g}"
    ]
    if len(s.arms) > 1 and within.sd > 0:
        text = f"standardised effect {abs(truth.value) / within.sd:.2f} SD"
        least = least_differences(s)
        if least and s.estimand.endpoint in ("score", "change"):
            above = sum(abs(truth.value) >= x for x in least)
            text += (
                f"; it is at least as large as {above} of {len(least)} sourced least important differences"
                f" ({min(least):g} to {max(least):g})"
            )
        lines.append(text)
    return lines


def truth_in_words(s: Scenario, truth: Truth) -> str:
    """What is true of the primary estimand under the scenario's assumptions, in its unit."""
    e, unit = s.estimand, unit_of(s, method_of(s.analyses(s.estimand)[0]).measure_of(s.estimand.endpoint))
    factor = 100.0 if e.endpoint in BINARY else 1.0
    value = f"{by_mcse(factor * truth.value, max(factor * truth.mcse, 0.005))}"
    if "ratio" in unit:  # the contrast of means is of the endpoint itself
        of_shares = e.endpoint in BINARY or s.scale.unit == "percent"
        unit = "days" if e.endpoint in TIMES else "percentage points" if of_shares else unit
        unit = own_unit(e.endpoint) or unit
    return f"Under these assumptions the truth of {e.contrast} ({_variable(s)} {when(s)}) is {value} {unit}."
