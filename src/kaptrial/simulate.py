"""Scenario and seed to Trials: fits the scenario's nouns to the model's array functions."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import reduce

import numpy as np

from kaptrial.model import allocation, conduct, expectancy, measurement, population
from kaptrial.model.response import ArmSchedule, DrugParameters, TherapyParameters, course, timetable
from kaptrial.model.streams import BLOCK, Floats, Stream, generator, normals, uniforms
from kaptrial.spec.errors import ScenarioError
from kaptrial.spec.nulls import with_null
from kaptrial.spec.patients import VARYING
from kaptrial.spec.scenario import Scenario, quantities
from kaptrial.spec.sourced import Sourced, for_arm
from kaptrial.spec.treatment import zero_if_absent
from kaptrial.trials import Covariate, Indices, Trials

LN2 = float(np.log(2.0))
# A run-in that hardly anybody passes cannot be simulated by drawing until somebody does.
MAX_SCREENED = 200


def simulate(scenario: Scenario, *, seed: int, replicates: int, full: bool = True) -> Trials:
    """`replicates` trials of the scenario. More replicates under the same seed keep the earlier ones bit-identical.

    `full`: with the latent course and the outcome after dropout, which an analysis does not see.
    """
    blocks = [simulate_block(scenario, seed=seed, block=b, full=full) for b in range(-(-replicates // BLOCK))]
    return _concatenate(blocks).first(replicates)


def simulate_block(
    scenario: Scenario, *, seed: int, block: int, full: bool = False, force_arm: int | None = None
) -> Trials:
    """One block of trials. `force_arm`: every patient in this arm, the counterfactual that truth is computed from."""
    s = scenario if scenario.null is None else with_null(scenario, scenario.null, expectancy=False)
    reading = _reading(s)
    patients = _eligible_patients(s, seed, block, reading)
    arm = _allocate(s, seed, block, patients.strata, force_arm)
    taken, stop_day = _adherence(s, seed, block, arm)
    therapist, therapist_effect = _therapists(s, seed, block, arm)
    belief = _beliefs(s, seed, block, arm)
    improvement = _improvement(s, reading, patients, arm, taken, therapist_effect, belief)
    visits = _follow_up(s, seed, block, reading, patients, arm, improvement)
    latent = outcome = None
    if full:
        latent = _expected(s, reading, _linear_predictor(s, patients.trait, improvement))
        after = _after_dropout(s, reading, patients, arm, taken, therapist_effect, belief, improvement, visits)
        outcome = np.where(reading.visits >= visits.dropout_day[..., None], after, visits.full)
    return Trials(
        arms=tuple(a.id for a in s.arms),
        days=reading.visits,
        arm=arm,
        baseline=visits.full[..., 0].copy(),
        score=np.where(reading.visits < visits.dropout_day[..., None], visits.full, np.nan),
        factors=s.factors,
        levels=tuple(tuple((a.factors or {}).values()) for a in s.arms) if s.factors else (),
        covariates=_covariates(s, patients.strata, visits.full),
        therapist=therapist,
        rescue_day=visits.rescue_day if s.conduct.rescue else None,
        stop_day=stop_day,
        latent=latent,
        outcome=outcome,
    )


# --- when the state is read -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """Visits, and the days at which the state is read for them.

    A score reads one day a visit. A day-by-day outcome reads the middle of every day since the visit before;
    its entry 0 stands
    for the days before entry.
    """

    visits: Floats
    days: Floats
    first: Indices
    length: Indices

    def slice(self, visit: int) -> slice:
        """The reading days of one visit."""
        return slice(int(self.first[visit]), int(self.first[visit] + self.length[visit]))


def _reading(s: Scenario) -> _Reading:
    visits = np.asarray(s.design.visits, dtype=float)
    if s.scale.link == "identity":
        return _Reading(
            visits=visits,
            days=visits,
            first=np.arange(len(visits)),
            length=np.ones(len(visits), dtype=np.int64),
        )
    last = int(visits[-1])
    length = np.concatenate([[1], np.diff(visits).astype(np.int64)])
    return _Reading(
        visits=visits,
        days=np.concatenate([[0.0], np.arange(last) + 0.5]),
        first=np.concatenate([[0], np.cumsum(length)[:-1]]),
        length=length,
    )


# --- patients ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Patients:
    """What a patient brings, (replicate, patient, ...): parameters, deviations, strata."""

    trait: Floats
    decay_rate_per_day: Floats
    max_effect: Floats
    therapy_z: Floats
    natural_change: Floats
    responder: np.ndarray
    deviation: Floats
    rater_error: Floats
    strata: Indices


def _draw_patients(s: Scenario, seed: int, block: int, reading: _Reading, attempt: int = 0) -> _Patients:
    n, m = s.n_total, s.measurement
    strata, shift = _strata(s, seed, block, attempt)
    z = normals(generator(seed, block, Stream.PATIENT, attempt), n, 7)
    entry = s.population.entry
    slack = s.scale.step / 2 if m.round else 0.0
    zero = population.draw_day_zero(
        z[..., :3],
        uniforms(generator(seed, block, Stream.ENTRY, attempt), n, 1)[..., 0] if entry else None,
        mean=s.population.baseline.value + shift,
        trait_sd=s.population.baseline.spread,
        deviation_sd=m.deviation_sd.value,
        rater_sd=m.rater_sd.value if s.scale.link == "identity" else 0.0,
        low=entry.at_least - slack if entry and entry.at_least is not None else -np.inf,
        high=entry.at_most + slack if entry and entry.at_most is not None else np.inf,
    )
    spread = s.population.baseline.spread
    standardised = (
        (zero.trait - s.population.baseline.value - shift) / spread if spread > 0 else np.zeros_like(zero.trait)
    )
    varying = population.correlate(standardised, z[..., 3:], _correlation(s))
    deviation = _deviations(s, seed, block, reading, zero.deviation, attempt)
    rater_error = np.zeros(1)
    if s.scale.link == "identity":
        later = normals(generator(seed, block, Stream.RATER, attempt), n, len(reading.visits) - 1)
        rater_error = np.concatenate([zero.rater_error[..., None], m.rater_sd.value * later], axis=-1)
    half_life, natural = s.drug.half_life, s.natural_course
    responder = np.ones(zero.trait.shape, dtype=np.bool_)
    if s.population.non_responders is not None:
        u = uniforms(generator(seed, block, Stream.NON_RESPONDER, attempt), n, 1)[..., 0]
        responder = u >= s.population.non_responders.value
    return _Patients(
        trait=zero.trait,
        decay_rate_per_day=LN2 / population.log_normal(half_life.value, half_life.spread, varying[..., 1]),
        max_effect=_max_effect(s, zero.trait, varying[..., 0]),
        therapy_z=varying[..., 2],
        natural_change=(natural.change.value + natural.change.spread * varying[..., 3]) if natural else np.zeros(1),
        responder=responder,
        deviation=deviation,
        rater_error=rater_error,
        strata=strata,
    )


def _strata(s: Scenario, seed: int, block: int, attempt: int) -> tuple[Indices, Floats]:
    """Levels of the stratification factors, (replicate, patient, factor), and the shift of the trait they bring."""
    factors = s.design.allocation.strata
    n = s.n_total
    levels = np.zeros((BLOCK, n, len(factors)), dtype=np.int64)
    shift = np.zeros((BLOCK, n))
    if factors:
        u = uniforms(generator(seed, block, Stream.STRATUM, attempt), n, len(factors))
        for f, factor in enumerate(factors):
            options = list(factor.levels.values())
            levels[..., f] = allocation.draw_levels(u[..., f], [level.share for level in options])
            shift += np.array([zero_if_absent(level.shift) for level in options])[levels[..., f]]
    return levels, shift


def _correlation(s: Scenario) -> Floats:
    matrix = np.eye(len(VARYING))
    for pair in s.population.correlations:
        i, j = (VARYING.index(name) for name in pair.between)
        matrix[i, j] = matrix[j, i] = pair.value.value
    if np.linalg.eigvalsh(matrix)[0] <= 1e-10:
        raise ScenarioError(
            "population.correlations: must make a positive definite matrix; these contradict each other"
        )
    return matrix


def _deviations(s: Scenario, seed: int, block: int, reading: _Reading, start: Floats, attempt: int) -> Floats:
    m = s.measurement
    z = normals(generator(seed, block, Stream.DEVIATION, attempt), s.n_total, len(reading.days) - 1)
    time_constant = m.deviation_time_constant.value
    return measurement.ornstein_uhlenbeck(start, z, reading.days, m.deviation_sd.value, time_constant)


def _max_effect(s: Scenario, trait: Floats, z: Floats) -> Floats:
    """Emax of each patient (or the slope): a share of the way from the trait to the best score, or in units."""
    d = s.drug
    if d.share is not None:
        room = np.maximum((trait - s.scale.best) * -s.scale.sign, 0.0)
        return room * population.logit_normal(d.share.value, d.share.spread, z)
    size = d.slope if d.effect == "linear" else d.max_effect
    assert size is not None  # Drug guarantees one of the three
    return size.value + size.spread * z


def _eligible_patients(s: Scenario, seed: int, block: int, reading: _Reading) -> _Patients:
    """The patients randomised: all, or after a run-in with a criterion those who meet it, redrawn until all do."""
    patients = _draw_patients(s, seed, block, reading)
    run_in = s.randomisation.run_in
    if run_in is None or run_in.eligible is None:
        return patients
    eligible = _meets(s, reading, patients)
    for attempt in range(1, MAX_SCREENED):
        if eligible.all():
            return patients
        others = _draw_patients(s, seed, block, reading, attempt)
        better = ~eligible & _meets(s, reading, others)
        patients = _Patients(
            **{f.name: _where(better, getattr(others, f.name), getattr(patients, f.name)) for f in fields(patients)}
        )
        eligible |= better
    if eligible.all():
        return patients
    raise ScenarioError(
        f"randomisation.run_in.eligible.improved_by = {run_in.eligible.improved_by:g}: fewer than about "
        f"{100 / MAX_SCREENED * 5:.0f} % of patients meet it; must be met by more"
    )


def _where(mask: np.ndarray, new: np.ndarray, old: np.ndarray) -> np.ndarray:
    if old.ndim == 1:
        return old
    return np.where(mask.reshape(mask.shape + (1,) * (old.ndim - 2)), new, old)


def _meets(s: Scenario, reading: _Reading, patients: _Patients) -> np.ndarray:
    """Who has improved enough on the recorded score; before randomisation every arm is the same."""
    assert s.randomisation.run_in is not None
    assert s.randomisation.run_in.eligible is not None
    rule = s.randomisation.run_in.eligible
    everyone = np.zeros(patients.trait.shape, dtype=np.int64)
    nothing = np.zeros((1, 1, 1))
    improvement = _improvement(s, reading, patients, everyone, None, None, None)
    v = int(np.searchsorted(reading.visits, rule.on_day))
    scores = [
        _record(s, reading, w, _linear_predictor(s, patients.trait, improvement) + nothing, patients, None)
        for w in (0, v)
    ]
    return (scores[1] - scores[0]) * s.scale.sign >= rule.improved_by * np.abs(scores[0] - s.scale.best)


# --- arms, adherence, therapists, belief ------------------------------------------------------------------------------


def _allocate(s: Scenario, seed: int, block: int, strata: Indices, force_arm: int | None) -> Indices:
    if force_arm is not None:
        return np.full(strata.shape[:2], force_arm, dtype=np.int64)
    sizes = [len(factor.levels) for factor in s.design.allocation.strata]
    stratum = reduce(
        lambda code, f: code * sizes[f] + strata[..., f],
        range(len(sizes)),
        np.zeros(strata.shape[:2], np.int64),
    )
    smallest = [a for a, share in enumerate(s.ratio) for _ in range(share)]
    repeats = (s.design.allocation.block or len(smallest)) // len(smallest)
    rng = generator(seed, block, Stream.ALLOCATION)
    return allocation.permuted_blocks(rng, stratum, smallest * repeats, int(np.prod(sizes, initial=1)))


def _schedules(s: Scenario) -> list[ArmSchedule]:
    run_in = s.randomisation.run_in
    before = [(day, q) for d in run_in.doses for day, q in zip(d.days, quantities(d), strict=True)] if run_in else []
    schedules = []
    for arm in s.arms:
        given = before + [(day, q) for d in arm.doses for day, q in zip(d.days, quantities(d), strict=True)]
        schedules.append(
            ArmSchedule(
                doses=sorted(given),
                session_days=arm.therapy.days if arm.therapy else (),
                adjuncts=[
                    (a.from_day, a.to_day, _factor(a.max_effect_factor), _factor(a.half_life_factor))
                    for a in arm.adjuncts
                ],
            )
        )
    return schedules


def _factor(value: Sourced | None) -> float:
    return 1.0 if value is None else value.value


def _per_arm(s: Scenario, value: object) -> Floats:
    return np.array([0.0 if value is None else for_arm(value, arm.id) for arm in s.arms])  # type: ignore[arg-type]


def _adherence(s: Scenario, seed: int, block: int, arm: Indices) -> tuple[np.ndarray | None, Floats | None]:
    """Which doses and sessions each patient receives (None: all), and the day on which treatment was stopped."""
    c = s.conduct
    if not any((c.missed_doses, c.missed_sessions, c.stop_doses, c.stop_sessions)):
        return None, None
    schedules = _schedules(s)
    longest = max(len(x.doses) + len(x.session_days) for x in schedules)
    day, miss, is_session = (np.zeros((len(schedules), longest)) for _ in range(3))
    for a, schedule in enumerate(schedules):
        n_doses, n_sessions = len(schedule.doses), len(schedule.session_days)
        day[a, : n_doses + n_sessions] = [*(d for d, _ in schedule.doses), *schedule.session_days]
        is_session[a, n_doses:] = 1
        for flag, value in ((0, c.missed_doses), (1, c.missed_sessions)):
            miss[a, is_session[a] == flag] = _per_arm(s, value)[a]
    n = s.n_total
    e = -np.log1p(-uniforms(generator(seed, block, Stream.STOP), n, 2))
    stops = [
        conduct.stop_days(e[..., i], _per_arm(s, hazard)[arm], s.randomisation.day)
        for i, hazard in enumerate((c.stop_doses, c.stop_sessions))
    ]
    taken = conduct.treatment_taken(
        uniforms(generator(seed, block, Stream.MISSED), n, longest),
        event_day=day[arm],
        miss_probability=np.where(day[arm] < s.randomisation.day, 0.0, miss[arm]),
        stop_day=np.where(is_session[arm] == 1, stops[1][..., None], stops[0][..., None]),
    )
    # Only a stop that withholds something is an intercurrent event.
    last = np.stack([np.where(is_session == flag, day, -np.inf).max(axis=1) for flag in (0, 1)])
    stop_day = np.minimum(*(np.where(stops[i] < last[i][arm], stops[i], np.inf) for i in (0, 1)))
    return taken, stop_day


def _therapists(s: Scenario, seed: int, block: int, arm: Indices) -> tuple[Indices | None, Floats | None]:
    """Each patient's therapist (−1: none) and that therapist's effect on improvement."""
    names = list(s.therapies)
    staff = [s.therapies[name].therapists for name in names]
    if not any(staff):
        return None, None
    pool = np.array(
        [names.index(a.therapy.name) if a.therapy and s.therapies[a.therapy.name].therapists else -1 for a in s.arms]
    )
    mine = pool[arm]
    therapist = allocation.assign_therapists(
        mine, [x.count if x else None for x in staff], [x.caseload if x else None for x in staff]
    )
    z = normals(generator(seed, block, Stream.THERAPIST), s.n_total, len(names))
    sds = np.array([x.sd.value if x else 0.0 for x in staff])
    effect = (z * sds)[np.arange(BLOCK)[:, None], np.minimum(np.maximum(therapist, 0), s.n_total - 1), mine]
    return np.where(therapist < 0, -1, therapist + _first_number(staff, s.n_total)[mine]), np.where(
        therapist < 0, 0.0, effect
    )


def _first_number(staff: list, n: int) -> Indices:
    """Therapists are numbered on from one therapy to the next."""
    sizes = [0 if x is None else x.count or -(-n // x.caseload) for x in staff]
    return np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)


def _beliefs(s: Scenario, seed: int, block: int, arm: Indices) -> np.ndarray | None:
    if s.expectancy.drug is None:
        return None
    u = uniforms(generator(seed, block, Stream.BELIEF), s.n_total, 1)[..., 0]
    return u < _per_arm(s, s.expectancy.drug.belief)[arm]


# --- the course -------------------------------------------------------------------------------------------------------


def _improvement(
    s: Scenario,
    reading: _Reading,
    patients: _Patients,
    arm: Indices,
    taken: np.ndarray | None,
    therapist_effect: Floats | None,
    belief: np.ndarray | None,
) -> Floats:
    """Noise-free improvement at the reading days, (replicate, patient, reading day)."""
    schedules = _schedules(s)
    drug, therapy = course(
        timetable(reading.days, schedules),
        arm=arm,
        taken=taken,
        drug=drug_parameters(s),
        therapy=therapy_parameters(s),
        decay_rate_per_day=patients.decay_rate_per_day,
        max_effect=patients.max_effect,
        max_therapy_effect=_max_therapy_effect(s, arm, patients.therapy_z),
        responder=patients.responder,
    )
    improvement = drug + therapy
    days = reading.days
    if s.natural_course is not None:
        improvement += patients.natural_change[..., None] * -np.expm1(-days / s.natural_course.time_constant.value)
    if therapist_effect is not None:
        started = days > _first_session(schedules, arm, taken)[..., None]
        improvement += therapist_effect[..., None] * started
    x = s.expectancy
    if x.drug is not None and belief is not None:
        starts = [
            min((d for d, _ in sch.doses if d >= s.randomisation.day), default=s.randomisation.day) for sch in schedules
        ]
        shape = np.stack(
            [expectancy.rise_and_fade(days, start, x.drug.onset.value, x.drug.half_life.value) for start in starts]
        )
        lost = zero_if_absent(x.drug.disappointment)
        improvement += expectancy.expectancy(belief, shape[arm], x.drug.effect.value, lost)
    if x.therapy is not None:
        hoped = np.array([bool(a.therapy and s.therapies[a.therapy.name].is_hoped_for) for a in s.arms])
        shape = expectancy.rise_and_fade(days, s.randomisation.day, x.therapy.onset.value, x.therapy.half_life.value)
        lost = zero_if_absent(x.therapy.disappointment)
        improvement += expectancy.expectancy(hoped[arm], shape, x.therapy.effect.value, lost)
    return improvement


def drug_parameters(s: Scenario) -> DrugParameters:
    """The scenario's drug as the model takes it."""
    d = s.drug
    return DrugParameters(
        linear=d.effect == "linear",
        ec50=d.ec50.value if d.ec50 else 1.0,
        hill=d.hill.value if d.hill else 1.0,
        consolidated_share=d.consolidation.share.value if d.consolidation else 0.0,
        consolidated_rate_per_day=LN2 / d.consolidation.half_life.value if d.consolidation else 0.0,
        window_rate_per_day=LN2 / d.window_half_life.value if d.window_half_life else 1.0,
    )


def therapy_parameters(s: Scenario) -> TherapyParameters:
    """The arms' therapies as the model takes them; an arm without therapy learns nothing."""
    rows = []
    for arm in s.arms:
        if arm.therapy is None:
            rows.append((0.0, 1.0, 0.0, 0.0, 0.0))
            continue
        t = s.therapies[arm.therapy.name]
        effects = (zero_if_absent(x) for x in (t.gamma, t.kappa, t.xi))
        rows.append((t.learning_per_session.value, LN2 / t.half_life.value, *effects))
    learning, forgetting, gamma, kappa, xi = np.array(rows).T
    return TherapyParameters(
        learning_per_session=learning, forgetting_rate_per_day=forgetting, gamma=gamma, kappa=kappa, xi=xi
    )


def _max_therapy_effect(s: Scenario, arm: Indices, z: Floats) -> Floats:
    sizes: list[Sourced | None] = [s.therapies[a.therapy.name].max_effect if a.therapy else None for a in s.arms]
    median = np.array([zero_if_absent(x) for x in sizes])[arm]
    log_sd = np.array([0.0 if x is None else x.spread for x in sizes])
    return median * np.exp(log_sd[arm] * z) if log_sd.any() else median


def _first_session(schedules: list[ArmSchedule], arm: Indices, taken: np.ndarray | None) -> Floats:
    """Day of each patient's first attended session; infinity if there is none."""
    n_doses = np.array([len(x.doses) for x in schedules])
    longest = int(max(len(x.doses) + len(x.session_days) for x in schedules))
    day = np.full((len(schedules), longest), np.inf)
    for a, schedule in enumerate(schedules):
        day[a, n_doses[a] : n_doses[a] + len(schedule.session_days)] = schedule.session_days
    if taken is None:
        return day.min(axis=1, initial=np.inf)[arm]
    return np.where(taken, day[arm], np.inf).min(axis=-1, initial=np.inf)


# --- measurement and follow-up ----------------------------------------------------------------------------------------


def _linear_predictor(s: Scenario, trait: Floats, improvement: Floats) -> Floats:
    """The latent score (or logit of a day's success): improvement moves it in the better direction."""
    return trait[..., None] + s.scale.sign * improvement


def _record(
    s: Scenario, reading: _Reading, visit: int, predictor: Floats, patients: _Patients, u: Floats | None
) -> Floats:
    """The recorded score of one visit, (replicate, patient), from the predictor at all reading days."""
    days = reading.slice(visit)
    noisy = predictor[..., days] + patients.deviation[..., days]
    m = s.measurement
    if s.scale.link == "identity":
        score = noisy[..., 0] + patients.rater_error[..., visit]
        return measurement.record(
            score, low=s.scale.low, high=s.scale.high, step=s.scale.step, round_=m.round, clip=m.clip
        )
    assert u is not None  # a day-by-day outcome always draws its days
    if visit == 0:
        n = int(m.baseline_period_days)
        return measurement.percent_of_days(noisy, u[..., :n], np.array([0]), np.array([n]))[..., 0]
    n = int(reading.length[visit])
    drawn = u[..., int(reading.first[visit]) - 1 :][..., :n]
    return measurement.percent_of_days(noisy, drawn, np.array([0]), np.array([n]))[..., 0]


def _expected(s: Scenario, reading: _Reading, predictor: Floats) -> Floats:
    """The noise-free score at every visit."""
    if s.scale.link == "identity":
        return predictor
    return measurement.mean_percent(predictor, reading.first, reading.length)


@dataclass(frozen=True, kw_only=True)
class _FollowUp:
    """Scores as they would be recorded without dropout, and the days of rescue and dropout (infinite: never)."""

    full: Floats
    rescue_day: Floats
    dropout_day: Floats
    day_uniforms: tuple[Floats | None, Floats | None]


def _follow_up(
    s: Scenario,
    seed: int,
    block: int,
    reading: _Reading,
    patients: _Patients,
    arm: Indices,
    improvement: Floats,
) -> _FollowUp:
    """Visit by visit: the score is recorded, rescue is taken or not, the patient stays or leaves."""
    n, visits = s.n_total, reading.visits
    before = later = None
    if s.scale.link != "identity":
        before = uniforms(
            generator(seed, block, Stream.BASELINE_DAY_OUTCOME), n, int(s.measurement.baseline_period_days)
        )
        later = uniforms(generator(seed, block, Stream.DAY_OUTCOME), n, len(reading.days) - 1)
    full = np.empty((*arm.shape, len(visits)))
    rescue_day, dropout_day = np.full(arm.shape, np.inf), np.full(arm.shape, np.inf)
    rescue, dropout = s.conduct.rescue, s.conduct.dropout
    takes = (
        uniforms(generator(seed, block, Stream.RESCUE), n, 1)[..., 0] < rescue.share_taking.value if rescue else None
    )
    threshold = -np.log1p(-uniforms(generator(seed, block, Stream.DROPOUT), n, 1)[..., 0]) if dropout else None
    hazard = _per_arm(s, dropout.hazard)[arm] if dropout else None
    cumulative = np.zeros(arm.shape)
    predictor = _linear_predictor(s, patients.trait, improvement)
    for v, day in enumerate(visits):
        if rescue is not None and np.isfinite(rescue_day).any():
            days = reading.slice(v)
            gained = conduct.rescue_improvement(
                reading.days[days] - rescue_day[..., None], rescue.effect.value, rescue.onset.value
            )
            predictor[..., days] += s.scale.sign * gained
        if dropout is not None and day > s.randomisation.day:
            assert hazard is not None
            assert threshold is not None
            start = max(visits[v - 1], s.randomisation.day)
            increment = hazard * (day - start)
            if dropout.last_score is not None:
                increment = increment * conduct.hazard_ratio(dropout.last_score.value, full[..., v - 1], _centre(s))
            if dropout.current_latent is not None:
                current = _expected_one(s, reading, v, predictor)
                increment = increment * conduct.hazard_ratio(dropout.current_latent.value, current, _centre(s))
            left = np.isinf(dropout_day) & (cumulative + increment > threshold)
            with np.errstate(divide="ignore", invalid="ignore"):
                leaves = start + (threshold - cumulative) / increment * (day - start)
            # A patient who leaves on the way to a visit has been at the one before it.
            dropout_day = np.where(left, np.nextafter(np.maximum(leaves, start), np.inf), dropout_day)
            cumulative += increment
        full[..., v] = _record(s, reading, v, predictor, patients, before if v == 0 else later)
        if rescue is not None and day >= rescue.from_day:
            assert takes is not None
            bad = (
                full[..., v] >= rescue.score_at_least
                if rescue.score_at_least is not None
                else full[..., v] <= rescue.score_at_most
            )
            starts = takes & bad & np.isinf(rescue_day) & (day < dropout_day)
            rescue_day = np.where(starts, day, rescue_day)
    return _FollowUp(full=full, rescue_day=rescue_day, dropout_day=dropout_day, day_uniforms=(before, later))


def _expected_one(s: Scenario, reading: _Reading, visit: int, predictor: Floats) -> Floats:
    days = predictor[..., reading.slice(visit)]
    if s.scale.link == "identity":
        return days[..., 0]
    return measurement.mean_percent(days, np.array([0]), np.array([days.shape[-1]]))[..., 0]


def _centre(s: Scenario) -> float:
    """The mean baseline on the recorded scale, around which score-dependent dropout is centred."""
    mean = s.population.baseline.value
    return mean if s.scale.link == "identity" else float(100 / (1 + np.exp(-mean)))


def _after_dropout(
    s: Scenario,
    reading: _Reading,
    patients: _Patients,
    arm: Indices,
    taken: np.ndarray | None,
    therapist_effect: Floats | None,
    belief: np.ndarray | None,
    improvement: Floats,
    visits: _FollowUp,
) -> Floats:
    """Scores at every visit as they are after dropout: off treatment, as treated, or as in the reference arm."""
    dropout = s.conduct.dropout
    if dropout is None or dropout.afterwards == "as_treated":
        return visits.full
    if dropout.afterwards == "as_reference":
        reference = np.full_like(arm, s.reference_arm)
        improvement = _improvement(s, reading, patients, reference, None, None, belief)
    else:
        kept = _before(s, arm, visits.dropout_day)
        kept = kept if taken is None else kept & taken
        improvement = _improvement(s, reading, patients, arm, kept, therapist_effect, belief)
    predictor = _linear_predictor(s, patients.trait, improvement)
    rescue = s.conduct.rescue
    if rescue is not None:
        since = reading.days - visits.rescue_day[..., None]
        predictor += s.scale.sign * conduct.rescue_improvement(since, rescue.effect.value, rescue.onset.value)
    before, later = visits.day_uniforms
    return np.stack(
        [_record(s, reading, v, predictor, patients, before if v == 0 else later) for v in range(len(reading.visits))],
        axis=-1,
    )


def _before(s: Scenario, arm: Indices, day: Floats) -> np.ndarray:
    """Which treatment events fall before a day, (replicate, patient, treatment event)."""
    schedules = _schedules(s)
    longest = max(len(x.doses) + len(x.session_days) for x in schedules)
    event_day = np.full((len(schedules), longest), np.inf)
    for a, schedule in enumerate(schedules):
        days = [*(d for d, _ in schedule.doses), *schedule.session_days]
        event_day[a, : len(days)] = days
    return event_day[arm] < day[..., None]


def _covariates(s: Scenario, strata: Indices, full: Floats) -> dict[str, Covariate]:
    found = {
        factor.name: Covariate(values=strata[..., f].astype(float), levels=tuple(factor.levels))
        for f, factor in enumerate(s.design.allocation.strata)
    }
    if s.randomisation.day > 0:
        v = s.design.visits.index(s.randomisation.day)
        found["randomisation_score"] = Covariate(values=full[..., v].copy())
    return found


def _concatenate(blocks: list[Trials]) -> Trials:
    if len(blocks) == 1:
        return blocks[0]
    first = blocks[0]
    arrays = {
        name: np.concatenate([getattr(block, name) for block in blocks])
        for name, value in vars(first).items()
        if isinstance(value, np.ndarray) and name != "days"
    }
    covariates = {
        name: Covariate(values=np.concatenate([b.covariates[name].values for b in blocks]), levels=c.levels)
        for name, c in first.covariates.items()
    }
    return Trials(**{**vars(first), **arrays, "covariates": covariates})
