"""Where what somebody wrote in the wrong place lives, by what it means."""

from __future__ import annotations

from functools import cache

from kaptrial.errors import nearest
from kaptrial.scenario.paths import fields_of, noun_places

# Words of trials that are no key of a scenario, and where what they mean is declared.
CONCEPTS = {
    **dict.fromkeys(
        ("sites", "centres", "centers", "site"),
        "sites that patients are balanced over are strata of design.allocation; sites that recruit stand under clinic",
    ),
    **dict.fromkeys(
        ("attrition", "loss_to_follow_up", "lost_to_follow_up", "missing", "missingness"),
        "patients who leave stand under conduct.dropout, by their hazard a day",
    ),
    **dict.fromkeys(
        ("icc", "clustering", "intraclass_correlation"),
        "what patients of one therapist share stands under therapies.NAME.therapists: sd, and count or caseload;"
        " `describe` shows the ICC that follows",
    ),
    **dict.fromkeys(
        ("followup", "follow_up", "duration", "assessments", "timepoints"),
        "the days of assessments are design.visits, and the day of the outcome is estimand.day",
    ),
    **dict.fromkeys(
        ("sessions", "session", "session_days"),
        "sessions stand in an arm: therapy: {name: NAME, days: {first: 1, every: 7, count: 8}}",
    ),
    **dict.fromkeys(
        ("n", "size", "sample_size", "n_patients", "patients"), "the size is design.n_per_arm or design.n_total"
    ),
    **dict.fromkeys(("infusions", "dosing", "medication"), "doses stand in an arm: doses: [{agent: …, days: …}]"),
    **dict.fromkeys(("dose", "mg_kg", "dose_mg_per_kg"), "a dose in mg/kg is mg_per_kg in one of the doses of an arm"),
    **dict.fromkeys(
        ("placebo", "control", "comparator"), "what is compared with is an arm, with agent: saline or midazolam"
    ),
    **dict.fromkeys(
        ("inclusion", "exclusion", "eligibility", "inclusion_criteria"), "a limit on day-0 scores is population.entry"
    ),
    **dict.fromkeys(("adherence", "compliance"), "doses and sessions missed stand under conduct"),
    **dict.fromkeys(("blinding", "unblinding"), "what patients believe they received is expectancy.drug.belief"),
    **dict.fromkeys(("covariate", "model", "method"), "how the trial is analysed stands under analysis"),
    **dict.fromkeys(("endpoint", "primary", "primary_outcome"), "the outcome asked for stands under estimand"),
    **dict.fromkeys(("icd", "diagnosis", "indication"), "who the patients are is population.description, in words"),
    **dict.fromkeys(("power", "seed", "replicates", "workers"), "is said of a run, not of a scenario"),
}
UNEQUAL_ARMS = "arms of unequal size take n_total with allocation.ratio, such as {ratio: {ketamine: 2, control: 1}}"
# More places than this say nothing.
_MOST_PLACES = 3


def unknown_key(key: str, known: list[str], parent: str) -> str:
    """Of a key that a noun does not have: the key that was meant, or the place where it lives, or nothing."""
    close = nearest(key, known)
    word = key.lower().replace("-", "_")
    if word in CONCEPTS:
        return f"; {CONCEPTS[word]}"
    elsewhere = [place for place in _places().get(word, ()) if place.rpartition(".")[0] != parent]
    if elsewhere and (len(elsewhere) <= _MOST_PLACES or not close):
        return f"; it stands at {' or '.join(elsewhere[:_MOST_PLACES])}"
    return close


@cache
def _places() -> dict[str, list[str]]:
    """Every key of a scenario with the paths at which it stands."""
    places: dict[str, list[str]] = {}
    for at, noun_ in noun_places():
        for name in fields_of(noun_):
            places.setdefault(name, []).append(f"{at}.{name}".strip("."))
    return places
