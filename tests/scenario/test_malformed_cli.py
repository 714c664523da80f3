"""The same malformed files through the command line: exit 2, one line, nothing written, no traceback."""

from __future__ import annotations

import pytest

from kaptrial.cli import main
from tests.scenario.malformed import CASES, NAME


@pytest.mark.parametrize("name", CASES)
def test_command_line_refuses_in_one_line(name, tmp_path, capsys):
    path = CASES[name].write(tmp_path)
    out, json_file = tmp_path / "out", tmp_path / "out.json"
    # with few replicates a file that slips through costs little
    argv = ["power", str(path), "--replicates", "2", "-o", str(out), "--json", str(json_file)]
    with pytest.raises(SystemExit) as caught:
        main(argv)
    printed = capsys.readouterr()
    assert caught.value.code == 2
    assert len(printed.err.strip().splitlines()) == CASES[name].lines, printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert {p.name for p in tmp_path.iterdir()} <= {NAME}
