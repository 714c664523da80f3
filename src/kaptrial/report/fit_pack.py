"""Files of a Bayesian fit: tables, verdict, draws and figures."""

from __future__ import annotations

import textwrap
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
    effect, unit = data.question, UNITS[likelihood]
    title = f"{warning}{effect}{when}: P(benefit) = {verdicts[0].p:.2f}"
    figure = fit_figures.posterior(question(first), unit=unit, title=title, margin=limits.margin, rope=limits.rope)
    save(folder, "interaction", figure, footer)
    if len(data.days) > 1:
        mine = [row for row in rows if row["prior"] == name and row["measure"] == MEASURES[likelihood]]
        mine = [row for row in mine if row["contrast"] in data.effects]
        figure = fit_figures.over_time(mine, unit=unit, sign=data.sign)
        save(folder, "effects_over_time", figure, f"posterior mean and 95 % interval; {footer}")
    arms = bands(checks[0][1])
    below = f"points: observed; line and band: posterior predictive mean, 95 %; {footer}"
    below = textwrap.fill(below, max(54, 36 * min(len(arms), 4)))
    save(folder, "posterior_predictive", fit_figures.predictive(arms, unit=unit), below)
    if len(posteriors) > 1:
        rows = forest(posteriors, [verdict.p for verdict in verdicts])
        title = f"{effect}{when} under {len(posteriors)} priors"
        figure = fit_figures.priors(rows, name=effect, unit=unit, sign=data.sign, title=title)
        save(folder, "priors", figure, f"grey: prior, blue: posterior, 95 % each (> beyond the axis); {made}")
