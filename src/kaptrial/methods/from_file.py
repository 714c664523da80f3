"""A data file and a method to a table of estimates, by the estimators that `power` uses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kaptrial.arrays import Floats, Ints
from kaptrial.method_table import Method, method_name, methods
from kaptrial.methods.options import Options
from kaptrial.methods.rows import contrasts_of, days_asked, fit_row, margin_kind, visit_of
from kaptrial.methods.terminal import headline_of
from kaptrial.results import Line, Question, Results, provenance
from kaptrial.simulation.data_file import DataFile, read_file


@dataclass(frozen=True, kw_only=True)
class FileQuestion:
    """What a method is asked of one visit of a file: as `simulated.Question`, as far as a file has it."""

    y: Floats
    arm: Ints
    covariates: Floats
    therapist: Ints | None
    weights: list[float]


def analyse(
    source: Path | DataFile, method: str = "ancova", options: Options | None = None, given: Iterable[str] | None = None
) -> Results[Line]:
    """One row an estimate: analysis, contrast, measure, day, estimate, se, df, statistic, p, lower, upper, n_observed,
    failure, and what else the method has to say. Numbers that test nothing (variances, medians) have rows of their own.

    Parameters
    ----------
    source : Path or DataFile
        A CSV file, or one that has been read.
    method : str
        A name of the table of methods.
    options : Options, optional
    given : names, optional
        Options that the user has given; those that are not as usual unless said.

    Raises
    ------
    FieldError
        For an unknown method, or an option that cannot be used.
    DataError
        For what the file cannot give.
    """
    options = options or Options()
    row = methods()[method_name(method)]
    row.refuse(options.changed() if given is None else given)
    data = source if isinstance(source, DataFile) else read_file(source)
    lines = _rows(row, data, options) if row.rows is None else row.rows(data, options)
    if any(line.numbers.get("margin") is not None for line in lines):
        kind = margin_kind(row.measure).replace("_", " ")
        data.note("margin", f"the margin {options.margin:g} is a {kind}")
    return Results(
        kind="analyse",
        rows=lines,
        provenance=provenance(data=data.path.name, method=row.name),
        notes=tuple(data.notes),
        headline=headline_of(lines, row.label or row.summary),
    )


def _rows(row: Method, data: DataFile, options: Options) -> list[Line]:
    """The method's estimate of every contrast at each day."""
    from kaptrial.methods.scores import all_columns, complete, n_used, note_unseen, read

    assert row.estimate is not None  # a method without one has rows of its own
    trials = read(data, options, baseline="baseline" in row.options)
    kept, days = complete(data, trials), days_asked(trials.days, options)
    note_unseen(data, trials, kept, days)
    lines = []
    for day in days:
        y = trials.score[..., visit_of(trials.days, day)]
        for contrast, weights in contrasts_of(trials, options):
            asked = FileQuestion(
                y=y, arm=trials.arm, covariates=all_columns(trials), therapist=trials.therapist, weights=weights
            )
            about = Question(
                analysis=row.name, contrast=contrast, measure=row.measure, endpoint=row.endpoints[0], day=day
            )
            lines.append(fit_row(options, row.estimate(asked), about, n_used(y, kept)))
    return lines
