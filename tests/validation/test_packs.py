"""Every ready scenario gives a pack in which no section is empty and every number has a name."""

from __future__ import annotations

import pytest

import kaptrial as kt
from kaptrial.pack.document import Paragraph
from kaptrial.pack.numbers import pieces, plain
from kaptrial.pack.sections import SECTIONS

pytestmark = pytest.mark.validation


@pytest.mark.parametrize("name", kt.scenarios())
def test_every_ready_scenario_gives_a_pack(name, tmp_path):
    pack = kt.report(name, replicates=16)
    assert [section.id for section in pack.sections] == list(SECTIONS)
    keys = {number.key for number in pack}
    for section in pack.sections:
        assert section.blocks
        assert all(table.rows for table in section.tables)
        for block in section.blocks:
            if isinstance(block, Paragraph):
                assert plain(block.text).strip()
                assert {key for key, _ in pieces(block.text) if key is not None} <= keys
                for left in ("None", "False", "{", "}"):
                    assert left not in plain(block.text)
    pack.write(tmp_path / "out")
    assert (tmp_path / "out" / "report.html").stat().st_size > 100_000
