"""Files of a Bayesian fit: tables, verdict, draws and figures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from kaptrial.bayes.interaction.checks import Check
from kaptrial.bayes.interaction.estimands import MEASURES, Limits
from kaptrial.bayes.interaction.fit import Posterior
from kaptrial.bayes.interaction.pictures import bands, forest, question
from kaptrial.bayes.interaction.tree import save as save_tree
from kaptrial.bayes.interaction.tree import tree
from kaptrial.bayes.interaction.verdict import Verdict
from kaptrial.report import fit_figures
from kaptrial.report.files import write_bytes, write_text
from kaptrial.report.pack import save, write_results
from kaptrial.results import Line, Results

UNITS = {"normal": "points", "binary": "share of patients", "abstinent_days": "percent"}


def write_fit(
    folder: Path, posteriors: Sequence[Posterior], verdicts: Sequence[Verdict], checks: Sequence[tuple[Check, Check]],
    limits: Limits, results: Results[Line],
) -> None:  # fmt: skip
    """results.csv and .json, checks.csv, verdict.txt, posterior_PRIOR.nc, and the figures; of the first prior where one
    posterior is drawn.
    """
    import pandas as pd

    provenance = results.provenance
    write_results(folder, results)
    write_text(folder / "verdict.txt", "".join(f"{verdict.text}\n" for verdict in verdicts))
    table = [
        {"prior": posterior.prior.name, "predictive": kind, **row}
        for posterior, pair in zip(posteriors, checks, strict=True)
        for kind, check in zip(("prior", "posterior"), pair, strict=True)
        for row in check.rows
    ]
    write_text(folder / "checks.csv", pd.DataFrame(table).to_csv(index=False))
    kept = {key: value for key, value in provenance.items() if key not in ("verdicts", "diagnostics")}
    for posterior, (before, after) in zip(posteriors, checks, strict=True):
        own = tree(posterior, before, after, seed=provenance["seed"], provenance=kept | {"prior": posterior.prior.name})
        write_bytes(folder / f"posterior_{posterior.prior.name}.nc", partial(save_tree, own))
    _figures(folder, posteriors, verdicts, checks, limits, results)


def _figures(
    folder: Path, posteriors: Sequence[Posterior], verdicts: Sequence[Verdict], checks: Sequence[tuple[Check, Check]],
    limits: Limits, results: Results[Line],
) -> None:  # fmt: skip
    provenance, rows = results.provenance, results.flat()
    first = posteriors[0]
    data, likelihood, name = first.model.data, first.model.likelihood, first.prior.name
    made = f"kaptrial {provenance['version']}, seed {provenance['seed']}, {provenance['data']}"
    footer = f"{made}, prior {name}"
    warning = "DO NOT USE. " if verdicts[0].withheld else ""
    when = "" if data.target_day != data.target_day else f" at day {data.target_day:g}"
    title = f"{warning}{data.effects[data.question]}{when}: P(benefit) = {verdicts[0].p:.2f}"
    save(folder, "interaction", fit_figures.posterior(
        question(first), unit=UNITS[likelihood], title=title, footer=footer, margin=limits.margin,
        rope=limits.rope,
    ))  # fmt: skip
    if len(data.days) > 1:
        mine = [
            row for row in rows
            if row["prior"] == name and row["measure"] == MEASURES[likelihood] and row["contrast"] in data.effects
        ]  # fmt: skip
        unit = UNITS[likelihood]
        save(folder, "effects_over_time", fit_figures.over_time(mine, unit=unit, sign=data.sign, footer=footer))
    drawn = fit_figures.predictive(bands(checks[0][1]), unit=UNITS[likelihood], footer=footer)
    save(folder, "posterior_predictive", drawn)
    if len(posteriors) > 1:
        save(folder, "priors", fit_figures.priors(
            forest(posteriors, [verdict.p for verdict in verdicts]), name=data.effects[data.question],
            unit=UNITS[likelihood], sign=data.sign, footer=made,
            title=f"{data.effects[data.question]}{when} under {len(posteriors)} priors",
        ))  # fmt: skip
