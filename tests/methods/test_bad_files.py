"""Files and options that cannot be used: exit 2 and one line that names what is wrong and what is allowed."""

from __future__ import annotations

import re

import pytest

from kaptrial.cli import main

LONG = """patient,arm,day,baseline,score,therapist,site
1,a,7,30,20,,x
1,a,14,30,18,,x
2,b,7,28,15,T1,y
2,b,14,28,12,T1,y
"""
TIMES = "patient,arm,time_days,event\n1,a,5,1\n2,b,9,0\n"
DAYS = "patient,arm,abstinent_days,days\n1,a,5,10\n2,b,9,10\n"


@pytest.mark.parametrize(
    ("text", "options", "parts"),
    [
        (LONG, ["--method", "manova"], ["--method = 'manova'", "must be one of abstinent_days, ancova"]),
        (LONG, ["--covariance", "us,ar2"], ["--covariance = 'ar2'", "must be one of us"]),
        (LONG, ["--imputation", "LOCF"], ["--imputation = 'LOCF'", "MAR, JR"]),
        (LONG, ["--df", "exact"], ["--df = 'exact'"]),
        (LONG, ["--reference", "c"], ["--reference = 'c'", "a, b"]),
        (LONG, ["--target-day", "9"], ["--target-day = 9", "7, 14"]),
        (LONG, ["--covariate", "age"], ["column `age` is missing"]),
        (LONG, ["--factor", "baseline"], ["column `baseline` = 30 at row 2", "must be 0 or 1"]),
        (LONG.replace(",T1,", ",,"), ["--method", "nested"], ["column `therapist` is empty"]),
        (LONG, ["--method", "nested", "--crossed", "drug"], ["--crossed = 'drug'"]),
        (LONG.replace("2,b,14", "2,b,7"), [], ["patient 2 has two rows for day 7 (row 5)"]),
        (LONG.replace("14,28,12", "14,28,few"), [], ["column `score` = 'few' at row 5", "must be a number"]),
        (LONG.replace("2,b", "2,a"), [], ["column `arm` = only 'a'"]),
        (LONG.replace("1,a,14,30", "1,b,14,30"), [], ["column `arm` = 'b' at row 3", "the same for a patient"]),
        (LONG, ["--method", "single_arm"], ["column `arm` = a, b", "must name one arm"]),
        (LONG, ["--method", "crossover"], ["column `period` is missing"]),
        (TIMES.replace("9,0", "-9,0"), ["--method", "cox"], ["column `time_days` = -9 at row 3", "must be ≥ 0"]),
        (TIMES.replace("9,0", "9,2"), ["--method", "logrank"], ["column `event` = 2 at row 3", "must be 0 or 1"]),
        (TIMES.replace("2,b", "1,b"), ["--method", "rmst"], ["patient 1 has two rows (row 3)"]),
        (DAYS.replace("9,10", "11,10"), ["--method", "abstinent_days"], ["`abstinent_days` = 11 at row 3", "≤ `days`"]),
        (DAYS.replace("9,10", "9.5,10"), ["--method", "abstinent_days"], ["= 9.5 at row 3", "whole number"]),
        (DAYS.replace("9,10", "9,0"), ["--method", "beta_binomial"], ["column `days` = 0 at row 3", "must be > 0"]),
        (LONG, ["--patient", "id"], ["column `id` is missing", "must be one of patient, arm"]),
        (LONG, ["--score", "madrs"], ["column `madrs` is missing"]),
        (LONG, ["--baseline", "screening"], ["column `screening` is missing"]),
        (LONG, ["--method", "nested", "--therapist", "who"], ["column `who` is missing"]),
        (LONG.replace("1,a,7,", "1,a,week,"), [], ["column `day` = 'week' at row 2", "must be a number"]),
        (LONG.replace("1,a,7,", "1,a,,"), [], ["column `day` is empty at row 2"]),
        (LONG.replace("1,a,7,", ",a,7,"), [], ["column `patient` is empty at row 2"]),
        (LONG.replace("30,20", "30,inf"), [], ["column `score` = inf at row 2", "must be a number"]),
        (LONG.replace(",x", ",x,").replace(",y", ",y,"), [], ["more cells than the header line"]),
        (LONG.replace(",", "|"), [], ["column `patient` is missing"]),
        (TIMES.replace("9,0", ",0"), ["--method", "rmst"], ["no patient of b has a time"]),
        (TIMES.replace("9,0", "soon,0"), ["--method", "cox"], ["column `time_days` = 'soon' at row 3"]),
        ("patient,arm\n", [], ["no rows"]),
        ("", [], ["must be a CSV file"]),
    ],
)  # fmt: skip
def test_refused_in_one_line(tmp_path, capsys, text, options, parts):
    path = tmp_path / "data.csv"
    path.write_text(text)
    with pytest.raises(SystemExit) as stop:
        main(["analyse", str(path), *options, "--json", str(tmp_path / "out.json")])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("kaptrial: ")
    assert error.count("\n") == 1
    for part in parts:
        assert part in error
    assert not (tmp_path / "out.json").exists()


def test_a_folder_is_no_file(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["analyse", str(tmp_path)])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"{tmp_path}: cannot be read" in error


def test_codes_with_leading_zeros_are_names(tmp_path, capsys):
    rows = [f"{i},{'ab'[i % 2]},{30 + i % 5},{20 + (i * 7) % 11},{i % 3 + 1:03d}" for i in range(30)]
    (tmp_path / "data.csv").write_text("patient,arm,baseline,score,centre\n" + "\n".join(rows) + "\n")
    outcomes = []
    for option in ("--covariate", "--category"):
        with pytest.raises(SystemExit):
            main(["analyse", str(tmp_path / "data.csv"), option, "centre"])
        outcomes.append(capsys.readouterr().out)
    assert outcomes[0] == outcomes[1]
    assert re.search(r"\n25 ", outcomes[0])  # 30 patients less two arms, the baseline and two centres
