"""Files of a Bayesian fit: tables, verdict, draws and figures."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaptrial.output.files import write_bytes, write_text
from kaptrial.output.folder import save, write_results
from kaptrial.questions.fit import figures
from kaptrial.questions.fit.estimands import MEASURES
from kaptrial.questions.fit.inference_data import save as save_tree
from kaptrial.questions.fit.inference_data import tree
from kaptrial.questions.fit.plot_data import bands, forest, question
from kaptrial.questions.fit.tipping import tipping_points
from kaptrial.questions.fit.verdict import SHOWN

if TYPE_CHECKING:
    from kaptrial.questions.fit.answer import FitResults
    from kaptrial.questions.fit.fit import Posterior

# The prior SD, about the sceptic's, of which the title of the tipping points tells.
TOLD_SD = 0.3
UNITS = {"normal": "points", "binary": "share of patients", "abstinent_days": "percent"}


def write_fit(folder: Path, results: FitResults) -> None:
    """results.csv and .json, checks.csv, priors.csv, tipping.csv, verdict.txt, posterior_PRIOR.nc, the figures; draws
    and figures of one posterior are those under the first prior, unless every one was asked for.
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
        write_bytes(folder / f"posterior_{_as_file(posterior.prior.name)}.nc", partial(save_tree, own))
    worths = zip(posteriors, results.worths, strict=True)
    weighed = pd.DataFrame({"prior": posterior.prior.name, **vars(own)} for posterior, own in worths)
    write_text(folder / "priors.csv", weighed.to_csv(index=False))
    tipping = _tipping(results)
    if tipping:
        write_text(folder / "tipping.csv", pd.DataFrame(tipping).to_csv(index=False))
    _figures(folder, results, tipping)


def _as_file(prior: str) -> str:
    """A prior's name as part of a file's: what is stated has parentheses and spaces."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", prior).strip("_")


def _tipping(results: FitResults) -> list[dict[str, Any]]:
    """Of scores alone: the verdict about shares and days is on another scale than their priors."""
    model = results.posteriors[0].model
    return tipping_points(results.data_alone, model.data) if model.likelihood == "normal" else []


def _figures(folder: Path, results: FitResults, tipping: Sequence[Mapping[str, Any]]) -> None:
    provenance, rows = results.provenance, results.flat()
    posteriors, verdicts, limits = results.posteriors, results.verdicts, results.limits
    first = posteriors[0]
    data, likelihood, name = first.model.data, first.model.likelihood, first.prior.name
    made = f"kaptrial {provenance['version']}, seed {provenance['seed']}, {provenance['data']}"
    footer = f"{made}, prior {name}"
    warning = "DO NOT USE. " if verdicts[0].withheld else ""
    when = "" if data.target_day != data.target_day else f" at day {data.target_day:g}"
    effect, unit = data.question, UNITS[likelihood]
    title = f"{warning}{effect}{when}: P(benefit) = {verdicts[0].p:.2f} under prior {name}"
    drawn = figures.posterior(question(first), unit=unit, title=title, margin=limits.margin, rope=limits.rope)
    save(folder, "interaction", drawn, footer)
    if len(data.days) > 1:
        effects = [row for row in rows if row["prior"] == name and row["measure"] == MEASURES[likelihood]]
        effects = [row for row in effects if row["contrast"] in data.effects]
        drawn = figures.over_time(effects, unit=unit, sign=data.sign, title=_over_time(effects))
        save(folder, "effects_over_time", drawn, textwrap.fill(f"posterior mean and 95 % interval; {footer}", 80))
    arms = bands(results.checks[0][1])
    below = f"points: observed; line and band: posterior predictive mean, 95 %; {footer}"
    drawn = figures.predictive(arms, unit=unit, title=_predicted(arms))
    save(folder, "posterior_predictive", drawn, textwrap.fill(below, 80))
    if tipping:
        title = _tips(tipping, f"{effect}{when}")
        places = [_place(posterior) for posterior in posteriors if len(posterior.prior.components) == 1]
        drawn = figures.tipping(tipping, places, title=title)
        below = f"lines: where the verdict changes; points: priors of this fit that are one normal; {made}"
        save(folder, "tipping", drawn, textwrap.fill(below, 80))
    if len(posteriors) > 1:
        probabilities = [verdict.p for verdict in verdicts]
        runs = f"P(benefit) runs from {min(probabilities):.2f} to {max(probabilities):.2f}"
        title = f"{effect}{when}: {runs} under {len(posteriors)} priors"
        drawn = figures.priors(forest(posteriors, probabilities), name=effect, unit=unit, sign=data.sign, title=title)
        below = f"grey: prior, blue: posterior, 95 % each (> beyond the axis); {made}"
        save(folder, "priors", drawn, textwrap.fill(below, 80))


def _place(posterior: Posterior) -> tuple[str, float, float]:
    """Name, mean towards benefit and SD of a normal prior, in SDs of the outcome."""
    prior, data = posterior.prior, posterior.model.data
    _, mean, sd = prior.along(prior.asked)
    return prior.name, data.sign * float(mean[0]) / data.unit_sd, float(sd[0]) / data.unit_sd


def _tips(tipping: Sequence[Mapping[str, Any]], effect: str) -> str:
    """How much a prior with an SD of .3 would have to expect for the benefit to be shown."""
    row = next(row for row in tipping if row["prior_sd"] == TOLD_SD and row["p_benefit"] == SHOWN)
    needed = f"a prior with SD {TOLD_SD:g} must expect {row['prior_mean']:+.2f} SD"
    return f"{effect}: for P(benefit) of {SHOWN:g}, {needed} ({row['points']:+.1f} points)"


def _over_time(effects: Sequence[Mapping[str, Any]]) -> str:
    """On which days the interval of each effect leaves zero out."""
    days: dict[str, list[str]] = {}
    for row in effects:
        clear = days.setdefault(str(row["contrast"]), [])
        if row["lower"] > 0 or row["upper"] < 0:
            clear.append(f"{row['day']:g}")
    said = [f"{name} on day {', '.join(clear)}" for name, clear in days.items() if clear]
    return f"The 95 % interval leaves out zero: {'; '.join(said)}" if said else "No 95 % interval leaves out zero"


def _predicted(arms: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """How many of the observed means lie in the intervals foreseen."""
    rows = [row for own in arms.values() for row in own]
    inside = sum(row["lower"] <= row["observed"] <= row["upper"] for row in rows)
    return f"{inside} of {len(rows)} observed means lie in the 95 % interval that the model foresees"
