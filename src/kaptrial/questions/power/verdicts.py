"""What is wrong with a design, or to be minded of it, in a sentence each: the verdicts of a power run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kaptrial.method_table import methods
from kaptrial.output.terminal import by_mcse, error
from kaptrial.questions.power.nulls import null_of
from kaptrial.results import Note, Question, Row, Severity, grouped
from kaptrial.scenario.scenario import Scenario
from kaptrial.scenario.trial import Estimand

if TYPE_CHECKING:
    from kaptrial.questions.power.characteristics import CellResult

# A rate is off its nominal value beyond this many Monte Carlo errors.
ERRORS = 3.0
# A bias is worth a word from this share of the effect on, an effect not the treatment's from this share of it.
BIAS_SHARE, MOSTLY = 0.1, 0.5
LOW_POWER, HIGH_POWER = 0.5, 0.99
NOMINAL = {"type_i_error": "type I error", "false_synergy_rate": "false synergy rate"}


@dataclass(frozen=True, kw_only=True)
class _Finding:
    """A verdict on one row; of several with the same code the gravest is said."""

    code: str
    gravity: float
    text: str
    severity: Severity = "warning"


def verdicts(results: Sequence[CellResult]) -> list[Note]:
    """One note a kind of verdict, on the row where it weighs most, with how many other rows share it."""
    by_code: dict[str, list[_Finding]] = {}
    for result in results:
        s = result.cell.scenario
        for about, rows in grouped(result.rows).items():
            if about.contrast is None or about.day is None:  # all questions together
                continue
            for finding in _findings(s, about, rows):
                by_code.setdefault(finding.code, []).append(finding)
    notes = []
    for code, findings in by_code.items():
        worst = max(findings, key=lambda finding: finding.gravity)
        others = len(findings) - 1
        more = f" {others} more row{'s' * (others > 1)} likewise." if others else ""
        notes.append(Note(code=code, severity=worst.severity, text=worst.text + more))
    return notes


def _findings(s: Scenario, about: Question, rows: dict[str, Row]) -> list[_Finding]:
    name = f"{about.contrast}, {about.endpoint}, day {about.day:g}, by {about.analysis}"
    return [
        *_rates(s, about, rows, name),
        *_coverage(s, about, rows, name),
        *_bias(rows, name),
        *_not_the_treatment(about, rows, name),
        *([] if _nothing_works(s, about) else _extreme_power(about, rows, name)),
        *_too_early(s, about, name),
    ]


def _rates(s: Scenario, about: Question, rows: dict[str, Row], name: str) -> list[_Finding]:
    out = []
    for metric, called in NOMINAL.items():
        row = rows.get(metric)
        if row is None or not _off(row, s.analysis.alpha):
            continue
        off = abs(row.value - s.analysis.alpha)
        which = "above" if row.value > s.analysis.alpha else "below"
        why = _why(s, about) if which == "above" else "the test is conservative here"
        text = f"The {called} of {name} is {_said(row)}, {which} the nominal {s.analysis.alpha:g}: {why}."
        out.append(_Finding(code=f"{metric}_{which}", gravity=off, text=text))
    hopeful = rows.get("expectancy_only_rate")
    if hopeful is not None and hopeful.value > s.analysis.alpha and _off(hopeful, s.analysis.alpha):
        text = (
            f"Expectancy alone makes {name} significant in {_said(hopeful)} of trials without any effect of treatment:"
            " blind the patients better, or measure what they believe."
        )
        out.append(_Finding(code="expectancy_only", gravity=hopeful.value, text=text))
    return out


def _off(row: Row, nominal: float) -> bool:
    return abs(row.value - nominal) > ERRORS * row.mcse


def _said(row: Row) -> str:
    return f"{by_mcse(row.value, row.mcse)} ± {error(row.mcse)}"


def _why(s: Scenario, about: Question) -> str:
    """The likeliest reason why an analysis is not valid here, and what to do."""
    estimand = _estimand(s, about)
    method = methods()[about.analysis.split()[0]]
    if s.has_therapists(estimand) and not method.needs_therapists:
        arms = [arm.id for arm in s.arms if arm.therapy and s.therapies[arm.therapy.name].therapists]
        return (
            f"therapists treat patients of {', '.join(arms)} and the analysis ignores them; use nested_mmrm or nested"
        )
    if s.has_therapists(estimand):
        return "there are few therapists; plan more of them, or expect this excess"
    if s.conduct.dropout is not None and method.name in ("ancova", "difference"):
        return "patients leave and the analysis takes those who stay; use mmrm"
    return "the analysis does not hold at this size; plan more patients, or choose another analysis"


def _estimand(s: Scenario, about: Question) -> Estimand:
    asked = (about.contrast, about.endpoint, about.day)
    return next(e for e in s.estimands if (e.contrast, e.endpoint, e.day) == asked)


def _coverage(s: Scenario, about: Question, rows: dict[str, Row], name: str) -> list[_Finding]:
    row, nominal = rows.get("coverage"), 1.0 - s.analysis.alpha
    if row is None or not _off(row, nominal):
        return []
    side = "below" if row.value < nominal else "above"
    why = _why(s, about) if side == "below" else "intervals are wider than they need to be"
    text = f"Intervals of {name} hold the truth in {_said(row)}, {side} the nominal {nominal:g}: {why}."
    return [_Finding(code=f"coverage_{side}", gravity=abs(row.value - nominal), text=text)]


def _bias(rows: dict[str, Row], name: str) -> list[_Finding]:
    bias, truth = rows.get("bias"), rows.get("truth")
    if bias is None or truth is None or abs(truth.value) <= ERRORS * truth.mcse:
        return []
    share = abs(bias.value / truth.value)
    if share <= BIAS_SHARE or abs(bias.value) <= ERRORS * bias.mcse:
        return []
    way = "towards no effect" if bias.value * truth.value < 0 else "away from no effect"
    text = f"Estimates of {name} are off by {_said(bias)}, {100 * share:.0f} % of the true {truth.value:.3g}, {way}."
    return [_Finding(code="biased", gravity=share, text=text)]


def _not_the_treatment(about: Question, rows: dict[str, Row], name: str) -> list[_Finding]:
    """A true effect that is mostly the end of the scale's, or expectancy's."""
    truth = rows.get("truth")
    if truth is None or abs(truth.value) <= ERRORS * truth.mcse:
        return []
    out = []
    additive = rows.get("truth_if_additive")
    if (
        about.contrast is not None
        and ":" in about.contrast
        and additive is not None
        and additive.value / truth.value > MOSTLY
    ):
        text = (
            f"Of the true {truth.value:.3g} of {name}, {additive.value:.3g} would be there without any synergy: scores"
            " end where the scale does, or days are counted on a curved scale. It does not show that drug and therapy"
            " interact."
        )
        out.append(_Finding(code="clipping", gravity=additive.value / truth.value, text=text))
    without = rows.get("truth_without_expectancy")
    if without is not None and without.value / truth.value < 1 - MOSTLY:
        text = (
            f"Of the true {truth.value:.3g} of {name}, {truth.value - without.value:.3g} is expectancy, not treatment."
        )
        out.append(_Finding(code="mostly_expectancy", gravity=1 - without.value / truth.value, text=text))
    return out


def _extreme_power(about: Question, rows: dict[str, Row], name: str) -> list[_Finding]:
    row = next((rows[m] for m in ("power_non_inferiority", "power_better", "power") if m in rows), None)
    if row is None:
        return []
    if row.value < LOW_POWER - ERRORS * row.mcse:
        text = f"Power of {name} is {_said(row)}: such a trial more likely misses the effect than finds it."
        return [_Finding(code="low_power", gravity=LOW_POWER - row.value, text=text)]
    if row.value > HIGH_POWER:
        text = f"Power of {name} is {_said(row)}: fewer patients would do, or the effect assumed is too large."
        return [_Finding(code="high_power", gravity=row.value, text=text, severity="information")]
    return []


def _nothing_works(s: Scenario, about: Question) -> bool:
    """Whether the world has no effect of the therapy that the question is about, so that there is none to miss."""
    if null_of(s, _estimand(s, about)) != "therapy":
        return False
    given = {arm.therapy.name for arm in s.arms if arm.therapy is not None}
    return all(s.therapies[name].max_effect.value == 0 for name in given)


def _too_early(s: Scenario, about: Question, name: str) -> list[_Finding]:
    """A contrast of therapies that is read before their first session."""
    if len(s.arms) < 2 or about.day is None:
        return []
    weights = s.contrast(_estimand(s, about)).weights
    compared = {arm.therapy.name if arm.therapy else None for arm, w in zip(s.arms, weights, strict=True) if w != 0}
    starts = [
        min(arm.therapy.days, default=0.0) for arm, w in zip(s.arms, weights, strict=True) if w != 0 and arm.therapy
    ]
    if len(compared) < 2 or not starts or about.day > min(starts):
        return []
    text = f"{name}: the outcome is read on day {about.day:g}, before the therapy begins on day {min(starts):g}."
    return [_Finding(code="before_therapy", gravity=min(starts) - about.day, text=text)]
