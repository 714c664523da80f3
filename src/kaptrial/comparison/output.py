"""The folder that `kaptrial compare` writes: the table as CSV and JSON, each replicate, the scenarios, the figure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaptrial.comparison import figures, words
from kaptrial.comparison.differences import front
from kaptrial.output.files import write_text
from kaptrial.output.folder import save_all, write_results
from kaptrial.scenario.files import dump

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kaptrial.comparison.answer import CompareResults

# Characters of a footer that stand on one column.
_FOOTER = 80


def write_comparison(folder: Path, results: CompareResults) -> None:
    """results.json and results.csv, replicates.csv (who rejected when), scenario_1.yaml and so on, and the figure."""
    write_results(folder, results)
    write_text(folder / "replicates.csv", _replicates(results).to_csv(index=False))
    for i, each in enumerate(results.compared):
        write_text(folder / f"scenario_{i + 1}.yaml", dump(each.design.scenario))
    save_all(folder, figures_of(results), _footer(results.provenance))


def figures_of(results: CompareResults) -> dict[str, Figure]:
    """Power against what it takes, with the designs that no other betters in both."""
    compared, by = results.compared, results.by
    scale = 1e6 if by == "cost" else 1.0
    on_front = front(compared, by)
    points = [
        figures.Point(
            name=each.name,
            price=each.estimates[by].value / scale,
            price_mcse=each.estimates[by].mcse / scale,
            power=each.estimates["power"].value,
            power_mcse=each.estimates["power"].mcse,
            on_front=each in on_front,
        )
        for each in compared
    ]
    drawn = figures.pareto(points, axis=words.axis(by, compared), title=words.title(compared, on_front, by))
    return {"pareto": drawn}


def _replicates(results: CompareResults) -> pd.DataFrame:
    """Which replicates rejected in each design, and under its null where it has one."""
    import pandas as pd

    columns = {}
    for each in results.compared:
        for name, called in (("power", "rejects"), ("type_i_error", "rejects_under_null")):
            estimate = each.estimates.get(name)
            if estimate is not None and estimate.each is not None:
                columns[f"{each.name} {called}"] = estimate.each
        patients = each.estimates["expected_n"].each if each.design.has_looks else None
        if patients is not None:
            columns[f"{each.name} patients"] = patients
    frame = pd.DataFrame(columns).astype("Int64")
    frame.insert(0, "replicate", range(1, len(frame) + 1))
    return frame


def _footer(provenance: Mapping[str, Any]) -> str:
    """How the figure was made, in lines of one column."""
    hashes = ", ".join(each["scenario_sha256"][:8] for each in provenance["designs"])
    made = f"kaptrial {provenance['version']}, seed {provenance['seed']}, {provenance['replicates']} replicates"
    return textwrap.fill(f"{made}, scenarios {hashes}", _FOOTER)
