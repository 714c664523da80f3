"""Links of the repository's Markdown, as they must read where a page of the site stands."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
# A page named in prose, outside code and the text of a link.
PAGE = re.compile(r"(?<![`\[/\w])docs/[\w/]+\.md")
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
CODE_BLOCK = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def relinked(text: str, source: str, page: str, pages: Mapping[str, str]) -> str:
    """The text of a file of the repository, `source`, with the links that it needs as a page of the site, `page`.

    `pages` gives by file, and by file#anchor where a file is cut into several pages, where it stands in the site. A
    link to another file becomes its text and the file's path; one to nothing stays, for the build to report. Where
    prose names a page it becomes a link.
    """

    def change(part: str) -> str:
        part = LINK.sub(lambda link: _relinked(link, source, page, pages), part)
        return PAGE.sub(lambda name: _named(name[0], page, pages), part)

    return _outside_code(text, change)


def anchor(title: str) -> str:
    """What a heading is called in a link, as GitHub and the site make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    parts = CODE_BLOCK.split(text)
    return "".join(part if i % 2 else change(part) for i, part in enumerate(parts))


def _relinked(link: re.Match[str], source: str, page: str, pages: Mapping[str, str]) -> str:
    target, text = link["target"], link["text"]
    if re.match(r"[a-z]+:|#", target) and f"{source}{target}" not in pages:
        return link[0]
    path, hash_sign, heading = target.partition("#")
    file = posixpath.normpath(posixpath.join(posixpath.dirname(source), path)) if path else source
    new = pages.get(f"{file}#{heading}", pages.get(file))
    if new is None:
        if not (ROOT / file).exists():
            return link[0]
        return f"`{file}`" if file.startswith(text) else f"{text} (`{file}`)"
    return f"{link['image']}[{text}]({_relative(new, page)}{hash_sign}{heading})"


def _named(file: str, page: str, pages: Mapping[str, str]) -> str:
    return f"[{file}]({_relative(pages[file], page)})" if file in pages else file


def _relative(target: str, page: str) -> str:
    return posixpath.relpath(target, posixpath.dirname(page) or ".")
