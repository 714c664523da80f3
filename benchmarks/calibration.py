"""Simulation-based calibration of every Bayesian model that ships: ranks, and the figures of docs/verification.md.

    uv run python benchmarks/calibration.py -o results [--fits 200] [--seed 1]

Models whose ranks already stand in the folder are not sampled again. About half an hour for 200 fits each on two cores.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pandas as pd

from kaptrial import __version__
from kaptrial.evidence.figures import self_check
from kaptrial.output.files import write_text
from kaptrial.output.folder import save
from kaptrial.priors import sbc
from kaptrial.questions.fit import self_check as interaction
from kaptrial.questions.mechanism import self_check as mechanism
from kaptrial.scenario.files import load

SCENARIO = Path(__file__).parents[1] / "scenarios" / "ketamine_by_cbt.yaml"
MECHANISMS = "mechanisms"


def main() -> None:
    """Sample what is not there yet, say what leaves its band, draw."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--fits", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    for name in (*interaction.MODELS, MECHANISMS):
        stem = "sbc_" + re.sub(r"\W+", "_", name)
        file = asked.output / f"{stem}.csv"
        if file.exists():
            table = pd.read_csv(file)
        elif name == MECHANISMS:
            table = mechanism.ranks(load(SCENARIO), asked.fits, seed=asked.seed, say=print)
        else:
            table = interaction.ranks(name, asked.fits, seed=asked.seed, say=print)
        write_text(file, table.to_csv(index=False))
        columns = sbc.ranked(table)
        outside = sbc.outside(table)
        print(f"{name}: {len(table)} fits, {(table['divergences'] > 0).sum()} with a divergence; outside: {outside}")
        draws = sbc.RANKED_DRAWS
        differences = {column: sbc.ecdf_difference(table[column].to_numpy(), draws) for column in columns}
        band = sbc.band(len(table), draws, sbc.level(table))
        footer = f"kaptrial {__version__}, {name}, {len(table)} fits, seed {asked.seed}"
        save(asked.output, stem, self_check(differences, band), footer)


if __name__ == "__main__":
    main()
