"""The texts of the pack, its checklists and its references."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kaptrial.catalogue import source, trial, trial_keys
from kaptrial.catalogue.citation import Citation
from kaptrial.catalogue.priors import prior_names
from kaptrial.pack import words
from kaptrial.pack.checklist import YOURS, items, statements
from kaptrial.pack.document import Block, Bullets, Heading, Paragraph, Section, Table
from kaptrial.pack.facts import Facts

if TYPE_CHECKING:
    pass

from kaptrial.pack.sections.titles import TITLES


def sample_size(facts: Facts) -> Section:
    blocks: list[Block] = [
        Heading(text="In one sentence"),
        Paragraph(text=facts.one_sentence),
        Heading(text="In a paragraph"),
    ]
    blocks += [Paragraph(text=text) for text in words.sample_size(facts)]
    blocks += [Heading(text="On a page")]
    blocks += [Paragraph(text=text) for text in words.sample_size_page(facts)]
    return Section(id="sample_size", title=TITLES["sample_size"], blocks=blocks)


def text(id_: str, make: Callable[[Facts], Sequence[str]]) -> Callable[[Facts], Section]:
    def section(facts: Facts) -> Section:
        return Section(id=id_, title=TITLES[id_], blocks=[Paragraph(text=text) for text in make(facts)])

    return section


def limits(facts: Facts) -> Section:
    return Section(id="limits", title=TITLES["limits"], blocks=[Bullets(items=words.limits(facts))])


def checklist(facts: Facts) -> Section:
    blocks: list[Block] = []
    absent = {
        "assurance": facts.scenario.prior is None,
        "decision": facts.study.declares_no_decision,
        "clinic": facts.scenario.clinic is None,
        "enrolment": facts.scenario.design.enrolment is None,
    }
    for statement in statements():
        rows = []
        for item in items():
            if item.statement != statement.name:
                continue
            answer = item.with_looks if item.with_looks and facts.study.has_looks else item.where
            is_yours = answer == YOURS or absent.get(answer, False)
            where = "yours to write" if is_yours else TITLES[answer]
            note = item.note if not is_yours or answer == YOURS else ""
            unchecked = "" if item.checked else " (number not checked at its source)"
            rows.append([f"{item.number}{unchecked}", item.topic, where, note])
        caption = f"{statement.name}: {statement.use}. {statement.citation} doi:{statement.doi}"
        blocks.append(
            Table(
                name=f"checklist_{statement.name.lower().replace(' ', '_')}",
                caption=caption,
                headings=["Item", "About", "Where in this pack", "Left to write"],
                rows=rows,
            )
        )
    lead = "Which items of the reporting statements this pack answers, and which are yours to write."
    return Section(id="checklist", title=TITLES["checklist"], blocks=[Paragraph(text=lead, style="lead"), *blocks])


def reference_list(facts: Facts) -> Section:
    lines = [f"[{key}] {publication}" for key, publication in references(facts).items()]
    lines.append(facts.cited)
    return Section(id="references", title=TITLES["references"], blocks=[Bullets(items=lines)])


def references(facts: Facts) -> dict[str, str]:
    """The text of every publication that the pack cites, by its key."""
    own = facts.scenario.sources or {}
    return {key: own[key] if key in own else citation(key).text for key in facts.sources}


def citation(key: str) -> Citation:
    """The citation of a publication of the catalogue."""
    if key in trial_keys():
        return trial(key).citation
    if key in prior_names():  # a fit of this package to published trials, and no publication
        described = f"Prior {key}: the synthesis of published trials that kaptrial ships (docs/synthesis.md)"
        return Citation(body="The kaptrial developers", described=described)
    return Citation(**source(key)["citation"])
