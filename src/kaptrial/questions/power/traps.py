"""What `check` warns of before anything is simulated: numbers that do not fit each other, keys that change nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from kaptrial.catalogue import trial, trial_keys
from kaptrial.method_table import TIME, methods
from kaptrial.questions.power.analysis_notes import analysis_notes
from kaptrial.questions.power.look_traps import look_traps
from kaptrial.results import Note
from kaptrial.scenario.patients import Measurement
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.treatment import zero_if_absent
from kaptrial.scenario.trial import Analysis

# A share of day-0 scores beyond the scale from which a warning is due.
IMPOSSIBLE_SHARE = 0.05
# A baseline SD is far from those of the catalogue's trials if it is smaller or larger than all of them by this factor.
FAR = 1.5
# Fields of the analysis that only some methods read.
READ_BY = {"covariance": "covariance", "df": "df", "residual": "residual", "imputation": "imputation"}


def traps(s: Scenario) -> list[Note]:
    """Warnings, then what is to be known; the same for a file and for a scenario made in Python."""
    doubtful = [*_impossible_scores(s), *_no_room(s), *_far_from_published(s)]
    notes = [Note(code=code, severity="warning", text=text) for code, text in doubtful]
    unused = [Note(code=code, severity="information", text=text) for code, text in _unused(s)]
    return [*notes, *look_traps(s), *analysis_notes(s), *unused]


def day_zero_sd(s: Scenario) -> float:
    """SD of the recorded score on day 0 before any entry criterion: trait, deviation and rating error."""
    m = s.measurement
    return float(np.sqrt(s.population.baseline.spread**2 + m.deviation_sd.value**2 + m.rater_sd.value**2))


def _impossible_scores(s: Scenario) -> Iterator[tuple[str, str]]:
    sd, mean = day_zero_sd(s), s.population.baseline.value
    if s.scale.link != "identity" or s.population.entry is not None or sd == 0:
        return
    low, high = (mean - s.scale.low) / sd, (s.scale.high - mean) / sd
    beyond = (math.erfc(low / math.sqrt(2)) + math.erfc(high / math.sqrt(2))) / 2
    if beyond > IMPOSSIBLE_SHARE:
        yield (
            "impossible_scores",
            f"population.baseline {mean:g}, and the SDs of baseline, deviation and rating together {sd:.3g}:"
            f" {100 * beyond:.0f} % of day-0 scores would lie beyond the scale {s.scale.id}, {s.scale.low:g} to"
            f" {s.scale.high:g}",
        )


def _no_room(s: Scenario) -> Iterator[tuple[str, str]]:
    """Median improvements that add up to more than the way to the best score."""
    if s.scale.link != "identity":
        return
    room = abs(s.population.baseline.value - s.scale.best)
    drug = zero_if_absent(s.drug.max_effect) if s.drug.share is None else s.drug.share.value * room
    rest = zero_if_absent(s.natural_course.change) if s.natural_course else 0.0
    for arm in s.arms:
        therapy = zero_if_absent(s.therapies[arm.therapy.name].max_effect) if arm.therapy else 0.0
        total = rest + therapy + (drug if any(d.is_ketamine for d in arm.doses) else 0.0)
        if total > room:
            yield (
                "no_room",
                f"arm {arm.id}: drug, therapy and natural course can improve a median patient by {total:.3g} points;"
                f" the scale leaves {room:.3g}: effects will seem smaller, and drug and therapy to weaken each other",
            )


def _far_from_published(s: Scenario) -> Iterator[tuple[str, str]]:
    sds = {
        key: float(baseline["sd"])
        for key in trial_keys()
        for scale, baseline in trial(key).baselines.items()
        if scale == s.scale.id and "sd" in baseline
    }
    sd = day_zero_sd(s)
    if len(sds) < 2 or s.population.entry is not None or s.scale.link != "identity":
        return
    least, most = min(sds, key=lambda key: sds[key]), max(sds, key=lambda key: sds[key])
    if not sds[least] / FAR <= sd <= sds[most] * FAR:
        yield (
            "far_from_published",
            f"the SD of {s.scale.id} on day 0 is {sd:.3g}; in the trials of the catalogue it is {sds[least]:g}"
            f" ({least}) to {sds[most]:g} ({most})",
        )


def _unused(s: Scenario) -> Iterator[tuple[str, str]]:
    """Keys that change nothing in this scenario, variants apart."""
    given = [path for values in (s.variants or {}).values() for path in values]
    given += [path.removesuffix(".value") for path in (s.prior.also if s.prior and s.prior.also else {})]
    used = {arm.therapy.name for arm in s.arms if arm.therapy}
    for name in s.therapies:
        if name not in used:
            yield "unused", f"therapies.{name}: no arm has it"
    gamma = any(zero_if_absent(s.therapies[name].gamma) > 0 for name in used)
    if s.drug.window_half_life is not None and not gamma and not any(path.endswith("gamma") for path in given):
        yield "unused", "drug.window_half_life: changes nothing while no therapy has a gamma above 0"
    if s.relapse is not None and not any(e.endpoint in (TIME, "sustained_response") for e in s.estimands):
        yield "unused", "relapse: no estimand asks for time_to_relapse or sustained_response"
    if s.engagement is not None and not any(e.endpoint == "engaged" for e in s.estimands):
        yield "unused", "engagement: no estimand asks for engaged"
    period = next(f.default for f in fields(Measurement) if f.name == "baseline_period_days")
    if s.scale.link == "identity" and s.measurement.baseline_period_days != period:
        yield "unused", "measurement.baseline_period_days: is for outcomes counted by days"
    options = {option for e in s.estimands for name in s.methods(e) for option in methods()[name].options}
    for field in fields(Analysis):
        if (
            field.name in READ_BY
            and READ_BY[field.name] not in options
            and getattr(s.analysis, field.name) != field.default
        ):
            asked = ", ".join(dict.fromkeys(name for e in s.estimands for name in s.methods(e)))
            yield "unused", f"analysis.{field.name}: is not used by {asked}"
