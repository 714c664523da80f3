"""How kaptrial itself is cited: a sentence, BibTeX, or the Citation File Format that the repository's root holds."""

from __future__ import annotations

from kaptrial import __version__
from kaptrial.errors import FieldError, nearest

AUTHORS = "The kaptrial developers"
TITLE = "kaptrial: simulation and design of ketamine versus ketamine-plus-psychotherapy trials"
# The day of this version, as the changelog has it.
RELEASED = "2026-11-26"
LICENSE = "MIT"
MESSAGE = "If you use kaptrial in a proposal or a paper, please cite it with the version and the seed you ran."


def cite(format: str = "text") -> str:
    """How to cite this version of kaptrial.

    Parameters
    ----------
    format : str
        ``"text"``, ``"bibtex"`` or ``"cff"``.

    Returns
    -------
    str

    Raises
    ------
    FieldError
        For another format.

    Examples
    --------
    >>> import kaptrial as kt
    >>> kt.cite("bibtex").splitlines()[0]
    '@misc{kaptrial,'
    """
    forms = {"text": _sentence, "bibtex": _bibtex, "cff": _cff}
    if format not in forms:
        raise FieldError("format", format, f"must be one of {', '.join(forms)}{nearest(format, forms)}")
    return forms[format]()


def _sentence() -> str:
    return f"{AUTHORS} ({RELEASED[:4]}). {TITLE} (version {__version__}) [computer software]."


def _bibtex() -> str:
    # Braces within keep the group one name, and the title its small letters.
    entries = {
        "author": f"{{{AUTHORS}}}",
        "year": RELEASED[:4],
        "title": f"{{{TITLE}}}",
        "howpublished": "Computer software",
        "note": f"Version {__version__}",
    }
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in entries.items())
    return f"@misc{{kaptrial,\n{lines}\n}}"


def _cff() -> str:
    return "\n".join(
        (
            "cff-version: 1.2.0",
            f'title: "{TITLE}"',
            f'message: "{MESSAGE}"',
            "type: software",
            "authors:",
            f'  - name: "{AUTHORS}"',
            f"version: {__version__}",
            f"date-released: {RELEASED}",
            f"license: {LICENSE}",
        )
    )
