"""`kaptrial cite`: how to cite this version."""

from __future__ import annotations

from typing import Annotated

import typer


def cite(
    form: Annotated[str, typer.Option("--format", metavar="FORM", help="text, bibtex or cff.")] = "text",
) -> None:
    """How to cite this version of kaptrial: a sentence, BibTeX, or a CITATION.cff."""
    from kaptrial.citation import cite as cited
    from kaptrial.output.terminal import say

    say(cited(form))
