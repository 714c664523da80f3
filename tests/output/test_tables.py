"""Tables keep every number whole and every row apart, at any width."""

from __future__ import annotations

import numpy as np
import pytest

from kaptrial.output.tables import key, laid_out, number, of_rows, text

WORDS = ["ketamine_therapy", "-", "saline", "main(ketamine)", "time_to_relapse", "ancova", "response", "day"]


def random_table(rng):
    n = int(rng.integers(1, 6))
    names = [f"{i}: " + " ".join(rng.choice(WORDS, rng.integers(1, 4))) for i in range(n)]
    columns = [key("contrast", names)]
    for j in range(int(rng.integers(1, 9))):
        values = rng.normal(size=n) * 10.0 ** rng.integers(-2, 4)
        columns.append(number(f"false synergy {j}", [f"{x:.3f} ± {abs(x) / 9:.1g}" for x in values]))
    if rng.random() < 0.5:
        columns.append(text("why", [" ".join(rng.choice(WORDS, 9)) for _ in range(n)]))
    return columns


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_no_number_is_cut_and_no_line_is_too_long(width):
    rng = np.random.default_rng(width)
    for _ in range(60):
        columns = random_table(rng)
        lines = laid_out(columns, width)
        assert max(map(len, lines)) <= width
        page = "\n".join(lines)
        for column in columns:
            for cell in column.cells:
                if column.number:
                    assert cell in page or cell.replace(" ", "") in "".join(page.split())
                assert all(word in page for word in cell.split())
        assert "…" not in page


def test_wide_enough_it_stands_as_it_is():
    columns = of_rows([("arm", key), ("power", number)], [("ketamine", "0.9 ± 0.1"), ("saline", "10")])
    assert laid_out(columns, 80) == ["arm           power", "ketamine  0.9 ± 0.1", "saline           10"]


def test_what_does_not_fit_stands_in_blocks_that_repeat_the_names():
    heads = [("arm", key), *((f"figure {i}", number) for i in range(4))]
    lines = laid_out(of_rows(heads, [("ketamine", *["0.123 ± 0.004"] * 4)]), 40)
    assert lines == [
        "arm            figure 0       figure 1",
        "ketamine  0.123 ± 0.004  0.123 ± 0.004",
        "",
        "arm            figure 2       figure 3",
        "ketamine  0.123 ± 0.004  0.123 ± 0.004",
    ]


def test_names_that_take_the_width_make_paragraphs():
    heads = [("contrast", key), ("power", number), ("truth", number)]
    lines = laid_out(of_rows(heads, [("a_very_long_contrast_of_two_arms_without_end", "0.9", "12")]), 40)
    assert lines == ["a_very_long_contrast_of_two_arms_without", "_end", "  power: 0.9; truth: 12"]


def test_nothing_gives_nothing():
    assert laid_out([key("arm", []), number("power", [])], 80) == []
    assert laid_out([], 80) == []
