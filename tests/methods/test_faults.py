"""Files that once gave a wrong number, each with the right one and how it is known; further files of the same kinds.

The inputs in tests/data/faults/ were made for this purpose. Values of R are from `glm.nb`, `gls`, `survdiff`, `coxph`
and `logistf`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kaptrial.cli import main
from kaptrial.errors import DataError, FieldError, ScenarioError, UserError
from kaptrial.estimators.mmrm import MAX_VISITS
from kaptrial.method_table import methods
from kaptrial.methods.from_file import analyse
from kaptrial.methods.options import Options
from kaptrial.scenario.files import build, load, with_settings
from kaptrial.simulation.trials import read_csv
from tests import DATA, SCENARIOS
from tests.builders import clean_raw, number

FAULTS = DATA / "faults"
KENWARD_ROGER = Options(df="kenward-roger", target_day=28)


def first(name: str, method: str, **options: object) -> dict:
    return analyse(FAULTS / f"{name}.csv", method, Options(**options)).flat()[0]


def notes(path: Path, method: str = "ancova", **options: object) -> str:
    return "\n".join(note.text for note in analyse(path, method, Options(**options)).notes)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "data.csv"
    path.write_text(text)
    return path


def rows_of(table: pd.DataFrame, tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    table.to_csv(path, index=False)
    return path


def made(n: int = 24) -> pd.DataFrame:
    """One visit of n patients in two arms."""
    i = np.arange(n)
    return pd.DataFrame(
        {"patient": [f"P{k}" for k in i], "arm": np.array(["a", "b"])[i % 2], "day": 7, "baseline": 30.0 + i % 5,
         "score": 20.0 + (7 * i) % 11}
    )  # fmt: skip


# --- one row a patient, or one a patient and visit --------------------------------------------------------------------


@pytest.mark.parametrize(("name", "method", "options"), [
    ("abslong", "abstinent_days", {}), ("abslong", "beta_binomial", {}),
    ("abslong", "counts", {"score": "abstinent_days", "of": "days"}), ("cntdup", "counts", {}),
])  # fmt: skip
def test_several_rows_a_patient_are_refused(name, method, options):
    with pytest.raises(DataError, match=r"has two rows .*must be one"):
        first(name, method, **options)


def test_one_row_a_patient_is_what_r_says():
    share, count = first("absshort", "abstinent_days"), first("cnt", "counts")
    assert (share["se"], share["p"]) == (pytest.approx(0.307, abs=5e-4), pytest.approx(0.15, abs=5e-3))
    assert count["se"] == pytest.approx(0.4229, abs=5e-5)  # glm.nb
    assert (share["n_observed"], count["n_observed"]) == (40, 80)
    assert first("absshort", "beta_binomial")["n_observed"] == 40


def test_a_file_without_patients_says_what_a_row_is_taken_for(tmp_path):
    path = written(tmp_path, "arm,count\n" + "a,1\na,4\nb,3\nb,0\n" * 3)
    assert "each row is taken as a patient" in notes(path, "counts")


# --- days -------------------------------------------------------------------------------------------------------------


def test_the_baselines_own_rows_are_no_outcome():
    for more, expected in (({}, (-1.175, 2.065, 37)), ({"constrained_baseline": True}, (-1.175, 2.087, 38))):
        options = {"df": "kenward-roger", "target_day": 28.0, **more}
        with_day_0, without = (first(name, "mmrm", **options) for name in ("day0", "base"))
        assert with_day_0 == without
        assert with_day_0["estimate"] == pytest.approx(expected[0], abs=5e-4)
        assert with_day_0["se"] == pytest.approx(expected[1], abs=5e-4)  # gls of R
        assert with_day_0["df"] == pytest.approx(expected[2], abs=1e-6)  # as many patients less arms and slopes
    assert "40 rows of day 0 left out" in notes(FAULTS / "day0.csv", "mmrm")


def test_nor_with_therapists_or_imputation(tmp_path):
    path = tmp_path / "data.csv"
    results = []
    for name in ("day0", "base"):
        table = pd.read_csv(FAULTS / f"{name}.csv")
        table["therapist"] = np.where(table["arm"] == "trt", "T" + (table["patient"] % 4).astype(str), "")
        table.loc[(table["day"] == 28) & (table["patient"] % 5 == 0), "score"] = np.nan
        table.to_csv(path, index=False)
        results.append(
            [analyse(path, "nested_mmrm", Options(target_day=28.0)).flat()[0],
             analyse(path, "reference_based", Options(imputation=("JR",), covariance=("us",))).flat()[0]]
        )  # fmt: skip
    assert results[0] == results[1]


def test_a_day_0_score_that_is_not_the_baseline_is_said(tmp_path):
    more = made()
    path = rows_of(pd.concat([more, more.assign(day=0)]), tmp_path)
    assert "24 of them with another score than the baseline" in notes(path)


def test_one_unscheduled_visit_leaves_the_others_as_they_are():
    spare, base = (analyse(FAULTS / f"{name}.csv", "mmrm").flat() for name in ("one_visit", "base"))
    assert spare == base
    assert all(not row["failure"] for row in spare)
    assert "left out: too few for a model" in notes(FAULTS / "one_visit.csv", "mmrm")


def test_rows_are_taken_to_the_visits_named():
    path = FAULTS / "jitter.csv"
    options = {"visits": (7.0, 14.0, 28.0), "window": 3.0}
    rows = [row for row in analyse(path, "mmrm", Options(**options)).flat() if row["measure"] == "difference"]
    table = pd.read_csv(path)
    assert [row["day"] for row in rows] == [7, 14, 28]
    assert [row["n_observed"] for row in rows] == [40, 40, 40]
    said = notes(path, "mmrm", **options)
    assert f"{int((~table['day'].isin([7, 14, 28])).sum())} rows taken to the nearest visit" in said
    assert "if they are one visit, name the visits" in notes(path, "mmrm")


def test_rows_beyond_the_window_are_left_out_and_two_as_near_refused(tmp_path):
    table = made()
    late, twice = table.assign(day=40), pd.concat([table.assign(day=6), table.assign(day=8)])
    options = {"visits": (7.0,), "window": 2.0}
    assert "24 rows in no visit's window (days 40" in notes(rows_of(pd.concat([table, late]), tmp_path), **options)
    with pytest.raises(DataError, match="two rows for day 7"):
        notes(rows_of(twice, tmp_path), **options)
    nearer = pd.concat([table, table.assign(day=8, score=0.0)])
    assert "24 rows left out: a nearer one" in notes(rows_of(nearer, tmp_path), **options)
    with pytest.raises(FieldError, match="goes with `visits`"):
        notes(rows_of(table, tmp_path), window=2.0)


# --- text is text -----------------------------------------------------------------------------------------------------


def test_codes_that_are_equal_as_numbers_are_two():
    sd = next(row for row in analyse(FAULTS / "th_dec.csv", "nested").flat() if row["measure"] == "therapist_sd")
    assert sd["estimate"] == pytest.approx(4.62, abs=5e-3)
    assert first("stratdec", "logrank", stratum="site")["statistic"] == pytest.approx(0.432, abs=5e-4)  # survdiff


def test_patients_1_1_and_1_10_are_two(tmp_path):
    table = made().assign(patient=lambda t: ["1.1", "1.10", *t["patient"][2:]])
    assert analyse(rows_of(table, tmp_path)).flat()[0]["n_observed"] == 24


@pytest.mark.parametrize("name", ["None", "NA", "nan", "null"])
def test_an_arm_may_be_called_nothing(tmp_path, name):
    path = rows_of(made().replace({"arm": {"a": name}}), tmp_path)
    (row,) = analyse(path, options=Options(reference=name)).flat()
    assert row["contrast"] == f"b - {name}"
    assert f"{name!r} is taken as a name" in notes(path)


def test_a_trailing_blank_makes_no_third_arm(tmp_path):
    table = made()
    table.loc[3, "arm"] = "b "
    path = rows_of(table, tmp_path)
    assert len(analyse(path).rows) == 1
    assert "blanks around 'b ' are left out" in notes(path)
    table.loc[3, "arm"] = "B"
    assert "'B' and 'b' are two names" in notes(rows_of(table, tmp_path))


def test_doses_come_by_size(tmp_path):
    path = rows_of(made().replace({"arm": {"a": "10", "b": "5"}}), tmp_path)
    assert analyse(path).flat()[0]["contrast"] == "10 - 5"


def test_times_that_differ_by_rounding_are_tied():
    assert first("floattie", "cox")["estimate"] == pytest.approx(0.212, abs=5e-4)  # coxph of R


@pytest.mark.parametrize("method", ["cox", "logrank", "rmst"])
def test_such_times_are_tied_in_every_method(method, tmp_path):
    table = pd.read_csv(FAULTS / "floattie.csv")
    assert table["time_days"].nunique() > table["time_days"].round(9).nunique()
    path = rows_of(table.assign(time_days=table["time_days"].round(9)), tmp_path)
    options = Options(target_day=float(table["time_days"].median())) if method == "rmst" else Options()
    tied, written = (analyse(each, method, options).flat() for each in (FAULTS / "floattie.csv", path))
    for row, other in zip(tied, written, strict=True):
        for name in ("estimate", "se", "statistic", "p"):
            assert row[name] == pytest.approx(other[name], rel=1e-9, nan_ok=True)


def test_names_of_arms_are_printed_as_they_are(capsys, tmp_path):
    text = (FAULTS / "arms_brackets.csv").read_text()
    for renamed in (text, text.replace("[iv]", "[/iv]"), text.replace("[iv]", ":smile:")):
        path = written(tmp_path, renamed)
        with pytest.raises(SystemExit) as stop:
            main(["analyse", str(path)])
        assert stop.value.code in (0, None)
        assert analyse(path).flat()[0]["contrast"] in capsys.readouterr().out


# --- who is left out --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["ancova", "mmrm"])
def test_those_left_out_are_counted_and_named(method):
    row = first("basemiss", method, target_day=28.0)
    assert row["n_observed"] == 37
    assert "3 patients left out: baseline is missing (1, 2, 3)" in notes(FAULTS / "basemiss.csv", method)


def test_every_reason_is_said(tmp_path):
    table = made().assign(age=40.0)
    table["age"] += np.arange(24) % 7
    table.loc[0, "baseline"], table.loc[[1, 2], "age"], table.loc[[3, 4, 5], "score"] = np.nan, np.nan, np.nan
    path = rows_of(table, tmp_path)
    assert analyse(path, options=Options(covariates=("age",))).flat()[0]["n_observed"] == 18
    said = notes(path, covariates=("age",))
    for line in (
        "1 patient left out: baseline is missing (P0)", "2 patients left out: age is missing (P1, P2)",
        "left out where the score is missing: 3 patients on day 7",
    ):  # fmt: skip
        assert line in said


def test_a_mean_over_days_counts_who_was_ever_seen(tmp_path):
    table = pd.read_csv(FAULTS / "base.csv")
    table.loc[(table["patient"] + table["day"] // 7) % 3 == 0, "score"] = np.nan
    rows = analyse(rows_of(table, tmp_path), "mmrm").flat()
    assert next(row for row in rows if row["measure"] == "mean_difference")["n_observed"] == 40


def test_the_json_carries_what_is_said_and_the_terminal_shows_it(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["analyse", str(FAULTS / "basemiss.csv"), "--json", str(tmp_path / "out.json")])
    text = "3 patients left out: baseline is missing (1, 2, 3)"
    assert f"information: {text}" in capsys.readouterr().out
    assert json.loads((tmp_path / "out.json").read_text())["notes"] == [
        {"code": "left_out", "severity": "information", "text": text}
    ]


# --- therapists -------------------------------------------------------------------------------------------------------


def test_therapists_of_two_arms_and_patients_without_one_are_named(tmp_path):
    table = made().assign(therapist=[f"T{k % 6}" if k % 2 else "" for k in range(24)])
    assert notes(rows_of(table, tmp_path), "nested") == ""
    table.loc[0, "therapist"], table.loc[1, "therapist"] = "T3", ""
    said = notes(rows_of(table, tmp_path), "nested")
    assert "therapist T3 treats patients of a and b: taken as one person" in said
    assert "1 patient of b without a therapist: taken as treated by nobody" in said


# --- references of imputation -----------------------------------------------------------------------------------------

TWO_BY_TWO = {"factors": ("ketamine", "therapy"), "imputation": ("JR",)}


def test_a_2x2_implies_no_reference():
    with pytest.raises(FieldError, match="implies no reference arm"):
        first("kbc", "reference_based", **TWO_BY_TWO)
    assert first("kbc", "reference_based", **{**TWO_BY_TWO, "imputation": ("MAR",)})["failure"] == ""


@pytest.mark.parametrize(("reference", "interaction"), [(1, -1.13), (2, -0.62), (0, 0.60)])
def test_references_are_named_for_each_arm(reference, interaction):
    """The three answers that were given when each command chose one for itself."""
    arms = [f"ketamine{k}_therapy{t}" for k in (0, 1) for t in (0, 1)]
    named = tuple((arm, arms[reference]) for arm in arms if arm != arms[reference])
    rows = analyse(FAULTS / "kbc.csv", "reference_based", Options(**TWO_BY_TWO, reference_for=named)).flat()
    assert rows[-1]["contrast"] == "ketamine:therapy"
    assert rows[-1]["estimate"] == pytest.approx(interaction, abs=0.005)


@pytest.mark.parametrize("named", [(("a", "c"),), (("c", "a"),), (("a", "a"),)])
def test_references_must_be_other_arms(tmp_path, named):
    with pytest.raises(FieldError, match="reference_for"):
        analyse(rows_of(made(), tmp_path), "reference_based", Options(reference_for=named))


FACTORIAL = SCENARIOS / "ketamine_by_cbt.yaml"


def test_a_scenario_follows_the_same_rule():
    asked = {"estimand.methods": ["reference_based"], "analysis.imputation": ["JR"]}
    dropout = {"conduct.dropout.afterwards": "as_reference"}
    with pytest.raises(UserError, match=r"analysis\.reference_for.*implies no reference arm"):
        load(FACTORIAL, asked)
    with pytest.raises(UserError, match=r"analysis\.reference_for.*implies no reference arm"):
        load(FACTORIAL, dropout)
    scenario = load(FACTORIAL)
    one, other = scenario.arms[0].id, scenario.arms[1].id
    named = load(FACTORIAL, {**asked, **dropout, "analysis.reference_for": {one: other}})
    assert named.references(named.estimand) == (1, 1, 2, 3)
    plain = load(FACTORIAL, {**asked, **dropout, "estimand.contrast": f"{one} - {other}"})
    assert plain.references(plain.estimand) == (1, 1, 1, 1)


# --- ratios and small arms --------------------------------------------------------------------------------------------


def test_firths_p_is_that_of_the_penalised_likelihood_ratio():
    row = first("sep", "firth", baseline="")
    assert row["p"] == pytest.approx(0.00014, abs=5e-6)  # logistf
    assert row["lower"] == pytest.approx(1.504, abs=5e-4)  # where a general optimiser's profile falls by 3.84 / 2
    assert row["upper"] == pytest.approx(8.606, abs=5e-4)


def test_a_margin_of_a_hazard_ratio_is_a_hazard_ratio():
    row = first("surv", "cox", margin=1.3)
    assert row["p_non_inferior"] == pytest.approx(0.38, abs=5e-3)
    assert (row["non_inferior"], row["margin_of"]) == (False, "hazard_ratio")
    assert "the margin 1.3 is a hazard ratio" in notes(FAULTS / "surv.csv", "cox", margin=1.3)
    with pytest.raises(FieldError, match="must be > 1"):
        first("surv", "cox", margin=0.262)


def test_a_fallback_is_a_sentence_with_errors_that_do_not_rest_on_it(tmp_path):
    rng = np.random.default_rng(1)
    few = pd.concat([made(8).assign(day=day, score=rng.normal(20, 5, 8)) for day in range(4, 32, 4)])
    assert "se_sandwich" not in analyse(FAULTS / "base.csv", "mmrm").flat()[0]  # the first structure could be fitted
    path = rows_of(few, tmp_path)
    said = notes(path, "mmrm", target_day=28.0)
    assert "the covariance structure us could not be fitted, and toeph is in its place: its errors hold if" in said
    plain, robust = (analyse(path, "mmrm", Options(target_day=28.0, sandwich=on)).flat()[0] for on in (False, True))
    assert plain["estimate"] == robust["estimate"]
    assert (plain["se_sandwich"], plain["df_sandwich"], plain["p_sandwich"]) == (
        robust["se"],
        robust["df"],
        robust["p"],
    )
    assert plain["se"] == robust["se_model"] != robust["se"]


def test_more_visits_than_a_model_takes_are_refused_before_it_is_fitted(tmp_path):
    assert methods()["mmrm"].most_visits == methods()["reference_based"].most_visits == MAX_VISITS
    table = pd.concat([made().assign(day=float(day)) for day in range(1, MAX_VISITS + 3)])
    for method in ("mmrm", "reference_based"):
        with pytest.raises(FieldError, match=f"visits = 22: are more than {method} takes: name at most 20 days"):
            analyse(rows_of(table, tmp_path), method, Options(reference="a"))
    raw = with_settings(
        clean_raw(n_per_arm=20, delta=5), {"design.visits": [*range(22), 28], "analysis.methods": ["mmrm"]}
    )
    with pytest.raises(ScenarioError, match=r"design.visits = .*: must be at most 20 after randomisation for mmrm"):
        build(raw)
    undeclared = with_settings(
        raw, {"analysis.methods": None, "conduct": {"dropout": {"hazard": number(0.01, "per_day")}}}
    )
    with pytest.raises(ScenarioError, match="must be at most 20 after randomisation for mmrm, and are 22"):
        build(undeclared)
    assert build(with_settings(raw, {"design.visits": [*range(20), 28]}))


def test_the_horizon_of_a_restricted_mean_is_named_beforehand():
    with pytest.raises(FieldError) as caught:
        first("rmst_solo", "rmst", event="relapse", reference="ketamine")
    assert str(caught.value).startswith("target_day is missing: must be given for rmst")


@pytest.mark.parametrize("method", ["rmst", "logrank"])
def test_an_arm_of_one_patient_has_no_error(method):
    rows = analyse(
        FAULTS / "rmst_solo.csv", method, Options(event="relapse", reference="ketamine", **(
            {"target_day": 100.0} if method == "rmst" else {}))
    ).flat()  # fmt: skip
    solo = [row for row in rows if row["contrast"] == "solo - ketamine"]
    assert {row["failure"] for row in solo} == {"too_few_patients"}
    assert all(np.isnan(row["p"]) for row in solo)
    other = next(row for row in rows if row["contrast"] == "ketamine_therapy - ketamine")
    assert other["failure"] == ""


# --- crossovers -------------------------------------------------------------------------------------------------------


def test_treatments_that_contradict_their_sequence_are_refused():
    with pytest.raises(DataError, match="sequence of 1, 2, 3, 4, 5, 6, 7, 8: KP is ketamine>control"):
        first("cross_period", "crossover")


# --- the file itself --------------------------------------------------------------------------------------------------


def test_semicolons_and_decimal_commas_are_read_and_said(tmp_path):
    table = made().assign(score=lambda t: t["score"] + 0.5)
    expected = analyse(rows_of(table, tmp_path)).flat()
    table.to_csv(tmp_path / "de.csv", sep=";", decimal=",", index=False)
    assert analyse(tmp_path / "de.csv").flat() == expected
    assert notes(tmp_path / "de.csv") == "read with semicolons between cells and decimal commas"


@pytest.mark.parametrize(
    ("find", "put", "method", "parts"),
    [
        ("7,31.0,27.0", "-7,31.0,27.0", "ancova", ["column `day` = -7 at row 3", "must be ≥ 0"]),
        ("7,31.0,27.0", "7,31.0,1e999", "ancova", ["column `score` = 1e999 at row 3", "finite"]),
        ("7,31.0,27.0", "2024-02-01,31.0,27.0", "ancova", ["column `day` = '2024-02-01' at row 3", "not a date"]),
        ("7,31.0,27.0", "20240201,31.0,27.0", "ancova", ["column `day` = 20240201 at row 3", "not a date"]),
        ("7,31.0,27.0", "45323,31.0,27.0", "ancova", ["column `day` = 45323 at row 3", "at most 36500"]),
        ("7,31.0,27.0", "7,thirty,27.0", "ancova", ["column `baseline` = 'thirty' at row 3", "must be a number"]),
        ("7,31.0,27.0", '7,31.0,"27,0"', "ancova", ["column `score` = '27,0' at row 3", "must be a number"]),
        ("7,31.0,27.0", "7,31.0", "ancova", ["row 3 has fewer cells than the header line"]),
        ("P1,b,", "P1,b\x1b[31m,", "ancova", ["column `arm`", "at row 3", "no control characters"]),
        ("patient,arm", "arm,arm", "ancova", ["column `arm` stands 2 times"]),
        ("P1,", ",", "ancova", ["column `patient` is empty at row 3"]),
        ("27.0", "99000000", "counts", ["column `score` = 99000000 at row 3", "at most 10,000,000"]),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line_with_column_and_row(tmp_path, find, put, method, parts):
    text = made().to_csv(index=False)
    assert find in text
    path = written(tmp_path, text.replace(find, put, 1))
    with pytest.raises(DataError) as error:
        analyse(path, method, Options(score="score") if method == "counts" else None)
    assert "\n" not in str(error.value)
    for part in parts:
        assert part in str(error.value)


def test_factors_coded_1_and_2_and_text_among_numbers_are_refused(tmp_path):
    table = made().assign(drug=np.arange(24) % 2 + 1, age="40")
    with pytest.raises(DataError, match="column `drug` = 2 at row 3: must be 0 or 1"):
        analyse(rows_of(table, tmp_path), options=Options(factors=("drug",)))
    table.loc[4, "age"] = "fourty"
    path = rows_of(table, tmp_path)
    with pytest.raises(DataError, match="column `age` = 'fourty' at row 6: must be a number, as others are"):
        analyse(path, options=Options(covariates=("age",)))
    assert analyse(path, options=Options(categories=("age",))).flat()[0]["df"] == 20  # two arms, baseline, one level


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encodings_are_one_line(tmp_path, encoding):
    path = tmp_path / "data.csv"
    path.write_bytes(made().replace({"arm": {"a": "Placebo é"}}).to_csv(index=False).encode(encoding))
    with pytest.raises(DataError, match="must be a CSV file in UTF-8"):
        analyse(path)


def test_mostly_empty_ids_are_one_line(tmp_path):
    text = "patient,arm,time_days,event\nP1,a,3,1\n,a,4,1\n,b,5,1\n"
    with pytest.raises(DataError, match="column `patient` is empty at row 3"):
        analyse(written(tmp_path, text), "logrank")


def test_the_door_is_one_for_whoever_reads(tmp_path):
    """`fit` and `mechanism` read a file as `analyse` does."""
    from kaptrial.questions.fit.trial_data import FitQuestion, from_file

    table = pd.read_csv(FAULTS / "day0.csv")
    data = from_file(rows_of(table, tmp_path), Options(), FitQuestion())
    assert data.days == (7.0, 14.0, 28.0) == tuple(read_csv(FAULTS / "day0.csv").days)
    assert [note.code for note in data.notes] == ["day_0"]


# --- siblings ---------------------------------------------------------------------------------------------------------


def test_what_cannot_be_seen_makes_no_new_name_unsaid(tmp_path):
    table = made().assign(therapist=[f"T{k % 6}" if k % 2 else "" for k in range(24)])
    table.loc[3, "arm"] = "b\u200b"
    table.loc[[1, 7], "therapist"] = ["t1", "T1\ufeff"]
    said = notes(rows_of(table, tmp_path), "nested")
    assert r"column `arm`: 'b' and 'b\u200b' are two names" in said
    assert said.count("column `therapist`") == 2


def test_patients_counted_are_those_of_the_arms_compared(tmp_path):
    """The tests of two arms know nothing of a third."""
    i = np.arange(30)
    table = pd.DataFrame(
        {"patient": i, "arm": np.array(["a", "b", "c"])[i % 3], "time_days": i + 1.0, "event": i // 3 % 2, "day": 7.0}
    ).assign(baseline=30.0, score=lambda t: t["time_days"])
    table = table.drop(index=[2])
    path = rows_of(table, tmp_path)
    for method in ("logrank", "rmst", "fisher"):
        options = Options(target_day=25.0) if method == "rmst" else Options()
        rows = [row for row in analyse(path, method, options).flat() if row["contrast"].endswith(" - a")]
        assert {row["contrast"]: row["n_observed"] for row in rows} == {"b - a": 20, "c - a": 19}
    assert {row["n_observed"] for row in analyse(path, "cox").flat()} == {29}


def test_fisher_names_those_without_the_baseline_that_a_response_needs(tmp_path):
    table = made()
    table.loc[0, "baseline"] = np.nan
    assert "1 patient left out: baseline is missing (P0)" in notes(rows_of(table, tmp_path), "fisher")
    binary = table.assign(score=np.arange(24) // 2 % 2)
    assert analyse(rows_of(binary, tmp_path), "fisher").flat()[0]["n_observed"] == 24
    assert notes(tmp_path / "data.csv", "fisher") == ""


def test_a_day_without_scores_is_said_to_have_none(tmp_path):
    table = pd.read_csv(FAULTS / "base.csv")
    table.loc[table["day"] == 14, "score"] = np.nan
    assert "no score of day 14" in notes(rows_of(table, tmp_path), "mmrm")


def test_an_event_that_is_missing_is_said_to_be(tmp_path):
    text = "patient,arm,time_days,event\nP1,a,3,1\nP2,b,4,\n"
    with pytest.raises(DataError, match="column `event` is empty at row 3"):
        analyse(written(tmp_path, text), "logrank")


def test_a_file_without_an_end_is_read_no_further_than_a_trial_goes(tmp_path, monkeypatch):
    monkeypatch.setattr("kaptrial.simulation.data_file._MOST_BYTES", 3 * 10**6)
    with pytest.raises(DataError, match="must be under 3 MB"):
        analyse(Path("/dev/zero"))


def test_long_cells_are_shortened(tmp_path):
    text = made().to_csv(index=False)
    for cell in ("x" * 5000, "9" * 5000):
        with pytest.raises(DataError) as error:
            analyse(written(tmp_path, text.replace("7,31.0,27.0", f"7,31.0,{cell}")))
        assert len(str(error.value)) < 250
