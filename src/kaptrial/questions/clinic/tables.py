"""Tables over replicates: means with their Monte Carlo errors and the range from one trial to the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from kaptrial.questions.clinic.replicate_summary import ReplicateSummary
from kaptrial.questions.clinic.run import Course
from kaptrial.results import Note, Value
from kaptrial.scenario.clinic_checks import DAYS_PER_MONTH

UNITS = {"milestones": "month", "flow": "people", "waiting": "day", "kept": "share", "therapists": "people"}


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number of the clinic: its mean over replicates with its MCSE, and their 5th and 95th percentile."""

    table: str
    of: str
    metric: str
    unit: str
    value: float
    mcse: float
    lower: float
    upper: float
    n_replicates: int

    def flat(self) -> dict[str, Value]:
        """As columns of a table."""
        return dict(vars(self))


def summary(summaries: Sequence[ReplicateSummary], currency: str = "") -> list[Quantity]:
    """Every number; a last table says in which share of replicates each resource was the bottleneck."""
    keys = list(dict.fromkeys(key for d in summaries for key in d.values))
    rows = []
    for key in keys:
        x = np.array([d.values.get(key, np.nan) for d in summaries])
        x = x[~np.isnan(x)]
        if not len(x):
            continue
        rows.append(_quantity(key, _unit(key, currency), x))
    named = Counter(d.bottleneck for d in summaries)
    for kind in sorted(named, key=lambda kind: (-named[kind], kind)):
        x = np.array([float(d.bottleneck == kind) for d in summaries])
        rows.append(_quantity(("bottleneck", kind, "share of replicates"), "share", x))
    return rows


def _quantity(key: tuple[str, str, str], unit: str, x: np.ndarray) -> Quantity:
    n = len(x)
    low, high = (float(q) for q in np.quantile(x, [0.05, 0.95]))
    mcse = float(x.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    numbers = {"value": float(x.mean()), "mcse": mcse, "lower": low, "upper": high}
    return Quantity(table=key[0], of=key[1], metric=key[2], unit=unit, n_replicates=n, **numbers)


def _unit(key: tuple[str, str, str], currency: str) -> str:
    if key[0] == "cost":
        return currency
    if key[0] == "utilisation":
        return "share" if key[2] == "share" else "day"
    return UNITS[key[0]]


def bottleneck_note(summaries: Sequence[ReplicateSummary]) -> Note:
    """What holds the trial up, in words."""
    resource = bottleneck(summaries)
    text = f"Bottleneck: {resource}. In most trials they are waited for longest, half a day or more on average."
    if resource == "recruitment":
        text = "Bottleneck: recruitment. In most trials no resource is waited for half a day on average."
    return Note(code="bottleneck", severity="information", text=text)


def bottleneck(summaries: Sequence[ReplicateSummary]) -> str:
    """The resource that is waited for most in most replicates; `recruitment` where nobody waits for any."""
    named = Counter(d.bottleneck for d in summaries)
    return min(named, key=lambda kind: (-named[kind], kind))


def accrual(summaries: Sequence[ReplicateSummary], step_months: float = 0.5) -> pd.DataFrame:
    """Patients randomised, and out of the trial, by month: month, what, mean, lower, upper (5th, 95th percentile)."""
    last = max(float(d.ended[-1]) for d in summaries) / DAYS_PER_MONTH
    months = np.arange(0.0, last + step_months, step_months)
    frames = []
    for what in ("randomised", "ended"):
        counts = np.array([np.searchsorted(getattr(d, what), months * DAYS_PER_MONTH, side="right") for d in summaries])
        lower, upper = np.quantile(counts, [0.05, 0.95], axis=0)
        frames.append(
            pd.DataFrame({"month": months, "what": what, "mean": counts.mean(axis=0), "lower": lower, "upper": upper})
        )
    return pd.concat(frames, ignore_index=True)


def lag_histogram(
    summaries: Sequence[ReplicateSummary], width_hours: float = 4.0, most_hours: float = 336.0
) -> pd.DataFrame:
    """Sessions by hours since the dose before them: from_hours, to_hours, promised, share of all sessions given.

    Later ones than `most_hours` are counted in the last row of each kind.
    """
    lags = np.concatenate([d.lags[:, 0] for d in summaries])
    promised = np.concatenate([d.promised for d in summaries])
    edges = np.arange(0.0, most_hours + width_hours, width_hours)
    # A session at the very end of its window belongs to the window.
    lags = np.clip(lags - 1e-6, 0.0, edges[-1] - 1e-6)
    frames = []
    for kind in (True, False):
        counts = np.histogram(lags[promised == kind], edges)[0]
        frames.append(
            pd.DataFrame(
                {"from_hours": edges[:-1], "to_hours": edges[1:], "promised": kind, "share": counts / max(len(lags), 1)}
            )
        )
    return pd.concat(frames, ignore_index=True)


def week(c: Course, site: int, number: int | None = None) -> pd.DataFrame:
    """One week of one site: resource, unit, day (0 Monday), from_hour, to_hour, patient, kept (False: nobody came).

    The busiest of its weeks by sessions and doses unless `number` says which.
    """
    uses = [use for use in c.use if use.site == site and use.kind != "nurses"]
    if number is None:
        weeks = Counter(
            int(start // 7) for use in uses for start in use.services["start"].tolist() if use.kind != "raters"
        )
        number = min(weeks, key=lambda w: (-weeks[w], w), default=0)
    rows = []
    for use in uses:
        free = [-1.0] * use.capacity
        for start, end, _, patient, note in sorted(use.services.tolist()):
            if int(start // 7) != number:
                continue
            # Chairs and raters are alike: the first one free.
            unit = next(k for k, until in enumerate(free) if until <= start + 1e-9)
            free[unit] = end
            name = use.number if use.kind == "therapists" else unit
            who = {"resource": use.kind, "therapy": use.therapy or "", "unit": name + 1}
            when = {"day": int(start % 7), "from_hour": 24 * (start % 1), "to_hour": 24 * (start % 1 + end - start)}
            rows.append({**who, **when, "patient": patient + 1, "kept": note >= 0, "week": number + 1})
    return pd.DataFrame(rows)
