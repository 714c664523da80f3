"""Operating characteristics from estimates and truth, each with its Monte Carlo standard error (Morris 2019,
Stat Med)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import optimize, special

from kaptrial.estimators import multiplicity
from kaptrial.estimators.fit import Fit
from kaptrial.estimators.margin import non_inferior, on_scale_of
from kaptrial.method_table import BINARY, MARGIN_MEASURES, TIME, Side, method_of, methods
from kaptrial.model.delivered import DeliveredTreatment
from kaptrial.model.streams import BLOCK
from kaptrial.questions.power.execution import AT_BEST, Fits, Job, best_endpoint, run, scenario_arm_with_both
from kaptrial.questions.power.truth import Truth, truths, truths_if_additive, truths_without_expectancy
from kaptrial.results import Note, Question, Row, grouped
from kaptrial.scenario.decision import DecisionRule
from kaptrial.scenario.files import scenario_hash
from kaptrial.scenario.nulls import with_null
from kaptrial.scenario.scenario import Null, Scenario
from kaptrial.scenario.trial import Estimand

# Power at which the detectable difference is stated.
TARGET_POWER = 0.8
RUN_IN_CLINIC = Note(
    code="run_in_clinic",
    severity="information",
    text="run in the clinic of the plan; truth, bias and coverage are of the protocol as written, and the bias is what"
    " the clinic takes away",
)
# A truth nearer to 0 than this many of its standard errors has no sign to be wrong about.
_SIGN_KNOWN = 4.0


def question(s: Scenario, estimand: Estimand, analysis: str, columns: Mapping[str, Any] | None = None) -> Question:
    """What the rows of one analysis of an estimand are about; `columns` tell its scenario from others."""
    return Question(
        analysis=analysis,
        contrast=estimand.contrast,
        measure=method_of(analysis).measure_of(estimand.endpoint),
        endpoint=estimand.endpoint,
        day=estimand.day,
        strategies=estimand.strategies.described(s.conduct.intercurrent_events),
        benchmark=None if len(s.arms) > 1 else estimand.benchmark or 0.0,
        columns=tuple((columns or {}).items()),
    )


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One scenario of a power run with the columns that tell it from the others (variant, varied paths)."""

    scenario: Scenario
    columns: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Truths:
    """An estimand's truth as the scenario stands, with γ = κ = ξ = 0, and without expectancy."""

    actual: Truth
    if_additive: Truth
    without_expectancy: Truth


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """What a cell gave: rows of characteristics, the fits they come from, the truths of its estimands, and notes."""

    cell: Cell
    rows: list[Row]
    fits: Fits
    truths: list[Truth]
    notes: list[Note]

    @property
    def primary(self) -> dict[str, Row]:
        """The rows of the primary estimand by its first method, by metric."""
        s = self.cell.scenario
        return grouped(self.rows)[question(s, s.estimand, s.analyses(s.estimand)[0], self.cell.columns)]


def characteristics(
    cells: Sequence[Cell],
    *,
    seed: int,
    replicates: int,
    workers: int = 1,
    nulls: bool = True,
    delivered: Sequence[Sequence[DeliveredTreatment]] | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[CellResult]:
    """Simulate and analyse every cell, and the nulls that its contrasts ask for.

    `delivered`: for each cell and block, what its clinic made of the protocol; the nulls are run in the same clinic.
    Truth, bias and coverage are then still of the protocol: the bias is what the clinic takes away.
    """
    plans = [_null_runs(cell.scenario) if nulls else [] for cell in cells]
    given = [None] * len(cells) if delivered is None else delivered
    runs: list[_Run] = []
    for cell, plan, clinic in zip(cells, plans, given, strict=True):
        runs.append(_Run(scenario=cell.scenario, clinic=clinic, estimands=range(len(cell.scenario.estimands))))
        together = cell.scenario.analysis.multiplicity is not None
        for null in plan:
            needed = runs[-1].estimands if together else null.estimands
            runs.append(_Run(scenario=null.scenario, clinic=clinic, estimands=needed, at_best=False))
    fits = iter(_fits(runs, seed, replicates, workers, progress))
    known = _shared_truths([cell.scenario for cell in cells], seed)
    results = []
    for cell, plan, known_truths in zip(cells, plans, known, strict=True):
        own, truth = next(fits), [each.actual for each in known_truths]
        under_null = [next(fits) for _ in plan]
        rows: list[Row] = []
        for i, estimand in enumerate(cell.scenario.estimands):
            for analysis in cell.scenario.analyses(estimand):
                about = question(cell.scenario, estimand, analysis, cell.columns)
                new_rows = _rows(cell.scenario, estimand, own, i, about, known_truths[i])
                for p, fit in zip(plan, under_null, strict=True):
                    if i in p.estimands:
                        new_rows.append(_rejection(about, p.metric, fit[i, analysis], cell.scenario.analysis.alpha))
                favours = None if len(cell.scenario.arms) == 1 else _favours(cell.scenario, estimand.endpoint, truth[i])
                rows += [replace(row, favours=favours) for row in new_rows]
        if cell.scenario.analysis.multiplicity is not None:
            rows += _multiplicity_rows(cell, own, [(p, fit) for p, fit in zip(plan, under_null, strict=True)])
        notes = _notes(cell, truth, nulls) + ([RUN_IN_CLINIC] if delivered is not None else []) + _rooms(cell, rows)
        results.append(CellResult(cell=cell, rows=rows, fits=own, truths=truth, notes=notes))
    return results


def count_replicates(cells: Sequence[Cell], replicates: int, *, nulls: bool = True) -> int:
    """How many replicates `characteristics` will simulate in all, for a progress bar."""
    scenarios = [
        s for c in cells for s in (c.scenario, *(p.scenario for p in (_null_runs(c.scenario) if nulls else [])))
    ]
    return len({_trials_key(s) for s in scenarios}) * -(-replicates // BLOCK) * BLOCK


# --- trials and truths that cells share -------------------------------------------------------------------------------


def _trials_key(s: Scenario) -> str:
    """Scenarios with the same key have the same trials: they differ in what is asked of them only."""
    endpoint, design = replace(s.estimand, day=s.design.visits[-1]), replace(s.design, looks=())
    s = replace(s, estimand=endpoint, secondary=(), variants=None, design=design, decision=DecisionRule())
    return scenario_hash(s)


def truth_key(s: Scenario) -> str:
    """As `_trials_key`, and truth does not depend on the size of the trial."""
    design = replace(s.design, n_per_arm=2, n_total=None, allocation=replace(s.design.allocation, ratio=None))
    return _trials_key(replace(s, design=design, clinic=None))


def _asking_all(group: Sequence[Scenario]) -> tuple[Scenario, list[Estimand]]:
    """One scenario that asks all that the group asks, and its estimands in order."""
    estimands = list(dict.fromkeys(e for s in group for e in s.estimands))
    return replace(group[0], estimand=estimands[0], secondary=tuple(estimands[1:])), estimands


def _grouped(scenarios: Sequence[Scenario], key: Callable[[Scenario], str]) -> dict[str, list[Scenario]]:
    groups: dict[str, list[Scenario]] = {}
    for s in scenarios:
        groups.setdefault(key(s), []).append(s)
    return groups


@dataclass(frozen=True, kw_only=True)
class _Run:
    """A scenario to be run, in its clinic, for the estimands of these numbers."""

    scenario: Scenario
    clinic: Sequence[DeliveredTreatment] | None
    estimands: Sequence[int]
    at_best: bool = True


def _fits(
    runs: Sequence[_Run], seed: int, replicates: int, workers: int, progress: Callable[[int], None] | None
) -> list[Fits]:
    """The fits of each run; scenarios that differ in their estimands only are simulated once."""
    groups: dict[str, list[_Run]] = {}
    for each in runs:
        groups.setdefault(_trials_key(each.scenario), []).append(each)
    asked = {key: _asking_all([each.scenario for each in group]) for key, group in groups.items()}
    jobs = []
    for key, group in groups.items():
        scenario, estimands = asked[key]
        needed = {estimands.index(each.scenario.estimands[i]) for each in group for i in each.estimands}
        # The plan of the clinic is part of the key: scenarios with the same one are run in the same clinic.
        job = Job(
            scenario=scenario, seed=seed, replicates=replicates, delivered=group[-1].clinic,
            estimands=tuple(sorted(needed)), at_best=any(each.at_best for each in group),
        )  # fmt: skip
        jobs.append(job)
    results = dict(zip(groups, run(jobs, workers=workers, progress=progress), strict=True))
    out = []
    for each in runs:
        s, key = each.scenario, _trials_key(each.scenario)
        number = {asked[key][1].index(s.estimands[i]): i for i in each.estimands}
        out.append({(number[i], analysis): fit for (i, analysis), fit in results[key].items() if i in number})
    return out


def _shared_truths(scenarios: Sequence[Scenario], seed: int) -> list[list[Truths]]:
    """The truths of each scenario's estimands, simulated once for scenarios that share them."""
    truths_of: dict[tuple[str, Estimand], Truths] = {}
    for key, group in _grouped(scenarios, truth_key).items():
        s, estimands = _asking_all(group)
        actual = truths(s, seed=seed)
        has_interplay = any(t.gamma or t.kappa or t.xi for t in s.therapies.values())
        additive = truths_if_additive(s, seed=seed) if has_interplay else actual
        has_hope = s.expectancy.drug is not None or s.expectancy.therapy is not None
        unhoped = truths_without_expectancy(s, seed=seed) if has_hope else actual
        for estimand, *three in zip(estimands, actual, additive, unhoped, strict=True):
            truths_of[key, estimand] = Truths(actual=three[0], if_additive=three[1], without_expectancy=three[2])
    return [[truths_of[truth_key(s), estimand] for estimand in s.estimands] for s in scenarios]


# --- the rows of one estimand -----------------------------------------------------------------------------------------


def _rows(s: Scenario, estimand: Estimand, fits: Fits, i: int, about: Question, known: Truths) -> list[Row]:
    fit, alpha, method = fits[i, about.analysis], s.analysis.alpha, method_of(about.analysis)
    asked = about.measure
    truth = known.actual.on(asked)
    rows = _power_rows(s, estimand, fit, about)

    def add(metric: str, value: float, mcse: float) -> None:
        rows.append(_row(about, metric, fit, value, mcse))

    add("truth", truth.value, truth.mcse)
    for metric, other in (("if_additive", known.if_additive), ("without_expectancy", known.without_expectancy)):
        add(f"truth_{metric}", other.on(asked).value, other.on(asked).mcse)
    ok = fit.failure == 0
    n = int(ok.sum())
    if n < 2:
        return rows
    if fit.fell_back is not None and fit.fell_back.any():
        add("fallback_rate", *share(fit.fell_back))
    est, se = fit.estimate[ok], fit.se[ok]
    sd = float(est.std(ddof=1))
    mean, mean_mcse = float(est.mean()), sd / np.sqrt(n)
    if method.estimates_truth:
        add("mean_estimate", mean, mean_mcse)
        add("bias", mean - truth.value, float(np.hypot(mean_mcse, truth.mcse)))
        add("empirical_se", sd, sd_error(est))
    if not method.test_only:
        model = float(np.sqrt(np.mean(se**2)))
        add("model_se", model, float(np.std(se**2, ddof=1) / (2 * model * np.sqrt(n))) if model > 0 else 0.0)
        lower, upper = fit.interval(alpha)
        add("coverage", *share((lower[ok] <= truth.value) & (truth.value <= upper[ok])))
    from_null = replace(truth, value=truth.value - (estimand.benchmark or 0.0))
    add("type_s", *_type_s(fit, alpha, from_null))
    if method.estimates_truth:
        add("type_m", *_type_m(fit, alpha, from_null))
    if not method.test_only and estimand.endpoint not in method.exact:
        detectable = detectable_difference(sd, float(np.median(fit.df[ok])), alpha, TARGET_POWER)
        add("detectable_difference", detectable, detectable * sd_error(est) / sd if sd > 0 else 0.0)
    if s.contrast(estimand).kind == "interaction":
        room = room_for_synergy(s, estimand, known.if_additive)
        if room is not None:
            add("room_for_synergy", *room)
        rows.append(_rejection(about, "power_at_best", fits[i, about.analysis + AT_BEST], alpha, least=True))
    return rows


def _row(about: Question, metric: str, fit: Fit, value: float, mcse: float) -> Row:
    n_failed = int((fit.failure != 0).sum())
    return Row(question=about, metric=metric, value=value, mcse=mcse, n_replicates=len(fit.se), n_failed=n_failed)


def _power_rows(s: Scenario, estimand: Estimand, fit: Fit, about: Question) -> list[Row]:
    """How often the test rejects, for better too in one arm, and against the margin where there is one."""
    alpha = s.analysis.alpha
    rows = [_rejection(about, _rejection_name(s, estimand), fit, alpha)]
    side = better(s, estimand.endpoint, about.analysis)
    if s.contrast(estimand).kind == "single":
        rows.append(_rejection(about, "power_better", fit, alpha, better=side))
    test_only = method_of(about.analysis).test_only
    if estimand.margin is not None and not test_only and about.measure in MARGIN_MEASURES:
        margin = on_scale_of(about.measure, estimand.margin, side)
        shown, _ = non_inferior(fit, margin, better=side, alpha_one_sided=alpha / 2)
        rows.append(_row(about, "power_non_inferiority", fit, *share(shown)))
    return rows


def _rejection_name(s: Scenario, estimand: Estimand) -> str:
    """An error where the scenario's own null makes the contrast nil, power elsewhere.

    In one arm a null of the model leaves what it is tested against, its benchmark.
    """
    kind = s.contrast(estimand).kind
    if s.null is None or kind == "single":
        return "power"
    if s.null == "synergy":
        return "false_synergy_rate" if kind == "interaction" else "power"
    return "type_i_error" if kind == "interaction" or _differ_in(s, estimand) <= {s.null} else "power"


def powers(s: Scenario, fits: Fits, sides: Mapping[tuple[int, str], Side] | None = None) -> list[Row]:
    """The rows of power alone of every estimand and analysis, which need no truth, multiplicity included.

    `sides`: of the fits given, also `power_expected_side`, the share that reject with the estimate on this side.
    """
    rows = []
    for i, estimand in enumerate(s.estimands):
        for analysis in s.analyses(estimand):
            fit, about = fits[i, analysis], question(s, estimand, analysis)
            rows += _power_rows(s, estimand, fit, about)
            side = (sides or {}).get((i, analysis))
            if side is not None:
                rows.append(_rejection(about, "power_expected_side", fit, s.analysis.alpha, better=side))
    if s.analysis.multiplicity is not None:
        rows += _multiplicity_rows(Cell(scenario=s, columns={}), fits, [])
    return rows


def expected_sides(s: Scenario, fits: Sequence[Fits]) -> dict[tuple[int, str], Side]:
    """On which side of what is tested the mean of all estimates lies, where it is told from none; of one arm this is no
    question. `fits`: of the draws of a prior.
    """
    sides: dict[tuple[int, str], Side] = {}
    for i, estimand in enumerate(s.estimands):
        for analysis in s.analyses(estimand) if s.contrast(estimand).kind != "single" else ():
            own = [each[i, analysis] for each in fits]
            away = np.concatenate([fit.departure[fit.failure == 0] for fit in own] or [np.empty(0)])
            if len(away) > 1 and abs(away.mean()) > _SIGN_KNOWN * away.std(ddof=1) / np.sqrt(len(away)):
                sides[i, analysis] = "lower" if away.mean() < 0 else "higher"
    return sides


def _rejection(
    about: Question, metric: str, fit: Fit, alpha: float, *, least: bool = False, better: Side | None = None
) -> Row:
    """Share of replicates that reject; a failed fit does not.

    `least`: no residual variance counts as a rejection. `better`: only rejections with the estimate on this side count.
    """
    rejects = np.nan_to_num(fit.p, nan=1.0) < alpha
    if least:
        rejects |= fit.failure == 2
    if better is not None:
        rejects &= fit.departure < 0 if better == "lower" else fit.departure > 0
    return _row(about, metric, fit, *share(rejects))


def better(s: Scenario, endpoint: str, analysis: str | None = None) -> Side:
    """Which direction is the favourable one, of an endpoint or of an analysis' estimate of it.

    Shares and times rise, scores go as their scale; hazards fall where times rise.
    """
    outcome: Side = "higher" if endpoint in (*BINARY, TIME) or s.scale.better == "higher" else "lower"
    if analysis is None:
        return outcome
    return method_of(analysis).favourable(None if endpoint == TIME else outcome)


def share(hits: np.ndarray) -> tuple[float, float]:
    """A share and its standard error, by Agresti and Coull's adjusted share: 0 of n is not known without error."""
    n, adjusted = len(hits), (np.sum(hits) + 2) / (len(hits) + 4)
    return float(np.mean(hits)), float(np.sqrt(adjusted * (1 - adjusted) / (n + 4)))


def sd_error(x: np.ndarray) -> float:
    """Standard error of a sample's SD, by the delta method from its fourth moment; normal samples give sd/√(2n)."""
    n, variance = len(x), float(x.var(ddof=1))
    fourth = float(np.mean((x - x.mean()) ** 4))
    of_variance = max(0.0, fourth - variance**2 * (n - 3) / (n - 1)) / n
    return float(np.sqrt(of_variance / (4 * variance))) if variance > 0 else 0.0


def _type_s(fit: Fit, alpha: float, truth: Truth) -> tuple[float, float]:
    """Share of the rejections whose sign is wrong (Gelman & Carlin 2014); NaN if the truth has no sign.

    `truth`: less the value that the test asks about, as in `_type_m`.
    """
    rejected = np.nan_to_num(fit.p, nan=1.0) < alpha
    if abs(truth.value) <= _SIGN_KNOWN * truth.mcse or not rejected.any():
        return np.nan, np.nan
    return share(np.sign(fit.departure[rejected]) != np.sign(truth.value))


def _type_m(fit: Fit, alpha: float, truth: Truth) -> tuple[float, float]:
    """Mean size of the rejecting estimates over the true size (Gelman & Carlin 2014)."""
    rejected = np.nan_to_num(fit.p, nan=1.0) < alpha
    if abs(truth.value) <= _SIGN_KNOWN * truth.mcse or rejected.sum() < 2:
        return np.nan, np.nan
    sizes = np.abs(fit.departure[rejected]) / abs(truth.value)
    mean, error = float(sizes.mean()), float(sizes.std(ddof=1) / np.sqrt(len(sizes)))
    return mean, float(np.hypot(error, mean * truth.mcse / truth.value))


def t_power(effect: float, se: float, df: float, alpha: float) -> float:
    """Two-sided power of a t test: both tails of the non-central t with noncentrality effect/se."""
    critical = special.stdtrit(df, 1 - alpha / 2)
    delta = abs(effect) / se
    # Far out in a tail the library gives NaN for what is 0 to double precision.
    below = np.nan_to_num([special.nctdtr(df, delta, critical), special.nctdtr(df, delta, -critical)])
    return float(1 - below[0] + below[1])


def detectable_difference(se: float, df: float, alpha: float, power: float) -> float:
    """The true difference found with `power` at this standard error: the non-central t solved for its mean."""
    high = (special.stdtrit(df, 1 - alpha / 2) + special.stdtrit(df, power) + 10) * se
    return float(optimize.brentq(lambda d: t_power(d, se, df, alpha) - power, 1e-9 * se, high))


def room_for_synergy(s: Scenario, estimand: Estimand, additive: Truth) -> tuple[float, float] | None:
    """How far the combined arm could go beyond the sum of the two effects before the scale ends, and its error.

    The room is a sum over the other three arms, which the pairing of patients does not make more precise.
    """
    if estimand.endpoint in ("change", "auc"):
        return None
    weights = np.array(s.contrast(estimand).weights)
    means = np.array(additive.arm_means)
    weights[scenario_arm_with_both(s)] = 0.0
    return abs(best_endpoint(s, estimand) + float(weights @ means)), additive.error_of(weights)


def _favours(s: Scenario, endpoint: str, truth: Truth) -> str | None:
    """Which side of the contrast the truth favours, `a` the left or `b` the right; None if it favours neither."""
    if abs(truth.value) <= _SIGN_KNOWN * truth.mcse:
        return None
    return "a" if (truth.value > 0) == (better(s, endpoint) == "higher") else "b"


def _multiplicity_rows(cell: Cell, own: Fits, nulls: list[tuple[_NullRun, Fits]]) -> list[Row]:
    """Power of each estimand, of any and of all, under the multiplicity procedure; its familywise error under nulls."""
    s = cell.scenario
    first = [s.analyses(estimand)[0] for estimand in s.estimands]
    rejected = _adjusted(s, own, first)
    rows = []

    def add(hits: np.ndarray, metric: str, about: Question) -> None:
        value, mcse = share(hits)
        rows.append(Row(question=about, metric=metric, value=value, mcse=mcse, n_replicates=len(hits)))

    assert s.analysis.multiplicity is not None
    about: dict[str, Any] = {"analysis": s.analysis.multiplicity.procedure, "columns": tuple(cell.columns.items())}
    together = Question(contrast="all estimands", measure="rejection", strategies="", **about)
    for i, estimand in enumerate(s.estimands):
        add(rejected[:, i], "power_multiplicity", question(s, estimand, first[i], cell.columns))
    add(rejected.any(axis=1), "power_any", together)
    add(rejected.all(axis=1), "power_all", together)
    for run_, fits in nulls:
        if run_.metric != "expectancy_only_rate":
            wrong = _adjusted(s, fits, first)[:, list(run_.estimands)]
            add(wrong.any(axis=1), f"familywise_error_{run_.scenario.null}", together)
    return rows


def _adjusted(s: Scenario, fits: Fits, first: list[str]) -> np.ndarray:
    """Which estimands the procedure rejects, (replicate, estimand); a failed fit is not rejected."""
    plan = s.analysis.multiplicity
    assert plan is not None
    p = np.stack([fits[i, analysis].p for i, analysis in enumerate(first)], axis=-1)
    return multiplicity.rejected(p, plan.procedure, s.analysis.alpha, families=plan.families)


# --- nulls ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _NullRun:
    scenario: Scenario
    metric: str
    estimands: tuple[int, ...]


def null_of(s: Scenario, estimand: Estimand) -> Null | None:
    """The null hypothesis a contrast tests; None where its sides differ in drug and therapy, or there is one arm."""
    contrast = s.contrast(estimand)
    if contrast.kind == "single":
        return None
    if contrast.kind == "interaction":
        return "synergy"
    differ = _differ_in(s, estimand)
    return differ.pop() if len(differ) == 1 else None


def _differ_in(s: Scenario, estimand: Estimand) -> set[Null]:
    """What the sides of a contrast differ in, as the nulls that take it away; adjuncts act on the drug's effect."""
    contrast = s.contrast(estimand)
    sides = [[s.arms[a] for a in side] for side in (contrast.left, contrast.right)]
    therapies = [sorted(str(arm.therapy) for arm in side) for side in sides]
    doses = [sorted(str((arm.doses, arm.adjuncts)) for arm in side) for side in sides]
    differ: set[Null] = set()
    if therapies[0] != therapies[1]:
        differ.add("therapy")
    if doses[0] != doses[1]:
        differ.add("drug")
    return differ


def _null_runs(s: Scenario) -> list[_NullRun]:
    if s.null is not None:
        return []
    wanted: dict[Null, list[int]] = {}
    for i, estimand in enumerate(s.estimands):
        null = null_of(s, estimand)
        if null is not None:
            wanted.setdefault(null, []).append(i)
    runs = []
    for null, estimands in wanted.items():
        metric = "false_synergy_rate" if null == "synergy" else "type_i_error"
        runs.append(_NullRun(scenario=replace(s, null=null), metric=metric, estimands=tuple(estimands)))
        part = {"therapy": s.expectancy.therapy, "drug": s.expectancy.drug, "synergy": None}[null]
        if part is not None:
            hopeful = with_null(s, null, expectancy=True)
            runs.append(_NullRun(scenario=hopeful, metric="expectancy_only_rate", estimands=tuple(estimands)))
    return runs


# --- notes ------------------------------------------------------------------------------------------------------------


def _notes(cell: Cell, estimand_truths: Iterable[Truth], nulls: bool) -> list[Note]:
    """What is to be minded when the numbers are read."""
    s = cell.scenario
    notes = []

    def add(code: str, text: str) -> None:
        notes.append(Note(code=code, severity="warning", text=text))

    for estimand in s.estimands if nulls and s.null is None and len(s.arms) > 1 else ():
        if null_of(s, estimand) is None:
            why = (
                "its sides differ in both drug and therapy, and no null of the model makes them alike"
                if _differ_in(s, estimand)
                else "its sides get the same drug and therapy, and a null has nothing to take away"
            )
            add("no_type_i_error", f"no type_i_error for {estimand.contrast}: {why}")
    if len(s.arms) == 1:
        add(
            "one_arm",
            "one arm: its mean holds time, expectancy and regression to the mean as well as the treatment, and nothing"
            " in the trial tells them apart; under null: drug the scenario shows what is left without drug and hope",
        )
    relapses = any(estimand.endpoint == TIME for estimand in s.estimands)
    if s.relapse is not None and s.relapse.among == "responders" and relapses:
        add(
            "responders_compared",
            "time_to_relapse compares responders: these arms are not randomised, who responds comes later",
        )
    worst = max(truth.past_best for truth in estimand_truths)
    if worst > 0.05:
        where = ", ".join(
            f"{key} = {value}" for key, value in cell.columns.items() if not key.startswith(("estimand.", "design."))
        )
        add(
            "beyond_scale",
            f"{100 * worst:.0f} % of patients in one arm would improve past the best score of {s.outcome.scale}"
            + (f" ({where})" if where else "")
            + ": clipping makes interactions of its own; compare truth with truth_if_additive",
        )
    return notes + _analysis_notes(s)


def _analysis_notes(s: Scenario) -> list[Note]:
    """Which analyses were chosen because the scenario names none, and what of the design an analysis leaves out."""
    chosen = [s.default_analysis(e) for e in s.estimands if e.methods is None and s.analysis.methods is None]
    without_therapists, without_strata = [], []
    for estimand in s.estimands:
        for name in s.methods(estimand):
            if s.has_therapists(estimand) and not methods()[name].needs_therapists:
                without_therapists.append(name)
            if not methods()[name].adjusts or not set(s.strata) <= set(s.covariates):
                without_strata.append(name)
    notes = []
    if chosen:
        named = "; ".join(f"{name} ({why})" for name, why in dict.fromkeys(chosen))
        text = f"no method is declared, and the analysis is the one that fits the trial: {named}"
        notes.append(Note(code="default_analysis", severity="information", text=text))
    if without_therapists:
        text = f"therapists are not in the model of {', '.join(dict.fromkeys(without_therapists))}: see type_i_error"
        notes.append(Note(code="therapists_ignored", severity="warning", text=text))
    if s.strata and without_strata:
        names = ", ".join(dict.fromkeys(without_strata))
        text = f"stratification by {', '.join(s.strata)} is not, or not all, in the model of {names}"
        notes.append(Note(code="strata_ignored", severity="warning", text=text))
    return notes


def _rooms(cell: Cell, rows: Sequence[Row]) -> list[Note]:
    """Which interaction could be found, and whether the scale has room for it."""
    s = cell.scenario
    unit = "percentage points" if s.scale.unit == "percent" else s.scale.unit
    notes = []
    for about, by_metric in grouped(rows).items():
        if "room_for_synergy" not in by_metric:
            continue
        detectable, room, best = (by_metric[m] for m in ("detectable_difference", "room_for_synergy", "power_at_best"))
        text = (
            f"The interaction {about.contrast} with {s.n_total / len(s.arms):g} a cell: detectable with 80 % power from"
            f" {detectable.value:.1f} ± {detectable.mcse:.1g} {unit}; beyond the additive sum the scale leaves room for"
            f" {room.value:.1f} ± {room.mcse:.1g} {unit}."
        )
        if best.value + 2 * best.mcse < TARGET_POWER:
            text += (
                " Even if every patient of the combined arm had the best possible outcome, power would be"
                f" {best.value:.2f} ± {best.mcse:.1g}: no achievable synergy reaches 80 % power at this size."
            )
        else:
            text += f" With every patient of the combined arm at the best outcome power would be {best.value:.2f}."
        notes.append(Note(code="interaction_room", severity="information", text=text))
    return notes
