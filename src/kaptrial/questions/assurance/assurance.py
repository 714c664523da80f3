"""Assurance: power averaged over the design prior (O'Hagan, Stevens & Campbell 2005, Pharm Stat), and what the prior
says of the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from kaptrial.arrays import Floats
from kaptrial.errors import ScenarioError, TooFewEligible
from kaptrial.method_table import method_of
from kaptrial.model.streams import BLOCK
from kaptrial.priors.design_prior import Draw, draws, seed_of_draw, with_draw
from kaptrial.questions.assurance.with_looks import held, powers_of, without_looks
from kaptrial.questions.looks.planning import check
from kaptrial.questions.power.execution import Job, attempt
from kaptrial.questions.power.measures import TARGET_POWER, share
from kaptrial.questions.power.rows import expected_sides, powers, question
from kaptrial.questions.power.truth import Truth, truths
from kaptrial.questions.power.truths_of_draws import truths_of_draws, without_errors
from kaptrial.results import Note, Question, Row
from kaptrial.scenario.checks import ketamine_routes
from kaptrial.scenario.scenario import Scenario

# Replicates of the power at the scenario's own values, beside which assurance stands.
CLASSICAL_REPLICATES = 2000
# The prior predictive interval of the truth.
LOWER, UPPER = 0.05, 0.95


@dataclass(frozen=True, kw_only=True)
class Assurance:
    """`rows`: one a question and metric. `by_draw`: the rows of each draw, one a question and metric (power, truth).
    `draws`: what was drawn. `n_never_filled`: draws of power 0, under which hardly anybody passes the run-in."""

    rows: list[Row]
    by_draw: list[list[Row]]
    draws: list[Draw]
    n_never_filled: int

    @property
    def notes(self) -> list[Note]:
        """What is to be minded when the rows are read."""
        remarks = []
        failed = sum(row.n_failed for row in self.rows if row.metric == "assurance")
        if failed:
            text = f"{failed} replicates in all had no estimate and count as not rejecting"
            remarks.append(Note(code="failed", severity="warning", text=text))
        if self.n_never_filled:
            text = f"under {self.n_never_filled} draws hardly anybody passes the run-in: power 0"
            remarks.append(Note(code="never_filled", severity="warning", text=text))
        return remarks


def assurance(
    scenario: Scenario,
    *,
    seed: int,
    draws_of_prior: int = 400,
    replicates: int = BLOCK,
    workers: int = 1,
    controls: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Assurance:
    """Power of every estimand and analysis under each draw of the scenario's prior, and its mean over the draws.

    For draw k the trials are those of the drawn scenario under a seed of its own, from (seed, k). The mean's error
    comes from the spread between draws, which holds that of the finite number of replicates too. The expected side is
    that of the mean estimate over the draws: a ceiling can put the scenario's own interaction on the other. The result
    does not depend on `workers`. `controls`: whether the power at the scenario's own values is made more precise by
    control variates. A draw under which hardly anybody passes the run-in has power 0: such a trial is never filled.
    Looks are planned at the scenario's own values; without them stands `fixed_` before a metric.
    Raises ScenarioError where there is no prior or a draw is not allowed, before anything is simulated.
    """
    if scenario.prior is None:
        raise ScenarioError("prior is missing: assurance needs one, a name or also with distributions by path")
    if scenario.null is not None:
        raise ScenarioError(f"null = {scenario.null!r}: must not be set for assurance, which is a mean of powers")
    drawn = draws(scenario.prior, ketamine_routes(scenario), seed=seed, n=draws_of_prior)
    own = replace(scenario, prior=None, variants=None)
    believed = [with_draw(scenario, draw) for draw in drawn]
    seeds = [seed_of_draw(seed, k) for k in range(draws_of_prior)]
    check(own, seed)
    jobs = [Job(scenario=own, seed=seed, replicates=CLASSICAL_REPLICATES, controls=controls)]
    jobs += [Job(scenario=s, seed=x, replicates=replicates) for s, x in zip(believed, seeds, strict=True)]
    first, *fits = attempt(jobs, workers=workers, progress=progress)
    if isinstance(first, TooFewEligible):
        raise first
    filled = [fit for fit in fits if not isinstance(fit, TooFewEligible)]
    sides = expected_sides(own, filled)
    classical = powers(own, first, sides)
    by_draw = [
        _never_filled(classical, replicates) if isinstance(fit, TooFewEligible) else powers(s, fit, sides)
        for s, fit in zip(believed, fits, strict=True)
    ]
    true = truths_of_draws(believed, seeds, workers=workers)
    rows = _averaged(classical, by_draw)
    if own.design.group_sequential is not None:
        looked = held(
            own,
            believed,
            seeds,
            sides,
            seed=seed,
            own_replicates=CLASSICAL_REPLICATES,
            replicates=replicates,
            workers=workers,
            progress=progress,
        )
        of_draws = [powers_of(each) for each in looked.by_draw]
        rows = [*_averaged(powers_of(looked.own), of_draws), *looked.averaged(), *without_looks(rows, looked.own[0])]
        by_draw = [
            [*each, *without_looks(fixed, looked.own[0])] for each, fixed in zip(looked.by_draw, by_draw, strict=True)
        ]
    own_truths = truths(own, seed=seed, workers=workers)
    for i, estimand in enumerate(own.estimands):
        for analysis in own.analyses(estimand):
            asked, about = method_of(analysis).measure_of(estimand.endpoint), question(own, estimand, analysis)
            known = [None if each is None else each[i].on(asked) for each in true]
            values = np.array([np.nan if each is None else each.value for each in known])
            spread = _spread([each for each in known if each is not None and np.isfinite(each.value)])
            rows += _truth_rows(about, own_truths[i].on(asked), spread)
            rows += _worth(about, first[i, analysis].se, own.n_total, spread)
            for each, value in zip(by_draw, values, strict=True):
                each.append(Row(question=about, metric="truth", value=float(value), mcse=np.nan, n_replicates=None))
    return Assurance(rows=rows, by_draw=by_draw, draws=drawn, n_never_filled=len(fits) - len(filled))


def count_replicates(scenario: Scenario, draws_of_prior: int, replicates: int) -> int:
    """How many replicates `assurance` will simulate in all, for a progress bar."""
    blocks = [-(-n // BLOCK) for n in (CLASSICAL_REPLICATES, replicates)]
    times = 1 if scenario.design.group_sequential is None else 2
    return times * (blocks[0] + draws_of_prior * blocks[1]) * BLOCK


def _spread(known: list[Truth]) -> Floats:
    """The truths of the draws, their spread that of truths without Monte Carlo errors."""
    values, errors = (np.array([getattr(each, name) for each in known]) for name in ("value", "mcse"))
    return without_errors(values, errors) if len(known) > 1 else values


def _never_filled(classical: list[Row], replicates: int) -> list[Row]:
    return [replace(row, value=0.0, n_replicates=replicates, n_failed=replicates) for row in classical]


def _averaged(own: list[Row], by_draw: list[list[Row]]) -> list[Row]:
    """Assurance and its like of each kind of power."""
    rows: list[Row] = []
    for j, row in enumerate(own):
        rows += _power_rows(row, [each[j] for each in by_draw])
    return rows


def _power_rows(own: Row, by_draw: list[Row]) -> list[Row]:
    """Assurance, the probability of high power, and the power at the scenario's own values, of one kind of power."""
    values = np.array([row.value for row in by_draw])
    n, kind = len(values), own.metric.removeprefix("power")
    over = replace(
        own, n_replicates=by_draw[0].n_replicates, n_failed=sum(row.n_failed for row in by_draw), more={"n_draws": n}
    )
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(n))
    high, high_error = share(values >= TARGET_POWER)
    return [
        replace(over, metric=f"assurance{kind}", value=mean, mcse=error),
        replace(over, metric=f"probability_of_80_power{kind}", value=high, mcse=high_error),
        replace(own, metric=f"power{kind}", more={"n_draws": None, **own.more}),
    ]


def _truth_rows(about: Question, own: Truth, values: Floats) -> list[Row]:
    """The truth at the scenario's own values; mean and 90 % interval of the truth over the draws."""
    n = len(values)

    def row(metric: str, value: float, mcse: float, n_draws: int | None) -> Row:
        more = {"n_draws": n_draws}
        return Row(question=about, metric=metric, value=value, mcse=mcse, n_replicates=None, more=more)

    rows = [row("truth", own.value, own.mcse, None)]
    if n < 2:
        return rows
    rows.append(row("truth_mean", float(values.mean()), float(values.std(ddof=1) / np.sqrt(n)), n))
    for metric, p in (("truth_lower", LOWER), ("truth_upper", UPPER)):
        rows.append(row(metric, float(np.quantile(values, p)), _quantile_error(values, p), n))
    return rows


def _worth(about: Question, se: Floats, n_patients: int, values: Floats) -> list[Row]:
    """What the prior's belief about the truth is worth: patients of this trial whose estimate varies as much."""
    squares = (values - values.mean()) ** 2 if len(values) > 1 else np.zeros(1)
    variance, error = float(np.nanmean(se**2)), float(squares.std() / np.sqrt(len(squares)))
    if not np.isfinite(variance) or not squares.mean() > 0:
        return []
    worth = n_patients * variance / float(squares.mean())
    more = {"n_draws": len(values)}
    mcse = worth * error / float(squares.mean())
    return [Row(question=about, metric="prior_patients", value=worth, mcse=mcse, n_replicates=None, more=more)]


def _quantile_error(values: Floats, p: float) -> float:
    """The standard error of a quantile from the beta weights of the order statistics (Maritz & Jarrett 1978, JASA)."""
    n = len(values)
    a, b = p * (n + 1), (1 - p) * (n + 1)
    weights = np.diff(special.betainc(a, b, np.arange(n + 1) / n))
    ordered = np.sort(values)
    centre = float(weights @ ordered)
    return float(np.sqrt(weights @ (ordered - centre) ** 2))
