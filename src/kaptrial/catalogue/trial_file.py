"""The form of a trial's file: its keys and what may stand at each. Read here and nowhere else."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Literal, Required, TypedDict

from pydantic import Discriminator, Field, Tag, TypeAdapter, ValidationError, with_config

from kaptrial.catalogue.citation import Citation, Text

# Arms are named in contrasts, `a - b`, so an id must read as one word.
Word = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
Count = Annotated[int, Field(ge=1)]
Day = Annotated[float, Field(ge=0)]
Days = Annotated[list[Day], Field(min_length=1)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]
Interval = Annotated[list[float], Field(min_length=2, max_length=2)]
# From the best to the worst: what is believed first when sources disagree. `derived` stands where its parents stand.
Quality = Literal[
    "abstract",
    "conference_abstract",
    "press_release",
    "registry",
    "grant_abstract",
    "secondary",
    "derived",
    "document_only",
]
_form = with_config(extra="forbid", strict=True, allow_inf_nan=False)


@_form
class Therapy(TypedDict):
    """The therapy of an arm and the days of its sessions."""

    name: Text
    days: Days


@_form
class Arm(TypedDict, total=False):
    """One group of patients. `doses` are in the scenario file's form, which is read where the arm is expressed."""

    id: Required[Word]
    n: Required[Count]
    n_source: Text
    n_note: Text
    note: Text
    doses: list[dict[str, Any]]
    therapy: Therapy


@_form
class Baseline(TypedDict, total=False):
    """Mean and SD of a scale's scores on day 0."""

    mean: Required[Positive]
    sd: Required[Positive]
    source: Text
    note: Text


@_form
class Measure(TypedDict, total=False):
    """A figure in the project's own terms; what each statistic needs stands in evidence/synthesis/measures.py."""

    statistic: Required[Text]
    endpoint: Text
    arm: Text
    day: Day
    days: Days
    value: float
    n: Count
    sd: Positive
    ci95: Interval
    fraction: Share
    kept: Share
    at_most: Day
    response_day: Day
    remission_day: Day
    from_day: Day
    note: Text


@_form
class Uncertainty(TypedDict, total=False):
    """What may be reported beside a figure's value. Where an end of `ci95` was not reached, it is a word."""

    sd: Positive
    se: Positive
    ci95: Annotated[list[Any], Field(min_length=2, max_length=2)]
    p: Any
    nnt: float
    d: float
    d_ci95: Interval
    g: float
    df: float
    t: float
    count: Text
    median: float
    r: float


def _one_or_more(raw: Any) -> str:
    return "#more" if isinstance(raw, list) else "#one"


@_form
class Figure(Uncertainty, total=False):
    """One reported figure. `name`: what scenarios call it; a figure of several numbers has one for each."""

    name: Annotated[Annotated[Word, Tag("#one")] | Annotated[list[Word], Tag("#more")], Discriminator(_one_or_more)]
    time: Text
    arm: Text
    statistic: Required[Text]
    value: Required[Any]
    quality: Required[Quality]
    url: Text
    how: Text
    note: Text
    target: bool
    measure: Annotated[
        Annotated[Measure, Tag("#one")] | Annotated[list[Measure], Tag("#more")], Discriminator(_one_or_more)
    ]
    not_target: Text


@_form
class TrialFile(TypedDict, total=False):
    """The whole file."""

    citation: Required[Citation]
    indication: Required[Text]
    population: Text
    design: Required[Text]
    design_reported: Text
    blinding: Required[Literal["double", "rater", "open", "not stated"]]
    background: Text
    contains: list[Text]
    held_out: bool
    pooled: Count
    masked: bool
    enrolled: dict[str, Count]
    regimen: Text
    therapy: Text
    control: Text
    outcome: Text
    dose_note: Text
    baselines: dict[str, Baseline]
    arms: list[Arm]
    figures: Required[list[Figure]]
    notes: Text


_PARTS = {"": TrialFile, "citation": Citation, "figures": Figure, "measure": Measure, "arms": Arm, "therapy": Therapy}
_UNKNOWN = ("extra_forbidden", "invalid_key", "unexpected_keyword_argument")
_ALLOWED = {
    "missing": "must be given",
    "unexpected_keyword_argument": "unknown key",
    "dict_type": "must be a mapping",
    "dataclass_type": "must be a mapping",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must be one word of letters, digits and _, beginning with a letter",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
}


@cache
def _adapter() -> TypeAdapter[TrialFile]:
    return TypeAdapter(TrialFile)


def misshape(raw: dict[Any, Any]) -> str | None:
    """The first thing that does not fit the form, `arms[0].n = 0: must be ≥ 1`; None if all fits."""
    try:
        _adapter().validate_python(raw)
    except ValidationError as error:
        # Unknown keys first: what is missing may stand under a misspelt one.
        first = min(error.errors(), key=lambda e: e["type"] not in _UNKNOWN)
    else:
        return None
    kind, steps = first["type"], [step for step in first["loc"] if not str(step).startswith("#")]
    at = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
    if kind in _UNKNOWN:
        above = next((str(step) for step in reversed(steps[:-1]) if isinstance(step, str)), "")
        near = get_close_matches(str(steps[-1]), _PARTS.get(above, Baseline).__annotations__, n=1)
        return f"{at}: unknown key" + "".join(f"; did you mean `{word}`?" for word in near)
    value = "" if kind == "missing" else f" = {str(first['input'])[:60]}"
    return f"{at}{value}: {allowed(first)}"


def allowed(error: Any) -> str:
    """What may stand where pydantic found an error."""
    context = error.get("ctx", {})
    for bound, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤")):
        if bound in context:
            return f"must be {sign} {context[bound]:g}"
    if "expected" in context:
        return "must be one of " + context["expected"].replace("'", "").replace(" or ", ", ")
    if "actual_length" in context and error["type"] in ("too_short", "too_long"):
        return "must not be empty" if context["actual_length"] == 0 else "must be two numbers"
    return _ALLOWED.get(error["type"]) or error["msg"][0].lower() + error["msg"][1:]
