"""A scenario to one pack: its sections and all numbers in them, written as HTML, Word, Markdown, figures and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from kaptrial.citation import cite
from kaptrial.errors import FieldError, nearest
from kaptrial.output.files import output_folder, write_bytes, write_text
from kaptrial.output.folder import footer, write_results
from kaptrial.pack import pages, pictures, word
from kaptrial.pack.document import Picture, Section
from kaptrial.pack.facts import Facts
from kaptrial.pack.numbers import Number
from kaptrial.pack.sections import SECTIONS
from kaptrial.pack.sections.texts import citation
from kaptrial.pack.study import Study
from kaptrial.questions.power.controlled import said_of
from kaptrial.results import Results
from kaptrial.scenario.files import Raw
from kaptrial.scenario.scenario import Scenario


@dataclass(frozen=True, kw_only=True, repr=False)
class ReportResults(Results[Number]):
    """A pack: rows are the numbers that stand in it, by name; `sections` are its words, tables and figures."""

    scenario: Scenario
    sections: tuple[Section, ...]
    references: Mapping[str, str]

    @property
    def pictures(self) -> list[Picture]:
        """The figures of all sections."""
        return [picture for section in self.sections for picture in section.pictures]


def chosen(only: Sequence[str] | None, scenario: Scenario) -> list[str]:
    """The sections asked for, in the order of the pack; all unless any is named, but for one on interim analyses where
    the scenario has none. Raises FieldError for unknown ones."""
    for name in only or ():
        if name not in SECTIONS:
            known = ", ".join(SECTIONS)
            raise FieldError("only", name, f"must be one of {known}{nearest(name, SECTIONS)}")
    if only:
        return [name for name in SECTIONS if name in only]
    return [name for name in SECTIONS if name != "interim" or scenario.design.group_sequential is not None]


def answer(
    raw: Raw,
    *,
    provenance: Mapping[str, Any],
    seed: int,
    replicates: int,
    workers: int = 1,
    controls: bool = True,
    only: Sequence[str] | None = None,
    clean: bool = False,
    progress: Callable[[str], None] | None = None,
) -> ReportResults:
    """The pack of a scenario, or some sections of it; what a section does not need is not simulated.

    `clean`: figures in the folder hold neither title nor provenance.
    """
    provenance = {**provenance, **said_of(controls)}
    run: dict[str, Any] = {"seed": seed, "replicates": replicates, "workers": workers, "controls": controls}
    study = Study(raw, **run, provenance=provenance, progress=progress)
    names = chosen(only, study.scenario)
    facts = Facts(study)
    sections = tuple(SECTIONS[name](facts) for name in names)
    asked = study.power if "power" in vars(study) else None
    entries = {key: _bibtex(key, facts) for key in facts.sources} if "references" in names else {}
    return ReportResults(
        kind="report",
        rows=list(facts.numbers),
        provenance=provenance,
        notes=asked.notes if asked else (),
        headline=asked.headline if asked else None,
        figures=_figures_of,
        writer=partial(_write, clean=clean),
        scenario=study.scenario,
        sections=sections,
        references=entries,
    )


def _figures_of(results: ReportResults) -> dict[str, Any]:
    return {picture.name: picture.figure for picture in results.pictures}


def _bibtex(key: str, facts: Facts) -> str:
    own = facts.scenario.sources or {}
    return f"@misc{{{key},\n  note = {{{own[key]}}}\n}}" if key in own else citation(key).bibtex(key)


def _write(folder: Path, results: ReportResults, *, clean: bool) -> str:
    """report.html, report.docx, report.md; results.json and .csv (the numbers), scenario.yaml, references.bib; folders
    of figures and of tables."""
    made = footer(results.provenance)
    title = results.scenario.title
    svgs, pngs = pictures.in_pages(results.pictures)
    alts = {picture.name: picture.alt for picture in results.pictures}
    column = {p.name: "one_column" if p.fits_one_column else "two_columns" for p in results.pictures}
    places = {name: f"figures/{column[name]}/{name}.png" for name in column}
    with output_folder(folder) as written:
        write_text(folder / "report.html", pages.html(title, made, results.sections, svgs))
        write_text(folder / "report.md", pages.markdown(title, made, results.sections, places))
        doc = word.document(title, made, results.sections, pngs, alts)
        write_bytes(folder / "report.docx", partial(word.save, doc))
        write_results(folder, results, results.scenario)
        if results.references:
            entries = [*results.references.values(), cite("bibtex")]
            write_text(folder / "references.bib", "\n\n".join(entries) + "\n")
    n_figures = pictures.write_figures(folder / "figures", results.pictures, made, clean=clean)
    n_tables = _write_tables(folder / "tables", results.sections)
    return f"{written.said()}; {n_figures} in figures, {n_tables} in tables"


def _write_tables(folder: Path, sections: Sequence[Section]) -> int:
    import pandas as pd

    tables = [table for section in sections for table in section.tables]
    with output_folder(folder):
        for table in tables:
            write_text(folder / f"{table.name}.csv", pd.DataFrame(table.values()).to_csv(index=False))
    return len(tables)
