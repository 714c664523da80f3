"""`kaptrial fit`: the posterior of the interaction in one trial, real or simulated."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kaptrial.cli.options import (
    Folder,
    JsonFile,
    ResponseFraction,
    Seed,
    announce,
    check_outputs,
    choice,
    hand_over,
    numbers_in,
    say_notes,
)
from kaptrial.errors import FieldError, UserError

if TYPE_CHECKING:
    from kaptrial.questions.fit.data import InteractionData

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
    response_fraction: ResponseFraction = 0.5,
    role: Annotated[
        str | None, typer.Option(help="What each effect is: drug, therapy or interaction, with commas.")
    ] = None,
    prior: Annotated[str, typer.Option(help="Priors with commas: by name, all, or such as normal(0, 0.3).")] = "weak",
    likelihood: Annotated[str, typer.Option(help="normal, binary or abstinent_days.")] = "normal",
    covariance: Annotated[str, typer.Option(help="Of scores: unstructured, random or intercept.")] = "unstructured",
    residual: Annotated[str, typer.Option(help="Residual SDs of scores: common or by_arm.")] = "common",
    margin: Annotated[float | None, typer.Option(min=0.0, help="Benefit that matters, in the outcome's unit.")] = None,
    rope: Annotated[float | None, typer.Option(min=0.0, help="Half the width of what counts as none.")] = None,
    unit_sd: Annotated[float | None, typer.Option(min=1e-9, help="The SD in which priors are stated.")] = None,
    seed: Seed = 1,
    draws: Annotated[int, typer.Option(min=100, max=100_000, help="Draws of each of 4 chains.")] = 1000,
    every_posterior: Annotated[
        bool, typer.Option("--every-posterior", help="In -o, draws under every prior, not the first alone.")
    ] = False,
    output: Folder = None,
    json_file: JsonFile = None,
) -> None:
    """Bayesian interaction: is the combination more than the sum, given a prior; with diagnostics and checks."""
    from kaptrial.methods.options import Options
    from kaptrial.questions.fit import terminal
    from kaptrial.questions.fit.answer import answer
    from kaptrial.questions.fit.estimands import Limits
    from kaptrial.questions.fit.fit import fit_cost
    from kaptrial.questions.fit.gaussian import COVARIANCES, RESIDUALS
    from kaptrial.questions.fit.model import LIKELIHOODS
    from kaptrial.questions.fit.models import ModelOptions, model_of
    from kaptrial.questions.fit.priors import believed
    from kaptrial.questions.fit.trial_data import FitQuestion

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
    asked = FitQuestion(likelihood=chosen.likelihood, roles=roles, unit_sd=unit_sd)
    trial = _trial(data, options, asked, seed)
    _check_priors(names, trial, chosen.likelihood)
    say_notes(trial.notes)
    if draws * len(names) >= MANY_DRAWS:
        work = f"{draws:,} draws of each chain under {len(names)} prior{'s' * (len(names) > 1)}"
        first = believed(names[0], trial, chosen.likelihood)
        cost = fit_cost(model_of(trial, chosen), first, n_priors=len(names), draws=draws)
        announce(cost, work, "4 chains", "--draws")
    if sys.stderr is not None and sys.stderr.isatty():
        typer.echo(f"sampling under {', '.join(names)} …", err=True)
    run = partial(answer, trial, chosen, names, Limits(margin=margin, rope=rope), seed=seed, draws=draws)
    results = run(every_posterior=every_posterior, data=data.name, options=_said(options))

    hand_over(results, lambda: terminal.show(results), json_file, output)


def _said(options: Any) -> dict[str, Any]:
    """The options that differ from their defaults."""
    return {name: value for name, value in vars(options).items() if value != getattr(type(options)(), name)}


def _trial(path: Path, options: Any, asked: Any, seed: int) -> InteractionData:
    from kaptrial.questions.fit.trial_data import from_file, from_scenario

    if path.suffix not in (".yaml", ".yml"):
        return from_file(path, options, asked)
    from kaptrial.scenario.files import load

    if said := list(_said(options)):
        raise UserError(f"{path}: a scenario says its own columns, days and directions: {said[0]} goes with a file")
    return from_scenario(load(path), asked, seed=seed, source=str(path))


def _priors(text: str) -> tuple[str, ...]:
    from kaptrial.catalogue.effect_priors import NAMES
    from kaptrial.scenario.own_prior import listed

    names = NAMES if text.strip() == "all" else listed(text)
    if len(set(names)) < len(names):
        raise UserError(f"--prior = {text!r}: each prior must be named once")
    return names


def _check_priors(names: tuple[str, ...], trial: InteractionData, likelihood: Any) -> None:
    """Raise UserError for a prior that is none, or says nothing of what is asked."""
    from kaptrial.questions.fit.priors import believed

    for name in names:
        try:
            believed(name, trial, likelihood)
        except FieldError as error:
            raise UserError(f"--prior = {name!r}: {error.allowed}") from None
