"""Stored notebooks as pages, with the outputs that they were stored with."""

from __future__ import annotations

import re
from pathlib import Path


def converted(notebook: Path) -> tuple[str, dict[str, bytes]]:
    """The page in Markdown, its title begun by the notebook's number, and its figures by their paths from there."""
    from nbconvert import MarkdownExporter  # of the group `docs`, which not everybody has who imports this package

    names = {"output_files_dir": f"{notebook.stem}_files", "unique_key": notebook.stem}
    text, resources = MarkdownExporter().from_filename(str(notebook), names)
    number = notebook.stem.partition("_")[0]
    # The number also has the search show a page of the same title before the notebook.
    return re.sub(r"^# ", f"# {number} ", text, count=1, flags=re.MULTILINE), resources["outputs"]
