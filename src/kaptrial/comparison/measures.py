"""What designs are compared by: each a value, its error, and what it was in each replicate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from kaptrial.arrays import Bools, Floats
from kaptrial.comparison.designs import Design
from kaptrial.errors import FieldError, ScenarioError
from kaptrial.model.streams import BLOCK
from kaptrial.questions.assurance.assurance import Assurance, assurance
from kaptrial.questions.assurance.assurance import count_replicates as count_for_assurance
from kaptrial.questions.clinic.operations import operations
from kaptrial.questions.clinic.staffing_plans import ABOUT
from kaptrial.questions.looks.planning import check, nulls_of_primary, planned
from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.characteristics import CellResult, characteristics, count_replicates
from kaptrial.questions.power.differences import primary_shares
from kaptrial.questions.power.headline import power_metric
from kaptrial.questions.power.measures import share
from kaptrial.questions.power.protocol_burden import burden_in_all
from kaptrial.questions.power.verdicts import NOMINAL
from kaptrial.results import Row
from kaptrial.scenario.looks import GroupSequential, months_to_primary
from kaptrial.simulation.recruitment import months_randomised

# Trials for each draw of a prior, and trials run through a clinic: enough to tell designs apart, and quick.
TRIALS_A_DRAW, CLINIC_REPLICATES = BLOCK, 64
# A difference between simulated numbers counts beyond this many of its Monte Carlo errors.
ERRORS = 2.0


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One of what designs are compared by, and which direction is the better one; `of_looks`: only where one of the
    designs has looks at the data."""

    name: str
    words: str
    better: Literal["higher", "lower"]
    of_looks: bool = False


MEASURES = (
    Measure(name="power", words="power", better="higher"),
    Measure(name="type_i_error", words="type I error", better="lower"),
    Measure(name="assurance", words="assurance", better="higher"),
    Measure(name="n", words="patients", better="lower"),
    Measure(name="expected_n", words="expected patients", better="lower", of_looks=True),
    Measure(name="expected_n_null", words="expected patients without an effect", better="lower", of_looks=True),
    Measure(name="expected_months", words="expected months", better="lower", of_looks=True),
    Measure(name="exposed", words="patients exposed to ketamine", better="lower"),
    Measure(name="therapist_hours", words="therapist hours", better="lower"),
    Measure(name="months", words="months", better="lower"),
    Measure(name="cost", words="cost", better="lower"),
)
BY_NAME = {measure.name: measure for measure in MEASURES}
# What a design asks, and what may be unknown of it.
ASKED = ("therapist_hours", "months", "cost")
# By these the designs are drawn against their power: the first that is known of all and differs. What looks save is in
# the first alone.
PRICES = ("expected_n", "cost", "therapist_hours", "n")


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number of a design. `each`: its value in every replicate, or under every draw; None where it is counted.

    `is_share`: whether it is a share of the replicates.
    """

    value: float
    mcse: float = 0.0
    each: Floats | None = None
    is_share: bool = False


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A design, what is known of it by measure, and the power run that it comes from."""

    design: Design
    estimates: dict[str, Estimate]
    power: CellResult
    currency: str = ""

    @property
    def name(self) -> str:
        """The design's."""
        return self.design.name

    @property
    def alpha(self) -> float:
        """The level of its test: half of the analysis' two-sided one where looks test on one side."""
        s = self.design.scenario
        return s.analysis.alpha / 2 if self.design.is_one_sided else s.analysis.alpha


def measures_of(compared: Sequence[Compared]) -> list[Measure]:
    """What these designs are compared by."""
    looks = any(each.design.has_looks for each in compared)
    return [measure for measure in MEASURES if looks or not measure.of_looks]


def compare_designs(
    designs: Sequence[Design],
    *,
    seed: int,
    replicates: int,
    draws: int,
    workers: int = 1,
    controls: bool = True,
    progress: Callable[[int], None] | None = None,
) -> list[Compared]:
    """Every measure of every design, all under one seed, so that replicate r of one is paired with that of another."""
    run = {"seed": seed, "workers": workers, "progress": progress}
    for design in designs:
        _check_looks(design, seed)
    beliefs = [
        assurance(d.primary, draws_of_prior=draws, replicates=TRIALS_A_DRAW, **run) if d.has_assurance else None  # type: ignore[arg-type]
        for d in designs
    ]
    clinics = [_of_clinic(d, seed=seed, workers=workers) for d in designs]
    cells = [Cell(scenario=d.primary, columns={}) for d in designs]
    results = characteristics(cells, replicates=replicates, controls=controls, **run)  # type: ignore[arg-type]
    recruiting = recruiting_looks(designs)
    compared = []
    for design, result, believed, clinic in zip(designs, results, beliefs, clinics, strict=True):
        known = _of_power(result) | _of_prior(design, power_metric(result), believed) | _of_protocol(design) | clinic
        if design.has_looks:
            known |= _of_looks(design, replicates=replicates, **run)  # type: ignore[arg-type]
        elif any(each.has_looks for each in designs):
            known |= _of_whole_trial(design, recruiting, seed, replicates, null="type_i_error" in known)
        currency = _currency(design) if "cost" in known else ""
        compared.append(Compared(design=design, estimates=known, power=result, currency=currency))
    return compared


def count_trials(designs: Sequence[Design], *, replicates: int, draws: int) -> int:
    """How many trials `compare_designs` will simulate in all, for a progress bar."""
    cells = [Cell(scenario=d.primary, columns={}) for d in designs]
    for_priors = sum(count_for_assurance(d.primary, draws, TRIALS_A_DRAW) for d in designs if d.has_assurance)
    of_looks = [1 + len(nulls_of_primary(d.primary)[:1]) for d in designs if d.has_looks]
    return count_replicates(cells, replicates) + for_priors + sum(of_looks) * -(-replicates // BLOCK) * BLOCK


def _of_power(result: CellResult) -> dict[str, Estimate]:
    """Power of the primary question, and its type I error where a null was run for it."""
    metric, rows = power_metric(result), result.primary
    shares = primary_shares(result)
    known = {"power": replace(_estimate(rows[metric], shares[metric].each), is_share=True)}
    for name in NOMINAL if metric == "power" else ():
        if name in shares:
            known["type_i_error"] = replace(_estimate(rows[name], shares[name].each), is_share=True)
    return known


def _of_prior(design: Design, metric: str, believed: Assurance | None) -> dict[str, Estimate]:
    """Power of the same kind, averaged over the prior."""
    if believed is None:
        return {}

    def figure(rows: Sequence[Row], name: str) -> Row:
        return next(row for row in rows if row.metric == name and row.question == design.question)

    each = [figure(rows, metric).value for rows in believed.by_draw]
    averaged = figure(believed.rows, f"assurance{metric.removeprefix('power')}")
    return {"assurance": _estimate(averaged, np.array(each))}


def _check_looks(design: Design, seed: int) -> None:
    """Raises ScenarioError, with the design's name, for looks that it cannot have."""
    try:
        check(design.primary, seed)
    except FieldError as error:
        raise ScenarioError(f"{design.name}: {error}") from None


def recruiting_looks(designs: Sequence[Design]) -> GroupSequential | None:
    """Looks by whose accrual the designs without any are taken to recruit; None where those with looks disagree."""
    plans = [design.scenario.design.group_sequential for design in designs]
    by_rate = {plan.accrual_per_month: plan for plan in plans if plan is not None}
    return by_rate.popitem()[1] if len(by_rate) == 1 else None


def _of_looks(
    design: Design, *, seed: int, replicates: int, workers: int, progress: Callable[[int], None] | None
) -> dict[str, Estimate]:
    """Power, type I error, patients and months of the trials that the design's looks stop."""
    s = design.primary
    run = {"seed": seed, "replicates": replicates, "workers": workers, "progress": progress}
    plan, own = planned(s, **run)  # type: ignore[arg-type]
    known = {
        "power": _share(own.course.rejects),
        "expected_n": _mean(plan.n_randomised(own)),
        "expected_months": _mean(plan.months(own)),
    }
    for null in nulls_of_primary(s)[:1]:
        world = plan.held(null.scenario, null.metric, **run)  # type: ignore[arg-type]
        known["type_i_error"] = _share(world.course.rejects)
        known["expected_n_null"] = _mean(plan.n_randomised(world))
    return known


def _of_whole_trial(
    design: Design, recruiting: GroupSequential | None, seed: int, replicates: int, *, null: bool
) -> dict[str, Estimate]:
    """The same of a trial that nothing stops, beside those with looks; `null`: whether it has a null."""
    s, n = design.scenario, float(design.scenario.n_total)
    known = {"expected_n": _constant(n, replicates)}
    if null:
        known["expected_n_null"] = _constant(n, replicates)
    if recruiting is not None and (recruiting.accrual_per_month is not None or s.clinic is not None):
        months = float(months_randomised(s, recruiting.accrual_per_month, seed)[-1]) + months_to_primary(s)
        known["expected_months"] = _constant(months, replicates)
    return known


def _share(hits: Bools) -> Estimate:
    value, mcse = share(hits)
    return Estimate(value=value, mcse=mcse, each=hits.astype(float), is_share=True)


def _mean(each: Floats) -> Estimate:
    return Estimate(value=float(each.mean()), mcse=float(each.std(ddof=1) / math.sqrt(len(each))), each=each)


def _constant(value: float, replicates: int) -> Estimate:
    return Estimate(value=value, each=np.full(replicates, value))


def _of_protocol(design: Design) -> dict[str, Estimate]:
    burden = burden_in_all(design.scenario)
    known = {"n": Estimate(value=burden.patients), "exposed": Estimate(value=burden.exposed)}
    if burden.therapist_hours is not None:
        known["therapist_hours"] = Estimate(value=burden.therapist_hours)
    return known


def _of_clinic(design: Design, *, seed: int, workers: int) -> dict[str, Estimate]:
    """Months and cost of the trial in its clinic, where it has one."""
    if design.scenario.clinic is None:
        return {}
    summaries = operations(design.scenario, seed=seed, replicates=CLINIC_REPLICATES, workers=workers).summaries
    known = {}
    for name in ("months", "cost"):
        each = np.array([summary.values.get(ABOUT[name], math.nan) for summary in summaries])
        if np.isfinite(each).all():
            error = float(each.std(ddof=1) / math.sqrt(len(each)))
            known[name] = Estimate(value=float(each.mean()), mcse=error, each=each)
    return known


def _currency(design: Design) -> str:
    clinic = design.scenario.clinic
    return clinic.costs.currency if clinic is not None and clinic.costs is not None else ""


def _estimate(row: Row, each: Floats) -> Estimate:
    """Unknown in every replicate where no replicate could be analysed."""
    known = each if math.isfinite(row.value) else np.full(len(each), np.nan)
    return Estimate(value=row.value, mcse=row.mcse, each=known)
