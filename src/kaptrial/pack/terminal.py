"""What `report` prints: the answer, the verdict, and what each section holds."""

from __future__ import annotations

from kaptrial.output.tables import key, of_rows, text
from kaptrial.output.terminal import paragraph, table
from kaptrial.pack.answer import ReportResults
from kaptrial.pack.document import Paragraph
from kaptrial.pack.numbers import plain


def show_report(results: ReportResults, *, wrote: bool) -> None:
    """The lead of the pack; where no folder was written, how to write one."""
    if results.headline is not None:
        paragraph(f"{results.headline.text}\n")
    for section in results.sections:
        lead = next((b for b in section.blocks if isinstance(b, Paragraph) and b.style == "lead"), None)
        if section.id == "worlds" and lead is not None:
            paragraph(f"{plain(lead.text)}\n")
    rows = []
    for section in results.sections:
        holds = []
        for number, name in ((len(section.pictures), "figure"), (len(section.tables), "table")):
            holds += [f"{number} {name}{'s' * (number > 1)}"] if number else []
        first = section.blocks[0]
        why = plain(first.text) if isinstance(first, Paragraph) and not section.applies else ", ".join(holds) or "text"
        rows.append((section.id, section.title, why))
    table(*of_rows([("section", key), ("title", text), ("holds", text)], rows), title="The pack")
    if not wrote:
        paragraph("\nnothing was written: name a folder to write the pack to")
