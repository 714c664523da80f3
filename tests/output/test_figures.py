"""What figures have alike: words for paths, labels clear of each other, lines told apart in grey, time to scale."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from kaptrial.output import terminal
from kaptrial.output.figures import DASHES, SINGLE, day_axis, label_ends, line_style, new_figure, path_in_words
from kaptrial.questions.decide.figures import BANDS


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("design.n_per_arm", "patients per arm"),
        ("estimand.day", "day of the primary outcome"),
        ("therapies.cbt.max_effect", "largest effect (cbt)"),
        ("therapies.cbt.max_effect.value", "largest effect (cbt)"),
        ("arms[1].doses[0].mg_per_kg", "dose, mg/kg (doses)"),
        ("population.new_key", "new key (population)"),
    ],
)
def test_a_path_is_said_in_words(path, words):
    assert path_in_words(path) == words


def test_a_notebook_shows_a_figure_as_a_picture():
    figure, _ = new_figure(SINGLE, 1)
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_labels_at_the_same_place_are_moved_apart_around_it():
    figure, grid = new_figure(SINGLE, 2.5)
    axes = grid[0, 0]
    axes.set_ylim(0, 1)
    label_ends(
        axes, [(1.0, 0.5, name, "black") for name in ("one", "two", "a longer label of two lines")], characters=14
    )
    figure.canvas.draw()
    boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
    assert len(boxes) == 3
    assert all(below.y1 <= above.y0 + 1 for below, above in pairwise(boxes))
    middle = axes.transData.transform((1.0, 0.5))[1]
    assert boxes[0].y0 < middle < boxes[-1].y1


def test_four_lines_have_four_dashes_and_verdicts_differ_in_lightness_or_hatch():
    assert len({str(line_style(i)["linestyle"]) for i in range(4)}) == 4
    assert len(DASHES) == 7
    looks = [(float(np.dot(to_rgb(fill), (0.299, 0.587, 0.114))), hatch) for _, _, fill, hatch, _ in BANDS]
    for i, (light, hatch) in enumerate(looks):
        for other, other_hatch in looks[:i]:
            assert hatch != other_hatch or abs(light - other) > 0.2


@pytest.mark.parametrize(("last", "label", "step"), [(7, "Day", 1), (28, "Day", 7), (84, "Day", 14), (180, "Week", 28)])
def test_time_is_in_days_or_whole_weeks(last, label, step):
    _, grid = new_figure(SINGLE, 2.0)
    axes = grid[0, 0]
    axes.plot([0, last], [0, 1])
    day_axis(axes, last)
    assert axes.get_xlabel() == label
    ticks = axes.get_xticks()
    assert set(np.diff(ticks)) == {float(step)}


class Terminal(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_bar_shows_on_a_terminal_alone_and_a_total_may_be_a_guess(monkeypatch):
    monkeypatch.setattr("sys.stderr", shown := Terminal())
    with terminal.progress(10, "writing", "figures") as advance:
        for _ in range(3):
            advance(5)
    assert "figures" in shown.getvalue()
    assert "15/15" in shown.getvalue()
    monkeypatch.setattr("sys.stderr", piped := io.StringIO())
    with terminal.progress(10) as advance:
        advance(10)
    assert piped.getvalue() == ""
