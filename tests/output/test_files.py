"""Files are whole or not there, folders complete or marked as not; what no run has written is never touched."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kaptrial.cli import main
from kaptrial.evidence import calibration
from kaptrial.output import files
from kaptrial.output.figures import new_figure
from kaptrial.output.files import MANIFEST, check_folder, check_writable, output_folder, write_bytes, write_text
from kaptrial.output.folder import save
from kaptrial.process import ended_by_sigterm
from kaptrial.results import Line, Results, without_formulas

WRITTEN = {"a": b"1\n", "b": b"2\n"}


def manifest(folder: Path) -> dict:
    """What a folder says of itself."""
    return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))


def write(folder: Path, **content: str | None) -> files.OutputFolder:
    """A run that writes these CSV files."""
    with output_folder(folder) as written:
        for name, text in content.items():
            write_text(folder / f"{name}.csv", text)
    return written


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_manifest_holds_the_hash_of_every_file(tmp_path):
    write(tmp_path / "out", a="1\n", b="2\n")
    content = manifest(tmp_path / "out")
    assert content["complete"] is True
    assert content["files"] == {f"{name}.csv": hashlib.sha256(text).hexdigest() for name, text in WRITTEN.items()}


def test_a_second_run_replaces_and_removes_what_is_its_own_and_says_so(tmp_path):
    write(tmp_path, a="1\n", b="2\n")
    (tmp_path / "notes.txt").write_text("mine")
    said = write(tmp_path, a="3\n").said()
    assert names(tmp_path) == {"a.csv", "notes.txt", MANIFEST}
    assert (tmp_path / "a.csv").read_text() == "3\n"
    assert "1 files" in said
    assert "b.csv" in said


def test_what_no_run_has_written_is_written_beside(tmp_path):
    (tmp_path / "a.csv").write_text("mine")
    for _ in range(2):
        said = write(tmp_path, a="1\n").said()
        assert (tmp_path / "a.csv").read_text() == "mine"
        assert (tmp_path / "a-1.csv").read_text() == "1\n"
        assert "a.csv" in said
    assert set(manifest(tmp_path)["files"]) == {"a-1.csv"}


def test_a_stale_file_that_somebody_has_changed_is_left(tmp_path):
    write(tmp_path, a="1\n", b="2\n")
    (tmp_path / "b.csv").write_text("edited")
    write(tmp_path, a="1\n")
    assert (tmp_path / "b.csv").read_text() == "edited"


def test_a_manifest_names_no_path(tmp_path):
    (tmp_path / "victim").write_text("x")
    sha = hashlib.sha256(b"x").hexdigest()
    out = tmp_path / "out"
    out.mkdir()
    listed = {"../victim": sha, str(tmp_path / "victim"): sha, "..": sha, MANIFEST: sha}
    (out / MANIFEST).write_text(json.dumps({"made_by": "kaptrial", "files": listed}))
    write(out, a="1\n")
    assert (tmp_path / "victim").read_text() == "x"


@pytest.mark.parametrize("content", ["{}", "[]", "not JSON", '{"made_by": "another"}', "[" * 100_000])
def test_a_manifest_of_others_is_refused_before_the_work(content, tmp_path):
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(FileExistsError):
        check_folder(tmp_path)
    assert names(tmp_path) == {MANIFEST}


def test_an_interrupted_run_is_marked_and_the_next_one_cleans_up(tmp_path):
    write(tmp_path, old="1\n")
    with pytest.raises(TypeError):
        write(tmp_path, a="1\n", b=None)
    assert manifest(tmp_path)["complete"] is False
    assert set(manifest(tmp_path)["files"]) == {"old.csv", "a.csv"}
    write(tmp_path, b="1\n")
    assert names(tmp_path) == {"b.csv", MANIFEST}


def test_sigterm_leaves_no_temporary_file(tmp_path):
    def half(path: Path) -> None:
        path.write_text("half")
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stop, ended_by_sigterm():
        write_bytes(tmp_path / "a.csv", half)
    assert stop.value.code == 128 + signal.SIGTERM
    assert names(tmp_path) == set()
    assert signal.getsignal(signal.SIGTERM) == before


def _hidden(_: Path) -> None:
    """As matplotlib's PDF does where the disk is full."""
    try:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        raise AttributeError("no attribute 'pos'")


def test_a_full_disk_names_the_file(tmp_path):
    with pytest.raises(OSError, match="No space left") as caught:
        write_bytes(tmp_path / "a.pdf", _hidden)
    assert caught.value.filename == str(tmp_path / "a.pdf")
    assert names(tmp_path) == set()
    with pytest.raises(OSError, match="No space left") as caught:
        write_text(Path("/dev/full"), "x" * 100_000)
    assert caught.value.filename == "/dev/full"
    with pytest.raises(OSError, match="are free"):
        files.check_room(tmp_path / "a.csv", 1e30)


def test_a_device_is_written_to_and_not_replaced():
    check_writable(Path("/dev/null"))
    write_text(Path("/dev/null"), "x")
    assert Path("/dev/null").is_char_device()


def test_a_folder_that_takes_no_file_is_named_before_the_work():
    for target in (Path("/proc/x.json"), Path("/sys/x.json")):
        with pytest.raises(OSError, match=str(target)):
            check_writable(target)


FORMULAS = ["=1+1", "+1", "-1+1|x", "@SUM(1)", "\t=1", "-", '=HYPERLINK("http://x","y")', "-cmd"]


def test_no_cell_starts_a_formula_and_numbers_stay(tmp_path):
    table = pd.DataFrame({"variant": FORMULAS, "x": [-1.5, 2.0, -1e-300, -np.inf, 0.0, 1e300, -7.0, np.nan]})
    path = tmp_path / "a.csv"
    write_text(path, table.to_csv(index=False))
    read = pd.read_csv(path)
    assert list(read["variant"]) == [f"'{text}" for text in FORMULAS]
    pd.testing.assert_series_equal(read["x"], table["x"])
    assert Results(kind="power", rows=[Line(numbers={"a": "=1"})], provenance={}).to_csv() == "a\n'=1\n"
    assert without_formulas(path.read_text()) == path.read_text()


def test_a_table_without_formulas_keeps_its_bytes():
    text = 'a,b\n"x, =y",-1.0\n"say ""-no""",-inf\nketamine - saline,-2e-05\n'
    assert without_formulas(text) == text


def test_text_in_a_figure_is_no_mathematics(tmp_path):
    figure, axes = new_figure(2, 2)
    axes[0, 0].set_title(r"costs $5 and $\frac{")
    save(tmp_path, "f", figure, "costs $5")
    assert names(tmp_path) == {"f.pdf", "f.png", "f.svg"}


def test_parts_of_a_calibration_share_a_folder_that_lists_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(calibration.fit, "fitted_trials", lambda _: ([], []))
    monkeypatch.setattr(calibration.fit, "prepare", lambda *_: None)
    monkeypatch.setattr(calibration.fit, "draws_before_data", lambda *_, **__: None)
    monkeypatch.setattr(calibration.shipped, "as_table", lambda _: (["a", "b"], [[1.0, 2.0]]))
    monkeypatch.setattr(calibration.shipped, "from_table", lambda *_: {})
    monkeypatch.setattr(calibration.cards, "simulated_card", lambda _, indication: [])
    monkeypatch.setattr(calibration, "_fit", lambda *_: None)
    monkeypatch.setattr(calibration, "_write_fit", lambda write, *_: write("p.csv", lambda path: path.write_text("1")))
    monkeypatch.setattr(calibration, "_fit_abstinence", lambda write, _: write("x.npz", lambda path: path.touch()))
    (tmp_path / "mine.txt").write_text("not of a run")
    before = {"before_data_2026b.csv", "before_data_2026b.yaml", "before_data_2026b.card.yaml"}
    for only, names in (
        ("prior", before | {"p.csv"}),
        ("abstinence", before | {"p.csv", "x.npz"}),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["evidence", "calibrate", "-o", str(tmp_path), "--only", only])
        assert stop.value.code == 0
        said = manifest(tmp_path)
        assert said["complete"]
        assert set(said["files"]) == names
        for name, sha in said["files"].items():
            assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == sha
    assert {path.name for path in tmp_path.iterdir()} == names | {"manifest.json", "mine.txt"}
    assert (tmp_path / "before_data_2026b.csv").read_text() == "a,b\n1,2\n"
    assert "listed in manifest.json" in capsys.readouterr().out
