"""What the forward map needs to know of the fitted trials, as arrays: rows (arm × day), doses, figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kaptrial.arrays import Bools, Floats, Ints
from kaptrial.catalogue import Figure, Trial, scale, scale_names
from kaptrial.evidence.synthesis import measures
from kaptrial.evidence.synthesis.arms import BACKGROUND, BELIEF, POPULATION, ROUTE, Course, courses, doses, elsewhere

# Statistics that the fit uses. The others are conditional on what happened before, and are only predicted.
LEVELS = (
    "mean",
    "mean_change",
    "percent_change",
    "difference",
    "standardised_benefit",
    "standardised_change",
    "significant",
)
SHARES = ("response", "remission")
PATHS = ("response_any_time", "relapse_free", "relapsed", "median_days_to_relapse")
DEFAULT_FRACTION = 0.5


@dataclass(frozen=True, kw_only=True)
class Target:
    """One figure to reproduce, in the project's terms. Shares are shares, not percent.

    `days` are all the visits that the statistic reads; `n` the patients behind it, of the left and the right arm.
    """

    trial: str
    number: int
    statistic: str
    endpoint: str
    arms: tuple[str, ...]
    days: tuple[float, ...]
    value: float
    quality: str
    n: tuple[int, ...]
    mean_baseline: float
    sd_baseline: float
    settings: dict[str, Any]
    se: float | None
    sd: float | None

    @property
    def label(self) -> str:
        """`trial: statistic endpoint arm, day`."""
        day = f"day {self.days[-1]:g}"
        return f"{self.trial}: {self.statistic} {self.endpoint} {' - '.join(self.arms)}, {day}"


def targets(trial: Trial) -> list[Target]:
    """The trial's figures that the response model should reproduce, in the order of its file.

    Raises FieldError where a measure does not say what its statistic needs, or names what is not in the trial.
    """
    out: list[Target] = []
    for i, figure in enumerate(trial.figures):
        for j, measure in enumerate(figure.measures):
            of = f"figures[{i}]"
            at = f"{of}.measure[{j}]" if len(figure.measures) > 1 else f"{of}.measure"
            measures.check(trial, figure, measure, of, at)
            out.append(_target(trial, figure, measure, len(out)))
    return out


def check(trial: Trial) -> None:
    """Raise FieldError where a trial with targets cannot be simulated: a figure, or what an arm is given."""
    if targets(trial):
        if trial.indication in POPULATION:
            courses(trial)
        else:
            doses(trial)


def _target(trial: Trial, figure: Figure, measure: dict[str, Any], number: int) -> Target:
    arms = measures.arms_of(measure)
    sizes = {raw["id"]: int(raw["n"]) for raw in trial.arms}
    endpoint = measure.get("endpoint", trial.indication)
    baseline = trial.baselines.get(endpoint, {"mean": 1.0, "sd": 0.2})
    value = float(measure.get("value", figure.value))
    share = measure["statistic"] in measures.PERCENT
    ci = measure.get("ci95", figure.uncertainty.get("ci95"))
    se = figure.uncertainty.get("se")
    if ci is not None:
        se = abs(float(ci[1]) - float(ci[0])) / (2 * 1.959964)
    sd = measure.get("sd", figure.uncertainty.get("sd"))
    return Target(
        trial=trial.key,
        number=number,
        statistic=measure["statistic"],
        endpoint=endpoint,
        arms=arms,
        days=tuple(float(day) for day in measure.get("days", [measure["day"]] if "day" in measure else [])),
        value=value / 100 if share else value,
        quality=figure.quality,
        n=tuple(int(measure.get("n", sizes.get(arm, 0))) for arm in arms),
        mean_baseline=float(baseline["mean"]),
        sd_baseline=float(baseline["sd"]),
        settings={
            name: measure[name]
            for name in ("fraction", "kept", "at_most", "response_day", "remission_day", "from_day", "day")
            if name in measure
        },
        se=None if se is None else float(se) / (100 if share else 1),
        sd=None if sd is None else float(sd),
    )


def response_fraction(target: Target) -> float:
    """The share of the baseline by which a score must fall to count as response."""
    if "fraction" in target.settings:
        return float(target.settings["fraction"])
    if target.endpoint in scale_names():
        return scale(target.endpoint).response_fraction or DEFAULT_FRACTION
    return DEFAULT_FRACTION


@dataclass
class Rows:
    """Arm × day rows, collected one by one and then read as arrays."""

    trial: list[int] = field(default_factory=list)
    course: list[Course] = field(default_factory=list)
    day: list[float] = field(default_factory=list)

    def add(self, trial: int, course: Course, day: float) -> int:
        """The number of the new row."""
        self.trial.append(trial)
        self.course.append(course)
        self.day.append(day)
        return len(self.day) - 1


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The fitted figures as arrays. Rows are arm × day; pairs are a row and one dose given before it.

    `trial_scale`: SD of a trial's effects relative to the between-trial SD, 1/√k for a pooled analysis of k trials.
    `trial_elsewhere`: trials other than of infusions in depression, whose effects have a spread of their own.
    `level_*`: figures that are means or differences of rows, with two rows each (the right one unused for one arm) or
    their averages over days through `level_weights` (figure, row). `share_*`: response or remission on one row.
    `path_*`: rows of the figures that follow patients over visits, in order, with the ends of each figure's stretch.
    """

    trials: tuple[str, ...]
    trial_scale: Floats
    trial_elsewhere: Bools
    row_trial: Ints
    row_day: Floats
    row_since_given: Floats
    row_drugged: Bools
    row_belief: Ints
    row_population: Ints
    row_route: Ints
    row_background: Ints
    row_general: Floats
    row_exposure: Floats
    pair_row: Ints
    pair_age: Floats
    pair_size: Floats
    levels: tuple[Target, ...]
    level_weights: Floats
    level_reads: Floats
    shares: tuple[Target, ...]
    share_row: Ints
    paths: tuple[Target, ...]
    path_row: Ints
    path_fraction: Floats
    path_end: Ints

    @property
    def figures(self) -> tuple[Target, ...]:
        """All figures in the order of the likelihood."""
        return (*self.levels, *self.shares, *self.paths)

    @property
    def figure_trial(self) -> Ints:
        """The number of each figure's trial."""
        return np.array([self.trials.index(t.trial) for t in self.figures], dtype=np.int64)


def layout(trials: Sequence[Trial], chosen: Sequence[Target]) -> Layout:
    """Lay out the `chosen` targets of `trials` (those whose statistics the fit uses)."""
    keys = tuple(t.key for t in trials)
    arms = {t.key: courses(t) for t in trials}
    rows = Rows()
    levels, shares, paths = [], [], []
    level_rows: list[list[tuple[int, float]]] = []
    share_row: list[int] = []
    path_row: list[int] = []
    path_fraction: list[float] = []
    path_end: list[int] = []
    for target in chosen:
        t, of = keys.index(target.trial), arms[target.trial]
        if target.statistic in LEVELS:
            levels.append(target)
            signs = (1.0, -1.0)
            level_rows.append(
                [
                    (rows.add(t, of[arm], day), signs[i] / len(target.days))
                    for i, arm in enumerate(target.arms)
                    for day in target.days
                ]
            )
        elif target.statistic in SHARES:
            shares.append(target)
            share_row.append(rows.add(t, of[target.arms[0]], target.days[0]))
        elif target.statistic in PATHS and "remission_day" not in target.settings:
            paths.append(target)
            stretch = path_visits(target)
            for day, fraction in stretch:
                path_row.append(rows.add(t, of[target.arms[0]], day))
                path_fraction.append(fraction)
            path_end.append(len(path_row))
    weights = np.zeros((len(levels), len(rows.day)))
    for f, entries in enumerate(level_rows):
        for row, weight in entries:
            weights[f, row] = weight
    pair_row, pair_age, pair_size = [], [], []
    for r, (course, day) in enumerate(zip(rows.course, rows.day, strict=True)):
        for at, size in zip(course.dose_days, course.dose_sizes, strict=True):
            if at < day:
                pair_row.append(r)
                pair_age.append(day - at)
                pair_size.append(size)
    return Layout(
        trials=keys,
        trial_scale=np.array([t.pooled**-0.5 for t in trials]),
        trial_elsewhere=np.array([elsewhere(t) for t in trials]),
        row_trial=np.array(rows.trial),
        row_day=np.array(rows.day),
        row_since_given=np.array([c.since_given(day) for c, day in zip(rows.course, rows.day, strict=True)]),
        row_drugged=np.array([bool(c.dose_days) for c in rows.course]),
        row_belief=np.array([BELIEF.index(c.belief) for c in rows.course]),
        row_population=np.array([POPULATION.index(c.population) for c in rows.course]),
        row_route=np.array([ROUTE.index(c.route) for c in rows.course]),
        row_background=np.array([BACKGROUND.index(c.background) for c in rows.course]),
        row_general=_learnt(rows, "general"),
        row_exposure=_learnt(rows, "exposure"),
        pair_row=np.array(pair_row, dtype=np.int64),
        pair_age=np.array(pair_age),
        pair_size=np.array(pair_size),
        levels=tuple(levels),
        level_weights=weights,
        level_reads=(weights != 0) / np.maximum((weights != 0).sum(axis=1, keepdims=True), 1),
        shares=tuple(shares),
        share_row=np.array(share_row, dtype=np.int64),
        paths=tuple(paths),
        path_row=np.array(path_row, dtype=np.int64),
        path_fraction=np.array(path_fraction),
        path_end=np.array(path_end, dtype=np.int64),
    )


def path_visits(target: Target) -> list[tuple[float, float]]:
    """Visits that a path reads, each with the share of the baseline that its improvement must reach."""
    c = response_fraction(target)
    if target.statistic == "response_any_time":
        return [(day, c) for day in target.days]
    last = np.inf
    if target.statistic == "median_days_to_relapse":
        last = target.settings["from_day"] + target.value + 0.5
    kept = float(target.settings["kept"])
    return [(float(target.settings["response_day"]), c)] + [(day, kept) for day in target.days if day <= last]


def _learnt(rows: Rows, kind: str) -> Floats:
    return np.array([c.learnt(day) if c.therapy == kind else 0.0 for c, day in zip(rows.course, rows.day, strict=True)])
