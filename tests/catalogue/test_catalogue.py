"""The catalogue: every source key resolves, every figure says where it was read, every trial can be expressed, and a
second reading of what the model is to reproduce."""

from __future__ import annotations

import csv
import re
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from kaptrial import catalogue
from kaptrial.catalogue.trials import QUALITIES
from kaptrial.evidence.synthesis.arms import courses

DATA = files("kaptrial.catalogue") / "data"
TRIALS = catalogue.trial_keys()
WITH_TARGETS = tuple(key for key in TRIALS if any(figure.target for figure in catalogue.trial(key).figures))
# The response model has no population for these: their targets are shares of patients or of days without use.
ADDICTIONS = {"alcohol use disorder", "cocaine dependence", "opioid dependence", "cannabis dependence"}
# What a trial of an addiction may measure without a scale of the catalogue: who was abstinent.
OWN_STATISTICS = {"abstinent"}


def load(name):
    return yaml.safe_load((DATA / f"{name}.yaml").read_text(encoding="utf-8"))


def sources_named(node):
    if isinstance(node, dict):
        if "source" in node:
            yield node["source"]
        for value in node.values():
            yield from sources_named(value)
    elif isinstance(node, list):
        for value in node:
            yield from sources_named(value)


def arms_named(measure):
    """The arms a measure names: `a`, `a - b`, `a / b`, or `main f` for those of a factorial whose id begins with f."""
    return measure["arm"].removeprefix("main ").replace(" / ", " - ").split(" - ")


@pytest.mark.parametrize("name", ["scales", "routes"])
def test_every_source_key_resolves(name):
    known = catalogue.source_keys() | {"definition"}
    named = set(sources_named(load(name)))
    assert len(named) > 5
    assert named <= known


def test_what_only_a_document_speaks_of_is_no_source():
    """A scenario may cite a trial, but not one that stands in a source document only."""
    only_there = {key for key in TRIALS if key.startswith("doc_")}
    assert len(only_there) == 12
    assert catalogue.source_keys().isdisjoint(only_there)
    assert set(TRIALS) - only_there <= catalogue.source_keys()
    assert set(load("sources")).isdisjoint(TRIALS)


def test_every_figure_of_a_source_says_where_it_was_read():
    for key in load("sources"):
        source = catalogue.source(key)
        citation = TypeAdapter(catalogue.Citation).validate_python(source["citation"])
        assert citation.title or citation.described, key
        assert (citation.doi is None) == (citation.doi_status is None), key
        for figure in source.get("figures", []):
            assert "value" in figure, key
            assert figure["quality"] in set(QUALITIES) - {"document_only"}, (key, figure)
            assert figure.get("url") or figure.get("how"), (key, figure)


@pytest.mark.parametrize("key", TRIALS)
def test_every_figure_of_a_trial_says_where_it_was_read(key):
    trial = catalogue.trial(key)
    for figure in trial.figures:
        assert figure.quality in QUALITIES, figure
        assert figure.url or figure.how or figure.quality == "document_only", figure
        assert (figure.quality == "derived") <= bool(figure.how), figure
        assert not (figure.target and figure.not_target), figure


def test_trials_that_only_a_document_speaks_of_have_no_other_figures():
    for key in TRIALS:
        if key.startswith("doc_"):
            assert {figure.quality for figure in catalogue.trial(key).figures} == {"document_only"}, key


def test_contained_trials_are_in_the_catalogue():
    containing = {key: catalogue.trial(key).contains for key in TRIALS if catalogue.trial(key).contains}
    assert containing
    for key, contained in containing.items():
        assert set(contained) <= set(TRIALS) - {key}


@pytest.mark.parametrize("key", TRIALS)
def test_arms_can_be_expressed(key):
    """Every trial with targets has arms that the synthesis can read, unless it is of an addiction."""
    trial = catalogue.trial(key)
    assert trial.arms or key not in WITH_TARGETS
    if trial.indication in ADDICTIONS:
        assert all(raw["n"] > 0 for raw in trial.arms)
        return
    read = courses(trial)
    assert list(read) == [raw["id"] for raw in trial.arms]
    for raw, course in zip(trial.arms, read.values(), strict=True):
        assert course.n == raw["n"] > 0
        given = [doses for doses in raw.get("doses", []) if doses["agent"] in ("ketamine", "esketamine")]
        assert len(course.dose_days) == sum(len(doses["days"]) for doses in given)
        assert all(size > 0 for size in course.dose_sizes)


@pytest.mark.parametrize("key", WITH_TARGETS)
def test_measures_name_what_is_there(key):
    trial = catalogue.trial(key)
    ids = [raw["id"] for raw in trial.arms]
    for measure in (measure for figure in trial.figures for measure in figure.measures):
        is_main = measure["arm"].startswith("main ")
        assert not is_main or trial.design == "factorial"
        for arm in arms_named(measure):
            matching = [each for each in ids if each == arm or (is_main and each.split("_")[0] == arm)]
            assert matching, (measure, ids)
        if measure["statistic"] in OWN_STATISTICS:
            assert trial.indication in ADDICTIONS, measure
            assert "endpoint" not in measure, measure
        else:
            assert measure["endpoint"] in catalogue.scale_names(), measure
            if trial.indication not in ADDICTIONS:
                assert measure["endpoint"] in trial.baselines, measure
        assert "day" in measure or "days" in measure, measure


# --- the second reading -----------------------------------------------------------------------------------------------

# Retyped, not copied from the catalogue: from the collected evidence; albott2018, correiamelo2020, lii2023 from the
# abstracts of these trials.
READING = list(csv.DictReader((Path(__file__).parent / "second_reading.csv").read_text(encoding="utf-8").splitlines()))
# Retyped from publications other than trials: key, a word of the statistic, value.
OTHER_SOURCES = [
    ("han2016", "response", [52.2, 20.6]),
    ("cuijpers2014", "", 0.43),
    ("wampold2005", "", 5),
    ("mcgirr2015", "OR remission", 7.06),
    ("morin2011_isi", "ISI change", -8.4),
    ("isi_pubcompare", "ISI range", [0, 28]),
    ("isi_pubcompare", "ISI remission", 8),
    ("psqi_bioprotocol", "PSQI", [0, 21]),
    ("shaps_nida", "SHAPS range", [0, 14]),
    ("shaps_nida", "SHAPS normal", 2),
    ("mundt2002", "one domain", [0, 8]),
    ("mundt2002", "subclinical", 10),
    ("sds_psychcongress", "SDS", [0, 30]),
    ("who5_valant", "range", [0, 100]),
    ("kleindienst2020", "range", [0, 4]),
    ("kleindienst2020", "best separates", 1.5),
    ("zanarini2003", "ZAN-BPD", [0, 36]),
    ("flannery1999", "item", [0, 6]),
    ("hartwell2019", "craving", 15),
    ("edeq_pmc8485346", "EDE-Q", 2.8),
    ("fq_mrcpsych", "FQ", [0, 120]),
    ("cadss_nct04226963", "CADSS", [0, 92]),
    ("cssrs_guide", "intensity", [2, 25]),
    ("cgi_nida", "severity", [1, 7]),
    ("cgi_nida", "improvement", [1, 7]),
    ("teo2018", "cut-off", 42),
    ("euroqol_faq", "VAS", [0, 100]),
    ("moca_table", "total", 30),
    ("hads_bioprotocol", "noncase", [0, 7]),
    ("dbt_jpn_table", "", 16.61),
    ("ogawa2020", "", 75.5),
    ("iliakis2021", "outpatients", 28.2),
    ("isi_pcl5_tbi", "correlation", 0.46),
    ("byrne2011", "completed", 53),
]


def numbers(text):
    return [float(word) for word in text.split()]


def matching_figures(row, figures):
    return [f for f in figures if (f.time, f.arm, f.statistic) == (row["time"], row["arm"], row["statistic"])]


@pytest.mark.parametrize("row", READING, ids=lambda row: f"{row['key']}: {row['statistic']}, {row['arm']}")
def test_second_reading(row):
    matching = matching_figures(row, catalogue.trial(row["key"]).figures)
    assert len(matching) == 1
    (figure,) = matching
    assert figure.target
    value = figure.value if isinstance(figure.value, list) else [figure.value]
    assert value == ([row["value"]] if isinstance(figure.value, str) else numbers(row["value"]))
    if row["spread"]:
        name, *rest = row["spread"].split()
        spread = figure.uncertainty[name]
        assert (spread if isinstance(spread, list) else [spread]) == [float(word) for word in rest]


def test_the_second_reading_has_every_target():
    """Nothing that the model is to reproduce was read only once, and nothing stands twice in the table."""
    assert len(WITH_TARGETS) > 30
    for key in WITH_TARGETS:
        rows = [row for row in READING if row["key"] == key]
        targets = [figure for figure in catalogue.trial(key).figures if figure.target]
        read = sorted((row["time"], row["arm"], row["statistic"]) for row in rows)
        assert read == sorted((figure.time, figure.arm, figure.statistic) for figure in targets), key


def test_a_measure_has_its_figures_value_or_says_another():
    """`value` under measure stands only where sign or unit differs: a fall, a count of patients, weeks, a middle."""
    for key in WITH_TARGETS:
        for figure in catalogue.trial(key).figures:
            for measure in figure.measures:
                if "value" not in measure:
                    assert isinstance(figure.value, int | float), (key, figure)
                elif not isinstance(figure.value, list):
                    assert measure["value"] != figure.value, (key, figure)
                else:
                    assert min(figure.value) <= measure["value"] <= max(figure.value), (key, figure)


@pytest.mark.parametrize(("key", "statistic", "value"), OTHER_SOURCES)
def test_second_reading_of_other_sources(key, statistic, value):
    figures = catalogue.source(key)["figures"]
    assert any(f["value"] == value and statistic in str(f.get("statistic", "")) for f in figures)


def test_no_figure_stands_in_a_source_document_only():
    assert "document_only" not in (DATA / "sources.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", catalogue.scale_names())
def test_scales_are_whole(name):
    scale = catalogue.scale(name)
    assert scale.low < scale.high
    assert scale.better in ("lower", "higher")
    assert scale.response_fraction is None or 0 < scale.response_fraction < 1
    assert scale.step > 0 or scale.link == "logit"


def test_the_range_of_a_scale_is_that_of_its_source():
    """Where a figure of the source is the range of that scale, by its name."""
    compared = set()
    for name, said in load("scales").items():
        source = load("sources").get(said["range"]["source"], {})
        for figure in source.get("figures", ()):
            stated = figure["statistic"]
            if re.fullmatch(rf"{re.escape(name)} ((mean|global|percentage|total phobia) score |total )?range", stated):
                assert figure["value"] == [said["range"]["low"], said["range"]["high"]], name
                compared.add(name)
    assert {"PACS", "WSAS", "WHO-5", "BSL-23", "ZAN-BPD", "SHAPS", "ISI", "PSQI", "SDS", "CADSS", "FQ"} <= compared


def test_the_scales_asked_for_are_there():
    asked = {
        "MADRS", "HDRS-17", "HDRS-24", "HDRS-25", "QIDS-SR", "BDI-II", "PHQ-9", "CAPS-5", "PCL-5", "IES-R", "Y-BOCS",
        "HAM-A", "LSAS", "GAD-7", "HADS", "ITQ", "percent_abstinent_days", "MADRS-10", "BSS", "C-SSRS-severity",
        "C-SSRS-intensity", "VAS-craving", "PACS", "EDE-Q", "BSL-23", "ZAN-BPD", "SHAPS", "ISI", "PSQI", "WSAS", "SDS",
        "WHO-5", "CADSS", "FQ", "CGI-S",
    }  # fmt: skip
    assert asked <= set(catalogue.scale_names())
    assert {"IV", "IM", "SC", "IN", "SL", "oral"} <= set(catalogue.route_names())
    assert catalogue.potency("ketamine") == 1


@pytest.mark.parametrize(("key", "shown"), [("mcgirr2015", "OR remission"), ("veraart2026", "articles")])
def test_a_source_that_is_no_trial_is_shown_with_its_figures_and_cited(run, capsys, key, shown):
    run("evidence", "show", key)
    printed = capsys.readouterr().out
    assert catalogue.source(key)["citation"]["authors"][0] in printed
    assert shown in printed
    assert all(str(figure["value"]) in printed for figure in catalogue.source(key)["figures"])
    assert "Note: " in printed
    run("evidence", "show", key, "--cite", "bibtex")
    assert capsys.readouterr().out.startswith(f"@article{{{key},")


def test_what_is_no_source_is_refused_with_the_nearest(refused):
    assert "did you mean `mcgirr2015`" in refused("evidence", "show", "mcgirr2014")
    assert "which `kaptrial evidence card` shows" in refused("evidence", "show", "depression_iv_2026")
