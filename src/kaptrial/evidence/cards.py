"""The cards of a shipped prior: what a new trial would show, simulated once and kept beside the draws."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from kaptrial.arrays import Floats
from kaptrial.catalogue import scale, trial
from kaptrial.catalogue.priors import REFERENCE_POPULATION, populations
from kaptrial.catalogue.priors import provenance as of_prior
from kaptrial.errors import FieldError, nearest
from kaptrial.evidence.indications import INDICATIONS, PATIENTS
from kaptrial.evidence.published import Reference
from kaptrial.evidence.synthesis.layout import DEFAULT_FRACTION
from kaptrial.evidence.synthesis.shipped import prior_draws
from kaptrial.results import Note, provenance

SEED = 1
QUANTILE_COLUMNS = {"median": 0.5, "q05": 0.05, "q95": 0.95, "q25": 0.25, "q75": 0.75}
Row = dict[str, Any]
# Contractions that are named one by one: the data say more than half, or next to nothing.
MUCH, LITTLE = 0.5, 0.1

_RELAPSE = "median time to relapse, days"
# What the reader may hold against each line of the card of depression.
_BESIDE = {
    "response at 24 h, one infusion": (
        Reference(source="han2016", statistic="response % / remission %", time="24 h", item=0),
        Reference(source="wilkinson2019_ipd", statistic="response % ketamine (midazolam-controlled)"),
        Reference(source="wilkinson2019_ipd", statistic="response % ketamine (saline-controlled)"),
        Reference(source="murrough2013a", statistic="response %", time="24 h", arm="ketamine"),
        Reference(source="mathew2010", statistic="response % (17/26)"),
        Reference(source="cochrane2021_midazolam", statistic="response %, ketamine"),
        Reference(source="cochrane2021_placebo", statistic="response %, ketamine"),
    ),
    "response at 24 h, midazolam": (
        Reference(source="wilkinson2019_ipd", statistic="response % midazolam"),
        Reference(source="murrough2013a", statistic="response %", time="24 h", arm="midazolam"),
        Reference(source="cochrane2021_midazolam", statistic="response %, midazolam"),
    ),
    "response at 24 h, saline": (
        Reference(source="wilkinson2019_ipd", statistic="response % saline"),
        Reference(source="cochrane2021_placebo", statistic="response %, placebo"),
    ),
    "response on day 7, one infusion": (
        Reference(source="han2016", statistic="response % / remission %", time="7 d", item=0),
        Reference(source="murrough2013a", statistic="response %", time="7 d", arm="ketamine"),
    ),
    "response after six infusions": (
        Reference(source="phillips2019", statistic="response %", time="after 6 infusions"),
        Reference(source="murrough2013b", statistic="response %"),
    ),
    "median days to loss of response": (
        Reference(source="murrough2013b", statistic=_RELAPSE),
        Reference(source="albott2018", statistic="median time to depression relapse, days"),
    ),
    "responders still well 90 days after the last": (
        Reference(source="murrough2013b", statistic="free of relapse %", about="about 3 months"),
    ),
}


def indication_named(text: str, prior: str) -> str:
    """The indication of a card, however it is spelt. Raises FieldError where the prior does not speak of it."""
    known = populations(prior)
    for name in known:
        if text.lower() in (name.lower(), name.partition(" ")[0].lower()):
            return name
    allowed = f"must be one of {', '.join(known)}{nearest(text, known)}; abstinence has a model of its own"
    raise FieldError("indication", text, f"{allowed} (`evidence replicate`)")


def card(prior: str, *, indication: str = REFERENCE_POPULATION, seed: int = SEED) -> list[Row]:
    """The rows of a shipped prior's card: as they were kept, or simulated where none are kept of this seed and these
    draws.
    """
    return _kept(prior, indication, seed) or simulated_card(prior_draws(prior), indication=indication, seed=seed)


def simulated_card(
    draws: Mapping[str, Floats], *, indication: str = REFERENCE_POPULATION, seed: int = SEED
) -> list[Row]:
    """The rows of the card of any draws."""
    from kaptrial.evidence import indication_summary
    from kaptrial.evidence.summary import predictive_summary, quantiles

    if indication == REFERENCE_POPULATION:
        table = predictive_summary(draws, seed=seed)
        return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
    asked = INDICATIONS[indication]
    values = indication_summary.lines(asked, draws, seed=seed)
    return [{"figure": q.figure, "unit": q.unit} | quantiles(values[q.figure]) for q in asked.questions]


def references(indication: str, figure: str) -> Sequence[Reference]:
    """What was published of a line."""
    if indication == REFERENCE_POPULATION:
        return _BESIDE.get(figure, ())
    return next(q.beside for q in INDICATIONS[indication].questions if q.figure == figure)


def unit_of_line(figure: str, indication: str = REFERENCE_POPULATION) -> str:
    """The unit of a line."""
    if indication != REFERENCE_POPULATION:
        return next(q.unit for q in INDICATIONS[indication].questions if q.figure == figure)
    if figure.startswith("spread"):
        return "ratio"
    return "days" if figure.startswith(("median days", "half-life")) else "share"


def setting(indication: str) -> str:
    """Of what trial the lines are, in words."""
    if indication == REFERENCE_POPULATION:
        return (
            "MADRS 32 (SD 5), ketamine 0.5 mg/kg IV, response 50 %, relapse when less than 40 % of the baseline is gone"
        )
    asked = INDICATIONS[indication]
    own = trial(asked.baselines_of).baselines[asked.endpoint]
    response = scale(asked.endpoint).response_fraction or DEFAULT_FRACTION
    assumed = ", an assumption" if own["source"] == "assumption" else ""
    return (
        f"{indication}, {asked.endpoint} {own['mean']:g} (SD {own['sd']:g}){assumed}, ketamine 0.5 mg/kg IV under a "
        f"blind, response {100 * response:.0f} %, {PATIENTS} patients an arm unless a line says otherwise"
    )


def learnt(prior: str, indication: str) -> list[Note]:
    """What of an indication was fitted, and how far the data narrowed the parameters (prior-to-posterior contraction).

    Of another indication than depression: the parameters by which it differs.
    """
    about = of_prior(prior)
    contraction: dict[str, float] = about.get("contraction", {})
    notes = []
    if indication != REFERENCE_POPULATION:
        contraction = {name: value for name, value in contraction.items() if f"[{indication}]" in name}
        notes.append(_fitted_in(indication, about.get("trials", ())))
    if contraction:
        notes.append(Note(code="contraction", severity="information", text=_narrowed(contraction)))
    return notes


def _fitted_in(indication: str, trials: Sequence[str]) -> Note:
    fitted = [key for key in trials if trial(key).indication == indication]
    if not fitted:
        pooled = [key for pool in trials for key in trial(pool).contains if trial(key).indication == indication]
        part = f" ({', '.join(pooled)} only as part of a pooled analysis of depression)" if pooled else ""
        text = f"No trial of {indication} was fitted{part}: how it differs from depression is the prior before data."
        return Note(code="nothing_fitted", severity="warning", text=text)
    shown = {each.source for question in INDICATIONS[indication].questions for each in question.beside}
    others = ", ".join(key for key in fitted if key not in shown)
    more = f" Not on this card, for another treatment or figure (`kaptrial evidence replicate`): {others}."
    text = f"Fitted in {indication}: {', '.join(fitted)}.{more if others else ''}"
    return Note(code="fitted", severity="information", text=text)


def _narrowed(contraction: Mapping[str, float]) -> str:
    """The contractions in words: those that are large or next to nothing by name, and how many lie between."""
    ordered = sorted(contraction.items(), key=lambda each: -each[1])
    much = [f"{name} {value:.2f}" for name, value in ordered if value >= MUCH]
    little = [f"{name} {value:.2f}" for name, value in ordered if value < LITTLE]
    parts = [
        f"{MUCH} or more: {', '.join(much) or 'none'}",
        f"less than {LITTLE}: {', '.join(little) or 'none'}",
        f"between: {len(ordered) - len(much) - len(little)} of {len(ordered)}",
    ]
    return f"Prior-to-posterior contraction (1 - variance after the data over before): {'; '.join(parts)}."


def card_file(prior: str) -> str:
    """The name of the file that keeps a prior's cards."""
    return f"{prior}.card.yaml"


def as_kept(cards: Mapping[str, Sequence[Row]], sha256: str) -> str:
    """The text of that file: the cards by indication. `sha256`: of the file of draws."""
    kept = {
        name: [{"figure": row["figure"]} | {q: float(row[q]) for q in QUANTILE_COLUMNS} for row in rows]
        for name, rows in cards.items()
    }
    about = {**provenance(), "seed": SEED, "draws_sha256": sha256, "cards": kept}
    return yaml.safe_dump(about, sort_keys=False, allow_unicode=True)


def _kept(prior: str, indication: str, seed: int) -> list[Row]:
    """The rows kept of this seed and the draws that are shipped now; none where there are none."""
    file = _folder() / card_file(prior)
    if not file.is_file():
        return []
    kept = yaml.safe_load(file.read_text(encoding="utf-8"))
    if kept["seed"] != seed or kept["draws_sha256"] != sha256_of_draws(prior):
        return []
    rows = kept["cards"].get(indication, ())
    return [{"figure": row["figure"], "unit": unit_of_line(row["figure"], indication)} | row for row in rows]


def sha256_of_draws(prior: str) -> str:
    """Of the file of draws of a shipped prior."""
    return hashlib.sha256((_folder() / f"{prior}.csv").read_bytes()).hexdigest()


def _folder() -> Traversable:
    return files("kaptrial.catalogue") / "data" / "priors"
