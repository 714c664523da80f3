"""Design priors: draws of the response model's parameters with where they come from (data/priors/*.csv, *.yaml)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml

from kaptrial.arrays import Floats

# The prior of today's model: the default of commands, and what `check` puts a scenario beside.
CURRENT = "depression_iv_2026b"
# The population of which a prior speaks unless told: effects of the others are differences from it.
REFERENCE_POPULATION = "depression"
_POPULATION_EFFECT = "population_effect["


@cache
def prior_names() -> tuple[str, ...]:
    """The names a scenario's `prior:` may take."""
    folder = files("kaptrial.catalogue") / "data" / "priors"
    if not folder.is_dir():
        return ()
    return tuple(sorted(entry.name.removesuffix(".csv") for entry in folder.iterdir() if entry.name.endswith(".csv")))


@cache
def columns(name: str) -> tuple[list[str], Floats]:
    """Column names and draws (draw, column) of a prior. Raises KeyError for an unknown name."""
    if name not in prior_names():
        raise KeyError(name)
    lines = (files("kaptrial.catalogue") / "data" / "priors" / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    return lines[0].split(","), np.array([[float(x) for x in line.split(",")] for line in lines[1:]])


@cache
def populations(name: str) -> tuple[str, ...]:
    """The populations of which a prior speaks, the reference first. Raises KeyError for an unknown name."""
    effects = [column for column in columns(name)[0] if column.startswith(_POPULATION_EFFECT)]
    return (REFERENCE_POPULATION, *(column[len(_POPULATION_EFFECT) : -1] for column in effects))


@cache
def provenance(name: str) -> dict[str, Any]:
    """What a prior was fitted to, how, and how well the fit went. Raises KeyError for an unknown name."""
    if name not in prior_names():
        raise KeyError(name)
    text = (files("kaptrial.catalogue") / "data" / "priors" / f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)
