"""`kaptrial evidence calibrate -o`: a folder with a manifest, whose parts may be written one after another."""

from __future__ import annotations

import hashlib
import json

import pytest

from kaptrial.cli import main
from kaptrial.evidence import calibration


def test_parts_share_a_folder_that_lists_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(calibration.fit, "fitted_trials", lambda _: ([], []))
    monkeypatch.setattr(calibration.fit, "prepare", lambda *_: None)
    monkeypatch.setattr(calibration.fit, "draws_before_data", lambda *_, **__: None)
    monkeypatch.setattr(calibration.shipped, "as_table", lambda _: (["a", "b"], [[1.0, 2.0]]))
    monkeypatch.setattr(calibration, "_fit_prior", lambda write, *_: write("p.csv", lambda path: path.write_text("1")))
    monkeypatch.setattr(calibration, "_fit_abstinence", lambda write, _: write("x.npz", lambda path: path.touch()))
    (tmp_path / "mine.txt").write_text("not of a run")
    for only, names in (
        ("prior", {"before_data.csv", "before_data.yaml", "p.csv"}),
        ("abstinence", {"before_data.csv", "before_data.yaml", "p.csv", "x.npz"}),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["evidence", "calibrate", "-o", str(tmp_path), "--only", only])
        assert stop.value.code == 0
        manifest = json.loads((tmp_path / "manifest.json").read_text())
        assert manifest["complete"]
        assert set(manifest["files"]) == names
        for name, sha in manifest["files"].items():
            assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == sha
    assert {path.name for path in tmp_path.iterdir()} == names | {"manifest.json", "mine.txt"}
    assert (tmp_path / "before_data.csv").read_text() == "a,b\n1,2\n"
    assert "listed in manifest.json" in capsys.readouterr().out
