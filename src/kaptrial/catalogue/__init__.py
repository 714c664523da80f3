"""FACTS: published sources, outcome scales and routes, as data files with their sources, and their reader."""

from kaptrial.catalogue.citation import Citation
from kaptrial.catalogue.reader import (
    Route,
    Scale,
    StatedDuration,
    potency,
    route,
    route_names,
    scale,
    scale_names,
    source,
    source_keys,
    stated_durations,
)
from kaptrial.catalogue.trials import Figure, Trial, read_trial, trial, trial_keys

__all__ = [
    "Citation",
    "Figure",
    "Route",
    "Scale",
    "StatedDuration",
    "Trial",
    "potency",
    "read_trial",
    "route",
    "route_names",
    "scale",
    "scale_names",
    "source",
    "source_keys",
    "stated_durations",
    "trial",
    "trial_keys",
]
