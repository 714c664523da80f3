"""Mutated data files: numbers or named failures, or one line; never a traceback, never a long wait."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest

from kaptrial.cli import main
from kaptrial.questions.fit import fit as sampling
from kaptrial.questions.fit.fit import Posterior
from kaptrial.questions.fit.forward import draw_prior
from kaptrial.questions.fit.sample import Draws
from tests.methods.csv_mutants import COMMANDS, Mutant, mutants, sound

# Processor seconds that one file may take.
MOST_SECONDS = 5
# Sound files of each command, of which half or so have further options.
SOUND = 4
# Rows that may hold no number and yet have not failed: a median that is not reached, and the theta of a Poisson count.
MAY_HAVE_NO_NUMBER = ("median_days", "theta")


def from_prior(model, priors, *, seed, draws) -> list[Posterior]:
    """In the place of `fit`: all that it asks of draws and says of them, without the seconds that sampling takes."""
    posteriors = []
    for prior in priors:
        thetas = draw_prior(model, prior, 100, np.random.default_rng(seed)).reshape(4, 25, -1)
        drawn = Draws(thetas=thetas, stats={"diverging": np.zeros((4, 25), dtype=bool)})
        posteriors.append(sampling._judged(model, prior, drawn, 0))
    return posteriors


@pytest.fixture
def quick(monkeypatch):
    """`fit` does not sample."""
    monkeypatch.setattr(sampling, "fit", from_prior)


def run(mutant: Mutant, folder: Path, capsys: pytest.CaptureFixture[str], most: float = MOST_SECONDS) -> bool:
    """Whether the command accepts the file; what it must be like either way."""
    path, out = folder / "data.csv", folder / "out.json"
    path.write_bytes(mutant.content)
    out.unlink(missing_ok=True)
    what = f"{' '.join(mutant.argv)}: {mutant.change}"
    start = time.process_time()
    with pytest.raises(SystemExit) as stop:
        main([mutant.argv[0], str(path), *mutant.argv[1:], "--json", str(out)])
    assert time.process_time() - start < most, what
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err, what
    if stop.value.code:
        assert stop.value.code == 2, what
        assert len(shown.err.splitlines()) == 1, what
        assert shown.out == "", what
        assert not out.exists(), what
        return False
    for row in json.loads(out.read_text(encoding="utf-8"))["results"]:
        if mutant.command != "fit":
            check(row, what)
    return True


def check(row: dict, what: str) -> None:
    """A row is a number or a named failure."""
    if row["failure"]:
        assert row["estimate"] is None, what
        assert row["p"] is None, what
    elif row["measure"] not in MAY_HAVE_NO_NUMBER:
        assert row["estimate"] is not None, what
    if row["p"] is not None:
        assert 0 <= row["p"] <= 1, what
        assert row["analysis"] == "fisher" or row["se"] > 0, what


def hold(n: int, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sound files are accepted, whose methods are compiled then; the first `n` mutants are as they must be."""
    for command in COMMANDS:
        for seed in range(SOUND):
            table, options = sound(command, np.random.default_rng(seed))
            assert run(Mutant(command, options, "nothing", table.to_csv(index=False).encode()), folder, capsys, inf)
    accepted = [run(mutant, folder, capsys) for mutant in mutants(n)]
    assert n / 3 < sum(accepted) < 2 * n / 3


def test_of_the_first_mutants(quick, tmp_path, capsys):
    hold(108, tmp_path, capsys)


@pytest.mark.validation
def test_of_five_thousand_mutants(quick, tmp_path, capsys):
    hold(5000, tmp_path, capsys)


@pytest.mark.validation
def test_of_some_that_are_sampled(tmp_path, capsys):
    """Without a bound on time: sampling takes as long as it takes."""
    asked = [mutant for mutant in mutants(900) if mutant.command == "fit"]
    for mutant in asked:
        run(replace(mutant, options=(*mutant.options, "--draws", "100")), tmp_path, capsys, inf)
