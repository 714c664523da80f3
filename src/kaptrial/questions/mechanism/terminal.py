"""What `kaptrial mechanism` says on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kaptrial.output.tables import key, number, of_rows
from kaptrial.output.terminal import paragraph, table

if TYPE_CHECKING:
    from kaptrial.questions.mechanism.fit import MechanismFit

NAMES = {
    "natural": "natural course, points",
    "max_effect": "drug's largest mean effect, points",
    "half_life": "half-life of the drug's effect, days",
    "therapy": "therapy's largest effect, points",
    "gamma": "γ, synergy through the window",
    "kappa": "κ, slower decay",
    "xi": "ξ, overlap",
}
# Pareto k above which leaving a patient out is not told by the draws of the whole fit (Vehtari and colleagues 2024).
HIGH_K = 0.7


def show_mechanism(fitted: MechanismFit, provenance: Mapping[str, Any]) -> None:
    """The verdict and warnings; prior and posterior of every parameter; how well each mechanism predicts."""
    paragraph(f"{verdict(fitted)}\n")
    for line in warnings(fitted):
        paragraph(line)
    paragraph(
        f"{provenance['title']}\ndata: {provenance['data']}; {provenance['draws']} draws, seed {provenance['seed']}, "
        f"kaptrial {provenance['version']}\n"
    )
    lines = []
    for row in fitted.rows:
        prior = f"{row.prior_median:.2g} ({row.prior_lower:.2g} to {row.prior_upper:.2g})"
        posterior = f"{row.median:.2g} ({row.lower:.2g} to {row.upper:.2g})"
        name, contraction = NAMES[row.parameter], f"{row.contraction:.2f}"
        lines.append((row.variant, name, prior, posterior, contraction, row.told_by))
    numbers = ("prior median (95 %)", "posterior median (95 %)", "contraction", "told by")
    table(*of_rows([("model", key), ("parameter", key), *((name, number) for name in numbers)], lines))
    paragraph("contraction: share of the prior variance that the data took away, in logs of what is positive\n")
    for line in ranking_lines(fitted):
        paragraph(line, "    ")


def verdict(fitted: MechanismFit) -> str:
    """Which mechanism the trial speaks for, in a sentence."""
    if fitted.ranking is None:
        return f"No ranking of mechanisms: {fitted.why_not}."
    if fitted.best is not None:
        return f"Verdict: {fitted.best} predicts best, clearly."
    return "Verdict: undecided; no mechanism predicts clearly better than every other one."


def warnings(fitted: MechanismFit) -> list[str]:
    """What forbids to use a fit, or part of it."""
    lines = []
    for fit in fitted.variants:
        if not fit.usable:
            lines.append(
                f"DO NOT USE {fit.name}: largest R-hat {fit.r_hat:.3f}, smallest ESS {fit.ess:.0f}, "
                f"{fit.divergences} divergent transitions"
            )
        high = int((fit.k_hat > HIGH_K).sum())
        if high:
            lines.append(f"{fit.name}: Pareto k > {HIGH_K:g} for {high} patients; its LOO is not to be trusted")
    return lines


def ranking_lines(fitted: MechanismFit) -> list[str]:
    """Which mechanism predicts left-out patients better, in words."""
    if fitted.ranking is None:
        return []
    lines = ["Predicting a patient left out (LOO; difference in log score from the best ± SE):"]
    return lines + [f"  {row.variant}: {row.difference:.1f} ± {row.difference_se:.1f}" for row in fitted.ranking]
