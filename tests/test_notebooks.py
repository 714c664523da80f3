"""Notebooks import and call: they define nothing, hold no path of a machine, are stored executed, and run."""

from __future__ import annotations

import ast
import json
import re

import pytest

import kaptrial
from tests import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
# A path from the root of a Unix or Windows machine, wherever it may stand; not the one in an address or a fraction.
MACHINE_PATH = re.compile(r"(?<![\w.:/<])/(?:home|root|Users|work|tmp|usr|opt|var|private|mnt)/|\b[A-Za-z]:\\{1,2}\w")
MAX_PNG_BYTES = 150_000


def cells_of(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def imports_of_kaptrial(code):
    """What a text imports of this package, each import as it stands there."""
    found = []
    for node in ast.walk(ast.parse(code)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [ast.unparse(node) for name in names if name.partition(".")[0] == "kaptrial"]
    return found


def definitions_in(code):
    return [type(node).__name__ for node in ast.walk(ast.parse(code)) if isinstance(node, DEFINITIONS)]


def test_there_is_a_notebook():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_valid_and_stored_executed(path):
    import nbformat

    nbformat.validate(nbformat.read(path, as_version=4))
    code = [cell for cell in cells_of(path) if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not [out for cell in code for out in cell["outputs"] if out["output_type"] == "error"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_defines_nothing(path):
    assert [
        definition
        for c in cells_of(path)
        if c["cell_type"] == "code"
        for definition in definitions_in("".join(c["source"]))
    ] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_uses_public_names(path):
    code = ["".join(cell["source"]) for cell in cells_of(path) if cell["cell_type"] == "code"]
    assert [each for text in code for each in imports_of_kaptrial(text)] == ["import kaptrial as kt"]
    used = {name for text in code for name in re.findall(r"\bkt\.(\w+)", text)}
    assert used - {"__version__"} <= set(kaptrial.__all__)


@pytest.mark.parametrize(
    "code", ["from kaptrial.api import power", "import kaptrial.results", "import numpy, kaptrial"]
)
def test_other_imports_of_the_package_are_seen(code):
    assert imports_of_kaptrial(code) == [code]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_holds_no_path_of_a_machine_and_no_trace_of_its_run(path):
    raw = json.loads(path.read_text(encoding="utf-8"))
    assert set(raw["metadata"]) <= {"kernelspec", "language_info"}
    assert all(set(cell["metadata"]) <= {"tags"} for cell in raw["cells"])
    images = [o.get("data", {}).pop("image/png", "") for cell in raw["cells"] for o in cell.get("outputs", ())]
    assert MACHINE_PATH.findall(json.dumps(raw)) == []
    assert max(len(image) * 3 / 4 for image in images) <= MAX_PNG_BYTES


@pytest.mark.parametrize("text", ["open('/home/me/x.csv')", "at /tmp/run", r"C:\Users\me", r"C:\\Users\\me"])
def test_machine_paths_are_seen(text):
    assert MACHINE_PATH.search(text)


@pytest.mark.parametrize("text", ["../scenarios/a.yaml", "https://x.org/home/page", "detectable / plausible", "<br/>"])
def test_other_slashes_are_not(text):
    assert MACHINE_PATH.search(text) is None


@pytest.mark.parametrize(
    "code", ["def f(): pass", "class A: pass", "f = lambda x: x", "for i in x:\n  async def f(): 1"]
)
def test_definitions_are_seen(code):
    assert definitions_in(code)


@pytest.mark.validation
@pytest.mark.filterwarnings("default")  # of the machinery that runs notebooks
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()  # raises on an error
