"""What the parts of a scenario must have in common: arms, days, units, estimands and methods that fit each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kaptrial.errors import ABSENT, FieldError, nearest
from kaptrial.method_table import (
    ATTENDANCE,
    BINARY,
    COUNTS,
    DAYS,
    MAY_FAIL,
    RESPONSES,
    SCORES,
    TIME,
    TIMES,
    USE,
    methods,
)
from kaptrial.scenario.clinic_checks import check_clinic
from kaptrial.scenario.contrast import factor_names, parse_contrast
from kaptrial.scenario.gathering import Check, gathered
from kaptrial.scenario.outcomes import check_outcomes, check_primary
from kaptrial.scenario.own_sources import check_own_sources
from kaptrial.scenario.sourced import EFFECT_UNITS, ByArm, walk
from kaptrial.scenario.substance_use import check_declared, check_use
from kaptrial.scenario.treatment import Doses, quantities
from kaptrial.scenario.trial import Estimand

if TYPE_CHECKING:
    from kaptrial.scenario.scenario import Scenario

# A block this long balances nothing.
MAX_BLOCK = 1000
# Columns of a trial's file, which a stratum may not be called.
RESERVED = (
    "replicate", "patient", "arm", "therapist", "day", "baseline", "score", "latent", "outcome", "randomisation_score",
)  # fmt: skip


def ketamine_routes(s: Scenario) -> tuple[str, ...]:
    """The routes by which ketamine or esketamine is given after randomisation or before it, in alphabetical order."""
    run_in = s.randomisation.run_in.doses if s.randomisation.run_in else ()
    every = (*run_in, *(doses for arm in s.arms for doses in arm.doses))
    return tuple(sorted({doses.route for doses in every if doses.is_ketamine}))


def _check_arm_names(s: Scenario) -> Iterator[FieldError]:
    if not s.arms:
        yield FieldError("arms", len(s.arms), "must be one arm or more")
    ids = [arm.id for arm in s.arms]
    for i, arm_id in enumerate(ids):
        if arm_id in ids[:i]:
            yield FieldError(f"arms[{i}].id", arm_id, "must differ from the ids of the other arms")
    try:
        factor_names(s.arms)
    except FieldError as error:
        yield error


def _check_arms(s: Scenario) -> Iterator[FieldError]:
    start = s.randomisation.day
    for i, arm in enumerate(s.arms):
        if arm.therapy is not None:
            yield from _check_therapy(s, f"arms[{i}].therapy", arm.therapy.name)
            yield from _check_not_before(f"arms[{i}].therapy.days", arm.therapy.days, start)
        for j, adjunct in enumerate(arm.adjuncts):
            if adjunct.from_day < start:
                allowed = f"must not be before randomisation on day {start:g}: until then the arms are alike"
                yield FieldError(f"arms[{i}].adjuncts[{j}].from_day", adjunct.from_day, allowed)
        for j, doses in enumerate(arm.doses):
            yield from _check_not_before(f"arms[{i}].doses[{j}].days", doses.days, start)
            yield from _check_quantities(f"arms[{i}].doses[{j}]", doses)
    run_in = s.randomisation.run_in
    if run_in is not None:
        for j, doses in enumerate(run_in.doses):
            yield from _check_quantities(f"randomisation.run_in.doses[{j}]", doses)
        yield from _check_before_randomisation(s)


def _check_therapy(s: Scenario, at: str, name: str) -> Iterator[FieldError]:
    if name not in s.therapies:
        known = ", ".join(s.therapies) or "none"
        yield FieldError(
            f"{at}.name", name, f"must be one of the therapies declared: {known}{nearest(name, s.therapies)}"
        )


def _check_not_before(at: str, days: tuple[float, ...], start: float) -> Iterator[FieldError]:
    for k, day in enumerate(days):
        if day < start:
            yield FieldError(
                f"{at}[{k}]", day, f"must not be before the arm's first visit, randomisation on day {start:g}"
            )
            return


def _check_before_randomisation(s: Scenario) -> Iterator[FieldError]:
    run_in, start = s.randomisation.run_in, s.randomisation.day
    assert run_in is not None
    for j, doses in enumerate(run_in.doses):
        for k, day in enumerate(doses.days):
            if day >= start:
                at = f"randomisation.run_in.doses[{j}].days[{k}]"
                yield FieldError(at, day, f"must be before randomisation on day {start:g}")
                break
    if run_in.eligible is not None:
        day = run_in.eligible.on_day
        if day not in s.design.visits or not 0 < day <= start:
            allowed = f"must be a visit after day 0 and not after randomisation on day {start:g}"
            yield FieldError("randomisation.run_in.eligible.on_day", day, allowed)


def _check_quantities(at: str, doses: Doses) -> Iterator[FieldError]:
    try:
        quantities(doses)
    except FieldError as error:
        yield error.below(at)


def _check_units(s: Scenario) -> Iterator[FieldError]:
    wanted = s.scale.latent_unit
    baseline = s.population.baseline.value
    if s.scale.link == "identity" and not s.scale.low <= baseline <= s.scale.high:
        allowed = f"must lie on the scale {s.scale.id}, {s.scale.low:g} to {s.scale.high:g}"
        yield FieldError("population.baseline.value", baseline, allowed)
    entry, m = s.population.entry, s.measurement
    if entry is not None:
        for at, bound in (("at_least", entry.at_least), ("at_most", entry.at_most)):
            if bound is not None and not s.scale.low <= bound <= s.scale.high:
                allowed = f"must lie on the scale {s.scale.id}, {s.scale.low:g} to {s.scale.high:g}"
                yield FieldError(f"population.entry.{at}", bound, allowed)
        if s.population.baseline.spread == m.deviation_sd.value == m.rater_sd.value == 0:
            yield FieldError("population.entry", ABSENT, "must not be given where day-0 scores do not vary")
    for path, value in walk(s):
        if not path.startswith("outcomes.") and value.unit in EFFECT_UNITS and value.unit != wanted:
            yield FieldError(f"{path}.unit", value.unit, f"must be {wanted}, the latent unit of {s.scale.id}")


def _check_drug(s: Scenario) -> Iterator[FieldError]:
    dropout = s.conduct.dropout
    for key in ("last_score", "current_latent") if dropout is not None and s.scale.link == "log" else ():
        if getattr(dropout, key) is not None:
            allowed = "goes with scores and days: a count depends on how long it was counted"
            yield FieldError(f"conduct.dropout.{key}", getattr(dropout, key).value, allowed)
    if s.scale.link != "identity":
        if s.drug.share is not None:
            allowed = f"{s.scale.id} is on a linked scale: give max_effect in {s.scale.latent_unit}"
            yield FieldError("drug.share", s.drug.share.value, allowed)
        if s.population.entry is not None:
            yield FieldError(
                "population.entry",
                ABSENT,
                f"{s.scale.id} is counted by days and takes no entry criterion",
            )
        for i, day in enumerate(s.design.visits):
            if day != int(day):
                yield FieldError(f"design.visits[{i}]", day, f"must be a whole day: {s.scale.id} is counted by days")
                break
    for name, therapy in s.therapies.items():
        if s.drug.effect == "linear" and therapy.xi is not None and therapy.xi.value > 0:
            yield FieldError(
                f"therapies.{name}.xi", therapy.xi.value, "must be 0 with effect: linear, which has no occupancy"
            )
    if s.drug.window_half_life is None:
        for name, therapy in s.therapies.items():
            if therapy.gamma is not None and therapy.gamma.value > 0:
                yield FieldError(
                    "drug.window_half_life",
                    ABSENT,
                    f"therapies.{name}.gamma > 0 needs the window's half-life",
                )
                break


def _check_one_arm(s: Scenario) -> Iterator[FieldError]:
    """What needs a second arm."""
    if len(s.arms) != 1:
        return
    if s.scale.link != "identity":
        yield FieldError("outcome.scale", s.scale.id, "must be a score where there is one arm, not counted by days")
    dropout = s.conduct.dropout
    if dropout is not None and dropout.afterwards == "as_reference":
        yield FieldError(
            "conduct.dropout.afterwards", dropout.afterwards, "needs a reference arm, and there is one arm"
        )


# The endpoints of an outcome, by its link.
_FITTING = {"identity": (*SCORES, *RESPONSES, TIME), "logit": (DAYS, *USE), "log": ("count",)}
# What to do where the scale has no rule.
OWN_RULE = "a scale of your own may have one (outcome.scale)"


def _check_estimands(s: Scenario) -> Iterator[FieldError]:
    for at, estimand in [("estimand", s.estimand)] + [(f"secondary[{i}]", e) for i, e in enumerate(s.secondary)]:
        try:
            parse_contrast(estimand.contrast, s.arms)
        except FieldError as error:
            yield error.below(at)
            continue
        if estimand.outcome is not None and estimand.outcome not in (s.outcomes or {}):
            known = ", ".join(s.outcomes or {}) or "none"
            allowed = f"must be one of the outcomes declared: {known}{nearest(estimand.outcome, s.outcomes or {})}"
            yield FieldError(f"{at}.outcome", estimand.outcome, allowed)
            continue
        scale, days = s.scale_of(estimand), s.visits_of(s.other_outcome(estimand))
        visits = ", ".join(f"{day:g}" for day in days)
        if estimand.day not in days or estimand.day <= s.randomisation.day:
            yield FieldError(f"{at}.day", estimand.day, f"must be a visit after randomisation; visits are {visits}")
        if estimand.endpoint in ATTENDANCE:
            yield from _check_benchmark(s, at, estimand)
            yield from _check_methods(s, at, estimand)
            yield from _check_attendance(s, at, estimand)
            continue
        fitting = _FITTING[scale.link]
        if estimand.endpoint not in fitting:
            allowed = f"with the scale {scale.id} must be {', '.join((*fitting, *ATTENDANCE))}"
            yield FieldError(f"{at}.endpoint", estimand.endpoint, allowed)
            continue
        yield from _check_benchmark(s, at, estimand)
        yield from _check_methods(s, at, estimand)
        yield from _check_strategies(s, at, estimand)
        yield from check_use(s, at, estimand)
        relapses = estimand.endpoint in ("sustained_response", "time_to_relapse")
        if (relapses or estimand.endpoint == "response") and not scale.has_response:
            yield FieldError(
                f"{at}.endpoint", estimand.endpoint, f"{scale.id} has no sourced response rule; {OWN_RULE}"
            )
        if estimand.endpoint == "remission" and scale.remission_at is None:
            yield FieldError(
                f"{at}.endpoint", estimand.endpoint, f"{scale.id} has no sourced remission rule; {OWN_RULE}"
            )
        if relapses:
            if s.relapse is None:
                yield FieldError("relapse", ABSENT, f"{estimand.endpoint} needs relapse: response_day and fraction")
            elif s.relapse.response_day not in days or s.relapse.response_day > estimand.day:
                allowed = f"must be a visit not after the estimand's day; visits are {visits}"
                yield FieldError("relapse.response_day", s.relapse.response_day, allowed)


def _check_attendance(s: Scenario, at: str, estimand: Estimand) -> Iterator[FieldError]:
    """What makes attendance is declared, and no event is set aside: attendance is what they are about."""
    endpoint = estimand.endpoint
    if s.other_outcome(estimand) is not None:
        yield FieldError(
            f"{at}.outcome", estimand.outcome, f"must not be given with {endpoint}, which is of no outcome"
        )
    for event in s.conduct.intercurrent_events:
        strategy = getattr(estimand.strategies, event)
        if strategy != "treatment_policy":
            given = ABSENT if strategy is None else strategy
            yield FieldError(
                f"{at}.strategies.{event}", given, f"must be treatment_policy: {endpoint} is about conduct"
            )
    if endpoint in ("dropout", "time_to_dropout"):
        if s.conduct.dropout is None:
            yield FieldError("conduct.dropout", ABSENT, f"{endpoint} is asked for, and nobody leaves")
        return
    weights = parse_contrast(estimand.contrast, s.arms).weights
    compared = [(arm, n) for arm, n, w in zip(s.arms, s.planned_sessions(estimand.day), weights, strict=True) if w != 0]
    for arm, planned in compared:
        if planned == 0:
            allowed = f"must compare arms with sessions by day {estimand.day:g}: {arm.id} has none"
            yield FieldError(f"{at}.contrast", estimand.contrast, allowed)
            return
    if endpoint == "engaged":
        least = min(planned for _, planned in compared)
        if s.engagement is None:
            yield FieldError("engagement", ABSENT, "engaged needs engagement: sessions, or share of those planned")
        elif s.engagement.sessions is not None and s.engagement.sessions > least:
            allowed = f"must be at most {least}, what an arm plans by day {estimand.day:g}"
            yield FieldError("engagement.sessions", s.engagement.sessions, allowed)


def _check_benchmark(s: Scenario, at: str, estimand: Estimand) -> Iterator[FieldError]:
    """A benchmark is for one arm, and what needs a second arm is not."""
    benchmark = estimand.benchmark
    if len(s.arms) > 1:
        if benchmark is not None:
            yield FieldError(f"{at}.benchmark", benchmark, "goes with a trial of one arm")
        if estimand.margin is not None and estimand.endpoint in TIMES and estimand.margin <= 1:
            yield FieldError(f"{at}.margin", estimand.margin, "of a time is a hazard ratio: must be > 1")
        return
    endpoints = tuple(dict.fromkeys(e for m in methods().values() if m.arms == "one" for e in m.endpoints))
    if estimand.endpoint not in endpoints:
        yield FieldError(f"{at}.endpoint", estimand.endpoint, f"of one arm must be {', '.join(endpoints)}")
    if estimand.margin is not None:
        yield FieldError(f"{at}.margin", estimand.margin, "needs two arms; one arm takes benchmark")
    if estimand.endpoint in BINARY and not (benchmark is not None and 0 < benchmark < 1):
        value = ABSENT if benchmark is None else benchmark
        yield FieldError(f"{at}.benchmark", value, "must be the share that the test asks about, between 0 and 1")


def _check_methods(s: Scenario, at: str, estimand: Estimand) -> Iterator[FieldError]:
    if estimand.methods is not None and not estimand.methods:
        yield FieldError(f"{at}.methods", [], "must name at least one")
    if estimand.methods is None and s.analysis.methods is None:
        return
    where = f"{at}.methods" if estimand.methods is not None else "analysis.methods"
    kind = parse_contrast(estimand.contrast, s.arms).kind
    known = {name: m for name, m in methods().items() if (m.arms == "one") == (kind == "single")}
    for i, name in enumerate(s.methods(estimand)):
        if name not in known or estimand.endpoint not in known[name].endpoints:
            fitting = ", ".join(name for name, m in known.items() if estimand.endpoint in m.endpoints)
            what = f"{estimand.endpoint} of one arm" if kind == "single" else estimand.endpoint
            yield FieldError(f"{where}[{i}]", name, f"cannot analyse {what} ({at}): must be one of {fitting}")
        elif known[name].needs_therapists and not any(t.therapists for t in s.therapies.values()):
            yield FieldError(f"{where}[{i}]", name, "needs a therapy with therapists")
        elif kind in ("interaction", "main") and known[name].arms == "two":
            yield FieldError(f"{where}[{i}]", name, f"compares two arms, not {estimand.contrast}")


def _check_missing_response(s: Scenario) -> Iterator[FieldError]:
    """Failures are not counted where a strategy sets scores aside."""
    if s.analysis.missing_response == "left_out":
        return
    at, value = "analysis.missing_response", s.analysis.missing_response
    for estimand in s.estimands:
        if estimand.endpoint not in MAY_FAIL:
            continue
        for event in estimand.strategies.events("hypothetical"):
            if event in s.conduct.intercurrent_events:
                allowed = f"would count scores that `{event}: hypothetical` sets aside as failures: must be left_out"
                yield FieldError(at, value, f"{allowed}, or that strategy composite")
                return


def _check_strategies(s: Scenario, at: str, estimand: Estimand) -> Iterator[FieldError]:
    strategies = estimand.strategies
    for event in s.conduct.intercurrent_events:
        if getattr(strategies, event) is None:
            allowed = "can happen: declare treatment_policy, hypothetical, composite or while_on_treatment"
            yield FieldError(f"{at}.strategies.{event}", ABSENT, allowed)
    for event in strategies.events("while_on_treatment") if estimand.endpoint == "count" else ():
        allowed = "must be another one: count is of all days up to the visit"
        yield FieldError(f"{at}.strategies.{event}", "while_on_treatment", allowed)
    failures, value = strategies.events("composite"), strategies.composite_value
    if estimand.endpoint in ("sustained_response", "time_to_relapse"):
        for event in ("rescue", "open_label_ketamine"):
            if event in s.conduct.intercurrent_events and getattr(strategies, event) != "composite":
                allowed = f"must be composite: {estimand.endpoint} counts it as a failure"
                yield FieldError(f"{at}.strategies.{event}", getattr(strategies, event), allowed)
    elif failures and estimand.endpoint in (*COUNTS, "drinks_per_day"):
        allowed = f"must be another one: a failure is no number of {estimand.endpoint.replace('_', ' ')}"
        yield FieldError(f"{at}.strategies.{failures[0]}", "composite", allowed)
    elif failures and value is None and estimand.endpoint not in (*BINARY, *TIMES):
        allowed = f"must be baseline or worst: the {estimand.endpoint} after {failures[0]}, a failure"
        yield FieldError(f"{at}.strategies.composite_value", ABSENT, allowed)


def _check_design(s: Scenario) -> Iterator[FieldError]:
    allocation, ids = s.design.allocation, [arm.id for arm in s.arms]
    for arm_id in allocation.ratio or {}:
        if arm_id not in ids:
            yield FieldError(
                f"design.allocation.ratio.{arm_id}",
                arm_id,
                f"must be an arm: {', '.join(ids)}{nearest(arm_id, ids)}",
            )
    smallest = sum(s.ratio)
    if s.n_total < len(s.arms) * 2 or s.n_total < smallest:
        least = max(len(s.arms) * 2, smallest)
        yield FieldError("design.n_total", s.n_total, f"must be ≥ {least}: two patients an arm and a whole block")
    if allocation.block is not None and allocation.block > MAX_BLOCK:
        yield FieldError("design.allocation.block", allocation.block, f"must be ≤ {MAX_BLOCK}")
    elif allocation.block is not None and (allocation.block < 1 or allocation.block % smallest):
        yield FieldError(
            "design.allocation.block",
            allocation.block,
            f"must be a multiple of {smallest}, the sum of the ratio",
        )
    names = s.strata
    for i, name in enumerate(names):
        taken = (*names[:i], *RESERVED, *s.factors)
        if name in taken:
            yield FieldError(f"design.allocation.strata[{i}].name", name, f"must differ from {', '.join(taken)}")
    known = ["baseline", *(["randomisation_score"] if s.randomisation.day > 0 else []), *names]
    for i, covariate in enumerate(s.covariates):
        if covariate not in known:
            yield FieldError(
                f"analysis.covariates[{i}]",
                covariate,
                f"must be one of {', '.join(known)}{nearest(covariate, known)}",
            )
    if s.randomisation.day > 0 and s.randomisation.day not in s.design.visits:
        yield FieldError("randomisation.day", s.randomisation.day, "must be one of design.visits")


def _check_references(s: Scenario) -> Iterator[FieldError]:
    """Every arm whose patients take the course of another has one named, or implied by a contrast of two arms."""
    try:
        if len(s.arms) > 1:
            for estimand in s.estimands:
                asked = [name.partition(" ") for name in s.analyses(estimand)]
                needed = any(name == "reference_based" and strategy != "MAR" for name, _, strategy in asked)
                s.references(estimand, needed=needed)
            dropout = s.conduct.dropout
            s.references(s.estimand, needed=dropout is not None and dropout.afterwards == "as_reference")
    except FieldError as error:
        yield error.below("analysis")


def _check_by_arm(s: Scenario) -> Iterator[FieldError]:
    ids = {arm.id for arm in s.arms}
    for parent, noun_ in (
        ("expectancy.drug", s.expectancy.drug),
        ("conduct", s.conduct),
        ("conduct.dropout", s.conduct.dropout),
    ):
        for key, value in vars(noun_).items() if noun_ is not None else ():
            if not isinstance(value, ByArm):
                continue
            for arm_id in value.by_arm:
                if arm_id not in ids:
                    yield FieldError(
                        f"{parent}.{key}.by_arm.{arm_id}", arm_id, f"must be an arm: {', '.join(sorted(ids))}"
                    )
            for arm_id in sorted(ids - set(value.by_arm)):
                yield FieldError(f"{parent}.{key}.by_arm.{arm_id}", ABSENT, "every arm needs its value")


def _check_prior(s: Scenario) -> Iterator[FieldError]:
    """A named prior is about scores, the Emax form of the drug's effect, and one route."""
    if s.prior is None or s.prior.name is None:
        return
    name = s.prior.name
    if s.scale.link != "identity":
        yield FieldError("prior.name", name, f"must not be given with {s.scale.id}: named priors are about scores")
    if s.drug.effect != "emax":
        yield FieldError("prior.name", name, "must not be given with effect: linear, of which it says nothing")
    if len(ketamine_routes(s)) > 1:
        given = ", ".join(ketamine_routes(s))
        yield FieldError("prior.name", name, f"must not be given where ketamine is given by several routes ({given})")


def _check_accrual(s: Scenario) -> Iterator[FieldError]:
    plan = s.design.group_sequential
    if plan is not None and plan.accrual_per_month is None and s.clinic is None:
        allowed = "must be given, in patients a month, where there is no clinic that recruits them"
        yield FieldError("design.group_sequential.accrual_per_month", ABSENT, allowed)


# What can be asked of any arms; what asks about arms by their names; and what only follows once all of that holds.
OF_PARTS: tuple[Check, ...] = (
    check_primary,
    _check_arms,
    _check_units,
    _check_drug,
    _check_prior,
    check_outcomes,
    check_declared,
    check_clinic,
    _check_accrual,
    check_own_sources,
)
OF_NAMED_ARMS: tuple[Check, ...] = (
    _check_one_arm,
    _check_estimands,
    _check_missing_response,
    _check_design,
    _check_by_arm,
)


def scenario_errors(s: Scenario) -> list[FieldError]:
    """Everything in which one part contradicts another; what follows from other errors aside."""
    names = gathered(s, (_check_arm_names,))
    errors = names + gathered(s, OF_PARTS) + ([] if names else gathered(s, OF_NAMED_ARMS))
    return errors or gathered(s, (_check_references,))
