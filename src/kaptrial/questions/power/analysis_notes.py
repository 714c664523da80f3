"""What is to be said of the analyses of a scenario before anything is simulated."""

from __future__ import annotations

from kaptrial.method_table import BINARY, MAY_FAIL, TIMES, methods
from kaptrial.questions.power.headline import own_unit
from kaptrial.results import Note
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.trial import Estimand


def analysis_notes(s: Scenario) -> list[Note]:
    """Which analyses were chosen because the scenario names none, and what of the design an analysis leaves out."""
    chosen = [s.default_analysis(e) for e in s.estimands if e.methods is None and s.analysis.methods is None]
    without_therapists, without_strata = [], []
    for estimand in s.estimands:
        for name in s.methods(estimand):
            if s.has_therapists(estimand) and not methods()[name].needs_therapists:
                without_therapists.append(name)
            if not methods()[name].adjusts or not set(s.strata) <= set(s.covariates_of(estimand)):
                without_strata.append(name)
    notes = []
    if chosen:
        named = "; ".join(f"{name} ({why})" for name, why in dict.fromkeys(chosen))
        text = f"no method is declared, and the analysis is the one that fits the trial: {named}"
        notes.append(Note(code="default_analysis", severity="information", text=text))
    if s.analysis.missing_response == "failure":
        endpoints = ", ".join(dict.fromkeys(e.endpoint for e in s.estimands if e.endpoint in MAY_FAIL))
        text = f"patients whose {endpoints} is missing count as failures; the truth is of what they would have had"
        notes.append(Note(code="missing_response", severity="information", text=text))
    margins = [f"{e.margin:g} of {e.endpoint} ({_margin_kind(s, e)})" for e in s.estimands if e.margin is not None]
    if margins:
        text = f"{'margin' if len(margins) == 1 else 'margins'} of non-inferiority: {', '.join(margins)}"
        notes.append(Note(code="margin", severity="information", text=text))
    imputed = any("reference_based" in s.methods(estimand) for estimand in s.estimands)
    if s.analysis.inference == "rubin" and imputed:
        text = f"standard errors of reference_based by Rubin's rules, {s.analysis.imputations} imputations a trial"
        notes.append(Note(code="inference", severity="information", text=text))
    if without_therapists:
        text = f"therapists are not in the model of {', '.join(dict.fromkeys(without_therapists))}: see type_i_error"
        notes.append(Note(code="therapists_ignored", severity="warning", text=text))
    if s.strata and without_strata:
        names = ", ".join(dict.fromkeys(without_strata))
        text = f"stratification by {', '.join(s.strata)} is not, or not all, in the model of {names}"
        notes.append(Note(code="strata_ignored", severity="warning", text=text))
    return notes


def _margin_kind(s: Scenario, estimand: Estimand) -> str:
    """What a margin of an estimand is."""
    if estimand.endpoint in TIMES:
        return "a hazard ratio"
    if estimand.endpoint in BINARY:
        return "a difference of shares"
    own = own_unit(estimand.endpoint)
    if own is not None:
        return own
    unit = s.scale_of(estimand).unit
    return "percentage points" if unit == "percent" else unit
