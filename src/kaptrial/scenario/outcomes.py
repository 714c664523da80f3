"""What is measured: one outcome, or several of one illness, of which one is primary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Discriminator, Tag

from kaptrial.catalogue import Scale, scale, scale_names
from kaptrial.errors import ABSENT, FieldError, nearest
from kaptrial.scenario.gathering import Unread
from kaptrial.scenario.noun import Flag, Text, noun
from kaptrial.scenario.own_scale import OwnScale
from kaptrial.scenario.patients import Measurement
from kaptrial.scenario.sourced import EFFECT_UNITS, FullCorrelation, Loading, Share, VaryingEffect, walk
from kaptrial.scenario.substance_use import Amount, UseRules
from kaptrial.scenario.treatment import Schedule

if TYPE_CHECKING:
    from kaptrial.scenario.scenario import Scenario

# What improvement is made of; outcomes other than the primary one may load on each differently.
Part = Literal["drug", "therapy", "natural_course", "expectancy"]
PARTS: tuple[Part, ...] = ("drug", "therapy", "natural_course", "expectancy")


def simulated_scales() -> list[str]:
    """The scales of the catalogue that can be simulated.

    What is counted day by day is simulated as a percentage; the catalogue's numbers of days are records only.
    """
    return [name for name in scale_names() if scale(name).link == "identity" or scale(name).unit == "percent"]


def _which(raw: object) -> str:
    return "#own" if isinstance(raw, Mapping | OwnScale) else "#named"


ScaleField = Annotated[Annotated[OwnScale, Tag("#own")] | Annotated[Text, Tag("#named")], Discriminator(_which)]


def _check_scale(chosen: OwnScale | str) -> None:
    if isinstance(chosen, OwnScale):
        return
    simulated = simulated_scales()
    if chosen in scale_names() and chosen not in simulated:
        raise FieldError(
            "scale", chosen, "numbers of days are not simulated: must be percent_abstinent_days or a score"
        )
    if chosen not in simulated:
        raise FieldError("scale", chosen, f"must be one of {', '.join(simulated)}{nearest(chosen, simulated)}")


def as_scale(chosen: OwnScale | str) -> Scale:
    """The scale that is named or declared."""
    return chosen.as_scale() if isinstance(chosen, OwnScale) else scale(chosen)


@noun
class Outcome:
    """The outcome scale on which the trial is measured: the name of one of the catalogue, or one of its own.

    `amount`, `use`: of days of use of a substance, the amount and what their endpoints ask.
    """

    scale: ScaleField
    amount: Amount | None = None
    use: UseRules | None = None

    def __post_init__(self) -> None:
        _check_scale(self.scale)


@noun
class Loadings:
    """What improvement in the primary outcome is worth in another one, by what it comes from.

    `per`: how many points of this outcome (logits, where it is counted by days) improve for one point of the primary
    one, or how many of its baseline SDs for one baseline SD of the primary one. Improvement is positive in both,
    whichever way their scores run. The therapist's share of an improvement loads as the therapy, rescue as the drug.
    """

    per: Literal["point", "sd"]
    drug: Loading
    therapy: Loading
    natural_course: Loading
    expectancy: Loading


@noun
class WithPrimary:
    """Correlation of an outcome's scores with the primary one's: of trait baselines, deviations, and rater errors.

    As the scores are recorded: negative where the better direction differs. Two outcomes that are not primary
    correlate through the primary one alone.
    """

    baseline: FullCorrelation
    deviation: FullCorrelation
    rater: FullCorrelation | None = None


@noun
class OneOfSeveral:
    """One of several outcomes. `primary`: the one that `population`, `measurement` and all effects are about.

    Of each other one: its trait `baseline` with its SD, its `measurement`, `loadings` and `correlation`. `visits`:
    those of the design at which it is measured, day 0 among them; all unless given. `missed`: the share of its later
    measurements that are missed at visits which patients attend, at random.
    """

    scale: ScaleField
    primary: Flag = False
    baseline: VaryingEffect | None = None
    measurement: Measurement | None = None
    loadings: Loadings | None = None
    correlation: WithPrimary | None = None
    visits: Schedule | None = None
    missed: Share | None = None
    amount: Amount | None = None
    use: UseRules | None = None

    def __post_init__(self) -> None:
        _check_scale(self.scale)
        needed = ("baseline", "measurement", "loadings", "correlation")
        if self.primary:
            for key in (*needed, "visits", "missed"):
                if getattr(self, key) is not None:
                    allowed = "must not be given of the primary outcome, which population and measurement are about"
                    raise FieldError(key, "given", allowed)
            return
        for key in ("amount", "use"):
            if getattr(self, key) is not None:
                raise FieldError(key, "given", "goes with the primary outcome, whose days of use are kept")
        for key in needed:
            if getattr(self, key) is None:
                raise FieldError(key, ABSENT, "must be given of an outcome that is not primary")
        assert self.baseline is not None
        if self.baseline.sd is None:
            raise FieldError("baseline.sd", ABSENT, "the trait baseline needs its SD between patients")


def primary_outcome(outcome: Outcome | None, outcomes: Mapping[str, OneOfSeveral] | None) -> Outcome | OneOfSeveral:
    """The outcome, or the primary one of several. Raises Unread where there is not exactly one."""
    primary = [each for each in (outcomes or {}).values() if each.primary]
    if (outcome is None) == (outcomes is None) or (outcomes is not None and len(primary) != 1):
        raise Unread("outcome")
    return primary[0] if outcome is None else outcome


def check_primary(s: Scenario) -> Iterator[FieldError]:
    """One outcome, or several with one primary."""
    if s.outcome is None and s.outcomes is None:
        yield FieldError("outcome", ABSENT, "must be given, or outcomes with one primary")
    if s.outcomes is None:
        return
    if s.outcome is not None:
        yield FieldError("outcomes", "given", "must not be given beside outcome: one of the two")
    primary = [name for name, each in s.outcomes.items() if each.primary]
    if len(primary) != 1:
        found = " and ".join(primary) if primary else "none of them"
        yield FieldError("outcomes", f"primary: {found}", "must be one of them")


def check_outcomes(s: Scenario) -> Iterator[FieldError]:
    """Each outcome that is not primary fits its scale, the visits and what it is to correlate with."""
    for name, outcome in s.other_outcomes.items():
        at, own = f"outcomes.{name}", as_scale(outcome.scale)
        assert outcome.baseline is not None  # the outcome was checked
        assert outcome.measurement is not None
        assert outcome.correlation is not None
        level = outcome.baseline.value
        if own.link == "identity" and not own.low <= level <= own.high:
            allowed = f"must lie on the scale {own.id}, {own.low:g} to {own.high:g}"
            yield FieldError(f"{at}.baseline.value", level, allowed)
        longest = own.high - own.low
        for path, value in walk(outcome, at):
            if value.unit in EFFECT_UNITS and value.unit != own.latent_unit:
                yield FieldError(f"{path}.unit", value.unit, f"must be {own.latent_unit}, the latent unit of {own.id}")
            elif value.unit == "points" and path.endswith("_sd") and value.value > longest / 2:
                allowed = f"must be at most {longest / 2:g} points on the scale {own.id}"
                yield FieldError(f"{path}.value", value.value, allowed)
        yield from _check_visits(s, f"{at}.visits", s.visits_of(name), counted=own.link != "identity")
        if (own.link != "identity" or s.scale.link != "identity") and outcome.correlation.rater is not None:
            value = outcome.correlation.rater.value
            yield FieldError(
                f"{at}.correlation.rater", value, "goes with two scores; days that are counted have no rater"
            )
        spreads = {
            "baseline": (s.population.baseline.spread, "population.baseline.sd"),
            "deviation": (s.measurement.deviation_sd.value, "measurement.deviation_sd"),
            "rater": (s.measurement.rater_sd.value, "measurement.rater_sd"),
        }
        for key, (sd, where) in spreads.items():
            correlation = getattr(outcome.correlation, key)
            if correlation is not None and correlation.value != 0 and sd == 0:
                yield FieldError(f"{at}.correlation.{key}.value", correlation.value, f"must be 0: {where} is 0")
        assert outcome.loadings is not None
        if outcome.loadings.per == "sd" and s.population.baseline.spread == 0:
            yield FieldError(f"{at}.loadings.per", "sd", "must be point: population.baseline.sd is 0")


def _check_visits(s: Scenario, at: str, visits: tuple[float, ...], *, counted: bool) -> Iterator[FieldError]:
    known = ", ".join(f"{day:g}" for day in s.design.visits)
    for i, day in enumerate(visits):
        if day not in s.design.visits:
            yield FieldError(f"{at}[{i}]", day, f"must be a visit of the design: {known}")
        elif counted and day != int(day):
            yield FieldError(f"{at}[{i}]", day, "must be a whole day: the outcome is counted by days")
        elif i > 0 and day <= visits[i - 1]:
            yield FieldError(f"{at}[{i}]", day, f"must be later than the visit before it, {visits[i - 1]:g}")
    if not visits or visits[0] != 0:
        yield FieldError(at, list(visits), "must begin with 0, the baseline visit")
    start = s.randomisation.day
    if start > 0 and start not in visits:
        yield FieldError(at, list(visits), f"must include randomisation on day {start:g}")
