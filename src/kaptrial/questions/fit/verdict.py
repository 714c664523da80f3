"""The verdict in words: what the posterior says of the question, and what it does not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kaptrial.questions.fit.estimands import UNITS, Limits, asked_draws, effect_weights, share_error
from kaptrial.questions.fit.fit import Posterior

# Probability at which something counts as shown (a two-sided test at .05 under a flat prior), as likely, as unlikely.
SHOWN, LIKELY, UNLIKELY = 0.975, 0.9, 0.1
# Probabilities of a benefit at which the verdict changes.
LIMITS = (SHOWN, LIKELY, UNLIKELY, 1 - SHOWN)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`short`: in a few words; `text`: the sentence with its probabilities; `p`: of a benefit, `p_mcse` its Monte Carlo
    error; `borderline`: more draws could change the verdict; `lower`, `upper`: of the contrast, left − right as in its
    row; `withheld`: the draws cannot be used.
    """

    short: str
    text: str
    p: float
    p_mcse: float
    borderline: bool
    p_margin: float | None
    p_rope: float | None
    lower: float
    upper: float
    withheld: bool


def verdict(posterior: Posterior, limits: Limits) -> Verdict:
    """What one posterior says of the interaction (or first contrast) on the target day."""
    draws = asked_draws(posterior)
    data, unit = posterior.model.data, UNITS[posterior.model.likelihood]
    gain, interaction = data.sign * draws, data.asks_interaction
    p, p_mcse = float(np.mean(gain > 0)), share_error(gain > 0)
    lower, upper = (float(q) for q in np.quantile(draws, [0.025, 0.975]))
    p_margin = None if limits.margin is None else float(np.mean(gain > limits.margin))
    p_rope = None if limits.rope is None else float(np.mean(np.abs(draws) < limits.rope))
    failures = posterior.diagnostics.failures
    short = judged(p, p_margin, p_rope, interaction=interaction)
    when = "" if np.isnan(data.target_day) else f"at day {data.target_day:g} "
    what = (
        "the combination is better than the sum of both"
        if interaction
        else f"{data.question} is a benefit (left over right)"
    )
    places = 3 if unit == UNITS["binary"] else 1
    text = (
        f"Given prior `{posterior.prior.name}`, {when}{what} with probability {probability(p)} "
        f"(95 % interval {lower:.{places}f} to {upper:.{places}f} {unit}; {data.better} is better)"
    )
    if p_margin is not None:
        text += f"; by at least the margin of {limits.margin:g} {unit} with probability {probability(p_margin)}"
    if p_rope is not None:
        text += f"; within ± {limits.rope:g} {unit} of none with probability {probability(p_rope)}"
    if posterior.model.likelihood != "normal":
        effect = data.sign * effect_weights(data) @ posterior.named["effect"][..., data.target, None]
        odds = float(np.mean(effect > 0))
        text += f"; on the scale of log odds with probability {probability(odds)}"
        if max(p, 1 - p) >= SHOWN and not (odds >= SHOWN if p > 0.5 else odds <= 1 - SHOWN):
            short += " (on the additive scale; the odds do not show it)"
    text += f". Verdict: {short}."
    near = [limit for limit in LIMITS if abs(p - limit) < 2 * p_mcse]
    if near:
        short = f"borderline: {short}"
        text += f" Borderline: the probability is {p:.4f}, within 2 Monte Carlo standard errors ({p_mcse:.4f} each) of"
        text += f" {near[0]:g}, where the verdict changes; more draws would tell."
    if failures:
        short, text = "withheld", f"DO NOT USE: {'; '.join(failures)}. No verdict."
    return Verdict(
        short=short, text=text, p=p, p_mcse=p_mcse, borderline=bool(near), p_margin=p_margin, p_rope=p_rope,
        lower=lower, upper=upper, withheld=bool(failures),
    )  # fmt: skip


def judged(p: float, p_margin: float | None, p_rope: float | None, *, interaction: bool) -> str:
    """The verdict's words from its probabilities: of a benefit, of one beyond the margin, of practically none."""
    more, less = ("more than the sum", "less than the sum") if interaction else ("a benefit", "a harm")
    if p >= SHOWN:
        if p_margin is None:
            return f"{more}; how much is another question"
        return f"{more}, and {size(p_margin)}"
    if p <= 1 - SHOWN:
        return less
    if p_rope is not None and p_rope >= LIKELY:
        return "practically additive" if interaction else "practically no difference"
    tail = "" if p_margin is None or p_margin > UNLIKELY else ", but an effect beyond the margin is unlikely"
    if p >= LIKELY:
        return f"leaning to {more}, not shown" + tail
    if p <= UNLIKELY:
        return f"leaning to {less}, not shown" + tail
    if tail:
        return f"undecided whether {more}{tail}"
    return "undecided: neither is shown, and a larger trial or a stronger prior would be needed"


def size(p_margin: float) -> str:
    """What is said of the size of an effect whose direction is shown."""
    if p_margin >= SHOWN:
        return "beyond the margin"
    if p_margin >= LIKELY:
        return "likely beyond the margin"
    if p_margin <= UNLIKELY:
        return "hardly beyond the margin"
    return "whether beyond the margin is undecided"


def probability(p: float) -> str:
    """Two decimals, three near the limits of a verdict, and no certainty from finitely many draws."""
    if p > 0.999 or p < 0.001:
        return "> .999" if p > 0.5 else "< .001"
    return (f"{p:.3f}" if p > 0.965 or p < 0.035 else f"{p:.2f}").lstrip("0")
