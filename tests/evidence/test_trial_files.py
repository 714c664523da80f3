"""A trial from the reader's own file, and the catalogue on the command line."""

from __future__ import annotations

import json
import re

import pytest

from kaptrial.catalogue import Citation, read_trial, source, trial, trial_keys
from kaptrial.cli import main
from kaptrial.errors import DataError
from kaptrial.evidence.statistics import STATISTICS
from kaptrial.evidence.synthesis.measures import ABSTINENCE, NEEDS, PERCENT, TWO_ARMS
from kaptrial.evidence.terminal import cited
from tests.builders import trial_figure, trial_file, trial_raw


def run(capsys, *arguments):
    """What `kaptrial evidence …` prints; it must end well."""
    with pytest.raises(SystemExit) as stop:
        main(["evidence", *map(str, arguments)])
    printed = capsys.readouterr()
    assert stop.value.code in (0, None), printed.err
    assert printed.err == ""
    return printed.out


# --- malformed files --------------------------------------------------------------------------------------------------


def changed(path, value):
    """An edit of the raw trial: `arms.0.n`; a value of ... removes the key."""

    def edit(raw):
        *way, last = (int(part) if part.isdigit() else part for part in path.split("."))
        node = raw
        for part in way:
            node = node[part]
        if value is ...:
            del node[last]
        else:
            node[last] = value
        return raw

    return edit


def second_figure(*args, **measure):
    return changed("figures.1", trial_figure(*args, **measure))


# What is wrong with the file, and what the line must name. These are refused as soon as the file is read.
UNREADABLE = {
    "not YAML": (lambda raw: "citation: [unclosed", "is not YAML"),
    "no such date": (lambda raw: "citation: 2031-13-45", "is not YAML"),
    "a tab": (lambda raw: "arms:\n\t- id: {", "is not YAML"),
    "control characters": (lambda raw: "citation: \x00", "is not YAML"),
    "empty": (lambda raw: "", "must be a mapping"),
    "a list": (lambda raw: "- citation\n- arms\n", "must be a mapping"),
    "unknown key": (changed("colour", "red"), "colour: unknown key"),
    "no citation": (changed("citation", ...), "citation: must be given"),
    "citation in words": (changed("citation", "Nobody A. 2031."), "citation = Nobody A. 2031.: must be a mapping"),
    "unknown key of a citation": (changed("citation.jurnal", "Lancet"), "jurnal: unknown key; did you mean `journal`?"),
    "year in words": (changed("citation.year", "unknown"), "citation.year = unknown: must be a whole number"),
    "a volume as a number": (changed("citation.volume", 1), "citation.volume = 1: must be text"),
    "authors not a list": (changed("citation.authors", "Nobody A"), "citation.authors = Nobody A: must be a list"),
    "no title": (changed("citation.title", ...), "citation.title: must be given, or in its place described"),
    "DOI without status": (changed("citation.doi", "10.1/1"), "citation.doi_status: must say"),
    "unknown status of a DOI": (changed("citation.doi_status", "guessed"), "must be one of seen, recalled"),
    "no indication": (changed("indication", ...), "indication: must be given"),
    "no figures": (changed("figures", ...), "figures: must be given"),
    "arms not a list": (changed("arms", {"id": "ketamine"}), "arms = {'id': 'ketamine'}: must be a list"),
    "contains not a list": (changed("contains", "murrough2013a"), "contains = murrough2013a: must be a list"),
    "a figure in words": (changed("figures.0", "response 50 %"), "figures[0] = response 50 %: must be a mapping"),
    "unknown key of a figure": (changed("figures.2.colour", "red"), "figures[2].colour: unknown key"),
    "figure without value": (changed("figures.1.value", ...), "figures[1].value: must be given"),
    "unknown quality": (changed("figures.0.quality", "rumour"), "figures[0].quality = rumour: must be one of abstract"),
    "target without measure": (changed("figures.0.measure", ...), "figures[0].target"),
    "measure without target": (changed("figures.0.target", ...), "figures[0].target"),
    "unknown keys of two types": (lambda raw: raw | {"colour": "red", 1: 2}, "unknown key"),
    "an arm in words": (changed("arms.0", "ketamine"), "arms[0]"),
    "arm without id": (changed("arms.0.id", ...), "arms[0].id"),
    "arm without n": (changed("arms.0.n", ...), "arms[0].n"),
    "n in words": (changed("arms.0.n", "many"), "arms[0].n"),
    "nobody in an arm": (changed("arms.0.n", 0), "arms[0].n"),
    "fewer than nobody in an arm": (changed("arms.0.n", -3), "arms[0].n"),
    "two arms of one id": (changed("arms.1.id", "ketamine"), "arms[1].id"),
    "unknown blinding": (changed("blinding", "open-label"), "blinding"),
    "therapy in words": (changed("arms.0.therapy", "cbt"), "arms[0].therapy"),
    "sessions in words": (changed("arms.0.therapy", {"name": "cbt", "days": "weekly"}), "arms[0].therapy"),
    "baselines a list": (changed("baselines", [32]), "baselines"),
    "baselines empty": (changed("baselines", None), "baselines"),
    "baseline without SD": (changed("baselines.MADRS.sd", ...), "baselines.MADRS"),
    "baseline in words": (changed("baselines.MADRS.mean", "high"), "baselines.MADRS"),
    "pooled from how many": (changed("pooled", "many"), "pooled"),
    "pooled from none": (changed("pooled", 0), "pooled"),
    "enrolled a number": (changed("enrolled", 42), "enrolled"),
    "CI of one number": (changed("figures.0.ci95", 3), "figures[0].ci95"),
    "SD in words": (changed("figures.0.sd", "wide"), "figures[0].sd"),
    "measure in words": (changed("figures.0.measure", "response"), "figures[0].measure"),
    "measure without statistic": (changed("figures.0.measure.statistic", ...), "figures[0].measure"),
    "unknown key of a measure": (changed("figures.0.measure.fration", 0.3), "fration"),
    "day in words": (changed("figures.0.measure.day", "tomorrow"), "tomorrow"),
    "day before the first": (changed("figures.0.measure.day", -1), "-1"),
    "days not a list": (changed("figures.0.measure.days", 3), "days"),
}
# These fit the file's form, and are refused because the model could not say what the figures would be.
UNFIT = {
    "negative dose": (changed("arms.0.doses.0.mg_per_kg", -0.5), "arms[0].doses[0].mg_per_kg"),
    "unknown route": (changed("arms.0.doses.0.route", "eyes"), "must be one of IV, IM, SC"),
    "unknown agent": (changed("arms.0.doses.0.agent", "aspirin"), "arms[0].doses[0].agent = 'aspirin'"),
    "dose without days": (changed("arms.0.doses.0.days", ...), "arms[0].doses[0].days"),
    "dose in words": (changed("arms.1.doses", ["midazolam"]), "arms[1].doses[0]"),
    "no arms": (changed("arms", ...), "arm"),
    "a route the model does not know": (changed("arms.0.doses.0.route", "rectal"), "rectal"),
    "unknown background": (changed("background", "tea"), "background"),
    "no baseline of the scale": (changed("baselines", {}), "MADRS"),
    "value in words": (changed("figures.0.value", "half"), "figures[0].value"),
    "share above all": (changed("figures.1.value", 250), "figures[1].value = 250: must be 0 to 100"),
    "end of a CI not reached": (changed("figures.0.ci95", [-20, "NE"]), "figures[0].ci95"),
    "subcutaneous without bioavailability": (
        changed("arms.0.doses.0.route", "SC"),
        "bioavailability is missing: the",
    ),
    "unknown key of a dose": (changed("arms.0.doses.0.mgs", 3), "arms[0].doses[0].mgs = 3: unknown key"),
    "day and days": (changed("figures.0.measure.days", [1, 2]), "figures[0].measure"),
    "days of a single visit": (second_figure("response", 20, arm="ketamine", day=1, days=[1]), "measure.days"),
    "days not in order": (second_figure("response_any_time", 20, arm="ketamine", days=[7, 1]), "must be in order"),
    "ratio of one day": (second_figure("response_ratio", 2, arm="ketamine / midazolam", days=[1]), "two days"),
    "remitters of what": (
        second_figure("relapsed", 20, arm="ketamine", days=[7], remission_day=1, kept=0.4),
        "relapsed needs at_most",
    ),
    "better is higher": (changed("figures.0.measure.endpoint", "percent_abstinent_days"), "must be one of MADRS"),
    "unknown statistic": (changed("figures.0.measure.statistic", "remision"), "remision"),
    "unknown scale": (changed("figures.0.measure.endpoint", "MARDS"), "MARDS"),
    "measure without arm": (changed("figures.0.measure.arm", ...), "figures[0].measure"),
    "measure of no such arm": (changed("figures.0.measure.arm", "placebo"), "placebo"),
    "difference from no such arm": (changed("figures.2.measure.arm", "ketamine - placebo"), "placebo"),
    "difference of one arm": (changed("figures.2.measure.arm", "ketamine"), "figures[2].measure"),
    "measure without day": (changed("figures.0.measure.day", ...), "figures[0].measure"),
    "remission at what": (second_figure("remission", 20, arm="ketamine", day=1), "at_most"),
    "relapse from what": (second_figure("relapsed", 20, arm="ketamine", days=[7], response_day=1), "kept"),
    "abstinence in depression": (second_figure("abstinent", 20, arm="ketamine", day=1), "abstinent"),
}


def file_of(edit, folder):
    return trial_file(folder, edit(trial_raw()))


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_file_is_refused_in_one_line(name, tmp_path, refused):
    edit, wanted = UNREADABLE[name]
    path = file_of(edit, tmp_path)
    with pytest.raises(DataError) as caught:
        read_trial(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert wanted in str(caught.value)
    for command in ("show", "replicate"):
        assert wanted in refused("evidence", command, path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", UNFIT)
def test_unfit_trial_is_refused_in_one_line(name, tmp_path, refused):
    edit, wanted = UNFIT[name]
    path = file_of(edit, tmp_path)
    outputs = ("-o", tmp_path / "out", "--json", tmp_path / "out.json")
    for arguments in (("show", path), ("replicate", path, "--replicates", 100, *outputs)):
        line = refused("evidence", *arguments)
        assert line.startswith(f"kaptrial: {path}: ")
        assert wanted in line
    assert list(tmp_path.iterdir()) == [path]


def test_every_statistic_says_what_it_needs():
    assert set(NEEDS) == set(STATISTICS) | set(ABSTINENCE)
    assert set(PERCENT) | set(TWO_ARMS) <= set(NEEDS)


def test_an_unknown_key_is_named_with_the_one_that_is_like_it(tmp_path, refused):
    for path, near in (("baseline", "baselines"), ("arms.0.dose", "doses"), ("baselines.MADRS.means", "mean")):
        line = refused("evidence", "show", file_of(changed(path, 1), tmp_path))
        assert line.endswith(f"unknown key; did you mean `{near}`?")


def test_a_trial_without_targets_is_shown_and_not_replicated(tmp_path, refused, capsys):
    path = file_of(changed("figures", []), tmp_path)
    assert "A trial that was never done" in run(capsys, "show", path)
    assert "no figure of this trial is a target" in refused("evidence", "replicate", path, "--replicates", 100)


def test_an_indication_that_no_model_knows_is_refused(tmp_path, refused):
    path = file_of(changed("indication", "gout"), tmp_path)
    line = refused("evidence", "replicate", path, "--replicates", 100)
    assert "'gout': must be one of depression, bipolar depression" in line


def test_no_such_file_and_no_such_trial(tmp_path, refused):
    assert "nowhere.yaml: cannot be read" in refused("evidence", "show", tmp_path / "nowhere.yaml")
    (tmp_path / "folder.yaml").mkdir()
    assert "cannot be read" in refused("evidence", "show", tmp_path / "folder.yaml")
    (tmp_path / "latin.yaml").write_bytes("citation: Müller".encode("latin-1"))
    assert "cannot be read" in refused("evidence", "show", tmp_path / "latin.yaml")
    assert "murrough2013a" in refused("evidence", "replicate", "murough2013a")


# --- a file that is right ---------------------------------------------------------------------------------------------


def test_a_file_is_read_as_a_trial_of_its_own_name(tmp_path, capsys):
    path = trial_file(tmp_path, trial_raw(), "mine")
    one = read_trial(path)
    assert (one.key, one.indication, one.held_out, one.masked, one.contains) == ("mine", "depression", False, False, ())
    assert [f.target for f in one.figures] == [True] * 3
    assert [f.value for f in one.figures] == [-15.0, 25, -7.0]
    shown = run(capsys, "show", path, "--json", tmp_path / "mine.json")
    assert "A trial that was never done" in shown
    out = json.loads((tmp_path / "mine.json").read_text())
    assert out["provenance"]["key"] == "mine"
    assert out["provenance"]["n"] == 42
    assert [row["value"] for row in out["results"]] == [-15.0, 25, -7.0]


def test_a_new_file_is_replicated(tmp_path, capsys):
    path = trial_file(tmp_path, trial_raw())
    words = run(capsys, "replicate", path, "--replicates", 200, "--json", tmp_path / "a.json", "-o", tmp_path / "pack")
    assert "mean change" in words
    out = json.loads((tmp_path / "a.json").read_text())
    assert out["provenance"]["replicates"] == 200
    assert out["provenance"]["trials"] == 1
    change, response, difference = out["results"]
    assert [row["statistic"] for row in out["results"]] == ["mean_change", "response", "difference"]
    assert [row["reported"] for row in out["results"]] == [-15.0, 0.25, -7.0]
    assert [row["n"] for row in out["results"]] == ["20", "22", "20+22"]
    assert (change["arm"], difference["arm"]) == ("ketamine", "ketamine - midazolam")
    for row in out["results"]:
        assert row["trial"] == "new_trial"
        assert row["q05"] <= row["q25"] <= row["median"] <= row["q75"] <= row["q95"]
        assert row["inside_90"] == (row["q05"] <= row["reported"] <= row["q95"])
        assert 0 <= row["tail"] <= 1
        assert row["crps"] >= 0
    # What any fit of the model must say: ketamine improves more than midazolam, and shares are shares.
    assert change["median"] < 0
    assert difference["median"] < 0
    assert 0 <= response["q05"] <= response["q95"] <= 1
    assert {p.suffix for p in (tmp_path / "pack").iterdir()} >= {".csv"}


def test_the_seed_and_nothing_else_decides(tmp_path, capsys):
    path = trial_file(tmp_path, trial_raw())
    texts = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(capsys, "replicate", path, "--replicates", 100, "--seed", seed, "--json", tmp_path / name)
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1]
    assert json.loads(texts[0])["results"] != json.loads(texts[2])["results"]


# --- the catalogue ----------------------------------------------------------------------------------------------------


def test_list_as_json_holds_every_trial(tmp_path, capsys):
    shown = run(capsys, "list", "--json", tmp_path / "list.json")
    assert f"{len(trial_keys())} trials" in shown
    out = json.loads((tmp_path / "list.json").read_text())
    assert "version" in out["provenance"]
    assert [row["key"] for row in out["results"]] == list(trial_keys())
    row = next(row for row in out["results"] if row["key"] == "murrough2013a")
    assert (row["indication"], row["n"], row["doi_status"]) == ("depression", 72, "recalled")
    assert row["targets"] == 6
    assert row["figures"] == len(trial("murrough2013a").figures)


def test_list_of_some(tmp_path, refused, capsys):
    run(capsys, "list", "--indication", "ptsd", "--therapy", "--json", tmp_path / "list.json")
    rows = json.loads((tmp_path / "list.json").read_text())["results"]
    assert "feder2025_wet" in {row["key"] for row in rows}
    assert "feder2021" not in {row["key"] for row in rows}
    assert all(row["therapy"] for row in rows)
    assert all("ptsd" in f"{row['indication']} {row['population']}".lower() for row in rows)
    assert "indications are" in refused("evidence", "list", "--indication", "gout")


def test_show_cites_as_text(refused, capsys):
    seen, recalled, none = (
        run(capsys, "show", key, "--cite", "text") for key in ("singh2016", "murrough2013a", "bloch2012")
    )
    assert seen.strip().endswith("173(8):816-826. https://doi.org/10.1176/appi.ajp.2016.16010037")
    assert recalled.strip().endswith("https://doi.org/10.1176/appi.ajp.2013.13030392 (recalled: check before printing)")
    assert none.strip().endswith("Biol Psychiatry")
    assert "must be text or bibtex" in refused("evidence", "show", "singh2016", "--cite", "apa")


def test_show_cites_as_bibtex(capsys):
    printed = run(capsys, "show", "murrough2013a", "--cite", "bibtex")
    assert printed.startswith("@article{murrough2013a,\n")
    fields = dict(re.findall(r"^  (\w+) = \{(.*)\},?$", printed, flags=re.MULTILINE))
    assert fields["author"] == "Murrough, JW and Iosifescu, DV and Chang, LC and others"
    assert fields["year"] == "2013"
    assert fields["title"].startswith("{Antidepressant efficacy of ketamine")
    assert (fields["journal"], fields["volume"], fields["pages"]) == ("Am J Psychiatry", "170", "1134--1142")
    assert fields["doi"] == "10.1176/appi.ajp.2013.13030392"
    assert "recalled" in fields["annote"]


# Every form that a citation takes, typed out.
CITED = {
    "zarate2006": "Zarate CA Jr, Singh JB, Carlson PJ, et al. 2006. A randomized trial of an N-methyl-D-aspartate "
    "antagonist in treatment-resistant major depression. Arch Gen Psychiatry 63(8):856-864. "
    "https://doi.org/10.1001/archpsyc.63.8.856 (recalled: check before printing)",
    "mathew2010": "Mathew SJ, Murrough JW, aan het Rot M, et al. 2010. Riluzole for relapse prevention following "
    "intravenous ketamine in TRD. Int J Neuropsychopharmacol 13(1):71",
    "karmadep2_2025": "Jelovac A, ... McLoughlin DM. 2025. Serial ketamine infusions as adjunctive therapy to "
    "inpatient care for depression: KARMA-Dep 2. JAMA Psychiatry. https://doi.org/10.1001/jamapsychiatry.2025.3019",
    "japan_esk_2021": "Authors not seen (Janssen, Japan). 2021. Fixed doses of intranasal esketamine add-on in "
    "Japanese TRD: phase 2b. BMC Psychiatry. https://doi.org/10.1186/s12888-021-03538-y",
    "fieldtrip_yermus": "Yermus R, et al. (Field Trip). 2022. KAP provides lasting and effective results at 3 and 6 "
    "months. preprint",
    "wilkinson2019_ipd": "Wilkinson ST, Farmer C, Ballard ED, et al. 2019. [Individual patient data, 9 trials, 367 "
    "patients: midazolam against saline as comparator]. Neuropsychopharmacology 44:1233-1238. "
    "https://doi.org/10.1038/s41386-019-0317-8 (recalled: check before printing)",
    "topel2025": "Topel M, Ciccone D. 2025. Ketamine Assisted EMDR Therapy for PTSD: investigating the synergistic "
    "effects of pharmacotherapy and psychotherapy. Eur J Psychotraumatology, 4 Nov 2025",
    "endure": "Yale University. No date seen. CBT following esketamine for major depression and suicidal ideation for "
    "relapse prevention (ENDURE). Trial registration NCT04760652",
    "doc_esk_bpd": "[Esketamine in BPD: cases] A row of an unpublished source document; authors not named.",
}


@pytest.mark.parametrize("key", CITED)
def test_the_text_of_each_form(key):
    assert cited(trial(key).citation) == CITED[key]


def test_bibtex_of_each_form():
    entry = {key: trial(key).citation.bibtex(key) for key in CITED}
    assert "  author = {Zarate, Jr, CA and Singh, JB and Carlson, PJ and others}," in entry["zarate2006"]
    assert "  volume = {63},\n  number = {8},\n  pages = {856--864}," in entry["zarate2006"]
    assert " and aan het Rot, M and others}," in entry["mathew2010"]
    assert "  author = {Jelovac, A and McLoughlin, DM and others}," in entry["karmadep2_2025"]
    assert "  author" not in entry["japan_esk_2021"]
    assert "  note = {Authors not seen (Janssen, Japan)}," in entry["japan_esk_2021"]
    assert "  author = {Yermus, R and others}," in entry["fieldtrip_yermus"]
    assert "  howpublished = {preprint},\n  note = {Field Trip}\n" in entry["fieldtrip_yermus"]
    assert "  month = {4 Nov}" in entry["topel2025"]
    assert entry["endure"].startswith("@misc{endure,\n  author = {{Yale University}},\n  title = {{CBT following")
    assert "  author = {{Al Shirawi} and others}," in Citation(**source("al_shirawi")["citation"]).bibtex("al_shirawi")


@pytest.mark.parametrize("key", trial_keys())
def test_every_citation_has_both_forms(key):
    citation = trial(key).citation
    assert ("recalled" in cited(citation)) == (citation.doi is not None and citation.doi_status != "seen")
    entry = citation.bibtex(key)
    depth = 0
    for mark in entry:
        depth += (mark == "{") - (mark == "}")
        assert depth >= 0
    assert depth == 0
    assert entry.startswith(("@article{", "@misc{"))
    assert entry.endswith("\n}")
    # What BibTeX or LaTeX would take for an instruction.
    assert not re.search(r"(?<!\\)[&%#$]", entry)
    # All of the citation is there, but for the stops between its parts, and a year that is not known.
    assert words_of(citation.text) - {"No", "date", "seen"} <= words_of(entry)


def words_of(text):
    return set(re.findall(r"\w+", text)) - {"et", "al"}
