"""Make the notebooks of this folder, or those named, from their sources, run them, and store them with their outputs.

uv run python notebooks/execute.py [NAME ...]

The source of NAME.ipynb is NAME.py, in jupytext's percent format. Times, versions and random identifiers are left out,
so that a notebook changes only where its source or its results do.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
# What a cell sets that says how long a notebook runs.
SIZE = re.compile(r"^(REPLICATES|DRAWS) = \d+$", re.M)


def sources() -> list[Path]:
    """The sources of all notebooks, in the order in which they are numbered."""
    return sorted(HERE.glob("[0-9][0-9]_*.py"))


def notebook_of(source: Path) -> nbformat.NotebookNode:
    """The notebook of a source, not yet run."""
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number}"
        cell.metadata = nbformat.NotebookNode()
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = nbformat.NotebookNode(kernelspec=kernel, language_info={"name": "python"})
    return notebook


def shrunk(notebook: nbformat.NotebookNode, **sizes: int) -> nbformat.NotebookNode:
    """The notebook at another size: the numbers of REPLICATES and DRAWS that it sets, replaced."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = SIZE.sub(lambda set_: f"{set_[1]} = {sizes[set_[1]]}", cell.source)
    return notebook


def run(notebook: nbformat.NotebookNode, *, timeout: int) -> nbformat.NotebookNode:
    """Run all cells, each at most `timeout` seconds. Raises on an error."""
    where = {"metadata": {"path": str(HERE)}}
    client = NotebookClient(notebook, timeout=timeout, kernel_name="python3", resources=where, record_timing=False)
    return client.execute()


def main(names: list[str]) -> None:
    for source in [HERE / f"{Path(name).stem}.py" for name in names] or sources():
        notebook = run(notebook_of(source), timeout=600)
        notebook.metadata.language_info = nbformat.NotebookNode(name="python")
        nbformat.write(notebook, source.with_suffix(".ipynb"))


if __name__ == "__main__":
    main(sys.argv[1:])
