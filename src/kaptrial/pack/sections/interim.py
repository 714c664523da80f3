"""Interim analyses: when they are, what is decided at each, and what that does to the trial."""

from __future__ import annotations

from kaptrial.output.figures import capital
from kaptrial.pack.document import Block, Bullets, Cell, Heading, Paragraph, Section, Table, not_applicable
from kaptrial.pack.facts import Facts
from kaptrial.pack.interim import Interim
from kaptrial.pack.sections.titles import TITLES, picture_of
from kaptrial.questions.power.headline import FALSE_RATES

# What guidance on adaptive designs asks of a plan, in words of our own: answered here, and left to the authors.
_ANSWERED = (
    "Number, times and rules of the analyses are fixed before any data are compared between arms, and how they keep the"
    " type I error is shown (by the boundaries, and by simulation under the null): both ask for that. Where a number is"
    " simulated, so are the assumptions behind it given: in this pack."
)
_LEFT = (
    "Left to write: who sees interim results by arm and who decides (an independent committee and a statistician"
    " outside the team); how others are kept from inferring them; stopping for harm; what is done where an analysis"
    " comes early or late."
)


def interim(facts: Facts) -> Section:
    if facts.interim is None:
        why = "The scenario declares no interim analyses (`design.group_sequential`)."
        return not_applicable("interim", TITLES["interim"], why)
    looks = facts.interim
    drawn = looks.results.figures_drawn
    blocks: list[Block] = [
        Paragraph(text=looks.lead(), style="lead"),
        Paragraph(text=f"{looks.errors()} {looks.data()}"),
        _boundaries(looks),
        Heading(text="Decision rules"),
        Bullets(items=[*looks.rules(), *filter(None, [looks.binding()]), looks.afterwards(), looks.estimates()]),
        Heading(text="What the analyses do to the trial"),
        _stopping(looks),
        _characteristics(looks),
    ]
    about = {
        "boundaries": "Line chart of the boundaries over the share of the information, with simulated trials",
        "stopping": "Bar chart of the shares of trials that stop at each look",
        "expected_n": "Line charts of power and of the mean number of patients over the true effect",
    }
    blocks += [picture_of(f"interim_{name}", drawn[name], alt) for name, alt in about.items()]
    blocks += [
        Heading(text="What guidance asks (ICH E20, draft of 2025; FDA on adaptive designs, 2019)"),
        Paragraph(text=_ANSWERED),
        Paragraph(text=_LEFT, style="note"),
    ]
    blocks += [
        Paragraph(text=f"{capital(note.text)}.", style="note")
        for note in looks.results.notes
        if note.severity == "warning"
    ]
    return Section(id="interim", title=TITLES["interim"], blocks=blocks)


def _names(looks: Interim) -> list[tuple[int, str]]:
    """The looks and the end, by number and name."""
    return [*((k, f"Interim {k}") for k in range(1, looks.n_looks + 1)), (looks.n_looks + 1, "Final")]


def _boundaries(looks: Interim) -> Table:
    futility = looks.boundaries.has_futility
    rows = []
    for k, name in _names(looks):
        row: list[Cell | None] = [name, looks.figure("months", k, ".1f")]
        row += [looks.figure(metric, k) for metric in ("n_randomised", "n_followed")]
        share = float(looks.boundaries.information[k - 1])
        row.append(looks.numbers.percent(f"looks.{k}.planned_information", share))
        row += [looks.figure("planned_z", k, ".3f"), looks.figure("planned_p", k, ".5f")]
        if futility:
            row.append(looks.figure("planned_z_futility", k, ".3f") if k <= looks.n_looks else None)
        rows.append(_shown(row))
    sided = "one-sided" if looks.boundaries.rule.sided == 1 else "two-sided"
    headings = ["Analysis", "Month", "Randomised", "At the primary visit", "Information", "z for efficacy"]
    headings += [f"p for efficacy ({sided})", *(["z for futility"] if futility else [])]
    caption = (
        "The plan: when each analysis is, the share of the final information that it is expected to have, and its"
        " boundaries."
    )
    return Table(name="interim_plan", caption=caption, headings=headings, rows=rows)


def _stopping(looks: Interim) -> Table:
    null, rows = looks.null, []
    futility = looks.boundaries.has_futility
    for k, name in _names(looks):
        row = [name, looks.rate("stop_efficacy", k), *([looks.rate("stop_futility", k)] if futility else [])]
        row.append(looks.rate("cumulative_power", k))
        if null is not None:
            row.append(looks.rate(f"cumulative_{null}", k))
            row += [looks.rate(f"stop_futility_{null.removesuffix('_rate')}", k)] if futility else []
        rows.append(_shown(row))
    headings = ["Analysis", "Ends with efficacy", *(["Ends for futility"] if futility else []), "Power so far"]
    if null is not None:
        headings += [f"{capital(FALSE_RATES[null])} so far"]
        headings += ["Ends for futility without an effect"] if futility else []
    return Table(
        name="interim_stopping", caption="How often the trial ends at each analysis.", headings=headings, rows=rows
    )


def _characteristics(looks: Interim) -> Table:
    null = looks.null
    rows = [
        _shown(["Power", looks.rate("power"), looks.rate("fixed_power")]),
        *([_shown([capital(FALSE_RATES[null]), looks.rate(null), looks.rate(f"fixed_{null}")])] if null else []),
        _shown(["Patients randomised, mean", looks.figure("expected_n"), looks.figure("max_n")]),
    ]
    months, most = looks.figure("expected_months"), looks.figure("fixed_months", shown=".1f")
    if null is not None:
        without = null.removesuffix("_rate")
        n, at_null = looks.figure(f"expected_n_{without}"), looks.figure(f"expected_months_{without}")
        rows.append(_shown(["Patients randomised without an effect, mean", n, looks.figure("max_n")]))
        rows.append(_shown(["Months to the decision, mean", months, most]))
        rows.append(_shown(["Months to the decision without an effect, mean", at_null, most]))
    else:
        rows.append(_shown(["Months to the decision, mean", months, most]))
    return Table(
        name="interim_characteristics",
        caption="The trial with its interim analyses, and the same trials without them.",
        headings=["Figure", "With interim analyses", "Without"],
        rows=rows,
    )


def _shown(row: list[Cell | None]) -> list[Cell]:
    return ["–" if cell is None else cell for cell in row]
