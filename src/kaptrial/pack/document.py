"""What a pack is made of: sections of paragraphs, lists, tables and figures, the same for every format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from kaptrial.pack.numbers import Number
from kaptrial.results import Value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cell = Number | str


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """Text, in which numbers are marked. `style`: a lead paragraph is the section's answer, a note an aside."""

    text: str
    style: Literal["body", "lead", "note"] = "body"


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A heading inside a section."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Bullets:
    """A list, an item a line."""

    items: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table: its file's name, what stands above it, headings and rows. The first column names the rows."""

    name: str
    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    @property
    def groups(self) -> frozenset[int]:
        """The rows that head those below: alone in holding nothing but a name, and not the last."""
        bare = [len(row) > 1 and bool(str(row[0])) and not any(str(cell) for cell in row[1:]) for row in self.rows]
        alone = (i for i in range(len(bare) - 1) if bare[i] and not bare[i + 1] and not (i and bare[i - 1]))
        return frozenset(alone)

    def values(self) -> list[dict[str, Value]]:
        """The rows for a CSV: numbers as they are, with a column for their Monte Carlo errors where they have one."""
        out = []
        for row in self.rows:
            line: dict[str, Value] = {}
            for heading, cell in zip(self.headings, row, strict=True):
                if isinstance(cell, Number):
                    line[heading] = cell.value
                    if cell.mcse is not None:
                        line[f"{heading}, MCSE"] = cell.mcse
                else:
                    line[heading] = cell
            out.append(line)
        return out


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure: its file's name, its caption, and what it shows to those who cannot see it.

    `fits_one_column`: whether it can be read in one column of a journal.
    """

    name: str
    caption: str
    alt: str
    figure: Figure
    fits_one_column: bool = True


Block = Paragraph | Heading | Bullets | Table | Picture


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of the pack. `applies`: False where its only block says why it has nothing to show."""

    id: str
    title: str
    blocks: Sequence[Block] = field(default_factory=list)
    applies: bool = True

    @property
    def pictures(self) -> list[Picture]:
        """Its figures."""
        return [block for block in self.blocks if isinstance(block, Picture)]

    @property
    def tables(self) -> list[Table]:
        """Its tables."""
        return [block for block in self.blocks if isinstance(block, Table)]


def not_applicable(id_: str, title: str, why: str) -> Section:
    """A section that says in a line why it does not apply."""
    return Section(id=id_, title=title, blocks=[Paragraph(text=why, style="note")], applies=False)
