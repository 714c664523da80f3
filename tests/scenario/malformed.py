"""Scenario files that must be refused: the starter with one thing wrong, or bytes that are no scenario at all.

`CASES[name]` holds what is wrong and the parts its one-line message must show (path, value, hint). Used by the tests of
the file reader and of the command line.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests import SCENARIOS
from tests.builders import number

STARTER = SCENARIOS / "starter.yaml"
TEXT = STARTER.read_text(encoding="utf-8")
NAME = "trial.yaml"
ABSENT = "no such file"
DIRECTORY = "a directory"

Raw = dict[str, Any]
Edit = Callable[[Raw], None]

# Words with which a message says what may stand in the place.
HINTS = ("must", "unknown key", "did you mean", "needs", "belongs", "is not the spread", "give", "take", "goes with")


@dataclass(frozen=True)
class Case:
    """`content`: an edit of the starter, the bytes of a file, ABSENT or DIRECTORY. `shown`: parts of the message."""

    content: Edit | bytes | str
    shown: tuple[str, ...]

    @property
    def lines(self) -> int:
        """How many mistakes it is: lines of the message."""
        return next((n for name, n in SEVERAL.items() if CASES[name] is self), 1)

    def write(self, folder: Path) -> Path:
        """The malformed file in `folder`."""
        path = folder / NAME
        if self.content == DIRECTORY:
            path.mkdir()
        elif isinstance(self.content, bytes):
            path.write_bytes(self.content)
        elif callable(self.content):
            raw = copy.deepcopy(yaml.safe_load(TEXT))
            self.content(raw)
            path.write_text(yaml.safe_dump(raw, sort_keys=False, allow_unicode=True), encoding="utf-8")
        return path


def _walk(raw: Any, path: str) -> tuple[Any, Any]:
    steps = [int(i) if i else key for key, i in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path)]
    for step in steps[:-1]:
        raw = raw[step] if isinstance(step, int) else raw.setdefault(step, {})
    return raw, steps[-1]


def edit(values: dict[str, Any], *, drop: tuple[str, ...] = ()) -> Edit:
    """Set each path to its value, then delete the paths of `drop`; missing mappings on the way are made."""

    def apply(raw: Raw) -> None:
        for path, value in values.items():
            node, last = _walk(raw, path)
            node[last] = copy.deepcopy(value)
        for path in drop:
            node, last = _walk(raw, path)
            del node[last]

    return apply


def text(old: str, new: str) -> bytes:
    """The starter's text with one passage changed; comments and flow style stay."""
    assert TEXT.count(old) == 1, old
    return TEXT.replace(old, new).encode()


THERAPISTS = {"sd": number(2, "points")}
ARM = {"id": "third", "label": "Third"}
DOSE = "arms[0].doses[0]"
STRATUM = {"name": "site", "levels": {"a": {"share": 0.5}, "b": {"share": 0.5}}}
RUN_IN = {"doses": [{"agent": "ketamine", "mg_per_kg": 0.5, "days": [0]}]}
ESTIMAND = {"contrast": "ketamine_cbt - ketamine", "day": 28}
LEVELS = {"arms[0].factors": {"drug": 1, "talk": 0}, "arms[1].factors": {"drug": 1, "talk": 1}}


def _third_arm(raw: Raw) -> None:
    edit(LEVELS)(raw)
    raw["arms"].append(ARM | {"factors": {"drug": 0, "talk": 1}})


def own_scale(*, drop: str = "", **more: Any) -> Raw:
    """A scale of one's own, with something else said of it."""
    scale = {
        "id": "own", "label": "a scale", "range": {"low": 0, "high": 60}, "step": 1, "better": "lower",
        "source": "definition",
    } | more  # fmt: skip
    return {key: value for key, value in scale.items() if key != drop}


def case(content: Edit | dict[str, Any] | bytes | str, *shown: str) -> Case:
    """A case; a mapping stands for `edit` of it."""
    return Case(edit(content) if isinstance(content, dict) else content, shown)


def gone(path: str, *shown: str) -> Case:
    """A case in which something is left out."""
    return Case(edit({}, drop=(path,)), shown)


# Cases of more than one mistake.
SEVERAL = {
    "share on a scale of logits": 3, "dose before randomisation": 2, "dropout of an unknown arm": 3,
}  # fmt: skip

CASES: dict[str, Case] = {
    # the file
    "missing file": case(ABSENT, NAME, "must be a scenario file"),
    "directory": case(DIRECTORY, NAME, "must be a scenario file"),
    "empty file": case(b"", NAME, "must be a mapping"),
    "only a comment": case(b"# nothing\n", NAME, "must be a mapping"),
    "binary file": case(bytes(range(256)), NAME, "binary", "must be"),
    "Latin-1": case(TEXT.replace("CBT", "thérapie").encode("latin-1"), NAME, "UTF-8"),
    "NUL in the text": case(b"title: a\x00b\n", NAME, "must be valid YAML"),
    "a list": case(b"- title\n- question\n", NAME, "must be a mapping"),
    "a number": case(b"60\n", NAME, "must be a mapping"),
    "two documents": case(TEXT.encode() + b"\n---\ntitle: second\n", NAME, "must be valid YAML"),
    "broken YAML": case(text("[0, 1, 7, 14, 28]", "[0, 1, 7"), NAME, "line", "must be valid YAML"),
    "tab as indent": case(text("  scale: MADRS", "\tscale: MADRS"), NAME, "line", "must be valid YAML"),
    "duplicate key": case(text("outcome:", "title: again\noutcome:"), NAME, "`title` stands twice"),
    "duplicate key in flow": case(text("day: 28", "day: 28\n  day: 14"), NAME, "`day` stands twice"),
    "Python object": case(text("Ketamine with or", "!!python/object/apply:os.getcwd []\n# "), NAME, "valid YAML"),
    "too deep": case(b"[" * 20_000, NAME, "must be valid YAML"),
    "too large": case(TEXT.encode() + b"#" * 1_000_001, NAME, "must be under 1000000 bytes"),
    "key that is a number": case(text("question:", "7: seven\nquestion:"), "7", "unknown key"),
    "key that is a list": case(text("question:", "? [a, b]\n:"), NAME, "must be valid YAML"),
    "lone surrogate": case(text("Ketamine with or without CBT, the", '"a\\ud800b" #'), "must be"),
    # unknown and missing keys
    "unknown key at the top": case({"desing": {}}, "desing", "unknown key", "did you mean `design`"),
    "unknown key in the drug": case({"drug.halflife": 3}, "drug.halflife = 3", "unknown key", "`half_life`"),
    "unknown key in a number": case({"drug.ec50.spred": 1}, "drug.ec50.spred = 1", "unknown key"),
    "unknown key in doses": case({f"{DOSE}.mgs": 35}, f"{DOSE}.mgs = 35", "`mg`"),
    "unknown key in the allocation": case(
        {"design.allocation": {"blok": 4}}, "design.allocation.blok = 4", "did you mean `block`"
    ),
    "unknown key in a level": case(
        {"design.allocation.strata": [{"name": "site", "levels": {"a": {"share": 1, "shft": 1}}}]},
        "design.allocation.strata[0].levels.a.shft = 1", "`shift`",
    ),
    "unknown key in a therapy": case({"therapies.cbt.gama": 1}, "therapies.cbt.gama = 1", "`gamma`"),
    "no question": gone("question", "question is missing", "must be given"),
    "no arms": gone("arms", "arms is missing"),
    "no day of the estimand": gone("estimand.day", "estimand.day is missing"),
    "nothing under drug": case({"drug": None}, "drug = None", "must be a mapping"),
    "empty title": case({"title": ""}, "title = ''", "must not be empty"),
    # types
    "text for a number": case({"design.n_per_arm": "sixty"}, "design.n_per_arm = 'sixty'", "must be a whole number"),
    "quoted number": case(text("value: 32", 'value: "32"'), "population.baseline.value = '32'", "must be a number"),
    "exponent that YAML reads as text": case(text("value: 32", "value: 3e1"), "population.baseline.value = '3e1'"),
    "boolean for a number": case({"drug.ec50.value": True}, "drug.ec50.value = True", "must be a number"),
    "boolean for a size": case({"design.n_per_arm": True}, "design.n_per_arm = True", "must be a whole number"),
    "number for a boolean": case({"measurement.round": 1}, "measurement.round = 1", "must be true or false"),
    "text for a boolean": case(
        {"relapse": {"response_day": 7, "fraction": 0.5, "confirmed": "maybe"}}, "relapse.confirmed", "true or false"
    ),
    "number for a flag of the relapse": case(
        {"relapse": {"response_day": 7, "fraction": 0.5, "confirmed": 1}}, "relapse.confirmed = 1", "true or false"
    ),
    "octal number": case(text("n_per_arm: 60", "n_per_arm: 060"), "the number 060", "must be valid YAML"),
    "number in sixties": case(text("n_per_arm: 60", "n_per_arm: 1:00"), "the number 1:00", "must be valid YAML"),
    "number for text": case({"title": 5}, "title = 5", "must be text"),
    "date for text": case(text("Ketamine with or without CBT, the smallest useful file", "2024-05-01"), "title"),
    "mapping for a list": case({"arms": {"id": "a"}}, "arms", "must be a list"),
    "list for a mapping": case({"design": [60]}, "design", "must be a mapping"),
    "text for a list": case({"design.visits": "weekly"}, "design.visits = 'weekly'", "must be a list"),
    "number for days": case({f"{DOSE}.days": 0}, f"{DOSE}.days = 0", "must be a list"),
    "therapies as a list": case({"therapies": ["cbt"]}, "therapies", "must be a mapping"),
    "size with a fraction": case({"design.n_per_arm": 60.5}, "design.n_per_arm = 60.5", "must be a whole number"),
    "id of two words": case({"arms[0].id": "ketamine alone"}, "arms[0].id = 'ketamine alone'", "must be one word"),
    "not a number": case(text("value: 32", "value: .nan"), "population.baseline.value = nan", "finite"),
    "infinite": case(text("{value: 7, log_sd", "{value: .inf, log_sd"), "drug.half_life.value = inf", "finite"),
    "infinite spread": case({"drug.half_life.log_sd": float("inf")}, "drug.half_life.log_sd = inf", "finite"),
    "nan alpha": case({"analysis": {"alpha": float("nan")}}, "analysis.alpha = nan", "must"),
    "nan share of a level": case(
        {"design.allocation.strata": [{"name": "site", "levels": {"a": {"share": float("nan")}}}]},
        "design.allocation.strata[0].levels", "must",
    ),
    "infinite visit": case({"design.visits[4]": float("inf")}, "design.visits[4] = inf", "finite"),
    "nan as every": case(
        {"arms[1].therapy.days.every": float("nan")}, "arms[1].therapy.days.every = nan", "must be a number > 0"
    ),
    "infinite every": case(
        {"arms[1].therapy.days.every": float("inf")}, "arms[1].therapy.days", "must be"
    ),
    "too great an integer": case(text("value: 32", "value: 1" + "0" * 400), "population.baseline.value", "must"),
    "absurdly many sessions": case(
        {"arms[1].therapy.days.count": 10_000_000}, "arms[1].therapy.days", "must"
    ),
    "value of two lines": case({"outcome.scale": "MAD\nRS"}, "outcome.scale", "did you mean `MADRS`"),
    "key of two lines": case({"drug": {"half\nlife": 1}}, "drug", "unknown key"),
    "key that is no identifier": case({"therapies": {"c.b": {}}}, "therapies", "must be one word"),
    "by_arm beside a value": case(
        {"conduct.missed_doses": {"by_arm": {a: number(0, "share") for a in ("ketamine", "ketamine_cbt")}, "value": 1}},
        "conduct.missed_doses.value = 1", "(known: by_arm)",
    ),
    # sourced values
    "bare number": case({"drug.ec50": 0.5}, "drug.ec50 = 0.5", "{value: …, unit: …, source: …}"),
    "no source": gone("drug.ec50.source", "drug.ec50.source is missing", "must be given"),
    "no unit": gone("drug.ec50.unit", "drug.ec50.unit is missing", "must be given"),
    "assumption without a note": gone("drug.ec50.note", "drug.ec50.note is missing", "needs a note"),
    "unknown source": case({"drug.ec50.source": "murough2013a"}, "drug.ec50.source = 'murough2013a'", "did you mean"),
    "unknown source of the spread": case(
        {"drug.half_life.spread_source": "nobody1999"}, "drug.half_life.spread_source = 'nobody1999'", "must be"
    ),
    "source of a spread that is not there": case(
        {"drug.ec50.spread_source": "assumption", "drug.ec50.spread_note": "x"}, "drug.ec50.spread_source", "needs"
    ),
    "wrong unit": case({"drug.half_life.unit": "hour"}, "drug.half_life.unit = 'hour'", "must be day"),
    "logits on a score": case({"measurement.rater_sd.unit": "logit"}, "measurement.rater_sd.unit = 'logit'", "points"),
    "spread on the wrong scale": case({"drug.half_life": number(7, "day", sd=2)}, "drug.half_life.sd = 2", "`log_sd`"),
    "spread where nothing varies": case({"drug.ec50.sd": 0.1}, "drug.ec50.sd = 0.1", "no spread between patients"),
    "two spreads": case({"population.baseline.log_sd": 0.1}, "population.baseline.log_sd = 0.1", "only one spread"),
    "negative spread": case({"population.baseline.sd": -5}, "population.baseline.sd = -5", "must be ≥ 0"),
    "baseline without spread": gone("population.baseline.sd", "population.baseline.sd is missing", "needs"),
    "share above 1": case({"drug.share.value": 1.2}, "drug.share.value = 1.2", "must be < 1"),
    "negative learning": case(
        {"therapies.cbt.learning_per_session.value": -0.1}, "therapies.cbt.learning_per_session.value = -0.1", "≥ 0"
    ),
    "half-life of 0": case({"therapies.cbt.half_life.value": 0}, "therapies.cbt.half_life.value = 0", "must be > 0"),
    "baseline off the scale": case({"population.baseline.value": 320}, "population.baseline.value = 320", "60"),
    # the outcome, the drug and the patients
    "unknown scale": case({"outcome.scale": "MADRAS"}, "outcome.scale = 'MADRAS'", "did you mean `MADRS`"),
    "a number of days as outcome": case(
        {"outcome.scale": "heavy_drinking_days"}, "outcome.scale = 'heavy_drinking_days': numbers of days",
        "percent_abstinent_days",
    ),
    "own scale upside down": case(
        {"outcome.scale": own_scale(range={"low": 60, "high": 0})},
        "outcome.scale.range.high = 0", "greater than low, 60",
    ),
    "own scale without a range": case(
        {"outcome.scale": own_scale(range=None)}, "outcome.scale.range is missing", "{low: …, high: …}",
    ),
    "own scale without end": case(
        {"outcome.scale": own_scale(range={"low": 0, "high": float("inf")})},
        "outcome.scale.range.high = inf", "must be a finite number",
    ),
    "own scale with a step of 0": case(
        {"outcome.scale": own_scale(step=0)}, "outcome.scale.step = 0", "must be > 0"
    ),
    "own scale without a source": case(
        {"outcome.scale": own_scale(drop="source")}, "outcome.scale.source is missing", "must be given"
    ),
    "own scale from an unknown source": case(
        {"outcome.scale": own_scale(source="nobody2020")}, "outcome.scale.source = 'nobody2020'", "`assumption`"
    ),
    "own scale with an assumption without a reason": case(
        {"outcome.scale": own_scale(source="assumption")}, "outcome.scale.note is missing", "says why"
    ),
    "own scale of the catalogue": case(
        {"outcome.scale": own_scale(id="MADRS")}, "outcome.scale.id = 'MADRS'", "must differ from"
    ),
    "own remission beyond the scale": case(
        {"outcome.scale": own_scale(remission={"at_most": 61, "source": "lii2023"})},
        "outcome.scale.remission.at_most = 61", "must lie on the scale, 0 to 60",
    ),
    "own remission from the wrong side": case(
        {"outcome.scale": own_scale(remission={"at_least": 5, "source": "lii2023"})},
        "outcome.scale.remission.at_least = 5", "must be at_most",
    ),
    "own remission of nothing": case(
        {"outcome.scale": own_scale(remission={"source": "lii2023"})},
        "outcome.scale.remission.at_most is missing", "must be given",
    ),
    "own response by more than all": case(
        {"outcome.scale": own_scale(response={"fraction": 50, "source": "lii2023"})},
        "outcome.scale.response.fraction = 50", "must be ≤ 1",
    ),
    "own response by nothing": case(
        {"outcome.scale": own_scale(response={"source": "lii2023"})},
        "outcome.scale.response.fraction is missing", "or points of the score, and not both",
    ),
    "own response beyond the scale": case(
        {"outcome.scale": own_scale(response={"points": 61, "source": "lii2023"})},
        "outcome.scale.response.points = 61", "at most the length of the scale, 60",
    ),
    "own difference longer than the scale": case(
        {"outcome.scale": own_scale(mcid=[{"value": 70, "kind": "least", "source": "lii2023"}])},
        "outcome.scale.mcid[0].value = 70", "at most the length of the scale, 60",
    ),
    "own difference of two kinds": case(
        {"outcome.scale": own_scale(mcid=[{"value": 7, "fraction": 0.1, "kind": "least", "source": "lii2023"}])},
        "outcome.scale.mcid[0].value = 7", "or fraction of the baseline, and not both",
    ),
    "own score in percent": case(
        {"outcome.scale": own_scale(unit="percent")}, "outcome.scale.unit = 'percent'", "kind: share_of_days"
    ),
    "own days with a range": case(
        {"outcome.scale": own_scale(kind="share_of_days", better="higher")},
        "outcome.scale.range", "must not be given with share_of_days",
    ),
    "own days of which fewer are better": case(
        {"outcome.scale": own_scale(kind="share_of_days")}, "outcome.scale.better = 'lower'", "count the days without"
    ),
    "own scale with a key of no scale": case(
        {"outcome.scale": own_scale(maximum=38)}, "outcome.scale.maximum = 38", "unknown key"
    ),
    "no scale at all": case({"outcome.scale": 5}, "outcome.scale = 5", "must be text"),
    "share on a scale of logits": case(
        {
            "outcome.scale": "percent_abstinent_days", "population.baseline.unit": "logit",
            "therapies.cbt.max_effect.unit": "logit", "measurement.deviation_sd.unit": "logit",
            "measurement.rater_sd.unit": "logit",
        },
        "drug.share = 0.75", "give max_effect in logit",
    ),
    "entry off the scale": case({"population.entry": {"at_least": 61}}, "population.entry.at_least = 61", "60"),
    "entry where nothing varies": case(
        {
            "population.entry": {"at_least": 30}, "population.baseline.sd": 0,
            "measurement.deviation_sd.value": 0, "measurement.rater_sd.value": 0,
        },
        "population.entry", "must",
    ),
    "half a day before entry": case(
        {"measurement.baseline_period_days": 0.5}, "measurement.baseline_period_days = 0.5", "must be"
    ),
    "entry without a limit": case({"population.entry": {}}, "population.entry.at_least is missing", "needs"),
    "entry turned round": case(
        {"population.entry": {"at_least": 30, "at_most": 20}}, "population.entry.at_most = 20", "greater than"
    ),
    "share and max_effect": case({"drug.max_effect": number(9, "points")}, "drug.max_effect = 9", "exactly one"),
    "slope without linear": case({"drug.slope": number(9, "points")}, "drug.slope = 9", "belongs to effect: linear"),
    "ec50 with linear": case(
        {"drug.effect": "linear", "drug.slope": number(9, "points"), "drug.share": None}, "drug.ec50 = 0.5", "belongs"
    ),
    "unknown effect": case({"drug.effect": "sigmoid"}, "drug.effect = 'sigmoid'", "must be 'emax' or 'linear'"),
    "synergy without a window": case(
        {"therapies.cbt.gamma": number(1, "none")}, "drug.window_half_life is missing", "gamma", "needs"
    ),
    "overlap above 1": case({"therapies.cbt.xi": number(1.5, "share")}, "therapies.cbt.xi.value = 1.5", "≤ 1"),
    "correlation with nothing": case(
        {"population.correlations": [{"between": ["baseline"], "value": number(0.3, "none")}]},
        "population.correlations[0].between", "must name two",
    ),
    "correlation of an unknown": case(
        {"population.correlations": [{"between": ["baseline", "age"], "value": number(0.3, "none")}]},
        "population.correlations[0].between[1] = 'age'", "must be",
    ),
    "correlation of 1": case(
        {"population.correlations": [{"between": ["baseline", "drug_effect"], "value": number(1, "none")}]},
        "population.correlations[0].value.value = 1", "must be < 1",
    ),
    "correlations that contradict each other": case(
        {
            "population.correlations": [
                {"between": ["baseline", "drug_effect"], "value": number(0.9, "none")},
                {"between": ["drug_effect", "drug_half_life"], "value": number(0.9, "none")},
                {"between": ["baseline", "drug_half_life"], "value": number(-0.9, "none")},
            ]
        },
        "population.correlations", "must make a positive definite matrix",
    ),
    "correlation given twice": case(
        {
            "population.correlations": [
                {"between": ["baseline", "drug_effect"], "value": number(0.3, "none")},
                {"between": ["drug_effect", "baseline"], "value": number(-0.3, "none")},
            ]
        },
        "population.correlations[1].between", "must",
    ),
    # arms
    "negative day": case({"arms[1].therapy.days": [2, 5, 8, -2]}, "arms[1].therapy.days[3] = -2: must be ≥ 0"),
    "negative dose day": case({f"{DOSE}.days": [-1]}, f"{DOSE}.days[0] = -1: must be ≥ 0"),
    "days that fall": case({"arms[1].therapy.days": [2, 9, 5]}, "arms[1].therapy.days[2] = 5", "must be later than"),
    "a day twice": case({f"{DOSE}.days": [0, 7, 7]}, f"{DOSE}.days[2] = 7", "must be later than the day before it, 7"),
    "bad key of days": case({"arms[1].therapy.days.evry": 3}, "arms[1].therapy.days.evry = 3", "`every`"),
    "days without a count": gone("arms[1].therapy.days.count", "arms[1].therapy.days.count is missing", "take"),
    "count with a fraction": case({"arms[1].therapy.days.count": 9.5}, "arms[1].therapy.days.count = 9.5", "whole"),
    "session before randomisation": case(
        {"randomisation": {"day": 7}, f"{DOSE}.days": [7], "arms[1].doses[0].days": [7]},
        "arms[1].therapy.days[0] = 2", "must not be before", "randomisation on day 7",
    ),
    "dose before randomisation": case({"randomisation": {"day": 1}}, f"{DOSE}.days[0] = 0", "must not be before"),
    "run-in without a later randomisation": case(
        {"randomisation": {"run_in": RUN_IN}}, "randomisation.day = 0", "must be > 0"
    ),
    "eligible on a day that is no visit": case(
        {
            "randomisation": {"day": 7, "run_in": RUN_IN | {"eligible": {"improved_by": 0.5, "on_day": 3}}},
            f"{DOSE}.days": [7], "arms[1].doses[0].days": [7], "arms[1].therapy.days": [8],
        },
        "randomisation.run_in.eligible.on_day = 3", "must be a visit",
    ),
    "unknown route": case({f"{DOSE}.route": "by mouth"}, f"{DOSE}.route = 'by mouth'", "must be one of IV"),
    "unknown agent": case({f"{DOSE}.agent": "psilocybin"}, f"{DOSE}.agent = 'psilocybin'", "must be 'ketamine'"),
    "no dose": gone(f"{DOSE}.mg_per_kg", f"{DOSE}.mg_per_kg is missing", "needs a dose"),
    "dose of 0": case({f"{DOSE}.mg_per_kg": 0}, f"{DOSE}.mg_per_kg = 0", "must be > 0"),
    "negative dose in a list": case(
        {f"{DOSE}.mg_per_kg": [0.5, -0.5], f"{DOSE}.days": [0, 3]}, f"{DOSE}.mg_per_kg[1] = -0.5", "must be > 0"
    ),
    "quoted dose": case({f"{DOSE}.mg_per_kg": "0.5"}, f"{DOSE}.mg_per_kg = '0.5'", "must be a number"),
    "two doses": case({f"{DOSE}.mg": 35}, f"{DOSE}.mg = 35", "only one dose may be given"),
    "flat dose without a weight": case(
        {f"{DOSE}.mg": 35, f"{DOSE}.mg_per_kg": None}, f"{DOSE}.body_weight is missing", "go together"
    ),
    "weight without a flat dose": case(
        {f"{DOSE}.body_weight": number(75, "kg")}, f"{DOSE}.mg is missing", "go together", "must"
    ),
    "more doses than days": case({f"{DOSE}.mg_per_kg": [0.5, 1]}, f"{DOSE}.mg_per_kg", "one for each of 1 days"),
    "SC without bioavailability": case({f"{DOSE}.route": "SC"}, f"{DOSE}.bioavailability is missing", "give one"),
    "unknown therapy": case({"arms[1].therapy.name": "cbtt"}, "arms[1].therapy.name = 'cbtt'", "did you mean `cbt`"),
    "count and caseload": case(
        {"therapies.cbt.therapists": THERAPISTS | {"count": 4, "caseload": 8}},
        "therapies.cbt.therapists.caseload = 8", "exactly one of count and caseload",
    ),
    "neither count nor caseload": case(
        {"therapies.cbt.therapists": THERAPISTS}, "therapies.cbt.therapists.count is missing", "exactly one of"
    ),
    "no therapist": case(
        {"therapies.cbt.therapists": THERAPISTS | {"count": 0}}, "therapies.cbt.therapists.count = 0", "1 to 100000"
    ),
    "adjunct that ends before it begins": case(
        {"arms[0].adjuncts": [{"name": "TMS", "from_day": 9, "to_day": 2, "half_life_factor": number(2, "none")}]},
        "arms[0].adjuncts[0].to_day = 2", "must be later than from_day, 9",
    ),
    "adjunct that does nothing": case(
        {"arms[0].adjuncts": [{"name": "TMS", "from_day": 1, "to_day": 2}]}, "arms[0].adjuncts[0]", "needs"
    ),
    "one arm": gone("arms[1]", "estimand.contrast = 'ketamine_cbt - ketamine'", "must be ketamine, the only arm"),
    "two arms of one name": case({"arms[1].id": "ketamine"}, "arms[1].id = 'ketamine'", "must differ"),
    "2x2 with three arms": case(_third_arm, "arms = [[0, 1], [1, 0], [1, 1]]", "2×2 must be 00, 01, 10 and 11"),
    "no arms at all": case({"arms": []}, "arms = 0", "must be one arm or more"),
    "2x2 with two arms": case(LEVELS, "arms = [[1, 0], [1, 1]]", "2×2 must be 00, 01, 10 and 11"),
    "factor at level 2": case(
        {"arms[0].factors": {"drug": 2, "talk": 0}}, "arms[0].factors.drug = 2", "must be 0 or 1"
    ),
    "factors in one arm only": case({"arms[0].factors": LEVELS["arms[0].factors"]}, "arms[1].factors", "every arm"),
    # the design
    "n twice": case({"design.n_total": 120}, "design.n_total = 120", "exactly one of n_per_arm and n_total"),
    "no n": gone("design.n_per_arm", "design.n_per_arm is missing", "exactly one of"),
    "one patient an arm": case({"design.n_per_arm": 1}, "design.n_per_arm = 1", "must be between 2 and"),
    "a million patients": case({"design.n_per_arm": 1_000_000}, "design.n_per_arm = 1000000", "must be between"),
    "first visit late": case({"design.visits": [1, 7, 28]}, "design.visits", "must begin with 0"),
    "no visits": case({"design.visits": []}, "design.visits = []", "must begin with 0"),
    "visits that fall": case({"design.visits": [0, 14, 7, 28]}, "design.visits[2] = 7", "must be later than"),
    "ratio of an unknown arm": case(
        {"design.n_total": 90, "design.n_per_arm": None, "design.allocation": {"ratio": {"ketamin": 2}}},
        "design.allocation.ratio.ketamin", "did you mean `ketamine`",
    ),
    "ratio with n_per_arm": case(
        {"design.allocation": {"ratio": {"ketamine": 2}}}, "design.n_per_arm = 60", "a ratio goes with n_total"
    ),
    "ratio of 0": case(
        {"design.allocation": {"ratio": {"ketamine": 0}}}, "design.allocation.ratio.ketamine = 0", "must be"
    ),
    "block that does not fit": case(
        {"design.allocation": {"block": 5}}, "design.allocation.block = 5", "must be a multiple of 2"
    ),
    "shares that do not sum to 1": case(
        {"design.allocation": {"strata": [{"name": "site", "levels": {"a": {"share": 0.5}, "b": {"share": 0.4}}}]}},
        "design.allocation.strata[0].levels = 0.9", "must sum to 1",
    ),
    "share of a level above 1": case(
        {"design.allocation": {"strata": [{"name": "site", "levels": {"a": {"share": 1.5}}}]}},
        "design.allocation.strata[0].levels.a.share = 1.5", "must be ≤ 1",
    ),
    "stratum twice": case(
        {"design.allocation": {"strata": [STRATUM, STRATUM]}}, "design.allocation.strata[1].name = 'site'", "differ"
    ),
    "stratum with the name of a column": case(
        {"design.allocation": {"strata": [STRATUM | {"name": "score"}]}},
        "design.allocation.strata[0].name = 'score'", "must",
    ),
    "block greater than any trial": case(
        {"design.allocation": {"block": 2_000_000_000}}, "design.allocation.block = 2000000000", "must be"
    ),
    "ratio that leaves an arm empty": case(
        {"design.n_total": 2, "design.n_per_arm": None, "design.allocation": {"ratio": {"ketamine": 50}}},
        "design.n_total = 2", "must be",
    ),
    "adjunct before randomisation": case(
        {
            "randomisation": {"day": 7, "run_in": RUN_IN},
            f"{DOSE}.days": [7], "arms[1].doses[0].days": [7], "arms[1].therapy.days": [8],
            "arms[0].adjuncts": [{"name": "TMS", "from_day": 2, "to_day": 9, "half_life_factor": number(2, "none")}],
        },
        "arms[0].adjuncts[0].from_day = 2", "must not be before",
    ),
    # the question
    "estimand on a day that is no visit": case({"estimand.day": 21}, "estimand.day = 21", "visits are 0, 1, 7, 14, 28"),
    "estimand on day 0": case({"estimand.day": 0}, "estimand.day = 0", "must be a visit after randomisation"),
    "contrast with an unknown arm": case(
        {"estimand.contrast": "ketamine_cbt - placebo"},
        "estimand.contrast = 'ketamine_cbt - placebo'", "must be `a - b`",
    ),
    "contrast of an arm with itself": case(
        {"estimand.contrast": "ketamine - ketamine"}, "estimand.contrast = 'ketamine - ketamine'", "different ones of"
    ),
    "contrast with a true minus sign": case(
        {"estimand.contrast": "ketamine_cbt − ketamine"}, "estimand.contrast", "must be `a - b`"
    ),
    "unknown endpoint": case({"estimand.endpoint": "cure"}, "estimand.endpoint = 'cure'", "must be 'score'"),
    "days of abstinence on the MADRS": case(
        {"estimand.endpoint": "percent_abstinent_days"}, "estimand.endpoint = 'percent_abstinent_days'", "must be"
    ),
    "sustained response without relapse": case(
        {"estimand.endpoint": "sustained_response"}, "relapse is missing", "needs relapse"
    ),
    "secondary on no visit": case({"secondary": [ESTIMAND | {"day": 5}]}, "secondary[0].day = 5", "must be a visit"),
    "alpha .7": case({"analysis": {"alpha": 0.7}}, "analysis.alpha = 0.7", "must be < 0.5"),
    "unknown covariate": case(
        {"analysis": {"covariates": ["basline"]}}, "analysis.covariates[0] = 'basline'", "did you mean `baseline`"
    ),
    "unknown method": case({"analysis": {"methods": ["anova"]}}, "analysis.methods[0] = 'anova'", "must be one of ab"),
    "no method": case({"analysis": {"methods": []}}, "analysis.methods = []", "must name at least one"),
    "variant with an unknown path": case(
        {"variants": {"larger": {"design.n_per_amr": 90}}}, "design.n_per_amr", "did you mean `n_per_arm`"
    ),
    "variant with a bad value": case(
        {"variants": {"larger": {"design.n_per_arm": 0}}}, "design.n_per_arm = 0", "must be between"
    ),
    # the decision and the looks
    "unknown key in the decision": case({"decision": {"nogo": 0.1}}, "decision.nogo = 0.1", "did you mean `no_go`"),
    "margin that is text": case({"decision.margin": "3"}, "decision.margin = '3'", "must be a number"),
    "nan margin": case({"decision.margin": float("nan")}, "decision.margin = nan", "finite"),
    "go below a half": case({"decision.go": 0.3}, "decision.go = 0.3: must be a probability from 0.5 to below 1"),
    "go with certainty": case({"decision.go": 1}, "decision.go = 1: must be"),
    "no go above go": case({"decision": {"go": 0.9, "no_go": 0.95}}, "decision.no_go = 0.95: must be", "0.9"),
    "ROPE of nothing": case({"decision.rope": 0}, "decision.rope = 0: must be more than 0 points"),
    "infinite ROPE": case({"decision.rope": float("inf")}, "decision.rope = inf", "finite"),
    "ROPE held too loosely": case({"decision.rope_probability": 0.2}, "decision.rope_probability = 0.2: must be"),
    "unknown analysis prior": case(
        {"decision.priors": ["weak", "sceptical"]}, "decision.priors[1] = 'sceptical': must be one of flat, weak",
        "did you mean `skeptical`",
    ),
    "analysis prior twice": case({"decision.priors": ["weak", "weak"]}, "decision.priors[1] = 'weak': must be named"),
    "no analysis prior": case({"decision.priors": []}, "decision.priors = []", "must name at least one"),
    "analysis prior outside a list": case({"decision.priors": "weak"}, "decision.priors = 'weak'", "must be a list"),
    "unknown design prior": case(
        {"decision.design_priors": ["hope"]}, "decision.design_priors[0] = 'hope': must be one of scenario, null, prior"
    ),
    "design prior from which nothing can be drawn": case(
        {"decision.design_priors": ["null", "flat"]}, "decision.design_priors[1] = 'flat': must be one of"
    ),
    "look outside a list": case({"design.looks": {"share": 0.5}}, "design.looks", "must be a list"),
    "look without a share": case({"design.looks": [{}]}, "design.looks[0].share is missing", "must be given"),
    "look at everybody": case({"design.looks": [{"share": 1}]}, "design.looks[0].share = 1: must be a share"),
    "futility of 1": case(
        {"design.looks": [{"share": 0.5, "futility": 1}]}, "design.looks[0].futility = 1: must be a probability"
    ),
    "looks that fall": case(
        {"design.looks": [{"share": 0.5}, {"share": 0.4}]}, "design.looks[1].share = 0.4: must be later than", "0.5"
    ),
    # conduct
    "dropout without an arm": case(
        {"conduct.dropout": {"hazard": {"by_arm": {"ketamine": number(0.01, "per_day")}}}},
        "conduct.dropout.hazard.by_arm.ketamine_cbt is missing", "every arm needs its value",
    ),
    "dropout of an unknown arm": case(
        {"conduct.dropout": {"hazard": {"by_arm": {"placebo": number(0.01, "per_day")}}}},
        "conduct.dropout.hazard.by_arm.placebo", "must be an arm",
    ),
    "missing share above 1": case(
        {"conduct.missed_sessions": number(1.1, "share")}, "conduct.missed_sessions.value = 1.1", "must be ≤ 1"
    ),
    "hazard without a unit of time": case(
        {"conduct.dropout": {"hazard": number(0.01, "share")}}, "conduct.dropout.hazard.unit = 'share'", "per_day"
    ),
    "unknown course after dropout": case(
        {"conduct.dropout": {"hazard": number(0.01, "per_day"), "afterwards": "unknown"}},
        "conduct.dropout.afterwards = 'unknown'", "must be 'off_treatment'",
    ),
    "rescue without a trigger": case(
        {
            "conduct.rescue": {
                "from_day": 7, "effect": number(5, "points"), "onset": number(7, "day"),
                "half_life": number(14, "day"), "share_taking": number(1, "share"),
            }
        },
        "conduct.rescue.score_at_least is missing", "needs a trigger",
    ),
    "open-label ketamine that never wears off": case(
        {
            "conduct.open_label_ketamine": {
                "from_day": 7, "score_at_least": 20, "effect": number(5, "points"), "onset": number(7, "day"),
                "share_taking": number(1, "share"),
            }
        },
        "conduct.open_label_ketamine.half_life is missing", "must be given",
    ),
}  # fmt: skip
