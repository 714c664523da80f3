"""Expected figures of the fitted trials as a differentiable function of the parameters (PyTensor).

Everything is in shares of the mean baseline. A patient's improvement on a row (arm × day) is

    s = φ·O(A + C) + E·f(t)·believes + (N∞ + background)·(1 − e^(−t/τ_N)) + therapy·ℓ + v·(1 − e^(−t/onset)),

the response model of docs/model.md with κ = γ = ξ = 0, where A and C are sums of exponentials.
Expectations over patients are taken by quadrature: Gauss-Hermite nodes for logit φ and log half-life, two points for
belief and for non-response; normal spread (trait, natural course, deviations, rater) is integrated in closed form, so
that a share of responders is a mean of Φ. Figures that follow patients over visits (relapse, response at any time) take
deviations of different visits as independent and carry what persists (baseline's error, natural course, trait) in three
more nodes: an approximation that tests/evidence/test_forward.py holds
against simulation. Scores are not clipped here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytensor.tensor as pt

from kaptrial.evidence.synthesis.layout import Layout, response_fraction
from kaptrial.priors.constants import (
    CONSOLIDATED_HALF_LIFE_DAYS,
    NATURAL_TIME_CONSTANT_DAYS,
    ONSET_DAYS,
    RATER_SD,
)
from kaptrial.priors.quadrature import normal_nodes

SHARE_NODES, HALF_LIFE_NODES, PERSISTENT_NODES = 4, 7, 3
_LN2 = float(np.log(2.0))


def phi(x: Any) -> Any:
    """The standard normal distribution function."""
    return 0.5 * pt.erfc(-x / np.sqrt(2.0))


def segment_sums(values: Any, ends: np.ndarray) -> Any:
    """Sums over the first axis of consecutive stretches that end before `ends`."""
    total = pt.concatenate([pt.zeros_like(values[:1]), pt.cumsum(values, axis=0)], axis=0)
    starts = np.concatenate([[0], ends[:-1]])
    return total[ends] - total[starts]


def improvement(lay: Layout, p: Mapping[str, Any], rows: np.ndarray, drugged: bool) -> tuple[Any, Any]:
    """Shares of the mean baseline improved, (row, node), and the nodes' weights.

    Rows with ketamine run over patients' φ, half-life and non-response, all believing; rows without it over belief.
    """
    trial, day = lay.row_trial[rows], lay.row_day[rows]
    started = -np.expm1(-day / ONSET_DAYS)
    course = -np.expm1(-day / NATURAL_TIME_CONSTANT_DAYS)
    hope = p["expectancy"] * started * pt.exp(-_LN2 * day / p["expectancy_half_life"])
    rest = (
        (p["natural"] + p["background_effect"][lay.row_background[rows]]) * course
        + p["therapy"] * lay.row_general[rows]
        + p["exposure_therapy"] * lay.row_exposure[rows]
        + p["trial_course"][trial] * started
    )
    if drugged:
        drug, weight = _drug(lay, p, rows)
        return (rest + hope)[:, None] + drug, pt.ones((len(rows), 1)) * weight
    believes = pt.stack([pt.ones(()), p["belief_midazolam"], p["belief_saline"]])[lay.row_belief[rows]]
    return pt.stack([rest + hope, rest], axis=1), pt.stack([believes, 1.0 - believes], axis=1)


def _drug(lay: Layout, p: Mapping[str, Any], rows: np.ndarray) -> tuple[Any, Any]:
    """φ·O at the quadrature nodes, the last of them for patients in whom the drug does nothing; the nodes' weights."""
    z, weight_z = normal_nodes(SHARE_NODES)
    h, weight_h = normal_nodes(HALF_LIFE_NODES)
    trial, n = lay.row_trial[rows], len(rows)
    number = np.full(len(lay.row_day), -1)
    number[rows] = np.arange(n)
    of_rows = number[lay.pair_row] >= 0
    pair, ends = number[lay.pair_row[of_rows]], np.cumsum(np.bincount(number[lay.pair_row[of_rows]], minlength=n))
    rate = _LN2 * pt.exp(-(p["log_half_life"] + p["trial_log_half_life"])[trial][:, None] - p["log_half_life_sd"] * h)
    slow = _LN2 / CONSOLIDATED_HALF_LIFE_DAYS
    pair_rate = rate[pair]
    age, size = lay.pair_age[of_rows][:, None], lay.pair_size[of_rows][:, None]
    x = (pair_rate - slow) * age
    gain = age * np.exp(-slow * age) * pt.switch(pt.abs(x) < 1e-6, 1.0 - x / 2, -pt.expm1(-x) / x)
    amount = segment_sums(size * (pt.exp(-pair_rate * age) + p["durable_share"] * pair_rate * gain), ends)
    occupancy = amount / (pt.exp(p["log_ec50"]) + amount)
    centre = (
        p["logit_share"] + p["population_effect"][lay.row_population[rows]] + p["route_effect"][lay.row_route[rows]]
    )
    share = pt.sigmoid((centre + p["trial_logit_share"][trial])[:, None] + p["logit_share_sd"] * z)
    drug = (share[:, :, None] * occupancy[:, None, :]).reshape((n, SHARE_NODES * HALF_LIFE_NODES))
    nodes = (weight_z[:, None] * weight_h).ravel()
    weight = pt.concatenate([(1.0 - p["non_responders"]) * nodes, pt.stack([p["non_responders"]])])
    return pt.concatenate([drug, pt.zeros((n, 1))], axis=1), weight


def expected(lay: Layout, p: Mapping[str, Any]) -> dict[str, Any]:
    """Expected figures: `levels` in the figures' own units, with `level_sd` of a patient's change (in the same units);
    `shares` and `paths` as probabilities. Kinds of figures that the layout does not hold are left out."""
    groups = [
        (np.flatnonzero(chosen), drugged) for chosen, drugged in ((lay.row_drugged, True), (~lay.row_drugged, False))
    ]
    levels = [(rows, *improvement(lay, p, rows, drugged)) for rows, drugged in groups if len(rows)]
    out: dict[str, Any] = {}
    if lay.levels:
        out["levels"], out["level_sd"] = _levels(lay, p, levels)
    for kind, count, of_group in (("shares", len(lay.shares), _shares), ("paths", len(lay.paths), _paths)):
        if count:
            parts = [of_group(lay, p, rows, s, weight) for rows, s, weight in levels]
            order = np.argsort(np.concatenate([owners for owners, _ in parts]), kind="stable")
            out[kind] = pt.concatenate([values for _, values in parts if values is not None])[order]
    return out


def _natural_spread(p: Mapping[str, Any], day: np.ndarray) -> Any:
    return (p["natural_sd"] * -np.expm1(-day / NATURAL_TIME_CONSTANT_DAYS)) ** 2


def _levels(lay: Layout, p: Mapping[str, Any], groups: list[tuple[np.ndarray, Any, Any]]) -> tuple[Any, Any]:
    order = np.argsort(np.concatenate([rows for rows, _, _ in groups]))
    mean = pt.concatenate([(w * s).sum(axis=1) for _, s, w in groups])[order]
    square = pt.concatenate([(w * s * s).sum(axis=1) for _, s, w in groups])[order]
    kept = pt.exp(-lay.row_day / p["deviation_time_constant"])
    deviation, reads = p["deviation_sd"] ** 2, lay.level_reads
    b = np.array([t.mean_baseline for t in lay.levels])
    cv2 = np.array([(t.sd_baseline / t.mean_baseline) ** 2 for t in lay.levels])
    spread = pt.dot(reads, square - mean * mean + _natural_spread(p, lay.row_day))
    error = 2 * deviation * pt.dot(reads, 1 - kept) + 2 * RATER_SD**2
    change_sd = pt.sqrt(spread + cv2 * pt.dot(reads, square) + error)
    single = deviation + RATER_SD**2
    post = spread + cv2 * pt.dot(reads, 1 - 2 * mean + square) + single
    pooled_sd = pt.sqrt((cv2 + single + post) / 2)
    of = np.array([t.statistic for t in lay.levels])
    start = np.where(of == "mean", b, 0.0)
    factor = np.select([of == "percent_change", np.char.startswith(of, "standardised")], [-100.0, 1.0], -b)
    divisor = pt.switch(of == "standardised_benefit", change_sd, pt.switch(of == "standardised_change", pooled_sd, 1.0))
    return start + factor * pt.dot(lay.level_weights, mean) / divisor, change_sd * np.abs(factor) / divisor


def _shares(lay: Layout, p: Mapping[str, Any], rows: np.ndarray, s: Any, weight: Any) -> tuple[np.ndarray, Any]:
    """Response and remission on these rows: the numbers of the figures and their probabilities."""
    here = np.flatnonzero(np.isin(lay.share_row, rows))
    if not len(here):
        return here, None
    own, at = [lay.shares[i] for i in here], np.searchsorted(rows, lay.share_row[here])
    day = lay.row_day[lay.share_row[here]]
    b = np.array([t.mean_baseline for t in own])[:, None]
    cv2 = np.array([(t.sd_baseline / t.mean_baseline) ** 2 for t in own])[:, None]
    remits = np.array([t.statistic == "remission" for t in own])[:, None]
    c = np.array([response_fraction(t) for t in own])[:, None]
    cut = np.array([t.settings.get("at_most", 0.0) + 0.5 for t in own])[:, None] / b
    deviation, rest = p["deviation_sd"] ** 2, 1.0 - c
    kept = pt.exp(-day / p["deviation_time_constant"])[:, None]
    error = deviation * (1 + rest**2 - 2 * rest * kept) + RATER_SD**2 * (1 + rest**2)
    level = s[at]
    margin = pt.switch(remits, cut - (1 - level), level - c)
    variance = pt.switch(remits, cv2 * (1 - level) ** 2 + deviation + RATER_SD**2, cv2 * margin**2 + error)
    variance = variance + _natural_spread(p, day)[:, None]
    return here, (weight[at] * phi(margin / pt.sqrt(variance))).sum(axis=1)


def _paths(lay: Layout, p: Mapping[str, Any], rows: np.ndarray, s: Any, weight: Any) -> tuple[np.ndarray, Any]:
    """Relapse and response at any time, of the paths whose visits are among these rows."""
    z, weight_z = normal_nodes(PERSISTENT_NODES)
    owner = np.searchsorted(lay.path_end, np.arange(len(lay.path_row)), side="right")
    visits = np.flatnonzero(np.isin(lay.path_row, rows))
    here = np.unique(owner[visits])
    if not len(here):
        return here, None
    at, ends = np.searchsorted(rows, lay.path_row[visits]), np.cumsum([(owner == f).sum() for f in here])
    c = lay.path_fraction[visits][:, None]
    cv2 = np.array([(t.sd_baseline / t.mean_baseline) ** 2 for t in lay.paths])[owner[visits]][:, None]
    error = p["deviation_sd"] ** 2 + RATER_SD**2
    margin = s[at] - c
    natural = _natural_spread(p, lay.row_day[lay.path_row[visits]])[:, None]
    persistent = pt.sqrt(natural + (1 - c) ** 2 * error + cv2 * margin**2)
    reached = phi((margin[..., None] + persistent[..., None] * z) / pt.sqrt(error))
    any_time = np.array([lay.paths[f].statistic == "response_any_time" for f in here])
    inverted = np.repeat(any_time, np.diff(np.concatenate([[0], ends])))[:, None, None]
    log_probability = pt.log(1e-12 + (1 - 2e-12) * pt.switch(inverted, 1 - reached, reached))
    first = np.concatenate([[0], ends[:-1]])
    node = weight[at[first]][..., None] * weight_z
    together = (node * pt.exp(segment_sums(log_probability, ends))).sum(axis=(1, 2))
    at_start = (node * reached[first]).sum(axis=(1, 2))
    return here, pt.switch(any_time, 1 - together, together / at_start)
