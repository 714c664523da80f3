"""A pack as pages: HTML in one file, and Markdown beside its figures."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from functools import cache

import jinja2
from markupsafe import Markup, escape

from kaptrial.pack.document import Block, Picture, Section
from kaptrial.pack.numbers import pieces, plain
from kaptrial.pack.prose import sentence, unbroken, words_and_code

# CSS pixels of an inch: a little larger than in print.
PIXELS = 120
# Inches from which a figure is wider than a telephone and is moved under it rather than made smaller.
WIDE_PICTURE = 5
# Characters from which a cell of a table is a text and no longer a number or a name.
LONG_CELL = 24
# Where the path of a number may go on in the next line.
_JOINT = re.compile(r"(?<=[a-z])([._])(?=[a-z])")


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
        return Markup("{} <span class='made'>{}</span>").format(_marked(sentence(picture.caption)), made)

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
            is_wide=_is_wide,
            cell_class=_cell_class,
        )
    )


def markdown(title: str, made: str, sections: Sequence[Section], places: Mapping[str, str]) -> str:
    """Markdown with its figures at `places`, by their names."""

    def caption(picture: Picture) -> str:
        return f"*{plain(sentence(picture.caption))} {made}*"

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
    """Text with a `data` element around each number, and `code` around what stands in backticks."""
    parts = []
    for key, shown in pieces(str(text)):
        if key is None:
            parts += [
                Markup("<code>{}</code>").format(part) if code else _breakable(part)
                for code, part in words_and_code(shown)
            ]
        else:
            parts.append(Markup('<data value="{}">{}</data>').format(key, shown))
    return Markup("").join(parts)


def _breakable(text: str) -> Markup:
    """Escaped text whose long paths may be broken at their dots and underscores."""
    return Markup(_JOINT.sub(r"\1<wbr>", str(escape(unbroken(text)))))


def _cell_class(cell: object) -> Markup:
    """The class of a cell of several words, which gets room."""
    shown = plain(str(cell))
    return Markup(' class="text"') if len(shown) > LONG_CELL and " " in shown else Markup("")


def _cell(value: object) -> str:
    """Text as it may stand in a cell of a Markdown table."""
    return plain(str(value)).replace("|", "\\|").replace("\n", " ")


def _size(picture: Picture) -> tuple[int, int]:
    width, height = picture.figure.get_size_inches()
    return round(width * PIXELS), round(height * PIXELS)


def _is_wide(picture: Picture) -> bool:
    width: float = picture.figure.get_size_inches()[0]
    return width > WIDE_PICTURE
