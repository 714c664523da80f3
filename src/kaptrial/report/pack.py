"""The folder a power run writes: tables as CSV and JSON, figures as PDF and PNG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaptrial.report.files import write_json, write_text

if TYPE_CHECKING:
    from kaptrial.design.characteristics import CellResult


def write_power(folder: Path, results: list[CellResult], provenance: dict[str, Any]) -> None:
    """results.json, results.csv and estimates.csv (one row a replicate)."""
    import pandas as pd

    rows = [row for result in results for row in result.rows]
    write_json(folder / "results.json", provenance, rows)
    write_text(folder / "results.csv", pd.DataFrame(rows).to_csv(index=False))
    write_text(folder / "estimates.csv", _estimates(results).to_csv(index=False))


def _estimates(results: list[CellResult]) -> pd.DataFrame:
    import pandas as pd

    frames = []
    for result in results:
        for (i, analysis), fit in result.fits.items():
            estimand = result.cell.scenario.estimands[i]
            columns = {
                **result.cell.columns, "analysis": analysis, "contrast": estimand.contrast, "endpoint": estimand.endpoint,
                "day": estimand.day, "replicate": range(1, len(fit.se) + 1), "estimate": fit.estimate, "se": fit.se,
                "df": fit.df, "p": fit.p, "failure": fit.failure,
            }  # fmt: skip
            frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)
