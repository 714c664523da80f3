"""The card kept beside a prior's draws is what the draws would show."""

import pandas as pd
import pytest

from kaptrial.catalogue.priors import prior_names
from kaptrial.catalogue.priors import provenance as catalogued
from kaptrial.evidence import card as cards
from kaptrial.evidence.shipped_priors import BEFORE, FORMER, PRIOR, shown_together
from kaptrial.evidence.synthesis.shipped import prior_draws

REST = [pytest.param(name, marks=pytest.mark.validation) for name in prior_names() if name != PRIOR]
QUANTILES = ("median", "q05", "q95")


@pytest.mark.parametrize("prior", [PRIOR, *REST])
def test_the_card_kept_is_that_of_the_draws(prior):
    simulated = cards.simulated_card(prior_draws(prior))
    kept = cards._kept(prior, cards.SEED)
    assert [row["figure"] for row in kept] == [row["figure"] for row in simulated]
    for one, other in zip(kept, simulated, strict=True):
        assert [one[q] for q in QUANTILES] == pytest.approx([other[q] for q in QUANTILES], rel=1e-6), one["figure"]


def test_other_seeds_and_other_draws_are_simulated(monkeypatch):
    monkeypatch.setattr(cards, "simulated_card", lambda _, seed: [seed])
    assert cards.card(PRIOR, seed=2) == [2]
    assert len(cards.card(PRIOR)) == 9
    for file in (cards.card_file("before_data"), "none.card.yaml"):
        monkeypatch.setattr(cards, "card_file", lambda _, file=file: file)
        assert cards.card(PRIOR) == [cards.SEED]


def test_a_prior_says_what_its_draws_hash_to():
    for prior in prior_names():
        assert cards.sha256_of_draws(prior) == catalogued(prior)["sha256"]


def test_the_cards_are_written_side_by_side(run, tmp_path):
    run("evidence", "card", "-o", tmp_path / "out")
    written = pd.read_csv(tmp_path / "out" / "card.csv")
    assert len(written) == 9 * len(shown_together())
    assert {PRIOR, BEFORE, FORMER} <= set(shown_together())
