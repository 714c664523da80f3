"""Reads the catalogue's data files. Every figure in them carries its source; see docs/catalogue.md for the forms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from kaptrial.catalogue.priors import prior_names
from kaptrial.catalogue.trials import trial_keys


@dataclass(frozen=True, kw_only=True)
class Scale:
    """An outcome scale: its range, unit, direction, and the rules of response and remission where a source gives one.

    `link` is "identity" for scores, "logit" for outcomes counted day by day, whose latent scale is the logit of a day's
    success, and "log" for counts of events, whose latent scale is the log of their rate in `period_days`. Response is
    an improvement by `response_fraction` of the way to the best score, or by `response_points`, which only a scenario's
    own scale may say. `remission_at`: the score at or better than which is remission. `thresholds` holds the sourced
    MCIDs and reliable changes as the data file states them. `indication`: the population of the design priors in whom
    the scale measures the illness; None where it is not one of theirs.
    """

    id: str
    label: str
    unit: str
    low: float
    high: float
    step: float
    better: str
    link: str
    response_fraction: float | None
    remission_at: float | None
    thresholds: dict[str, Any]
    indication: str | None
    response_points: float | None = None
    period_days: float | None = None

    @property
    def has_response(self) -> bool:
        """Whether there is a rule of response."""
        return self.response_fraction is not None or self.response_points is not None

    @property
    def sign(self) -> int:
        """+1 where a higher score is better, −1 where a lower one is."""
        return 1 if self.better == "higher" else -1

    @property
    def best(self) -> float:
        """The end of the range that no patient can improve past."""
        return self.high if self.better == "higher" else self.low

    @property
    def worst(self) -> float:
        """The other end of the range."""
        return self.low if self.better == "higher" else self.high

    @property
    def latent_unit(self) -> str:
        """The unit of effects on the latent scale: points, logit, or log of a rate."""
        return "points" if self.link == "identity" else self.link


@dataclass(frozen=True, kw_only=True)
class Route:
    """A route of administration with its bioavailability (a share), None where no source was found."""

    name: str
    bioavailability: float | None
    source: str | None


@dataclass(frozen=True, kw_only=True)
class StatedDuration:
    """How long an effect lasts, as the literature states it: a range in days or of shares of the baseline."""

    id: str
    says: str
    indication: str
    unit: str
    low: float
    high: float
    quality: str
    sources: tuple[str, ...]
    note: str


@cache
def stated_durations() -> tuple[StatedDuration, ...]:
    """Every statement of the catalogue on how long effects last."""
    return tuple(
        StatedDuration(
            id=key,
            **{name: raw[name] for name in ("says", "indication", "unit", "quality")},
            low=float(raw["range"][0]),
            high=float(raw["range"][1]),
            sources=tuple(raw["sources"]),
            note=raw.get("note", ""),
        )
        for key, raw in _load("durations").items()
    )


@cache
def _load(name: str) -> dict[str, Any]:
    text = (files("kaptrial.catalogue") / "data" / f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@cache
def source_keys() -> frozenset[str]:
    """The keys a `source:` may name: publications, trials other than those that only a document speaks of, priors."""
    trials = {key for key in trial_keys() if not key.startswith("doc_")}
    return frozenset(_load("sources")) | trials | frozenset(prior_names())


@cache
def source(key: str) -> dict[str, Any]:
    """One publication other than a trial: fields of its citation, and the figures read in it. Raises KeyError."""
    return _load("sources")[key]


@cache
def scale_names() -> tuple[str, ...]:
    """The names an outcome's `scale:` may take."""
    return tuple(_load("scales"))


@cache
def scale(name: str) -> Scale:
    """One outcome scale. Raises KeyError for an unknown name."""
    raw = _load("scales")[name]
    return Scale(
        id=name,
        label=raw["name"],
        unit=raw["unit"],
        low=float(raw["range"]["low"]),
        high=float(raw["range"]["high"]),
        step=float(raw["step"]),
        better=raw["better"],
        link=raw.get("link", "identity"),
        response_fraction=raw.get("response", {}).get("fraction"),
        remission_at=raw.get("remission", {}).get("at_most"),
        thresholds={key: raw.get(key, []) for key in ("mcid", "reliable_change")},
        indication=raw.get("indication"),
    )


@cache
def route_names() -> tuple[str, ...]:
    """The names a dose's `route:` may take."""
    return tuple(_load("routes")["routes"])


@cache
def route(name: str) -> Route:
    """One route. Raises KeyError for an unknown name."""
    entry = _load("routes")["routes"][name].get("bioavailability") or {}
    return Route(name=name, bioavailability=entry.get("value"), source=entry.get("source"))


@cache
def potency(agent: str) -> float | None:
    """Potency of racemic ketamine or esketamine, mg for mg against racemic ketamine; None where no source was found."""
    form = "racemic" if agent == "ketamine" else agent
    entry = _load("routes")["potency"].get(form) or {}
    return entry.get("value")
