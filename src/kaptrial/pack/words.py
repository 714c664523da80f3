"""The texts of a pack, from Jinja2 templates: paragraphs in which every number is marked with its name."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2

from kaptrial.method_table import ATTENDANCE, MAY_FAIL, TIME, USE_TIMES, methods
from kaptrial.pack.facts import Facts
from kaptrial.scenario.scenario import Scenario

# Terms of the models, by the method's name.
MODELS = {
    "ancova": "A linear model holds the arm and {covariates}.",
    "difference": "Means of the arms are compared without adjustment.",
    "mmrm": (
        "Outcomes are the scores of all visits after randomisation; fixed effects are arm, visit and their interaction,"
        " and {covariates}, each with a slope of its own at every visit; scores of one patient are correlated."
    ),
    "nested_mmrm": (
        "Outcomes are the scores of all visits after randomisation; fixed effects are arm, visit and their interaction,"
        " and {covariates}; scores of one patient are correlated, and patients of one therapist share a random effect"
        " from the first session on."
    ),
    "nested": (
        "Fixed effects are the arm and {covariates}; patients of one therapist share a random effect in the arms that"
        " have therapists, and the others have none (a partially nested design)."
    ),
    "reference_based": (
        "Scores after dropout are imputed from the reference arm; fixed effects are arm, visit and their interaction,"
        " and {covariates}."
    ),
    "response": (
        "A logistic regression on the arm and {covariates} gives the difference of the two shares, standardised over"
        " all patients."
    ),
    "odds_ratio": "A logistic regression on the arm and {covariates} gives the log odds ratio.",
    "firth": "A logistic regression with Firth's penalty on the arm and {covariates} gives the log odds ratio.",
    "fisher": "The two shares are compared by the exact test, without adjustment.",
    "logrank": "The times of the arms are compared over the whole follow-up, within strata where there are any.",
    "cox": "Proportional hazards; the model holds the arm and, within strata, {covariates}.",
    "rmst": "The mean time without relapse up to the primary day is compared, without assuming proportional hazards.",
    "abstinent_days": (
        "Days abstinent out of days observed; a logistic model on the arm and {covariates}, with a scale factor for the"
        " variation beyond the binomial."
    ),
    "counts": "A negative binomial model of the count on the arm and {covariates}, the days seen as exposure.",
    "beta_binomial": "Days abstinent out of days observed, beta-binomial, on the arm and {covariates}.",
    "single_arm": "The one arm is tested against the value that the question names.",
}
COVARIANCES = {
    "us": "unstructured",
    "toeph": "heterogeneous Toeplitz",
    "toep": "Toeplitz",
    "ar1h": "heterogeneous first-order autoregressive",
    "ar1": "first-order autoregressive",
    "csh": "heterogeneous compound symmetry",
    "cs": "compound symmetry",
}
PROCEDURES = {
    "fixed_sequence": "tested in their order, each only if all before it are rejected",
    "holm": "tested by Holm's procedure",
    "hochberg": "tested by Hochberg's procedure",
    "bonferroni": "tested by Bonferroni's rule",
    "serial_gatekeeping": "tested family after family, each by Holm's procedure and only if all of the one before are"
    " rejected",
    "parallel_gatekeeping": "tested family after family, the next if any of the one before is rejected",
}
STRATEGIES = {
    "treatment_policy": "the outcome counts as it was, whatever happened (treatment policy)",
    "hypothetical": "scores after it are set aside, and the outcome is the one without the event (hypothetical)",
    "composite": "the event counts as a failure (composite)",
    "while_on_treatment": "the last score before the event counts (while on treatment)",
}
EVENTS = {
    "rescue": "rescue treatment",
    "open_label_ketamine": "ketamine outside the protocol",
    "therapy_discontinuation": "stopping the sessions",
    "missed_infusions": "a missed infusion",
}


@cache
def templates() -> jinja2.Environment:
    """The templates of the package; a name that a template does not know is an error."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("kaptrial.pack"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )


def paragraphs(name: str, facts: Facts, **more: Any) -> list[str]:
    """The paragraphs of one text: those of the template that are not empty."""
    text = templates().get_template(f"words/{name}.j2").render(f=facts, **more)
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]


def sample_size(facts: Facts) -> list[str]:
    """The justification of the sample size in about 250 words, in the order of DELTA2."""
    return paragraphs("sample_size", facts)


def sample_size_page(facts: Facts) -> list[str]:
    """The same on a page."""
    average = facts.study.assurance
    assurance = average.headline.text if average is not None and average.headline is not None else ""
    return paragraphs("sample_size_page", facts, assurance=assurance)


def statistical_methods(facts: Facts) -> list[str]:
    """Model, degrees of freedom, missing data, intercurrent events, multiplicity."""
    s, looks = facts.scenario, facts.interim
    others = [methods()[name.split()[0]].label or name for name in s.analyses(s.estimand)[1:]]
    return paragraphs(
        "methods",
        facts,
        model=MODELS.get(facts.method_name, f"{methods()[facts.method_name].summary}.").format(
            covariates=facts.covariates
        ),
        degrees=_degrees(facts),
        missing=_missing(facts),
        events=_events(s),
        multiplicity=_multiplicity(s),
        interim="" if looks is None else f"Interim analyses of the primary question: {looks.errors()} {looks.data()}",
        other=f" Sensitivity analyses of the primary question: {', '.join(dict.fromkeys(others))}." if others else "",
    )


def conduct(facts: Facts) -> list[str]:
    """Randomisation, blinding, and how belief is measured."""
    s = facts.scenario
    return paragraphs(
        "conduct", facts, allocation=_allocation(s), blinding=_blinding(s), belief=_belief(s), raters=_raters(s)
    )


def lay_summary(facts: Facts) -> list[str]:
    """What is done and what may come of it, for readers who are no researchers."""
    s = facts.scenario
    exposed = "" if facts.exposed.value == 0 else f"{facts.exposed} of them will be given ketamine or esketamine."
    looks = facts.interim
    power = facts.power if looks is None else looks.rate("power") or facts.power
    chance = (
        f"If the treatment works as well as is assumed, a trial of this size shows it in {facts.in_100(power)}"
        " trials. This is worked out on a computer, before anybody takes part."
    )
    rate = facts.false_rate if looks is None else looks.false_rate
    wrong = f"If it does not work, the trial would seem to show that it does in {facts.in_100(rate)}." if rate else ""
    doubt = (
        f"{facts.n_assumptions} of the {facts.n_numbers} numbers behind this are assumptions, in whole or in part. The"
        " trial is needed for that reason, and its answer may be no."
    )
    if len(s.arms) == 1:
        doubt += " Without a comparison group it cannot tell what the treatment did from what time or hope did."
    return paragraphs(
        "lay",
        facts,
        exposed=exposed,
        early="" if looks is None else looks.early(),
        chance=chance,
        wrong=wrong,
        doubt=doubt,
    )


def limits(facts: Facts) -> list[str]:
    """What the numbers do not say, by what the scenario leaves out."""
    s = facts.scenario
    said = [
        "Every number follows from a model of response (an effect of the drug that fades, learning from sessions,"
        " expectancy, noise). A model that is wrong in kind is wrong in ways that no range of its numbers shows.",
        f"{facts.n_assumptions} of {facts.n_numbers} numbers about the world rest in whole or in part on assumptions;"
        " Monte Carlo errors do not cover these.",
    ]
    if s.expectancy.drug is None and s.expectancy.therapy is None:
        said.append(
            "No expectancy is assumed. Patients know whether they have a therapy, and many guess the drug; what they"
            " hope for would count as effect here."
        )
    if s.conduct.dropout is None:
        said.append("No dropout is assumed; a real trial has some.")
    elif s.conduct.dropout.current_latent is None:
        said.append("Dropout is assumed to depend on what was observed (missing at random).")
    if any(arm.therapy is not None for arm in s.arms) and not facts.clusters:
        said.append(
            "Therapists are assumed to be all alike; differences between them cost power and raise false claims."
        )
    if not any(t.gamma for t in s.therapies.values()) and any(arm.therapy is not None for arm in s.arms):
        said.append("Drug and therapy are assumed only to add up: no synergy is relied on.")
    if facts.study.has_looks:
        said.append(
            "Sensitivity, adverse worlds and the clinic are of the trial that goes on to its end: what interim analyses"
            " do in them is not shown."
        )
    if s.clinic is None:
        said.append("Sites, recruitment and staff are not modelled: months and cost are not known.")
    said.append("Nothing here is medical advice, and no number here has been seen in a trial of this design.")
    return said


def _degrees(facts: Facts) -> str:
    options = methods()[facts.method_name].options
    s, parts = facts.scenario, []
    if facts.method_name in ("mmrm", "nested_mmrm", "reference_based"):
        tried = [COVARIANCES[name] for name in s.analysis.covariance]
        first, rest = tried[0], tried[1:]
        used = f"The covariance is {first}" + (f"; should it not converge, {', then '.join(rest)}" if rest else "")
        parts.append(
            f"{used}."
            if facts.method_name != "nested_mmrm"
            else "The covariance of a patient's scores is unstructured."
        )
    if "df" in options or facts.method_name == "nested_mmrm":
        name = {"satterthwaite": "Satterthwaite's", "kenward-roger": "Kenward and Roger's"}[s.analysis.df]
        parts.append(f"Degrees of freedom are {name}; estimation is by REML.")
    return " ".join(parts)


def _missing(facts: Facts) -> str:
    s = facts.scenario
    if s.estimand.endpoint in ATTENDANCE:
        return "Everybody has the outcome: who leaves attends no more."
    if s.estimand.endpoint in MAY_FAIL and s.analysis.missing_response == "failure":
        return "Patients without the outcome count as failures."
    if s.estimand.endpoint in (TIME, *USE_TIMES):
        return "Patients who leave are censored at their last visit."
    if facts.method_name in ("mmrm", "nested_mmrm"):
        return "Missing scores are taken to be missing at random, given the scores that were seen; none is imputed."
    if facts.method_name == "reference_based":
        return "Sensitivity to data that are not missing at random is part of the analysis."
    return (
        "Patients without the outcome are left out, which is valid where they are missing at random given covariates."
    )


def _events(s: Scenario) -> str:
    happens = s.conduct.intercurrent_events
    if not happens:
        return "No intercurrent event is declared."
    parts = []
    for event in happens:
        strategy = getattr(s.estimand.strategies, event)
        if strategy is not None:
            parts.append(f"{EVENTS[event]}: {STRATEGIES[strategy]}")
    return f"Intercurrent events: {'; '.join(parts)}."


def _multiplicity(s: Scenario) -> str:
    n = len(s.estimands)
    if n == 1:
        return "There is one primary question and no other is tested."
    plan = s.analysis.multiplicity
    if plan is None:
        if n == 2:
            return "There is one primary question; the secondary one is tested without adjustment and decides nothing."
        others = f"the {n - 1} secondary ones are tested without adjustment and decide nothing"
        return f"There is one primary question; {others}."
    return f"The {n} questions are {PROCEDURES[plan.procedure]}, which keeps the familywise error."


def _allocation(s: Scenario) -> str:
    if len(s.arms) == 1:
        return "There is one arm and no randomisation."
    ratio = ":".join(map(str, s.ratio))
    day = "" if s.randomisation.day == 0 else f", on day {s.randomisation.day:g}, after the run-in,"
    strata = f", stratified by {' and '.join(name.replace('_', ' ') for name in s.strata)}" if s.strata else ""
    return (
        f"Patients are randomised {ratio}{day} in permuted blocks{strata}. Who generates the sequence, how it is"
        " concealed, and the block sizes, which recruiters must not know, are for the authors to write."
    )


def _blinding(s: Scenario) -> str:
    agents = {doses.agent for arm in s.arms for doses in arm.doses if doses.days}
    controls = agents & {"midazolam", "saline"}
    drug = (
        f"The drug is masked by {' and '.join(sorted(controls))}, but its acute effects tell many patients which they"
        " had."
        if controls
        else "Patients and staff know which drug is given: it is the same in every arm, or open."
    )
    with_therapy = any(arm.therapy is not None for arm in s.arms)
    therapy = " Patients and therapists know the therapy; it cannot be masked." if with_therapy else ""
    return (
        f"{drug}{therapy} Outcome raters are to be kept unaware of the arm, which the trial should test by asking them."
    )


def _belief(s: Scenario) -> str:
    parts = []
    if s.expectancy.drug is not None:
        parts.append("belief in having had the drug")
    if s.expectancy.therapy is not None:
        parts.append("the hope for the therapy")
    ask = (
        "Ask every patient, before the first dose, what they expect of each treatment, and after the first dose and at"
        " the primary visit which drug they believe they had and how sure they are; report answers by arm."
    )
    if not parts:
        return f"The scenario assumes no effect of belief. {ask}"
    return (
        f"The scenario models {' and '.join(parts)}, and reports how often the test is significant for belief alone."
        f" {ask}"
    )


def _raters(s: Scenario) -> str:
    sd = s.measurement.rater_sd
    if s.scale.link != "identity":
        return "The outcome is counted by day."
    return (
        f"The error of a single rating is taken as an SD of {sd.value:g} points; raters should be trained and compared."
    )
