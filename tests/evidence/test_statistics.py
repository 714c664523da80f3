"""Every published statistic against plain loops over patients, on small random scores full of ties."""

from __future__ import annotations

import math
from statistics import fmean, median, variance

import numpy as np
import pytest

from kaptrial.evidence.figures import SHORT
from kaptrial.evidence.statistics import STATISTICS, statistic
from kaptrial.evidence.synthesis.layout import Target
from kaptrial.evidence.synthesis.measures import NEEDS

CASES, DRAWS = 300, 3
DAYS = (1.0, 3.0, 7.0, 14.0, 21.0)
DOSES = {"a": (0.0, 3.0, 5.0, 14.0), "b": ()}


# --- the reference: one patient is a mapping of day to score, day 0 included ------------------------------------------


def responds(patient, day, fraction):
    """In whole hundredths, where nothing is lost to binary fractions."""
    return patient[0] > 0 and 100 * (patient[0] - patient[day]) >= round(100 * fraction) * patient[0]


def fraction_of(t):
    return t.settings.get("fraction", 0.5)


def remits(patient, day, t):
    return patient[day] <= t.settings["at_most"]


def starts(patient, t):
    if "remission_day" in t.settings:
        return remits(patient, t.settings["remission_day"], t)
    if "response_day" in t.settings:
        return responds(patient, t.settings["response_day"], fraction_of(t))
    return True


def relapse_day(patient, t):
    lost = [day for day in t.days if not responds(patient, day, t.settings["kept"])]
    return min(lost, default=math.inf)


def share(flags):
    flags = list(flags)
    return sum(flags) / len(flags) if flags else math.nan


def followed(patients, t):
    return [p for p in patients if starts(p, t)]


def improvement(patient, t):
    return fmean(patient[0] - patient[day] for day in t.days)


def mean_improvement(patients, t):
    own = followed(patients, t)
    return fmean(improvement(p, t) for p in own) if own else math.nan


def variance_of_a_visit(patients, t):
    """Population variance of the improvement at a visit, averaged over the visits."""
    own = followed(patients, t)
    if not own:
        return math.nan
    each = []
    for day in t.days:
        x = [p[0] - p[day] for p in own]
        each.append(fmean((value - fmean(x)) ** 2 for value in x))
    return fmean(each)


def standardised_benefit(t, left, right):
    pooled = (variance_of_a_visit(left, t) + variance_of_a_visit(right, t)) / 2
    if not pooled > 0:
        return math.nan
    return (mean_improvement(left, t) - mean_improvement(right, t)) / math.sqrt(pooled)


def standardised_difference(t, left, right):
    left, right = ([p[t.days[0]] for p in arm] for arm in (left, right))
    pooled = (variance(left) + variance(right)) / 2
    return (fmean(right) - fmean(left)) / math.sqrt(pooled) if pooled > 0 else math.nan


def significant(t, left, right):
    se = math.sqrt(variance_of_a_visit(left, t) / len(left) + variance_of_a_visit(right, t) / len(right))
    return float(abs(mean_improvement(left, t) - mean_improvement(right, t)) > 1.959964 * se)


def standardised_change(t, patients):
    before, after = ([p[day] for p in patients] for day in (0, t.days[0]))
    pooled = (variance(before) + variance(after)) / 2
    return (fmean(before) - fmean(after)) / math.sqrt(pooled) if pooled > 0 else math.nan


def relapsed(t, patients):
    return share(relapse_day(p, t) < math.inf for p in followed(patients, t))


def median_days(t, patients):
    """The first visit by which half of those followed have relapsed; infinite if that never comes."""
    own = followed(patients, t)
    if not own:
        return math.nan
    for day in t.days:
        if sum(relapse_day(p, t) <= day for p in own) >= len(own) / 2:
            return day - t.settings["from_day"]
    return math.inf


def median_days_in_relapsers(t, patients):
    days = [relapse_day(p, t) for p in followed(patients, t) if relapse_day(p, t) < math.inf]
    return median(days) - t.settings["from_day"] if days else math.nan


def mean_days(t, patients):
    """Those who never relapse count with the last visit."""
    days = [min(relapse_day(p, t), t.days[-1]) for p in followed(patients, t)]
    return fmean(days) - t.settings["from_day"] if days else math.nan


def later(of, started):
    def reference(t, patients):
        return share(of(p, t.days[0], t) for p in patients if of(p, t.settings["response_day"], t) == started)

    return reference


def median_doses(t, patients):
    """Doses given before the visit of the first response, among those who ever respond."""
    given = []
    for p in patients:
        first = [day for day in t.days if responds(p, day, fraction_of(t))]
        if first:
            given.append(sum(dose < first[0] for dose in DOSES[t.arms[0]]))
    return median(given) if given else math.nan


def response_ratio(t, left, right):
    top, bottom = (
        share(responds(p, day, fraction_of(t)) for p in arm) for arm, day in zip((left, right), t.days, strict=True)
    )
    return top / bottom if bottom else math.inf


def has_response(p, day, t):
    return responds(p, day, fraction_of(t))


REFERENCE = {
    "mean": lambda t, y: fmean(p[t.days[0]] for p in y),
    "mean_change": lambda t, y: -fmean(improvement(p, t) for p in y),
    "percent_change": lambda t, y: -100 * fmean(improvement(p, t) for p in y) / fmean(p[0] for p in y),
    "response": lambda t, y: share(has_response(p, t.days[0], t) for p in y),
    "remission": lambda t, y: share(remits(p, t.days[0], t) for p in y),
    "response_any_time": lambda t, y: share(any(has_response(p, day, t) for day in t.days) for p in y),
    "sustained_response": lambda t, y: share(all(has_response(p, day, t) for day in t.days) for p in y),
    "difference": lambda t, a, b: mean_improvement(b, t) - mean_improvement(a, t),
    "standardised_benefit": standardised_benefit,
    "standardised_difference": standardised_difference,
    "significant": significant,
    "standardised_change": standardised_change,
    "relapsed": relapsed,
    "relapse_free": lambda t, y: 1 - relapsed(t, y),
    "median_days_to_relapse": median_days,
    "median_days_to_relapse_in_relapsers": median_days_in_relapsers,
    "mean_days_to_relapse": mean_days,
    "response_among_responders": later(has_response, True),
    "response_among_nonresponders": later(has_response, False),
    "remission_among_remitters": later(remits, True),
    "median_doses_to_response": median_doses,
    "response_ratio": response_ratio,
}
TWO_ARMS = {"difference", "standardised_benefit", "standardised_difference", "significant", "response_ratio"}
FOLLOWED = {
    "relapsed", "relapse_free", "median_days_to_relapse", "median_days_to_relapse_in_relapsers", "mean_days_to_relapse",
}  # fmt: skip
LATER = {"response_among_responders", "response_among_nonresponders", "remission_among_remitters"}
MANY_DAYS = {"mean_change", "percent_change", "response_any_time", "sustained_response", "median_doses_to_response"}


def a_target(name, days, **settings):
    return Target(
        trial="none", number=0, statistic=name, endpoint="none of the catalogue",
        arms=("a", "b") if name in TWO_ARMS else ("a",), days=days, value=0.0, quality="abstract", n=(1,),
        mean_baseline=1.0, sd_baseline=0.2, settings=settings, se=None, sd=None,
    )  # fmt: skip


def random_target(name, rng):
    """Visits, thresholds and the start of follow-up at random, of the kinds that the statistic reads."""
    first = int(rng.integers(1, len(DAYS)))
    settings = {}
    if rng.random() < 0.5:
        settings["fraction"] = float(rng.choice([0.25, 0.3, 0.35, 0.5]))
    if name == "remission" or name == "remission_among_remitters":
        settings["at_most"] = int(rng.integers(0, 8))
    if name in FOLLOWED:
        settings |= {"kept": float(rng.choice([0.25, 0.3, 0.5])), "from_day": float(rng.integers(0, 3))}
    if name in FOLLOWED | LATER or (name in ("difference", "standardised_benefit") and rng.random() < 0.5):
        if name in FOLLOWED and rng.random() < 0.3:
            settings |= {"remission_day": DAYS[0], "at_most": int(rng.integers(0, 8))}
        else:
            settings["response_day"] = DAYS[0]
    if name == "response_ratio":
        return a_target(name, tuple(float(day) for day in rng.choice(DAYS, 2)), **settings)
    many = name in FOLLOWED | MANY_DAYS or (name in ("difference", "standardised_benefit") and rng.random() < 0.5)
    return a_target(name, DAYS[first:] if many else (DAYS[first],), **settings)


def random_scores(rng):
    """(draw, patient, visit) of each arm, of two to seven patients: whole numbers, so that thresholds are hit exactly.

    Some patients start at 0, some arms do not improve at all, some improve for good.
    """
    out = {}
    for arm in ("a", "b"):
        size = (DRAWS, int(rng.integers(2, 8)))
        start = rng.integers(0, 21, size)
        start[:, 0] = rng.integers(4, 21, DRAWS)
        kept = rng.integers(0, 1 + rng.choice([2, 10, 20]), (*size, len(DAYS))) / 20
        kept = rng.choice([kept, np.ones_like(kept), np.zeros_like(kept)], p=[0.8, 0.1, 0.1])
        out[arm] = np.concatenate([start[..., None], np.round(start[..., None] * kept)], axis=2).astype(float)
    return out


def as_patients(y, draw):
    return [dict(zip((0, *DAYS), map(float, row), strict=True)) for row in y[draw]]


def test_every_statistic_has_a_reference_and_a_name_in_figures():
    assert set(REFERENCE) == set(STATISTICS)
    assert set(SHORT) == set(NEEDS)


@pytest.mark.parametrize("name", sorted(STATISTICS))
def test_statistic_is_that_of_plain_loops(name):
    rng = np.random.default_rng([17, *name.encode()])
    visits = dict.fromkeys(("a", "b"), DAYS)
    seen = []
    for _ in range(CASES):
        t, y = random_target(name, rng), random_scores(rng)
        result = statistic(t, y, visits, DOSES)
        wanted = [REFERENCE[name](t, *(as_patients(y[arm], draw) for arm in t.arms)) for draw in range(DRAWS)]
        np.testing.assert_allclose(result, wanted, rtol=1e-9, atol=1e-12, err_msg=f"{t}\n{y}")
        seen += wanted
    # The cases are worth something only if they reach the statistic's edges.
    assert len({round(x, 9) for x in seen if math.isfinite(x)}) >= (2 if name == "significant" else 5)
    assert any(map(math.isnan, seen)) == (name in FOLLOWED | LATER | WITHOUT_ANYBODY)
    assert any(map(math.isinf, seen)) == (name in NEVER_REACHED)


# Undefined where nobody is followed, nobody responds, or nobody differs from another.
WITHOUT_ANYBODY = {
    "difference", "standardised_benefit", "standardised_difference", "standardised_change", "median_doses_to_response",
}  # fmt: skip
NEVER_REACHED = {"median_days_to_relapse", "response_ratio"}


def one_arm(*patients):
    return {"a": np.array([patients], dtype=float)}


def value(t, y):
    return statistic(t, y, dict.fromkeys(y, DAYS), DOSES)[0]


def test_nobody_responds():
    y = one_arm((20, 20, 20, 20, 20, 20), (10, 9, 9, 9, 9, 9))
    settings = {"response_day": 1.0, "kept": 0.25, "from_day": 0.0}
    for name in FOLLOWED:
        assert math.isnan(value(a_target(name, DAYS[1:], **settings), y)), name
    assert math.isnan(value(a_target("response_among_responders", (7.0,), response_day=1.0), y))
    assert value(a_target("response_among_nonresponders", (7.0,), response_day=1.0), y) == 0
    assert math.isnan(value(a_target("median_doses_to_response", DAYS), y))


def test_nobody_relapses():
    y = one_arm((20, 5, 5, 5, 5, 5), (10, 1, 1, 1, 1, 1))
    settings = {"response_day": 1.0, "kept": 0.25, "from_day": 1.0}
    values = {name: value(a_target(name, DAYS[1:], **settings), y) for name in FOLLOWED}
    assert values["relapsed"] == 0
    assert values["relapse_free"] == 1
    assert values["median_days_to_relapse"] == math.inf
    assert math.isnan(values["median_days_to_relapse_in_relapsers"])
    assert values["mean_days_to_relapse"] == 20  # followed to day 21, counted from day 1


def test_half_of_an_even_number_is_enough_for_the_median_and_half_of_an_odd_one_is_not():
    well, soon, late = (20, 0, 0, 0, 0, 0), (20, 0, 20, 20, 20, 20), (20, 0, 0, 0, 20, 20)
    t = a_target("median_days_to_relapse", DAYS[1:], response_day=1.0, kept=0.25, from_day=1.0)
    assert value(t, one_arm(well, soon)) == 3 - 1
    assert value(t, one_arm(well, soon, late)) == 14 - 1
    assert value(t, one_arm(well, well, soon)) == math.inf


def test_half_is_a_response_and_a_baseline_of_nothing_is_not():
    y = one_arm((20, 10, 0, 0, 0, 0), (21, 11, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0))
    assert value(a_target("response", (1.0,)), y) == pytest.approx(1 / 3)
    assert value(a_target("response", (1.0,), fraction=0.3), y) == pytest.approx(2 / 3)
    assert value(a_target("remission", (1.0,), at_most=10), y) == pytest.approx(2 / 3)


def test_thirty_percent_of_ten_is_reached_though_a_computer_has_no_three_tenths():
    y = one_arm(*[(k, 0.7 * k, 0, 0, 0, 0) for k in (10, 20, 30, 90)])
    assert value(a_target("response", (1.0,), fraction=0.3), y) == 1


def test_a_dose_on_the_day_of_the_visit_comes_after_it():
    """Doses on days 0, 3, 5, 14; the response is seen on day 3: one dose, not two."""
    t = a_target("median_doses_to_response", DAYS)
    assert value(t, one_arm((20, 20, 0, 0, 0, 0))) == 1
    assert value(t, one_arm((20, 20, 0, 0, 0, 0), (20, 20, 20, 0, 0, 0))) == 2
    assert value(t, one_arm((20, 20, 0, 0, 0, 0), (20, 20, 20, 20, 20, 20))) == 1


def test_the_better_first_arm_is_a_negative_difference_and_a_positive_benefit():
    y = one_arm((20, 0, 0, 0, 0, 0), (20, 10, 0, 0, 0, 0)) | {
        "b": np.array([[(20, 20, 0, 0, 0, 0), (20, 10, 0, 0, 0, 0)]])
    }
    assert value(a_target("difference", (1.0,)), y) == -10
    assert value(a_target("standardised_benefit", (1.0,)), y) == pytest.approx(10 / 5)
