"""Published trials: who took part, what they received, and what was reported, figure by figure (data/trials/*.yaml).

A figure that the response model should reproduce is a target and says, under `measure`, what it is in the project's own
terms: a statistic of one arm, or of two, on a day (docs/catalogue.md lists the statistics).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

# From the best to the worst: what is believed first when sources disagree. `derived` stands where its parents stand.
QUALITIES = (
    "abstract",
    "conference_abstract",
    "press_release",
    "registry",
    "grant_abstract",
    "secondary",
    "derived",
    "document_only",
)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One reported figure, as reported; `measures` is empty unless the model should reproduce it."""

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
    citation: str
    doi: str | None
    doi_status: str | None
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


_OPTIONAL = ("doi", "doi_status", "background", "regimen", "therapy", "control", "outcome", "dose_note", "notes")
_KNOWN = {
    *_OPTIONAL, "citation", "indication", "population", "design", "design_reported", "blinding", "contains", "held_out",
    "masked", "pooled", "enrolled", "baselines", "arms", "figures",
}  # fmt: skip
_UNCERTAIN = ("sd", "se", "ci95", "p", "nnt", "d", "d_ci95", "g", "df", "t", "count", "median", "r")
_FIGURE = {"time", "arm", "statistic", "value", "quality", "url", "how", "note", "target", "measure", "not_target"}


class TrialFileError(ValueError):
    """A trial file that cannot be read: says the path and what is wrong."""


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
    """A trial from a file of the catalogue's form; its key is the file's name. Raises TrialFileError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TrialFileError(f"{path}: cannot be read: {error}") from None
    return _trial(path.stem, text, str(path))


def _trial(key: str, text: str, where: str) -> Trial:
    try:
        raw = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise TrialFileError(f"{where}: is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(raw, dict):
        raise TrialFileError(f"{where}: must be a mapping of citation, indication, arms, figures …")
    for unknown in sorted(set(raw) - _KNOWN):
        raise TrialFileError(f"{where}: {unknown}: unknown key")
    for needed in ("citation", "indication", "design", "blinding", "figures"):
        if needed not in raw:
            raise TrialFileError(f"{where}: {needed}: must be given")
    listed = {name: raw.get(name) or [] for name in ("arms", "figures", "contains")}
    for name, entries in listed.items():
        if not isinstance(entries, list):
            raise TrialFileError(f"{where}: {name} = {entries}: must be a list")
    return Trial(
        key=key,
        citation=str(raw["citation"]),
        **{name: raw.get(name) for name in _OPTIONAL},
        indication=str(raw["indication"]),
        population=str(raw.get("population", "")),
        design=str(raw["design"]),
        blinding=str(raw["blinding"]),
        contains=tuple(listed["contains"]),
        held_out=bool(raw.get("held_out", False)),
        pooled=int(raw.get("pooled", 1)),
        masked=bool(raw.get("masked", False)),
        enrolled=dict(raw.get("enrolled", {})),
        baselines=dict(raw.get("baselines", {})),
        arms=tuple(listed["arms"]),
        figures=tuple(_figure(entry, f"{where}: figures[{i}]") for i, entry in enumerate(listed["figures"])),
    )


def _figure(raw: Any, where: str) -> Figure:
    if not isinstance(raw, dict):
        raise TrialFileError(f"{where} = {raw}: must be a mapping of time, arm, statistic, value, quality …")
    for unknown in sorted(set(raw) - _FIGURE - set(_UNCERTAIN)):
        raise TrialFileError(f"{where}.{unknown}: unknown key")
    for needed in ("statistic", "value", "quality"):
        if needed not in raw:
            raise TrialFileError(f"{where}.{needed}: must be given")
    if raw["quality"] not in QUALITIES:
        raise TrialFileError(f"{where}.quality = {raw['quality']}: must be one of {', '.join(QUALITIES)}")
    measure = raw.get("measure", [])
    if bool(raw.get("target", False)) != bool(measure):
        raise TrialFileError(f"{where}.target: a target says what it is under measure, and nothing else does")
    return Figure(
        time=str(raw.get("time", "")),
        arm=str(raw.get("arm", "")),
        statistic=str(raw["statistic"]),
        value=raw["value"],
        quality=raw["quality"],
        url=raw.get("url"),
        how=raw.get("how"),
        note=raw.get("note"),
        not_target=raw.get("not_target"),
        uncertainty={name: raw[name] for name in _UNCERTAIN if name in raw},
        measures=tuple(measure if isinstance(measure, list) else [measure]),
    )
