"""What `report` prints: the answer, the verdict and what each section holds; sections asked for alone, in full."""

from __future__ import annotations

from kaptrial.output.tables import key, of_rows, text
from kaptrial.output.terminal import paragraph, table
from kaptrial.pack.answer import ReportResults
from kaptrial.pack.document import Bullets, Heading, Paragraph, Section, Table
from kaptrial.pack.numbers import plain


def show_report(results: ReportResults, *, wrote: bool, in_full: bool) -> None:
    """The lead of the pack and a table of its sections; with `in_full` all that text can show of them."""
    if in_full:
        for section in results.sections:
            _show(section)
    else:
        _show_lead(results)
    if not wrote:
        paragraph("\nnothing was written: name a folder to write the pack to")


def _show_lead(results: ReportResults) -> None:
    if results.headline is not None:
        paragraph(f"{results.headline.text}\n")
    rows = []
    for section in results.sections:
        first = section.blocks[0]
        lead = next((b for b in section.blocks if isinstance(b, Paragraph) and b.style == "lead"), None)
        if section.id == "worlds" and lead is not None:
            paragraph(f"{plain(lead.text)}\n")
        holds = [
            f"{n} {name}{'s' * (n > 1)}"
            for n, name in ((len(section.pictures), "figure"), (len(section.tables), "table"))
            if n
        ]
        why = plain(first.text) if isinstance(first, Paragraph) and not section.applies else ", ".join(holds) or "text"
        rows.append((section.id, section.title, why))
    table(*of_rows([("section", key), ("title", text), ("holds", text)], rows), title="The pack")


def _show(section: Section) -> None:
    """A section as text; of a figure its caption."""
    paragraph(f"{section.title.upper()}\n")
    for block in section.blocks:
        if isinstance(block, Paragraph):
            paragraph(f"{plain(block.text)}\n")
        elif isinstance(block, Heading):
            paragraph(block.text)
        elif isinstance(block, Bullets):
            for item in block.items:
                paragraph(f"- {plain(item)}", "  ")
            paragraph("")
        elif isinstance(block, Table):
            heads = [(heading, key if k == 0 else text) for k, heading in enumerate(block.headings)]
            rows = [[plain(str(cell)) for cell in row] for row in block.rows]
            table(*of_rows(heads, rows), title=plain(block.caption))
            paragraph("")
        else:
            paragraph(f"[figure: {plain(block.caption)}]\n")
