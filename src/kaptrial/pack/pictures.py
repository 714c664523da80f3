"""Figures of a pack as files: PDF, SVG and PNG in one and in two columns, with caption and alternative text inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from kaptrial.output.figures import DOUBLE, SINGLE, TITLE, WIDE_TITLE, titled
from kaptrial.output.files import output_folder, write_bytes, write_text
from kaptrial.pack.document import Picture
from kaptrial.pack.numbers import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS: Mapping[str, float] = {"one_column": SINGLE, "two_columns": DOUBLE}
DPI = 300


def metadata(picture: Picture) -> dict[str, dict[str, str | None]]:
    """Title and description as each format calls them; no date, so that the bytes are the same each time."""
    title, alt = plain(picture.caption), picture.alt
    return {
        "pdf": {"Title": title, "Subject": alt, "CreationDate": None},
        "svg": {"Title": title, "Description": alt, "Date": None},
        "png": {"Title": title, "Description": alt},
    }


def in_pages(pictures: Sequence[Picture]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """SVG and PNG of each figure as pages hold it: without title, which is its caption there."""
    svgs, pngs = {}, {}
    for picture in pictures:
        title = picture.figure.get_suptitle()
        _untitled(picture.figure)
        about = metadata(picture)
        svgs[picture.name] = _bytes(picture.figure, "svg", about["svg"])
        pngs[picture.name] = _bytes(picture.figure, "png", about["png"])
        titled(picture.figure, " ".join(title.split()), _characters(picture.figure))
    return svgs, pngs


def write_figures(folder: Path, pictures: Sequence[Picture], made: str, *, clean: bool) -> int:
    """Every figure in both widths, each beside a text of its caption and alternative text; how many files.

    `clean`: the picture holds neither title nor provenance, which then stand in the caption only.
    """
    n = 0
    for name, width in COLUMNS.items():
        with output_folder(folder / name):
            for picture in pictures:
                if width == SINGLE and not picture.fits_one_column:
                    continue
                _set_width(picture.figure, width)
                title = picture.figure.get_suptitle()
                if clean:
                    _untitled(picture.figure)
                else:
                    picture.figure.supxlabel(made, fontsize=6, color="0.35", x=0.99, ha="right")
                n += _write(folder / name, picture, made)
                titled(picture.figure, " ".join(title.split()), _characters(picture.figure))
    return n


def _write(folder: Path, picture: Picture, made: str) -> int:
    for suffix, about in metadata(picture).items():
        content = _bytes(picture.figure, suffix, about)
        write_bytes(folder / f"{picture.name}.{suffix}", lambda path, content=content: path.write_bytes(content))  # type: ignore[misc]
    text = f"{plain(picture.caption)}\n{made}\n\nAlternative text: {picture.alt}\n"
    write_text(folder / f"{picture.name}.txt", text)
    return 4


def _bytes(figure: Figure, suffix: str, about: Mapping[str, str | None]) -> bytes:
    out = BytesIO()
    figure.savefig(out, format=suffix, dpi=DPI, metadata=dict(about))
    return out.getvalue()


def _untitled(figure: Figure) -> None:
    figure.suptitle("")


def _characters(figure: Figure) -> int:
    return WIDE_TITLE if figure.get_size_inches()[0] > (SINGLE + DOUBLE) / 2 else TITLE


def _set_width(figure: Figure, width: float) -> None:
    """Another width, and the title wrapped anew."""
    own, height = figure.get_size_inches()
    if abs(own - width) < 0.01:
        return
    title = figure.get_suptitle()
    figure.set_size_inches(width, height)
    titled(figure, " ".join(title.split()), _characters(figure))
