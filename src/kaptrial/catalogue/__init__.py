"""FACTS: published sources, outcome scales and routes, as data files with their sources, and their reader."""

from kaptrial.catalogue.reader import (
    Route,
    Scale,
    potency,
    route,
    route_names,
    scale,
    scale_names,
    source,
    source_keys,
)

__all__ = [
    "Route",
    "Scale",
    "potency",
    "route",
    "route_names",
    "scale",
    "scale_names",
    "source",
    "source_keys",
]
