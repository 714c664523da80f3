"""The catalogue: every source key resolves, every figure says where it was read, and a second reading of some
of them."""

from __future__ import annotations

from importlib.resources import files

import pytest
import yaml

from kaptrial import catalogue

DATA = files("kaptrial.catalogue") / "data"
QUALITIES = {"abstract", "conference_abstract", "press_release", "registry", "grant_abstract", "secondary", "derived"}


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


@pytest.mark.parametrize("name", ["scales", "routes"])
def test_every_source_key_resolves(name):
    known = catalogue.source_keys() | {"definition"}
    named = set(sources_named(load(name)))
    assert len(named) > 5
    assert named <= known


def test_every_figure_says_where_it_was_read():
    for key, source in load("sources").items():
        assert source["citation"], key
        for figure in source.get("figures", []):
            assert "value" in figure, key
            assert figure["quality"] in QUALITIES, (key, figure)
            assert figure.get("url") or figure.get("how"), (key, figure)


# Retyped from the publications' abstracts as read: key, a word of the statistic, value.
SECOND_READING = [
    ("singh2016", "MADRS change", -18.4),
    ("feder2021", "CAPS-5 difference", -11.88),
    ("feder2025_wet", "CAPS-5 mean", 41.6),
    ("grabski2022_kare", "% days abstinent", 10.1),
    ("grabski2022_kare", "% days abstinent", 15.9),
    ("phillips2019", "response", 59),
    ("wilkinson2019_ipd", "ketamine vs saline", 1.8),
    ("cuijpers2014", "", 0.43),
    ("wampold2005", "", 5),
    ("wilkinson2021", "Cohen d MADRS", 0.65),
]


@pytest.mark.parametrize(("key", "statistic", "value"), SECOND_READING)
def test_second_reading(key, statistic, value):
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


def test_the_scales_asked_for_are_there():
    asked = {
        "MADRS", "HDRS-17", "HDRS-24", "HDRS-25", "QIDS-SR", "BDI-II", "PHQ-9", "CAPS-5", "PCL-5", "IES-R", "Y-BOCS",
        "HAM-A", "LSAS", "GAD-7", "HADS", "ITQ", "percent_abstinent_days",
    }  # fmt: skip
    assert asked <= set(catalogue.scale_names())
    assert {"IV", "IM", "SC", "IN", "SL", "oral"} <= set(catalogue.route_names())
    assert catalogue.potency("ketamine") == 1
