"""The MMRM's closed form in NumPy, all replicates at once: the algebra of docs/analyses.md as it stands there."""

from __future__ import annotations

import numpy as np


def closed_form(y, arm, x, arm_weights, visit_weights, kenward_roger=False):
    """Estimate, SE and degrees of freedom of one contrast, (replicate,), of trials with dropout for good.

    y (replicate, patient, visit), arm (replicate, patient), x (replicate, patient, p); weights (arm,) and (visit,).
    """
    n_replicates, _, n_visits = y.shape
    w, omega = np.asarray(arm_weights, dtype=float), np.asarray(visit_weights, dtype=float)
    n_arms, q = len(w), len(w) + x.shape[2]
    arms = (arm[..., None] == np.arange(n_arms)).astype(float)
    columns = np.concatenate([arms, x - x.mean(axis=1, keepdims=True), np.nan_to_num(y)], axis=-1)
    contrast = np.concatenate([w, np.zeros(x.shape[2])])
    phi = np.zeros((n_replicates, n_visits, n_visits))
    d, h, intercept = np.empty((3, n_replicates, n_visits))
    left, inverse = np.empty((n_replicates, n_visits)), []
    for j in range(n_visits):
        k = q + j
        seen = columns[..., : k + 1] * np.isfinite(y[..., j, None])
        moments = seen.swapaxes(1, 2) @ seen
        within = np.linalg.inv(moments[:, :k, :k])  # of arms, covariates and earlier scores
        slopes = np.einsum("rab,rb->ra", within, moments[:, :k, k])
        rss = moments[:, k, k] - np.einsum("ra,ra->r", slopes, moments[:, :k, k])
        left[:, j] = moments[:, :n_arms, :n_arms].sum(axis=(1, 2)) - q
        d[:, j] = rss / left[:, j]
        phi[:, j, :j] = slopes[:, q:]
        intercept[:, j] = slopes[:, :q] @ contrast
        inverse.append(within[:, q:, q:])  # S_j⁻¹
        h[:, j] = np.einsum("a,rab,b->r", contrast, np.linalg.inv(moments[:, :q, :q]), contrast)
    big_t = np.linalg.inv(np.eye(n_visits) - phi)
    t = np.einsum("j,rjk->rk", omega, big_t)
    variance = np.einsum("rj,rj,rj->r", t**2, d, h)
    e = np.einsum("rbk,rk->rb", np.tril(big_t), t * d * h)
    spread = np.einsum("rj->r", 2 * (t**2 * d * h) ** 2 / left)
    adjusted = variance.copy()
    for j in range(1, n_visits):
        scale = t[:, j] ** 2 * d[:, j]
        spread += 4 * scale * np.einsum("rb,rbc,rc->r", e[:, :j], inverse[j], e[:, :j])
        if kenward_roger:
            tau = big_t[:, :j, :j]  # column k: T_bk for b < j
            squares = np.einsum("rbk,rbc,rck->rk", tau, inverse[j], tau)
            adjusted += 2 * scale * np.einsum("rk->r", d[:, :j] * (h[:, j, None] - h[:, :j]) * squares)
    return np.einsum("rj,rj->r", t, intercept), np.sqrt(adjusted), 2 * variance**2 / spread
