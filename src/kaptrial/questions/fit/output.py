"""Files of a Bayesian fit: tables, verdict, draws and figures."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaptrial.output.figures import capital
from kaptrial.output.files import write_bytes, write_text
from kaptrial.output.folder import save, write_results
from kaptrial.questions.fit import chain_figures, figures
from kaptrial.questions.fit.chains import power_scaling, powers_of, unknowns
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
# Sensitivities from here on are large (Kallioinen, Paananen, Bürkner & Vehtari 2024, Stat Comput 34:57).
SENSITIVE = 0.05


def write_fit(folder: Path, results: FitResults) -> None:
    """results.csv and .json, checks.csv, priors.csv, tipping.csv, power_scaling.csv, verdict.txt, posterior_PRIOR.nc,
    and the figures; draws and figures of one posterior are those under the first prior, unless every one was asked for.
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
    trees = [
        tree(posterior, before, after, seed=provenance["seed"], provenance=kept | {"prior": posterior.prior.name})
        for posterior, (before, after) in zip(kept_draws, checks, strict=False)
    ]
    for posterior, own in zip(kept_draws, trees, strict=True):
        write_bytes(folder / f"posterior_{_as_file(posterior.prior.name)}.nc", partial(save_tree, own))
    worths = zip(posteriors, results.worths, strict=True)
    weighed = pd.DataFrame({"prior": posterior.prior.name, **vars(own)} for posterior, own in worths)
    write_text(folder / "priors.csv", weighed.to_csv(index=False))
    tipping = _tipping(results)
    if tipping:
        write_text(folder / "tipping.csv", pd.DataFrame(tipping).to_csv(index=False))
    _figures(folder, results, tipping)
    _chains(folder, results, trees[0])


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


def _chains(folder: Path, results: FitResults, inference_data: Any) -> None:
    """Figures of the chains under the first prior, and what power-scaling makes of them."""
    provenance, first = results.provenance, results.posteriors[0]
    data, name, judged = first.model.data, first.prior.name, first.diagnostics
    footer = f"kaptrial {provenance['version']}, seed {provenance['seed']}, {provenance['data']}, prior {name}"
    shown = unknowns(inference_data, data)
    told = sorted(shown, key=chain_figures.contraction)
    mixing = f"R-hat ≤ {judged.r_hat:.3f}, ESS ≥ {judged.ess_bulk:.0f} of all unknowns, {judged.divergences} divergent"
    chains = "one line a chain; the day of the verdict, and what mixes worst"
    save(folder, "trace", chain_figures.traces(shown, title=f"{mixing}\n{capital(chains)}"), footer)
    save(folder, "ranks", chain_figures.ranks(shown, title=f"{mixing}\nChains that agree are level at 1"), footer)
    title = f"Narrowed most by the data: {told[-1].label}; least: {told[0].label}"
    key = "Grey: prior. Blue: posterior. In percent by how much the data narrowed the variance"
    save(folder, "prior_posterior", chain_figures.before_and_after(shown, title=f"{title}\n{key}"), footer)
    table = power_scaling(inference_data)
    write_text(folder / "power_scaling.csv", table.to_csv(index=False))
    asked = next(row for row in table.to_dict("records") if row["parameter"] == "asked")
    scaled = [
        (what, *powers_of(inference_data, group), float(asked[column]))
        for what, group, column in (
            ("Prior of the effects", "prior", "prior_of_effects"),
            ("Likelihood", "likelihood", "likelihood"),
        )
    ]
    unit = "points" if first.model.likelihood == "normal" else "log odds"
    title = f"{_sensitive(asked)}\n{data.question} under powers of prior {name} and of the likelihood"
    drawn = chain_figures.power_scaling(scaled, unit=unit, name=data.question, title=title)
    save(folder, "power_scaling", drawn, footer)


def _sensitive(asked: Mapping[Any, Any]) -> str:
    """What the sensitivities of the answer mean, by the rule of Kallioinen and colleagues."""
    if asked["prior_of_effects"] < SENSITIVE:
        return f"The prior of the effects hardly moves it (sensitivity below {SENSITIVE:g})"
    if asked["likelihood"] < SENSITIVE:
        return "The prior of the effects moves it, the data hardly: a strong prior or few data"
    return "The prior of the effects and the data both move it: they may be in conflict"


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
