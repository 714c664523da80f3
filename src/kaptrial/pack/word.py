"""A pack as a Word document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from kaptrial.pack.columns import Columns, fitted
from kaptrial.pack.document import Block, Bullets, Heading, Paragraph, Picture, Section, Table
from kaptrial.pack.numbers import plain
from kaptrial.pack.prose import sentence, unbroken, words_and_code

# The same document each time: the day on which it was made does not stand in it.
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
# Inches: a page upright, its margins, and what stands between them.
PAGE_WIDTH, PAGE_HEIGHT, MARGIN = 8.5, 11.0, 1.0
TEXT_WIDTH, TEXT_HEIGHT = PAGE_WIDTH - 2 * MARGIN, PAGE_HEIGHT - 2 * MARGIN
# Inches left for the caption of a figure that is as high as its page.
CAPTION_HEIGHT = 1.0
# Rows up to which a table is kept on one page.
SHORT_TABLE = 14
FONT, CODE_FONT = "Arial", "Courier New"


def document(
    title: str, made: str, sections: Sequence[Section], pngs: Mapping[str, bytes], alts: Mapping[str, str]
) -> Any:
    """The document; figures with captions and alternative text, tables under their captions.

    A table too wide for an upright page stands on a page of its own across.
    """
    from docx import Document

    doc = Document()
    _styles(doc)
    _orient(doc.sections[0], across=False)
    properties = doc.core_properties
    properties.title, properties.author, properties.comments = title, "", made
    properties.created = properties.modified = properties.last_printed = _EPOCH
    doc.add_heading(title, level=0)
    doc.add_paragraph(made)
    for part in sections:
        _turn(doc, across=_across(part.blocks) is True)
        doc.add_heading(part.title, level=1)
        for i, block in enumerate(part.blocks):
            if not isinstance(block, Paragraph | Bullets):
                _turn(doc, across=_across(part.blocks[i:]))
            if isinstance(block, Paragraph):
                _paragraph(doc, block)
            elif isinstance(block, Heading):
                doc.add_heading(block.text, level=2)
            elif isinstance(block, Bullets):
                for item in block.items:
                    _write(doc.add_paragraph(style="List Bullet"), item)
            elif isinstance(block, Table):
                _table(doc, block)
            elif isinstance(block, Picture):
                _picture(doc, block, pngs[block.name], alts[block.name], made)
    return doc


def save(doc: Any, path: Path) -> None:
    """Write the document, the same bytes each time: python-docx packs its parts with the hour."""
    packed = BytesIO()
    doc.save(packed)
    with ZipFile(packed) as parts, ZipFile(path, "w") as out:
        for name in parts.namelist():
            out.writestr(ZipInfo(name), parts.read(name), ZIP_DEFLATED)


def _styles(doc: Any) -> None:
    """One font that every word processor has, and captions in the colour of the text."""
    from docx.oxml.ns import qn
    from docx.shared import Pt, RGBColor

    for name in ("Normal", "Title", "Heading 1", "Heading 2", "Caption"):
        style = doc.styles[name]
        style.font.name = FONT
        fonts = style.element.rPr.rFonts
        for theme in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
            fonts.attrib.pop(qn(f"w:{theme}"), None)
    doc.styles["Normal"].font.size = Pt(10.5)
    doc.styles["Title"].font.size = Pt(20)
    doc.styles["Caption"].font.color.rgb = RGBColor(0x1B, 0x1F, 0x24)


def _orient(section: Any, *, across: bool) -> None:
    from docx.enum.section import WD_ORIENT
    from docx.shared import Inches

    width, height = (PAGE_HEIGHT, PAGE_WIDTH) if across else (PAGE_WIDTH, PAGE_HEIGHT)
    section.orientation = WD_ORIENT.LANDSCAPE if across else WD_ORIENT.PORTRAIT
    section.page_width, section.page_height = Inches(width), Inches(height)
    section.left_margin = section.right_margin = section.top_margin = section.bottom_margin = Inches(MARGIN)


def _turn(doc: Any, *, across: bool | None) -> None:
    """Begin a new page the other way round where the last one is not as asked; None: any will do."""
    from docx.enum.section import WD_SECTION

    now = doc.sections[-1]
    if across is not None and across != (now.page_width > now.page_height):
        _orient(doc.add_section(WD_SECTION.NEW_PAGE), across=across)


def _across(blocks: Sequence[Block]) -> bool | None:
    """Whether the first table or figure of the blocks needs a page across; None where there is neither."""
    for block in blocks:
        if isinstance(block, Table):
            return _columns(block).across
        if isinstance(block, Picture):
            return False
    return None


def _columns(block: Table) -> Columns:
    cells = [[plain(str(cell)) for cell in row] for row in block.rows]
    return fitted(block.headings, cells, upright=TEXT_WIDTH, across=TEXT_HEIGHT)


def _paragraph(doc: Any, block: Paragraph) -> None:
    paragraph = doc.add_paragraph()
    for run in _write(paragraph, block.text):
        run.bold = block.style == "lead"
        run.italic = block.style == "note"


def _write(paragraph: Any, text: str) -> list[Any]:
    """The text as runs of the paragraph, what stands in backticks in another font."""
    runs = []
    for is_code, part in words_and_code(unbroken(plain(text))):
        runs.append(paragraph.add_run(part))
        if is_code:
            runs[-1].font.name = CODE_FONT
    return runs


def _table(doc: Any, block: Table) -> None:
    from docx.shared import Inches, Pt

    caption = doc.add_paragraph(style="Caption")
    caption.paragraph_format.keep_with_next = True
    _write(caption, block.caption)
    columns = _columns(block)
    widths = [Inches(width) for width in columns.widths]
    table = doc.add_table(rows=0, cols=len(block.headings))
    table.autofit = False
    for column, width in zip(table.columns, widths, strict=True):
        column.width = width
    _rule(table)
    lines = [block.headings, *([plain(str(cell)) for cell in row] for row in block.rows)]
    kept = len(block.rows) if len(block.rows) <= SHORT_TABLE else 2
    for i, line in enumerate(lines):
        row = table.add_row()
        _whole(row, repeated=i == 0)
        # Cells of a row are looked up once: python-docx walks the table for each look.
        for k, (cell, text, width) in enumerate(zip(row.cells, line, widths, strict=True)):
            cell.width = width
            paragraph = cell.paragraphs[0]
            paragraph.paragraph_format.space_after = Pt(1)
            paragraph.paragraph_format.keep_with_next = i < kept
            run = paragraph.add_run(text)
            run.font.size = Pt(columns.points)
            run.bold = i == 0 or (k == 0 and i - 1 in block.groups)
    doc.add_paragraph()


def _rule(table: Any) -> None:
    """Thin lines between the rows, and little room beside the text of a cell."""
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    line = 'w:val="single" w:sz="4" w:space="0" w:color="8C959F"'
    borders = "".join(f"<w:{side} {line}/>" for side in ("top", "bottom", "insideH"))
    table._tbl.tblPr.append(parse_xml(f"<w:tblBorders {nsdecls('w')}>{borders}</w:tblBorders>"))
    sides = "".join(f'<w:{side} w:w="70" w:type="dxa"/>' for side in ("left", "right"))
    table._tbl.tblPr.append(parse_xml(f"<w:tblCellMar {nsdecls('w')}>{sides}</w:tblCellMar>"))


def _whole(row: Any, *, repeated: bool) -> None:
    """A row that no page breaks; `repeated`: on top of each page of its table."""
    from docx.oxml import OxmlElement

    properties = row._tr.get_or_add_trPr()
    properties.append(OxmlElement("w:cantSplit"))
    if repeated:
        properties.append(OxmlElement("w:tblHeader"))


def _picture(doc: Any, block: Picture, png: bytes, alt: str, made: str) -> None:
    from docx.shared import Inches

    width, height = (float(side) for side in block.figure.get_size_inches())
    shrunk = min(1.0, TEXT_WIDTH / width, (TEXT_HEIGHT - CAPTION_HEIGHT) / height)
    shape = doc.add_picture(BytesIO(png), width=Inches(shrunk * width))
    about = shape._inline.docPr
    about.set("descr", alt)
    about.set("title", plain(block.caption))
    doc.paragraphs[-1].paragraph_format.keep_with_next = True
    caption = doc.add_paragraph(style="Caption")
    _write(caption, sentence(plain(block.caption)))
    caption.add_run(f" {made}").bold = False
