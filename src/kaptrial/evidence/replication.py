"""Published trials set against what the calibrated model predicts of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
import pandas as pd

from kaptrial.arrays import Floats
from kaptrial.catalogue import Trial, trial, trial_keys
from kaptrial.errors import FieldError
from kaptrial.evidence.prediction import Prediction, predict
from kaptrial.evidence.rival import Rival, reported, rival
from kaptrial.evidence.scoring import crps, pooled_predictions, tail_probability, unit_of
from kaptrial.evidence.shipped_priors import PRIOR
from kaptrial.evidence.synthesis import abstinence
from kaptrial.evidence.synthesis.arms import POPULATION
from kaptrial.evidence.synthesis.layout import Target, targets
from kaptrial.evidence.synthesis.shipped import abstinence_fold_draws, fold_draws, prior_draws

REPLICATES = 2000
_MEANS = ("mean", "mean_change", "difference", "percent_change", "days_abstinent_difference")
RIVAL_COLUMNS = ("rival_trials", "rival_q05", "rival_median", "rival_q95", "rival_inside_90", "crps_rival")
QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}


def replicable() -> list[str]:
    """Keys of the catalogued trials with figures that the model can be asked for."""
    return [key for key in trial_keys() if any(f.target for f in trial(key).figures)]


def replicate(trials: Sequence[Trial], *, seed: int, replicates: int = REPLICATES) -> pd.DataFrame:
    """Simulate each trial at its size under the model fitted without it; one row a target figure.

    Columns: trial, statistic, endpoint, arm, day, n, quality, reported, the predictive `QUANTILES`, tail (two-sided
    probability), inside_50, inside_90, crps and the naive rival's crps_pooled (both in shares of the baseline, shares,
    or months); of the meta-analysis of other trials (`rival`; none where fewer than three report the like) the number
    of trials, 5 %, 50 % and 95 % quantiles, inside_90 and crps.
    """
    every = [target for _, target in reported()]
    pooled = {(t.trial, t.number): values for t, values in zip(every, pooled_predictions(every), strict=True)}
    return pd.DataFrame(
        [
            _row(p, pooled.get((p.target.trial, p.target.number))) | _rival_columns(p.target, rival(study, p.target))
            for study in trials
            for p in _predict(study, seed, replicates)
        ]
    )


def _predict(study: Trial, seed: int, replicates: int) -> list[Prediction]:
    own = targets(study)
    if not own:
        return []
    if study.indication not in POPULATION:
        return _predict_abstinence(study, seed, replicates)
    return predict(study, own, resized(draws_without(study), replicates, seed), seed=seed)


def draws_without(study: Trial) -> dict[str, Floats]:
    """Draws of the fit that saw none of the trial's patients; the shipped prior's where the full fit saw none."""
    known = catalogued(study)
    pools = (key for key in trial_keys() if known in trial(key).contains)
    folds = (fold_draws(key) for key in (known, *pools) if key is not None)
    return next((draws for draws in folds if draws is not None), None) or prior_draws(PRIOR)


def catalogued(study: Trial) -> str | None:
    """The key under which the catalogue has this trial, by all of its contents or by its DOI; None if it has not."""
    doi = study.citation.doi
    same = (key for key in trial_keys() if study == replace(trial(key), key=study.key))
    cited = (key for key in trial_keys() if doi is not None and doi == trial(key).citation.doi)
    return next(chain(same, cited), None)


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
        Prediction(target=t, values=abstinence.simulate(study, t, draws, level, effect, rng)) for t in targets(study)
    ]


def resized(draws: Mapping[str, Floats], size: int, seed: int) -> dict[str, Floats]:
    """`size` draws: every draw equally often as far as that goes, in an order that the seed sets."""
    n = len(next(iter(draws.values())))
    chosen = np.random.default_rng(np.random.SeedSequence([seed, n])).permutation(np.arange(size) % n)
    return {name: value[chosen] for name, value in draws.items()}


def _row(p: Prediction, pooled: Floats | None) -> dict[str, object]:
    t = p.target
    quantiles = dict(
        zip(QUANTILES, np.quantile(p.simulated, list(QUANTILES.values()), method="inverted_cdf"), strict=True)
    )
    unit = unit_of(t)
    others = np.empty(0) if pooled is None else pooled
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


def _rival_columns(t: Target, of: Rival | None) -> dict[str, object]:
    if of is None:
        return dict.fromkeys(RIVAL_COLUMNS, np.nan) | {"rival_trials": 0, "rival_inside_90": None}
    low, middle, high = np.quantile(of.quantiles, [0.05, 0.5, 0.95], method="inverted_cdf")
    values = (len(of.trials), low, middle, high, bool(low <= t.value <= high), crps(of.quantiles, t.value) / unit_of(t))
    return dict(zip(RIVAL_COLUMNS, values, strict=True))


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


def against_rival(table: pd.DataFrame) -> dict[str, float]:
    """The model and the meta-analysis on the figures that both predict: how many, who is nearer, CRPS, in 90 %."""
    both = table.dropna(subset="crps_rival")
    return {
        "rival_figures": len(both),
        "model_wins": int((both["crps"] < both["crps_rival"]).sum()),
        "rival_wins": int((both["crps"] > both["crps_rival"]).sum()),
        "crps_beside_rival": both["crps"].mean(),
        "crps_rival": both["crps_rival"].mean(),
        "inside_90_beside_rival": both["inside_90"].mean(),
        "rival_inside_90": both["rival_inside_90"].astype(float).mean(),
    }


def _summary(kind: str, quality: str, part: pd.DataFrame) -> dict[str, object]:
    pooled = part.dropna(subset="crps_pooled")
    return {
        "kind": kind,
        "quality": quality,
        "figures": len(part),
        "trials": part["trial"].nunique(),
        "inside_50": part["inside_50"].mean(),
        "inside_90": part["inside_90"].mean(),
        "median_width_90": part["width_90"].replace(np.inf, np.nan).median(),
        "crps": pooled["crps"].mean(),
        "crps_pooled_mean": pooled["crps_pooled_mean"].mean(),
        "crps_pooled": pooled["crps_pooled"].mean(),
        **against_rival(part),
    }
