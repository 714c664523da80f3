"""Stored notebooks as pages, with the outputs that they were stored with."""

from __future__ import annotations

from pathlib import Path


def converted(notebook: Path) -> tuple[str, dict[str, bytes]]:
    """The page in Markdown, and its figures by their paths from there."""
    from nbconvert import MarkdownExporter  # of the group `docs`, which not everybody has who imports this package

    names = {"output_files_dir": f"{notebook.stem}_files", "unique_key": notebook.stem}
    text, resources = MarkdownExporter().from_filename(str(notebook), names)
    return text, resources["outputs"]
