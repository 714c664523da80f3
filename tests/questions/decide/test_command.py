"""`kaptrial decide` reads rule, priors and looks from the scenario; options override them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kaptrial.catalogue.effect_priors import NAMES
from kaptrial.cli import main
from kaptrial.questions.clinic.operations import clinic_key
from kaptrial.questions.power.cells import Cell
from kaptrial.questions.power.characteristics import count_replicates
from kaptrial.questions.power.shared import truth_key
from kaptrial.scenario.decision import DecisionRule
from kaptrial.scenario.files import load
from kaptrial.scenario.trial import Look
from tests import SCENARIOS

STARTER = SCENARIOS / "starter.yaml"
RULE = {"margin": 1, "go": 0.9, "no_go": 0.2, "rope": 2, "rope_probability": 0.8}
DECLARED = """
decision:
  {margin: 1, go: 0.9, no_go: 0.2, rope: 2, rope_probability: 0.8, priors: [weak], design_priors: [null]}
"""
BY_OPTIONS = [f"--{name.replace('_', '-')}={value}" for name, value in RULE.items()]
BY_OPTIONS += ["--prior=weak", "--design-prior=null", "--interim=0.6", "--futility=0.1"]


@pytest.fixture
def declared(tmp_path):
    """The starter with a rule and a look that differ from the defaults in every field."""
    text = STARTER.read_text(encoding="utf-8")
    path = tmp_path / "declared.yaml"
    at = "  n_per_arm: 60"
    assert text.count(at) == 1
    path.write_text(text.replace(at, f"  looks: [{{share: 0.6, futility: 0.1}}]\n{at}") + DECLARED, encoding="utf-8")
    return path


def run(*arguments: object, to: Path) -> tuple[list[dict], dict]:
    """The rows and the provenance of `decide`."""
    with pytest.raises(SystemExit) as stop:
        main(["decide", *map(str, arguments), "--replicates", "128", "--no-nuisance", "--json", str(to)])
    assert stop.value.code == 0
    content = json.loads(to.read_text(encoding="utf-8"))
    return content["results"], content["provenance"]


def refused(capsys, *arguments: object) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["decide", *map(str, arguments), "--replicates", "128"])
    assert stop.value.code == 2
    return capsys.readouterr().err.strip()


def test_what_is_declared_is_what_options_would_say(declared, tmp_path):
    rows, made = run(declared, to=tmp_path / "declared.json")
    by_options, also_made = run(STARTER, *BY_OPTIONS, to=tmp_path / "options.json")
    assert rows == by_options
    assert made["rule"] == also_made["rule"] == {**RULE, "priors": ["weak"], "design_priors": ["null"]}
    assert made["interim"] == also_made["interim"] == [{"share": 0.6, "futility": 0.1}]


def test_an_option_overrides_its_field_and_no_other(declared, tmp_path):
    out = tmp_path / "out"
    rows, made = run(declared, "--go", 0.8, "--interim", 0.4, "--prior", "all", "-o", out, to=tmp_path / "a.json")
    assert made["rule"] == {**RULE, "go": 0.8, "priors": list(NAMES), "design_priors": ["null"]}
    assert made["interim"] == [{"share": 0.4, "futility": 0.1}]
    # What was run stands in the folder, and runs again without an option.
    assert run(out / "scenario.yaml", to=tmp_path / "b.json")[0] == rows
    _, made = run(declared, "--futility", 0.3, "--prior", "flat,flat", to=tmp_path / "c.json")
    assert made["rule"] == {**RULE, "priors": ["flat"], "design_priors": ["null"]}
    assert made["interim"] == [{"share": 0.6, "futility": 0.3}]


def test_a_field_of_the_rule_varies_as_any_path_does(declared, tmp_path, capsys):
    """A varied value goes before an option, as before --set; each value sees the same trials."""
    rows, _ = run(declared, "--vary", "decision.go=0.8,0.95", "--go", 0.6, to=tmp_path / "varied.json")
    shown = capsys.readouterr().out
    assert "go if P(better than 1 points) ≥ 0.8;" in shown
    assert "≥ 0.95;" in shown
    for go in (0.8, 0.95):
        alone, _ = run(declared, "--set", f"decision.go={go}", to=tmp_path / "alone.json")
        assert [row | {"decision.go": go} for row in alone] == [r for r in rows if r["decision.go"] == go]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--margin", "nan"], "--margin = nan: must be a finite number"),
        (["--go", 0.3], "--go = 0.3: must be a probability from 0.5"),
        (["--no-go", 0.95], "--no-go = 0.95: must be a probability from 0 to below --go, 0.9"),
        (["--rope", 0], "--rope = 0: must be more than 0 points"),
        (["--rope-probability", 1], "--rope-probability = 1: must be a probability"),
        (["--prior", "weak,sceptical"], "--prior = 'sceptical': must be one of flat, weak"),
        (["--design-prior", "hope"], "--design-prior = 'hope': must be one of scenario, null"),
        (["--design-prior", "null,prior"], "--design-prior = 'prior': needs the scenario's own prior"),
        (["--interim", 1], "--interim = 1: must be a share"),
        (["--futility", 1], "--futility = 1: must be a probability"),
        # what the file says is named by its path, also where it is an option with which it does not go
        (["--set", "decision.no_go=0.7", "--go", 0.6], "decision.no_go = 0.7: must be a probability from 0 to below"),
        (["--set", "decision.design_priors=[null, prior]"], "decision.design_priors[1] = 'prior': needs"),
        (["--vary", "decision.priors[0]=weak,flat"], "decision.priors = 'varied': must be one list"),
    ],
)
def test_errors_name_the_option_that_was_given_or_else_the_path(options, says, declared, capsys):
    message = refused(capsys, declared, *options)
    assert message.startswith(f"kaptrial: {says}")
    assert "\n" not in message


def test_futility_needs_a_look(capsys):
    assert "--futility = 0.1: needs a look: --interim, or design.looks" in refused(capsys, STARTER, "--futility", 0.1)


def test_the_help_states_the_defaults(capsys):
    with pytest.raises(SystemExit):
        main(["decide", "--help"])
    text = "".join(capsys.readouterr().out.split())
    default, look = DecisionRule(), Look(share=0.5)
    probabilities = {"go": default.go, "no-go": default.no_go, "rope-probability": default.rope_probability}
    priors = {"prior": ",".join(default.priors), "design-prior": ",".join(default.design_priors)}
    for option, value in {**probabilities, **priors, "futility": look.futility}.items():
        assert f"{option}{value}" in text
    assert (default.margin, default.rope) == (0, None)  # not stated: nothing to overcome, and no ROPE


@pytest.mark.parametrize("command", ["check", "describe"])
def test_the_rule_and_the_looks_are_said(command, declared, capsys):
    said = []
    for path in (declared, STARTER):
        with pytest.raises(SystemExit):
            main([command, str(path)])
        said.append(" ".join(capsys.readouterr().out.split()))
    assert (
        "decision: go if P(better than 1 points) ≥ 0.9; no go if ≤ 0.2; no difference if P(within ± 2 points) ≥ 0.8;"
        " analysis priors weak; design priors null"
        " look after 60 % of the patients: stop if P(go at the end) < 0.1"
    ) in said[0]
    assert "decision" not in said[1]


def test_trials_are_the_same_whatever_is_decided_on_them():
    s = load(SCENARIOS / "clinic_one_therapist_short.yaml")
    other = replace(s, decision=DecisionRule(margin=2), design=replace(s.design, looks=(Look(share=0.5),)))
    cells = [Cell(scenario=each, columns={}) for each in (s, other)]
    assert count_replicates(cells, 256) == count_replicates(cells[:1], 256)
    assert truth_key(s) == truth_key(other)
    assert clinic_key(s) == clinic_key(other)
