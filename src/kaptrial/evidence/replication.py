"""Published trials set against what the calibrated model predicts of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from kaptrial.arrays import Floats
from kaptrial.catalogue import Trial, trial, trial_keys
from kaptrial.errors import FieldError
from kaptrial.evidence.calibration import PRIOR
from kaptrial.evidence.prediction import Prediction, predict
from kaptrial.evidence.scoring import crps, pooled_predictions, tail_probability, unit_of
from kaptrial.evidence.synthesis import abstinence
from kaptrial.evidence.synthesis.arms import POPULATION
from kaptrial.evidence.synthesis.layout import targets
from kaptrial.evidence.synthesis.shipped import abstinence_fold_draws, fold_draws, prior_draws

REPLICATES = 2000
_MEANS = ("mean", "mean_change", "difference", "percent_change", "days_abstinent_difference")
QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}


def replicable() -> list[str]:
    """Keys of the catalogued trials with figures that the model can be asked for."""
    return [key for key in trial_keys() if any(f.target for f in trial(key).figures)]


def replicate(trials: Sequence[Trial], *, seed: int, replicates: int = REPLICATES) -> pd.DataFrame:
    """Simulate each trial at its size under the model fitted without it; one row a target figure.

    Columns: trial, statistic, endpoint, arm, day, n, quality, reported, the predictive `QUANTILES`, tail (two-sided
    probability), inside_50, inside_90, crps and the naive rival's crps_pooled (both in shares of the baseline, shares,
    or months), fitted (whether the model saw this trial's figures in the full fit).
    """
    predictions = [p for study in trials for p in _predict(study, seed, replicates)]
    rival = pooled_predictions([p.target for study in map(trial, replicable()) for p in _unscored(study)])
    known = {
        (p.target.trial, p.target.number): r
        for p, r in zip((q for study in map(trial, replicable()) for q in _unscored(study)), rival, strict=True)
    }
    return pd.DataFrame([_row(p, known.get((p.target.trial, p.target.number))) for p in predictions])


def _unscored(study: Trial) -> list[Prediction]:
    return [Prediction(target=t, simulated=np.empty(0)) for t in targets(study)]


def _predict(study: Trial, seed: int, replicates: int) -> list[Prediction]:
    own = targets(study)
    if not own:
        return []
    if study.indication not in POPULATION:
        return _predict_abstinence(study, seed, replicates)
    draws = _draws_without(study) or prior_draws(PRIOR)
    return predict(study, own, resized(draws, replicates, seed), seed=seed)


def _draws_without(study: Trial) -> dict[str, Floats] | None:
    """Draws of the fit that saw none of the trial's patients; None where the full fit saw none of them."""
    if study.key not in trial_keys() or study != trial(study.key):
        return None
    pools = (key for key in trial_keys() if study.key in trial(key).contains)
    return next((draws for key in (study.key, *pools) if (draws := fold_draws(key)) is not None), None)


def _predict_abstinence(study: Trial, seed: int, replicates: int) -> list[Prediction]:
    draws = abstinence_fold_draws(study.key)
    if draws is None:
        raise FieldError(
            "indication", study.indication, f"must be one of {', '.join(POPULATION)}, or a fitted trial of abstinence"
        )
    draws = resized(draws, replicates, seed)
    rng = np.random.default_rng(np.random.SeedSequence([seed, *study.key.encode()]))
    level = draws["control"] + draws["control_between"] * rng.standard_normal(replicates)
    effect = draws["drug"] + draws["drug_between"] * rng.standard_normal(replicates)
    return [
        Prediction(target=t, simulated=abstinence.simulate(study, t, draws, level, effect, rng)) for t in targets(study)
    ]


def resized(draws: Mapping[str, Floats], size: int, seed: int) -> dict[str, Floats]:
    """`size` draws: every draw equally often as far as that goes, in an order that the seed sets."""
    n = len(next(iter(draws.values())))
    chosen = np.random.default_rng(np.random.SeedSequence([seed, n])).permutation(np.arange(size) % n)
    return {name: value[chosen] for name, value in draws.items()}


def _row(p: Prediction, rival: Floats | None) -> dict[str, object]:
    t = p.target
    quantiles = dict(
        zip(QUANTILES, np.quantile(p.simulated, list(QUANTILES.values()), method="inverted_cdf"), strict=True)
    )
    unit = unit_of(t)
    others = np.empty(0) if rival is None else rival
    return {
        "trial": t.trial,
        "statistic": t.statistic,
        "endpoint": t.endpoint,
        "arm": " - ".join(t.arms),
        "day": t.days[-1] if t.days else np.nan,
        "n": "+".join(str(n) for n in t.n),
        "quality": t.quality,
        "reported": t.value,
        **quantiles,
        "tail": tail_probability(p.simulated, t.value),
        "inside_50": bool(quantiles["q25"] <= t.value <= quantiles["q75"]),
        "inside_90": bool(quantiles["q05"] <= t.value <= quantiles["q95"]),
        "crps": crps(p.simulated, t.value) / unit,
        "crps_pooled_mean": abs(float(others.mean()) - t.value / unit) if len(others) else np.nan,
        "crps_pooled": crps(others, t.value / unit) if len(others) else np.nan,
        "unit": unit,
        "width_90": (quantiles["q95"] - quantiles["q05"]) / unit,
    }


def calibration(table: pd.DataFrame) -> pd.DataFrame:
    """Shares of figures inside the 50 % and 90 % intervals, median width, mean CRPS, by kind of figure and quality."""
    kinds = table.assign(kind=table["statistic"].map(kind_of))
    rows = [_summary("all", "all", kinds), _summary("all", "abstract", kinds[kinds["quality"] == "abstract"])]
    rows += [
        _summary(str(kind), "abstract", part) for kind, part in kinds[kinds["quality"] == "abstract"].groupby("kind")
    ]
    return pd.DataFrame(rows)


def kind_of(statistic: str) -> str:
    """The kind of a statistic: mean, share, standardised, time."""
    if statistic.startswith("standardised"):
        return "standardised"
    if "days_to" in statistic or "doses" in statistic:
        return "time"
    return "mean" if statistic in _MEANS else "share"


def _summary(kind: str, quality: str, part: pd.DataFrame) -> dict[str, object]:
    rivalled = part.dropna(subset="crps_pooled")
    return {
        "kind": kind,
        "quality": quality,
        "figures": len(part),
        "trials": part["trial"].nunique(),
        "inside_50": part["inside_50"].mean(),
        "inside_90": part["inside_90"].mean(),
        "median_width_90": part["width_90"].replace(np.inf, np.nan).median(),
        "crps": rivalled["crps"].mean(),
        "crps_pooled_mean": rivalled["crps_pooled_mean"].mean(),
        "crps_pooled": rivalled["crps_pooled"].mean(),
    }
