"""What every noun is: a frozen, keyword-only dataclass that rejects keys it does not know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, dataclass_transform

from pydantic import Field


@dataclass_transform(frozen_default=True, kw_only_default=True)
def noun[T: type](cls: T) -> T:
    """Make `cls` a frozen keyword-only dataclass; pydantic, where it reads one from a file, forbids extra keys."""
    cls.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]
    return dataclass(frozen=True, kw_only=True)(cls)  # type: ignore[return-value]


# No number of a trial comes near these; beyond them arithmetic overflows.
GREATEST, LATEST_DAY = 1e12, 36_500
# Strict, so that a quoted number or a yes/no never turns into a dose.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-GREATEST, le=GREATEST)]
Whole = Annotated[int, Field(strict=True, ge=-GREATEST, le=GREATEST)]
Positive = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0, le=GREATEST)]
Day = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=LATEST_DAY)]
PositiveDay = Annotated[Day, Field(gt=0)]
Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(strict=True, min_length=1)]
# An arm, therapy, factor or stratum: it is used in contrasts, so it must read as one word.
Identifier = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
