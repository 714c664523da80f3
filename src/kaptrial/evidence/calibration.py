"""Re-creating what is shipped: the design prior, its variants by quality of evidence, the fits without one trial."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from kaptrial import __version__
from kaptrial.bayes.synthesis import abstinence, fit, shipped
from kaptrial.bayes.synthesis.model import PARAMETERS

Floats = NDArray[np.float64]
PRIOR = "depression_iv_2026"
VARIANTS = {"published": PRIOR, "abstracts": f"{PRIOR}_abstracts", "with_documents": f"{PRIOR}_with_documents"}
SHIPPED_DRAWS, FOLD_DRAWS = 1000, 400
FOLD_TUNE, FOLD_SAMPLES, FOLD_CHAINS = 500, 600, 2
SEED = 2026
PARTS = ("priors", "folds", "abstinence")


def calibrate(folder: Path, *, only: str | None = None, say: Callable[[str], None] = print) -> None:
    """Fit the synthesis to every set of qualities and without each trial, and write the files into `folder`.

    `only`: "priors", "folds" or "abstinence" for a part. Takes about half an hour on two cores.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if only in (None, "priors"):
        for offset, (quality_set, name) in enumerate(VARIANTS.items()):
            _fit_prior(folder, quality_set, name, SEED + offset, say)
    if only in (None, "folds"):
        _fit_folds(folder, say)
    if only in (None, "abstinence"):
        _fit_abstinence(folder, say)


def _fit_prior(folder: Path, quality_set: str, name: str, seed: int, say: Callable[[str], None]) -> None:
    trials, chosen = fit.fitted_trials(fit.QUALITY_SETS[quality_set])
    evidence = fit.prepare(trials, chosen)
    keys = fit.together(trials)
    result = fit.sample(evidence, keys=keys, seed=seed)
    found = fit.diagnostics(result)
    say(f"{name}: {len(keys)} trials, {dict(found)}")
    names, table = shipped.as_table(fit.parameter_draws(result.posterior, SHIPPED_DRAWS))
    rows = [",".join(names), *(",".join(f"{x:.5g}" for x in row) for row in table)]
    text = "\n".join(rows) + "\n"
    (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    about = {
        "title": "The response model of docs/model.md fitted to published trials (docs/synthesis.md)",
        "evidence": quality_set,
        "qualities": list(fit.QUALITY_SETS[quality_set]),
        "trials": sorted(keys),
        "figures": sum(t.trial in keys for t in chosen),
        "version": __version__,
        "seed": seed,
        "sampler": {"chains": fit.CHAINS, "tune": fit.TUNE, "draws": fit.DRAWS, "shipped": SHIPPED_DRAWS},
        "diagnostics": {key: round(float(value), 4) for key, value in found.items()},
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "columns": dict(PARAMETERS),
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(about, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _fit_folds(folder: Path, say: Callable[[str], None]) -> None:
    trials, chosen = fit.fitted_trials(fit.PUBLISHED)
    evidence = fit.prepare(trials, chosen)
    columns: Mapping[str, Any] = {}
    for i, one in enumerate(trials):
        keys = fit.together(trials, [one.key])
        result = fit.sample(
            evidence, keys=keys, seed=SEED + 100 + i, draws=FOLD_SAMPLES, tune=FOLD_TUNE, chains=FOLD_CHAINS
        )
        names, table = shipped.as_table(fit.parameter_draws(result.posterior, FOLD_DRAWS))
        columns = {**columns, "columns": np.array(names), one.key: table.astype(np.float32)}
        say(f"without {one.key}: {len(keys)} trials, {dict(fit.diagnostics(result))}")
        np.savez_compressed(folder / shipped.FOLDS, **columns)


def _fit_abstinence(folder: Path, say: Callable[[str], None]) -> None:
    trials = abstinence.fitted()
    names = list(abstinence.PARAMETERS)
    columns: dict[str, Any] = {"columns": np.array(names)}
    for i, one in enumerate(trials):
        result = abstinence.sample(
            trials, seed=SEED + 200 + i, left_out=one.key, draws=FOLD_SAMPLES, tune=FOLD_TUNE, chains=FOLD_CHAINS
        )
        table = np.stack([np.asarray(result.posterior[name]).reshape(-1) for name in names], axis=1)
        chosen = np.linspace(0, len(table) - 1, FOLD_DRAWS).round().astype(np.int64)
        columns[one.key] = table[chosen].astype(np.float32)
        say(f"abstinence without {one.key}: {dict(fit.diagnostics(result))}")
    np.savez_compressed(folder / shipped.ABSTINENCE_FOLDS, **columns)
