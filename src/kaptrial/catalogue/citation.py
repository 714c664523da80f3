"""A publication as it is cited: its fields, and the text and BibTeX entry made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, with_config

Text = Annotated[str, Field(min_length=1)]
_UNPUBLISHED = "A row of an unpublished source document; authors not named."


@with_config(extra="forbid")
@dataclass(frozen=True, kw_only=True)
class Citation:
    """What was seen of a publication; what was not seen is absent. Fields have BibTeX's names where it has one.

    `authors`: family name and initials; `others`: there are more; `last_author`: the last of those. `body`: the
    institution or page that speaks, where no person does. `aside`: said of the authors, in brackets. `described`: what
    the work is about, in place of a title that was not seen. `month`: where pages are not known. `howpublished`: where,
    if in no journal. `unpublished`: only a document that the project came from speaks of it. `doi_status`: whether
    the DOI stood on a page that was read or was recalled.
    """

    authors: tuple[Text, ...] = ()
    others: bool = False
    last_author: Text | None = None
    body: Text | None = None
    aside: Text | None = None
    year: Annotated[int, Field(strict=True)] | None = None
    title: Text | None = None
    described: Text | None = None
    journal: Text | None = None
    volume: Text | None = None
    number: Text | None = None
    pages: Text | None = None
    month: Text | None = None
    howpublished: Text | None = None
    unpublished: bool = False
    doi: Text | None = None
    doi_status: Literal["seen", "recalled"] | None = None

    @property
    def work(self) -> str:
        """The title, or in square brackets what stands for it."""
        return self.title or f"[{self.described}]"

    @property
    def people(self) -> str:
        """Who wrote it."""
        named = ", ".join([*self.authors, *(["et al."] if self.others else [])])
        if self.last_author:
            named += f", ... {self.last_author}"
        named = named or self.body or "Authors not seen"
        return f"{named} ({self.aside})" if self.aside else named

    @property
    def place(self) -> str:
        """Journal, volume and pages, or how else it was published."""
        if self.journal is None:
            return self.howpublished or ""
        issue = (self.volume or "") + (f"({self.number})" if self.number else "")
        pages = f":{self.pages}" if self.pages else ""
        return f"{self.journal} {issue}{pages}".strip() + (f", {self.month} {self.year}" if self.month else "")

    @property
    def text(self) -> str:
        """The citation in one line, without the DOI."""
        if self.unpublished:
            return f"{self.work} {_UNPUBLISHED}"
        when = "No date seen" if self.year is None else str(self.year)
        return ". ".join(filter(None, [self.people.removesuffix("."), when, self.work, self.place]))

    def bibtex(self, key: str) -> str:
        """A BibTeX entry under a key."""
        names = [_bibtex_name(name) for name in (*self.authors, *filter(None, [self.last_author]))]
        names += ["others"] if self.others or self.last_author else []
        author = " and ".join(names) or (f"{{{self.body}}}" if self.body else None)
        fields: dict[str, Any] = {
            "author": author,
            "year": self.year,
            "title": f"{{{self.work}}}",
            "journal": self.journal,
            "volume": self.volume,
            "number": self.number,
            "pages": self.pages and self.pages.replace("-", "--"),
            "month": self.month,
            "howpublished": self.howpublished,
            "note": _UNPUBLISHED if self.unpublished else self.aside if author else self.people,
            "doi": self.doi,
            "annote": "DOI recalled: check before printing" if self.doi_status == "recalled" else None,
        }
        body = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items() if value)
        return f"@{'article' if self.journal else 'misc'}{{{key},\n{body}\n}}"


def _bibtex_name(name: str) -> str:
    """`Zarate CA Jr` as `Zarate, Jr, CA`; a family name alone in braces."""
    family, _, initials = name.removesuffix(" Jr").rpartition(" ")
    if not initials.isupper():
        return f"{{{name}}}"
    return f"{family}, {'Jr, ' if name.endswith(' Jr') else ''}{initials}"
