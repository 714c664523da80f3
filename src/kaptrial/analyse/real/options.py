"""What a user may say about a data file and its analysis; every field is an option of `kaptrial analyse`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Imputation = Literal["MAR", "JR", "CR", "CIR", "LMCF"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Columns of the file, then settings. A column left None takes the method's usual name where it needs one."""

    patient: str = "patient"
    arm: str = "arm"
    day: str = "day"
    score: str | None = None
    baseline: str | None = None
    factors: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    therapist: str | None = None
    time: str | None = None
    event: str | None = None
    stratum: str | None = None
    period: str = "period"
    treatment: str = "treatment"
    sequence: str = "sequence"
    of: str | None = None

    reference: str | None = None
    target_day: float | None = None
    alpha: float = 0.05
    covariance: tuple[str, ...] = ("us", "toeph", "ar1h", "cs")
    df: Literal["satterthwaite", "kenward-roger"] | None = None
    constrained_baseline: bool = False
    residual: Literal["common", "by_arm"] = "common"
    crossed: str | None = None
    imputation: tuple[Imputation, ...] = ("MAR", "JR", "CR", "CIR", "LMCF")
    inference: Literal["jackknife", "rubin"] = "jackknife"
    imputations: int = 100
    delta: float = 0.0
    tipping_point: bool = False
    seed: int = 1
    better: Literal["lower", "higher"] | None = None
    best: float = 0.0
    response_fraction: float = 0.5
    margin: float | None = None
    first_period_only: bool = False

    @property
    def better_score(self) -> Literal["lower", "higher"]:
        """Which way a score is better: lower unless said."""
        return self.better or "lower"
