"""What Python users call: one function a question, each giving one object with rows, provenance and notes.

A scenario is a `Scenario`, a path, the name of a shipped one, or a mapping as its YAML would give. Data are a path or a
pandas DataFrame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaptrial.errors import ScenarioError, nearest
from kaptrial.results import Line, Results, Row, Value, provenance
from kaptrial.scenario import shipped
from kaptrial.scenario.files import as_raw, build, read_raw, scenario_hash, with_prior, with_settings
from kaptrial.scenario.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

    from kaptrial.questions.fit.answer import FitResults
    from kaptrial.questions.fit.model import Likelihood
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
    return shipped.names()


def simulate(scenario: AnyScenario, *, seed: int = 1, replicates: int = 1) -> Trials:
    """Simulate trials of a scenario.

    Parameters
    ----------
    scenario : Scenario, str, path or mapping
    seed : int
    replicates : int
        Trials; more of them keep the first ones as they are.

    Returns
    -------
    Trials
        ``to_frame()`` gives one row a replicate, patient and visit.

    Examples
    --------
    >>> import kaptrial as kt
    >>> kt.simulate("starter", seed=1).to_frame().columns[:3].tolist()
    ['replicate', 'patient', 'arm']
    """
    from kaptrial.simulation.simulate import simulate as draw

    return draw(load_scenario(scenario), seed=seed, replicates=replicates)


def truth(scenario: AnyScenario, *, seed: int = 1) -> Results[Line]:
    """What the model says is true of each estimand, by counterfactual simulation.

    Parameters
    ----------
    scenario : Scenario, str, path or mapping
    seed : int

    Returns
    -------
    Results
        One row an estimand: contrast, endpoint, day, value, mcse, and the mean of each arm.

    Examples
    --------
    >>> import kaptrial as kt
    >>> round(kt.truth("starter").rows[0].numbers["value"], 1)
    -5.3
    """
    from kaptrial.questions.power.truth import truths

    s = load_scenario(scenario)
    rows = []
    for estimand, estimand_truth in zip(s.estimands, truths(s, seed=seed), strict=True):
        about: dict[str, Value] = {"contrast": estimand.contrast, "endpoint": estimand.endpoint, "day": estimand.day}
        means = {arm.id: mean for arm, mean in zip(s.arms, estimand_truth.arm_means, strict=True)}
        rows.append(Line(numbers=about | {"value": estimand_truth.value, "mcse": estimand_truth.mcse} | means))
    return Results(kind="truth", rows=rows, provenance=_made(scenario, s, seed=seed))


def power(
    scenario: AnyScenario,
    *,
    vary: Mapping[str, Sequence[Any]] | None = None,
    replicates: int = 2000,
    seed: int = 1,
    workers: int = 1,
    nulls: bool = True,
    variants: bool = True,
) -> Results[Row]:
    """Power and the other operating characteristics, each with its Monte Carlo standard error.

    Parameters
    ----------
    scenario : Scenario, str, path or mapping
    vary : mapping, optional
        Values by path; every combination is run.
    replicates : int
        Trials for each row.
    seed : int
    workers : int
        Processes; the result does not depend on them.
    nulls : bool
        Whether type I errors are simulated, too.
    variants : bool
        Whether the scenario's variants are run, too.

    Returns
    -------
    Results
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
    from kaptrial.questions.power.cells import cells
    from kaptrial.questions.power.characteristics import characteristics, results_of
    from kaptrial.questions.power.output import figures_of, write_power

    asked = cells(_raw(scenario), vary or {}, variants=variants)
    cell_results = characteristics(asked, seed=seed, replicates=replicates, workers=workers, nulls=nulls)
    made = _made(scenario, asked[0].scenario, seed=seed, replicates=replicates, vary=dict(vary or {}))
    writer = _into_folder(lambda folder, results: write_power(folder, cell_results, results))
    return replace(results_of(cell_results, made), figures=partial(figures_of, cell_results, seed), writer=writer)


def size(
    scenario: AnyScenario,
    *,
    power: float = 0.9,
    over: str | None = None,
    between: tuple[float, float] | None = None,
    replicates: int = 2000,
    seed: int = 1,
    workers: int = 1,
) -> Results[Line]:
    """The smallest size, or other number, at which the primary estimand's power is reached.

    Parameters
    ----------
    scenario : Scenario, str, path or mapping
    power : float
        The power to be reached.
    over : str, optional
        The path of the number to solve for; the scenario's size unless given.
    between : (float, float), optional
        Where it is looked for.
    replicates, seed, workers : int
        As for `power`, at each point tried.

    Returns
    -------
    Results
        One row: value, its interval, the power achieved there.

    Examples
    --------
    >>> import kaptrial as kt
    >>> results = kt.size("starter", power=0.8, replicates=200)
    >>> results.rows[0].numbers["path"]
    'design.n_per_arm'
    """
    from kaptrial.questions.size import solve

    raw = _raw(scenario)
    answer = solve(
        raw, target=power, over=over, bounds=between, replicates=replicates, seed=seed, workers=workers
    )  # fmt: skip
    return answer.results(_made(scenario, build(raw), seed=seed, replicates=replicates))


def assurance(
    scenario: AnyScenario,
    *,
    prior: str | None = None,
    draws: int = 400,
    replicates: int = 128,
    seed: int = 1,
    workers: int = 1,
) -> Results[Row]:
    """Power averaged over a design prior, and how likely high power is under it.

    Parameters
    ----------
    scenario : Scenario, str, path or mapping
    prior : str, optional
        A named prior of the catalogue; the scenario's own unless given.
    draws : int
        Draws of the prior.
    replicates : int
        Trials for each draw.
    seed, workers : int

    Returns
    -------
    Results

    Raises
    ------
    ScenarioError
        Where neither the scenario nor `prior` says what is believed.
    """
    from kaptrial.questions.assurance.assurance import assurance as average
    from kaptrial.questions.assurance.output import write_assurance

    raw = _raw(scenario)
    s = build(raw if prior is None else with_prior(raw, prior))
    averaged = average(s, seed=seed, draws_of_prior=draws, replicates=replicates, workers=workers)
    made = _made(scenario, s, seed=seed, replicates=replicates, draws=draws, prior=prior)
    writer = _into_folder(lambda folder, results: write_assurance(folder, s, averaged, results))
    return Results(kind="assurance", rows=averaged.rows, provenance=made, notes=averaged.notes, writer=writer)


def decide(
    scenario: AnyScenario,
    *,
    vary: Mapping[str, Sequence[Any]] | None = None,
    replicates: int = 2000,
    draws: int = 200,
    seed: int = 1,
    workers: int = 1,
) -> Results[Row]:
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
    seed, workers : int

    Returns
    -------
    Results
    """
    from kaptrial.questions.decide.characteristics import decisions, notes
    from kaptrial.questions.decide.output import write_decisions
    from kaptrial.questions.power.cells import cells

    asked = cells(_raw(scenario), vary or {}, variants=False)
    rows = decisions(asked, seed=seed, replicates=replicates, draws_of_prior=draws, workers=workers)
    made = _made(scenario, asked[0].scenario, seed=seed, replicates=replicates, draws=draws, vary=dict(vary or {}))
    writer = _into_folder(lambda folder, results: write_decisions(folder, asked, results))
    return Results(kind="decide", rows=rows, provenance=made, notes=notes(rows), writer=writer)


def clinic(scenario: AnyScenario, *, replicates: int = 200, seed: int = 1, workers: int = 1) -> Results[Any]:
    """Run the trial in its clinic: recruitment, infusions, sessions, waits, costs.

    Parameters
    ----------
    scenario : Scenario, str, path or mapping
        With a `clinic`.
    replicates, seed, workers : int

    Returns
    -------
    Results

    Raises
    ------
    ScenarioError
        For a scenario without a clinic.
    """
    from kaptrial.questions.clinic import tables
    from kaptrial.questions.clinic.operations import check_has_clinic, operations
    from kaptrial.questions.clinic.output import write_clinic

    s = load_scenario(scenario)
    check_has_clinic(s)
    run = operations(s, seed=seed, replicates=replicates, workers=workers)
    quantities = tables.summary(run.summaries, s.clinic.costs.currency if s.clinic and s.clinic.costs else "")
    made, note = _made(scenario, s, seed=seed, replicates=replicates), tables.bottleneck_note(run.summaries)
    writer = _into_folder(lambda folder, results: write_clinic(folder, s, run, results))
    return Results(kind="clinic", rows=quantities, provenance=made, notes=[note], writer=writer)


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
    margin: float | None = None,
    rope: float | None = None,
    roles: Sequence[str] = (),
    unit_sd: float | None = None,
    seed: int = 1,
    draws: int = 1000,
    **options: Any,
) -> FitResults:
    """Bayesian interaction, or effect, of one trial: the posterior under each prior, judged.

    Parameters
    ----------
    data : path, DataFrame or Scenario
        A trial's data, or a scenario of which one trial is simulated.
    prior : str or sequence of str
        Named priors (`effect_priors`), or "all".
    likelihood : str
        normal, binary or abstinent_days.
    margin, rope : float, optional
        Benefit that matters; half the width of what counts as none.
    roles : sequence of str
        What each effect is: drug, therapy or interaction; told from the names unless given.
    unit_sd : float, optional
        The SD in which priors are stated.
    seed, draws : int
        Of each of four chains.
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
    from kaptrial.questions.fit.output import write_fit
    from kaptrial.questions.fit.trial_data import FitQuestion, from_file, from_scenario

    asked = FitQuestion(likelihood=likelihood, roles=tuple(roles), unit_sd=unit_sd)
    if isinstance(data, Scenario):
        trial = from_scenario(data, asked, seed=seed, source="the scenario")
    else:
        trial = from_file(_data(data), _options(options), asked)
    named = NAMES if prior == "all" else (prior,) if isinstance(prior, str) else tuple(prior)
    limits = Limits(margin=margin, rope=rope)
    chosen = ModelOptions(likelihood=likelihood)
    results = answer(trial, chosen, named, limits, seed=seed, draws=draws, data="data", options=options)
    return replace(results, writer=_into_folder(write_fit))


def mechanism(
    scenario: AnyScenario, data: AnyData | None = None, *, seed: int = 1, draws: int = 1000, **columns: str
) -> Results[Line]:
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
    Results
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


def _into_folder(write: Callable[[Path, Any], object]) -> Callable[[Path, Any], None]:
    """What writes results, in a folder that is complete by its manifest."""
    from kaptrial.output.files import output_folder

    def writer(folder: Path, results: Any) -> None:
        with output_folder(folder):
            write(folder, results)

    return writer


def _raw(scenario: AnyScenario) -> dict[str, Any]:
    """A scenario as its YAML would give it, a copy."""
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


def _made(given: AnyScenario, scenario: Scenario, **more: Any) -> dict[str, Any]:
    """The provenance of a scenario's results."""
    name = Path(given).name if isinstance(given, str | PathLike) else None
    return provenance(scenario=name, scenario_sha256=scenario_hash(scenario), title=scenario.title, **more)


def _data(data: AnyData) -> Any:
    """A data file, of a path or of a frame."""
    from kaptrial.simulation.data_file import file_of, read_file

    return read_file(Path(data)) if isinstance(data, str | PathLike) else file_of(data)


def _options(given: Mapping[str, Any]) -> Any:
    """Options by their names; lists stand for tuples."""
    from dataclasses import fields

    from kaptrial.errors import FieldError
    from kaptrial.methods.options import Options

    known = [each.name for each in fields(Options)]
    for name, value in given.items():
        if name not in known:
            raise FieldError(name, value, f"is no option: must be one of {', '.join(known)}{nearest(name, known)}")
    chosen: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in given.items()}
    return Options(**chosen)
