"""A Bayesian fit on the terminal: the verdict first, then the table, then what the draws are worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kaptrial.output.tables import key, number, of_rows, text
from kaptrial.output.terminal import by_mcse, paragraph, table
from kaptrial.questions.fit.answer import FitResults
from kaptrial.questions.fit.diagnostics import K_HAT
from kaptrial.questions.fit.estimands import MEASURES
from kaptrial.questions.fit.fit import Posterior
from kaptrial.questions.fit.information import Worth
from kaptrial.questions.fit.verdict import probability

Rows = Sequence[Mapping[str, Any]]
NAMES = {
    "difference": "difference",
    "risk_difference": "difference of risks",
    "odds_ratio": "odds ratio",
    "percentage_point_difference": "difference, percentage points",
    "ratio_of_means": "ratio of means",
    "log_odds_ratio": "log odds ratio",
    "share_kept": "share of the first day's effect kept",
}


def show(results: FitResults) -> None:
    """The verdict under each prior with its warnings; then the table of one posterior, or all priors side by side."""
    for verdict in results.verdicts:
        paragraph(verdict.text)
    said = results.posteriors[0].model.data.notes
    for note in results.notes:
        if note.severity == "warning" and note not in said:
            paragraph(f"warning: {note.text}")
    show_fit(results) if len(results.posteriors) == 1 else show_sweep(results)


def show_fit(results: FitResults) -> None:
    """One posterior: table, diagnostics."""
    posterior, rows = results.posteriors[0], results.flat()
    paragraph(f"prior {posterior.prior.name}: {worth_line(results.worths[0])}")
    extra = [name for name in ("p_beyond_margin", "p_in_rope", "bf_null") if any(name in row for row in rows)]
    titles = {"p_beyond_margin": "P(> margin)", "p_in_rope": "P(in ROPE)", "bf_null": "BF for none"}
    keys = [(name, key) for name in ("contrast", "measure", "day")]
    numbers = ("mean", "SD", "95 % interval", "P(left better)", *(titles[name] for name in extra))
    shown = [row for row in rows if _shown(row, posterior)]
    lines = [(*_cells(row), *(_extra(row, name) for name in extra)) for row in shown]
    table(*of_rows([*keys, *((name, number) for name in numbers)], lines))
    for row in shown:
        if row["reason"]:
            paragraph(f"{row['contrast']}, {NAMES[str(row['measure'])]}: {row['reason']}")
    paragraph(diagnostics_line(posterior))


def _shown(row: Mapping[str, Any], posterior: Posterior) -> bool:
    """Effects on every day; the other measures on the target day. The files hold all."""
    data = posterior.model.data
    if row["measure"] == "log_odds_ratio":
        return False  # the odds ratio says the same
    effect = row["measure"] == MEASURES[posterior.model.likelihood] and row["contrast"] in data.effects
    return effect or math.isnan(row["day"]) or row["day"] == data.target_day


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    mcse = row["mcse_mean"]
    day = "" if math.isnan(row["day"]) else f"{row['day']:g}"
    if row["reason"]:
        return (row["contrast"], NAMES[row["measure"]], day, "–", "–", "–", "")
    ends = " to ".join(by_mcse(row[end], mcse if math.isfinite(mcse) else None) for end in ("lower", "upper"))
    if not math.isfinite(mcse):
        ends = f"{row['lower']:.2f} to {row['upper']:.2f} (median {row['median']:.2f})"
    favours = row["p_favours_left"]
    mean, sd = by_mcse(row["mean"], mcse), by_mcse(row["sd"], mcse)
    likely = "" if math.isnan(favours) else probability(favours)
    return row["contrast"], NAMES[row["measure"]], day, mean, sd, ends, likely


def _extra(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if name == "bf_null":
        return "not estimable" if math.isnan(value) else by_mcse(value, row["bf_null_se"])
    return probability(value)


def worth_line(worth: Worth) -> str:
    """What a prior is worth in patients, and whether it goes with the data."""
    return (
        f"worth {worth.realised:.1f} of the {worth.patients} patients ({worth.nominal:.1f} if each were measured once"
        f" and nothing else known); an estimate as far off as the data's has probability {worth.conflict:.2f} under it"
    )


def range_of_p(results: FitResults) -> str:
    """How far the probability of a benefit depends on the prior."""
    by_p = sorted(zip(results.verdicts, results.posteriors, strict=True), key=lambda pair: pair[0].p)
    (low, least), (high, most) = by_p[0], by_p[-1]
    runs = (
        f"P(benefit) runs from {probability(low.p)} ({least.prior.name}) to {probability(high.p)} ({most.prior.name})"
    )
    if len({verdict.short for verdict in results.verdicts}) == 1:
        return f"{runs}; the verdict is the same under every prior."
    return f"{runs}, and the verdict with it: the data alone do not settle it."


def diagnostics_line(posterior: Posterior) -> str:
    """Diagnostics in one line, and what they mean."""
    d = posterior.diagnostics
    shape = posterior.draws.thetas.shape
    again = f", after {posterior.reruns} rerun" if posterior.reruns else ""
    line = (
        f"draws: {shape[0]} chains of {shape[1]}{again}; R-hat ≤ {d.r_hat:.4f}, ESS ≥ {d.ess_bulk:.0f} (bulk) and "
        f"{d.ess_tail:.0f} (tail), {d.divergences} divergent; LOO {d.elpd:.1f} (SE {d.elpd_se:.1f}), k-hat ≤ "
        f"{d.k_hat.max():.2f}"
    )
    if d.influential:
        line += f"; {d.influential} patients with k-hat > {K_HAT}: LOO cannot be trusted for them"
    return line


def show_sweep(results: FitResults) -> None:
    """The conclusion under each prior, side by side."""
    posteriors, verdicts, rows = results.posteriors, results.verdicts, results.flat()
    data = posteriors[0].model.data
    name = data.question
    measure = MEASURES[posteriors[0].model.likelihood]
    when = "" if math.isnan(data.target_day) else f" at day {data.target_day:g}"
    optional = (("P(> margin)", verdicts[0].p_margin), ("P(in ROPE)", verdicts[0].p_rope))
    numbers = [
        "mean",
        "SD",
        "95 % interval",
        "P(benefit)",
        "worth (patients)",
        *(title for title, value in optional if value is not None),
    ]
    lines = []
    for posterior, verdict, own in zip(posteriors, verdicts, results.worths, strict=True):
        asked = (posterior.prior.name, name, measure)
        of_contrast = [row for row in rows if (row["prior"], row["contrast"], row["measure"]) == asked]
        row = next(row for row in of_contrast if row["day"] == data.target_day or math.isnan(data.target_day))
        cells = _cells(row)
        more = [probability(p) for p in (verdict.p_margin, verdict.p_rope) if p is not None]
        lines.append(
            (posterior.prior.name, *cells[3:6], probability(verdict.p), f"{own.realised:.0f}", *more, verdict.short)
        )
    heads = [("prior", key), *((title, number) for title in numbers), ("verdict", text)]
    table(*of_rows(heads, lines), title=f"{name}{when}: {measure}")
    paragraph(range_of_p(results))
    for posterior in posteriors:
        paragraph(f"{posterior.prior.name}: {diagnostics_line(posterior)}")
