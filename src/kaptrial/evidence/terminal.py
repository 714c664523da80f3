"""The catalogue and its replication on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kaptrial.catalogue import Citation, Figure, Trial
from kaptrial.evidence.published import in_words
from kaptrial.output.tables import key, number, of_rows, text
from kaptrial.output.terminal import paragraph, table

if TYPE_CHECKING:
    import pandas as pd

    from kaptrial.evidence.answer import PredictionResults, PublicationResults, ReplicationResults
    from kaptrial.results import Line, Results


def trial_row(study: Trial) -> dict[str, Any]:
    """One trial as a flat row."""
    enrolled = study.enrolled.values()
    return {
        "key": study.key,
        "indication": study.indication,
        "population": study.population,
        "design": study.design,
        "blinding": study.blinding,
        "n": max(enrolled) if len(enrolled) == 1 else sum(enrolled) or None,
        "regimen": study.regimen,
        "therapy": study.therapy,
        "control": study.control,
        "outcome": study.outcome,
        "figures": len(study.figures),
        "targets": sum(len(figure.measures) for figure in study.figures),
        "citation": study.citation.text,
        "doi": study.citation.doi,
        "doi_status": study.citation.doi_status,
    }


def figure_row(study: Trial, figure: Figure) -> dict[str, Any]:
    """One figure as a flat row."""
    return {
        "key": study.key,
        "time": figure.time,
        "arm": figure.arm,
        "statistic": figure.statistic,
        "value": figure.value,
        **figure.uncertainty,
        "quality": figure.quality,
        "source": figure.url or figure.how,
        "target": figure.target,
        "not_target": figure.not_target,
        "note": figure.note,
    }


def show_list(trials: Sequence[Trial]) -> None:
    """One line a trial."""
    lines = []
    for study in trials:
        targets = trial_row(study)["targets"]
        lines.append(
            (study.key, study.indication, study.design, study.regimen or "", study.therapy or "–", targets or "–")
        )
    texts = [(name, text) for name in ("indication", "design", "regimen", "therapy")]
    table(*of_rows([("trial", key), *texts, ("targets", number)], lines))
    paragraph(f"{len(trials)} trials; `kaptrial evidence show TRIAL` has the figures")


def show_trial(study: Trial) -> None:
    """Citation, what was done, and the figures."""
    paragraph(cited(study.citation))
    for name in (
        "indication",
        "population",
        "design",
        "blinding",
        "regimen",
        "therapy",
        "control",
        "outcome",
        "dose_note",
    ):
        if getattr(study, name):
            paragraph(f"  {name.replace('_', ' ')}: {getattr(study, name)}", "    ")
    lines = []
    for figure in study.figures:
        spread = ", ".join(f"{k} {v}" for k, v in figure.uncertainty.items())
        use = "target" if figure.target else (f"no: {figure.not_target}" if figure.not_target else "")
        value = f"{figure.value}" + (f" ({spread})" if spread else "")
        source = figure.url or figure.how or "source document"
        lines.append((figure.time, figure.arm, figure.statistic, value, figure.quality, source, use))
    keys = [(name, key) for name in ("time", "arm", "statistic")]
    table(*of_rows([*keys, ("value", number), *((name, text) for name in ("quality", "source", "use"))], lines))
    if study.notes:
        paragraph(f"Note: {study.notes}")


def show_source(found: PublicationResults) -> None:
    """Citation and figures of a publication that is no trial of the catalogue."""
    paragraph(cited(found.citation))
    kinds = {"time": key, "statistic": key, "value": number, "quality": text, "source": text, "note": text}
    lines = [_source_line(row) for row in found.flat()]
    shown = [name for name in kinds if any(line[name] for line in lines)]
    if lines:
        table(*of_rows([(name, kinds[name]) for name in shown], [[line[name] for name in shown] for line in lines]))
    for note in found.notes:
        paragraph(f"Note: {note.text}")


def _source_line(row: Mapping[str, Any]) -> dict[str, str]:
    """A figure as it is shown: what is known of its spread in brackets, and where it was read."""
    line = {name: str(row.get(name) or "") for name in ("time", "statistic", "quality", "note")}
    rest = [f"{name} {row[name]}" for name in row if name not in {*line, "key", "value", "url", "how"}]
    value = f"{row['value']}" + (f" ({', '.join(rest)})" if rest else "")
    return line | {"value": value, "source": str(row.get("url") or row.get("how") or "source document")}


def cited(citation: Citation) -> str:
    """The citation as text; a DOI that was not seen on a page says so."""
    if citation.doi is None:
        return citation.text
    doubt = "" if citation.doi_status == "seen" else " (recalled: check before printing)"
    return f"{citation.text}. https://doi.org/{citation.doi}{doubt}"


_PERCENT = ("response", "remission", "relaps", "abstinent", "sustained", "significant")


def as_reported(statistic: str, value: float) -> str:
    """A value in the units in which people read it."""
    if value != value:
        return "–"
    if value in (float("inf"), float("-inf")):
        return "not reached"
    if statistic.startswith(_PERCENT) and statistic != "response_ratio":
        return f"{100 * value:.0f} %"
    return f"{value:.2f}" if statistic.startswith(("standardised", "response_ratio")) else f"{value:.1f}"


def show_replication(results: ReplicationResults) -> None:
    """Predicted against reported, misses marked, and the overall calibration."""
    provenance, lines = results.provenance, []
    for row in results.table.to_dict("records"):
        kind = row["statistic"]
        figure = (row["trial"], f"{kind.replace('_', ' ')} {row['endpoint']}", row["arm"], f"{row['day']:g}")
        reported, median, low, high = (as_reported(kind, row[name]) for name in ("reported", "median", "q05", "q95"))
        missed = "" if row["inside_90"] else "MISS"
        scores = (f"{row['tail']:.2f}", f"{row['crps']:.3f}", _score(row["crps_rival"]), missed)
        lines.append((*figure, row["quality"], reported, median, f"{low} to {high}", *scores))
    keys = [(name, key) for name in ("trial", "figure", "arm", "day")]
    numbers = [(n, number) for n in ("reported", "predicted", "90 % interval", "tail p", "CRPS", "rival", "")]
    table(*of_rows([*keys, ("quality", text), *numbers], lines))
    lines = []
    for row in results.calibration.to_dict("records"):
        shares = (f"{100 * row[name]:.0f} %" for name in ("inside_50", "inside_90"))
        errors = (_score(row[name]) for name in ("crps", "crps_pooled", "crps_pooled_mean"))
        beside = (str(row["rival_figures"]), _score(row["crps_beside_rival"]), _score(row["crps_rival"]))
        width, about = f"{row['median_width_90']:.2f}", (row["kind"], row["quality"], str(row["figures"]))
        lines.append((*about, *shares, width, *errors, *beside))
    names = ["number", "in 50 %", "in 90 %", "median width", "CRPS", "pooled", "pooled mean"]
    names += ["with rival", "CRPS there", "rival"]
    table(*of_rows([("figures", key), ("quality", key), *((name, number) for name in names)], lines), title="")
    paragraph(rival_line(results.table))
    for note in results.notes:
        paragraph(note.text)
    paragraph(
        "Each trial is predicted by the model fitted without it. Widths and CRPS: shares of the baseline, shares, or "
        f"months. kaptrial {provenance['version']}, seed {provenance['seed']}, {provenance['replicates']} replicates."
    )


def show_prediction(results: PredictionResults) -> None:
    """The reported figures on the predictions, the rival, and the card before and after them."""
    provenance, lines = results.provenance, []
    for row in results.table.to_dict("records"):
        kind = row["statistic"]
        names = ("reported", "median", "q25", "q75", "q05", "q95", "rival_median", "rival_q05", "rival_q95")
        shown = {name: as_reported(kind, row[name]) for name in names}
        lines.append(
            (
                f"{kind.replace('_', ' ')} {row['endpoint']}",
                row["arm"],
                f"{row['day']:g}",
                shown["reported"],
                shown["median"],
                _interval(shown, "q25", "q75"),
                _interval(shown, "q05", "q95"),
                _score(row["crps"]),
                "–" if row["rival_trials"] == 0 else _interval(shown, "rival_q05", "rival_q95"),
                _score(row["crps_rival"]),
            )
        )
    keys = [(name, key) for name in ("figure", "arm", "day")]
    numbers = ("reported", "predicted", "50 %", "90 %", "CRPS", "rival's 90 %", "its CRPS")
    table(*of_rows([*keys, *((name, number) for name in numbers)], lines))
    paragraph(rival_line(results.table))
    for note in results.notes:
        paragraph(note.text)
    if len(results.card):
        _show_change(results.card)
    paragraph(
        "Predicted by the fit without this trial. CRPS: shares of the baseline, shares, or months. "
        f"kaptrial {provenance['version']}, seed {provenance['seed']}, {provenance['replicates']} replicates."
    )


def _show_change(card: pd.DataFrame) -> None:
    """The card before and after a trial's figures."""
    lines = []
    for row in card.to_dict("records"):
        shown = {str(name): in_words(row["unit"], row[name]) for name in row if name not in ("figure", "unit")}
        before = (shown["median"], _interval(shown, "q05", "q95"))
        after = (shown["reweighted_median"], _interval(shown, "reweighted_q05", "reweighted_q95"))
        lines.append((row["figure"], *before, *after))
    numbers = [(name, number) for name in ("before", "90 %", "with this trial", "its 90 %")]
    table(*of_rows([("a new depression trial would show", key), *numbers], lines), title="")


def _interval(shown: Mapping[str, str], low: str, high: str) -> str:
    return f"{shown[low]} to {shown[high]}"


def _score(crps: float) -> str:
    return f"{crps:.3f}" if crps == crps else "–"


def rival_line(table: pd.DataFrame) -> str:
    """The model against the meta-analysis of other trials, in a sentence or two."""
    from kaptrial.evidence.meta_analysis import FEWEST
    from kaptrial.evidence.replication import against_rival

    of = against_rival(table)
    others = f"fewer than {FEWEST} other trials report the like"
    if not of["rival_figures"]:
        return f"Rival (random-effects meta-analysis of the other trials): none, {others}."
    without = len(table) - of["rival_figures"]
    inside = [f"{100 * of[name]:.0f} %" for name in ("inside_90_beside_rival", "rival_inside_90")]
    return (
        f"Rival (random-effects meta-analysis of the other trials), on {of['rival_figures']} of {len(table)} figures"
        f"{f' (of the other {without}, {others})' if without else ''}: the model's CRPS is lower on "
        f"{of['model_wins']}, the rival's on {of['rival_wins']}; means {of['crps_beside_rival']:.3f} and "
        f"{of['crps_rival']:.3f}; in the 90 % interval {inside[0]} and {inside[1]}."
    )


def show_sensitivity(results: Results[Line]) -> None:
    """The main figures as shipped, and under each other choice of evidence."""
    lines = [
        (row["reading"], *(with_interval(row, figure) for figure in ("ketamine", "midazolam", "ptsd")), pareto_k(row))
        for row in results.flat()
    ]
    names = ("24 h, ketamine", "24 h, midazolam", "PTSD, g", "k")
    table(*of_rows([("evidence", key), *((name, number) for name in names)], lines))
    for note in results.notes:
        paragraph(note.text)
    provenance = results.provenance
    paragraph(
        "Median and 90 % interval of a new trial: response at 24 h after one infusion in depression, as on the card, "
        "and g after six infusions in PTSD against midazolam, the mean of six trials. k: Pareto k of the weights that "
        "take the evidence away or put it in; files say why each may be in doubt. "
        f"kaptrial {provenance['version']}, seed {provenance['seed']}."
    )


def pareto_k(row: Mapping[str, Any]) -> str:
    """The Pareto k of a row of `sensitivity`, marked where the weights are not to be trusted."""
    k = row["pareto_k"]
    return "–" if k is None else f"{round(k, 1) + 0.0:.1f}{'*' if row['rough'] else ''}"


def with_interval(row: Mapping[str, Any], figure: str) -> str:
    """A main figure in words, its 90 % interval in brackets."""
    low, middle, high = (row[f"{figure}_{q}"] for q in ("q05", "median", "q95"))
    if figure == "ptsd":
        return f"{middle:.2f} ({low:.2f} to {high:.2f})"
    return f"{100 * middle:.0f} % ({100 * low:.0f} to {100 * high:.0f})"


def show_card(results: Results[Line]) -> None:
    """The calibrated model beside what was published."""
    lines = []
    for row in results.flat():
        values = [in_words(str(row["unit"]), float(row[q] or 0.0)) for q in ("median", "q05", "q95")]
        lines.append((row["figure"], values[0], f"{values[1]} to {values[2]}", row["published"], row["source"]))
    numbers = [("median", number), ("90 % interval", number)]
    table(*of_rows([("a new trial would show", key), *numbers, ("published", text), ("source", text)], lines))
    provenance = results.provenance
    paragraph(
        f"{provenance['prior']}: {provenance['setting']}. Intervals run over draws and between trials. * was not "
        f"fitted, or only as part of a pooled analysis. kaptrial {provenance['version']}, seed {provenance['seed']}."
    )
    for note in results.notes:
        paragraph(note.text)


def show_self_check(ranks: pd.DataFrame) -> None:
    """Which parameters' ranks leave their band, and how well the fits mixed."""
    from kaptrial.evidence.synthesis.self_check import LARGEST_R_HAT
    from kaptrial.priors import sbc

    rough, divergent = int((ranks["r_hat"] > LARGEST_R_HAT).sum()), int((ranks["divergences"] > 0).sum())
    outside = ", ".join(sbc.outside(ranks)) or "none"
    paragraph(
        f"{len(ranks)} fits, {rough} with an R-hat above {LARGEST_R_HAT}, {divergent} with a divergence; of "
        f"{len(sbc.ranked(ranks))} parameters outside their simultaneous band (together 95 %): {outside}"
    )


def show_durations(results: Results[Line]) -> None:
    """The ranges stated, and what the model says of the same."""
    lines = []
    for row in results.flat():
        median, low, high = (in_words(str(row["unit"]), float(row[name] or 0.0)) for name in ("median", "q05", "q95"))
        inside = "yes" if row["inside"] else "no"
        about = (row["indication"], row["figure"], stated(row), median, f"{low} to {high}", inside)
        lines.append((*about, row["quality"], row["source"]))
    numbers = [(name, number) for name in ("stated", "median", "90 % interval", "inside")]
    texts = [("quality", text), ("source", text)]
    table(*of_rows([("indication", key), ("stated of", key), *numbers, *texts], lines))
    for row in results.flat():
        if row["note"]:
            paragraph(f"{row['source']}: {row['note']}.")
    provenance = results.provenance
    paragraph(
        f"{provenance['prior']}: median and 90 % interval of a new trial, over draws and between trials; inside: the "
        "whole range stated is in the interval. Depression: response 50 %, lost with less than 40 % of the baseline "
        f"gone. kaptrial {provenance['version']}, seed {provenance['seed']}."
    )


def stated(row: Mapping[str, Any]) -> str:
    """The range of a statement in its unit, with all of its digits."""
    factor, unit = (100, "%") if row["unit"] == "share" else (1, "days")
    low, high = (f"{factor * row[name]:g}" for name in ("stated_low", "stated_high"))
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"
