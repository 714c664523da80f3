"""Design priors: draws of the response model's parameters with where they come from (data/priors/*.csv, *.yaml)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray


@cache
def prior_names() -> tuple[str, ...]:
    """The names a scenario's `prior:` may take."""
    folder = files("kaptrial.catalogue") / "data" / "priors"
    return tuple(sorted(entry.name.removesuffix(".csv") for entry in folder.iterdir() if entry.name.endswith(".csv")))


@cache
def columns(name: str) -> tuple[list[str], NDArray[np.float64]]:
    """Column names and draws (draw, column) of a prior. Raises KeyError for an unknown name."""
    if name not in prior_names():
        raise KeyError(name)
    lines = (files("kaptrial.catalogue") / "data" / "priors" / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    return lines[0].split(","), np.array([[float(x) for x in line.split(",")] for line in lines[1:]])


@cache
def provenance(name: str) -> dict[str, Any]:
    """What a prior was fitted to, how, and how well the fit went. Raises KeyError for an unknown name."""
    if name not in prior_names():
        raise KeyError(name)
    text = (files("kaptrial.catalogue") / "data" / "priors" / f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)
