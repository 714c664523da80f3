"""Named priors: what they say in numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from kaptrial.catalogue.effect_priors import DESCRIPTIONS, NAMES
from kaptrial.errors import FieldError
from kaptrial.priors.effects import named, smoothness

ROLES = ("drug", "therapy", "interaction")


@pytest.mark.parametrize("name", NAMES)
def test_every_prior_is_a_proper_mixture_with_a_description(name: str) -> None:
    prior = named(name, roles=ROLES, days=[1, 7, 28], unit=8.0)
    assert name in DESCRIPTIONS
    assert sum(c.weight for c in prior.components) == pytest.approx(1.0)
    for component in prior.components:
        assert np.linalg.eigvalsh(component.covariance).min() > 0
        np.testing.assert_array_equal(component.covariance, component.covariance.T)


def at(prior, role, day):
    weights = np.zeros(len(prior.roles) * len(prior.days))
    weights[prior.index(role, day)] = 1.0
    return weights


def test_sceptic_and_optimist_doubt_as_much_as_they_say() -> None:
    """Points, SD 8: the sceptic gives a benefit of 4 points (half an SD) .05, the optimist gives none at all .05."""
    for name, limit in (("skeptical", -4.0), ("optimistic", 0.0)):
        prior = named(name, roles=ROLES, days=[7.0], unit=8.0, better="lower")
        _, mean, sd = prior.along(at(prior, "interaction", 7.0))
        tail = stats.norm.cdf(limit, mean, sd) if name == "skeptical" else stats.norm.sf(limit, mean, sd)
        assert tail[0] == pytest.approx(0.05, abs=1e-12)


def test_direction_of_benefit_turns_means_only() -> None:
    lower, higher = (named("evidence", roles=ROLES, days=[7.0], unit=8.0, better=b) for b in ("lower", "higher"))
    assert lower.components[0].mean[1] == pytest.approx(-0.43 * 8)
    np.testing.assert_allclose(lower.components[0].mean, -higher.components[0].mean)
    np.testing.assert_array_equal(lower.components[0].covariance, higher.components[0].covariance)


def test_density_is_the_mixtures() -> None:
    prior = named("additive_shrinkage", roles=ROLES, days=[7.0], unit=8.0)
    x = np.array([-3.0, 0.0, 1.0])
    expected = 0.5 * stats.norm.pdf(x, 0, 0.8) + 0.5 * stats.norm.pdf(x, 0, 4.0)
    np.testing.assert_allclose(prior.density(at(prior, "interaction", 7.0), x), expected, rtol=1e-12)


def test_quantiles_are_the_mixtures() -> None:
    levels = [0.025, 0.5, 0.9]
    for name in ("additive_shrinkage", "evidence", "skeptical"):
        prior = named(name, roles=ROLES, days=[7.0], unit=8.0)
        weights = at(prior, "therapy", 7.0) + 0.5 * at(prior, "interaction", 7.0)
        share, mean, sd = prior.along(weights)
        quantiles = prior.quantiles(weights, levels)
        # A root is found to rounding of the quantile, which moves the distribution function by as little.
        np.testing.assert_allclose(stats.norm.cdf(quantiles[:, None], mean, sd) @ share, levels, rtol=1e-13)


def test_effects_of_near_days_are_alike() -> None:
    r = smoothness([1, 28, 56])
    assert r[0, 1] == pytest.approx((2 / 29) ** 0.25)
    assert r[1, 2] > r[0, 1] > r[0, 2]


def test_an_unknown_prior_names_the_known_ones() -> None:
    with pytest.raises(FieldError, match="must be one of flat, weak, skeptical"):
        named("sceptical", roles=ROLES, days=[7.0], unit=8.0)
