"""A scenario and its prior to one answer: rows and notes, what each draw gave, figure and folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kaptrial.output.folder import write_folder
from kaptrial.output.terminal import by_mcse
from kaptrial.questions.assurance.assurance import Assurance, assurance
from kaptrial.questions.assurance.output import figures_of, write_assurance
from kaptrial.questions.power.controlled import said_of
from kaptrial.questions.power.headline import percent
from kaptrial.questions.power.measures import TARGET_POWER
from kaptrial.questions.power.rows import question
from kaptrial.results import Headline, Note, Results, Row, grouped
from kaptrial.scenario.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, repr=False)
class AssuranceResults(Results[Row]):
    """Results of `assurance`; `by_draw` and `draws` are the tables of what each draw of the prior gave and was."""

    scenario: Scenario
    averaged: Assurance

    @property
    def by_draw(self) -> pd.DataFrame:
        """Power and truth under each draw, one row a draw, question and metric."""
        import pandas as pd

        return pd.DataFrame(
            {"draw": k + 1, **row.question.flat(), "metric": row.metric, "value": row.value}
            for k, rows in enumerate(self.averaged.by_draw)
            for row in rows
        )

    @property
    def draws(self) -> pd.DataFrame:
        """What was drawn, one row a draw."""
        import pandas as pd

        return pd.DataFrame({"draw": draw.number, **draw.parameters, **draw.also} for draw in self.averaged.draws)


def answer(
    scenario: Scenario,
    *,
    provenance: Mapping[str, Any],
    seed: int,
    draws: int,
    replicates: int,
    workers: int = 1,
    controls: bool = True,
    progress: Callable[[int], None] | None = None,
) -> AssuranceResults:
    """Power averaged over `draws` of the scenario's prior; of a scenario with looks without control variates."""
    controls = controls and scenario.design.group_sequential is None
    averaged = assurance(
        scenario,
        seed=seed,
        draws_of_prior=draws,
        replicates=replicates,
        workers=workers,
        controls=controls,
        progress=progress,
    )
    return AssuranceResults(
        kind="assurance",
        rows=averaged.rows,
        provenance={**provenance, **said_of(controls)},
        notes=[*averaged.notes, *_of_looks(scenario, averaged.rows)],
        headline=headline(scenario, averaged.rows),
        figures=figures_of,
        writer=partial(write_folder, write_assurance),
        scenario=scenario,
        averaged=averaged,
    )


def _of_looks(scenario: Scenario, rows: Sequence[Row]) -> list[Note]:
    """That looks are of one question, where there are more."""
    if scenario.design.group_sequential is None or len(grouped(rows)) < 2:
        return []
    about = question(scenario, scenario.estimand, scenario.analyses(scenario.estimand)[0])
    text = f"looks are those of {about.contrast} by {about.analysis}; other questions are of the trial without them"
    return [Note(code="looks", severity="information", text=text)]


def headline(scenario: Scenario, rows: Sequence[Row]) -> Headline:
    """Assurance of the primary question beside the power at the scenario's own values."""
    about = question(scenario, scenario.estimand, scenario.analyses(scenario.estimand)[0])
    by_metric = grouped(rows)[about]
    mean, high, own = (by_metric[name] for name in ("assurance", "probability_of_80_power", "power"))
    text = (
        f"Averaged over what the prior believes, power for {about.contrast} ({about.endpoint}, day {about.day:g}, by"
        f" {about.analysis}) is {percent(mean.value, mean.mcse)}, against {percent(own.value, own.mcse)} at the"
        f" scenario's own values; it reaches {100 * TARGET_POWER:g} % under {percent(high.value, high.mcse)} of what is"
        " believed."
    )
    if "fixed_assurance" in by_metric:
        fixed, n, most = (by_metric[name] for name in ("fixed_assurance", "expected_n", "max_n"))
        text = (
            f"{text.removesuffix('.')}; without looks assurance is {percent(fixed.value, fixed.mcse)}. On average"
            f" {by_mcse(n.value, n.mcse)} of {most.value:.0f} patients are randomised."
        )
    numbers = {"assurance": mean.value, "assurance_mcse": mean.mcse, "power": own.value, "power_mcse": own.mcse}
    return Headline(text=text, numbers=numbers | {"probability_of_80_power": high.value})
