"""Files of a Bayesian fit: tables, verdict, draws and figures."""

from __future__ import annotations

import textwrap
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kaptrial.output.files import write_bytes, write_text
from kaptrial.output.folder import save, write_results
from kaptrial.questions.fit import figures
from kaptrial.questions.fit.estimands import MEASURES
from kaptrial.questions.fit.inference_data import save as save_tree
from kaptrial.questions.fit.inference_data import tree
from kaptrial.questions.fit.plot_data import bands, forest, question

if TYPE_CHECKING:
    from kaptrial.questions.fit.answer import FitResults

UNITS = {"normal": "points", "binary": "share of patients", "abstinent_days": "percent"}


def write_fit(folder: Path, results: FitResults) -> None:
    """results.csv and .json, checks.csv, verdict.txt, posterior_PRIOR.nc, and the figures; draws and figures of one
    posterior are those under the first prior, unless every one was asked for.
    """
    import pandas as pd

    provenance, posteriors, checks = results.provenance, results.posteriors, results.checks
    write_results(folder, results)
    write_text(folder / "verdict.txt", "".join(f"{verdict.text}\n" for verdict in results.verdicts))
    table = [
        {"prior": posterior.prior.name, "predictive": kind, **row}
        for posterior, pair in zip(posteriors, checks, strict=True)
        for kind, check in zip(("prior", "posterior"), pair, strict=True)
        for row in check.rows
    ]
    write_text(folder / "checks.csv", pd.DataFrame(table).to_csv(index=False))
    kept = {key: value for key, value in provenance.items() if key not in ("verdicts", "diagnostics")}
    kept_draws = posteriors if results.every_posterior else posteriors[:1]
    for posterior, (before, after) in zip(kept_draws, checks, strict=False):
        own = tree(posterior, before, after, seed=provenance["seed"], provenance=kept | {"prior": posterior.prior.name})
        write_bytes(folder / f"posterior_{posterior.prior.name}.nc", partial(save_tree, own))
    _figures(folder, results)


def _figures(folder: Path, results: FitResults) -> None:
    provenance, rows = results.provenance, results.flat()
    posteriors, verdicts, limits = results.posteriors, results.verdicts, results.limits
    first = posteriors[0]
    data, likelihood, name = first.model.data, first.model.likelihood, first.prior.name
    made = f"kaptrial {provenance['version']}, seed {provenance['seed']}, {provenance['data']}"
    footer = f"{made}, prior {name}"
    warning = "DO NOT USE. " if verdicts[0].withheld else ""
    when = "" if data.target_day != data.target_day else f" at day {data.target_day:g}"
    effect, unit = data.question, UNITS[likelihood]
    title = f"{warning}{effect}{when}: P(benefit) = {verdicts[0].p:.2f}"
    figure = figures.posterior(question(first), unit=unit, title=title, margin=limits.margin, rope=limits.rope)
    save(folder, "interaction", figure, footer)
    if len(data.days) > 1:
        effects = [row for row in rows if row["prior"] == name and row["measure"] == MEASURES[likelihood]]
        effects = [row for row in effects if row["contrast"] in data.effects]
        figure = figures.over_time(effects, unit=unit, sign=data.sign)
        save(folder, "effects_over_time", figure, f"posterior mean and 95 % interval; {footer}")
    arms = bands(results.checks[0][1])
    below = f"points: observed; line and band: posterior predictive mean, 95 %; {footer}"
    below = textwrap.fill(below, max(54, 36 * min(len(arms), 4)))
    save(folder, "posterior_predictive", figures.predictive(arms, unit=unit), below)
    if len(posteriors) > 1:
        compared = forest(posteriors, [verdict.p for verdict in verdicts])
        title = f"{effect}{when} under {len(posteriors)} priors"
        figure = figures.priors(compared, name=effect, unit=unit, sign=data.sign, title=title)
        save(folder, "priors", figure, f"grey: prior, blue: posterior, 95 % each (> beyond the axis); {made}")
