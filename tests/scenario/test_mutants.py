"""Mutated scenario files: one line or a sound scenario, never a traceback, never a long wait; each accepted one judged.

tests/data/mutants.csv holds a verdict on each of the first 200 mutants that `check` accepts. Written by
`uv run python -m tests.scenario.test_mutants`; what it would change is to be read before it is committed.
"""

from __future__ import annotations

import csv
import time
from functools import cache
from pathlib import Path

import pytest

from kaptrial.cli import main
from kaptrial.errors import ScenarioError
from kaptrial.scenario.files import load
from kaptrial.scenario.scenario import Scenario
from tests import DATA
from tests.scenario.mutants import SCENARIOS, Mutant, mutants, verdict

VERDICTS = DATA / "mutants.csv"
JUDGED = 200
# Processor seconds that one file may take.
MOST_SECONDS = 5


@cache
def base(name: str) -> Scenario:
    return load(SCENARIOS / f"{name}.yaml")


def judged() -> list[dict[str, str]]:
    """The table of verdicts."""
    with VERDICTS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def check(mutant: Mutant, path: Path, capsys: pytest.CaptureFixture[str]) -> bool:
    """Whether the command line accepts the mutant; what it must be like either way."""
    path.write_bytes(mutant.content)
    start = time.process_time()
    with pytest.raises(SystemExit) as stop:
        main(["check", str(path)])
    assert time.process_time() - start < MOST_SECONDS, mutant.change
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    if stop.value.code:
        assert stop.value.code == 2, mutant.change
        assert shown.err, mutant.change
        assert all(line.startswith("kaptrial: ") for line in shown.err.splitlines()), mutant.change
        assert shown.out == ""
        return False
    assert shown.err == ""
    return True


def hold(n: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first `n` mutants are refused or accepted as they must be, and those in the table judged as it says."""
    known = {int(row["mutant"]): row for row in judged()}
    last = max(known)
    for k, mutant in enumerate(mutants(n)):
        path = tmp_path / "trial.yaml"
        accepted = check(mutant, path, capsys)
        said = judged_in_time(mutant, load(path)) if accepted else ""
        if k <= last:
            assert accepted == (k in known), mutant.change
            assert not accepted or (mutant.change, said) == (known[k]["change"], known[k]["verdict"])


def judged_in_time(mutant: Mutant, accepted: Scenario) -> str:
    """The verdict; what takes long is done again, since it may have been compiled."""
    start = time.process_time()
    said = verdict(base(mutant.base), accepted)
    if time.process_time() - start > MOST_SECONDS:
        start = time.process_time()
        verdict(base(mutant.base), accepted)
        assert time.process_time() - start < MOST_SECONDS, mutant.change
    return said


def test_of_the_first_mutants(tmp_path, capsys):
    hold(200, tmp_path, capsys)


@pytest.mark.validation
def test_of_ten_thousand_mutants(tmp_path, capsys):
    hold(10_000, tmp_path, capsys)


def test_so_many_have_a_verdict():
    assert len(judged()) == JUDGED
    assert all(row["verdict"] for row in judged())


def judge(path: Path) -> None:
    """Write the table."""
    rows: list[dict[str, object]] = []
    for k, mutant in enumerate(mutants(100_000)):
        path.write_bytes(mutant.content)
        try:
            accepted = load(path)
        except ScenarioError:
            continue
        said = verdict(base(mutant.base), accepted)
        rows.append({"mutant": k, "scenario": mutant.base, "change": mutant.change, "verdict": said})
        if len(rows) == JUDGED:
            break
    with VERDICTS.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    judge(Path("/tmp/mutant.yaml"))
