"""Published trials: who took part, what they received, and what was reported, figure by figure (data/trials/*.yaml).

A figure that the response model should reproduce is a target and says, under `measure`, what it is in the project's own
terms: a statistic of one arm, or of two, on a day (docs/catalogue.md lists the statistics).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

from kaptrial.catalogue.citation import Citation
from kaptrial.catalogue.trial_file import Quality, Uncertainty, misshape
from kaptrial.errors import DataError
from kaptrial.yaml_file import YamlError, parse, read_text

QUALITIES: tuple[str, ...] = get_args(Quality)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One reported figure, as reported; `measures` is empty unless the model should reproduce it."""

    name: str | list[str] | None = None
    time: str
    arm: str
    statistic: str
    value: Any
    quality: str
    url: str | None
    how: str | None
    note: str | None
    not_target: str | None
    uncertainty: dict[str, Any]
    measures: tuple[dict[str, Any], ...]

    @property
    def target(self) -> bool:
        """Whether the model should reproduce the figure."""
        return bool(self.measures)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One published (or registered) trial. `arms` and `baselines` are as the data file states them.

    `contains`: trials whose patients are part of this one, so that the two are never fitted together. `held_out`: never
    fitted, kept to test the calibrated model on. `pooled`: how many trials a pooled analysis is of; 1 for a trial.
    """

    key: str
    citation: Citation
    indication: str
    population: str
    design: str
    blinding: str
    background: str | None
    contains: tuple[str, ...]
    held_out: bool
    pooled: int
    masked: bool
    enrolled: dict[str, int]
    regimen: str | None
    therapy: str | None
    control: str | None
    outcome: str | None
    dose_note: str | None
    baselines: dict[str, dict[str, Any]]
    arms: tuple[dict[str, Any], ...]
    figures: tuple[Figure, ...]
    notes: str | None

    @property
    def has_therapy(self) -> bool:
        """Whether any arm received a psychotherapy."""
        return self.therapy is not None


_OPTIONAL = ("background", "regimen", "therapy", "control", "outcome", "dose_note", "notes")
_UNCERTAIN = tuple(Uncertainty.__annotations__)


@cache
def trial_keys() -> tuple[str, ...]:
    """The keys of the catalogued trials, in alphabetical order."""
    folder = files("kaptrial.catalogue") / "data" / "trials"
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")))


@cache
def trial(key: str) -> Trial:
    """One catalogued trial. Raises KeyError for an unknown key."""
    if key not in trial_keys():
        raise KeyError(key)
    text = (files("kaptrial.catalogue") / "data" / "trials" / f"{key}.yaml").read_text(encoding="utf-8")
    return _trial(key, text, f"{key}.yaml")


def read_trial(path: Path) -> Trial:
    """A trial from a file of the catalogue's form; its key is the file's name. Raises DataError."""
    try:
        text = read_text(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    return _trial(path.stem, text, str(path))


def _trial(key: str, text: str, where: str) -> Trial:
    try:
        raw = parse(text)
    except YamlError as error:
        raise DataError(f"{where}: is not YAML:{error.at} {error}") from None
    if not isinstance(raw, dict):
        raise DataError(f"{where}: must be a mapping of citation, indication, arms, figures …")
    wrong = misshape(raw) or _inconsistent(raw)
    if wrong is not None:
        raise DataError(f"{where}: {wrong}")
    return Trial(
        key=key,
        citation=Citation(**raw["citation"] | {"authors": tuple(raw["citation"].get("authors", ()))}),
        **{name: raw.get(name) for name in _OPTIONAL},
        indication=raw["indication"],
        population=raw.get("population", ""),
        design=raw["design"],
        blinding=raw["blinding"],
        contains=tuple(raw.get("contains", ())),
        held_out=raw.get("held_out", False),
        pooled=raw.get("pooled", 1),
        masked=raw.get("masked", False),
        enrolled=raw.get("enrolled", {}),
        baselines=raw.get("baselines", {}),
        arms=tuple(raw.get("arms", ())),
        figures=tuple(_figure(entry) for entry in raw["figures"]),
    )


def _inconsistent(raw: dict[str, Any]) -> str | None:
    """What fits the form and yet contradicts something else in the file."""
    cited = raw["citation"]
    if not ("title" in cited or "described" in cited):
        return "citation.title: must be given, or in its place described"
    if ("doi" in cited) != ("doi_status" in cited):
        return "citation.doi_status: must say of a doi, and only of one, whether it was seen or recalled"
    ids = [arm["id"] for arm in raw.get("arms", ())]
    for i, arm in enumerate(ids):
        if arm in ids[:i]:
            return f"arms[{i}].id = {arm}: must differ from the ids of the other arms"
    for i, figure in enumerate(raw["figures"]):
        if figure.get("target", False) != bool(figure.get("measure")):
            return f"figures[{i}].target: a target says what it is under measure, and nothing else does"
    return None


def _figure(raw: dict[str, Any]) -> Figure:
    measure = raw.get("measure", [])
    return Figure(
        name=raw.get("name"),
        time=raw.get("time", ""),
        arm=raw.get("arm", ""),
        statistic=raw["statistic"],
        value=raw["value"],
        quality=raw["quality"],
        url=raw.get("url"),
        how=raw.get("how"),
        note=raw.get("note"),
        not_target=raw.get("not_target"),
        uncertainty={name: raw[name] for name in _UNCERTAIN if name in raw},
        measures=tuple(measure if isinstance(measure, list) else [measure]),
    )
