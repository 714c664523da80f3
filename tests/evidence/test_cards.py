"""The cards kept beside a prior's draws are what the draws would show, and say where published figures lie."""

import pandas as pd
import pytest

import kaptrial as kt
from kaptrial.catalogue import trial
from kaptrial.catalogue.priors import populations, prior_names
from kaptrial.catalogue.priors import provenance as catalogued
from kaptrial.errors import FieldError
from kaptrial.evidence import cards
from kaptrial.evidence.indications import INDICATIONS
from kaptrial.evidence.published import Published, Reference, in_words, outside, published
from kaptrial.evidence.shipped_priors import BEFORE, FORMER, PRIOR, shown_together
from kaptrial.evidence.synthesis.shipped import prior_draws
from tests import ROOT

REST = [pytest.param(name, marks=pytest.mark.validation) for name in prior_names() if name != PRIOR]
QUANTILES = tuple(cards.QUANTILE_COLUMNS)


@pytest.mark.parametrize("prior", [PRIOR, *REST])
def test_the_cards_kept_are_those_of_the_draws(prior):
    for indication in populations(prior):
        simulated = cards.simulated_card(prior_draws(prior), indication=indication)
        kept = cards._kept(prior, indication, cards.SEED)
        assert [row["figure"] for row in kept] == [row["figure"] for row in simulated]
        for one, other in zip(kept, simulated, strict=True):
            assert one["unit"] == other["unit"]
            assert [one[q] for q in QUANTILES] == pytest.approx([other[q] for q in QUANTILES], rel=1e-6), one["figure"]


def test_other_seeds_and_other_draws_are_simulated(monkeypatch):
    monkeypatch.setattr(cards, "simulated_card", lambda _, indication, seed: [(indication, seed)])
    assert cards.card(PRIOR, seed=2) == [("depression", 2)]
    assert len(cards.card(PRIOR)) == 9
    for file in (cards.card_file("before_data"), "none.card.yaml"):
        monkeypatch.setattr(cards, "card_file", lambda _, file=file: file)
        assert cards.card(PRIOR, indication="OCD") == [("OCD", cards.SEED)]


def test_a_prior_says_what_its_draws_hash_to():
    for prior in prior_names():
        assert cards.sha256_of_draws(prior) == catalogued(prior)["sha256"]


def test_the_cards_are_written_side_by_side(run, tmp_path):
    run("evidence", "card", "-o", tmp_path / "out")
    written = pd.read_csv(tmp_path / "out" / "card.csv")
    assert len(written) == 9 * len(shown_together())
    assert {PRIOR, BEFORE, FORMER} <= set(shown_together())
    run("evidence", "card", "--indication", "PTSD", "-o", tmp_path / "ptsd")
    assert len(pd.read_csv(tmp_path / "ptsd" / "card.csv")) == len(INDICATIONS["PTSD"].questions)


def test_every_indication_of_the_model_has_a_card_however_it_is_spelt(refused):
    for text in ("depression", "bipolar", "ptsd", "OCD", "Anxiety"):
        results = kt.evidence.card(indication=text)
        assert results.provenance["indication"].lower().startswith(text.lower())
        assert all(row["q05"] <= row["q25"] <= row["median"] <= row["q75"] <= row["q95"] for row in results.flat())
    assert "must be one of depression, bipolar depression, PTSD" in refused("evidence", "card", "--indication", "alc")
    with pytest.raises(FieldError, match="must be one of before_data"):
        kt.evidence.card("unknown")


def test_every_reference_is_one_figure_of_the_catalogue():
    assert sum(len(references) for references in cards._BESIDE.values()) == 19
    asked = [(q.unit, each) for of in INDICATIONS.values() for q in of.questions for each in q.beside]
    assert len(asked) == 14
    for unit, reference in asked:
        assert published(reference, unit, PRIOR).source == reference.source
    with pytest.raises(KeyError, match="2 figures"):
        published(Reference(source="feder2021", statistic="response %"), "share", PRIOR)


def test_what_was_fitted_is_told_from_what_was_not():
    fitted, held_out = (
        published(Reference(source=key, statistic=statistic), "share", PRIOR)
        for key, statistic in (("phillips2019", "response %"), ("murrough2013b", "response %"))
    )
    assert (fitted.text, fitted.patients) == ("59 %", trial("phillips2019").arms[1]["n"])
    assert held_out.text == "71 %*"
    notes = {note.code for note in kt.evidence.card(indication="bipolar").notes}
    assert "nothing_fitted" in notes
    ptsd = {note.code: note.text for note in kt.evidence.card(indication="PTSD").notes}
    assert "Fitted in PTSD: abdallah2022" in ptsd["fitted"]
    assert "population_belief[PTSD]" in ptsd["contraction"]
    assert "between_course 0.86" in kt.evidence.card().notes[-1].text


def figure(value, *, unit="SD", pooled=True, patients=None):
    return Published(value=value, unit=unit, source="x", pooled=pooled, fitted=True, about="", patients=patients)


def line(unit="SD"):
    return {"figure": "g", "unit": unit, "q05": 0.2, "q25": 0.4, "median": 0.6, "q75": 0.8, "q95": 1.0}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.4, 0.8], None),
        ([0.3, 0.5], "published_outside"),
        ([0.3, 0.9], "published_outside"),
        ([0.1, 0.3], "not_to_be_sized_by"),
        ([0.9], "not_to_be_sized_by"),
    ],
)
def test_effects_far_from_the_pooled_evidence_are_not_to_be_sized_by(values, said):
    note = outside(line(), [figure(value) for value in values])
    assert (note and note.code) == said


def test_the_side_and_the_interval_are_said():
    note = outside(line(), [figure(0.1), figure(0.3)])
    assert "0.10 pooled (x): below the 90 % interval (0.20 to 1.00), and 0.30 pooled (x): below the 50 %" in note.text
    assert "The prior (0.60) is far above the pooled evidence (0.10 to 0.30)" in note.text
    assert "far below the pooled evidence (1.10)" in outside(line(), [figure(1.1)]).text
    assert outside(line(unit="share"), [figure(0.1, unit="share")]).severity == "warning"
    assert outside(line(), [figure(0.3, pooled=False)]).code == "published_outside"


def test_the_share_of_a_small_trial_is_outside_only_where_its_size_does_not_explain_it():
    row = line(unit="share")
    assert outside(row, [figure(0.0, unit="share", patients=7)]).text.count("50 %") == 1  # .8^7 is .21, .6^7 is .03
    assert "90 %" in outside(row, [figure(0.0, unit="share", patients=14)]).text  # .8^14 is .04
    assert outside(row, [figure(1 / 3, unit="share", patients=3)]) is None


def test_cards_of_other_indications_are_as_documented():
    page = (ROOT / "docs" / "synthesis.md").read_text(encoding="utf-8").splitlines()
    at = 0  # the tables stand in the order of the page
    for indication in ("PTSD", "OCD", "anxiety", "bipolar depression"):
        for row in kt.evidence.card(indication=indication).flat():
            median, low, high = (in_words(row["unit"], row[q]) for q in ("median", "q05", "q95"))
            said = f"{row['published']} ({row['source']})" if row["published"] else "–"
            at = page.index(f"| {row['figure']} | {median} | {low} to {high} | {said} |", at)
