"""What Python users call: one function a question, each giving one object with rows, provenance and notes.

A scenario is a `Scenario`, a path, the name of a shipped one, or a mapping as its YAML would give. Data are a path or a
pandas DataFrame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaptrial.errors import ABSENT, FieldError, ScenarioError, nearest
from kaptrial.process import processors
from kaptrial.results import Line, Results, provenance

if TYPE_CHECKING:
    import pandas as pd

    from kaptrial.arrays import Floats
    from kaptrial.comparison.answer import CompareResults
    from kaptrial.pack.answer import ReportResults
    from kaptrial.questions.assurance.answer import AssuranceResults
    from kaptrial.questions.clinic.answer import ClinicResults, PlanResults
    from kaptrial.questions.decide.answer import CalibrationResults, DecideResults
    from kaptrial.questions.fit.answer import FitResults
    from kaptrial.questions.fit.gaussian import Covariance, Residual
    from kaptrial.questions.fit.model import Likelihood
    from kaptrial.questions.looks.answer import LookResults
    from kaptrial.questions.looks.boundaries import BoundaryResults
    from kaptrial.questions.mechanism.answer import MechanismResults
    from kaptrial.questions.power.answer import PowerResults, TruthResults
    from kaptrial.questions.size.answer import SizeResults
    from kaptrial.questions.size.staffed_answer import StaffedResults
    from kaptrial.scenario.scenario import Scenario
    from kaptrial.simulation.trials import Trials

type AnyScenario = Scenario | str | PathLike[str] | Mapping[str, Any]
type AnyData = str | PathLike[str] | pd.DataFrame


def load_scenario(scenario: AnyScenario, values: Mapping[str, Any] | None = None) -> Scenario:
    """Read and check a scenario.

    Parameters
    ----------
    scenario : Scenario, str, path or mapping
        A file, the name of a shipped scenario, or what its YAML would give.
    values : mapping, optional
        Values by path, such as ``{"design.n_per_arm": 80}``, set before the check.

    Returns
    -------
    Scenario

    Raises
    ------
    ScenarioError
        A line for each path that does not fit, its value and what is allowed.

    Examples
    --------
    >>> import kaptrial as kt
    >>> kt.load_scenario("starter", {"design.n_per_arm": 40}).n_total
    80
    """
    from kaptrial.scenario.files import build, with_settings

    return build(with_settings(_raw(scenario), values or {}))


def scenarios() -> list[str]:
    """The names of the shipped scenarios, which every function takes.

    Returns
    -------
    list of str

    Examples
    --------
    >>> import kaptrial as kt
    >>> "starter" in kt.scenarios()
    True
    """
    from kaptrial.scenario import shipped

    return shipped.names()


def simulate(
    scenario: AnyScenario,
    *,
    seed: int = 1,
    replicates: int = 1,
    values: Mapping[str, Sequence[float] | Floats] | None = None,
) -> Trials:
    """Simulate trials of a scenario.

    Parameters
    ----------
    scenario : Scenario, str, path or mapping
    seed : int
    replicates : int
        Trials; more of them keep the first ones as they are.
    values : mapping, optional
        By path of a sourced value of the population, drug, therapies, natural course, expectancy or measurement: one
        value a replicate, begun anew where there are more replicates.

    Returns
    -------
    Trials
        ``to_frame()`` gives one row a replicate, patient and visit.

    Raises
    ------
    ScenarioError
        For a scenario, path or value that does not fit.

    Examples
    --------
    >>> import kaptrial as kt
    >>> kt.simulate("starter", seed=1).to_frame().columns[:3].tolist()
    ['replicate', 'patient', 'arm']
    >>> kt.simulate("starter", replicates=2, values={"drug.half_life": [3.0, 12.0]}).n_replicates
    2
    """
    from kaptrial.scenario.drawn import with_drawn
    from kaptrial.simulation.simulate import simulate as draw

    s = load_scenario(scenario)
    return draw(with_drawn(s, values) if values else s, seed=seed, replicates=replicates)


def truth(scenario: AnyScenario, *, seed: int = 1) -> TruthResults:
    """What the model says is true of each estimand, by counterfactual simulation.

    Parameters
    ----------
    scenario : Scenario, str, path or mapping
    seed : int

    Returns
    -------
    TruthResults
        One row an estimand: contrast, endpoint, day, value, mcse, the mean of each arm under its id, and its SD between
        patients under `sd_` and its id.

    Examples
    --------
    >>> import kaptrial as kt
    >>> results = kt.truth("starter")
    >>> round(results.rows[0].numbers["value"], 1)
    -5.3
    >>> round(results.rows[0].numbers["sd_ketamine"], 1)
    9.1
    """
    from kaptrial.questions.power.answer import true_values

    s = load_scenario(scenario)
    return true_values(s, provenance=_made(scenario, s, seed=seed), seed=seed)


def power(
    scenario: AnyScenario,
    *,
    vary: Mapping[str, Sequence[Any]] | None = None,
    replicates: int = 2000,
    seed: int = 1,
    workers: int | None = None,
    nulls: bool = True,
    variants: bool = True,
    clinic: bool = False,
    mcse: float | None = None,
    control_variates: bool = True,
) -> PowerResults:
    """Power and the other operating characteristics, each with its Monte Carlo standard error.

    Parameters
    ----------
    scenario : Scenario, str, path or mapping
    vary : mapping, optional
        Values by path; every combination is run.
    replicates : int
        Trials for each row.
    seed : int
    workers : int, optional
        How many work at once, unless given as many as there are processors; the result does not depend on it.
    nulls : bool
        Whether type I errors are simulated, too.
    variants : bool
        Whether the scenario's variants are run, too.
    clinic : bool
        Whether the trials are run as the scenario's clinic would run them.
    mcse : float, optional
        Monte Carlo standard error that every power and error rate is to have: as many trials are run as that takes.
    control_variates : bool
        Whether figures are made more precise by the known means of the draws behind them (docs/precision.md).

    Returns
    -------
    PowerResults
        One row a question and metric. ``plot(name)`` draws; without a name it lists what it can draw.

    Raises
    ------
    ScenarioError
        For a scenario, or a path or value of `vary`, that does not fit.

    Examples
    --------
    >>> import kaptrial as kt
    >>> results = kt.power("starter", vary={"design.n_per_arm": [20, 40]}, replicates=64, nulls=False)
    >>> results.to_frame().query("metric == 'power'")["design.n_per_arm"].tolist()
    [20, 40]
    """
    from kaptrial.questions.power.answer import answer, answer_to_precision, check_precision
    from kaptrial.questions.power.cells import cells

    check_precision(mcse, clinic=clinic)
    asked = cells(_raw(scenario), vary or {}, variants=variants)
    made = _made(scenario, asked[0].scenario, seed=seed, replicates=replicates, vary=dict(vary or {}))
    delivered = None
    if clinic:
        from kaptrial.questions.clinic.operations import delivered_to

        plans = [cell.scenario for cell in asked]
        delivered = delivered_to(plans, seed=seed, replicates=replicates, workers=_at_once(workers))
        made |= {"clinic": True}
    run: dict[str, Any] = {"provenance": made, "seed": seed, "replicates": replicates, "workers": _at_once(workers)}
    run |= {"nulls": nulls, "delivered": delivered, "controls": control_variates}
    return answer(asked, **run) if mcse is None else answer_to_precision(asked, mcse=mcse, **run)


def size(
    scenario: AnyScenario,
    *,
    power: float = 0.9,
    over: str | Sequence[str] | None = None,
    costs: Mapping[str, float] | None = None,
    between: tuple[float, float] | None = None,
    replicates: int = 2000,
    seed: int = 1,
    workers: int | None = None,
    control_variates: bool = True,
) -> SizeResults | StaffedResults:
    """The smallest size, or other number, at which the primary estimand's power is reached.

    With ``design.group_sequential`` power is that of the trial with its looks, and the answer without them stands
    beside it (docs/looks.md).

    Parameters
    ----------
    scenario : Scenario, str, path or mapping
    power : float
        The power to be reached.
    over : str or two of them, optional
        The path of the number to solve for; the scenario's size unless given. Two, the size and
        ``therapies.NAME.therapists.count``: the cheapest pair of both.
    costs : mapping, optional
        With two paths: the cost of a patient by arm id, of a therapist by ``therapies.NAME.therapists``.
    between : (float, float), optional
        Where it is looked for.
    replicates, seed, workers : int, optional
        As for `power`, at each point tried.
    control_variates : bool
        As for `power`: the same interval from fewer trials.

    Returns
    -------
    SizeResults or StaffedResults
        One row: value, its interval, the power achieved there. `answer` has the points that were tried. With two paths
        one row a plan, the cheapest `chosen`.

    Examples
    --------
    >>> import kaptrial as kt
    >>> results = kt.size("starter", power=0.8, replicates=200)
    >>> results.rows[0].numbers["path"]
    'design.n_per_arm'
    """
    from kaptrial.questions.size import answer
    from kaptrial.scenario.files import build

    raw = _raw(scenario)
    paths = [] if over is None else [over] if isinstance(over, str) else list(over)
    run: dict[str, Any] = {"replicates": replicates, "seed": seed, "workers": _at_once(workers)}
    run |= {"controls": control_variates}
    made = _made(scenario, build(raw), seed=seed, replicates=replicates)
    return answer(raw, target=power, over=paths, costs=costs or {}, bounds=between, provenance=made, **run)


def assurance(
    scenario: AnyScenario,
    *,
    prior: str | None = None,
    draws: int = 400,
    replicates: int = 128,
    seed: int = 1,
    workers: int | None = None,
    control_variates: bool = True,
) -> AssuranceResults:
    """Power averaged over a design prior, and how likely high power is under it.

    With ``design.group_sequential`` the primary question is that of the trial with its looks (docs/looks.md).

    Parameters
    ----------
    scenario : Scenario, str, path or mapping
    prior : str, optional
        A named prior of the catalogue; the scenario's own unless given.
    draws : int
        Draws of the prior.
    replicates : int
        Trials for each draw.
    seed, workers : int, optional
    control_variates : bool
        As for `power`, of the power at the scenario's own values.

    Returns
    -------
    AssuranceResults
        One row a question and metric. `by_draw` is the table of power and truth under each draw, `draws` that of what
        was drawn.

    Raises
    ------
    ScenarioError
        Where neither the scenario nor `prior` says what is believed.

    Examples
    --------
    >>> import kaptrial as kt
    >>> results = kt.assurance("starter", prior="depression_iv_2026", draws=2, replicates=128)
    >>> results.by_draw.query("metric == 'truth'")["draw"].tolist()
    [1, 2]
    """
    from kaptrial.questions.assurance.answer import answer
    from kaptrial.scenario.files import build, with_prior

    raw = _raw(scenario)
    s = build(raw if prior is None else with_prior(raw, prior))
    made = _made(scenario, s, seed=seed, replicates=replicates) | {"draws": draws, "prior": prior}
    run: dict[str, Any] = {"seed": seed, "draws": draws, "replicates": replicates, "workers": _at_once(workers)}
    return answer(s, provenance=made, **run, controls=control_variates)


def report(
    scenario: AnyScenario,
    *,
    only: Sequence[str] | None = None,
    prior: str | None = None,
    clean: bool = False,
    replicates: int = 2000,
    seed: int = 1,
    workers: int | None = None,
    control_variates: bool = True,
) -> ReportResults:
    """The grant pack of a scenario: words, tables and figures for a proposal.

    Parameters
    ----------
    scenario : Scenario, str, path or mapping
    only : sequence of str, optional
        Some sections alone; what they do not need is not simulated.
    prior : str, optional
        A named prior of the catalogue, for assurance; the scenario's own unless given.
    clean : bool
        Whether the figures that `write` puts into the folder hold neither title nor provenance.
    replicates : int
        Trials behind each power; the tornado has a quarter of them.
    seed, workers, control_variates : optional
        As for `power`.

    Returns
    -------
    ReportResults
        A row for each number of the pack: its name, value, Monte Carlo error, unit, and how it is shown. ``write(DIR)``
        writes the pack, ``plot(name)`` gives one of its figures.

    Raises
    ------
    ScenarioError
        For a scenario that does not fit.
    FieldError
        For a section that is none, with those there are.

    Examples
    --------
    >>> import kaptrial as kt
    >>> pack = kt.report("starter", only=["schedule"])
    >>> pack.sections[0].tables[0].headings[:3]
    ['', 'Enrolment', 'Day 0']
    """
    from kaptrial.pack.answer import answer
    from kaptrial.scenario.files import build, with_prior

    raw = _raw(scenario)
    raw = raw if prior is None else with_prior(raw, prior)
    made = _made(scenario, build(raw), seed=seed, replicates=replicates) | {"prior": prior}
    return answer(
        raw,
        provenance=made,
        seed=seed,
        replicates=replicates,
        workers=_at_once(workers),
        controls=control_variates,
        only=only,
        clean=clean,
    )


def decide(
    scenario: AnyScenario,
    *,
    vary: Mapping[str, Sequence[Any]] | None = None,
    replicates: int = 2000,
    draws: int = 200,
    nuisance: bool = True,
    calibrate: float | None = None,
    seed: int = 1,
    workers: int | None = None,
    **rule: Any,
) -> DecideResults | CalibrationResults:
    """How often a Bayesian trial with the scenario's decision rule ends with go, consider or no go, and wrongly.

    Parameters
    ----------
    scenario : Scenario, str, path or mapping
        Its `decision` and `design.looks` are the rule.
    vary : mapping, optional
        Values by path; every combination is run.
    replicates : int
        Trials under each design prior.
    draws : int
        Draws of the scenario's own prior, where the rule names it.
    nuisance : bool
        Tell the type I error at other values of therapy, drug, spread and dropout too (`decision.nuisance`).
    calibrate : float, optional
        A type I error; instead, the probability that go needs for it to be kept over all those values.
    seed, workers : int, optional
    **rule
        Fields of the rule in place of the scenario's: ``margin=3``, ``go=0.95``, ``no_go``, ``rope``,
        ``rope_probability``, ``priors=["weak"]``, ``design_priors=["null"]``; ``share``, ``futility`` and
        ``efficacy`` of one look.

    Returns
    -------
    DecideResults or CalibrationResults
        One row a design prior, an analysis prior and a metric.

    Raises
    ------
    FieldError
        For a field of `rule` that cannot be used.

    Examples
    --------
    >>> import kaptrial as kt
    >>> results = kt.decide("starter", replicates=128, go=0.9, priors=["weak"], design_priors=["null"])
    >>> results.to_frame()["metric"].tolist()[:3]
    ['go', 'consider', 'no_go']
    """
    from kaptrial.questions.decide import answer
    from kaptrial.questions.power.cells import cells

    given = {name: tuple(x) if isinstance(x, list) else x for name, x in rule.items()}
    asked = [answer.with_rule(cell, given) for cell in cells(_raw(scenario), vary or {}, variants=False)]
    made = _made(scenario, asked[0].scenario, seed=seed, replicates=replicates, vary=dict(vary or {}))
    run: dict[str, Any] = {"provenance": made, "seed": seed, "replicates": replicates, "workers": _at_once(workers)}
    if calibrate is not None:
        return answer.calibrate(answer.only(asked), alpha=calibrate, **run)
    return answer.answer(asked, draws=draws, nuisance=nuisance, **run)


def clinic(
    scenario: AnyScenario,
    *,
    vary: Mapping[str, Sequence[Any]] | None = None,
    power: float | None = None,
    months: float | None = None,
    replicates: int = 200,
    seed: int = 1,
    workers: int | None = None,
) -> ClinicResults | PlanResults:
    """Run the trial in its clinic: recruitment, infusions, sessions, waits, costs; or compare plans of the clinic.

    Parameters
    ----------
    scenario : Scenario, str, path or mapping
        With a `clinic`.
    vary : mapping, optional
        Values by path; every combination is a plan.
    power, months : float, optional
        With `vary`: the cheapest plan is sought that has this power, or ends by then on average.
    replicates, seed, workers : int, optional

    Returns
    -------
    ClinicResults or PlanResults
        One row a quantity; with `vary` one row a plan.

    Raises
    ------
    ScenarioError
        For a scenario without a clinic.
    FieldError
        For too many plans, or a target without plans.

    Examples
    --------
    >>> import kaptrial as kt
    >>> results = kt.clinic("clinic_one_therapist_short", replicates=2)
    >>> results.to_frame()["table"].unique().tolist()[:2]
    ['milestones', 'flow']
    """
    from kaptrial.questions.clinic.answer import answer, compared, plans_of

    raw = _raw(scenario)
    base, plans = plans_of(raw, vary, power=power, months=months)
    made = _made(scenario, plans[0].scenario, seed=seed, replicates=replicates, vary=dict(vary or {}))
    settings: dict[str, Any] = {"seed": seed, "replicates": replicates, "workers": _at_once(workers)}
    if vary is None:
        return answer(base, provenance=made, **settings)
    return compared(base, plans, provenance=made, power=power, months=months, **settings)


def compare(
    designs: Sequence[AnyScenario] | Mapping[str, AnyScenario],
    *,
    vary: Mapping[str, Sequence[Any]] | None = None,
    prior: str | None = None,
    replicates: int = 2000,
    draws: int = 100,
    seed: int = 1,
    workers: int | None = None,
    control_variates: bool = True,
) -> CompareResults:
    """Designs side by side under one seed, each beside the first, and which of them dominates.

    Those with ``design.group_sequential`` are the trials with their looks (docs/looks.md).

    Parameters
    ----------
    designs : sequence of Scenario, str, path or mapping; or mapping of them by name
        Two or more. In a sequence files are called as they are, others by their number.
    vary : mapping, optional
        Values by path; each scenario, which may then be one alone, stands beside itself with every combination.
    prior : str, optional
        A named prior of the catalogue for the assurance of all; each design's own unless given.
    replicates : int
        Trials of each design; those of the same number are paired.
    draws : int
        Draws of a prior.
    seed, workers, control_variates : optional
        As for `power`.

    Returns
    -------
    CompareResults
        One row a design: each measure with its Monte Carlo error, and its difference from the first design's.

    Raises
    ------
    FieldError
        For one design alone, or too many.
    ScenarioError
        For a scenario that does not fit, or is the same as another.

    Examples
    --------
    >>> import kaptrial as kt
    >>> larger = kt.load_scenario("starter", {"design.n_per_arm": 90})
    >>> results = kt.compare({"60 an arm": "starter", "90 an arm": larger}, replicates=64)
    >>> results.to_frame()["n"].tolist()
    [120.0, 180.0]
    """
    from kaptrial.comparison.answer import answer
    from kaptrial.comparison.designs import designs_of, varied

    if isinstance(designs, Mapping):
        named = list(designs.items())
    else:
        named = [(_name(each, f"design {i + 1}"), each) for i, each in enumerate(designs)]
    asked = designs_of(varied([(name, _raw(each)) for name, each in named], vary or {}), prior=prior)
    made = provenance(seed=seed, replicates=replicates, draws=draws, prior=prior)
    made |= {"vary": dict(vary)} if vary else {}
    run: dict[str, Any] = {"seed": seed, "replicates": replicates, "draws": draws, "workers": _at_once(workers)}
    run |= {"controls": control_variates}
    return answer(asked, provenance=made, **run)


def precision(
    half_width: float,
    *,
    sd: float | None = None,
    share: float | None = None,
    assurance: float | None = None,
    alpha: float = 0.05,
) -> Results[Line]:
    """The size of a single-arm trial by the precision of its estimate.

    Parameters
    ----------
    half_width : float
        Half the width of the confidence interval wanted.
    sd : float, optional
        SD of the change, for a mean; or else
    share : float, optional
        Share responding, for a share.
    assurance : float, optional
        With `sd`: the probability of an interval so narrow; on average unless given.
    alpha : float
        The interval holds the truth with probability 1 − alpha.

    Returns
    -------
    Results
        One row: n, the patients needed, and what was asked.

    Raises
    ------
    FieldError
        Unless one of `sd` and `share` is given, or where `assurance` goes with `share`.

    Examples
    --------
    >>> import kaptrial as kt
    >>> kt.precision(3, sd=9).rows[0].numbers["n"]
    37
    """
    from kaptrial.estimators.precision import size_for_mean, size_for_share

    if (sd is None) == (share is None):
        raise FieldError("sd", ABSENT if sd is None else sd, "exactly one of sd and share must be given")
    if sd is not None:
        n = size_for_mean(half_width, sd, alpha=alpha, assurance=assurance)
    else:
        assert share is not None
        if assurance is not None:
            raise FieldError("assurance", assurance, "goes with `sd`")
        n = size_for_share(half_width, share, alpha=alpha)
    asked = {"half_width": half_width, "sd": sd, "share": share, "assurance": assurance, "alpha": alpha}
    return Results(kind="precision", rows=[Line(numbers={"n": n, **asked})])


def boundaries(
    information: Sequence[float],
    *,
    alpha: float = 0.025,
    sided: int = 1,
    spending: str | Sequence[float] = "obf",
    power: float | None = None,
    futility: str | Sequence[float] | None = None,
    binding: bool = False,
    pending: Sequence[float] = (),
    observed: Sequence[float] = (),
    statistics: Sequence[float] = (),
    se: float | None = None,
) -> BoundaryResults:
    """Boundaries of a group-sequential design, by numerical integration; no scenario is needed.

    Parameters
    ----------
    information : sequence of float
        The looks, as shares of the planned information; the last one ends the trial and spends what is left.
    alpha : float
        Type I error; of both sides where `sided` is 2.
    sided : int
        1 or 2.
    spending : str or sequence of float
        "obf" or "pocock" (Lan and DeMets), "hsd:-4", "kd:2", "wt:.25" (Wang and Tsiatis: 0 is O'Brien and Fleming's own
        boundary, .5 Pocock's), "hp" or "hp:3.3" (Haybittle and Peto), or alpha spent in all by each look.
    power : float, optional
        What the trial is to have.
    futility : str or sequence of float, optional
        How 1 − power is spent; or "cp:.1", "pp:.1": stop where the conditional or predictive power is below that.
    binding : bool
        Whether efficacy counts on stopping for futility.
    pending : sequence of float
        Information of the patients under way at each look but the last, who are observed before it is decided.
    observed, statistics : sequence of float
        Information and z of the looks held so far.
    se : float, optional
        Standard error of the estimate at the look that ended the trial.

    Returns
    -------
    Results
        A row a look; `drift` is the mean of z at information 1 that the power is for.

    Raises
    ------
    FieldError
        For what makes no design, or comes after the trial's end.

    Examples
    --------
    >>> import kaptrial as kt
    >>> [round(row.numbers["z"], 4) for row in kt.boundaries([1 / 3, 2 / 3, 1])]
    [3.7103, 2.5114, 1.993]
    """
    from kaptrial.questions.looks.boundaries import answer

    return answer(
        alpha=alpha,
        sided=sided,
        spending=spending,
        information=information,
        power=power,
        futility=futility,
        binding=binding,
        pending=pending,
        observed=observed,
        statistics=statistics,
        se=se,
    )


def looks(
    scenario: AnyScenario,
    *,
    vary: Mapping[str, Sequence[Any]] | None = None,
    replicates: int = 2000,
    seed: int = 1,
    workers: int | None = None,
    nulls: bool = True,
    variants: bool = True,
    costs: Mapping[str, float] | None = None,
) -> LookResults:
    """What the looks of a group-sequential trial do: power, errors, stopping, size, information and estimates.

    Parameters
    ----------
    scenario : Scenario, str, path or mapping
        With ``design.group_sequential`` (docs/looks.md).
    vary : mapping, optional
        Values by path; every combination is run.
    replicates : int
        Trials for each row.
    seed : int
    workers : int, optional
        How many work at once, unless given as many as there are processors; the result does not depend on it.
    nulls : bool
        Whether type I errors are simulated, too.
    variants : bool
        Whether the scenario's variants are run, too.
    costs : mapping, optional
        Of a patient by arm id, and of a therapist by ``therapies.NAME.therapists``: what looks save.

    Returns
    -------
    LookResults
        Rows with a column ``look``, 0 for the whole trial.

    Raises
    ------
    ScenarioError
        For a scenario, or a path or value of `vary`, that does not fit.
    FieldError
        For looks at impossible times, and what makes no design.

    Examples
    --------
    >>> import kaptrial as kt
    >>> plan = {"accrual_per_month": 6, "looks": [{"patients": 60}]}
    >>> scenario = kt.load_scenario("starter", {"design.group_sequential": plan})
    >>> results = kt.looks(scenario, replicates=128, nulls=False)
    >>> frame = results.to_frame().query("look == 0 and metric == 'max_n'")
    >>> frame["value"].tolist()
    [120.0]
    """
    from kaptrial.questions.looks.answer import answer
    from kaptrial.questions.power.cells import cells

    asked = cells(_raw(scenario), vary or {}, variants=variants)
    made = _made(scenario, asked[0].scenario, seed=seed, replicates=replicates, vary=dict(vary or {}))
    return answer(
        asked, provenance=made, seed=seed, replicates=replicates, workers=_at_once(workers), nulls=nulls, costs=costs
    )


def t_power(effect: float, se: float, df: float, alpha: float = 0.05) -> float:
    """Two-sided power of a t test in closed form.

    Parameters
    ----------
    effect : float
        The true effect.
    se : float
        Standard error of its estimate, in the same unit.
    df : float
        Degrees of freedom.
    alpha : float
        Two-sided level.

    Returns
    -------
    float
        Both tails of the non-central t with noncentrality effect/se.

    Examples
    --------
    >>> import kaptrial as kt
    >>> round(kt.t_power(0.5, (2 / 64) ** 0.5, 126), 3)
    0.801
    """
    from kaptrial.questions.power.measures import t_power as noncentral

    return noncentral(effect, se, df, alpha)


def analyse(data: AnyData, method: str = "ancova", **options: Any) -> Results[Line]:
    """Analyse one trial by a method of the table, as `power` does simulated ones.

    Parameters
    ----------
    data : path or DataFrame
        One row a patient and visit, or a patient (docs/analyses.md).
    method : str
        Such as ``"mmrm"``, ``"nested"``, ``"cox"``.
    **options
        The fields of `Options`: ``reference="ketamine"``, ``df="kenward-roger"``, ``factors=["ketamine", "therapy"]`` …

    Returns
    -------
    Results
        One row an estimate.

    Raises
    ------
    FieldError
        For an unknown method, or an option that it does not use.
    DataError
        For what the data cannot give.

    Examples
    --------
    >>> import kaptrial as kt
    >>> trial = kt.simulate("starter", seed=1).to_frame()
    >>> results = kt.analyse(trial, "ancova", reference="ketamine", target_day=28)
    >>> results.rows[0].numbers["contrast"]
    'ketamine_cbt - ketamine'
    """
    from kaptrial.methods.from_file import analyse as analyse_file

    chosen = _options(options)
    return analyse_file(_data(data), method, chosen, options)


def fit(
    data: AnyData | Scenario,
    *,
    prior: str | Sequence[str] = "weak",
    likelihood: Likelihood = "normal",
    covariance: Covariance = "unstructured",
    residual: Residual = "common",
    margin: float | None = None,
    rope: float | None = None,
    roles: Sequence[str] = (),
    unit_sd: float | None = None,
    seed: int = 1,
    draws: int = 1000,
    every_posterior: bool = False,
    **options: Any,
) -> FitResults:
    """Bayesian interaction, or effect, of one trial: the posterior under each prior, judged.

    Parameters
    ----------
    data : path, DataFrame or Scenario
        A trial's data, or a scenario of which one trial is simulated.
    prior : str or sequence of str
        By name (`effect_priors`) or stated, such as "normal(0.2, 0.3)", in SDs towards benefit; or "all".
    likelihood : str
        normal, binary or abstinent_days.
    covariance, residual : str
        Of scores: unstructured, random or intercept; residual SDs common or by_arm.
    margin, rope : float, optional
        Benefit that matters; half the width of what counts as none.
    roles : sequence of str
        What each effect is: drug, therapy or interaction; told from the names unless given.
    unit_sd : float, optional
        The SD in which priors are stated.
    seed, draws : int
        Of each of four chains.
    every_posterior : bool
        `write` keeps the draws under every prior, not only under the first.
    **options
        Columns and days as for `analyse`.

    Returns
    -------
    FitResults
        With `verdict`, `posteriors`, `checks` and `inference_data`.

    Raises
    ------
    FieldError, DataError, ScenarioError
        For what cannot be used.
    """
    from kaptrial.catalogue.effect_priors import NAMES
    from kaptrial.questions.fit.answer import answer
    from kaptrial.questions.fit.estimands import Limits
    from kaptrial.questions.fit.models import ModelOptions
    from kaptrial.questions.fit.trial_data import FitQuestion, from_file, from_scenario
    from kaptrial.scenario.scenario import Scenario

    asked = FitQuestion(likelihood=likelihood, roles=tuple(roles), unit_sd=unit_sd)
    if isinstance(data, Scenario):
        trial = from_scenario(data, asked, seed=seed, source="the scenario")
    else:
        trial = from_file(_data(data), _options(options), asked)
    named = NAMES if prior == "all" else (prior,) if isinstance(prior, str) else tuple(prior)
    limits = Limits(margin=margin, rope=rope)
    chosen = ModelOptions(likelihood=likelihood, covariance=covariance, residual=residual)
    run = partial(answer, trial, chosen, named, limits, seed=seed, draws=draws, every_posterior=every_posterior)
    return run(data="data", options=options)


def mechanism(
    scenario: AnyScenario, data: AnyData | None = None, *, seed: int = 1, draws: int = 1000, **columns: str
) -> MechanismResults:
    """Does therapy add, work through the window, or slow the decay: what one trial says of each.

    Parameters
    ----------
    scenario : Scenario, str, path or mapping
        The arms' doses and sessions, and what is held fixed.
    data : path or DataFrame, optional
        The trial's scores; one is simulated unless given.
    seed, draws : int
        Of each of four chains.
    **columns : str
        Names of columns: patient, arm, day, score, baseline.

    Returns
    -------
    MechanismResults
    """
    from kaptrial.questions.mechanism.answer import answer

    s = load_scenario(scenario)
    return answer(s, None if data is None else _data(data), seed=seed, draws=draws, columns=columns)


def effect_priors() -> Results[Line]:
    """The named priors of effects, which `fit` and `decide` take.

    Returns
    -------
    Results
        One row a prior: name, description.

    Examples
    --------
    >>> import kaptrial as kt
    >>> kt.effect_priors().to_frame()["name"].tolist()[:2]
    ['flat', 'weak']
    """
    from kaptrial.catalogue.effect_priors import DESCRIPTIONS, NAMES

    rows = [Line(numbers={"name": name, "description": DESCRIPTIONS[name]}) for name in NAMES]
    return Results(kind="effect_priors", rows=rows)


def _raw(scenario: AnyScenario) -> dict[str, Any]:
    """A scenario as its YAML would give it, a copy."""
    from kaptrial.scenario import shipped
    from kaptrial.scenario.files import as_raw, read_raw
    from kaptrial.scenario.scenario import Scenario

    if isinstance(scenario, Scenario):
        return as_raw(scenario)
    if isinstance(scenario, Mapping):
        return dict(scenario)
    name = str(scenario)
    path = shipped.path_of(name) or Path(name)
    if path.suffix not in (".yaml", ".yml") and not path.exists():
        known = shipped.names()
        raise ScenarioError(f"{name}: must be a YAML file or one of {', '.join(known)}{nearest(name, known)}")
    return read_raw(path)


def _name(scenario: AnyScenario, unnamed: str) -> str:
    """What a scenario's file is called; `unnamed` where there is none."""
    return Path(scenario).stem if isinstance(scenario, str | PathLike) else unnamed


def _at_once(workers: int | None) -> int:
    return processors() if workers is None else workers


def made_from(name: str | None, scenario: Scenario, **more: Any) -> dict[str, Any]:
    """The provenance of a scenario's results; `name`: of its file."""
    from kaptrial.scenario.files import scenario_hash

    return provenance(scenario=name, scenario_sha256=scenario_hash(scenario), title=scenario.title, **more)


def _made(given: AnyScenario, scenario: Scenario, **more: Any) -> dict[str, Any]:
    return made_from(Path(given).name if isinstance(given, str | PathLike) else None, scenario, **more)


def _data(data: AnyData) -> Any:
    """A data file, of a path or of a frame."""
    from kaptrial.simulation.data_file import file_of, read_file

    return read_file(Path(data)) if isinstance(data, str | PathLike) else file_of(data)


def _options(given: Mapping[str, Any]) -> Any:
    """Options by their names; lists stand for tuples."""
    from dataclasses import fields

    from kaptrial.methods.options import Options

    known = [each.name for each in fields(Options)]
    for name, value in given.items():
        if name not in known:
            raise FieldError(name, value, f"is no option: must be one of {', '.join(known)}{nearest(name, known)}")
    chosen: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in given.items()}
    return Options(**chosen)
