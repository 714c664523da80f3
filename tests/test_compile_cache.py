"""Compiled functions are those of the sources that stand there, wherever they can be kept."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

import kaptrial
from kaptrial import compile_cache
from tests import ROOT

PACKAGE = ROOT / "src" / "kaptrial"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package in a folder of its own, without what was compiled."""
    shutil.copytree(PACKAGE, tmp_path / "kaptrial", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "kaptrial"


def run(folder: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m …` on the package in this folder."""
    given = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    given |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"} | environment
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, env=given, capture_output=True, text=True, check=True, cwd=folder)


def test_compiled_functions_go_to_the_folder_of_this_code():
    assert Path(numba.config.CACHE_DIR).name == f"kaptrial-{kaptrial.__code__}"


def test_every_file_with_compiled_functions_and_what_it_imports_counts():
    sources = {path.relative_to(PACKAGE).as_posix() for path in compile_cache.compiled_sources()}
    compiled = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if "\n@njit" in path.read_text()}
    assert compiled - sources == set()
    assert "estimators/fit.py" in sources  # its failure codes are compiled into the estimators
    assert "method_table.py" not in sources


def test_one_changed_byte_gives_another_key(copy):
    before = compile_cache.source_hash(copy)
    assert before == kaptrial.__code__
    assert len(before) == 12
    words = copy / "method_table.py"
    words.write_bytes(words.read_bytes() + b"#")
    assert compile_cache.source_hash(copy) == before
    for path in compile_cache.compiled_sources(copy):
        text = path.read_bytes()
        path.write_bytes(text + b"#")
        assert compile_cache.source_hash(copy) != before, path
        path.write_bytes(text)


def test_another_numba_gives_another_key(monkeypatch):
    monkeypatch.setattr(compile_cache, "version", lambda _: "0.0.1")
    assert compile_cache.source_hash() != kaptrial.__code__


WHERE = "import kaptrial, os; print(os.environ['NUMBA_CACHE_DIR'])"


def test_the_user_may_say_where(copy, tmp_path):
    said = run(copy.parent, "-c", WHERE, NUMBA_CACHE_DIR=str(tmp_path / "own"))
    assert Path(said.stdout.strip()) == tmp_path / "own" / f"kaptrial-{kaptrial.__code__}"
    # A worker inherits the folder, and does not make another below it.
    again = run(copy.parent, "-c", WHERE, NUMBA_CACHE_DIR=said.stdout.strip())
    assert again.stdout == said.stdout


def test_a_read_only_install_runs_and_says_so_in_one_line(copy, tmp_path):
    (copy / "__pycache__").write_text("a file, where no folder can be made, not even by root")
    data = ROOT / "tests" / "data" / "two_arm_monotone.csv"
    code = f"from kaptrial.cli import main; main(['analyse', {str(data)!r}, '--reference', 'ketamine'])"
    kept = run(copy.parent, "-c", WHERE, HOME=str(tmp_path), XDG_CACHE_HOME="")
    assert Path(kept.stdout.strip()).parent == tmp_path / ".cache" / "kaptrial"
    assert kept.stderr == ""
    said = run(copy.parent, "-c", code, HOME=os.devnull, XDG_CACHE_HOME="")
    (line,) = (line for line in said.stderr.splitlines() if line.startswith("kaptrial: "))
    assert "compiled anew" in line
    assert "ketamine_therapy" in said.stdout
    # Its temporary folder is gone when it ends.
    gone = run(copy.parent, "-c", WHERE, HOME=os.devnull, XDG_CACHE_HOME="")
    assert not Path(gone.stdout.strip()).exists()


def test_folders_that_nobody_uses_are_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    old, young = tmp_path / "kaptrial-old", tmp_path / "kaptrial-young"
    for folder in (old, young):
        folder.mkdir()
    os.utime(old, (0, 0))
    monkeypatch.setattr(numba.config, "CACHE_DIR", numba.config.CACHE_DIR)
    compile_cache.use("now")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kaptrial-now", "kaptrial-young"]
    assert str(tmp_path / "kaptrial-now") == numba.config.CACHE_DIR


P_VALUE = """
import json, sys
from kaptrial.cli import main
try:
    main(["analyse", sys.argv[1], "--method", "ancova", "--reference", "ketamine", "--json", sys.argv[2]])
except SystemExit:
    pass
out = json.load(open(sys.argv[2]))
print(out["provenance"]["code"], out["results"][0]["p"])
"""


def test_two_states_of_the_code_give_each_its_own_number(copy, tmp_path):
    """The estimator's file stays the same; what it calls in another file changes, and back."""
    predictor = copy / "estimators" / "predictor.py"
    right = predictor.read_text()
    wrong = right.replace("result += weights[a] * mean[j, a]", "result += 1.1 * weights[a] * mean[j, a]")
    assert wrong != right
    data, out = ROOT / "tests" / "data" / "two_arm_monotone.csv", tmp_path / "out.json"

    def printed(text: str) -> str:
        predictor.write_text(text)
        return run(copy.parent, "-c", P_VALUE, data, out, HOME=str(tmp_path)).stdout.splitlines()[-1]

    first, broken, again = printed(right), printed(wrong), printed(right)
    assert first == again
    assert first.split()[0] != broken.split()[0]
    assert first.split()[1] != broken.split()[1]
    assert json.loads(out.read_text())["provenance"]["code"] == first.split()[0]


def test_who_waits_for_the_compiler_is_told_once():
    told = []
    compile_cache.tell_when_compiling(lambda: told.append("compiling"))
    numba.njit(lambda x: x + 1)(1)
    numba.njit(lambda x: x + 2)(1)
    assert told == ["compiling"]


def _called() -> int:
    return 1


def _never_called() -> int:
    return 2


def test_what_is_compiled_is_known():
    keep = numba.njit(cache=True)
    assert not compile_cache.is_compiled(keep(_never_called))
    keep(_called)()
    assert compile_cache.is_compiled(keep(_called))  # another object, which finds it in the folder
    only_here = numba.njit(_called)
    only_here()
    assert compile_cache.is_compiled(only_here)
