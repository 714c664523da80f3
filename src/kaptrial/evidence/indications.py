"""The lines of the card of each indication but depression: what a new trial of it would be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kaptrial.evidence.published import Reference

Measure = Literal["response", "improvement", "difference", "standardised_benefit"]
PATIENTS = 400


@dataclass(frozen=True, kw_only=True)
class Question:
    """A line of a card: a measure of ketamine, of its control, or of ketamine against it.

    `infusions`: one, or six over eleven days. `days`: the visits read, several where response at any of them counts.
    `trials`: of how many new trials the effect is the mean; `patients`: in each arm, of all of them together.
    """

    figure: str
    unit: str
    measure: Measure
    infusions: int
    days: tuple[float, ...]
    arm: str = "ketamine"
    trials: int = 1
    patients: int = PATIENTS
    beside: tuple[Reference, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Indication:
    """What the card of an indication is of. `baselines_of`: the trial whose baseline on `endpoint` is taken."""

    population: str
    endpoint: str
    baselines_of: str
    control: str
    questions: tuple[Question, ...]


def _pooled(key: str, statistic: str, time: str, about: str = "") -> Reference:
    return Reference(source=key, statistic=statistic, time=time, about=about)


def _response(key: str, arm: str, statistic: str, time: str) -> tuple[Reference, ...]:
    return (Reference(source=key, statistic=statistic, time=time, arm=arm),)


# The pooled g in PTSD (specialk2024) is of 6 trials with 221 patients; of those with an active control at 24 h neither
# number is in the abstract: half as many, an assumption.
PTSD_AT_END = Question(
    figure="g against midazolam after six infusions, mean of six trials",
    unit="SD",
    measure="standardised_benefit",
    infusions=6,
    days=(14.0,),
    trials=6,
    patients=110,
    beside=(
        _pooled("specialk2024", "g", "all", "all days"),
        _pooled("specialk2024", "g", "1 wk", "1 week"),
        _pooled("almeida2024", "standardised effect", "end of treatment, 1 to 4 wk", "1 to 4 weeks"),
    ),
)
_PTSD = Indication(
    population="PTSD",
    endpoint="CAPS-5",
    baselines_of="feder2021",
    control="midazolam",
    questions=(
        Question(
            figure="response after six infusions", unit="share", measure="response", infusions=6, days=(14.0,),
            beside=_response("feder2021", "ketamine", "response %", "week 2"),
        ),
        Question(
            figure="response after six of midazolam", unit="share", measure="response", infusions=6, days=(14.0,),
            arm="midazolam", beside=_response("feder2021", "midazolam", "response %", "week 2"),
        ),
        Question(
            figure="improvement at 24 h, one infusion", unit="points", measure="improvement", infusions=1, days=(1.0,)
        ),
        Question(
            figure="improvement at 24 h, midazolam", unit="points", measure="improvement", infusions=1, days=(1.0,),
            arm="midazolam",
        ),
        Question(
            figure="improvement after six infusions", unit="points", measure="improvement", infusions=6, days=(14.0,)
        ),
        Question(
            figure="improvement after six of midazolam", unit="points", measure="improvement", infusions=6,
            days=(14.0,), arm="midazolam",
        ),
        Question(
            figure="more improvement than with midazolam after six infusions", unit="points apart",
            measure="difference", infusions=6, days=(14.0,),
            beside=(
                Reference(
                    source="feder2021", statistic="CAPS-5 difference", time="week 2", improvement=True
                ),
            ),
        ),
        Question(
            figure="g against midazolam at 24 h, one infusion, mean of three trials", unit="SD",
            measure="standardised_benefit", infusions=1, days=(1.0,), trials=3, patients=55,
            beside=(
                _pooled("specialk2024", "g vs active", "24 h", "active controls"),
                _pooled("specialk2024", "g", "24 h", "all controls"),
            ),
        ),
        PTSD_AT_END,
    ),
)  # fmt: skip
_OCD = Indication(
    population="OCD",
    endpoint="Y-BOCS",
    baselines_of="rodriguez2013",
    control="saline",
    questions=(
        Question(
            figure="response on day 7, one infusion", unit="share", measure="response", infusions=1, days=(7.0,),
            beside=_response("rodriguez2013", "ketamine first", "response % (4/8)", "1 wk"),
        ),
        Question(
            figure="response on day 7, saline", unit="share", measure="response", infusions=1, days=(7.0,),
            arm="saline", beside=_response("rodriguez2013", "placebo first", "response % (0/7)", "1 wk"),
        ),
        Question(
            figure="improvement at 24 h, one infusion", unit="points", measure="improvement", infusions=1, days=(1.0,)
        ),
        Question(
            figure="improvement on day 7, one infusion", unit="points", measure="improvement", infusions=1, days=(7.0,)
        ),
        Question(
            figure="improvement on day 7, saline", unit="points", measure="improvement", infusions=1, days=(7.0,),
            arm="saline",
        ),
        Question(
            figure="more improvement than with saline on day 7", unit="points apart", measure="difference",
            infusions=1, days=(7.0,),
        ),
    ),
)  # fmt: skip
_TWO_WEEKS = (1.0, 2.0, 3.0, 5.0, 10.0, 14.0)
_ANXIETY = Indication(
    population="anxiety",
    endpoint="LSAS",
    baselines_of="taylor2018",
    control="saline",
    questions=(
        Question(
            figure="response within two weeks, one infusion", unit="share", measure="response", infusions=1,
            days=_TWO_WEEKS, beside=_response("taylor2018", "ketamine", "LSAS response %", "first 2 wk"),
        ),
        Question(
            figure="response within two weeks, saline", unit="share", measure="response", infusions=1,
            days=_TWO_WEEKS, arm="saline", beside=_response("taylor2018", "placebo", "LSAS response %", "first 2 wk"),
        ),
        Question(
            figure="improvement at 24 h, one infusion", unit="points", measure="improvement", infusions=1, days=(1.0,)
        ),
        Question(
            figure="improvement at 24 h, saline", unit="points", measure="improvement", infusions=1, days=(1.0,),
            arm="saline",
        ),
        Question(
            figure="more improvement than with saline at 24 h", unit="points apart", measure="difference",
            infusions=1, days=(1.0,),
        ),
    ),
)  # fmt: skip
_BIPOLAR = Indication(
    population="bipolar depression",
    endpoint="MADRS",
    baselines_of="diazgranados2010",
    control="saline",
    questions=(
        Question(
            figure="response within two weeks, one infusion", unit="share", measure="response", infusions=1,
            days=(1.0, 2.0, 3.0, 7.0, 10.0, 14.0),
            beside=_response("diazgranados2010", "ketamine", "response %", "any time in trial"),
        ),
        Question(
            figure="response within two weeks, saline", unit="share", measure="response", infusions=1,
            days=(1.0, 2.0, 3.0, 7.0, 10.0, 14.0), arm="saline",
            beside=_response("diazgranados2010", "placebo", "response %", "any time in trial"),
        ),
        Question(
            figure="improvement at 24 h, one infusion", unit="points", measure="improvement", infusions=1, days=(1.0,)
        ),
        Question(
            figure="improvement at 24 h, saline", unit="points", measure="improvement", infusions=1, days=(1.0,),
            arm="saline",
        ),
        Question(
            figure="more improvement than with saline at 24 h", unit="points apart", measure="difference",
            infusions=1, days=(1.0,),
        ),
    ),
)  # fmt: skip
INDICATIONS = {each.population: each for each in (_BIPOLAR, _PTSD, _OCD, _ANXIETY)}
