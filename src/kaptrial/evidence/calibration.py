"""Re-creating what is shipped: the design prior, its variants by quality of evidence, the fits without one trial."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from kaptrial.arrays import Floats
from kaptrial.catalogue.priors import prior_names
from kaptrial.evidence import cards
from kaptrial.evidence.shipped_priors import BEFORE, VARIANTS
from kaptrial.evidence.synthesis import abstinence, fit, shipped
from kaptrial.evidence.synthesis.arms import POPULATION
from kaptrial.evidence.synthesis.leaving_out import marginal, resampled, smoothed
from kaptrial.evidence.synthesis.model import PARAMETERS
from kaptrial.results import provenance

Write = Callable[[str, Callable[[Path], object]], object]
SHIPPED_DRAWS, FOLD_DRAWS = 1000, 400
REFITS = 10
# Folds serve prediction: 400 draws whose chains agree to an R-hat of 1.05 are enough, where the prior itself asks 1.01.
FOLD_TUNE, FOLD_SAMPLES, FOLD_CHAINS, FOLD_R_HAT = 500, 500, 2, 1.05
SEED = 2026
PARTS = ("prior", "folds", "abstinence", "variants", "cards")


def calibrate(write: Write, *, only: str | None = None, say: Callable[[str], None] = print) -> None:
    """Fit the synthesis to every set of qualities and without each trial, and `write` the files.

    `write`: given a file's name and what fills it. `only`: one of `PARTS`. All takes more than an hour on two cores.
    """
    if only in (None, "prior", "folds"):
        trials, chosen = fit.fitted_trials(fit.PUBLISHED)
        evidence = fit.prepare(trials, chosen)  # compiled once for the prior and every fold
        posterior = _fit(evidence, VARIANTS["published"], SEED, say)
        if only != "folds":
            _write_before(write)
            _write_fit(write, evidence, posterior, "published", SEED)
        if only != "prior":
            _fit_folds(write, evidence, posterior, say)
    if only in (None, "abstinence"):
        _fit_abstinence(write, say)
    if only in (None, "variants"):
        for offset, quality_set in enumerate(("abstracts", "with_documents"), start=1):
            evidence = fit.prepare(*fit.fitted_trials(fit.QUALITY_SETS[quality_set]))
            posterior = _fit(evidence, VARIANTS[quality_set], SEED + offset, say)
            _write_fit(write, evidence, posterior, quality_set, SEED + offset)
    if only == "cards":  # of the priors as they are shipped; new priors come with theirs
        for name in prior_names():
            _write_card(write, name, shipped.prior_draws(name), cards.sha256_of_draws(name))


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """Draws of a fit to all trials that may be fitted together, and how well the chains agree."""

    keys: set[str]
    posterior: Any
    diagnostics: Mapping[str, float]

    def draws(self, size: int) -> dict[str, Floats]:
        """So many draws, evenly over the chains."""
        return fit.parameter_draws(self.posterior, size)


def _fit(evidence: fit.Evidence, name: str, seed: int, say: Callable[[str], None]) -> Posterior:
    keys = fit.together(evidence.trials)
    result = fit.sample(evidence, keys=keys, seed=seed)
    diagnostics = fit.diagnostics(result)
    say(f"{name}: {len(keys)} trials, {dict(diagnostics)}")
    return Posterior(keys=keys, posterior=result.posterior, diagnostics=diagnostics)


def _write_fit(write: Write, evidence: fit.Evidence, fitted: Posterior, quality_set: str, seed: int) -> None:
    names, table = shipped.as_table(fitted.draws(SHIPPED_DRAWS))
    lay, keys = evidence.lay, fitted.keys
    about = {
        "title": "The response model of docs/model.md fitted to published trials (docs/synthesis.md)",
        "evidence": quality_set,
        "qualities": list(fit.QUALITY_SETS[quality_set]),
        "trials": sorted(keys),
        "figures": sum(t.trial in keys for t in lay.figures),
        **provenance(),
        "seed": seed,
        "sampler": {"chains": fit.CHAINS, "tune": fit.TUNE, "draws": fit.DRAWS, "shipped": SHIPPED_DRAWS},
        "diagnostics": {key: round(float(value), 4) for key, value in fitted.diagnostics.items()},
        "contraction": _contraction(names, table),
    }
    _write_prior(write, VARIANTS[quality_set], names, table, about)


def _contraction(names: list[str], table: Floats) -> dict[str, float]:
    """1 − variance after the data over variance before, by column: 0 where the data say nothing, 1 where all."""
    _, before = shipped.as_table(fit.draws_before_data(SHIPPED_DRAWS, seed=SEED))
    share = 1 - table.var(axis=0) / before.var(axis=0)
    return {name: round(float(value), 2) for name, value in zip(names, share, strict=True)}


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
    """What the prior says a new trial of each indication would show, so that nobody needs to wait for it."""
    simulated = {each: cards.simulated_card(draws, indication=each) for each in POPULATION}
    text = cards.as_kept(simulated, sha256)
    write(cards.card_file(name), lambda path: path.write_text(text, encoding="utf-8"))


def _fit_folds(write: Write, evidence: fit.Evidence, fitted: Posterior, say: Callable[[str], None]) -> None:
    """The draws reweighted to leave each trial out; the `REFITS` for which that is least to be trusted, fitted anew."""
    draws = fitted.draws(SHIPPED_DRAWS)
    numbers = {study.key: i for i, study in enumerate(evidence.trials)}
    known = marginal(evidence.model, len(numbers), draws, seed=SEED)
    weights = {}
    for key in numbers:
        kept = fit.together(evidence.trials, [key])
        more, fewer = ([numbers[k] for k in keys] for keys in (kept - fitted.keys, fitted.keys - kept))
        weights[key] = smoothed(known[:, more].sum(axis=1) - known[:, fewer].sum(axis=1))
    k = {key: w.pareto_k for key, w in weights.items()}
    refits = [key for key in sorted(k, key=k.__getitem__, reverse=True) if k[key] > shipped.LARGEST_K][:REFITS]
    columns: dict[str, Any] = {}
    for key, number in numbers.items():
        if key in refits:
            names, table = _fit_fold(evidence, key, SEED + 100 + number, say)
        else:
            names, table = shipped.as_table(resampled(draws, weights[key], FOLD_DRAWS, seed=SEED + number))
        columns |= {"columns": np.array(names), key: table.astype(np.float32)}
    untrusted = [key for key in k if k[key] > shipped.LARGEST_K and key not in refits]
    said = ", ".join(untrusted) or "none"
    say(f"leaving a trial out: {len(refits)} fitted anew; Pareto k above {shipped.LARGEST_K} and not: {said}")
    columns |= {
        shipped.FOLD_TRIALS: np.array(list(k)),
        shipped.FOLD_K: np.array(list(k.values())),
        shipped.FOLD_REFITTED: np.array([key in refits for key in k]),
    }
    write(shipped.FOLDS, lambda path: np.savez_compressed(path, **columns))


def _fit_fold(evidence: fit.Evidence, left_out: str, seed: int, say: Callable[[str], None]) -> tuple[list[str], Floats]:
    """Draws of the fit without one trial; again, with twice the warm-up, while chains disagree (at most twice)."""
    keys = fit.together(evidence.trials, [left_out])
    for attempt in range(3):
        sampler = {"draws": FOLD_SAMPLES, "tune": FOLD_TUNE * 2**attempt, "chains": FOLD_CHAINS}
        result = fit.sample(evidence, keys=keys, seed=seed + 1000 * attempt, **sampler)
        diagnostics = fit.diagnostics(result)
        say(f"without {left_out}: {len(keys)} trials, {dict(diagnostics)}")
        if diagnostics["r_hat"] <= FOLD_R_HAT:
            break
    return shipped.as_table(fit.parameter_draws(result.posterior, FOLD_DRAWS))


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
