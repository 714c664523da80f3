"""How much more or less often cells of one run reject, from the same replicates of both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kaptrial.estimators.fit import Fit
from kaptrial.questions.power.controlled import Controlled, controlled_share, difference
from kaptrial.questions.power.execution import AT_BEST
from kaptrial.questions.power.headline import FALSE_RATES, POWERS
from kaptrial.questions.power.rows import question, rejections, rejects
from kaptrial.results import Row, grouped

if TYPE_CHECKING:
    from kaptrial.questions.power.characteristics import CellResult


def primary_shares(result: CellResult) -> dict[str, Controlled]:
    """Power of the primary question by its first method, and its rate of false findings where a null was run for it."""
    return _shares(result, 0, result.cell.scenario.analyses(result.cell.scenario.estimand)[0])


def _shares(result: CellResult, i: int, analysis: str) -> dict[str, Controlled]:
    """Power of the i-th estimand by a method, of the kind that it is about, and its rate of false findings."""
    s, fit = result.cell.scenario, result.fits[i, analysis]
    hits = rejections(s, s.estimands[i], fit, question(s, s.estimands[i], analysis))
    metric = next(name for name in (*POWERS, *FALSE_RATES) if name in hits)
    known = {metric: controlled_share(hits[metric], fit)}
    for null, fits in result.under_null:
        if null.metric in FALSE_RATES and i in null.estimands:
            of_null = fits[i, analysis]
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
        more = [] if result is reference else differences(result, reference)
        made.append(replace(result, rows=[*result.rows, *more]))
    return made


def differences(result: CellResult, reference: CellResult) -> list[Row]:
    """What a cell's shares are more than those of another, of every question and method that both have."""
    rows, s = [], result.cell.scenario
    known = grouped(result.rows)
    for i, analysis in result.fits:
        if (i, analysis) not in reference.fits or analysis.endswith(AT_BEST):
            continue
        about = known[question(s, s.estimands[i], analysis, result.cell.columns)]
        own, others = _shares(result, i, analysis), _shares(reference, i, analysis)
        for metric in own:
            like = about[metric]
            if metric in others and math.isfinite(like.value) and not _never_analysed(reference.fits[i, analysis]):
                value, mcse = difference(own[metric].each, others[metric].each)
                rows.append(replace(like, metric=f"{metric}_difference", value=value, mcse=mcse, more={}))
    return rows


def _never_analysed(fit: Fit) -> bool:
    return bool((fit.failure != 0).all())
