"""Files and scenarios to the data of the interaction models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kaptrial.arrays import Floats, Ints
from kaptrial.errors import DataError, FieldError
from kaptrial.estimators.huber import pooled_scale
from kaptrial.method_table import Side
from kaptrial.methods.days import read as read_shares
from kaptrial.methods.options import Options
from kaptrial.methods.prepared import covariate_columns, scores_under
from kaptrial.methods.responses import responses
from kaptrial.methods.rows import contrasts, days_asked
from kaptrial.methods.scores import read
from kaptrial.priors.effects import ROLES, Role
from kaptrial.questions.fit.binary import LOGISTIC_SD
from kaptrial.questions.fit.data import InteractionData, check
from kaptrial.questions.fit.model import Likelihood
from kaptrial.questions.fit.separation import separation_notes
from kaptrial.results import Note
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.trial import Estimand
from kaptrial.simulation.data_file import DataFile, read_file
from kaptrial.simulation.simulate import simulate
from kaptrial.simulation.trials import Trials


@dataclass(frozen=True, kw_only=True)
class FitQuestion:
    """What the user says beyond the columns of the file: `roles` of the effects, `unit_sd` of the named priors."""

    likelihood: Likelihood = "normal"
    roles: tuple[str, ...] = ()
    unit_sd: float | None = None


def from_file(source: Path | DataFile, options: Options, asked: FitQuestion) -> InteractionData:
    """The trial in a CSV file. Raises DataError naming file, column and row for what cannot be used."""
    data = source if isinstance(source, DataFile) else read_file(source)
    if asked.likelihood == "abstinent_days":
        trial = _counts(data, options, asked)
    else:
        _check_baseline(data, options)
        for column in (*options.covariates, *options.categories):
            data.complete(column, "every patient needs one")
        trials = read(data, options)
        data.left_out(trials.patients, ~np.isfinite(trials.score[0]).any(axis=1), "no score on any day")
        trial = from_trials(trials, options, asked, str(data.path))
    return replace(trial, notes=(*data.notes, *trial.notes))


def from_scenario(scenario: Scenario, asked: FitQuestion, *, seed: int, source: str) -> InteractionData:
    """One simulated trial of the scenario, from randomisation on; day, contrast and strategies are those of its primary
    estimand.
    """
    if len(scenario.arms) == 1:
        raise DataError(f"{source}: arms = 1: must be two or more")
    trials = simulate(scenario, seed=seed, replicates=1, full=False)
    scores = scores_under(trials, trials.score, scenario.estimand.strategies, scenario.scale.worst)
    after = np.flatnonzero(trials.days > max(0.0, scenario.randomisation.day))
    if not len(after):
        raise DataError(f"{source}: design.visits = {list(scenario.design.visits)}: none after randomisation")
    wanted = {name: trials.covariates[name] for name in scenario.covariates if name in trials.covariates}
    adjusted = "baseline" in scenario.covariates
    adjusted = adjusted or asked.likelihood == "binary"
    baseline = trials.baseline if adjusted else np.full_like(trials.baseline, np.nan)
    cut = replace(trials, days=trials.days[after], score=scores[..., after], covariates=wanted, baseline=baseline)
    reference = None if scenario.factors else scenario.arms[scenario.reference_arm].id
    scale = scenario.scale
    if asked.likelihood == "binary" and scale.response_points is not None:
        allowed = "is not fitted, response by a fraction of the way to the best score is"
        raise DataError(f"{source}: outcome.scale.response.points = {scale.response_points:g}: {allowed}")
    better: Side = "higher" if scale.better == "higher" else "lower"
    options = Options(target_day=scenario.estimand.day, reference=reference, better=better, best=scale.best)
    options = replace(options, response_fraction=scale.response_fraction or options.response_fraction)
    if not asked.roles:
        asked = replace(asked, roles=_roles_in(scenario, cut, reference))
    trial = from_trials(cut, options, asked, source)
    asked_for = scenario.contrast(scenario.estimand).text
    own = scenario.decision.own_priors
    notes = (*_other_endpoint(scenario.estimand, asked.likelihood), *trial.notes)
    return replace(trial, asked=asked_for, own_priors=own, notes=notes)


def _other_endpoint(estimand: Estimand, likelihood: Likelihood) -> tuple[Note, ...]:
    """What is to be said where the outcome of the model is not the endpoint that the scenario asks about."""
    same = ("response",) if likelihood == "binary" else ("score", "change", "percent_abstinent_days")
    if estimand.endpoint in same:
        return ()
    outcome = "response" if likelihood == "binary" else "scores"
    text = f"the scenario asks about {estimand.endpoint}; fitted are {outcome}, told at day {estimand.day:g}"
    return (Note(code="other_endpoint", severity="warning", text=text),)


def _roles_in(scenario: Scenario, trials: Trials, reference: str | None) -> tuple[str, ...]:
    """Drug where only the infusions differ between the arms that an effect compares, else therapy."""
    names, levels = effect_levels(trials.arms, trials.factors, trials.levels, reference)
    right = int(np.flatnonzero(levels.sum(axis=1) == 0)[0])
    roles = []
    for k in range(len(names)):
        if len(trials.factors) == 2 and k == 2:
            roles.append("interaction")
            continue
        left = int(np.flatnonzero((levels[:, k] == 1) & (levels.sum(axis=1) == 1))[0])
        one, other = scenario.arms[left], scenario.arms[right]
        roles.append("drug" if one.doses != other.doses and one.therapy == other.therapy else "therapy")
    return tuple(roles)


def from_trials(trials: Trials, options: Options, asked: FitQuestion, source: str) -> InteractionData:
    """The first replicate of a Trials."""
    names, levels = effect_levels(trials.arms, trials.factors, trials.levels, options.reference)
    better = options.better_score
    y, response = trials.score[0], asked.likelihood == "binary"
    if response:
        # A score that is already 0 or 1 keeps its direction; a response made from scores is always good.
        made = not np.isin(y[np.isfinite(y)], (0, 1)).all()
        better = "higher" if made else (options.better or "higher")
        y = np.stack([responses(trials, options, v)[0] for v in range(len(trials.days))], axis=-1)
    used = np.isfinite(y).any(axis=1)
    covariates = covariate_columns(trials, list(trials.covariates))[0]
    target = days_asked(trials.days, options)[-1]
    therapist = np.full(len(y), -1, dtype=np.int64) if trials.therapist is None else trials.therapist[0]
    baseline = trials.baseline[0][used] if np.isfinite(trials.baseline).any() else None
    arm = trials.arm[0][used]
    columns, categories = _columns({name: covariate.levels for name, covariate in trials.covariates.items()})
    patients = tuple(name for name, has in zip(trials.patients, used, strict=True) if has) if trials.patients else ()
    data = InteractionData(
        y=y[used], days=tuple(map(float, trials.days)), effects=names, roles=roles_of(names, trials.factors, asked),
        x=levels[arm], levels=levels, baseline=baseline, covariates=covariates[used],
        covariate_names=columns, categories=categories, patients=patients, arms=trials.arms, arm=arm,
        therapist=_renumbered(therapist[used]), unit_sd=1.0, target_day=target, better=better,
        factors=trials.factors, left_out=int((~used).sum()),
    )  # fmt: skip
    return _with_unit(data, asked, source)


def _with_unit(data: InteractionData, asked: FitQuestion, source: str) -> InteractionData:
    check(data, source, continuous=asked.likelihood == "normal")
    unit = asked.unit_sd
    if unit is None:
        unit = LOGISTIC_SD
        if asked.likelihood == "normal":
            unit = pooled_scale(data.y[:, data.target], data.arm, len(data.arms))[1]
    if not (np.isfinite(unit) and unit > 0):
        where = f"{source}: the SD within arms on day {data.target_day:g}"
        raise DataError(f"{where} is {unit:g}: must be > 0, or given as the unit of the priors")
    notes = () if asked.likelihood == "normal" else separation_notes(data)
    return replace(data, unit_sd=float(unit), notes=notes)


def _check_baseline(data: DataFile, options: Options) -> None:
    """A baseline for everybody, or none because the user says so."""
    column = "baseline" if options.baseline is None else options.baseline
    if not column:
        return
    if not data.has(column):
        known = ", ".join(data.columns)
        raise DataError(f"{data.path}: column `{column}` is missing: must be one of {known}, or '' for none")
    data.complete(column, "every patient needs a baseline, or its column must be '' for none")


def _counts(data: DataFile, options: Options, asked: FitQuestion) -> InteractionData:
    """Successes out of a number, one row of the file a patient."""
    if options.target_day is not None:
        raise FieldError("target_day", options.target_day, "goes with visits; abstinent_days has one row a patient")
    for column in (*options.covariates, *options.categories, *([options.baseline] if options.baseline else [])):
        data.complete(column, "every patient needs one")
    shares = read_shares(data, options, "abstinent_days", "days", bounded=True)
    if (shares.n[0] != np.round(shares.n[0])).any():
        data.refuse(
            options.of or "days", int((shares.n[0] != np.round(shares.n[0])).argmax()), "must be a whole number"
        )
    used = np.isfinite(shares.k[0]) & np.isfinite(shares.n[0])
    rows = np.arange(len(used))
    arms, arm, factor_levels = data.arms(rows, options.arm, options.factors)
    effects, levels = effect_levels(arms, options.factors, factor_levels, options.reference)
    therapist = np.full(len(used), -1, dtype=np.int64)
    if options.therapist is not None:
        therapist = data.therapists(options.therapist, rows, arm, arms)
    names = [*([options.baseline] if options.baseline else []), *options.covariates, *options.categories]
    levels_of = {name: data.covariate(name, rows, categorical=name in options.categories)[1] for name in names}
    columns, categories = _columns(levels_of)
    counted = InteractionData(
        y=shares.k[0][used, None], days=(float("nan"),), effects=effects,
        roles=roles_of(effects, options.factors, asked), x=levels[arm[used]], levels=levels, baseline=None,
        covariates=shares.covariates[0][used], covariate_names=columns, categories=categories,
        patients=tuple(name for name, has in zip(shares.patients, used, strict=True) if has), arms=arms,
        arm=arm[used], therapist=_renumbered(therapist[used]), unit_sd=1.0, target_day=float("nan"),
        better=options.better or "higher", factors=tuple(options.factors), trials_of=shares.n[0][used],
        left_out=int((~used).sum()),
    )  # fmt: skip
    return _with_unit(counted, asked, str(data.path))


def effect_levels(
    arms: tuple[str, ...], factors: Sequence[str], levels: Sequence[Sequence[int]], reference: str | None
) -> tuple[tuple[str, ...], Floats]:
    """Names of the effects and where each acts, (arm, effect): the terms of a 2×2, or arms against the reference."""
    names = tuple(name for name, _ in contrasts(arms, tuple(factors), reference))
    if factors:
        of = np.array(levels, dtype=np.float64)
        return names, np.concatenate([of, of.prod(axis=1, keepdims=True)], axis=1) if len(factors) == 2 else of
    right = arms.index(reference if reference is not None else arms[0])
    return names, np.delete(np.eye(len(arms)), right, axis=1)


def roles_of(effects: tuple[str, ...], factors: Sequence[str], asked: FitQuestion) -> tuple[Role, ...]:
    """The role of each effect, which picks its prior: in a 2×2 drug, therapy, interaction; else therapy."""
    two: tuple[Role, ...] = ("drug", "therapy", "interaction")
    therapy: Role = "therapy"
    usual = two if len(factors) == 2 else tuple(therapy for _ in effects)
    if not asked.roles:
        return usual
    unknown = [role for role in asked.roles if role not in ROLES]
    if unknown or len(asked.roles) != len(effects):
        raise FieldError(
            "role", ",".join(asked.roles), f"must name {', '.join(ROLES)} for each of {', '.join(effects)}"
        )
    return tuple(role for said in asked.roles for role in ROLES if role == said)


def _columns(levels_of: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of each column of these covariates its name, and the category that it belongs to, empty for a number."""
    columns = [
        (f"{name} {level}" if levels else name, name if levels else "")
        for name, levels in levels_of.items()
        for level in (levels[1:] or ("",))
    ]
    return tuple(name for name, _ in columns), tuple(category for _, category in columns)


def _renumbered(therapist: Ints) -> Ints:
    """Codes without gaps: some treated only patients who were never seen."""
    known = np.unique(therapist[therapist >= 0])
    return np.where(therapist >= 0, np.searchsorted(known, therapist), -1).astype(np.int64)
