"""A pack as a Word document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from kaptrial.pack.document import Bullets, Heading, Paragraph, Picture, Section, Table
from kaptrial.pack.numbers import plain

# The same document each time: the day on which it was made does not stand in it.
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
# Inches between the margins.
TEXT_WIDTH = 6.5
WIDE = 6


def document(
    title: str, made: str, sections: Sequence[Section], pngs: Mapping[str, bytes], alts: Mapping[str, str]
) -> Any:
    """The document; figures with captions and alternative text, tables under their captions."""
    from docx import Document
    from docx.shared import Inches, Pt

    doc = Document()
    for section in doc.sections:
        section.left_margin = section.right_margin = Inches((8.5 - TEXT_WIDTH) / 2)
    doc.styles["Normal"].font.name = "Calibri"
    doc.styles["Normal"].font.size = Pt(11)
    properties = doc.core_properties
    properties.title, properties.author, properties.comments = title, "", made
    properties.created = properties.modified = properties.last_printed = _EPOCH
    doc.add_heading(title, level=0)
    doc.add_paragraph(made)
    for part in sections:
        doc.add_heading(part.title, level=1)
        for block in part.blocks:
            if isinstance(block, Paragraph):
                _paragraph(doc, block)
            elif isinstance(block, Heading):
                doc.add_heading(block.text, level=2)
            elif isinstance(block, Bullets):
                for item in block.items:
                    doc.add_paragraph(plain(item), style="List Bullet")
            elif isinstance(block, Table):
                _table(doc, block)
            elif isinstance(block, Picture):
                _picture(doc, block, pngs[block.name], alts[block.name], made)
    return doc


def save(doc: Any, path: Path) -> None:
    """Write the document."""
    doc.save(str(path))


def _paragraph(doc: Any, block: Paragraph) -> None:
    paragraph = doc.add_paragraph()
    run = paragraph.add_run(plain(block.text))
    run.bold = block.style == "lead"
    run.italic = block.style == "note"


def _table(doc: Any, block: Table) -> None:
    from docx.shared import Pt

    caption = doc.add_paragraph(plain(block.caption), style="Caption")
    caption.paragraph_format.keep_with_next = True
    table = doc.add_table(rows=1, cols=len(block.headings), style="Light Grid Accent 1")
    size = Pt(9) if len(block.headings) <= WIDE else Pt(7.5)
    for cell, heading in zip(table.rows[0].cells, block.headings, strict=True):
        _fill(cell, heading, size)
    for row in block.rows:
        # Cells of a row are looked up once: python-docx walks the table for each look.
        for cell, value in zip(table.add_row().cells, row, strict=True):
            _fill(cell, plain(str(value)), size)
    doc.add_paragraph()


def _fill(cell: Any, text: str, size: Any) -> None:
    run = cell.paragraphs[0].add_run(text)
    run.font.size = size


def _picture(doc: Any, block: Picture, png: bytes, alt: str, made: str) -> None:
    from docx.shared import Inches

    width = min(TEXT_WIDTH, float(block.figure.get_size_inches()[0]))
    shape = doc.add_picture(BytesIO(png), width=Inches(width))
    about = shape._inline.docPr
    about.set("descr", alt)
    about.set("title", plain(block.caption))
    doc.paragraphs[-1].paragraph_format.keep_with_next = True
    doc.add_paragraph(f"{plain(block.caption)} {made}", style="Caption")
