"""A trial, a model and named priors to one judged answer: posteriors, verdicts, checks, rows, notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from kaptrial.output.folder import write_folder
from kaptrial.priors.effects import LARGE
from kaptrial.questions.fit.checks import Check, posterior_check, prior_check
from kaptrial.questions.fit.data import InteractionData
from kaptrial.questions.fit.estimands import Limits, rows
from kaptrial.questions.fit.fit import Posterior, fit
from kaptrial.questions.fit.information import CONFLICT, Likelihood, Worth, likelihood, worth
from kaptrial.questions.fit.models import ModelOptions, model_of
from kaptrial.questions.fit.output import write_fit
from kaptrial.questions.fit.priors import believed
from kaptrial.questions.fit.verdict import Verdict, verdict
from kaptrial.results import Line, Note, Results, Severity, provenance


@dataclass(frozen=True, kw_only=True, repr=False)
class FitResults(Results[Line]):
    """Results of `fit`; under each prior in turn the posterior, the verdict in words, and the checks of predictions
    before the data and after them; what the data alone say, and what each prior is worth beside them.
    `every_posterior`: a folder has the draws under every prior, not the first alone.
    """

    posteriors: tuple[Posterior, ...]
    verdicts: tuple[Verdict, ...]
    checks: tuple[tuple[Check, Check], ...]
    data_alone: Likelihood
    worths: tuple[Worth, ...]
    limits: Limits
    every_posterior: bool = False

    @property
    def verdict(self) -> str:
        """What the first prior's posterior says, in a sentence."""
        return self.verdicts[0].text

    @property
    def inference_data(self) -> Any:
        """The first prior's draws, predictions and data for ArviZ."""
        from kaptrial.questions.fit.inference_data import tree

        before, after = self.checks[0]
        made = dict(self.provenance)
        return tree(self.posteriors[0], before, after, seed=made["seed"], provenance=made)


def answer(
    trial: InteractionData,
    chosen: ModelOptions,
    names: Sequence[str],
    limits: Limits,
    *,
    seed: int,
    draws: int,
    every_posterior: bool = False,
    **more: Any,
) -> FitResults:
    """The posterior of the trial's effects under each named prior; `more` is what else its provenance says."""
    model, priors = model_of(trial, chosen), [believed(name, trial, chosen.likelihood) for name in names]
    before = [prior_check(model, prior, seed=seed) for prior in priors]
    posteriors = fit(model, priors, seed=seed, draws=draws)
    after = [posterior_check(posterior, seed=seed) for posterior in posteriors]
    verdicts = [verdict(posterior, limits) for posterior in posteriors]
    lines = [Line(numbers=dict(row)) for posterior in posteriors for row in rows(posterior, limits)]
    made = provenance(**more) | {"seed": seed, "draws": draws}
    made |= _provenance(trial, posteriors, verdicts) | vars(chosen)
    made |= {"margin": limits.margin, "rope": limits.rope}
    checks = tuple(zip(before, after, strict=True))
    alone = likelihood(posteriors[0])
    worths = tuple(worth(posterior.prior, trial, alone) for posterior in posteriors)
    by_prior = {posterior.prior.name: vars(own) for posterior, own in zip(posteriors, worths, strict=True)}
    made |= {"data_alone": vars(alone), "prior_worth": by_prior}
    notes = (*trial.notes, *_notes(verdicts, checks), *prior_notes(posteriors, worths))
    return FitResults(
        kind="fit",
        rows=lines,
        provenance=made,
        notes=notes,
        writer=partial(write_folder, write_fit),
        posteriors=tuple(posteriors),
        verdicts=tuple(verdicts),
        checks=checks,
        data_alone=alone,
        worths=worths,
        limits=limits,
        every_posterior=every_posterior,
    )


def _notes(verdicts: Sequence[Verdict], checks: Sequence[tuple[Check, Check]]) -> list[Note]:
    """The verdict under each prior, and what the checks of its predictions found."""
    notes = []
    for said, both in zip(verdicts, checks, strict=True):
        severity: Severity = "error" if said.withheld else "information"
        notes.append(Note(code="verdict", severity=severity, text=said.text))
        lines = (line for check in both for line in check.warnings)
        notes += [Note(code="predictive_check", severity="warning", text=line) for line in lines]
    return notes


def prior_notes(posteriors: Sequence[Posterior], worths: Sequence[Worth]) -> list[Note]:
    """Priors that weigh much beside the data, or that do not go with them."""
    notes = []
    for posterior, own in zip(posteriors, worths, strict=True):
        name = posterior.prior.name
        if own.realised > LARGE * own.patients:
            text = f"prior {name} is worth {own.realised:.0f} patients beside the {own.patients} of the trial"
            notes.append(Note(code="large_prior", severity="warning", text=text))
        if own.conflict < CONFLICT:
            text = f"prior {name} of the effect and the data are at odds: under it an estimate as far off as theirs has"
            text += f" probability {own.conflict:.2g}"
            notes.append(Note(code="prior_conflict", severity="warning", text=text))
    return notes


def _provenance(trial: InteractionData, posteriors: Sequence[Posterior], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    return {
        "priors": [posterior.prior.name for posterior in posteriors],
        "unit_sd": trial.unit_sd,
        "better": trial.better,
        "target_day": None if trial.target_day != trial.target_day else trial.target_day,
        "roles": dict(zip(trial.effects, trial.roles, strict=True)),
        "patients": len(trial.y),
        "patients_without_scores": trial.left_out,
        "verdicts": {posterior.prior.name: said.text for posterior, said in zip(posteriors, verdicts, strict=True)},
        "diagnostics": {posterior.prior.name: _diagnostics(posterior) for posterior in posteriors},
    }


def _diagnostics(posterior: Posterior) -> dict[str, Any]:
    checks = posterior.diagnostics
    chains = {name: getattr(checks, name) for name in ("r_hat", "ess_bulk", "ess_tail", "divergences")}
    loo = {"largest_k_hat": float(checks.k_hat.max()), "elpd_loo": checks.elpd, "elpd_loo_se": checks.elpd_se}
    return chains | loo | {"reruns": posterior.reruns, "failures": list(checks.failures)}
