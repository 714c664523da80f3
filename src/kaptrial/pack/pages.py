"""A pack as pages: HTML in one file, and Markdown beside its figures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import cache

import jinja2
from markupsafe import Markup, escape

from kaptrial.pack.document import Block, Picture, Section
from kaptrial.pack.numbers import pieces, plain

# CSS pixels of an inch: a little larger than in print.
PIXELS = 120
# Characters from which a cell of a table is a text and no longer a number or a name.
LONG_CELL = 28


@cache
def _templates(html: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("kaptrial.pack"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=html,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _cell
    return environment


def html(title: str, made: str, sections: Sequence[Section], svgs: Mapping[str, bytes]) -> str:
    """One page with its style and figures inside; every number stands in a `data` element with its name."""

    def source(picture: Picture) -> str:
        return "data:image/svg+xml;base64," + base64.b64encode(svgs[picture.name]).decode()

    def caption(picture: Picture) -> Markup:
        return Markup("{} <span class='made'>{}</span>").format(_marked(_sentence(picture.caption)), made)

    return (
        _templates(True)
        .get_template("page.html.j2")
        .render(
            title=title,
            made=made,
            sections=sections,
            kind_of=_kind_of,
            marked=_marked,
            plain=plain,
            picture=source,
            caption=caption,
            size=_size,
            wide=_wide,
            is_group=_is_group,
        )
    )


def markdown(title: str, made: str, sections: Sequence[Section], places: Mapping[str, str]) -> str:
    """Markdown with its figures at `places`, by their names."""

    def caption(picture: Picture) -> str:
        return f"*{plain(_sentence(picture.caption))} {made}*"

    return (
        _templates(False)
        .get_template("page.md.j2")
        .render(
            title=title,
            made=made,
            sections=sections,
            kind_of=_kind_of,
            plain=plain,
            picture=lambda picture: places[picture.name],
            caption=caption,
        )
    )


def _kind_of(block: Block) -> str:
    return type(block).__name__


def _marked(text: object) -> Markup:
    """Text with a `data` element around each number."""
    parts = []
    for key, shown in pieces(str(text)):
        parts.append(escape(shown) if key is None else Markup('<data value="{}">{}</data>').format(key, shown))
    return Markup("").join(parts)


def _wide(cell: object) -> Markup:
    """The class of a cell of several words, which gets room."""
    return Markup(' class="text"') if len(plain(str(cell))) > LONG_CELL else Markup("")


def _is_group(row: Sequence[object]) -> bool:
    """Whether a row is a heading over those below it: only its first cell holds anything."""
    return len(row) > 1 and bool(str(row[0])) and not any(str(cell) for cell in row[1:])


def _cell(value: object) -> str:
    """Text as it may stand in a cell of a Markdown table."""
    return plain(str(value)).replace("|", "\\|").replace("\n", " ")


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _size(picture: Picture) -> tuple[int, int]:
    width, height = picture.figure.get_size_inches()
    return round(width * PIXELS), round(height * PIXELS)
