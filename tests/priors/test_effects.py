"""Named priors: what they say in numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtri

from kaptrial.catalogue.effect_priors import DESCRIPTIONS, DOUBT, HOPED, NAMES, Z_95, Z_975
from kaptrial.errors import FieldError
from kaptrial.priors.effects import named, role_of, smoothness

ROLES = ("drug", "therapy", "interaction")
INTERACTION, MAIN_THERAPY = (0.0, 0.0, 1.0), (0.0, 1.0, 0.5)


def of(name, contrast=INTERACTION, days=(7.0,), visit=0, better="lower"):
    return named(name, roles=ROLES, days=days, contrast=contrast, visit=visit, unit=8.0, better=better)


def test_the_quantiles_written_out_are_those_of_the_normal() -> None:
    assert tuple(ndtri([0.95, 0.975])) == (Z_95, Z_975)


@pytest.mark.parametrize("name", NAMES)
def test_every_prior_is_a_proper_mixture_with_a_description(name: str) -> None:
    prior = of(name, days=[1, 7, 28], visit=2)
    assert name in DESCRIPTIONS
    assert sum(c.weight for c in prior.components) == pytest.approx(1.0)
    for component in prior.components:
        assert np.linalg.eigvalsh(component.covariance).min() > 0
        np.testing.assert_array_equal(component.covariance, component.covariance.T)


def test_sceptic_and_optimist_doubt_as_much_as_they_say() -> None:
    """Points, SD 8: the sceptic gives a benefit of 4 points (half an SD) .05, the optimist gives none at all .05."""
    for name, limit in (("skeptical", -4.0), ("optimistic", 0.0)):
        prior = of(name)
        _, mean, sd = prior.along(prior.asked)
        tail = stats.norm.cdf(limit, mean, sd) if name == "skeptical" else stats.norm.sf(limit, mean, sd)
        assert tail[0] == pytest.approx(0.05, abs=1e-12)


def test_direction_of_benefit_turns_means_only() -> None:
    lower, higher = (of("evidence", MAIN_THERAPY, better=better) for better in ("lower", "higher"))
    assert lower.along(lower.asked)[1][0] == pytest.approx(-0.43 * 8)
    np.testing.assert_allclose(lower.components[0].mean, -higher.components[0].mean)
    np.testing.assert_array_equal(lower.components[0].covariance, higher.components[0].covariance)


def test_density_is_the_mixtures() -> None:
    prior = of("additive_shrinkage")
    x = np.array([-3.0, 0.0, 1.0])
    expected = 0.5 * stats.norm.pdf(x, 0, 0.8) + 0.5 * stats.norm.pdf(x, 0, 4.0)
    np.testing.assert_allclose(prior.density(prior.asked, x), expected, rtol=1e-12)


def test_quantiles_are_the_mixtures() -> None:
    levels = [0.025, 0.5, 0.9]
    for name in ("additive_shrinkage", "evidence", "skeptical"):
        prior = of(name, MAIN_THERAPY)
        weights = prior.asked
        share, mean, sd = prior.along(weights)
        quantiles = prior.quantiles(weights, levels)
        # A root is found to rounding of the quantile, which moves the distribution function by as little.
        np.testing.assert_allclose(stats.norm.cdf(quantiles[:, None], mean, sd) @ share, levels, rtol=1e-13)


def test_only_what_is_asked_is_believed() -> None:
    """Under any named prior but the flat one everything else is N(0, 10 SD), and says nothing of what is asked: the
    main effects averaged over the other factor, and the interaction on other days."""
    days = [1.0, 28.0]
    on = {visit: np.eye(2)[visit] for visit in (0, 1)}
    asked = np.kron(INTERACTION, on[1])
    others = [np.kron(contrast, on[v]) for contrast in ((1.0, 0.0, 0.5), MAIN_THERAPY) for v in (0, 1)]
    others.append(np.kron(INTERACTION, on[0]))
    for component in of("skeptical", days=days, visit=1).components:
        assert np.sqrt(asked @ component.covariance @ asked) == pytest.approx(8 * DOUBT)
        for other in others:
            assert np.sqrt(other @ component.covariance @ other) == pytest.approx(80)
            assert other @ component.covariance @ asked == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("contrast", "role"),
    [(INTERACTION, "interaction"), (MAIN_THERAPY, "therapy"), ((1.0, 0.0, 1.0), "drug"), ((1.0, 1.0, 1.0), "therapy")],
)
def test_the_role_of_a_contrast_picks_its_prior(contrast: tuple[float, ...], role: str) -> None:
    assert role_of(ROLES, contrast) == role
    prior = of("optimistic", contrast)
    _, mean, sd = prior.along(prior.asked)
    expected = (0.0, 1.0) if role == "drug" else (-HOPED, DOUBT)
    assert (mean[0] / 8, sd[0] / 8) == pytest.approx(expected)


def test_effects_of_near_days_are_alike_under_the_flat_prior() -> None:
    r = smoothness([1, 28, 56])
    assert r[0, 1] == pytest.approx((2 / 29) ** 0.25)
    assert r[1, 2] > r[0, 1] > r[0, 2]


def test_an_unknown_prior_names_the_known_ones() -> None:
    with pytest.raises(FieldError, match="must be one of flat, weak, skeptical"):
        of("sceptical")
