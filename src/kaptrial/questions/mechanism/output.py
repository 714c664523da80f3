"""The folder a mechanism fit writes: tables, figures, and the draws as netCDF."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kaptrial.output.figures import capital
from kaptrial.output.files import write_bytes, write_text
from kaptrial.output.folder import save_all, write_results
from kaptrial.questions.mechanism.figures import ArmCourse, contraction, courses
from kaptrial.questions.mechanism.terminal import NAMES

if TYPE_CHECKING:
    from kaptrial.questions.mechanism.answer import MechanismResults
    from kaptrial.questions.mechanism.fit import MechanismFit
    from kaptrial.scenario.scenario import Scenario


def write_mechanism(folder: Path, results: MechanismResults) -> None:
    """scenario.yaml, results.json and .csv, ranking.csv, the figures `contraction` and `courses`, draws_*.nc."""
    import pandas as pd

    scenario, fits = results.scenario, results.fitted
    write_results(folder, results, scenario)
    if fits.ranking is not None:
        write_text(folder / "ranking.csv", pd.DataFrame(fits.ranking).to_csv(index=False))
    footer = "kaptrial {version}, {data}, {draws} draws, seed {seed}, scenario {scenario_sha256:.8}"
    footer = footer.format_map(results.provenance)
    drawn = {
        "contraction": contraction(results.flat(), NAMES, title=_narrowed(fits)),
        "courses": courses(*_panels(scenario, fits), unit=_unit(scenario), title=_ranked(fits)),
    }
    save_all(folder, drawn, footer)
    for fit in fits.variants:
        name = f"draws_{fit.name.replace(' ', '_')}.nc"
        write_bytes(folder / name, partial(fit.tree.to_netcdf, engine="h5netcdf"))


def _narrowed(fits: MechanismFit) -> str:
    """Which parameter the data told most of, and which least."""
    rows = sorted(fits.rows, key=lambda row: row.contraction)
    named = [f"{NAMES[row.parameter]} ({row.variant}), {100 * row.contraction:.0f} %" for row in (rows[-1], rows[0])]
    return f"The data told most of {named[0]}, least of {named[1]}"


def _ranked(fits: MechanismFit) -> str:
    """Which mechanism predicts best, if one does clearly."""
    if fits.best is not None:
        return f"{capital(fits.best)} predicts the scores clearly best"
    return "No mechanism predicts the scores clearly best" if fits.ranking else f"Not ranked: {fits.why_not}"


def _unit(scenario: Scenario) -> str:
    return f"{scenario.scale.id}, mean score"


def _panels(scenario: Scenario, fits: MechanismFit) -> tuple[list[tuple[str, list[ArmCourse]]], list[float]]:
    scores, days = fits.scores, list(fits.course.days)
    panels = []
    for fit in fits.variants:
        arms = []
        for a, arm in enumerate(scenario.arms):
            drawn, own = fit.course[:, a], scores.y[scores.arm == a]
            n = np.isfinite(own).sum(axis=0)
            seen, se = np.nanmean(own, axis=0), np.nanstd(own, axis=0, ddof=1) / np.sqrt(n)
            low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
            label = arm.label.replace(", then ", " + ")
            arms.append(ArmCourse(label, drawn.mean(axis=0), low, high, seen, seen - 1.96 * se, seen + 1.96 * se))
        panels.append((fit.name, arms))
    return panels, days
