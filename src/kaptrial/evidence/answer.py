"""Trials, of the catalogue or of a file, to one answer: the published figures, or what the model predicts of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaptrial.catalogue import Citation, Trial, read_trial, source, source_keys, trial, trial_keys
from kaptrial.catalogue.priors import prior_names
from kaptrial.errors import FieldError, UserError, nearest
from kaptrial.evidence.terminal import figure_row, trial_row
from kaptrial.output.folder import write_folder
from kaptrial.results import Line, Note, Results, provenance

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, repr=False)
class PublicationResults(Results[Line]):
    """The figures read in a publication, and how it is cited under its key."""

    key: str
    citation: Citation


@dataclass(frozen=True, kw_only=True, repr=False)
class TrialResults(PublicationResults):
    """The published figures of a trial, and the trial."""

    trial: Trial


@dataclass(frozen=True, kw_only=True, repr=False)
class ReplicationResults(Results[Line]):
    """Results of `replicate`; `table`: the same as a frame, `calibration`: how often intervals hold what was found."""

    table: pd.DataFrame
    calibration: pd.DataFrame


@dataclass(frozen=True, kw_only=True, repr=False)
class PredictionResults(ReplicationResults):
    """Results of `predict`; `card`: what a new depression trial would show, before and after the trial's figures."""

    card: pd.DataFrame


def varied_evidence(*, seed: int) -> Results[Line]:
    """What the main figures would be with other evidence: a row for what is shipped, and for each change to it."""
    from kaptrial.evidence import other_evidence
    from kaptrial.evidence.output import write_sensitivity

    rows = other_evidence.rows(seed=seed)
    return Results(
        kind="sensitivity",
        rows=[Line(numbers=row) for row in rows],
        provenance=provenance(seed=seed, **other_evidence.FIGURES),
        notes=[*([_rough_rows(rows)] if any(row["rough"] for row in rows) else []), _without_row()],
        writer=partial(write_folder, write_sensitivity),
    )


def _rough_rows(rows: Sequence[Mapping[str, Any]]) -> Note:
    from kaptrial.evidence.synthesis.shipped import LARGEST_K

    rough = sum(bool(row["rough"]) for row in rows)
    text = f"Rough, by weights with a Pareto k above {LARGEST_K}: {rough} of {len(rows)} rows, marked by *."
    return Note(code="rough_rows", severity="warning", text=text)


def _without_row() -> Note:
    from kaptrial.evidence.other_evidence import without_row

    by_reason: dict[str, dict[str, None]] = {}  # figures of several arms under one name are named once
    for key, figure, why in without_row():
        by_reason.setdefault(why, {})[f"{key} ({figure})"] = None
    said = "; ".join(f"{', '.join(figures)}: {why}" for why, figures in by_reason.items())
    return Note(code="without_row", severity="information", text=f"Excluded figures without a row. {said}.")


def card(prior: str | None, indication: str, *, seed: int) -> Results[Line]:
    """What a shipped prior says a new trial of an indication would show, beside what was published of it.

    Raises FieldError where there is no such prior, or it does not speak of the indication.
    """
    from kaptrial.evidence import cards
    from kaptrial.evidence.published import beside, outside
    from kaptrial.evidence.shipped_priors import PRIOR

    prior = prior or PRIOR
    if prior not in prior_names():
        raise FieldError("prior", prior, f"must be one of {', '.join(prior_names())}{nearest(prior, prior_names())}")
    name = cards.indication_named(indication, prior)
    lines, outlying = [], []
    for row in cards.card(prior, indication=name, seed=seed):
        figures = beside(row, cards.references(name, row["figure"]), prior)
        sources = ", ".join(dict.fromkeys(p.source for p in figures))
        lines.append(Line(numbers=row | {"published": "; ".join(p.text for p in figures), "source": sources}))
        outlying += [note] if (note := outside(row, figures)) is not None else []
    about = {"prior": prior, "indication": name, "setting": cards.setting(name), "seed": seed}
    return Results(
        kind="card",
        rows=lines,
        provenance=provenance(**about),
        notes=[*outlying, *cards.learnt(prior, name)],
        writer=partial(write_folder, _write_card),
    )


def durations(*, seed: int) -> Results[Line]:
    """How long effects last, as the literature states it and as the shipped prior has it."""
    from kaptrial.evidence import duration_summary
    from kaptrial.evidence.shipped_priors import PRIOR

    lines = [Line(numbers=row) for row in duration_summary.rows(seed=seed)]
    return Results(kind="durations", rows=lines, provenance=provenance(prior=PRIOR, seed=seed))


def _write_card(folder: Path, results: Results[Line]) -> None:
    from kaptrial.evidence.output import write_card  # which loads what draws

    write_card(folder, results)


def trial_named(key: str) -> Trial:
    """A trial by its key in the catalogue, or by the path of a file of its form. Raises UserError where it is none."""
    if key in trial_keys():
        return trial(key)
    if key.endswith((".yaml", ".yml")):
        from kaptrial.evidence.synthesis.layout import check

        try:
            study = read_trial(Path(key))
            check(study)
            return study
        except FieldError as error:
            raise UserError(f"{key}: {error}") from None
    raise UserError(
        f"{key}: must be a catalogued trial (`kaptrial evidence list`) or a YAML file{nearest(key, trial_keys())}"
    )


def published(study: Trial) -> TrialResults:
    """The figures of a trial, with where each was read."""
    lines = [Line(numbers=figure_row(study, figure)) for figure in study.figures]
    return TrialResults(
        kind="evidence",
        rows=lines,
        provenance=provenance(**trial_row(study)),
        key=study.key,
        citation=study.citation,
        trial=study,
    )


def read_in(key: str) -> PublicationResults:
    """The figures read in a trial, or in another publication of the catalogue. Raises UserError for what is neither."""
    try:
        other = source(key)
    except KeyError:
        return published(_trial_for(key))
    citation = Citation(**other["citation"])
    notes = [Note(code="source", severity="information", text=other["notes"])] if "notes" in other else []
    return PublicationResults(
        kind="evidence",
        rows=[Line(numbers={"key": key, **figure}) for figure in other.get("figures", ())],
        provenance=provenance(key=key, citation=citation.text, doi=citation.doi, doi_status=citation.doi_status),
        notes=notes,
        key=key,
        citation=citation,
    )


def _trial_for(key: str) -> Trial:
    """The trial of a key that names no other source."""
    if key in prior_names():
        raise UserError(f"{key}: is a design prior, which `kaptrial evidence card` shows")
    if key in trial_keys() or key.endswith((".yaml", ".yml")):
        return trial_named(key)
    near = nearest(key, sorted(source_keys()))
    raise UserError(
        f"{key}: must be a trial (`kaptrial evidence list`) or another source of the catalogue, or a YAML file{near}"
    )


def replicated(keys: Sequence[str], *, seed: int, replicates: int) -> ReplicationResults:
    """Each trial's figures beside what the model fitted without it predicts.

    Raises UserError for a trial that the model cannot be asked for.
    """
    from kaptrial.evidence.output import replication_figures, write_replication
    from kaptrial.evidence.replication import calibration, replicate

    said = ", ".join(keys)
    try:
        table = replicate([trial_named(key) for key in keys], seed=seed, replicates=replicates)
    except FieldError as error:
        raise UserError(f"{said}: {error}") from None
    if table.empty:
        raise UserError(
            f"{said}: no figure of this trial is a target of the model (see `kaptrial evidence show {said}`)"
        )
    return ReplicationResults(
        notes=_rough_folds(table),
        kind="replication",
        rows=[Line(numbers={str(name): value for name, value in row.items()}) for row in table.to_dict("records")],
        provenance=provenance(seed=seed, replicates=replicates, trials=len(keys)),
        figures=replication_figures,
        writer=partial(write_folder, write_replication),
        table=table,
        calibration=calibration(table),
    )


def _rough_folds(table: pd.DataFrame) -> list[Note]:
    """Which of the trials are predicted by draws that hardly leave them out."""
    from kaptrial.evidence.synthesis.shipped import LARGEST_K, rough_folds

    rough = {key: k for key, k in rough_folds().items() if key in set(table["trial"])}
    if not rough:
        return []
    said = ", ".join(f"{key} ({k:.1f})" for key, k in rough.items())
    text = f"Left out by weights with a Pareto k above {LARGEST_K}, and so only roughly: {said}."
    return [Note(code="rough_folds", severity="warning", text=text)]


def predicted(key: str, *, seed: int, replicates: int) -> PredictionResults:
    """The figures of one trial on what is predicted of them, and what the card becomes with them.

    Raises UserError for a trial that the model cannot be asked for.
    """
    from kaptrial.evidence.output import replication_figures, write_prediction
    from kaptrial.evidence.reweighting import reweighted

    results = replicated([key], seed=seed, replicates=replicates)
    card, said, note = reweighted(trial_named(key), seed=seed)
    named = card.rename(columns={"figure": "card_line", "unit": "card_unit"})  # `unit` of the figures is a number
    lines = [Line(numbers={str(name): value for name, value in row.items()}) for row in named.to_dict("records")]
    return PredictionResults(
        kind="prediction",
        rows=[*results.rows, *lines],
        provenance={**results.provenance, **said},
        notes=[*results.notes, note],
        figures=replication_figures,
        writer=partial(write_folder, write_prediction),
        table=results.table,
        calibration=results.calibration,
        card=card,
    )
