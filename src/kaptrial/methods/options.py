"""What a user may say about a data file and its analysis; every field is an option of `kaptrial analyse`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Literal, get_args

from kaptrial.errors import FieldError
from kaptrial.method_table import Side
from kaptrial.scenario.trial import Imputation, Inference, MissingResponse, Structure

Df = Literal["satterthwaite", "kenward-roger"]
Residual = Literal["common", "by_arm"]

# Fields that several methods use.
ALWAYS = ("alpha", "reference", "score")
COMPARED = ("margin", "better")
ARMS = ("arm", "factors")
COVARIATES = ("baseline", "covariates", "categories")
VISITS = ("patient", "day", "target_day", "visits", "window")


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
    reference_for: tuple[tuple[str, str], ...] = ()
    target_day: float | None = None
    visits: tuple[float, ...] = ()
    window: float | None = None
    alpha: float = 0.05
    covariance: tuple[Structure, ...] = ("us", "toeph", "ar1h", "cs")
    df: Df | None = None
    sandwich: bool = False
    constrained_baseline: bool = False
    residual: Residual = "common"
    crossed: str | None = None
    therapy_from: float | None = None
    imputation: tuple[Imputation, ...] = ("MAR", "JR", "CR", "CIR", "LMCF")
    inference: Inference = "jackknife"
    imputations: int = 100
    delta: float = 0.0
    tipping_point: bool = False
    seed: int = 1
    better: Side | None = None
    best: float = 0.0
    response_fraction: float = 0.5
    missing_response: MissingResponse = "left_out"
    margin: float | None = None
    first_period_only: bool = False

    def __post_init__(self) -> None:
        kinds = {
            "covariance": Structure, "df": Df, "residual": Residual, "imputation": Imputation, "inference": Inference,
            "better": Side, "missing_response": MissingResponse,
        }  # fmt: skip
        for name, kind in kinds.items():
            value = getattr(self, name)
            for each in value if isinstance(value, tuple) else () if value is None else (value,):
                _check_one_of(name, each, get_args(kind))

    @property
    def better_score(self) -> Side:
        """Which way a score is better: lower unless said."""
        return self.better or "lower"

    def changed(self) -> list[str]:
        """The fields that are not as they are unless said."""
        return [each.name for each in fields(self) if getattr(self, each.name) != each.default]


def _check_one_of(field: str, value: str, allowed: Iterable[str]) -> None:
    if value not in allowed:
        raise FieldError(field, value, f"must be one of {', '.join(allowed)}")
