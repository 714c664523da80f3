"""Every malformed file is refused in one line a mistake that says where, what stands there and what may stand there."""

from __future__ import annotations

import pytest

from kaptrial.errors import ScenarioError
from kaptrial.scenario.files import load
from tests.scenario.malformed import CASES, HINTS, STARTER


@pytest.mark.parametrize("name", CASES)
def test_refused_in_one_line_a_mistake(name, tmp_path):
    with pytest.raises(ScenarioError) as caught:
        load(CASES[name].write(tmp_path))
    message = str(caught.value)
    print(message)
    assert len(message.splitlines()) == CASES[name].lines
    for part in CASES[name].shown:
        assert part in message
    assert any(hint in message for hint in HINTS)
    message.encode()  # it can be printed


def test_the_starter_itself_is_well_formed():
    load(STARTER)
