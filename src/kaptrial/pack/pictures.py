"""Figures of a pack as files: PDF, SVG and PNG in one and in two columns, with caption and alternative text inside."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from kaptrial.output.figures import DOUBLE, SINGLE, TITLE, WIDE_TITLE, titled
from kaptrial.output.files import output_folder, write_bytes, write_text
from kaptrial.pack.document import Picture
from kaptrial.pack.numbers import plain
from kaptrial.pack.prose import sentence, unbroken

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS: Mapping[str, float] = {"one_column": SINGLE, "two_columns": DOUBLE}
DPI = 300


def in_pages(pictures: Sequence[Picture]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """SVG and PNG of each figure as pages hold it: without title, which is its caption there."""
    svgs, pngs = {}, {}
    for picture in pictures:
        drawn = _drawn(picture, width=None, title=False)
        svgs[picture.name] = _bytes(drawn, "svg", picture)
        pngs[picture.name] = _bytes(drawn, "png", picture)
    return svgs, pngs


def write_figures(folder: Path, pictures: Sequence[Picture], made: str, *, clean: bool) -> int:
    """Every figure in both widths, each beside a text of its caption and alternative text; how many files.

    `clean`: the picture holds neither title nor provenance, which then stand in the caption only.
    """
    n = 0
    for name, width in COLUMNS.items():
        with output_folder(folder / name) as written:
            for picture in pictures:
                if width > SINGLE or picture.fits_one_column:
                    footer = "" if clean else made
                    _write(folder / name, picture, _drawn(picture, width=width, title=not clean, footer=footer), made)
            n += len(written.written)
    return n


def _drawn(picture: Picture, *, width: float | None, title: bool, footer: str = "") -> Figure:
    """A copy of the figure, laid out once: laid out again for each format, a figure would shrink a little each time."""
    figure: Figure = pickle.loads(pickle.dumps(picture.figure))
    if width is not None:
        figure.set_size_inches(width, figure.get_size_inches()[1])
    wide = figure.get_size_inches()[0] > (SINGLE + DOUBLE) / 2
    own = unbroken(" ".join(figure.get_suptitle().split()))
    titled(figure, own if title else "", WIDE_TITLE if wide else TITLE)
    if footer:
        figure.supxlabel(footer, fontsize=6, color="0.35", x=0.99, ha="right")
    # Text is as wide as in the files: laid out at another resolution, what stands at an edge would be cut.
    figure.set_dpi(DPI)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def _write(folder: Path, picture: Picture, figure: Figure, made: str) -> None:
    for suffix in ("pdf", "svg", "png"):
        content = _bytes(figure, suffix, picture)
        write_bytes(folder / f"{picture.name}.{suffix}", lambda path, content=content: path.write_bytes(content))  # type: ignore[misc]
    text = f"{plain(sentence(picture.caption))}\n{made}\n\nAlternative text: {picture.alt}\n"
    write_text(folder / f"{picture.name}.txt", text)


def _bytes(figure: Figure, suffix: str, picture: Picture) -> bytes:
    """The figure in a format, its caption and alternative text inside, and no date: the same bytes each time."""
    title, alt = plain(picture.caption), picture.alt
    about: dict[str, dict[str, str | None]] = {
        "pdf": {"Title": title, "Subject": alt, "CreationDate": None},
        "svg": {"Title": title, "Description": alt, "Date": None},
        "png": {"Title": title, "Description": alt},
    }
    out = BytesIO()
    figure.savefig(out, format=suffix, dpi=DPI, metadata=about[suffix])
    return out.getvalue()
