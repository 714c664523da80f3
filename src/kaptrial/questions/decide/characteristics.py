"""Operating characteristics of Bayesian decisions: how often a trial ends with go, consider or no go, and wrongly.

What is true comes from a design prior, what is concluded from an analysis prior; the two are named apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from kaptrial.errors import FieldError
from kaptrial.model.streams import BLOCK
from kaptrial.priors.effects import LARGE
from kaptrial.questions.decide.blocks import (
    Outcome,
    Truths,
    alone,
    concluded,
    join,
    null_scenario,
    tasks,
    tasks_of_worlds,
)
from kaptrial.questions.decide.nuisance import worlds
from kaptrial.questions.decide.rule import Decision
from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.measures import room_for_synergy, share
from kaptrial.questions.power.nulls import null_of
from kaptrial.questions.power.rows import better
from kaptrial.results import Note, Question, Row
from kaptrial.scenario.decision import FIXED, NULL, PRIOR

# The column that says which numbers are not as planned.
NUISANCE = "nuisance"


def decisions(
    cells: Sequence[Cell],
    *,
    seed: int,
    replicates: int,
    draws_of_prior: int = 200,
    nuisance: bool = True,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> list[Row]:
    """Rows of every cell, design prior and analysis prior: `metric`, `value`, `mcse`, `n_replicates`, `n_failed`.

    Rule and priors are those that the cell's scenario declares under `decision`, looks those under `design.looks`.

    Metrics: go, consider, no_go and equivalent (with a ROPE), shares of the replicates; wrong_verdict, go without a
    true effect beyond the margin, or no_go or equivalent with one; posterior_sd, in points; prior_patients,
    those that the prior is worth by its information; true_effect, its mean; with looks stopped, at any of them, and
    patients, the expected number; for interactions drawn from a named prior beyond_scale, the share of draws larger
    than the scale leaves room for. With `nuisance`, last, type_1_error: the go of each world without the effect asked
    about in which other numbers are not as planned (`nuisance.worlds`). `go` is power under FIXED, type I error
    under NULL and assurance under the others. Under PRIOR each draw gets a block of trials, and errors come from the
    spread between draws. The result does not depend on `workers`. Raises FieldError where a scenario has not what a
    design prior needs, ScenarioError where an endpoint has no normal likelihood.
    """
    check(cells)
    true = Truths(seed, workers)
    rows: list[Row] = []
    of_worlds: list[Row] = []
    for cell in cells:
        listed = list(tasks(cell.scenario, true, replicates=replicates, draws_of_prior=draws_of_prior, seed=seed))
        if nuisance and NULL in cell.scenario.decision.design_priors:
            listed += tasks_of_worlds(cell.scenario, true, replicates=replicates, seed=seed)
        for (design, analysis, world), outcomes in concluded(listed, workers, progress).items():
            n, within = (len(outcomes) * BLOCK, BLOCK) if design == PRIOR else (replicates, 1)
            joined = join(outcomes, n)
            if world is None:
                rows += _rows(cell, design, analysis, joined, within, true)
            else:
                about = question_of(cell, design, analysis, {NUISANCE: world})
                of_worlds.append(_error_row(about, joined))
    return [*rows, *of_worlds]


def as_planned(rows: Sequence[Row]) -> list[Row]:
    """The rows that are not of another world of the nuisance grid."""
    return [row for row in rows if row.question.column(NUISANCE) is None]


def question_of(cell: Cell, design: str, analysis: str, more: Mapping[str, str] | None = None) -> Question:
    """What is asked in a cell, under both priors."""
    estimand = cell.scenario.estimand
    columns = {**cell.columns, "design_prior": design, "analysis_prior": analysis, **(more or {})}
    asked: dict[str, Any] = {name: getattr(estimand, name) for name in ("contrast", "endpoint", "day")}
    return Question(analysis="bayes", measure="difference", columns=tuple(columns.items()), **asked)


def _error_row(about: Question, outcome: Outcome) -> Row:
    value, mcse = share(outcome.decision == Decision.GO)
    n, failed = len(outcome.true), int(outcome.failed.sum())
    return Row(question=about, metric="type_1_error", value=value, mcse=mcse, n_replicates=n, n_failed=failed)


def notes(rows: Sequence[Row]) -> list[Note]:
    """What is to be minded when the rows are read."""
    remarks = []
    if any(row.metric == "beyond_scale" for row in rows):
        text = "beyond the scale: share of the effects drawn that are larger than the scale leaves room for; their"
        text += " trials are counted as if it went on"
        remarks.append(Note(code="beyond_scale", severity="information", text=text))
    failed = sum(row.n_failed for row in rows if row.metric == "go")
    if failed:
        text = f"{failed} posteriors in all could not be had to the accuracy promised and decide nothing"
        remarks.append(Note(code="failed", severity="warning", text=text))
    return remarks


def large_priors(cell: Cell, rows: Sequence[Row]) -> list[Note]:
    """The analysis priors that are worth more than a share LARGE of the cell's patients."""
    patients = cell.scenario.n_total
    found: dict[str, float] = {}
    for row in rows:
        columns = dict(row.question.columns)
        if row.metric == "prior_patients" and {name: columns[name] for name in cell.columns} == cell.columns:
            found.setdefault(str(columns["analysis_prior"]), row.value)
    large = [f"{name} {worth:.0f}" for name, worth in found.items() if worth > LARGE * patients]
    if not large:
        return []
    text = f"beside the {patients} patients of the trial the analysis priors are worth many: {', '.join(large)}"
    return [Note(code="large_prior", severity="warning", text=text)]


def count_replicates(
    cells: Sequence[Cell], replicates: int, draws_of_prior: int = 200, *, nuisance: bool = True
) -> int:
    """How many replicates `decisions` will simulate, for a progress bar."""
    if nuisance and NULL in cells[0].scenario.decision.design_priors:
        in_worlds = sum(len(worlds(alone(cell.scenario))) for cell in cells) * -(-replicates // BLOCK)
    else:
        in_worlds = 0
    kinds = {design if design in (FIXED, PRIOR) else NULL for design in cells[0].scenario.decision.design_priors}
    blocks = sum(draws_of_prior if kind == PRIOR else -(-replicates // BLOCK) for kind in kinds)
    return (len(cells) * blocks + in_worlds) * BLOCK


def check(cells: Sequence[Cell]) -> None:
    """The scenarios have what their design priors need; what varies between cells is not who believes what."""
    for cell in cells:
        s = cell.scenario
        if any(path.startswith(("decision.priors", "decision.design_priors")) for path in cell.columns):
            raise FieldError("priors", "varied", "must be one list, and may name several")
        for i, design in enumerate(s.decision.design_priors):
            at, contrast = f"design_priors[{i}]", s.estimand.contrast
            if design == PRIOR and s.prior is None:
                raise FieldError(at, design, "needs the scenario's own prior, and it declares none")
            if design not in (FIXED, PRIOR) and null_of(s, s.estimand) is None:
                allowed = f"must be scenario or prior: the sides of {contrast} differ in both drug and therapy"
                raise FieldError(at, design, f"{allowed}, and there is no null to add an effect to")


def _rows(cell: Cell, design: str, analysis: str, outcome: Outcome, within: int, true: Truths) -> list[Row]:
    """The rows of one cell, design prior and analysis prior. `within`: replicates that share one draw of the truth."""
    s, about = cell.scenario, question_of(cell, design, analysis)
    room = None  # the largest benefit that the scale can show
    if design not in (FIXED, NULL, PRIOR) and s.contrast(s.estimand).kind == "interaction":
        found_room = room_for_synergy(s, s.estimand, true(null_scenario(s)))
        room = None if found_room is None else found_room[0]
    known = true(alone(s)) if design == FIXED else None
    n, n_failed = len(outcome.true), int(outcome.failed.sum())
    rows: list[Row] = []

    def add(metric: str, value: float, mcse: float) -> None:
        rows.append(Row(question=about, metric=metric, value=value, mcse=mcse, n_replicates=n, n_failed=n_failed))

    def add_mean(metric: str, values: np.ndarray) -> None:
        means = values.reshape(-1, within).mean(axis=1)
        kept = means[np.isfinite(means)]
        if len(kept) > 1:
            add(metric, float(kept.mean()), float(kept.std(ddof=1) / np.sqrt(len(kept))))

    def add_share(metric: str, hits: np.ndarray) -> None:
        if within == 1:
            add(metric, *share(hits))
        else:
            add_mean(metric, hits.astype(np.float64))

    for decision in Decision:
        if decision != Decision.EQUIVALENT or s.decision.rope is not None:
            add_share(decision.name.lower(), outcome.decision == decision)
    side = better(s, s.estimand)
    benefit = -outcome.true if side == "lower" else outcome.true
    beyond = benefit > s.decision.margin
    against = (outcome.decision == Decision.NO_GO) | (outcome.decision == Decision.EQUIVALENT)
    add_share("wrong_verdict", np.where(beyond, against, outcome.decision == Decision.GO))
    add_share("benefit_is_true", beyond)
    if known is None:
        add_mean("true_effect", outcome.true)
    else:
        add("true_effect", known.value, known.mcse)
    add_mean("posterior_sd", np.where(outcome.failed, np.nan, outcome.sd))
    add_mean("prior_patients", outcome.worth)
    if room is not None:
        add_share("beyond_scale", benefit > room)
    if s.design.looks:
        add_share("stopped", outcome.patients < s.n_total)
        add_mean("patients", outcome.patients)
    return rows
