"""What is to be minded when the numbers of a power run are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scipy.special import ndtri

from kaptrial.estimators.fit import Failure
from kaptrial.method_table import ATTENDANCE, TIME, endpoint_side
from kaptrial.methods.number_needed import number_needed
from kaptrial.questions.power.analysis_notes import analysis_notes
from kaptrial.questions.power.execution import AT_BEST, Fits
from kaptrial.questions.power.measures import TARGET_POWER
from kaptrial.questions.power.nulls import differ_in, null_of
from kaptrial.questions.power.truth import Truth
from kaptrial.results import Note, Row, grouped
from kaptrial.scenario.clinic_checks import what_weekdays_forbid
from kaptrial.scenario.scenario import Scenario

RUN_IN_CLINIC = Note(
    code="run_in_clinic",
    severity="information",
    text="run in the clinic of the plan; truth, bias and coverage are of the protocol as written, and the bias is what"
    " the clinic takes away",
)


def notes_of(s: Scenario, columns: Mapping[str, Any], estimand_truths: Iterable[Truth], nulls: bool) -> list[Note]:
    """What is to be minded when the numbers are read."""
    notes = []

    def add(code: str, text: str) -> None:
        notes.append(Note(code=code, severity="warning", text=text))

    for estimand in s.estimands if nulls and s.null is None and len(s.arms) > 1 else ():
        if estimand.endpoint not in ATTENDANCE and null_of(s, estimand) is None:
            why = (
                "its sides differ in both drug and therapy, and no null of the model makes them alike"
                if differ_in(s, estimand)
                else "its sides get the same drug and therapy, and a null has nothing to take away"
            )
            add("no_type_i_error", f"no type_i_error for {estimand.contrast}: {why}")
    if len(s.arms) == 1:
        add(
            "one_arm",
            "one arm: its mean holds time, expectancy and regression to the mean as well as the treatment, and nothing"
            " in the trial tells them apart; under null: drug the scenario shows what is left without drug and hope",
        )
    relapses = any(estimand.endpoint == TIME for estimand in s.estimands)
    if s.relapse is not None and s.relapse.among == "responders" and relapses:
        add(
            "responders_compared",
            "time_to_relapse compares responders: these arms are not randomised, who responds comes later",
        )
    worst, of = max((truth.past_best, s.scale_of(e).id) for truth, e in zip(estimand_truths, s.estimands, strict=True))
    if worst > 0.05:
        where = ", ".join(
            f"{key} = {value}" for key, value in columns.items() if not key.startswith(("estimand.", "design."))
        )
        add(
            "beyond_scale",
            f"{100 * worst:.0f} % of patients in one arm would improve past the best score of {of}"
            + (f" ({where})" if where else "")
            + ": clipping makes interactions of its own; compare truth with truth_if_additive",
        )
    if s.design.group_sequential is not None:
        text = "this is the trial without its looks: looks, size, assurance, compare and report have it with them"
        notes.append(Note(code="looks", severity="information", text=text))
    return notes + analysis_notes(s)


def calendar_notes(s: Scenario) -> list[Note]:
    """What the days of the week alone forbid some of the clinic's patients."""
    return [Note(code="calendar", severity="warning", text=text) for text in what_weekdays_forbid(s)]


def never_analysed(fits: Fits) -> list[Note]:
    """Analyses that no replicate had, and why."""
    reasons = {
        analysis: f"{analysis} has no power: none of {len(fit.failure)} trials could be analysed ({fit.usual_failure})"
        for (_, analysis), fit in fits.items()
        if (fit.failure != Failure.NONE).all() and not analysis.endswith(AT_BEST)
    }
    return [Note(code="never_analysed", severity="warning", text=text) for text in reasons.values()]


def fallbacks(s: Scenario, fits: Fits) -> list[Note]:
    """Analyses that took another covariance structure than the first declared, and in how many of the trials."""
    rates = {
        analysis: float(fit.fell_back.mean())
        for (_, analysis), fit in fits.items()
        if fit.fell_back is not None and fit.fell_back.any() and not analysis.endswith(AT_BEST)
    }
    notes = []
    for analysis, rate in rates.items():
        text = (
            f"{analysis}: the covariance structure {s.analysis.covariance[0]} could not be fitted in"
            f" {max(100 * rate, 1):.0f} % of trials, and a later one was in its place"
        )
        if not s.analysis.sandwich:
            text += ": its errors hold if it is right, those of `analysis.sandwich` in any case"
        notes.append(Note(code="fallback", severity="warning", text=text))
    return notes


def numbers_needed(s: Scenario, rows: Sequence[Row]) -> list[Note]:
    """The number needed to treat of each true risk difference, with the interval of a trial that finds it."""
    said: dict[str, None] = {}
    for about, by_metric in grouped(rows).items():
        if about.measure != "risk_difference" or "empirical_se" not in by_metric or ":" in str(about.contrast):
            continue
        truth = by_metric["truth"].value
        half = float(ndtri(1 - s.analysis.alpha / 2)) * by_metric["empirical_se"].value
        number = number_needed(truth, truth - half, truth + half, better=endpoint_side(about.endpoint) or "higher")
        of = ", ".join([about.analysis, *filter(None, [about.strategies]), *(f"{k} = {v}" for k, v in about.columns)])
        said[
            f"number needed to treat of {about.contrast}, {about.endpoint.replace('_', ' ')} on day {about.day:g}"
            f" (by {of}): {number}; in brackets the"
            f" {100 * (1 - s.analysis.alpha):g} % interval of a trial of this size that finds the truth"
        ] = None
    return [Note(code="number_needed_to_treat", severity="information", text=text) for text in said]


def rooms(s: Scenario, rows: Sequence[Row]) -> list[Note]:
    """Which interaction could be found, and whether the scale has room for it."""
    unit = "percentage points" if s.scale.unit == "percent" else s.scale.unit
    notes = []
    for about, by_metric in grouped(rows).items():
        if "room_for_synergy" not in by_metric:
            continue
        detectable, room, best = (by_metric[m] for m in ("detectable_difference", "room_for_synergy", "power_at_best"))
        text = (
            f"The interaction {about.contrast} with {s.n_total / len(s.arms):g} a cell: detectable with 80 % power from"
            f" {detectable.value:.1f} ± {detectable.mcse:.1g} {unit}; beyond the additive sum the scale leaves room for"
            f" {room.value:.1f} ± {room.mcse:.1g} {unit}."
        )
        if best.value + 2 * best.mcse < TARGET_POWER:
            text += (
                " Even if every patient of the combined arm had the best possible outcome, power would be"
                f" {best.value:.2f} ± {best.mcse:.1g}: no achievable synergy reaches 80 % power at this size."
            )
        else:
            text += f" With every patient of the combined arm at the best outcome power would be {best.value:.2f}."
        notes.append(Note(code="interaction_room", severity="information", text=text))
    return notes
