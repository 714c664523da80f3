"""How much more or less often cells of one run reject, from the same replicates of both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kaptrial.questions.power.controlled import Controlled, controlled_share, difference
from kaptrial.questions.power.headline import power_metric
from kaptrial.questions.power.rows import rejections, rejects
from kaptrial.questions.power.verdicts import NOMINAL
from kaptrial.results import Row

if TYPE_CHECKING:
    from kaptrial.questions.power.characteristics import CellResult


def primary_shares(result: CellResult) -> dict[str, Controlled]:
    """Power of the primary question by its first method, and its rate of false findings where a null was run for it."""
    s, metric = result.cell.scenario, power_metric(result)
    estimand, analysis = s.estimand, s.analyses(s.estimand)[0]
    fit = result.fits[0, analysis]
    hits = rejections(s, estimand, fit, result.primary[metric].question)[metric]
    known = {metric: controlled_share(hits, fit)}
    for null, fits in result.under_null:
        if null.metric in NOMINAL and 0 in null.estimands:
            of_null = fits[0, analysis]
            known[null.metric] = controlled_share(rejects(of_null, s.analysis.alpha), of_null)
    return known


def with_differences(results: Sequence[CellResult]) -> list[CellResult]:
    """The cells, each with how much more it rejects than the first one of its variant where something else differs.

    All cells are run under one seed: replicate r of one has the same normals as replicate r of another, and the error
    of a difference is that of the pairs.
    """
    first: dict[object, CellResult] = {}
    made = []
    for result in results:
        reference = first.setdefault(result.cell.columns.get("variant"), result)
        made.append(
            result if result is reference else replace(result, rows=[*result.rows, *differences(result, reference)])
        )
    return made


def differences(result: CellResult, reference: CellResult) -> list[Row]:
    """What a cell's primary shares are more than those of another, where both have been found."""
    own, others = primary_shares(result), primary_shares(reference)
    rows = []
    for metric in own:
        like, other = result.primary[metric], reference.primary.get(metric)
        if other is not None and math.isfinite(like.value) and math.isfinite(other.value):
            value, mcse = difference(own[metric], others[metric])
            rows.append(replace(like, metric=f"{metric}_difference", value=value, mcse=mcse, more={}))
    return rows
