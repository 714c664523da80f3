"""No patient is fitted twice: a pooled analysis and a trial that is part of it exclude each other."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from kaptrial.catalogue import trial, trial_keys
from kaptrial.evidence.synthesis import fit

TRIALS, _ = fit.fitted_trials(fit.PUBLISHED)
KEYS = {one.key for one in TRIALS}
CONTAINS = {one.key: set(one.contains) for one in TRIALS}
POOLED = sorted(key for key in CONTAINS if CONTAINS[key])


def named(**contains):
    """Trials of these names that contain others; the rest of them is of no matter."""
    return [replace(trial("murrough2013a"), key=key, contains=tuple(inside)) for key, inside in contains.items()]


def test_the_catalogue_has_a_pooled_analysis_with_a_fitted_member():
    assert any(CONTAINS[key] & KEYS for key in POOLED)


def test_what_is_contained_is_in_the_catalogue():
    for key in trial_keys():
        assert set(trial(key).contains) <= set(trial_keys()) - {key}, key


def test_pooled_analysis_takes_the_place_of_its_members():
    keys = fit.together(TRIALS)
    assert set(POOLED) <= keys
    for key in POOLED:
        assert not CONTAINS[key] & keys, key
    # Nothing else is lost.
    assert keys == KEYS - {inner for key in POOLED for inner in CONTAINS[key]}


@pytest.mark.parametrize("key", sorted(KEYS))
def test_leaving_one_out_leaves_none_of_its_patients_in(key):
    keys = fit.together(TRIALS, [key])
    assert key not in keys
    assert not CONTAINS[key] & keys
    assert not {other for other in keys if key in CONTAINS[other]}
    for other in keys:
        assert not CONTAINS[other] & keys, other
    # What shares no patients with it stays, but for the members of a pooled analysis that stays.
    apart = {k for k in KEYS - {key} if key not in CONTAINS[k] and k not in CONTAINS[key]}
    assert keys == apart - {inner for k in apart for inner in CONTAINS[k]}


def test_without_the_pooled_analysis_or_one_member_the_other_members_count():
    trials = named(pool=["a", "b"], a=[], b=[], c=[])
    assert fit.together(trials) == {"pool", "c"}
    assert fit.together(trials, ["c"]) == {"pool"}
    assert fit.together(trials, ["a"]) == {"b", "c"}
    assert fit.together(trials, ["pool"]) == {"c"}


def test_members_that_are_not_fitted_change_nothing():
    assert fit.together(named(pool=["elsewhere"], a=[])) == {"pool", "a"}
    assert fit.together(named(pool=["elsewhere"], a=[]), ["a"]) == {"pool"}


def test_leaving_out_nothing_known_leaves_everything():
    assert fit.together(named(a=[], b=[]), ["elsewhere"]) == {"a", "b"}


def test_the_order_of_the_trials_is_of_no_matter():
    assert fit.together(TRIALS[::-1]) == fit.together(TRIALS)
    for left_out in combinations(POOLED, min(2, len(POOLED))):
        assert fit.together(TRIALS[::-1], left_out) == fit.together(TRIALS, left_out[::-1])


def test_no_two_pooled_analyses_of_the_catalogue_share_a_member():
    """`together` would fit both, and count the member's patients twice."""
    for one, other in combinations([key for key in trial_keys() if trial(key).contains], 2):
        assert not set(trial(one).contains) & set(trial(other).contains), (one, other)
        assert one not in trial(other).contains
        assert other not in trial(one).contains


def test_a_held_out_trial_has_no_patients_in_the_fit():
    """It is predicted by the fit to all the others."""
    keys = fit.together(TRIALS)
    for key in trial_keys():
        one = trial(key)
        if one.held_out:
            assert key not in keys
            assert not set(one.contains) & keys, key
            assert not {other for other in keys if key in CONTAINS[other]}, key
