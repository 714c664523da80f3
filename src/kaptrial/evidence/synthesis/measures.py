"""What a measure must say before its figure can be simulated: each statistic with the keys it needs."""

from __future__ import annotations

from typing import Any

from kaptrial.catalogue import Figure, Trial, scale, scale_names
from kaptrial.errors import ABSENT, FieldError, nearest
from kaptrial.evidence.synthesis.arms import POPULATION

_LATER = ("day", "response_day")
_RELAPSE = ("days", "kept", "response_day or remission_day")
# `a or b`: exactly one of them.
NEEDS: dict[str, tuple[str, ...]] = {
    "mean": ("day",),
    "mean_change": ("day or days",),
    "percent_change": ("day or days",),
    "difference": ("day or days",),
    "standardised_benefit": ("day or days",),
    "standardised_difference": ("day",),
    "standardised_change": ("day",),
    "significant": ("day or days",),
    "response": ("day",),
    "remission": ("day", "at_most"),
    "response_any_time": ("days",),
    "sustained_response": ("days",),
    "response_among_responders": _LATER,
    "response_among_nonresponders": _LATER,
    "remission_among_remitters": (*_LATER, "at_most"),
    "relapsed": _RELAPSE,
    "relapse_free": _RELAPSE,
    "median_days_to_relapse": (*_RELAPSE, "from_day"),
    "median_days_to_relapse_in_relapsers": (*_RELAPSE, "from_day"),
    "mean_days_to_relapse": (*_RELAPSE, "from_day"),
    "median_doses_to_response": ("days",),
    "response_ratio": ("days",),
    "abstinent": ("day",),
    "days_abstinent_difference": ("day",),
}
ABSTINENCE = ("abstinent", "days_abstinent_difference")
TWO_ARMS = (
    "difference", "significant", "standardised_benefit", "standardised_difference", "response_ratio",
    "days_abstinent_difference",
)  # fmt: skip
# Reported in percent, held as shares.
PERCENT = (
    "response", "remission", "response_any_time", "sustained_response", "relapse_free", "relapsed", "abstinent",
    "response_among_responders", "response_among_nonresponders", "remission_among_remitters", "significant",
)  # fmt: skip


def arms_of(measure: dict[str, Any]) -> tuple[str, ...]:
    """The arms that a measure names: `a`, `a - b`, `a / b`, or `main f` of a factorial trial."""
    return tuple(measure["arm"].replace(" / ", " - ").split(" - "))


def check(trial: Trial, figure: Figure, measure: dict[str, Any], of: str, at: str) -> None:
    """Raise FieldError if the statistic cannot be computed of this trial; `of`, `at`: places of figure and measure."""
    name = measure["statistic"]
    if name not in NEEDS:
        raise FieldError(f"{at}.statistic", name, f"must be one of {', '.join(NEEDS)}{nearest(name, NEEDS)}")
    needs = NEEDS[name] + (("at_most",) if "remission_day" in measure else ())
    for need in ("arm", *needs):
        if sum(key in measure for key in need.split(" or ")) != 1:
            raise FieldError(at, ABSENT, f"{name} needs {need}{', and not both' if ' or ' in need else ''}")
    _check_days(measure, needs, at)
    _check_arms(trial, measure, at)
    _check_outcome(trial, measure, at)
    _check_numbers(figure, measure, of, at)


def _check_days(measure: dict[str, Any], needs: tuple[str, ...], at: str) -> None:
    days = measure.get("days", [])
    if days and "days" not in " ".join(needs).split():
        raise FieldError(f"{at}.days", days, f"{measure['statistic']} is of one day, under day")
    if days and "day" in measure:
        raise FieldError(f"{at}.day", measure["day"], "must not stand beside days")
    if measure["statistic"] == "response_ratio":
        if len(days) != 2:
            raise FieldError(f"{at}.days", days, "must be two days, one of each arm")
    elif days != sorted(set(days)):
        raise FieldError(f"{at}.days", days, "must be in order")


def _check_arms(trial: Trial, measure: dict[str, Any], at: str) -> None:
    ids, arms, name = [arm["id"] for arm in trial.arms], arms_of(measure), measure["statistic"]
    if name == "days_abstinent_difference" and arms == ("main ketamine",):
        return
    wanted = 2 if name in TWO_ARMS else 1
    if len(arms) != wanted:
        raise FieldError(
            f"{at}.arm", measure["arm"], f"{name} is of {'two arms, `a - b`' if wanted == 2 else 'one arm'}"
        )
    for arm in arms:
        if arm not in ids:
            raise FieldError(f"{at}.arm", arm, f"must be an arm of the trial: {', '.join(ids) or 'it has none'}")


def _check_outcome(trial: Trial, measure: dict[str, Any], at: str) -> None:
    """Abstinence is of addictions; everything else is of a scale whose baseline is known."""
    name, endpoint = measure["statistic"], measure.get("endpoint", ABSENT)
    if name in ABSTINENCE:
        if trial.indication in POPULATION:
            raise FieldError(f"{at}.statistic", name, f"must be of an addiction, not of {trial.indication}")
        return
    if trial.indication not in POPULATION:
        allowed = f"must be one of {', '.join(POPULATION)}; of an addiction, {' and '.join(ABSTINENCE)} are modelled"
        raise FieldError("indication", trial.indication, allowed)
    scales = [each for each in scale_names() if scale(each).better == "lower" and scale(each).link == "identity"]
    if endpoint not in scales:
        raise FieldError(
            f"{at}.endpoint", endpoint, f"must be one of {', '.join(scales)}{nearest(str(endpoint), scales)}"
        )
    if endpoint not in trial.baselines:
        raise FieldError(f"{at}.endpoint", endpoint, "needs its mean and SD before treatment, under baselines")


def _check_numbers(figure: Figure, measure: dict[str, Any], of: str, at: str) -> None:
    own = "value" in measure
    where, value = (f"{at}.value", measure["value"]) if own else (f"{of}.value", figure.value)
    if not _is_number(value):
        raise FieldError(where, value, "must be a number; or give measure.value")
    if measure["statistic"] in PERCENT and not 0 <= value <= 100:
        raise FieldError(where, value, "must be 0 to 100, in percent")
    ends = figure.uncertainty.get("ci95", ())
    if "ci95" not in measure and not all(map(_is_number, ends)):
        raise FieldError(f"{of}.ci95", ends, "must be two numbers; or give measure.ci95")


def _is_number(x: object) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool) and abs(x) < float("inf")
