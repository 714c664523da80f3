"""Fits of the mechanisms to one trial: what the data say of each parameter, and, where they can, which mechanism."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from kaptrial.arrays import Floats
from kaptrial.errors import DataError
from kaptrial.questions.mechanism.course import PARAMETERS, Course, course_of, therapy_in_question
from kaptrial.questions.mechanism.model import ALWAYS, MECHANISMS, VARIANTS, Scores, build, compiled, prior_draws
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.trials import Trials

CHAINS, TUNE, DRAWS, TARGET_ACCEPT = 4, 800, 1000, 0.95
# A parameter of which the data took away less than this share of the prior variance was told by the prior.
LITTLE = 0.2
# One mechanism predicts best only where its LOO exceeds every other's by two standard errors, and by four units, below
# which the error's normal approximation does not hold (Sivula, Magnusson & Vehtari 2020, arXiv:2008.10296).
RANKS, LEAST_DIFFERENCE = 2.0, 4.0
R_HAT, ESS = 1.01, 400
# Seconds on one processor: of compiling; of 1,000 draws, and what each patient adds. Measured with 95 and 319 patients
# at six visits (compiling 15 and 29, 17,600 draws 12.3 and 17.6).
COMPILING, A_THOUSAND, EACH_PATIENT = 25.0, 0.57, 0.00134


@dataclass(frozen=True, kw_only=True)
class VariantFit:
    """One mechanism's fit: `draws` by parameter (chain, draw), `course` (draws, arm, visit), mean scores; `loo`, an
    ArviZ ELPDData, patients left out one by one; `k_hat` (patient,); diagnostics."""

    name: str
    draws: dict[str, Floats]
    course: Floats
    loo: Any
    k_hat: Floats
    r_hat: float
    ess: float
    divergences: int
    tree: Any

    @property
    def usable(self) -> bool:
        """Whether the draws can be used."""
        return self.r_hat < R_HAT and self.ess >= ESS and self.divergences == 0


class ParameterRow(NamedTuple):
    """Prior and posterior of a variant's parameter, and the share of the prior's variance that the data took away."""

    variant: str
    parameter: str
    mean: float
    sd: float
    median: float
    lower: float
    upper: float
    prior_median: float
    prior_lower: float
    prior_upper: float
    contraction: float
    told_by: str
    r_hat: float
    ess: float
    divergences: int


class Rank(NamedTuple):
    """How well a variant predicts a patient left out, and its difference from the best."""

    variant: str
    elpd: float
    elpd_se: float
    difference: float
    difference_se: float
    largest_k_hat: float


@dataclass(frozen=True, kw_only=True)
class MechanismFit:
    """Every variant's fit, its parameters, and the variants' ranking; None where the design cannot rank (`why_not`)."""

    course: Course
    scores: Scores
    variants: tuple[VariantFit, ...]
    rows: list[ParameterRow]
    ranking: list[Rank] | None
    why_not: str | None

    @property
    def best(self) -> str | None:
        """The mechanism that predicts clearly best, if there is one."""
        return best(self.ranking) if self.ranking else None


def count_draws(draws: int) -> int:
    """How many draws `fit` will make, of every chain and variant, for a progress bar."""
    return len(VARIANTS) * CHAINS * (TUNE + draws)


def fit(
    scenario: Scenario,
    trials: Trials,
    *,
    seed: int,
    draws: int = DRAWS,
    say: Callable[[str], None] = lambda _: None,
    progress: Callable[[int], None] = lambda _: None,
) -> MechanismFit:
    """Fit every variant to a trial of the scenario's design; `say` is told what it will take, `progress` of draws made.

    The trial's arms must be the scenario's, by id or by the levels of its factors. Fixed at the scenario's values: g,
    k_L, k_W, EC50, Hill, consolidation, spread of half-lives, other therapies. Raises ScenarioError where trial and
    scenario do not fit.
    """
    import nutpie

    days = tuple(float(d) for d in trials.days if d > scenario.randomisation.day)
    course = course_of(scenario, days)
    scores = scores_of(scenario, trials, days)
    centres = prior_centres(scenario)
    n = len(scores.y)
    say(f"{n} patients, {len(days)} visits, {len(VARIANTS)} models: about {duration(n, draws)}")
    model = compiled(build(course, scores, centres))
    before = prior_draws(centres, scores.unit, 20_000, seed=seed)
    sampler = {"draws": draws, "tune": TUNE, "chains": CHAINS, "cores": 2, "target_accept": TARGET_ACCEPT}
    fits = []
    for k, (name, held) in enumerate(VARIANTS.items()):
        on = np.array([float(m in held) for m in MECHANISMS])
        told = Told(progress)
        tree = nutpie.sample(
            model.with_data(on=on), seed=seed + k, progress_bar=False, progress_callback=told, **sampler
        )
        told.all(CHAINS * (TUNE + draws))
        fits.append(_variant(name, held, tree))
    rows = [row for variant in fits for row in _rows(variant, before)]
    why_not = cannot_rank(scenario)
    ranking = None if why_not else _ranking(fits)
    return MechanismFit(course=course, scores=scores, variants=tuple(fits), rows=rows, ranking=ranking, why_not=why_not)


def duration(patients: int, draws: int) -> str:
    """How long a fit takes where nothing else runs, in words."""
    seconds = COMPILING + count_draws(draws) / 1000 * (A_THOUSAND + EACH_PATIENT * patients)
    return f"{10 * round(seconds / 10)} s" if seconds < 95 else f"{seconds / 60:.0f} min"


class Told:
    """Tells `progress` of the draws that the chains of one variant have made since it was last called."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self.progress, self.done = progress, 0

    def __call__(self, chains: list[Any]) -> None:
        self.all(sum(chain.finished_draws for chain in chains))

    def all(self, done: int) -> None:
        self.progress(done - self.done)
        self.done = done


def best(ranking: Sequence[Rank]) -> str | None:
    """The first of a ranking where it leads all others by RANKS standard errors and LEAST_DIFFERENCE."""
    clear = (-row.difference > max(RANKS * row.difference_se, LEAST_DIFFERENCE) for row in ranking[1:])
    return ranking[0].variant if all(clear) else None


def cannot_rank(s: Scenario) -> str | None:
    """Why a trial of this design cannot tell the mechanisms apart; None if it can, in principle.

    It takes a 2×2, or the same therapy at different lags after the same doses (docs/model.md, identifiability).
    """
    if s.factors:
        return None
    given = [(arm.therapy.name, str(arm.doses), arm.therapy.days) for arm in s.arms if arm.therapy]
    if any(a[:2] == b[:2] and a[2] != b[2] for a, b in combinations(given, 2)):
        return None
    return (
        "no 2×2 and no randomised lag between doses and sessions: a trial of this design cannot tell mechanisms apart"
    )


def prior_centres(s: Scenario) -> dict[str, float]:
    """Prior medians: the scenario's own values, averaged over patients."""
    from scipy.special import expit, logit

    noun = s.therapies[therapy_in_question(s)]
    if s.drug.max_effect is not None:
        size = s.drug.max_effect.value
    elif s.drug.slope is not None:
        size = s.drug.slope.value
    else:
        assert s.drug.share is not None  # a drug has one of the three
        z, weight = np.polynomial.hermite_e.hermegauss(21)
        shares = expit(logit(min(s.drug.share.value, 1 - 1e-9)) + s.drug.share.spread * z)
        size = s.population.baseline.value * float(shares @ weight / weight.sum())
    inert = s.population.non_responders.value if s.population.non_responders else 0.0
    return {
        "natural": s.natural_course.change.value if s.natural_course else 0.0,
        "max_effect": max(size * (1 - inert), 1e-3),
        "half_life": s.drug.half_life.value,
        "therapy": noun.max_effect.value * float(np.exp(noun.max_effect.spread**2 / 2)),
    }


def scores_of(s: Scenario, trials: Trials, days: tuple[float, ...]) -> Scores:
    """The first replicate's scores at these days, its arms matched to the scenario's."""
    if s.factors:
        if trials.factors != s.factors:
            raise DataError(f"the data have no columns {' and '.join(s.factors)}, the factors of the scenario's 2×2")
        own: list[tuple[int, ...]] = [tuple((arm.factors or {}).values()) for arm in s.arms]
        place = [own.index(level) for level in trials.levels]
    else:
        ids = [arm.id for arm in s.arms]
        strange = [name for name in trials.arms if name not in ids]
        if strange:
            raise DataError(f"arm = {strange[0]!r}: must be one of the scenario's arms, {', '.join(ids)}")
        place = [ids.index(name) for name in trials.arms]
    visits = [int(np.flatnonzero(trials.days == day)[0]) for day in days]
    y, baseline = trials.score[0][:, visits], trials.baseline[0]
    seen = np.isfinite(y).any(axis=1)
    if not np.isfinite(baseline[seen]).all():
        raise DataError("baseline: every patient with a score needs one")
    if seen.sum() < 4 * len(days):
        raise DataError(f"patients = {seen.sum()}: must be ≥ {4 * len(days)}, four for each of {len(days)} visits")
    empty = [day for v, day in zip(visits, days, strict=True) if not np.isfinite(trials.score[0][:, v]).any()]
    if empty:
        raise DataError(f"day {empty[0]:g}: has no score at all; leave its rows out")
    arm = np.array(place)[trials.arm[0]]
    within = [y[seen & (arm == a)][:, -1] for a in range(len(s.arms))]
    unit = float(np.sqrt(np.nanmean([np.nanvar(x, ddof=1) for x in within if np.isfinite(x).sum() > 1])))
    if not unit > 0:
        raise DataError("score: all scores of an arm are equal on the last day; there is nothing to fit")
    sign = -1.0 if s.scale.better == "lower" else 1.0
    return Scores(y=y[seen], baseline=baseline[seen], arm=arm[seen], unit=unit, sign=sign)


def _variant(name: str, held: tuple[str, ...], tree: Any) -> VariantFit:
    import arviz as az

    posterior = tree.posterior
    names = (*ALWAYS, *held)
    draws = {p: np.asarray(posterior[p]) for p in names}
    loglik = np.asarray(posterior["patient_loglik"])
    loo = az.loo(az.from_dict({"posterior": draws, "log_likelihood": {"y": loglik}}), pointwise=True)
    sizes = [az.ess(x, method="bulk") for x in draws.values()]
    sizes += [az.ess(x, method="tail", prob=(0.05, 0.95)) for x in draws.values()]
    return VariantFit(
        name=name,
        draws=draws,
        course=np.asarray(posterior["course"]).reshape(-1, *posterior["course"].shape[2:]),
        loo=loo,
        k_hat=np.asarray(loo.pareto_k),
        r_hat=max(float(az.rhat(x)) for x in draws.values()),
        ess=min(map(float, sizes)),
        divergences=int(np.asarray(tree.sample_stats["diverging"]).sum()),
        tree=tree,
    )


def _rows(variant: VariantFit, before: dict[str, Floats]) -> list[ParameterRow]:
    """The contraction 1 − Var(posterior)/Var(prior) is that of the logs of what is positive."""
    rows = []
    for name in PARAMETERS:
        if name not in variant.draws:
            continue
        prior, posterior = before[name], variant.draws[name].ravel()
        logged = name in ("max_effect", "half_life")
        variance = [np.var(np.log(x) if logged else x) for x in (prior, posterior)]
        lower, median, upper = map(float, np.quantile(posterior, [0.025, 0.5, 0.975]))
        contraction = float(1 - variance[1] / variance[0])
        row = ParameterRow(
            variant=variant.name,
            parameter=name,
            mean=float(posterior.mean()),
            sd=float(posterior.std()),
            median=median,
            lower=lower,
            upper=upper,
            prior_median=float(np.median(prior)),
            prior_lower=float(np.quantile(prior, 0.025)),
            prior_upper=float(np.quantile(prior, 0.975)),
            contraction=contraction,
            told_by="the prior" if contraction < LITTLE else "the data",
            r_hat=variant.r_hat,
            ess=variant.ess,
            divergences=variant.divergences,
        )
        rows.append(row)
    return rows


def _ranking(fits: list[VariantFit]) -> list[Rank]:
    """LOO of each variant against the best, with the SE of the difference.

    No weights: those of stacking are all or nothing for differences that lie within their error.
    """
    import arviz as az

    table = az.compare({variant.name: variant.loo for variant in fits}, method="pseudo-bma", round_to="none")
    named = {"se": "elpd_se", "elpd_diff": "difference", "dse": "difference_se"}
    table = table.rename(columns=named)[["elpd", *named.values()]]
    largest = {variant.name: float(variant.k_hat.max()) for variant in fits}
    return [
        Rank(variant=str(name), **numbers, largest_k_hat=largest[str(name)])
        for name, numbers in table.astype(float).to_dict("index").items()
    ]
