"""Files of the evidence: the replication's table and figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaptrial.catalogue.priors import REFERENCE_POPULATION
from kaptrial.catalogue.priors import provenance as of_prior
from kaptrial.evidence import figures
from kaptrial.evidence.shipped_priors import BEFORE, PRIOR, shown_together
from kaptrial.evidence.synthesis.model import PARAMETERS
from kaptrial.evidence.synthesis.shipped import prior_draws
from kaptrial.output.files import write_text
from kaptrial.output.folder import save, save_all, write_results

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from kaptrial.evidence.answer import PredictionResults, ReplicationResults
    from kaptrial.results import Line, Results


def write_replication(folder: Path, results: ReplicationResults) -> None:
    """replication.csv, calibration.csv, replication.json and the figure."""
    write_results(folder, results, name="replication")
    write_text(folder / "calibration.csv", results.calibration.to_csv(index=False))
    save_all(folder, replication_figures(results), replication_footer(results.provenance))


def write_sensitivity(folder: Path, results: Results[Line]) -> None:
    """sensitivity.csv and sensitivity.json."""
    write_results(folder, results, name="sensitivity")


def write_prediction(folder: Path, results: PredictionResults) -> None:
    """prediction.csv and prediction.json, card.csv where the figures changed it, and the figure."""
    write_results(folder, results, name="prediction")
    if len(results.card):
        write_text(folder / "card.csv", results.card.to_csv(index=False))
    save_all(folder, replication_figures(results), replication_footer(results.provenance))


def replication_footer(provenance: Mapping[str, Any]) -> str:
    """How the figure was made, and its key."""
    return (
        "kaptrial {version}, seed {seed}, {replicates} replicates a trial, fitted without it. "
        "Thin bar 90 %, thick 50 %, tick median; ring: reported; cross: outside 90 %"
    ).format_map(provenance)


def replication_figures(results: ReplicationResults) -> dict[str, Figure]:
    """Every published figure on what was predicted of it."""
    return {"replication": figures.replication(results.table)}


def write_card(folder: Path, results: Results[Line]) -> None:
    """card.csv; of depression every prior's, the cards side by side, prior against posterior, and what trades off."""
    provenance = results.provenance
    if provenance["indication"] == REFERENCE_POPULATION:
        _write_cards(folder, provenance)
    else:
        write_results(folder, results, name="card")


def _write_cards(folder: Path, provenance: Mapping[str, Any]) -> None:
    import pandas as pd

    from kaptrial.evidence.answer import card

    seed = provenance["seed"]
    tables = {each: pd.DataFrame(card(each, REFERENCE_POPULATION, seed=seed).flat()) for each in shown_together()}
    trials = len(of_prior(PRIOR)["trials"])
    made = f"kaptrial {provenance['version']}, seed {seed}"
    footer = f"{made}, {PRIOR}: {trials} trials"
    every = pd.concat([table.assign(prior=name) for name, table in tables.items()], ignore_index=True)
    write_text(folder / "card.csv", every.to_csv(index=False))
    save(folder, "cards", figures.predictive_summaries(tables), footer)
    before, after = prior_draws(BEFORE), prior_draws(PRIOR)
    columns = {name: (before[name], after[name]) for name in PARAMETERS}
    figure = figures.distributions(columns, names=list(columns))
    save(folder, "prior_posterior", figure, f"grey: before data; blue: {footer}")
    save(folder, "trade_off", figures.joint_draws(after), footer)


def write_self_check(folder: Path, ranks: pd.DataFrame, provenance: Mapping[str, Any]) -> None:
    """ranks.csv and the figure of simulation-based calibration."""
    from kaptrial.priors import sbc

    n = sbc.RANKED_DRAWS
    write_text(folder / "ranks.csv", ranks.to_csv(index=False))
    differences = {name: sbc.ecdf_difference(ranks[name].to_numpy(), n) for name in sbc.ranked(ranks)}
    footer = (
        f"kaptrial {provenance['version']}, seed {provenance['seed']}, {provenance['fits']} fits, {n} draws each; "
        "grey: 95 % simultaneous for all parameters"
    )
    band = sbc.band(len(ranks), n, sbc.level(ranks))
    save(folder, "self_check", figures.self_check(differences, band), footer)
