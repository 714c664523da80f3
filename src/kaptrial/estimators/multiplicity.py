"""Several hypotheses tested together: adjusted p-values, at or below α exactly where the procedure at α rejects.

Graphs give each hypothesis a share of α and say where the share goes when it is rejected: the hypothesis with the
smallest p/w is rejected at max(p/w, those before), its share w_j passes along g_j·, and the edges close over the gap,
g_kl ← (g_kl + g_kj g_jl)/(1 − g_kj g_jk) (Bretz, Maurer, Brannath & Posch 2009, Statistics in Medicine 28:586-604,
algorithms 1 and 2). Holm's, the fixed-sequence and the fallback procedure are graphs.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from kaptrial.arrays import Bools, Floats

Procedure = Literal["fixed_sequence", "holm", "hochberg", "bonferroni", "serial_gatekeeping", "parallel_gatekeeping"]


def rejected(p: ArrayLike, procedure: Procedure, alpha: float, *, families: Sequence[int] | None = None) -> Bools:
    """Which hypotheses the procedure rejects at familywise level alpha. Arguments as in `adjusted`."""
    return adjusted(p, procedure, families=families) <= alpha


def adjusted(p: ArrayLike, procedure: Procedure, *, families: Sequence[int] | None = None) -> Floats:
    """Adjusted p-values.

    Parameters
    ----------
    p : (..., hypothesis)
        In the order of testing. NaN, a failed fit, is never rejected and holds up what waits for it.
    procedure : str
        bonferroni; holm (1979, Scandinavian Journal of Statistics 6:65-70); hochberg (1988, Biometrika 75:800-802), for
        independent or positively dependent tests; fixed_sequence: each at α until the first that is not rejected;
        serial_gatekeeping: `serial`; parallel_gatekeeping: `parallel_gates`.
    families : sequence of int or None
        The number of hypotheses of each family in turn, for gatekeeping.

    Returns
    -------
    (..., hypothesis); NaN where p is.

    Raises
    ------
    ValueError
        If the families do not hold all hypotheses, or the procedure is unknown.
    """
    given = np.asarray(p, dtype=float)
    filled = np.where(np.isnan(given), 1.0, given)
    if procedure == "bonferroni":
        result = np.minimum(filled * filled.shape[-1], 1.0)
    elif procedure == "fixed_sequence":
        result = np.maximum.accumulate(filled, axis=-1)
    elif procedure == "holm":
        result = _holm(filled)
    elif procedure == "hochberg":
        result = _hochberg(filled)
    elif procedure in ("serial_gatekeeping", "parallel_gatekeeping"):
        if families is None or sum(families) != filled.shape[-1] or min(families) < 1:
            raise ValueError(f"families = {families}: must add up to {filled.shape[-1]} hypotheses")
        parallel = procedure == "parallel_gatekeeping"
        result = graphical(filled, *parallel_gates(families)) if parallel else serial(filled, families)
    else:
        raise ValueError(f"unknown procedure {procedure!r}")
    return np.where(np.isnan(given), np.nan, result)


def _holm(p: Floats) -> Floats:
    """The k-th smallest of m times m + 1 − k, at least those of the smaller ones."""
    m, order = p.shape[-1], np.argsort(p, axis=-1, kind="stable")
    stepped = np.minimum(np.take_along_axis(p, order, -1) * np.arange(m, 0, -1), 1.0)
    result = np.empty_like(p)
    np.put_along_axis(result, order, np.maximum.accumulate(stepped, axis=-1), -1)
    return result


def _hochberg(p: Floats) -> Floats:
    """The k-th largest times k, at most those of the larger ones."""
    m, order = p.shape[-1], np.argsort(-p, axis=-1, kind="stable")
    stepped = np.minimum(np.take_along_axis(p, order, -1) * np.arange(1, m + 1), 1.0)
    result = np.empty_like(p)
    np.put_along_axis(result, order, np.minimum.accumulate(stepped, axis=-1), -1)
    return result


def serial(p: Floats, families: Sequence[int]) -> Floats:
    """Families tested in turn at α by Holm, the next only once all hypotheses of one are rejected; (..., hypothesis).

    (Maurer, Hothorn & Lehmacher 1995, in Vollmar, Biometrie in der chemisch-pharmazeutischen Industrie 6:3-18.)
    """
    result, held = np.empty_like(p), np.zeros(p.shape[:-1])
    for first, end in pairwise([0, *np.cumsum(families)]):
        result[..., first:end] = np.maximum(_holm(p[..., first:end]), held[..., None])
        held = result[..., first:end].max(axis=-1)
    return result


def parallel_gates(families: Sequence[int]) -> tuple[Floats, Floats]:
    """Graph of parallel gatekeeping: every rejection passes its share of α to the next family, whose members divide it.

    All families but the last are tested by Bonferroni with what they hold, the last by Holm (Dmitrienko, Offen &
    Westfall 2003, Statistics in Medicine 22:2387-2400, as a graph).

    Returns
    -------
    weights : (hypothesis,), transitions : (hypothesis, hypothesis)
    """
    ends = np.cumsum(families)
    m, last = int(ends[-1]), families[-1]
    weights, transitions = np.zeros(m), np.zeros((m, m))
    weights[: families[0]] = 1.0 / families[0]
    for size, end, following in zip(families, ends, families[1:], strict=False):
        transitions[end - size : end, end : end + following] = 1.0 / following
    if last > 1:
        transitions[m - last :, m - last :] = (1.0 - np.eye(last)) / (last - 1)
    return weights, transitions


def graphical(p: Floats, weights: ArrayLike, transitions: ArrayLike) -> Floats:
    """Adjusted p-values of the sequentially rejective Bonferroni procedure on a graph.

    Parameters
    ----------
    p : (..., hypothesis)
    weights : (hypothesis,)
        Shares of α, adding up to at most 1.
    transitions : (hypothesis, hypothesis)
        Row j: the shares of j's share that the others receive when j is rejected; at most 1 together, none to itself.

    Raises
    ------
    ValueError
        If weights or transitions are no such shares.
    """
    shares, edges = np.asarray(weights, dtype=float), np.asarray(transitions, dtype=float)
    for name, rows in (("weights", shares[None]), ("transitions", edges)):
        if (rows < 0).any() or (rows.sum(axis=1) > 1 + 1e-12).any():
            raise ValueError(f"{name} must be shares, together at most 1")
    if np.diag(edges).any():
        raise ValueError("transitions must not lead from a hypothesis to itself")
    flat = np.where(np.isnan(p), 1.0, p).reshape(-1, len(shares))
    r, m = flat.shape
    rows = np.arange(r)
    w, g = np.tile(shares, (r, 1)), np.tile(edges, (r, 1, 1))
    waiting = np.ones((r, m), dtype=bool)
    result, least = np.empty((r, m)), np.zeros(r)
    for _ in range(m):
        # What has no share yet cannot be rejected at any α: 1 is enough to say so, and less than what is done with.
        ratio = np.where(w > 0, np.minimum(flat / np.where(w > 0, w, 1.0), 1.0), 1.0)
        j = np.argmin(np.where(waiting, ratio, 2.0), axis=1)
        least = np.maximum(least, ratio[rows, j])
        result[rows, j] = least
        waiting[rows, j] = False
        out, into = g[rows, j], g[rows, :, j]
        w = w + w[rows, j][:, None] * out
        w[rows, j] = 0.0
        loop = 1.0 - into * out
        closed = (g + into[:, :, None] * out[:, None, :]) / np.where(loop > 1e-12, loop, np.inf)[:, :, None]
        closed[rows, j] = 0.0
        closed[rows, :, j] = 0.0
        closed[:, np.arange(m), np.arange(m)] = 0.0
        g = closed
    return np.where(np.isnan(p), np.nan, result.reshape(np.shape(p)))
