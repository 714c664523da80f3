"""A small trial in the form of the catalogue's files, as a raw mapping to be edited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from kaptrial.catalogue import Trial, read_trial


def raw_trial() -> dict[str, Any]:
    """Ketamine against midazolam; a mean change, a share of responders and a difference."""
    return {
        "citation": {
            "authors": ["Nobody A", "Noone B"],
            "year": 2031,
            "title": "A trial that was never done",
            "journal": "J Imaginary Res",
            "volume": "1",
            "pages": "1-2",
        },
        "indication": "depression",
        "design": "parallel",
        "blinding": "double",
        "enrolled": {"ketamine": 20, "midazolam": 22},
        "baselines": {"MADRS": {"mean": 32, "sd": 5, "source": "assumption"}},
        "arms": [
            {
                "id": "ketamine",
                "n": 20,
                "doses": [{"agent": "ketamine", "route": "IV", "mg_per_kg": 0.5, "days": [0]}],
            },
            {"id": "midazolam", "n": 22, "doses": [{"agent": "midazolam", "days": [0]}]},
        ],
        "figures": [
            figure("mean_change", -15.0, arm="ketamine", day=1),
            figure("response", 25, arm="midazolam", day=1),
            figure("difference", -7.0, arm="ketamine - midazolam", day=7),
        ],
    }


def figure(statistic: str, value: float, **measure: Any) -> dict[str, Any]:
    """A target figure of MADRS."""
    return {
        "statistic": statistic,
        "value": value,
        "quality": "abstract",
        "target": True,
        "measure": {"statistic": statistic, "endpoint": "MADRS", **measure},
    }


def written(folder: Path, raw: Any, name: str = "new_trial") -> Path:
    """The mapping (or text) as a file."""
    path = folder / f"{name}.yaml"
    path.write_text(raw if isinstance(raw, str) else yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
    return path


def made(folder: Path, **changes: Any) -> Trial:
    """The trial with some of its keys changed, read from a file."""
    return read_trial(written(folder, raw_trial() | changes))
