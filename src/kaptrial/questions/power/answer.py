"""Cells to one answer: rows and notes of all of them, what they come from, figures and folder; and what is true."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from kaptrial.errors import FieldError
from kaptrial.model.delivered import DeliveredTreatment
from kaptrial.model.streams import BLOCK
from kaptrial.output.folder import write_folder
from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.characteristics import CellResult, characteristics
from kaptrial.questions.power.controlled import said_of
from kaptrial.questions.power.differences import with_differences
from kaptrial.questions.power.headline import headline
from kaptrial.questions.power.output import figures_of, write_power
from kaptrial.questions.power.truth import Truth, truths
from kaptrial.questions.power.verdicts import verdicts
from kaptrial.results import Line, Results, Row, Value
from kaptrial.scenario.scenario import Scenario

# With a target for the error: the replicates to begin with, the most, the metrics, and what is added to the foreseen
# number so that one more round is seldom needed.
FIRST, MOST, SPARE = 512, 10_000_000, 1.05
LEAST_MCSE, MOST_MCSE = 0.0001, 0.1
PRECISE = ("power", "power_better", "power_non_inferiority", "type_i_error", "false_synergy_rate")


@dataclass(frozen=True, kw_only=True, repr=False)
class PowerResults(Results[Row]):
    """Results of `power`, and of each cell the fits and truths that they come from."""

    cells: tuple[CellResult, ...]


@dataclass(frozen=True, kw_only=True, repr=False)
class TruthResults(Results[Line]):
    """Results of `truth`, and the truth of each estimand that they are of."""

    truths: tuple[Truth, ...]


def answer(
    cells: Sequence[Cell],
    *,
    provenance: Mapping[str, Any],
    seed: int,
    replicates: int,
    workers: int = 1,
    nulls: bool = True,
    delivered: Sequence[Sequence[DeliveredTreatment]] | None = None,
    controls: bool = True,
    progress: Callable[[int], None] | None = None,
) -> PowerResults:
    """The characteristics of every cell, in its clinic where `delivered` says what that made of the protocol."""
    cell_results = characteristics(
        cells,
        seed=seed,
        replicates=replicates,
        workers=workers,
        nulls=nulls,
        delivered=delivered,
        controls=controls,
        progress=progress,
    )
    return results_of(with_differences(cell_results), {**provenance, **said_of(controls)})


def check_precision(mcse: float | None, *, clinic: bool) -> None:
    """Raise FieldError for a Monte Carlo error that no run is asked for, or that a clinic's cannot be run to."""
    if mcse is not None and not LEAST_MCSE <= mcse <= MOST_MCSE:
        raise FieldError("mcse", mcse, f"must be from {LEAST_MCSE:g} to {MOST_MCSE:g}")
    if mcse is not None and clinic:
        raise FieldError("mcse", mcse, "goes without `clinic`, whose trials are run before their errors are known")


def answer_to_precision(
    cells: Sequence[Cell], *, mcse: float, provenance: Mapping[str, Any], replicates: int, **run: Any
) -> PowerResults:
    """As `answer`, of as many replicates as every power and error rate needs for this error.

    From `FIRST` or `replicates` of them, the fewer, the number that is needed is foreseen, and all are run under the
    same seed, the earlier ones among them, until the errors are small enough. As the number depends on what was found,
    means are biased by the order of one over it, the root of it less than their error (docs/precision.md).
    Raises FieldError where it would take more than `MOST`.
    """
    n = min(FIRST, replicates)
    while True:
        made = {**provenance, "replicates": n, "mcse": mcse}
        results = answer(cells, provenance=made, replicates=n, **run)
        worst = max((row.mcse for row in results.rows if row.metric in PRECISE), default=0.0)
        if worst <= mcse:
            return results
        n = max(n + BLOCK, BLOCK * math.ceil(SPARE * n * (worst / mcse) ** 2 / BLOCK))
        if n > MOST:
            raise FieldError("mcse", mcse, f"would take {n:,} replicates of each row, and at most {MOST:,} are run")


def results_of(cells: Sequence[CellResult], provenance: Mapping[str, Any]) -> PowerResults:
    """The rows and notes of all cells, and the answer in a sentence; a note that several share is said once."""
    notes = [*verdicts(cells), *(note for cell in cells for note in cell.notes)]
    return PowerResults(
        kind="power",
        rows=[row for cell in cells for row in cell.rows],
        provenance=provenance,
        notes=tuple(dict.fromkeys(notes)),
        headline=headline(cells, seed=int(provenance["seed"]), in_clinic=bool(provenance.get("clinic"))),
        figures=figures_of,
        writer=partial(write_folder, write_power),
        cells=tuple(cells),
    )


def true_values(scenario: Scenario, *, provenance: Mapping[str, Any], seed: int) -> TruthResults:
    """What is true of each estimand: its value, and the mean and SD of each arm."""
    simulated = truths(scenario, seed=seed)
    lines = []
    for estimand, truth in zip(scenario.estimands, simulated, strict=True):
        numbers: dict[str, Value] = {name: getattr(estimand, name) for name in ("contrast", "endpoint", "day")}
        numbers |= {"value": truth.value, "mcse": truth.mcse}
        numbers |= {arm.id: mean for arm, mean in zip(scenario.arms, truth.arm_means, strict=True)}
        numbers |= {f"sd_{arm.id}": sd for arm, sd in zip(scenario.arms, truth.arm_sds, strict=True)}
        lines.append(Line(numbers=numbers))
    return TruthResults(kind="truth", rows=lines, provenance=provenance, truths=tuple(simulated))
