"""Planned enrolment by ethnicity, sex and race, as proposals to the NIH state it."""

from __future__ import annotations

from math import floor

from kaptrial.pack.document import Table
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.trial import Enrolment

RACES = {
    "american_indian_or_alaska_native": "American Indian or Alaska Native",
    "asian": "Asian",
    "native_hawaiian_or_pacific_islander": "Native Hawaiian or Other Pacific Islander",
    "black": "Black or African American",
    "white": "White",
    "more_than_one_race": "More than one race",
}
HEADINGS = (
    "Racial category",
    "Not Hispanic or Latino, female",
    "Not Hispanic or Latino, male",
    "Hispanic or Latino, female",
    "Hispanic or Latino, male",
    "Total",
)


def planned_enrolment(s: Scenario) -> Table:
    """Whole patients that add up to the trial's size; sex, ethnicity and race are taken to be independent.

    Without `design.enrolment` only the total is known, and the cells are left to the author.
    """
    plan = s.design.enrolment
    caption = f"Planned enrolment of {s.n_total} patients."
    if plan is None:
        rows = [[name, "", "", "", "", ""] for name in RACES.values()]
        rows.append(["Total", "", "", "", "", str(s.n_total)])
        return Table(name="planned_enrolment", caption=caption, headings=HEADINGS, rows=rows)
    counts = _counts(plan, s.n_total)
    rows = [[name, *map(str, row), str(sum(row))] for name, row in zip(RACES.values(), counts, strict=True)]
    columns = [sum(row[k] for row in counts) for k in range(4)]
    rows.append(["Total", *map(str, columns), str(sum(columns))])
    return Table(name="planned_enrolment", caption=caption, headings=HEADINGS, rows=rows)


def _counts(plan: Enrolment, n: int) -> list[list[int]]:
    """Rows of races, columns as the headings: whole numbers by the largest remainders."""
    cells = [
        [
            n * plan.race.get(race, 0.0) * of_ethnicity * of_sex  # type: ignore[call-overload]
            for of_ethnicity in (1 - plan.hispanic, plan.hispanic)
            for of_sex in (plan.female, 1 - plan.female)
        ]
        for race in RACES
    ]
    whole = [[floor(x + 1e-9) for x in row] for row in cells]
    places = [(r, c) for r in range(len(cells)) for c in range(4)]
    places.sort(key=lambda place: whole[place[0]][place[1]] - cells[place[0]][place[1]])
    for r, c in places[: n - sum(map(sum, whole))]:
        whole[r][c] += 1
    return whole
