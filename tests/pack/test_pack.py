"""A pack: the same numbers in its words, tables, figures and files, the same bytes each time, nothing empty."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser

import pytest

import kaptrial as kt
from kaptrial.errors import FieldError
from kaptrial.pack.columns import fitted
from kaptrial.pack.document import Bullets, Paragraph, Table
from kaptrial.pack.enrolment import planned_enrolment
from kaptrial.pack.numbers import Numbers, pieces, plain
from kaptrial.pack.schedule import schedule
from kaptrial.pack.sections import SECTIONS, TITLES
from tests.pack.conftest import REPLICATES


class Page(HTMLParser):
    """What a page holds: numbers by name, images, headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.numbers: dict[str, set[str]] = {}
        self.images: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self._key: str | None = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids += [found["id"]] if tag == "section" else []
        if tag == "img":
            self.images.append(found)
        if tag == "data":
            self._key = found["value"]

    def handle_data(self, data):
        if self._key is not None:
            self.numbers.setdefault(self._key, set()).add(data)

    def handle_endtag(self, tag):
        if tag == "data":
            self._key = None


@pytest.fixture(scope="session")
def page(folder) -> Page:
    return Page((folder / "report.html").read_text())


@pytest.fixture(scope="session")
def by_key(folder) -> dict[str, dict]:
    return {row["key"]: row for row in json.loads((folder / "results.json").read_text())["results"]}


def texts(pack) -> list[str]:
    """Every text of a pack in which numbers may stand."""
    found = []
    for section in pack.sections:
        for block in section.blocks:
            if isinstance(block, Paragraph):
                found.append(block.text)
            elif isinstance(block, Bullets):
                found += block.items
            elif isinstance(block, Table):
                found += [str(cell) for row in block.rows for cell in row]
    return found


def test_every_number_of_the_page_is_one_of_the_results(page, by_key):
    assert len(page.numbers) > 100
    for key, shown in page.numbers.items():
        assert shown == {by_key[key]["shown"]}, key


def test_every_number_of_words_and_tables_stands_in_the_page_and_in_markdown(pack, page, folder):
    markdown = (folder / "report.md").read_text()
    for text in texts(pack):
        for key, shown in pieces(text):
            if key is not None:
                assert shown in page.numbers[key]
                assert shown in markdown


def test_a_number_is_shown_as_its_value_and_its_error(by_key):
    for row in by_key.values():
        if row["unit"] == "probability" and row["mcse"]:
            value, mcse = re.fullmatch(r"([\d.]+) %(?: \(± ([\d.]+)\))?", row["shown"]).groups()
            assert float(value) == pytest.approx(100 * row["value"], abs=100 * row["mcse"])
            assert float(mcse) == pytest.approx(100 * row["mcse"], rel=0.5)


def test_the_headline_numbers_are_those_of_power(scenario, pack, by_key):
    power = kt.power(scenario, replicates=REPLICATES)
    assert by_key["power"]["value"] == power.headline.numbers["power"]
    assert by_key["type_i_error"]["value"] == power.headline.numbers["type_i_error"]
    assert by_key["effect"]["value"] == power.headline.numbers["effect"]
    assert by_key["standardised_effect"]["value"] == pytest.approx(power.headline.numbers["standardised"], abs=1e-12)
    assert plain(next(b.text for b in pack.sections[1].blocks if isinstance(b, Paragraph))) == power.headline.text


def test_tables_on_disk_hold_the_same_values(pack, folder, by_key):
    for section in pack.sections:
        for table in section.tables:
            with (folder / "tables" / f"{table.name}.csv").open() as file:
                rows = list(csv.DictReader(file))
            assert len(rows) == len(table.rows)
            for written, row in zip(rows, table.rows, strict=True):
                for heading, cell in zip(table.headings, row, strict=True):
                    if not isinstance(cell, str) and isinstance(cell.value, float):
                        assert float(written[heading]) == cell.value == by_key[cell.key]["value"]


def test_figure_data_stand_in_the_tables(pack, by_key):
    (figure,) = (p.figure for p in pack.pictures if p.name == "power_by_size")
    line = max(figure.axes[0].lines, key=lambda line: len(line.get_xdata()))
    for n, power in zip(line.get_xdata(), line.get_ydata(), strict=True):
        assert by_key[f"power_by_size.{n:g}.power"]["value"] == power


def test_the_tornado_draws_its_table(pack):
    (figure,) = (p.figure for p in pack.pictures if p.name == "sensitivity")
    (table,) = (t for section in pack.sections if section.id == "sensitivity" for t in section.tables)
    drawn = [bar.get_x() + bar.get_width() for bar in figure.axes[0].patches]
    powers = [row[k].value for row in table.rows[: len(drawn) // 2] for k in (3, 5)]
    assert len(drawn) == 2 * min(15, len(table.rows))
    assert drawn == pytest.approx(powers, abs=1e-12)


def test_sections_stand_in_order_and_none_is_empty(pack, page):
    assert list(SECTIONS) == list(TITLES)
    assert page.ids == [name for name in SECTIONS if name != "interim"]
    for section in pack.sections:
        assert section.blocks
        assert all(block.text.strip() for block in section.blocks if isinstance(block, Paragraph))
        assert all(table.rows for table in section.tables)
        assert section.applies == (section.id not in ("assurance", "decision", "clinic"))


def test_text_holds_nothing_that_a_template_left(pack):
    for text in texts(pack):
        assert not re.search(r"\bNone\b|\bFalse\b|\bnan\b|\{|\}|  ", plain(text)), text


def test_written_twice_the_bytes_are_the_same(pack, folder, tmp_path):
    pack.write(tmp_path / "again")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 60
    for path in files:
        assert (tmp_path / "again" / path.relative_to(folder)).read_bytes() == path.read_bytes(), path.name


def test_the_word_document_holds_every_figure_and_table(pack, folder):
    from docx import Document

    doc = Document(str(folder / "report.docx"))
    headings = [p.text for p in doc.paragraphs if p.style.name == "Heading 1"]
    assert headings == [section.title for section in pack.sections]
    assert len(doc.tables) == sum(len(section.tables) for section in pack.sections)
    assert [shape._inline.docPr.get("descr") for shape in doc.inline_shapes] == [p.alt for p in pack.pictures]
    cells = {cell.text for row in doc.tables[0].rows for cell in row.cells}
    assert {plain(str(cell)) for row in pack.sections[3].tables[0].rows for cell in row} <= cells


def test_figures_carry_title_and_description(pack, folder, page):
    assert [image["alt"] for image in page.images] == [picture.alt for picture in pack.pictures]
    for picture in pack.pictures:
        files = folder / "figures" / "two_columns"
        svg = (files / f"{picture.name}.svg").read_text()
        title = re.search(r"<dc:title>(.*?)</dc:title>", svg, re.DOTALL)
        assert title is not None
        assert title[1] == plain(picture.caption).replace("&", "&amp;").replace(">", "&gt;").replace("<", "&lt;")
        assert b"/Title" in (files / f"{picture.name}.pdf").read_bytes()
        text = (files / f"{picture.name}.txt").read_text()
        assert plain(picture.caption) in text
        assert picture.alt in text
        assert (folder / "figures" / "one_column" / f"{picture.name}.svg").exists() == picture.fits_one_column


def test_clean_figures_hold_no_provenance(scenario, tmp_path):
    for clean in (False, True):
        out = tmp_path / str(clean)
        kt.report(scenario, only=["design"], clean=clean, replicates=REPLICATES).write(out)
        svg = (out / "figures" / "two_columns" / "design.svg").read_text()
        assert (f"seed 1, {REPLICATES} replicates" in svg) != clean


def test_only_what_is_asked_is_worked_out(scenario, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr("kaptrial.pack.study.power_answer", never)
    monkeypatch.setattr("kaptrial.pack.study.tornado", never)
    pack = kt.report(scenario, only=["schedule", "assumptions", "estimand", "design", "enrolment", "conduct"])
    assert [section.id for section in pack.sections] == [
        "design", "schedule", "estimand", "assumptions", "enrolment", "conduct"
    ]  # fmt: skip


def test_a_prior_may_be_a_source():
    pack = kt.report("ketamine_by_cbt", only=["references"])
    assert "Prior depression_iv_2026b" in " ".join(texts(pack))
    assert "depression_iv_2026b" in pack.references


def test_an_unknown_section_is_refused(refused):
    line = refused("report", "scenarios/starter.yaml", "--only", "powr")
    assert "--only = 'powr'" in line
    assert "did you mean `power`?" in line
    with pytest.raises(FieldError):
        kt.report("starter", only=["powr"])


def test_the_same_name_is_the_same_number():
    numbers = Numbers()
    numbers.add("n", 60)
    assert numbers.add("n", 60).value == 60
    with pytest.raises(FieldError):
        numbers.add("n", 61)


def test_columns_fit_the_page_and_hold_their_words():
    rows = [["drug.half_life", "7", "between the 6 and 16 days that published response shares imply after one dose"]]
    columns = fitted(["Parameter", "Value", "How it was taken"], rows, upright=6.5, across=9)
    assert sum(columns.widths) <= 6.5
    assert not columns.across
    assert columns.widths[1] < columns.widths[0] < columns.widths[2]
    wide = fitted(["x" * 14] * 8, [["y" * 14] * 8], upright=6.5, across=9)
    assert wide.across
    assert sum(wide.widths) <= 9 + 1e-9
    assert len(set(wide.widths)) == 1


def test_a_row_with_a_first_cell_alone_heads_those_below_it():
    table = schedule(kt.load_scenario("starter"))
    heads = [row[0] for i, row in enumerate(table.rows) if i in table.groups]
    assert heads[:3] == ["Enrolment", "Interventions", "Assessments"]
    assert not planned_enrolment(kt.load_scenario("starter")).groups


def test_the_schedule_puts_each_day_where_it_falls():
    table = schedule(kt.load_scenario("starter"))
    rows = {row[0]: list(row[1:]) for row in table.rows}
    assert list(table.headings[2:]) == ["Day 0", "Day 1", "Day 7", "Day 14", "Day 28"]
    assert rows["Ketamine + CBT: CBT"] == [
        "", "", "", "2 (days 2, 5)", "3 (days 8, 11, 14)", "4 (days 17, 20, 23, 26)"
    ]  # fmt: skip
    assert rows["Ketamine: ketamine infusions"] == ["", "●", "", "", "", ""]
    assert rows["Allocation"] == ["", "●", "", "", "", ""]


def test_planned_enrolment_adds_up(scenario):
    table = planned_enrolment(scenario)
    rows = {row[0]: [int(cell) for cell in row[1:]] for row in table.rows}
    # White 42.84, 28.56, 7.56, 5.04; black 12.24, 8.16, 2.16, 1.44; Asian 6.12, 4.08, 1.08, .72: four are left over by
    # whole numbers, and go to .84, .72, .56 and .56.
    assert rows["White"] == [43, 29, 8, 5, 85]
    assert rows["Asian"] == [6, 4, 1, 1, 12]
    assert rows["Total"][-1] == sum(row[-1] for name, row in rows.items() if name != "Total") == scenario.n_total
    empty = planned_enrolment(kt.load_scenario("starter"))
    assert empty.rows[-1][-1] == "120"
    assert not any(cell for row in empty.rows[:-1] for cell in row[1:])


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (
            "sensitivity.ranges",
            {"drug.halflife": {"low": 1, "high": 2, "source": "assumption", "note": "x"}},
            "must lead",
        ),
        (
            "sensitivity.ranges",
            {"drug.share": {"low": 0.5, "high": 2, "source": "assumption", "note": "x"}},
            "must be < 1",
        ),
        (
            "sensitivity.ranges",
            {"drug.half_life": {"low": 3, "high": 2, "source": "assumption", "note": "x"}},
            "greater",
        ),
        ("sensitivity.worlds", {"odd": {"values": {"drug.half_life": -1}}}, "sensitivity.worlds.odd"),
        ("design.enrolment", {"female": 0.6, "hispanic": 0.1, "race": {"white": 0.5}}, "must sum to 1"),
    ],
)
def test_what_a_report_reads_is_checked(path, value, said):
    with pytest.raises(kt.ScenarioError, match=re.escape(said)):
        kt.load_scenario("starter", {path: value})
