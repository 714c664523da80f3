"""Run every notebook of this folder, or those named, and store it with its outputs but without times and versions.

uv run python notebooks/execute.py [NAME.ipynb ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent


def main(names: list[str]) -> None:
    for path in [HERE / name for name in names] or sorted(HERE.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        where = {"metadata": {"path": str(path.parent)}}
        NotebookClient(
            notebook, timeout=600, kernel_name="python3", resources=where, record_timing=False
        ).execute()  # raises on an error, and then nothing is stored
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook.metadata = nbformat.NotebookNode(kernelspec=kernel, language_info={"name": "python"})
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main(sys.argv[1:])
