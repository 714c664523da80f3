"""The folder that `kaptrial clinic` writes: tables as CSV and JSON, figures as PDF, SVG and 300-dpi PNG."""

from __future__ import annotations

from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from kaptrial.output.figures import capital, path_in_words
from kaptrial.output.files import write_text
from kaptrial.output.folder import footer, save_all, write_results
from kaptrial.questions.clinic import figures, tables
from kaptrial.questions.clinic.replicate_summary import FATES
from kaptrial.questions.clinic.tables import Quantity
from kaptrial.questions.power.headline import when
from kaptrial.questions.power.titles import contrast_in_words
from kaptrial.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kaptrial.questions.clinic.answer import ClinicResults, PlanResults
    from kaptrial.questions.clinic.operations import Operations
    from kaptrial.scenario.scenario import Scenario

FLOW = ("referred", *FATES.values())
Values = dict[tuple[str, str, str], Quantity]
KEPT = {"promised sessions": "sessions in window", "later doses": "later doses in window", "visits": "visits in window"}


def write_clinic(folder: Path, results: ClinicResults) -> None:
    """scenario.yaml, results.json and results.csv, accrual.csv, lags.csv, week.csv and the five figures."""
    write_results(folder, results, results.scenario)
    for name, table in _tables(results).items():
        write_text(folder / f"{name}.csv", table.to_csv(index=False))
    save_all(folder, clinic_figures(results), footer(results.provenance))


def clinic_figures(results: ClinicResults) -> dict[str, Figure]:
    """Accrual, how busy everybody is, the flow of patients, the busiest week, and the lags of sessions."""
    return _figures(results.scenario, results, **_tables(results))


def _tables(results: ClinicResults) -> dict[str, pd.DataFrame]:
    run = results.run
    return {
        "accrual": tables.accrual(run.summaries),
        "lags": tables.lag_histogram(run.summaries),
        "week": tables.week(run.first, _busiest_site(results.scenario, run)),
    }


def write_plans(folder: Path, results: PlanResults) -> None:
    """scenario.yaml, plans.json and plans.csv; the figure where one path with numbers is varied."""
    write_results(folder, results, results.scenario, name="plans")
    save_all(folder, plan_figures(results), footer(results.provenance))


def plan_figures(results: PlanResults) -> dict[str, Figure]:
    """What the plans cost and what power they have, where one path with numbers is varied."""
    scenario, paths, rows = results.scenario, results.paths, results.flat()
    done = [row for row in rows if row["power"] is not None]
    if len(paths) != 1 or len(done) < 2 or not all(isinstance(row[paths[0]], int | float) for row in done):
        return {}
    best = max(done, key=lambda row: float(row["power"] or 0))
    name = path_in_words(paths[0]) if path_name(scenario, paths[0]) == paths[0] else path_name(scenario, paths[0])
    about = f"{capital(contrast_in_words(scenario))} {when(scenario)}"
    title = f"{about}: power is highest, {best['power']:.2f}, at {best[paths[0]]:g} ({name[0].lower()}{name[1:]})"
    named = {"name": name, "currency": currency(scenario), "title": title}
    return {"plans": figures.plans(rows, paths[0], own=_own(scenario, paths[0]), **named)}


def currency(scenario: Scenario) -> str:
    """That of the clinic's costs; nothing where there are none."""
    return scenario.clinic.costs.currency if scenario.clinic and scenario.clinic.costs else ""


def path_name(scenario: Scenario, path: str) -> str:
    """A path of the plan in words."""
    steps = path.replace("]", "").replace("[", ".").split(".")
    assert scenario.clinic is not None
    if steps[:2] == ["clinic", "sites"]:
        site = scenario.clinic.sites[int(steps[2])].id
        what = f"Therapists ({steps[4]})" if steps[3] == "therapists" else steps[3]
        return f"{what.capitalize() if what.islower() else what} at {site}"
    if path == "clinic.sessions.to_hours":
        return "Window ends, hours after infusion"
    return path


def _own(scenario: Scenario, path: str) -> float | None:
    """The value that the scenario itself has at a path, if it is a number."""
    node: Any = scenario
    for step in path.replace("]", "").replace("[", ".").split("."):
        node = (
            node[step]
            if isinstance(node, dict)
            else node[int(step)]
            if isinstance(node, tuple)
            else getattr(node, step)
        )
    return float(node) if isinstance(node, int | float) else None


def _figures(
    s: Scenario, results: Results[Quantity], accrual: pd.DataFrame, lags: pd.DataFrame, week: pd.DataFrame
) -> dict[str, Figure]:
    clinic = s.clinic
    assert clinic is not None
    value = {(q.table, q.of, q.metric): q for q in results.rows}
    last = {name: value["milestones", "trial", name].value for name in ("last patient in", "last patient out")}
    title = "Last patient in after {last patient in:.0f} months, out after {last patient out:.0f}, on average"
    flow = {name: value["flow", "all", name].value for name in FLOW}
    drawn = {
        "accrual": figures.accrual(accrual, n=s.n_total, title=title.format_map(last)),
        "utilisation": figures.busy(_busy(s, value), title=_busiest(s, value)),
        "flow": figures.consort(flow, _arms(s, value), title=_flow(value)),
    }
    if len(week):
        title = f"The busiest week, number {week['week'].iloc[0]} of the first simulated trial"
        drawn["week"] = figures.gantt(week, hours=(clinic.hours.opens, clinic.hours.closes), title=title)
    rules = clinic.sessions
    if lags["share"].sum() > 0 and (rules.to_hours is None or lags[lags["promised"]]["share"].sum() > 0):
        kept = [q.value for key, q in value.items() if key[0] == "kept" and key[2] == "promised sessions in window"]
        drawn["lags"] = figures.lags(
            lags,
            window=None if rules.to_hours is None else (rules.from_hours, rules.to_hours),
            open_share=_window(s),
            kept=sum(kept) / len(kept) if kept else None,
            title=_in_time(sum(kept) / len(kept) if kept else None),
        )
    return drawn


def _busiest(s: Scenario, value: Values) -> str:
    """Who or what has least time left."""
    first = max(_busy(s, value), key=lambda row: row.value)
    return f"Busiest until the last patient is in: {first.label}, {100 * first.value:.0f} % of their time"


def _flow(value: Values) -> str:
    """How many patients it takes."""
    referred, randomised = (value["flow", "all", name].value for name in ("referred", "randomised"))
    return f"{referred:.0f} patients are referred for {randomised:.0f} to be randomised, on average"


def _in_time(kept: float | None) -> str:
    """How many sessions come when they were promised."""
    if kept is None:
        return "From the infusion to the sessions"
    return f"{100 * kept:.0f} % of the sessions that were promised a window after the infusion fall in it"


def _window(s: Scenario) -> list[tuple[float, float]]:
    """How open the plasticity window is after one fresh dose, by hours, where a therapy works through it."""
    if s.drug.window_half_life is None or not any(t.gamma and t.gamma.value > 0 for t in s.therapies.values()):
        return []
    half_life = 24 * s.drug.window_half_life.value
    return [(float(h), 1 - exp(-(0.5 ** (h / half_life)))) for h in range(0, 241, 4)]


def _busy(s: Scenario, value: Values) -> list[figures.Busy]:
    assert s.clinic is not None
    rows = []
    one_site = len(s.clinic.sites) == 1
    for kind in ("chairs", "nurses", "therapists", "raters"):
        keys = [
            key for key in value if key[0] == "utilisation" and key[2] == "share" and key[1].startswith(f"{kind} at")
        ]
        for key in keys:
            share, waited = value[key], value.get(("utilisation", kind, "days waited"))
            days = waited.value if waited and one_site else None
            rows.append(figures.Busy(kind if one_site else key[1], share.value, share.lower, share.upper, days))
    return rows


def _arms(s: Scenario, value: Values) -> list[figures.ArmFlow]:
    arms = []
    for arm in s.arms:
        flow = {key[2]: q.value for key, q in value.items() if key[0] == "flow" and key[1] == arm.id}
        lines = [
            f"{label}: {100 * value['kept', arm.id, f'{what} in window'].value:.0f} %"
            for what, label in KEPT.items()
            if ("kept", arm.id, f"{what} in window") in value
        ]
        names = ("randomised", "lost waiting", "dropped out", "complete")
        randomised, lost, dropped, complete = (flow[name] for name in names)
        arms.append(figures.ArmFlow(arm.label, randomised, lost, dropped, complete, lines))
    return arms


def _busiest_site(s: Scenario, run: Operations) -> int:
    counts = [0] * len(s.clinic.sites if s.clinic else ())
    for use in run.first.use:
        counts[use.site] += len(use.services)
    return counts.index(max(counts))
