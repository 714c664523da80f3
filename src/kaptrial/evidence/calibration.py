"""Re-creating what is shipped: the design prior, its variants by quality of evidence, the fits without one trial."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from kaptrial.arrays import Floats
from kaptrial.catalogue.priors import prior_names
from kaptrial.evidence import card
from kaptrial.evidence.shipped_priors import BEFORE, VARIANTS
from kaptrial.evidence.synthesis import abstinence, fit, shipped
from kaptrial.evidence.synthesis.model import PARAMETERS
from kaptrial.results import provenance

Write = Callable[[str, Callable[[Path], object]], object]
SHIPPED_DRAWS, FOLD_DRAWS = 1000, 400
# Folds serve prediction: 400 draws whose chains agree to an R-hat of 1.05 are enough, where the prior itself asks 1.01.
FOLD_TUNE, FOLD_SAMPLES, FOLD_CHAINS, FOLD_R_HAT = 500, 600, 2, 1.05
SEED = 2026
PARTS = ("prior", "folds", "abstinence", "variants", "cards")


def calibrate(write: Write, *, only: str | None = None, say: Callable[[str], None] = print) -> None:
    """Fit the synthesis to every set of qualities and without each trial, and `write` the files.

    `write`: given a file's name and what fills it. `only`: one of `PARTS`. All of it takes about an hour on two cores.
    """
    if only in (None, "prior", "folds"):
        trials, chosen = fit.fitted_trials(fit.PUBLISHED)
        evidence = fit.prepare(trials, chosen)  # compiled once for the prior and every fold
        if only != "folds":
            _write_before(write)
            _fit_prior(write, evidence, "published", SEED, say)
        if only != "prior":
            _fit_folds(write, evidence, say)
    if only in (None, "abstinence"):
        _fit_abstinence(write, say)
    if only in (None, "variants"):
        for offset, quality_set in enumerate(("abstracts", "with_documents"), start=1):
            evidence = fit.prepare(*fit.fitted_trials(fit.QUALITY_SETS[quality_set]))
            _fit_prior(write, evidence, quality_set, SEED + offset, say)
    if only == "cards":  # of the priors as they are shipped; new priors come with theirs
        for name in prior_names():
            _write_card(write, name, shipped.prior_draws(name), card.sha256_of_draws(name))


def _fit_prior(write: Write, evidence: fit.Evidence, quality_set: str, seed: int, say: Callable[[str], None]) -> None:
    name = VARIANTS[quality_set]
    keys = fit.together(evidence.trials)
    result = fit.sample(evidence, keys=keys, seed=seed, target_accept=0.98)
    diagnostics = fit.diagnostics(result)
    say(f"{name}: {len(keys)} trials, {dict(diagnostics)}")
    names, table = shipped.as_table(fit.parameter_draws(result.posterior, SHIPPED_DRAWS))
    lay = evidence.lay
    about = {
        "title": "The response model of docs/model.md fitted to published trials (docs/synthesis.md)",
        "evidence": quality_set,
        "qualities": list(fit.QUALITY_SETS[quality_set]),
        "trials": sorted(keys),
        "figures": sum(t.trial in keys for t in (*lay.levels, *lay.shares, *lay.paths)),
        **provenance(),
        "seed": seed,
        "sampler": {"chains": fit.CHAINS, "tune": fit.TUNE, "draws": fit.DRAWS, "shipped": SHIPPED_DRAWS},
        "diagnostics": {key: round(float(value), 4) for key, value in diagnostics.items()},
    }
    _write_prior(write, name, names, table, about)


def _write_before(write: Write) -> None:
    """The synthesis's own priors as a design prior, to see what the data added."""
    draws = fit.draws_before_data(SHIPPED_DRAWS, seed=SEED)
    names, table = shipped.as_table(draws)
    about = {
        "title": "The priors of the synthesis before any data (docs/synthesis.md)",
        "evidence": "none",
        **provenance(),
        "seed": SEED,
    }
    _write_prior(write, BEFORE, names, table, about)


def _write_prior(write: Write, name: str, names: list[str], table: Floats, about: dict[str, Any]) -> None:
    written = [[f"{x:.5g}" for x in row] for row in table]
    text = "\n".join(",".join(row) for row in [names, *written]) + "\n"
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    write(f"{name}.csv", lambda path: path.write_text(text, encoding="utf-8"))
    about = {**about, "sha256": sha256, "columns": dict(PARAMETERS)}
    noted = yaml.safe_dump(about, sort_keys=False, allow_unicode=True)
    write(f"{name}.yaml", lambda path: path.write_text(noted, encoding="utf-8"))
    _write_card(write, name, shipped.from_table(names, np.array(written, dtype=float)), sha256)


def _write_card(write: Write, name: str, draws: Mapping[str, Floats], sha256: str) -> None:
    """What the prior says a new trial would show, so that nobody needs to wait for it."""
    text = card.as_kept(card.simulated_card(draws), sha256)
    write(card.card_file(name), lambda path: path.write_text(text, encoding="utf-8"))


def _fit_folds(write: Write, evidence: fit.Evidence, say: Callable[[str], None]) -> None:
    columns: dict[str, Any] = {}
    for i, study in enumerate(evidence.trials):
        names, table = _fit_fold(evidence, study.key, SEED + 100 + i, say)
        columns |= {"columns": np.array(names), study.key: table}
    write(shipped.FOLDS, lambda path: np.savez_compressed(path, **columns))


def _fit_fold(
    evidence: fit.Evidence, left_out: str, seed: int, say: Callable[[str], None]
) -> tuple[list[str], NDArray[np.float32]]:
    """Draws of the fit without one trial; again, with twice the warm-up, while chains disagree (at most twice)."""
    keys = fit.together(evidence.trials, [left_out])
    for attempt in range(3):
        sampler = {"draws": FOLD_SAMPLES, "tune": FOLD_TUNE * 2**attempt, "chains": FOLD_CHAINS}
        result = fit.sample(evidence, keys=keys, seed=seed + 1000 * attempt, **sampler)
        diagnostics = fit.diagnostics(result)
        say(f"without {left_out}: {len(keys)} trials, {dict(diagnostics)}")
        if diagnostics["r_hat"] <= FOLD_R_HAT:
            break
    names, table = shipped.as_table(fit.parameter_draws(result.posterior, FOLD_DRAWS))
    return names, table.astype(np.float32)


def _fit_abstinence(write: Write, say: Callable[[str], None]) -> None:
    trials = abstinence.fitted()
    names = list(abstinence.PARAMETERS)
    columns: dict[str, Any] = {"columns": np.array(names)}
    for i, study in enumerate(trials):
        result = abstinence.sample(
            trials, seed=SEED + 200 + i, left_out=study.key, draws=FOLD_SAMPLES, tune=FOLD_TUNE, chains=FOLD_CHAINS
        )
        table = np.stack([np.asarray(result.posterior[name]).reshape(-1) for name in names], axis=1)
        chosen = np.linspace(0, len(table) - 1, FOLD_DRAWS).round().astype(np.int64)
        columns[study.key] = table[chosen].astype(np.float32)
        say(f"abstinence without {study.key}: {dict(fit.diagnostics(result))}")
    write(shipped.ABSTINENCE_FOLDS, lambda path: np.savez_compressed(path, **columns))
