"""The checklists of a pack: every item of each statement once, and a section for each that is not the author's."""

from __future__ import annotations

import re

import pytest

from kaptrial.pack.checklist import YOURS, items, statements
from kaptrial.pack.sections import SECTIONS

LAST_ITEM = {"SPIRIT 2025": 34, "CONSORT 2025": 30}
# Of the items that have letters; the others stand alone.
LAST_LETTER = {
    "SPIRIT 2025": {
        1: "b", 3: "d", 7: "b", 9: "b", 14: "b", 15: "d", 21: "b", 24: "c", 25: "b", 27: "d", 28: "b", 32: "b",
    },
    "CONSORT 2025": {1: "b", 5: "b", 12: "b", 16: "b", 17: "b", 20: "b", 21: "d", 22: "b", 23: "b", 24: "b"},
}  # fmt: skip
DELTA2 = ["1", "2", "3a", "3b", "3c", "4", "5", "5a", "5b", "5c", "5d", "6", "7", "8"]


def numbers(statement: str) -> list[str]:
    return [each.number for each in items() if each.statement == statement]


def published(statement: str) -> list[str]:
    """The numbers of a statement whose items go from 1 to the last, some with letters from a to the last."""
    letters = LAST_LETTER[statement]
    return [
        f"{number}{letter}"
        for number in range(1, LAST_ITEM[statement] + 1)
        for letter in ("abcd"[: "abcd".index(letters[number]) + 1] if number in letters else [""])
    ]


@pytest.mark.parametrize(("statement", "count"), [("SPIRIT 2025", 53), ("CONSORT 2025", 42)])
def test_every_item_stands_there_once_in_its_order(statement, count):
    assert numbers(statement) == published(statement)
    assert len(numbers(statement)) == count


def test_the_items_of_delta2():
    assert numbers("DELTA2") == DELTA2


def test_every_item_has_a_section_or_is_the_authors():
    assert {each.where for each in items()} <= {*SECTIONS, YOURS}
    assert {each.with_looks for each in items()} == {"", "interim"}


def test_what_is_the_authors_has_no_note():
    assert not [each for each in items() if each.where == YOURS and each.note]


def test_topics_are_short_and_notes_one_sentence():
    for each in items():
        assert 0 < len(each.topic) <= 65
        assert not each.topic.endswith(".")
        assert re.fullmatch(r"|[A-Z][^.]*\.", each.note)


def test_what_was_not_found_in_a_copy_of_the_list_is_marked():
    unchecked = [f"{each.statement} {each.number}" for each in items() if not each.checked]
    assert unchecked == [f"DELTA2 {number}" for number in ("5", "5a", "5b", "5c", "5d", "8")]


def test_statements_say_where_their_items_were_looked_up():
    assert [each.name for each in statements()] == list(dict.fromkeys(each.statement for each in items()))
    for each in statements():
        assert re.fullmatch(r"10\.\d{4,}/\S+", each.doi)
        assert each.citation
        assert each.use
        assert each.seen
