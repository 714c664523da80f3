"""Expected figures of the fitted trials as a differentiable function of the parameters (PyTensor).

Everything is in shares of the mean baseline. A patient's improvement on a row (arm × day) is

    s = φ·O(A + C) + E·(1 − e^(−t/onset))·2^(−a/h_E)·believes
        + (N∞ + background)·(1 − e^(−t/τ_N)) + therapy·ℓ + v·(1 − e^(−t/onset)),

the response model of docs/model.md with κ = γ = ξ = 0, where A and C are sums of exponentials and a is the time since
the latest dose. Only its first part is of the patient's own baseline, the others are of the mean one, as in simulated
trials.
Expectations over patients are taken by quadrature: Gauss-Hermite nodes for logit φ and log half-life, two points for
belief and for non-response; normal spread (trait, natural course, deviations, rater) is integrated in closed form, so
that a share of responders is a mean of Φ and no score falls below zero. Figures that follow patients over visits
(relapse, response at any time) take deviations of different visits as independent and carry what persists (baseline's
error, natural course, trait) in three more nodes: an approximation that tests/evidence/test_forward.py holds against
simulation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt

from kaptrial.evidence.synthesis.arms import BELIEF
from kaptrial.evidence.synthesis.layout import Layout, Target, response_fraction
from kaptrial.priors.constants import (
    CONSOLIDATED_HALF_LIFE_DAYS,
    LEAST_TRAIT,
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


@dataclass(frozen=True)
class Improvement:
    """Of rows and nodes, (row, node): the whole improvement, the drug's part in it, and the nodes' weights."""

    rows: np.ndarray
    whole: Any
    of_drug: Any
    weight: Any


def improvement(lay: Layout, p: Mapping[str, Any], rows: np.ndarray, drugged: bool) -> Improvement:
    """The improvement on rows that are all with ketamine, or all without it.

    Nodes run over belief and, with ketamine, over φ, half-life and non-response.
    """
    trial, day = lay.row_trial[rows], lay.row_day[rows]
    started = -np.expm1(-day / ONSET_DAYS)
    course = -np.expm1(-day / NATURAL_TIME_CONSTANT_DAYS)
    population = lay.row_population[rows]
    hope = p["expectancy"] * started * pt.exp(-_LN2 * lay.row_since_given[rows] / p["expectancy_half_life"])
    natural = p["natural"] + p["population_natural"][population] + p["background_effect"][lay.row_background[rows]]
    rest = (
        natural * course
        + p["therapy"] * lay.row_general[rows]
        + p["exposure_therapy"] * lay.row_exposure[rows]
        + p["trial_course"][trial] * started
    )
    by_arm = pt.stack([p[f"belief_{name}"] for name in BELIEF])[lay.row_belief[rows]]
    believes = shifted(by_arm, p["population_belief"][population] + p["trial_belief"][trial])
    without = pt.stack([rest + hope, rest], axis=1)
    belief = pt.stack([believes, 1.0 - believes], axis=1)
    if not drugged:
        return Improvement(rows, without, pt.zeros_like(without), belief)
    drug, node = _drug(lay, p, rows)
    shape = (len(rows), 2 * (SHARE_NODES * HALF_LIFE_NODES + 1))
    whole = (without[:, :, None] + drug[:, None, :]).reshape(shape)
    of_drug = (pt.zeros_like(without)[:, :, None] + drug[:, None, :]).reshape(shape)
    return Improvement(rows, whole, of_drug, (belief[:, :, None] * node).reshape(shape))


def shifted(share: Any, by: Any) -> Any:
    """A share moved by so much on the logit."""
    return pt.sigmoid(pt.log(share) - pt.log1p(-share) + by)


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
        improvement(lay, p, np.flatnonzero(chosen), drugged)
        for chosen, drugged in ((lay.row_drugged, True), (~lay.row_drugged, False))
        if chosen.any()
    ]
    out: dict[str, Any] = {}
    if lay.levels:
        out["levels"], out["level_sd"] = _levels(lay, p, groups)
    for kind, count, of_group in (("shares", len(lay.shares), _shares), ("paths", len(lay.paths), _paths)):
        if count:
            parts = [of_group(lay, p, group) for group in groups]
            order = np.argsort(np.concatenate([owners for owners, _ in parts]), kind="stable")
            out[kind] = pt.concatenate([values for _, values in parts if values is not None])[order]
    return out


def trait_variance(targets: Sequence[Target], p: Mapping[str, Any]) -> Any:
    """Variance between patients' own baselines, as a share of the mean's square: of the reported day-0 scores, less
    their deviations and the rater's error, but at least `LEAST_TRAIT` of it."""
    reported = np.array([(t.sd_baseline / t.mean_baseline) ** 2 for t in targets])
    return pt.maximum(reported - _noise(p), LEAST_TRAIT * reported)


def _noise(p: Mapping[str, Any]) -> Any:
    return p["deviation_sd"] ** 2 + RATER_SD**2


def _natural_variance(p: Mapping[str, Any], day: np.ndarray) -> Any:
    return (p["natural_sd"] * -np.expm1(-day / NATURAL_TIME_CONSTANT_DAYS)) ** 2


def _levels(lay: Layout, p: Mapping[str, Any], groups: Sequence[Improvement]) -> tuple[Any, Any]:
    """Mean figures, and the SD of a patient's change. A row belongs to one figure, whose baseline it has."""
    owner = np.full(len(lay.row_day), -1)
    figure, row = np.nonzero(lay.level_weights)
    owner[row] = figure
    trait = trait_variance(lay.levels, p)
    numbers = [np.flatnonzero(owner[group.rows] >= 0) for group in groups]
    moments = [
        _moments(p, group, at, trait[owner[group.rows[at]]], lay.row_day[group.rows[at]])
        for group, at in zip(groups, numbers, strict=True)
    ]
    mean, after, together = (pt.concatenate(parts) for parts in zip(*moments, strict=True))
    rows = np.concatenate([group.rows[at] for group, at in zip(groups, numbers, strict=True)])
    weights, reads = lay.level_weights[:, rows], lay.level_reads[:, rows]
    before = trait + _noise(p)
    after, together = pt.dot(reads, after), pt.dot(reads, together)
    change_sd = pt.sqrt(before + after - 2 * together)
    divisors = {
        "standardised_benefit": change_sd,
        "standardised_difference": pt.sqrt(after),
        "standardised_change": pt.sqrt((before + after) / 2),
    }
    b = np.array([t.mean_baseline for t in lay.levels])
    of = np.array([t.statistic for t in lay.levels])
    start = np.where(of == "mean", b, 0.0)
    factor = np.select([of == "percent_change", np.char.startswith(of, "standardised")], [-100.0, 1.0], -b)
    divisor = pt.ones(len(of))
    for name, sd in divisors.items():
        divisor = pt.switch(of == name, sd, divisor)
    return start + factor * pt.dot(weights, mean) / divisor, change_sd * np.abs(factor) / divisor


def _moments(p: Mapping[str, Any], group: Improvement, at: np.ndarray, trait: Any, day: np.ndarray) -> Any:
    """Of rows: the mean improvement of scores that stop at zero, their variance, and covariance with the baseline."""
    s, drug, weight = group.whole[at], group.of_drug[at], group.weight[at]
    trait = trait[:, None]
    kept = pt.exp(-day / p["deviation_time_constant"])[:, None]
    variance = trait * (1 - drug) ** 2 + _noise(p) + _natural_variance(p, day)[:, None]
    sd = pt.sqrt(variance)
    a = (1 - s) / sd
    inside, density = phi(a), pt.exp(-0.5 * a**2) / np.sqrt(2 * np.pi)
    # A score y = max(0, 1 − s + sd·z) of the mean baseline: its first two moments (tobit), and Stein's covariance.
    first = (1 - s) * inside + sd * density
    second = ((1 - s) ** 2 + variance) * inside + (1 - s) * sd * density
    mean = (weight * first).sum(axis=1)
    covariance = (weight * inside * (trait * (1 - drug) + p["deviation_sd"] ** 2 * kept)).sum(axis=1)
    return 1 - mean, (weight * second).sum(axis=1) - mean**2, covariance


def _shares(lay: Layout, p: Mapping[str, Any], group: Improvement) -> tuple[np.ndarray, Any]:
    """Response and remission on these rows: the numbers of the figures and their probabilities."""
    here = np.flatnonzero(np.isin(lay.share_row, group.rows))
    if not len(here):
        return here, None
    own, at = [lay.shares[i] for i in here], np.searchsorted(group.rows, lay.share_row[here])
    day = lay.row_day[lay.share_row[here]]
    b = np.array([t.mean_baseline for t in own])[:, None]
    trait = trait_variance(own, p)[:, None]
    remits = np.array([t.statistic == "remission" for t in own])[:, None]
    c = np.array([response_fraction(t) for t in own])[:, None]
    cut = np.array([t.settings.get("at_most", 0.0) + 0.5 for t in own])[:, None] / b
    deviation, rest = p["deviation_sd"] ** 2, 1.0 - c
    kept = pt.exp(-day / p["deviation_time_constant"])[:, None]
    error = deviation * (1 + rest**2 - 2 * rest * kept) + RATER_SD**2 * (1 + rest**2)
    s, drug = group.whole[at], group.of_drug[at]
    margin = pt.switch(remits, cut - (1 - s), s - c)
    variance = pt.switch(remits, trait * (1 - drug) ** 2 + _noise(p), trait * (drug - c) ** 2 + error)
    variance = variance + _natural_variance(p, day)[:, None]
    return here, (group.weight[at] * phi(margin / pt.sqrt(variance))).sum(axis=1)


def _paths(lay: Layout, p: Mapping[str, Any], group: Improvement) -> tuple[np.ndarray, Any]:
    """Relapse and response at any time, of the paths whose visits are among these rows."""
    z, weight_z = normal_nodes(PERSISTENT_NODES)
    owner = np.searchsorted(lay.path_end, np.arange(len(lay.path_row)), side="right")
    visits = np.flatnonzero(np.isin(lay.path_row, group.rows))
    here = np.unique(owner[visits])
    if not len(here):
        return here, None
    at, ends = np.searchsorted(group.rows, lay.path_row[visits]), np.cumsum([(owner == f).sum() for f in here])
    c = lay.path_fraction[visits][:, None]
    trait = trait_variance([lay.paths[f] for f in owner[visits]], p)[:, None]
    error = _noise(p)
    margin = group.whole[at] - c
    natural = _natural_variance(p, lay.row_day[lay.path_row[visits]])[:, None]
    persistent = pt.sqrt(natural + (1 - c) ** 2 * error + trait * (group.of_drug[at] - c) ** 2)
    reached = phi((margin[..., None] + persistent[..., None] * z) / pt.sqrt(error))
    any_time = np.array([lay.paths[f].statistic == "response_any_time" for f in here])
    inverted = np.repeat(any_time, np.diff(np.concatenate([[0], ends])))[:, None, None]
    log_probability = pt.log(1e-12 + (1 - 2e-12) * pt.switch(inverted, 1 - reached, reached))
    first = np.concatenate([[0], ends[:-1]])
    node = group.weight[at[first]][..., None] * weight_z
    together = (node * pt.exp(segment_sums(log_probability, ends))).sum(axis=(1, 2))
    at_start = (node * reached[first]).sum(axis=(1, 2))
    return here, pt.switch(any_time, 1 - together, together / at_start)
