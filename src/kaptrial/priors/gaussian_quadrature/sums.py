"""What the likelihood of one replicate needs of its data: sums over patients, from which every node is evaluated."""

from __future__ import annotations

import numpy as np
from numba import njit

from kaptrial.arrays import Floats, Ints


@njit(cache=True, nogil=True)
def cross_products(
    y: Floats, z: Floats, profile: Floats, column: Ints, residual: Ints, n_residuals: int, therapist: Ints,
    n_therapists: int, intercepts: bool,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Sums of products of w = (x_1 … x_p, y) over one replicate's observed scores.

    A patient's row of design at visit t is x_c = profile[c, t] · z[i, column[c]]. For each residual class r the first
    matrix sums w w' over observations; with patient intercepts, matrix n of the class sums (Σ_t w)(Σ_t w)' over the
    patients who were observed n times. Patients with the same pattern of visits share the products, so that
    the cost per patient does not grow with p.

    Parameters
    ----------
    y : (patient, visit), NaN where not observed
    z : (patient, column)
    profile, column : (coefficient, visit), (coefficient,)
    residual : (patient,), the class of residual variance
    therapist : (patient,), -1 without one

    Returns
    -------
    sums : (class × (1 + visits), p + 1, p + 1), lower triangles; without intercepts (class, p + 1, p + 1)
    shared : the same for each therapist, (…, therapist, p + 2): Σ w, and last the number of scores
        (or their square)
    n : (class, 1 + visits): scores of the class, then patients by the number of their scores
    """
    n_patients, n_visits = y.shape
    n_columns, p = z.shape[1], len(column)
    size = 1 + n_visits if intercepts else 1
    sums = np.zeros((n_residuals * size, p + 1, p + 1))
    shared = np.zeros((n_residuals * size, n_therapists, p + 2))
    n = np.zeros((n_residuals, 1 + n_visits))

    # A pattern is its visits and the class; first come, first numbered.
    pattern = np.empty(n_patients, np.int64)
    seen = np.full((n_residuals, 1 << n_visits), -1, np.int64)
    masks = np.empty(n_patients, np.int64)
    classes = np.empty(n_patients, np.int64)
    n_patterns = 0
    for i in range(n_patients):
        mask = 0
        for t in range(n_visits):
            if not np.isnan(y[i, t]):
                mask |= 1 << t
        if mask == 0:
            pattern[i] = -1
            continue
        r = residual[i]
        if seen[r, mask] < 0:
            seen[r, mask] = n_patterns
            masks[n_patterns] = mask
            classes[n_patterns] = r
            n_patterns += 1
        pattern[i] = seen[r, mask]

    zz = np.zeros((n_patterns, n_columns, n_columns))
    zy = np.zeros((n_patterns, n_columns, n_visits))
    yy = np.zeros((n_patterns, 2))
    for i in range(n_patients):
        k = pattern[i]
        if k < 0:
            continue
        count, total, square = 0, 0.0, 0.0
        for t in range(n_visits):
            if not np.isnan(y[i, t]):
                count += 1
                total += y[i, t]
                square += y[i, t] * y[i, t]
                for m in range(n_columns):
                    zy[k, m, t] += z[i, m] * y[i, t]
        yy[k, 0] += square
        yy[k, 1] += total * total
        for m in range(n_columns):
            for q in range(m + 1):
                zz[k, m, q] += z[i, m] * z[i, q]
        n[residual[i], 0] += count
        n[residual[i], count] += 1
        j = therapist[i]
        if j >= 0:
            first = residual[i] * size
            for c in range(p):
                of_visits = 0.0
                for t in range(n_visits):
                    if masks[k] >> t & 1:
                        of_visits += profile[c, t]
                shared[first, j, c] += of_visits * z[i, column[c]]
                if intercepts:
                    shared[first + count, j, c] += count * of_visits * z[i, column[c]]
            shared[first, j, p] += total
            shared[first, j, p + 1] += count
            if intercepts:
                shared[first + count, j, p] += count * total
                shared[first + count, j, p + 1] += count * count

    of_all = np.empty(p)
    for k in range(n_patterns):
        first, count = classes[k] * size, 0
        for t in range(n_visits):
            count += masks[k] >> t & 1
        last = first + count
        for c in range(p):
            of_all[c] = 0.0
            at = column[c]
            by_score, all_scores = 0.0, 0.0
            for t in range(n_visits):
                if masks[k] >> t & 1:
                    of_all[c] += profile[c, t]
                    by_score += profile[c, t] * zy[k, at, t]
                    all_scores += zy[k, at, t]
            sums[first, p, c] += by_score
            if intercepts:
                sums[last, p, c] += of_all[c] * all_scores
            for d in range(c + 1):
                other = column[d]
                both = zz[k, at, other] if at >= other else zz[k, other, at]
                together = 0.0
                for t in range(n_visits):
                    if masks[k] >> t & 1:
                        together += profile[c, t] * profile[d, t]
                sums[first, c, d] += together * both
                if intercepts:
                    sums[last, c, d] += of_all[c] * of_all[d] * both
        sums[first, p, p] += yy[k, 0]
        if intercepts:
            sums[last, p, p] += yy[k, 1]
    return sums, shared, n
