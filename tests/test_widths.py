"""Every command's tables at 60 to 200 columns, terminal or pipe: the numbers of `--json` stand there whole."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

import kaptrial as kt
from kaptrial.catalogue import trial, trial_keys
from kaptrial.comparison.terminal import show_comparison
from kaptrial.evidence.terminal import show_list, show_trial
from kaptrial.methods.from_file import analyse
from kaptrial.methods.options import Options
from kaptrial.methods.terminal import show_analysis
from kaptrial.output import terminal
from kaptrial.output.terminal import by_mcse, with_error
from kaptrial.priors.recomputed import recomputed
from kaptrial.questions.assurance.terminal import SHOWN, show_assurance
from kaptrial.questions.clinic.tables import Quantity
from kaptrial.questions.clinic.terminal import show_clinic, show_plans
from kaptrial.questions.decide.terminal import HEADINGS, show_decisions
from kaptrial.questions.fit.terminal import show_fit, show_sweep
from kaptrial.questions.mechanism.terminal import NAMES, show_mechanism
from kaptrial.questions.power.beside_prior import beside_prior
from kaptrial.questions.power.cells import cells
from kaptrial.questions.power.terminal import show_check
from kaptrial.questions.size.answer import Answer, Tried
from kaptrial.questions.size.terminal import show_size
from kaptrial.results import Line, Question, Results, Row
from kaptrial.scenario.files import load, read_raw
from kaptrial.scenario.sourced import walk
from tests import DATA, SCENARIOS
from tests.record import record

WIDTHS = (60, 80, 100, 120, 200)
MADE = {"title": "a trial", "seed": 1, "replicates": 16, "draws": 4, "version": "0", "data": "a file"}
OF_QUESTION = ("analysis", "contrast", "measure", "endpoint", "day", "strategies", "benchmark")
OF_ROW = ("metric", "value", "mcse", "n_replicates", "n_failed", "favours")


@pytest.fixture(params=[(width, tty) for width in WIDTHS for tty in (True, False)], ids=str)
def page(request, monkeypatch, capsys):
    """Print, and give what was printed at one width, to a terminal or into a pipe; no line is longer."""
    width, tty = request.param
    size = SimpleNamespace(columns=width, lines=24)
    monkeypatch.setattr(terminal.shutil, "get_terminal_size", lambda fallback: size)
    monkeypatch.setattr("sys.stdout.isatty", lambda: tty, raising=False)

    def printed(show, *arguments):
        show(*arguments)
        out = capsys.readouterr().out
        assert max(map(len, out.splitlines())) <= width
        assert "…" not in out
        return out

    return printed


def recorded(name):
    """The rows of a job of the record."""
    rows = []
    for raw in record.read(name):
        columns = {key: value for key, value in raw.items() if key not in (*OF_QUESTION, *OF_ROW, "n_draws")}
        about = Question(**{key: raw.get(key) for key in OF_QUESTION}, columns=tuple(columns.items()))
        more = {key: raw[key] for key in ("n_draws",) if key in raw}
        rows.append(Row(question=about, **{key: raw.get(key) for key in OF_ROW}, more=more))
    return rows


def finite(value):
    return isinstance(value, int | float) and math.isfinite(value)


def test_assurance(page):
    rows = recorded("assurance")
    out = page(show_assurance, Results(kind="assurance", rows=rows, provenance=MADE))
    for row in rows:
        if row.metric in {metric.format("") for _, metric in SHOWN}:
            assert with_error(row) in out
        elif row.metric == "truth_mean":
            assert by_mcse(row.value, row.mcse) in out


@pytest.mark.parametrize("name", ["decide", "decide_prior"])
def test_decide(page, name):
    rows = recorded(name)
    asked = cells(read_raw(SCENARIOS / "kare_factorial.yaml"), {}, variants=False)
    results = SimpleNamespace(rows=rows, provenance=MADE, notes=(), headline=None, cells=asked)
    out = page(show_decisions, results)
    for row in rows:
        if row.metric in HEADINGS:
            assert with_error(row) in out


def test_clinic(page):
    rows = [Quantity(**raw) for raw in record.read("clinic")]
    out = page(show_clinic, Results(kind="clinic", rows=rows, provenance=MADE))
    for q in rows:
        assert all(by_mcse(x, q.mcse) in out for x in (q.value, q.lower, q.upper) if q.table != "bottleneck")


def test_plans(page):
    rows = [Line(numbers=raw) for raw in record.read("clinic_plans")]
    path = "clinic.sites[0].therapists.cbt"
    results = SimpleNamespace(flat=lambda: [row.flat() for row in rows], paths=(path,), provenance=MADE, notes=[])
    out = page(show_plans, results)
    for row in rows:
        numbers = row.numbers
        assert f"{by_mcse(numbers['power'], numbers['power_mcse'])} ±" in out
        assert f"{numbers['cost']:,.0f}" in out
        assert f"{numbers['months']:.1f}" in out


def test_compare(page):
    names = ("starter", "a_rather_long_name_of_a_design")
    numbers = {"power": 0.9223, "type_i_error": 0.0481, "assurance": 0.7371, "months": 30.46, "cost": 1444954.0}
    errors = {"power": 0.006, "type_i_error": 0.005, "assurance": 0.03, "months": 0.48, "cost": 14797.0}
    counted = {"n": 120.0, "exposed": 1200.0, "therapist_hours": 2400.5}
    known = numbers | counted | {f"{name}_mcse": errors.get(name, 0.0) for name in (*numbers, *counted)}
    more = {f"{name}_difference": -value for name, value in known.items() if not name.endswith("_mcse")}
    more |= {f"{name}_difference_mcse": errors.get(name, 0.0) for name in (*numbers, *counted)}
    rows = [{"design": name, **known, **more, "currency": "EUR", "dominated_by": names[0]} for name in names]
    results = Results(kind="compare", rows=[Line(numbers=row) for row in rows], provenance=MADE)
    out = page(show_comparison, results)
    for number in ("0.922", "0.048", "0.74", "30.5", "1,444,954", "120", "1,200", "2,400", "-0.922", "-1,444,954"):
        assert number in out


def test_size(page):
    about = {"analysis": "mmrm", "contrast": "a - b", "endpoint": "score", "day": 28.0, "metric": "size"}
    tried = tuple(Tried(value=n, power=0.8 + n / 1e3, mcse=0.011, replicates=1000) for n in (52.0, 57.0, 63.0))
    answer = Answer(
        **about, path="design.n_per_arm", target=0.9, value=57.0, lower=52.0, upper=63.0, lower_999=50.0,
        upper_999=65.0, achieved=0.9012, achieved_mcse=0.004, achieved_replicates=5000, achieved_seed=2,
        closed_form=56.0, closed_form_kind="approximate", reached=True, tried=tried,
    )  # fmt: skip
    out = page(show_size, answer.results(MADE))
    assert all(f"{by_mcse(t.power, t.mcse)} ± 0.01" in out for t in tried)
    assert " ".join(out.split()).startswith("90 % power for a - b, score on day 28 by mmrm needs design.n_per_arm = 57")


@pytest.mark.parametrize(
    ("file", "method", "options"),
    [
        ("two_arm_monotone.csv", "mmrm", {"reference": "ketamine"}),
        ("two_arm_monotone.csv", "reference_based", {"reference": "ketamine"}),
        ("partially_nested.csv", "nested", {"reference": "ketamine"}),
        ("relapse.csv", "cox", {"reference": "ketamine"}),
        ("relapse.csv", "rmst", {"reference": "ketamine", "target_day": 90.0}),
    ],
)
def test_analyse(page, file, method, options):
    results = analyse(DATA / file, method, Options(**options), list(options))
    out = page(show_analysis, results)
    for row in results.flat():
        se = row.get("se")
        if finite(se) and finite(row["p"]):
            shown = [by_mcse(row[name], se / 10) for name in ("estimate", "lower", "upper") if finite(row[name])]
            assert all(x in out for x in shown)


def test_mechanism(page):
    names = list(NAMES)
    rows = [
        {"variant": variant, "parameter": name, "told_by": "the data", "contraction": 0.5}
        | dict.fromkeys(("prior_median", "prior_lower", "prior_upper", "median", "lower", "upper"), 1.2345 * (k + 1))
        for variant in ("additive", "window synergy (γ)")
        for k, name in enumerate(names)
    ]
    fitted = SimpleNamespace(
        variants=(), rows=[SimpleNamespace(**row) for row in rows], ranking=None, why_not="one arm", best=None
    )
    out = page(show_mechanism, fitted, MADE)
    for k in range(len(names)):
        x = f"{1.2345 * (k + 1):.2g}"
        assert f"{x} ({x} to {x})" in out


@pytest.fixture(scope="module")
def posteriors():
    return kt.fit(
        DATA / "factorial_intermittent.csv", factors=["ketamine", "therapy"], prior=["weak", "flat"], draws=100
    )


@pytest.mark.validation
def test_fit(page, posteriors):
    """One prior, and several side by side."""
    for prior in ("weak", "flat"):
        assert prior in page(show_sweep, posteriors)
    out = page(show_fit, posteriors)
    rows = [row for row in posteriors.flat() if row["prior"] == "weak" and row["measure"] == "difference"]
    for row in rows:
        if row["contrast"] in posteriors.posteriors[0].model.data.effects:
            shown = (by_mcse(row[name], row["mcse_mean"]) for name in ("mean", "sd", "lower", "upper"))
            assert all(x in out for x in shown)


def test_evidence(page):
    studies = [trial(key) for key in trial_keys()]
    out = page(show_list, studies)
    assert all(study.key in out for study in studies)
    for study in studies[:5]:
        out = page(show_trial, study)
        assert all(str(figure.value) in out for figure in study.figures if finite(figure.value))


@pytest.mark.parametrize("name", ["starter", "kare_factorial", "ketamine_by_cbt"])
def test_check(page, name):
    path = SCENARIOS / f"{name}.yaml"
    scenario = load(path)
    out = page(show_check, scenario, path.name, beside_prior(scenario, MADE), recomputed(scenario))
    for where, value in walk(scenario):
        if value.is_assumption:
            assert f"{value.value:g}" in out
            assert where in out or where in "".join(out.split())
