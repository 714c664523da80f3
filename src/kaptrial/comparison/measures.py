"""What designs are compared by: each a value, its error, and what it was in each replicate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.comparison.designs import Design
from kaptrial.model.streams import BLOCK
from kaptrial.questions.assurance.assurance import Assurance, assurance
from kaptrial.questions.assurance.assurance import count_replicates as count_for_assurance
from kaptrial.questions.clinic.operations import operations
from kaptrial.questions.clinic.staffing_plans import ABOUT
from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.characteristics import CellResult, characteristics, count_replicates
from kaptrial.questions.power.differences import primary_shares
from kaptrial.questions.power.headline import power_metric
from kaptrial.questions.power.protocol_burden import burden_in_all
from kaptrial.questions.power.verdicts import NOMINAL
from kaptrial.results import Row

# Trials for each draw of a prior, and trials run through a clinic: enough to tell designs apart, and quick.
TRIALS_A_DRAW, CLINIC_REPLICATES = BLOCK, 64
# A difference between simulated numbers counts beyond this many of its Monte Carlo errors.
ERRORS = 2.0


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One of what designs are compared by, and which direction is the better one."""

    name: str
    words: str
    better: Literal["higher", "lower"]


MEASURES = (
    Measure(name="power", words="power", better="higher"),
    Measure(name="type_i_error", words="type I error", better="lower"),
    Measure(name="assurance", words="assurance", better="higher"),
    Measure(name="n", words="patients", better="lower"),
    Measure(name="exposed", words="patients exposed to ketamine", better="lower"),
    Measure(name="therapist_hours", words="therapist hours", better="lower"),
    Measure(name="months", words="months", better="lower"),
    Measure(name="cost", words="cost", better="lower"),
)
BY_NAME = {measure.name: measure for measure in MEASURES}
# What a design asks, and what may be unknown of it.
ASKED = ("therapist_hours", "months", "cost")
# By these the designs are drawn against their power: the first that is known of all.
PRICES = ("cost", "therapist_hours", "n")


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number of a design. `each`: its value in every replicate, or under every draw; None where it is counted."""

    value: float
    mcse: float = 0.0
    each: Floats | None = None


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
        """The level of its test."""
        return self.design.scenario.analysis.alpha


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
    beliefs = [
        assurance(d.primary, draws_of_prior=draws, replicates=TRIALS_A_DRAW, **run) if d.has_assurance else None  # type: ignore[arg-type]
        for d in designs
    ]
    clinics = [_of_clinic(d, seed=seed, workers=workers) for d in designs]
    cells = [Cell(scenario=d.primary, columns={}) for d in designs]
    results = characteristics(cells, replicates=replicates, controls=controls, **run)  # type: ignore[arg-type]
    compared = []
    for design, result, believed, clinic in zip(designs, results, beliefs, clinics, strict=True):
        known = _of_power(result) | _of_prior(design, power_metric(result), believed) | _of_protocol(design) | clinic
        currency = _currency(design) if "cost" in known else ""
        compared.append(Compared(design=design, estimates=known, power=result, currency=currency))
    return compared


def count_trials(designs: Sequence[Design], *, replicates: int, draws: int) -> int:
    """How many trials `compare_designs` will simulate in all, for a progress bar."""
    cells = [Cell(scenario=d.primary, columns={}) for d in designs]
    for_priors = sum(d.has_assurance for d in designs) * count_for_assurance(draws, TRIALS_A_DRAW)
    return count_replicates(cells, replicates) + for_priors


def _of_power(result: CellResult) -> dict[str, Estimate]:
    """Power of the primary question, and its type I error where a null was run for it."""
    metric, rows = power_metric(result), result.primary
    shares = primary_shares(result)
    known = {"power": _estimate(rows[metric], shares[metric].each)}
    for name in NOMINAL if metric == "power" else ():
        if name in shares:
            known["type_i_error"] = _estimate(rows[name], shares[name].each)
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
