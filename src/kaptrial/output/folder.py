"""What a folder of outputs holds alike: rows as JSON and CSV, figures as PDF, SVG and PNG."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaptrial.output.files import output_folder, write_bytes, write_text
from kaptrial.output.terminal import progress
from kaptrial.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kaptrial.scenario.scenario import Scenario


def write_results(folder: Path, results: Results[Any], scenario: Scenario | None = None, name: str = "results") -> None:
    """The rows as JSON and CSV, and the scenario that they are of."""
    if scenario is not None:
        from kaptrial.scenario.files import dump

        write_text(folder / "scenario.yaml", dump(scenario))
    write_text(folder / f"{name}.json", results.to_json())
    write_text(folder / f"{name}.csv", results.to_csv())


def write_folder(write: Callable[[Path, Any], object], folder: Path, results: Results[Any]) -> str:
    """Let `write` fill a folder, which is complete by its manifest; what was done there, in words."""
    with output_folder(folder) as written:
        write(folder, results)
    return written.said()


def footer(provenance: Mapping[str, Any]) -> str:
    """How a figure of simulated trials was made."""
    made = f"kaptrial {provenance['version']}, seed {provenance['seed']}, {provenance['replicates']} replicates"
    return f"{made}, scenario {provenance['scenario_sha256'][:8]}"


def save(folder: Path, name: str, figure: Figure, footer: str) -> None:
    """One figure, with a footer that says how it was made, as PDF, SVG and 300-dpi PNG, the same bytes each time."""
    figure.supxlabel(footer, fontsize=6, color="0.35", x=0.99, ha="right")
    write_bytes(folder / f"{name}.pdf", lambda path: figure.savefig(path, metadata={"CreationDate": None}))
    write_bytes(folder / f"{name}.svg", lambda path: figure.savefig(path, metadata={"Date": None}))
    write_bytes(folder / f"{name}.png", lambda path: figure.savefig(path, dpi=300))


def save_all(folder: Path, figures: Mapping[str, Figure], footer: str) -> None:
    """Every figure under one footer, with a bar on a terminal."""
    with progress(len(figures), "writing", "figures") as advance:
        for name, figure in figures.items():
            save(folder, name, figure, footer)
            advance(1)
