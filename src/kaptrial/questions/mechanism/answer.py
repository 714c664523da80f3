"""A scenario and one trial, read or simulated, to the posterior of its mechanisms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from kaptrial.output.folder import write_folder
from kaptrial.questions.mechanism.fit import MechanismFit, fit
from kaptrial.questions.mechanism.output import write_mechanism
from kaptrial.questions.mechanism.terminal import warnings
from kaptrial.results import Line, Note, Results, provenance
from kaptrial.scenario.files import scenario_hash
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.data_file import DataFile
from kaptrial.simulation.simulate import simulate
from kaptrial.simulation.trials import Columns, trials_of


@dataclass(frozen=True, kw_only=True, repr=False)
class MechanismResults(Results[Line]):
    """Results of `mechanism`, and the fit that they are of."""

    scenario: Scenario
    fitted: MechanismFit


def answer(
    s: Scenario,
    file: DataFile | None,
    *,
    seed: int,
    draws: int,
    columns: Mapping[str, str],
    say: Callable[[str], None] = lambda _: None,
    progress: Callable[[int], None] = lambda _: None,
    scenario: str | None = None,
) -> MechanismResults:
    """What the trial says of each mechanism; one is simulated where there is no file."""
    if file is None:
        trials, of_file = simulate(s, seed=seed, replicates=1), []
    else:
        trials, of_file = trials_of(file, Columns(factors=s.factors, **dict[str, Any](columns))), file.notes
        for note in of_file:
            say(f"{note.severity}: {note.text}")
    fitted = fit(s, trials, seed=seed, draws=draws, say=say, progress=progress)
    source = file.path.name if file else f"one trial simulated under seed {seed}"
    made = provenance() | {"scenario": scenario, "scenario_sha256": scenario_hash(s)}
    made |= {"title": s.title, "data": source, "seed": seed, "draws": 4 * draws}
    ranking = None if fitted.ranking is None else [each._asdict() for each in fitted.ranking]
    made |= {"ranking": ranking, "why_not": fitted.why_not}
    notes = [Note(code="unusable", severity="error", text=line) for line in warnings(fitted)]
    lines = [Line(numbers=row._asdict()) for row in fitted.rows]
    return MechanismResults(
        kind="mechanism",
        rows=lines,
        provenance=made,
        notes=[*of_file, *notes],
        writer=partial(write_folder, write_mechanism),
        scenario=s,
        fitted=fitted,
    )
