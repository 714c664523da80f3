"""The fast posterior against a dense grid over the SDs, written with whole covariance matrices and no short cuts."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from kaptrial.priors.gaussian_quadrature import CoefficientPrior, Flag, Scales, Terms, TrialData, posterior
from tests.builders import by_visit

SCALES = Scales(residual=10.0, intercept=10.0, therapist=4.0)


def grid_posterior(y, design, groups, classes, coefficients, scales, functionals, at, axes):
    """Mean, SD, P(below), density and log evidence of one data set on a grid of log SDs.

    y (patient, visit); design (patient, visit, p); groups (patient,) of therapists or -1; `axes`: log SDs of residual
    classes, intercepts (None without), therapists (None without).
    """
    seen = ~np.isnan(y)
    ys, xs = y[seen], design[seen]
    patient = np.broadcast_to(np.arange(len(y))[:, None], y.shape)[seen]
    therapist, cls = groups[patient], classes[patient]
    same_patient = (patient[:, None] == patient[None, :]).astype(float)
    same_therapist = ((therapist[:, None] == therapist[None, :]) & (therapist[:, None] >= 0)).astype(float)
    used = [axis for axis in axes if axis is not None]
    prior_scales = [scales.residual] * (len(axes) - 2)
    prior_scales += [
        s for s, axis in zip((scales.intercept, scales.therapist), axes[-2:], strict=True) if axis is not None
    ]
    rows = []
    for logs in product(*used):
        sds = dict(zip([i for i, a in enumerate(axes) if a is not None], np.exp(logs), strict=True))
        v = np.diag(np.array([sds[c] for c in cls]) ** 2)
        v += sds.get(len(axes) - 2, 0.0) ** 2 * same_patient + sds.get(len(axes) - 1, 0.0) ** 2 * same_therapist
        log_hyper = sum(stats.halfnorm.logpdf(np.exp(x), scale=s) + x for x, s in zip(logs, prior_scales, strict=True))
        for share, mean, cov in zip(coefficients.weights, coefficients.means, coefficients.covariances, strict=True):
            marginal = v + xs @ cov @ xs.T
            root = np.linalg.cholesky(marginal)
            white = np.linalg.solve(root, ys - xs @ mean)
            log_y = -0.5 * (white @ white) - np.log(np.diag(root)).sum() - 0.5 * len(ys) * np.log(2 * np.pi)
            gain = np.linalg.solve(marginal, xs @ cov).T
            post_mean = mean + gain @ (ys - xs @ mean)
            post_cov = cov - gain @ xs @ cov
            rows.append(
                (log_y + log_hyper + np.log(share), functionals @ post_mean,
                 np.sqrt(np.einsum("fp,pq,fq->f", functionals, post_cov, functionals)))
            )  # fmt: skip
    logs, means, sds_f = (np.array(x) for x in zip(*rows, strict=True))
    w = np.exp(logs - logs.max())
    cell = np.prod([axis[1] - axis[0] for axis in used])
    evidence = logs.max() + np.log(w.sum() * cell)
    w /= w.sum()
    mean = w @ means
    sd = np.sqrt(w @ (sds_f**2 + means**2) - mean**2)
    z = (at[None] - means[..., None]) / sds_f[..., None]
    below = np.einsum("g,gfk->fk", w, stats.norm.cdf(z))
    density = np.einsum("g,gfk->fk", w, stats.norm.pdf(z) / sds_f[..., None])
    return mean, sd, below, density, evidence


def trial(seed, *, n=12, days=3, missing=0.15, therapists=0):
    """A small 2×2 with gaps: y (1, patient, visit), z (1, patient, 5) = 1, a, b, ab, baseline; therapist where b."""
    rng = np.random.default_rng(seed)
    a, b = np.repeat([0, 0, 1, 1], n), np.repeat([0, 1, 0, 1], n)
    z = np.stack([np.ones(4 * n), a, b, a * b, rng.standard_normal(4 * n)], -1)
    group = np.where(b == 1, np.arange(4 * n) % max(therapists, 1), -1) if therapists else np.full(4 * n, -1)
    u = 3.0 * rng.standard_normal(max(therapists, 1))
    y = 25 + z[:, [1]] * -4 + z[:, [2]] * -2 + 2 * z[:, [4]] + rng.standard_normal((4 * n, 1)) * 5
    y = (
        y
        + np.where(group >= 0, u[group], 0.0)[:, None]
        + rng.standard_normal((4 * n, days)) * np.where(b, 4, 6)[:, None]
    )
    y[rng.random(y.shape) < missing] = np.nan
    y[0] = np.nan  # a patient who was never seen
    return y[None], z[None], group[None].astype(np.int64), b[None].astype(np.int64)


def prior_for(terms, mixture=False):
    centre = np.where(terms.column == 0, 25.0, 0.0)
    wide = np.diag(np.where(terms.column == 0, 400.0, 60.0))
    if not mixture:
        return CoefficientPrior(weights=np.ones(1), means=centre[None], covariances=wide[None])
    tight = wide.copy()
    inner = np.flatnonzero(terms.column == 3)
    tight[np.ix_(inner, inner)] = 2.0 * 0.7 ** np.abs(np.subtract.outer(inner, inner))
    return CoefficientPrior(
        weights=np.array([0.7, 0.3]), means=np.stack([centre, centre - (terms.column == 3)]),
        covariances=np.stack([tight, wide]),
    )  # fmt: skip


def design_of(terms, z):
    return np.einsum("ct,ic->itc", terms.profile, z[:, terms.column])


def compare(y, z, group, classes, terms, prior, *, intercepts, therapists, by_class, axes, tolerance):
    p = len(terms.column)
    functionals = np.zeros((2, p))
    functionals[0, np.flatnonzero(terms.column == 3)[-1]] = 1.0
    functionals[1, np.flatnonzero(terms.column == 2)[-1]] = 1.0
    functionals[1, np.flatnonzero(terms.column == 3)[-1]] = 0.5
    at = np.array([[0.0, -3.0], [0.0, -4.0]])
    data = TrialData(y=y, z=z, residual=classes if by_class else None, therapist=group if therapists else None)
    fitted = posterior(data, terms, prior, SCALES, functionals, at, intercepts=intercepts, order=9)
    mean, sd, below, density, evidence = grid_posterior(
        y[0], design_of(terms, z[0]), group[0] if therapists else np.full(y.shape[1], -1),
        classes[0] if by_class else np.zeros(y.shape[1], int), prior, SCALES, functionals, at, axes,
    )  # fmt: skip
    assert fitted.flag[0] == Flag.OK
    np.testing.assert_allclose(fitted.mean[0], mean, atol=tolerance * sd.max())
    np.testing.assert_allclose(fitted.sd[0], sd, rtol=tolerance)
    np.testing.assert_allclose(fitted.below[0], below, atol=tolerance)
    np.testing.assert_allclose(fitted.density[0], density, rtol=20 * tolerance)
    np.testing.assert_allclose(fitted.log_evidence[0], evidence, atol=20 * tolerance)


# The grids span what holds all but 1e-9 of the mass; the trapezoid rule is then exact to far below the tolerance, which
# is the error of 9 Hermite nodes in trials of 48 patients.
def test_one_visit_with_unequal_residuals() -> None:
    y, z, group, classes = trial(1, days=1, n=20)
    terms = by_visit(1)
    axis = np.linspace(np.log(3.5), np.log(16.0), 60)
    compare(
        y, z, group, classes, terms, prior_for(terms), intercepts=False, therapists=False, by_class=True,
        axes=[axis, axis, None, None], tolerance=1e-5,
    )  # fmt: skip


def test_visits_with_gaps_and_a_mixture_prior() -> None:
    y, z, group, classes = trial(2, n=8)
    terms = by_visit(3)
    compare(
        y, z, group, classes, terms, prior_for(terms, mixture=True), intercepts=True, therapists=False, by_class=False,
        axes=[np.linspace(np.log(2.8), np.log(16.0), 44), np.linspace(-11.0, np.log(15.0), 110), None],
        tolerance=1e-5,
    )  # fmt: skip


@pytest.mark.parametrize("therapists", [3, 8])
def test_therapists_at_one_visit(therapists: int) -> None:
    y, z, group, classes = trial(3, days=1, therapists=therapists)
    terms = by_visit(1)
    compare(
        y, z, group, classes, terms, prior_for(terms), intercepts=False, therapists=True, by_class=False,
        axes=[np.linspace(np.log(3.5), np.log(20.0), 50), None, np.linspace(-16.0, np.log(24.0), 220)],
        tolerance=1e-5,
    )  # fmt: skip


def test_therapists_over_visits_and_intercepts_hardly_known() -> None:
    """Both outer rules at once: order 5 and order 11 differ only by the inner rule, which is exact enough by then."""
    y, z, group, _ = trial(4, n=10, days=2, therapists=4)
    terms = by_visit(2)
    functionals, at = np.eye(9)[[7]], np.zeros((1, 1))
    data = TrialData(y=y, z=z, therapist=group)
    fitted = [
        posterior(data, terms, prior_for(terms), SCALES, functionals, at, intercepts=True, order=order)
        for order in (7, 11)
    ]
    assert fitted[0].flag[0] == Flag.OK
    np.testing.assert_allclose(fitted[0].below, fitted[1].below, atol=1e-6)
    np.testing.assert_allclose(fitted[0].sd, fitted[1].sd, rtol=1e-5)


def rotated_grid(y, s, z, prior_mean, prior_variance, scale, points):
    """P(last coefficient < 0) of one complete trial with patient intercepts on a grid of both log SDs.

    An orthonormal rotation of the visits, the mean first, makes V diagonal: σ² + Jτ², σ², …, σ².
    """
    days = y.shape[1]
    rotation = np.linalg.qr(np.column_stack([np.ones(days), np.eye(days)[:, 1:]]))[0].T
    design = np.concatenate(
        [np.broadcast_to(np.eye(days), (len(y), days, days)), s[None, :, None] * z[:, None, 1:]], axis=2
    )
    turned, x = y @ rotation.T, np.einsum("ut,itc->iuc", rotation, design)
    xx, xy = np.einsum("iuc,iud->ucd", x, x), np.einsum("iuc,iu->uc", x, turned)
    yy = (turned**2).sum(axis=0)
    rows = []
    for log_sigma, log_tau in product(*points):
        v = np.full(days, np.exp(2 * log_sigma))
        v[0] += days * np.exp(2 * log_tau)
        m = np.tensordot(1 / v, xx, 1) + np.diag(1 / prior_variance)
        b = xy.T @ (1 / v) + prior_mean / prior_variance
        mean = np.linalg.solve(m, b)
        log_density = -0.5 * (len(y) * np.log(v).sum() + np.linalg.slogdet(m)[1] + yy @ (1 / v) - b @ mean)
        for x_log in (log_sigma, log_tau):
            log_density += stats.halfnorm.logpdf(np.exp(x_log), scale=scale) + x_log
        rows.append((log_density, mean[-1], np.sqrt(np.linalg.inv(m)[-1, -1])))
    log_density, mean, sd = np.array(rows).T
    w = np.exp(log_density - log_density.max())
    return float(w @ stats.norm.cdf(-mean / sd) / w.sum())


def test_tail_probability_of_a_large_trial_is_exact_to_a_millionth() -> None:
    """200 patients × 5 visits, the workload the speed is quoted for, against a grid of 101 × 101 over ± 8 SDs."""
    rng = np.random.default_rng(5)
    s = np.array([0, 0.25, 0.5, 0.75, 1.0])
    a, b = np.repeat([0, 0, 1, 1], 50), np.repeat([0, 1, 0, 1], 50)
    z = np.stack([np.ones(200), a, b, a * b], -1)
    mean = np.array([30, 26, 24, 22, 20]) + s * (z[:, 1:] @ np.array([-3, -2, -4]))[:, None]
    y = mean + 6 * rng.standard_normal((3, 200, 1)) + 6.7 * rng.standard_normal((3, 200, 5))
    terms = Terms(profile=np.concatenate([np.eye(5), np.tile(s, (3, 1))]), column=np.array([0] * 5 + [1, 2, 3]))
    centre, variance = np.array([25.0] * 5 + [0.0] * 3), np.array([400.0] * 5 + [100.0] * 3)
    prior = CoefficientPrior(weights=np.ones(1), means=centre[None], covariances=np.diag(variance)[None])
    fitted = posterior(
        TrialData(y=y, z=np.broadcast_to(z, (3, 200, 4))), terms, prior,
        Scales(residual=10, intercept=10, therapist=10), np.eye(8)[[7]], np.zeros((1, 1)), intercepts=True,
    )  # fmt: skip
    for r in range(3):
        points = [
            np.linspace(np.log(c) - 8 * w, np.log(c) + 8 * w, 101)
            for c, w in zip(fitted.sds[r], (0.025, 0.07), strict=True)
        ]
        exact = rotated_grid(y[r], s, z, centre, variance, 10.0, points)
        assert abs(fitted.below[r, 0, 0] - exact) < 1e-6
