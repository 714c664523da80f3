"""`kaptrial fit`: the posterior of the interaction in one trial, real or simulated."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaptrial.cli_reading import (
    Folder,
    JsonFile,
    Seed,
    announce,
    check_outputs,
    choice,
    hand_over,
    numbers_in,
    say_notes,
)
from kaptrial.errors import UserError
from kaptrial.results import Note, Severity, of_lines
from kaptrial.results import provenance as made_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kaptrial.bayes.interaction.checks import Check
    from kaptrial.bayes.interaction.data import InteractionData
    from kaptrial.bayes.interaction.fit import Posterior
    from kaptrial.bayes.interaction.verdict import Verdict

# More draws of each chain, over all priors, say first what they will cost.
MANY_DRAWS = 20_000


def fit(
    data: Annotated[Path, typer.Argument(metavar="DATA.csv|SCENARIO", help="A trial, or a scenario to simulate.")],
    patient: str = "patient",
    arm: str = "arm",
    reference: Annotated[str | None, typer.Option(help="Arm on the right of each contrast.")] = None,
    day: str = "day",
    score: Annotated[str | None, typer.Option(help="Column of the outcome.")] = None,
    baseline: Annotated[str | None, typer.Option(help="Column of the baseline score; '' for none.")] = None,
    factor: Annotated[
        list[str] | None, typer.Option(help="Column coded 0/1; give two for a 2×2: the drug first, then the therapy.")
    ] = None,
    covariate: Annotated[list[str] | None, typer.Option(help="Covariate column; may be repeated.")] = None,
    category: Annotated[list[str] | None, typer.Option(help="Covariate whose numbers are names of levels.")] = None,
    therapist: Annotated[str | None, typer.Option(help="Column of the therapist; empty without one.")] = None,
    of: Annotated[str | None, typer.Option("--of", "--days", help="Column of the days counted.")] = None,
    target_day: Annotated[float | None, typer.Option(help="Day of the verdict; else the last.")] = None,
    visits: Annotated[str | None, typer.Option(help="Days that rows are taken to, with commas.")] = None,
    window: Annotated[float | None, typer.Option(min=0.0, help="Farthest that a row may be from its visit.")] = None,
    better: Annotated[str | None, typer.Option(help="Which way is better: lower or higher.")] = None,
    best: Annotated[float, typer.Option(help="The best score, for response.")] = 0.0,
    response_fraction: Annotated[float, typer.Option(min=0.01, max=1.0, help="Of the way to the best.")] = 0.5,
    role: Annotated[
        str | None, typer.Option(help="What each effect is: drug, therapy or interaction, with commas.")
    ] = None,
    prior: Annotated[str, typer.Option(help="Named priors with commas, or all (docs/bayes.md).")] = "weak",
    likelihood: Annotated[str, typer.Option(help="normal, binary or abstinent_days.")] = "normal",
    covariance: Annotated[str, typer.Option(help="Of scores: unstructured, random or intercept.")] = "unstructured",
    residual: Annotated[str, typer.Option(help="Residual SDs of scores: common or by_arm.")] = "common",
    margin: Annotated[float | None, typer.Option(min=0.0, help="Benefit that matters, in the outcome's unit.")] = None,
    rope: Annotated[float | None, typer.Option(min=0.0, help="Half the width of what counts as none.")] = None,
    unit_sd: Annotated[float | None, typer.Option(min=1e-9, help="The SD in which priors are stated.")] = None,
    seed: Seed = 1,
    draws: Annotated[int, typer.Option(min=100, max=100_000, help="Draws of each of 4 chains.")] = 1000,
    output: Folder = None,
    json_file: JsonFile = None,
) -> None:
    """Bayesian interaction: is the combination more than the sum, given a prior; with diagnostics and checks."""
    from kaptrial.bayes.interaction.checks import posterior_check, prior_check
    from kaptrial.bayes.interaction.estimands import Limits, rows
    from kaptrial.bayes.interaction.fit import fit as fit_model
    from kaptrial.bayes.interaction.fit import fit_cost
    from kaptrial.bayes.interaction.gaussian import COVARIANCES, RESIDUALS
    from kaptrial.bayes.interaction.model import LIKELIHOODS
    from kaptrial.bayes.interaction.models import ModelOptions, model_of
    from kaptrial.bayes.interaction.reading import Asked
    from kaptrial.bayes.interaction.verdict import verdict
    from kaptrial.methods.options import Options
    from kaptrial.report import fit_words, words

    chosen = ModelOptions(
        likelihood=choice("--likelihood", likelihood, LIKELIHOODS),
        covariance=choice("--covariance", covariance, COVARIANCES),
        residual=choice("--residual", residual, RESIDUALS),
    )
    names = _priors(prior)
    options = Options(
        patient=patient, arm=arm, day=day, score=score, baseline=baseline, factors=tuple(factor or ()),
        covariates=tuple(covariate or ()), categories=tuple(category or ()), therapist=therapist, of=of,
        reference=reference, target_day=target_day, best=best,
        visits=numbers_in("--visits", visits), window=window, response_fraction=response_fraction,
        better=None if better is None else choice("--better", better, ("lower", "higher")),
    )  # fmt: skip
    check_outputs(output, json_file)
    roles = tuple(part.strip() for part in role.split(",")) if role else ()
    asked = Asked(likelihood=chosen.likelihood, roles=roles, unit_sd=unit_sd)
    trial = _trial(data, options, asked, seed)
    say_notes(trial.notes)
    model, limits = model_of(trial, chosen), Limits(margin=margin, rope=rope)
    believed = [_named(name, trial) for name in names]
    if draws * len(names) >= MANY_DRAWS:
        work = f"{draws:,} draws of each chain under {len(names)} prior{'s' * (len(names) > 1)}"
        announce(fit_cost(model, believed[0], n_priors=len(names), draws=draws), work, "4 chains", "--draws")
    before = [prior_check(model, one, seed=seed) for one in believed]
    if sys.stderr is not None and sys.stderr.isatty():
        typer.echo(f"sampling under {', '.join(names)} …", err=True)
    posteriors = fit_model(model, believed, seed=seed, draws=draws)
    after = [posterior_check(one, seed=seed) for one in posteriors]
    verdicts = [verdict(one, limits) for one in posteriors]
    table = [row for one in posteriors for row in rows(one, limits)]
    provenance = made_by() | {"data": data.name, "seed": seed, "draws": draws}
    provenance |= _provenance(trial, posteriors, verdicts) | vars(chosen)
    provenance |= {"margin": margin, "rope": rope, "options": _said(options)}
    results = of_lines("fit", table, provenance, *trial.notes, *_notes(verdicts, before, after))

    def show() -> None:
        if len(posteriors) == 1:
            fit_words.show_fit(posteriors[0], verdicts[0], table, before[0], after[0])
            return
        for one, first, last in zip(verdicts, before, after, strict=True):
            words.say(one.text)
            for line in (*first.warnings, *last.warnings):
                words.say(f"warning: {line}")
        fit_words.show_sweep(posteriors, verdicts, table)

    def write_folder(folder: Path) -> None:
        from kaptrial.report.fit_pack import write_fit

        write_fit(folder, posteriors, verdicts, list(zip(before, after, strict=True)), limits, results)

    hand_over(results, show, json_file, output, write_folder)


def _notes(verdicts: Sequence[Verdict], before: Sequence[Check], after: Sequence[Check]) -> list[Note]:
    """The verdict under each prior, and what the checks of its predictions found."""
    notes = []
    for said, *checks in zip(verdicts, before, after, strict=True):
        severity: Severity = "error" if said.withheld else "information"
        notes.append(Note(code="verdict", severity=severity, text=said.text))
        lines = (line for check in checks for line in check.warnings)
        notes += [Note(code="predictive_check", severity="warning", text=line) for line in lines]
    return notes


def _said(options: Any) -> dict[str, Any]:
    """The options that differ from their defaults."""
    return {name: value for name, value in vars(options).items() if value != getattr(type(options)(), name)}


def _trial(path: Path, options: Any, asked: Any, seed: int) -> InteractionData:
    from kaptrial.bayes.interaction.reading import from_file, from_scenario

    if path.suffix not in (".yaml", ".yml"):
        return from_file(path, options, asked)
    from kaptrial.spec.files import load

    if said := list(_said(options)):
        raise UserError(f"{path}: a scenario says its own columns, days and directions: {said[0]} goes with a file")
    return from_scenario(load(path), asked, seed=seed, source=str(path))


def _priors(text: str) -> tuple[str, ...]:
    from kaptrial.catalogue.effect_priors import NAMES
    from kaptrial.errors import nearest

    if text.strip() == "all":
        return NAMES
    names = tuple(part.strip() for part in text.split(","))
    for name in names:
        if name not in NAMES:
            raise UserError(f"--prior = {name!r}: must be all, or of {', '.join(NAMES)}{nearest(name, NAMES)}")
    if len(set(names)) < len(names):
        raise UserError(f"--prior = {text!r}: each prior must be named once")
    return names


def _named(name: str, trial: InteractionData) -> Any:
    from kaptrial.bayes.effects import named

    return named(name, roles=trial.roles, days=trial.days, unit=trial.unit_sd, better=trial.better)


def _provenance(trial: InteractionData, posteriors: Sequence[Posterior], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    return {
        "priors": [one.prior.name for one in posteriors],
        "unit_sd": trial.unit_sd,
        "better": trial.better,
        "target_day": None if trial.target_day != trial.target_day else trial.target_day,
        "roles": dict(zip(trial.effects, trial.roles, strict=True)),
        "patients": len(trial.y),
        "patients_without_scores": trial.left_out,
        "verdicts": {one.prior.name: said.text for one, said in zip(posteriors, verdicts, strict=True)},
        "diagnostics": {one.prior.name: _diagnostics(one) for one in posteriors},
    }


def _diagnostics(posterior: Posterior) -> dict[str, Any]:
    found = posterior.diagnostics
    chains = {name: getattr(found, name) for name in ("r_hat", "ess_bulk", "ess_tail", "divergences")}
    loo = {"largest_k_hat": float(found.k_hat.max()), "elpd_loo": found.elpd, "elpd_loo_se": found.elpd_se}
    return chains | loo | {"reruns": posterior.reruns, "failures": list(found.failures)}
