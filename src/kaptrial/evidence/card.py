"""The card of a shipped prior: what a new trial would show, simulated once and kept beside the draws."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from kaptrial.arrays import Floats
from kaptrial.evidence.synthesis.shipped import prior_draws
from kaptrial.results import provenance

SEED = 1


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published figure beside which a model's figure stands, in the same unit."""

    text: str
    source: str


# What the reader may hold against each line; * was not read by the fit, or only as part of a pooled analysis.
BESIDE = {
    "response at 24 h, one infusion": Published(
        text="52 %* pooled; 45 to 46 % pooled; 64 %*; 65 %; 46 %* and 27 %* pooled",
        source="han2016, wilkinson2019_ipd, murrough2013a, mathew2010, cochrane2021_midazolam, cochrane2021_placebo",
    ),
    "response at 24 h, midazolam": Published(
        text="18 % pooled; 28 %*; 26 %* pooled", source="wilkinson2019_ipd, murrough2013a, cochrane2021_midazolam"
    ),
    "response at 24 h, saline": Published(
        text="1 % pooled; 9 %* pooled", source="wilkinson2019_ipd, cochrane2021_placebo"
    ),
    "response on day 7, one infusion": Published(text="40 %* pooled; 46 %*", source="han2016, murrough2013a"),
    "response after six infusions": Published(text="59 %; 71 %*", source="phillips2019, murrough2013b"),
    "median days to loss of response": Published(text="18*; 20*", source="murrough2013b, albott2018"),
    "responders still well 90 days after the last": Published(text="about 25 %*", source="murrough2013b"),
}


def card(prior: str, *, seed: int = SEED) -> list[dict[str, Any]]:
    """The rows of a shipped prior's card: as they were kept, or simulated where none are kept of this seed and these
    draws.
    """
    return _kept(prior, seed) or simulated_card(prior_draws(prior), seed=seed)


def simulated_card(draws: Mapping[str, Floats], *, seed: int = SEED) -> list[dict[str, Any]]:
    """The rows of the card of any draws."""
    from kaptrial.evidence.summary import predictive_summary

    table = predictive_summary(draws, seed=seed)
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def card_row(figure: str, median: float, q05: float, q95: float) -> dict[str, Any]:
    """A row of the card: the model's figure, and the published ones beside it."""
    beside = BESIDE.get(figure, Published(text="", source=""))
    return {
        "figure": figure,
        "unit": _unit(figure),
        "median": median,
        "q05": q05,
        "q95": q95,
        "published": beside.text,
        "source": beside.source,
    }


def _unit(figure: str) -> str:
    if figure.startswith("spread"):
        return "ratio"
    return "days" if figure.startswith(("median days", "half-life")) else "share"


def card_file(prior: str) -> str:
    """The name of the file that keeps a prior's card."""
    return f"{prior}.card.yaml"


def as_kept(rows: list[dict[str, Any]], sha256: str) -> str:
    """The text of that file. `sha256`: of the file of draws."""
    quantiles = [{"figure": row["figure"]} | {q: float(row[q]) for q in ("median", "q05", "q95")} for row in rows]
    about = {**provenance(), "seed": SEED, "draws_sha256": sha256, "rows": quantiles}
    return yaml.safe_dump(about, sort_keys=False, allow_unicode=True)


def _kept(prior: str, seed: int) -> list[dict[str, Any]]:
    """The rows kept of this seed and the draws that are shipped now; none where there are none."""
    file = _folder() / card_file(prior)
    if not file.is_file():
        return []
    kept = yaml.safe_load(file.read_text(encoding="utf-8"))
    if kept["seed"] != seed or kept["draws_sha256"] != sha256_of_draws(prior):
        return []
    return [card_row(**row) for row in kept["rows"]]


def sha256_of_draws(prior: str) -> str:
    """Of the file of draws of a shipped prior."""
    return hashlib.sha256((_folder() / f"{prior}.csv").read_bytes()).hexdigest()


def _folder() -> Traversable:
    return files("kaptrial.catalogue") / "data" / "priors"
