"""The table of methods of analysis: one row each, read by scenarios, power, files, the command line and the docs.

A row is made by decorating the function that answers a question (`kaptrial/methods/`); whoever reads the table first
loads them all. The estimators themselves, which are compiled, are loaded by that function when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from kaptrial.errors import FieldError, nearest

if TYPE_CHECKING:
    from kaptrial.results import Line

SCORES = ("score", "change", "auc", "mean_score")
RESPONSES = ("response", "remission", "sustained_response")
# Of treatment and follow-up: they need no outcome, and everybody has them.
ATTENDANCE = ("sessions_attended", "engaged", "dropout", "time_to_dropout")
# Of the days of use of a substance.
DAYS = "percent_abstinent_days"
USE_COUNTS = ("days_used", "heavy_days")
USE_SHARES = ("abstinent_last", "risk_level_reduction")
USE_TIMES = ("time_to_first_use", "time_to_first_heavy_day", "time_to_confirmed_relapse")
# Counts, whose rates are compared; the first is of events, at visits.
COUNTS = ("count", *USE_COUNTS)
USE = (*USE_COUNTS, "drinks_per_day", *USE_SHARES, *USE_TIMES)
# What the scores of visits alone do not tell.
NOT_OF_SCORES = (*ATTENDANCE, *USE)
BINARY = (*RESPONSES, "engaged", "dropout", *USE_SHARES)
TIME = "time_to_relapse"
TIMES = (TIME, "time_to_dropout", *USE_TIMES)
# Where a patient who is not seen may count as a failure.
MAY_FAIL = (*RESPONSES, *USE_SHARES, *USE_TIMES)

# Names of before, which are taken for ever.
OLD_NAMES = {"quasibinomial": "abstinent_days", "single_arm_change": "single_arm", "single_arm_response": "single_arm"}
OTHER_NAMES = OLD_NAMES | {"negative_binomial": "counts"}
# What a non-inferiority margin is of: no odds ratio, and no difference of mean times.
MARGIN_MEASURES = ("difference", "risk_difference", "log_hazard_ratio")

Side = Literal["lower", "higher"]


def endpoint_side(endpoint: str) -> Side | None:
    """The favourable side of an endpoint; None of one that is a score, which its scale decides."""
    if endpoint in ("dropout", "drinks_per_day", *COUNTS):
        return "lower"
    return "higher" if endpoint in (*BINARY, *TIMES, *ATTENDANCE) else None


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method of analysis.

    Parameters
    ----------
    name, summary : str
        What users call it, and what it is, in a few words.
    label : str
        What a paper calls it; the summary unless given.
    endpoints : tuple of str
        Endpoints of a scenario that it analyses; none where it is for files only.
    arms : any, two or one
        Whether it takes any contrast, compares two arms only (no interaction), or is of a trial of one arm.
    measure : str
        What it estimates; a difference of shares is a risk difference, and of one arm the endpoint itself is estimated.
    better : outcome, lower or higher
        Which side of the estimate is favourable: that of the outcome, or always this one.
    usual_outcome : lower or higher
        The favourable side of the outcome of a file, unless it is said.
    options : tuple of str
        Fields of `Options` that it uses on files.
    test_only : bool
        It has no standard error of its own, so that there are no model SE, no coverage and no detectable difference.
    estimates_truth : bool
        Whether its estimate is that of the measure in many patients, so that bias has a meaning.
    exact : tuple of str
        Endpoints of which its test is exact, so that no t test at its SE tells its power.
    needs_therapists : bool
    most_visits : int or None
        How many visits its model takes, a baseline that is an outcome included; None: any number, or one at a time.
    variants : str
        The field of `analysis` whose values each make an analysis of their own.
    one_fit : bool
        Whether `estimate` takes several questions that differ in contrast, day and endpoint weights only, and gives
        their fits from one model.
    estimate : callable or None
        A question to a `Fit` in every replicate.
    rows : callable or None
        A data file (`DataFile`) and options to rows of a table; None: `estimate` at each day, for each contrast.
    """

    name: str
    summary: str
    label: str = ""
    endpoints: tuple[str, ...] = ()
    arms: Literal["any", "two", "one"] = "any"
    measure: str = "difference"
    better: Literal["outcome", "lower", "higher"] = "outcome"
    usual_outcome: Side = "lower"
    options: tuple[str, ...] = ()
    test_only: bool = False
    estimates_truth: bool = True
    exact: tuple[str, ...] = ()
    needs_therapists: bool = False
    most_visits: int | None = None
    variants: str = ""
    one_fit: bool = False
    estimate: Callable[[Any], Any] | None = None
    rows: Callable[..., list[Line]] | None = None

    def measure_of(self, endpoint: str) -> str:
        """What its estimate of an endpoint is."""
        if self.arms == "one":
            return endpoint
        return "risk_difference" if self.measure == "difference" and endpoint in BINARY else self.measure

    @property
    def adjusts(self) -> bool:
        """Whether it takes stratification factors into account, as covariates or as strata."""
        return "covariates" in self.options or "stratum" in self.options

    def favourable(self, outcome: Side | None) -> Side:
        """The favourable side of its estimate where this is the outcome's; None: nobody has said."""
        return (outcome or self.usual_outcome) if self.better == "outcome" else self.better

    def refuse(self, given: Iterable[str]) -> None:
        """Raise FieldError for the first option given that it does not use."""
        for name in given:
            if name not in self.options:
                raise FieldError("method", self.name, f"does not use `{name}`")


_TABLE: dict[str, Method] = {}


def method(name: str, *, summary: str, **more: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add a method to the table. The function decorated is its `estimate`, or its `rows` where it has no endpoints."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        row = Method(name=name, summary=summary, **more)
        _TABLE[name] = replace(row, estimate=function) if row.endpoints else replace(row, rows=function)
        return function

    return add


def methods() -> dict[str, Method]:
    """Every method by name."""
    import_module("kaptrial.methods")
    return dict(sorted(_TABLE.items()))


def method_name(given: str) -> str:
    """The name of a method, given that or an old one. Raises FieldError for others."""
    return _known(given, list(methods()))


def scenario_method_name(given: str) -> str:
    """As `method_name`, of the methods that analyse simulated trials."""
    return _known(given, [each.name for each in methods().values() if each.endpoints])


def _known(given: str, names: list[str]) -> str:
    name = OTHER_NAMES.get(given, given)
    if name not in names:
        raise FieldError("", given, f"must be one of {', '.join(names)}{nearest(given, names)}")
    return name


def method_of(analysis: str) -> Method:
    """The method of an analysis, whose name may be followed by one of its variants."""
    return methods()[analysis.split()[0]]


def as_markdown() -> str:
    """The table for the docs."""
    lines = ["| method | what it is | endpoints of a scenario | measure |", "|---|---|---|---|"]
    for each in methods().values():
        endpoints = ", ".join(each.endpoints) or "(files only)"
        measures = ", ".join(dict.fromkeys(each.measure_of(e) for e in each.endpoints)) or each.measure
        lines.append(f"| `{each.name}` | {each.summary} | {endpoints} | {measures} |")
    return "\n".join(lines) + "\n"
