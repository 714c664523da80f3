"""A new scenario, composed of building blocks (blocks.yaml) as commented YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kaptrial.errors import FieldError, nearest
from kaptrial.yaml_file import parse

# The question to each choice, in the order in which they are asked.
QUESTIONS = {
    "indication": "Who is treated?",
    "regimen": "How is the drug given?",
    "therapy": "Which therapy?",
    "comparison": "What is compared?",
    "outcome": "Which outcome?",
    "day": "On which day?",
    "n": "How many patients in all?",
}
# Months in which a trial with looks recruits, until its author says how fast it does.
RECRUITMENT_MONTHS = 24
_BELIEF = {
    "full": ("0.9", "dissociation is hard to miss"),
    "low": ("0.6", "a low dose is felt a little; no figure is in the catalogue"),
    "placebo": ("0.5", "half of them take it for ketamine; no figure is in the catalogue"),
    "none": ("0", "no drug is given, and everybody knows"),
}
_OPEN = ("1", "nothing that looks alike is given to anybody; everybody knows")


@cache
def blocks() -> dict[str, Any]:
    """The building blocks, as their file says."""
    content: dict[str, Any] = parse(Path(__file__).with_name("blocks.yaml").read_text(encoding="utf-8"))
    return content


def choices(question: str, indication: str | None = None) -> dict[str, str]:
    """What may be chosen, each with its description; outcomes depend on the indication. Empty for a number."""
    if question == "outcome":
        every = blocks()["indications"]
        kinds = [every[indication]] if indication else every.values()
        return {name: endpoint for kind in kinds for name, endpoint in kind["endpoints"].items()}
    part = {"indication": "indications", "regimen": "regimens", "therapy": "therapies", "comparison": "comparisons"}
    if question not in part:
        return {}
    every = blocks()[part[question]]
    return {name: (block or {"label": "no therapy"}).get("label", name) for name, block in every.items()}


@dataclass(frozen=True)
class Plan:
    """What was chosen. Raises FieldError for what cannot be.

    Parameters
    ----------
    indication, regimen, therapy, comparison, outcome : str
        Names of building blocks.
    day : int
        The day of the primary outcome.
    n : int
        Patients in all.
    looks : tuple of float
        Shares of the final information at which the data are looked at before the end; none unless given.
    """

    indication: str
    regimen: str
    therapy: str
    comparison: str
    outcome: str
    day: int
    n: int
    looks: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("indication", "regimen", "therapy", "comparison", "outcome"):
            chosen, allowed = getattr(self, name), choices(name, self.indication if name == "outcome" else None)
            if chosen not in allowed:
                raise FieldError(name, chosen, f"must be one of {', '.join(allowed)}{nearest(chosen, allowed)}")
        if self._comparison.get("needs_therapy") and self.therapy == "none":
            others = [name for name in choices("therapy") if name != "none"]
            raise FieldError("therapy", self.therapy, f"{self.comparison} needs one of {', '.join(others)}")
        if self.day < 1:
            raise FieldError("day", self.day, "must be 1 or later")
        parts = sum(self._ratio.values())
        if self.n < 2 * len(self._arms) or self.n % parts:
            least = f"must be a multiple of {parts}, at least {2 * len(self._arms)}"
            raise FieldError("n", self.n, f"{least}: the patients of {len(self._arms)} arms")
        for i, share in enumerate(self.looks):
            before = self.looks[i - 1] if i else 0.0
            if not before < share < 1:
                raise FieldError(
                    f"looks[{i}]", share, f"must be a share of the information above {before:g} and below 1"
                )

    @property
    def _indication(self) -> dict[str, Any]:
        kind: dict[str, Any] = blocks()["indications"][self.indication]
        return kind

    @property
    def _regimen(self) -> dict[str, Any]:
        regimen: dict[str, Any] = blocks()["regimens"][self.regimen]
        return regimen

    @property
    def _therapy(self) -> dict[str, Any] | None:
        therapy: dict[str, Any] | None = blocks()["therapies"][self.therapy]
        return therapy

    @property
    def _comparison(self) -> dict[str, Any]:
        comparison: dict[str, Any] = blocks()["comparisons"][self.comparison]
        return comparison

    @property
    def _arms(self) -> dict[str, dict[str, Any]]:
        """The arms, the comparator called by what is given."""
        arms: dict[str, dict[str, Any]] = self._comparison["arms"]
        return {self._named(arm_id): arm for arm_id, arm in arms.items()}

    @property
    def _ratio(self) -> Mapping[str, int]:
        given: Mapping[str, int] = self._comparison.get("ratio") or dict.fromkeys(self._comparison["arms"], 1)
        return {self._named(arm_id): share for arm_id, share in given.items()}

    def _named(self, text: str) -> str:
        drug = "esketamine" if "esketamine" in self._regimen["full"] else "ketamine"
        return text.replace("ketamine", drug).replace("placebo", self._regimen["placebo_id"])

    def text(self) -> str:
        """The scenario as commented YAML."""
        kind = self._indication
        given = {name: getattr(self, name) for name in QUESTIONS} | ({"looks": self._looks_given} if self.looks else {})
        flags = " ".join(f"--{name} {value}" for name, value in given.items())
        contrast = self._named(self._comparison["contrast"])
        what = "" if self._therapy is None else f"; {self._therapy['label']}"
        parts = [
            f"# Made by `kaptrial new {flags}`.\n"
            "# Each number is a default to look at: `kaptrial check` lists the assumptions, docs/keys.md every key.\n",
            f'title: "{kind["label"]}, {self._regimen["label"]}{what}: {self._comparison["label"]}"\n'
            f'question: "What is {contrast} on day {self.day}?"\n',
            f"outcome:\n  scale: {kind['scale']}\n",
            kind["population"],
            kind["drug"],
            kind["natural_course"],
            self._therapies(),
            self._expectancy(),
            f"conduct:                          # what is absent does not happen\n"
            f"  dropout:\n    hazard: {kind['dropout']}\n",
            kind["measurement"],
            self._arm_lines(),
            self._design(),
            self._questions(),
        ]
        return "\n".join(parts)

    def _uses(self, part: str, level: str) -> bool:
        return any(arm[part] == level for arm in self._arms.values())

    def _therapies(self) -> str:
        therapy, kind = self._therapy, self._indication
        if therapy is None:
            return "therapies: {}\n"
        text = "therapies:\n"
        for name, label, effect in (
            (self.therapy, therapy["label"], kind["therapy_effect"]),
            ("contact", "Control contact, the same sessions", kind["control_effect"]),
        ):
            if name == "contact" and not self._uses("therapy", "control"):
                continue
            text += (
                f"  {name}:\n    label: {label}\n    max_effect: {effect}\n"
                f"    learning_per_session: {therapy['learning']}\n    half_life: {therapy['half_life']}\n"
                f"    session_minutes: {therapy['minutes']}\n"
            )
            if kind["therapists_sd"]:
                text += (
                    "    therapists:\n      caseload: 8                 # a design choice\n"
                    f"      sd: {kind['therapists_sd']}\n"
                )
        return text

    def _expectancy(self) -> str:
        """Belief in the drug by arm; open where no arm has anything that looks alike."""
        kind, blinded = self._indication, self._uses("drug", "placebo") or self._uses("drug", "low")
        text = f"expectancy:\n  drug:\n    effect: {kind['expectancy_effect']}\n    belief:\n      by_arm:\n"
        for arm_id, arm in self._arms.items():
            share, why = _BELIEF[arm["drug"]] if blinded or arm["drug"] == "none" else _OPEN
            text += f'        {arm_id}: {{value: {share}, unit: share, source: assumption, note: "{why}"}}\n'
        return text + (
            "    onset: {value: 1, unit: day, source: assumption, note: there after the first dose}\n"
            f"    half_life: {kind['expectancy_half_life']}\n"
        )

    def _arm_lines(self) -> str:
        text = "arms:\n"
        for arm_id, arm in self._arms.items():
            text += f"  - id: {arm_id}\n    label: {arm_id.replace('_', ' ').capitalize()}\n"
            if "factors" in arm:
                drug, therapy = arm["factors"]
                text += f"    factors: {{{self._named('ketamine')}: {drug}, therapy: {therapy}}}\n"
            if arm["drug"] != "none":
                text += f"    doses: [{{{self._regimen[arm['drug']]}, days: {self._regimen['days']}}}]\n"
            if self._therapy is not None and arm["therapy"] != "none":
                name = self.therapy if arm["therapy"] == "active" else "contact"
                text += f"    therapy: {{name: {name}, days: {self._therapy['days']}}}\n"
        return text

    def _design(self) -> str:
        """Visits every four weeks, on the day of the outcome, and after the last dose and session."""
        last = max(self.day, self._regimen["given"][-1] + 1, self._therapy["last"] + 1 if self._therapy else 0)
        visits = sorted({0, 7, *range(28, last, 28), self.day, last} - {day for day in (7,) if day > last})
        ratio = self._comparison.get("ratio")
        size = f"  n_per_arm: {self.n // len(self._arms)}\n" if ratio is None else f"  n_total: {self.n}\n"
        if ratio is not None:
            shares = ", ".join(f"{arm_id}: {share}" for arm_id, share in self._ratio.items())
            size += f"  allocation: {{ratio: {{{shares}}}}}\n"
        return f"design:\n{size}  visits: {visits}\n{self._group_sequential()}"

    @property
    def _looks_given(self) -> str:
        return ",".join(f"{share:g}" for share in self.looks)

    def _group_sequential(self) -> str:
        """Looks before the end; nothing where there are none."""
        if not self.looks:
            return ""
        accrual = -(-self.n // RECRUITMENT_MONTHS)
        looks = ", ".join(f"{{information: {share:g}}}" for share in self.looks)
        return (
            "  group_sequential:               # looks at the data that may end the trial: docs/looks.md\n"
            f"    accrual_per_month: {accrual}          # a design choice: all within two years\n"
            f"    looks: [{looks}]\n"
            "    sided: 1                      # on the side of benefit, at half of the two-sided level\n"
            "    spending: obf                 # few early stops for efficacy; pocock has more\n"
            "    futility: cp:0.2              # stop where the conditional power under the trend is below .2\n"
        )

    def _questions(self) -> str:
        endpoint = self._indication["endpoints"][self.outcome]
        text = (
            f"estimand:\n  contrast: {self._named(self._comparison['contrast'])}\n  day: {self.day}\n"
            f"  endpoint: {endpoint}\n"
        )
        secondary = self._comparison.get("secondary", ())
        if secondary:
            text += "\nsecondary:\n"
        for contrast in secondary:
            text += f"  - {{contrast: {self._named(contrast)}, day: {self.day}, endpoint: {endpoint}}}\n"
        if "multiplicity" in self._comparison:
            text += f"\nanalysis:\n  multiplicity: {{procedure: {self._comparison['multiplicity']}}}\n"
        return text
