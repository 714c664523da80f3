"""Files of the evidence: the replication's table and figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaptrial.report import evidence_figures
from kaptrial.report.files import write_json, write_text
from kaptrial.report.pack import save

if TYPE_CHECKING:
    import pandas as pd


def write_replication(folder: Path, table: pd.DataFrame, summary: pd.DataFrame, provenance: Mapping[str, Any]) -> None:
    """replication.csv, calibration.csv, replication.json and the figure."""
    write_text(folder / "replication.csv", table.to_csv(index=False))
    write_text(folder / "calibration.csv", summary.to_csv(index=False))
    write_json(folder / "replication.json", dict(provenance), table.to_dict("records"))
    save(folder, "replication", evidence_figures.replication(table, provenance))
