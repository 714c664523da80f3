"""What each key of a scenario means, with an example: the one place from which schema and reference are made."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """The meaning of a key, an example of its value as YAML, and the unit of a bare number."""

    meaning: str
    example: str
    unit: str = ""


_SHARE = "{value: 0.1, unit: share, source: assumption, note: why}"
_PER_DAY = "{value: 0.004, unit: per_day, source: assumption, note: why}"
_POINTS = "{value: 6, unit: points, source: assumption, note: why}"
_POINTS_SD = "{value: 15, sd: 4, unit: points, source: assumption, note: why}"
_DAYS = "{value: 14, unit: day, source: assumption, note: why}"
_NONE = "{value: 0.3, unit: none, source: assumption, note: why}"
_MONEY = "{value: 100, unit: money, source: assumption, note: why}"
_DOSES = "[{agent: ketamine, route: IV, mg_per_kg: 0.5, days: [0]}]"
_RESCUE = (
    "{from_day: 14, score_at_least: 30, effect: {value: 5, unit: points, source: assumption, note: why},"
    " onset: {value: 7, unit: day, source: assumption, note: why},"
    " half_life: {value: 14, unit: day, source: assumption, note: why},"
    " share_taking: {value: 0.5, unit: share, source: assumption, note: why}}"
)
_BOOKING = "{attempts: 2}"

_AMOUNT = Key(
    "Drinks on a day of use, where use is counted by days.",
    "{mean: {value: 8, log_sd: 0.6, unit: drinks, source: assumption, note: why},"
    " dispersion: {value: 0.5, unit: none, source: assumption, note: why},"
    " loading: {value: 0.2, unit: none, source: assumption, note: why}, heavy_from: 5}",
)
_USE = Key("What endpoints of days of use ask.", "{abstinent_last: 14, relapse_days: 3}")

# By the name of the noun, then of the key.
KEYS: dict[str, dict[str, Key]] = {
    "Scenario": {
        "title": Key("What the trial is, in a line.", "Ketamine with or without CBT"),
        "question": Key("What the trial is to answer.", "Does CBT add to a single infusion of ketamine at four weeks?"),
        "notes": Key(
            "What a reader should know: figures met or missed, limits, simplifications.", "After murrough2013a."
        ),
        "outcome": Key("The outcome scale; or outcomes.", "{scale: MADRS}"),
        "outcomes": Key(
            "Several outcomes of one illness, by name, one of them primary (docs/outcomes.md).",
            "{depression: {scale: MADRS, primary: true}}",
        ),
        "population": Key(
            "The patients.",
            "{description: adults with depression,"
            " baseline: {value: 32, sd: 5, unit: points, source: assumption, note: why}}",
        ),
        "drug": Key(
            "How patients respond to ketamine (docs/model.md).",
            "{share: {value: 0.75, unit: share, source: assumption, note: why},"
            " ec50: {value: 0.5, unit: dose, source: assumption, note: why},"
            " half_life: {value: 7, unit: day, source: assumption, note: why}}",
        ),
        "natural_course": Key(
            "Improvement without treatment; none unless given.",
            "{change: {value: 3, sd: 7, unit: points, source: assumption, note: why},"
            " time_constant: {value: 21, unit: day, source: assumption, note: why}}",
        ),
        "therapies": Key(
            "The therapies that arms may give, by name; education and usual care are therapies too.",
            "{cbt: {label: CBT, max_effect: {value: 6, unit: points, source: assumption, note: why},"
            " learning_per_session: {value: 0.25, unit: none, source: assumption, note: why},"
            " half_life: {value: 365, unit: day, source: assumption, note: why}}}",
        ),
        "expectancy": Key(
            "Improvement from belief; none unless given.",
            "{therapy: {effect: {value: 2, unit: points, source: assumption, note: why},"
            " onset: {value: 7, unit: day, source: assumption, note: why},"
            " half_life: {value: 60, unit: day, source: assumption, note: why}}}",
        ),
        "conduct": Key(
            "Missed treatment, rescue, dropout; what is absent does not happen.",
            "{dropout: {hazard: {value: 0.004, unit: per_day, source: assumption, note: why}}}",
        ),
        "measurement": Key(
            "How scores vary within a patient and how they are recorded.",
            "{deviation_sd: {value: 6, unit: points, source: assumption, note: why},"
            " deviation_time_constant: {value: 14, unit: day, source: assumption, note: why},"
            " rater_sd: {value: 2.5, unit: points, source: assumption, note: why}}",
        ),
        "arms": Key("The randomised groups.", "[{id: ketamine, label: Ketamine}, {id: saline, label: Saline}]"),
        "design": Key("Size, visits, allocation and looks.", "{n_per_arm: 60, visits: [0, 7, 28]}"),
        "randomisation": Key("The day of randomisation, and the run-in before it.", "{day: 7}"),
        "relapse": Key("What counts as loss of response.", "{response_day: 14, fraction: 0.5}"),
        "engagement": Key("Who counts as engaged with the therapy.", "{share: 0.75}"),
        "estimand": Key("The primary question.", "{contrast: ketamine_cbt - ketamine, day: 28}"),
        "secondary": Key("Further questions, asked in their order.", "[{contrast: ketamine_cbt - ketamine, day: 7}]"),
        "analysis": Key("How the trial is analysed.", "{methods: [mmrm], alpha: 0.05}"),
        "null": Key("The hypothesis under which to simulate (docs/model.md).", "synergy"),
        "prior": Key(
            "What is believed about the world, for assurance and decisions (docs/design_prior.md); a name alone is"
            " short for {name: NAME}.",
            "depression_iv_2026",
        ),
        "decision": Key("How a Bayesian trial concludes (docs/decisions.md); only `decide` reads it.", "{go: 0.975}"),
        "clinic": Key(
            "How the trial is run (docs/clinic.md).",
            "{sites: [{id: a, referrals: {value: 8, unit: per_month, source: assumption, note: why}}],"
            " recruitment: {consent: {value: 0.5, unit: share, source: assumption, note: why},"
            " screen_failure: {value: 0.2, unit: share, source: assumption, note: why},"
            " screening: {value: 14, unit: day, source: assumption, note: why}}}",
        ),
        "base_label": Key("What results call the scenario beside its variants.", "additive"),
        "sensitivity": Key(
            "What a report moves to see what the trial depends on.",
            "{ranges: {drug.half_life: {low: 3, high: 14, source: assumption, note: why}}}",
        ),
        "variants": Key("Other worlds or designs by label: values by path, set together.", "{half: {drug.share: 0.4}}"),
        "sources": Key(
            "Publications that the catalogue does not hold, by key: a DOI or a citation with its year. Numbers name"
            " them as their `source`.",
            "{smith2020: 10.1000/xyz123}",
        ),
    },
    "Sourced": {
        "value": Key("The number; the median where the spread is log_sd or logit_sd.", "6"),
        "unit": Key(
            "Its unit, which the place fixes; on days abstinent also `percent`, of days (docs/model.md).", "points"
        ),
        "source": Key("A key of the catalogue or of `sources`, or `assumption`.", "feder2021"),
        "sd": Key("Standard deviation between patients.", "5", "the value's"),
        "log_sd": Key("Standard deviation between patients of the logarithm.", "1"),
        "logit_sd": Key("Standard deviation between patients of the logit.", "0.8"),
        "note": Key(
            "Why it is assumed, or what should be known of it; an assumption needs one.", "not seen for the trial"
        ),
        "derived": Key(
            "How it was worked out from figures of the source, as a formula that is recomputed or in words.",
            "sqrt(0.05) * figure caps5_sd_week_2 of feder2021; 5 % of the variance",
        ),
        "spread_source": Key("The source of the spread, if another than the value's.", "assumption"),
        "spread_note": Key("The note on the spread, as `note`.", "near that of other trials"),
        "spread_derived": Key("How the spread was worked out, as `derived`.", "sd of figure caps5_baseline"),
    },
    "Outcome": {
        "scale": Key(
            "A scale of the catalogue, by its name, or one of your own; percent_abstinent_days is counted day by day.",
            "MADRS",
        ),
        "amount": _AMOUNT,
        "use": _USE,
    },
    "Amount": {
        "mean": Key(
            "Mean drinks on a day of use before treatment, in the median patient.",
            "{value: 8, log_sd: 0.6, unit: drinks, source: assumption, note: why}",
        ),
        "dispersion": Key("SD of the logarithm of the drinks from day to day in one patient.", _NONE),
        "loading": Key("By how much one logit of improvement lowers the logarithm of the drinks.", _NONE),
        "heavy_from": Key("Drinks from which a day is a heavy one.", "5", "drinks"),
        "grams_per_drink": Key("Pure alcohol in a drink.", "14", "g"),
        "women": Key("Share of women, whose WHO risk levels are lower.", _SHARE),
    },
    "UseRules": {
        "abstinent_last": Key("abstinent_last: the days up to the visit that must be without use.", "14", "days"),
        "relapse_days": Key("time_to_confirmed_relapse: days of use running that confirm it.", "3", "days"),
        "risk_days": Key("risk_level_reduction: the days up to the visit over which risk is taken.", "28", "days"),
        "risk_levels": Key("risk_level_reduction: WHO levels by which it must have fallen.", "2", "levels"),
    },
    "OneOfSeveral": {
        "scale": Key("A scale of the catalogue, by its name, or one of your own.", "ISI"),
        "primary": Key(
            "Whether it is the primary outcome, which population, measurement and all effects are about.", "true"
        ),
        "baseline": Key("Trait baseline of this outcome: mean and SD between patients.", _POINTS_SD),
        "measurement": Key(
            "How this outcome is measured.",
            f"{{deviation_sd: {_POINTS}, deviation_time_constant: {_DAYS}, rater_sd: {_POINTS}}}",
        ),
        "loadings": Key(
            "What improvement in the primary outcome is worth in this one, by what it comes from.",
            f"{{per: point, drug: {_NONE}, therapy: {_NONE}, natural_course: {_NONE}, expectancy: {_NONE}}}",
        ),
        "correlation": Key(
            "Correlation of its scores with those of the primary outcome.", f"{{baseline: {_NONE}, deviation: {_NONE}}}"
        ),
        "visits": Key("The visits of the design at which it is measured; all unless given.", "[0, 14, 28]"),
        "missed": Key(
            "Share of its measurements after randomisation that are missed at visits which patients attend, at random.",
            _SHARE,
        ),
        "amount": _AMOUNT,
        "use": _USE,
    },
    "Loadings": {
        "per": Key(
            "point: points (or logits) of this outcome for one of the primary; sd: its baseline SDs for one baseline SD"
            " of the primary.",
            "point",
        ),
        "drug": Key("Of the drug's effect, and of rescue.", _NONE),
        "therapy": Key("Of the therapy's effect, its therapist's part included.", _NONE),
        "natural_course": Key("Of the course without treatment.", _NONE),
        "expectancy": Key("Of belief and hope.", _NONE),
    },
    "WithPrimary": {
        "baseline": Key(
            "Of trait baselines, as scores are recorded: negative where the better directions differ.", _NONE
        ),
        "deviation": Key("Of deviations from the course.", _NONE),
        "rater": Key("Of rater errors at the same visit; none unless given.", _NONE),
    },
    "OwnScale": {
        "id": Key("What results call it.", "craving"),
        "label": Key("Its name in full.", "Craving on a line of 10 cm"),
        "better": Key("Which way a score is better.", "lower"),
        "source": Key("Where range and step are from; `definition`: from how the scale is built.", "definition"),
        "kind": Key("A score, the share of days without what is counted, or a count of events.", "score"),
        "period_days": Key("Of a count: the days that its rate is of.", "365", "days"),
        "range": Key("The ends of a score.", "{low: 0, high: 10}"),
        "step": Key("The smallest difference between two scores.", "0.1", "that of the scale"),
        "unit": Key("The unit of a score, in a word.", "cm"),
        "response": Key("The rule of response.", "{fraction: 0.5, source: assumption, note: why}"),
        "remission": Key("The rule of remission.", "{at_most: 1, source: assumption, note: why}"),
        "mcid": Key(
            "Differences that matter.",
            "[{value: 1.5, kind: minimal important difference, source: assumption, note: why}]",
        ),
        "reliable_change": Key(
            "Changes of one patient beyond the error of measurement.", "[{value: 3, source: assumption, note: why}]"
        ),
        "note": Key("What a reader should know of it.", "from none to the worst ever"),
    },
    "ScaleRange": {
        "low": Key("The lowest score.", "0", "that of the scale"),
        "high": Key("The highest score.", "10", "that of the scale"),
    },
    "ResponseRule": {
        "fraction": Key("The share of the way from the baseline to the best score.", "0.5"),
        "points": Key("The improvement, such as a reliable change, in place of a fraction.", "6", "that of the scale"),
        "source": Key("Where the rule is from.", "lii2023"),
        "note": Key("Why, for an assumption.", "a convention"),
    },
    "RemissionRule": {
        "source": Key("Where the rule is from.", "ketect2022"),
        "at_most": Key("The highest score in remission, where lower is better.", "1", "that of the scale"),
        "at_least": Key("The lowest score in remission, where higher is better.", "9", "that of the scale"),
        "note": Key("Why, for an assumption.", "a convention"),
    },
    "Difference": {
        "kind": Key("To whom it matters, and how that is known.", "minimal important difference"),
        "source": Key("Where it is from.", "hengartner2021"),
        "value": Key("The difference.", "1.5", "that of the scale"),
        "fraction": Key("The difference as a share of the baseline.", "0.2"),
        "note": Key("Why, for an assumption.", "a guess"),
    },
    "ReliableChange": {
        "value": Key("The change.", "3", "that of the scale"),
        "source": Key("Where it is from.", "marx2022"),
        "note": Key("Why, for an assumption.", "a guess"),
    },
    "Population": {
        "description": Key("Who they are, in words.", "adults with treatment-resistant depression"),
        "baseline": Key(
            "Trait level before treatment: mean, and SD between patients.",
            "{value: 32, sd: 5, unit: points, source: assumption, note: why}",
        ),
        "entry": Key("The entry criterion on the recorded day-0 score.", "{at_least: 20}"),
        "non_responders": Key("Share in whom the drug does nothing.", _SHARE),
        "correlations": Key(
            "Correlations between parameters of a patient.",
            "[{between: [baseline, drug_effect], value: {value: 0.3, unit: none, source: assumption, note: why}}]",
        ),
    },
    "Entry": {
        "at_least": Key("The least score that enters.", "20", "points"),
        "at_most": Key("The greatest score that enters.", "50", "points"),
    },
    "CorrelatedPair": {
        "between": Key("The two parameters.", "[baseline, drug_effect]"),
        "value": Key("Their correlation, on the scales on which they vary.", _NONE),
    },
    "Drug": {
        "effect": Key("Shape of dose and response: saturating (emax) or linear.", "emax"),
        "half_life": Key(
            "Time in which the effect of a dose halves.",
            "{value: 7, log_sd: 1, unit: day, source: assumption, note: why}",
        ),
        "share": Key(
            "Share of the baseline that a saturating dose removes (φ), on scores.",
            "{value: 0.75, logit_sd: 0.8, unit: share, source: assumption, note: why}",
        ),
        "max_effect": Key("Improvement under a saturating dose, in place of share.", _POINTS),
        "slope": Key("Improvement a reference dose, with effect: linear.", _POINTS),
        "ec50": Key(
            "Dose with half of the largest effect; 1 is 0.5 mg/kg of racemic ketamine into a vein.",
            "{value: 0.5, unit: dose, source: assumption, note: why}",
        ),
        "hill": Key("Steepness of dose and response; 1 unless given.", _NONE),
        "consolidation": Key(
            "The part of the response that outlasts the drug.",
            "{share: {value: 0.1, unit: share, source: assumption, note: why},"
            " half_life: {value: 90, unit: day, source: assumption, note: why}}",
        ),
        "window_half_life": Key("Time in which the plasticity window halves; needed where a gamma is > 0.", _DAYS),
    },
    "Consolidation": {
        "share": Key("Share of what the drug's effect loses that stays (ρ).", _SHARE),
        "half_life": Key("Time in which that part halves.", _DAYS),
    },
    "Therapy": {
        "label": Key("Its name for readers.", "CBT"),
        "max_effect": Key(
            "Improvement once everything is learnt (Tmax): the median patient's.",
            "{value: 6, log_sd: 0.4, unit: points, source: assumption, note: why}",
        ),
        "learning_per_session": Key("Rate of learning a session (g): 1 − exp(−g·sessions) is learnt.", _NONE),
        "half_life": Key("Time in which what was learnt halves.", _DAYS),
        "gamma": Key("Synergy: how much more a session teaches in an open window (γ).", _NONE),
        "kappa": Key("Durability: how much the therapy slows the loss of the drug's effect (κ).", _NONE),
        "xi": Key("Overlap: share of the therapy's effect that full occupancy by the drug makes needless (ξ).", _SHARE),
        "therapists": Key(
            "Who gives it.", "{caseload: 8, sd: {value: 2, unit: points, source: assumption, note: why}}"
        ),
        "session_minutes": Key("Length of a session; a clinic needs it.", "50", "minutes"),
        "group_size": Key("Patients in a session.", "8", "patients"),
        "is_hoped_for": Key("Whether patients hope for it (expectancy.therapy).", "true"),
    },
    "Therapists": {
        "sd": Key("SD between therapists of their patients' mean improvement.", _POINTS),
        "count": Key("Number of therapists, whatever n; or caseload.", "5", "therapists"),
        "caseload": Key("Patients of one therapist, whatever n; or count.", "8", "patients"),
    },
    "Measurement": {
        "deviation_sd": Key("SD of a patient's own ups and downs.", _POINTS),
        "deviation_time_constant": Key("How long they last: the time in which their correlation falls to 1/e.", _DAYS),
        "rater_sd": Key("SD of the error of one rating.", _POINTS),
        "round": Key("Whether scores are rounded to the step of the scale.", "true"),
        "clip": Key("Whether scores end at the ends of the scale.", "true"),
        "baseline_period_days": Key(
            "Days before entry over which day-by-day outcomes are counted at day 0.", "28", "days"
        ),
    },
    "Arm": {
        "id": Key("Its word in contrasts.", "ketamine_cbt"),
        "label": Key("Its name for readers.", "Ketamine + CBT"),
        "doses": Key("Its courses of infusions or other doses.", _DOSES),
        "therapy": Key(
            "Its therapy and the days of the sessions.", "{name: cbt, days: {first: 2, every: 7, count: 8}}"
        ),
        "adjuncts": Key(
            "Other treatments that change how the drug works.",
            "[{name: riluzole, from_day: 0, to_day: 28,"
            " half_life_factor: {value: 2, unit: none, source: assumption, note: why}}]",
        ),
        "factors": Key("Its level of both factors of a 2×2.", "{ketamine: 1, therapy: 0}"),
    },
    "Doses": {
        "agent": Key("What is given. Saline and midazolam act through belief only.", "ketamine"),
        "days": Key("Days of the doses: a list, or first, every and count.", "{first: 0, every: 7, count: 6}", "days"),
        "route": Key("A route of the catalogue.", "IV"),
        "mg_per_kg": Key("The dose by body weight: one number, or one a day.", "0.5", "mg/kg"),
        "mg": Key("The dose whatever the weight, in place of mg_per_kg: one number, or one a day.", "56", "mg"),
        "body_weight": Key(
            "Mean weight of the patients, by which mg is divided.",
            "{value: 75, unit: kg, source: assumption, note: why}",
        ),
        "bioavailability": Key("Share that reaches the circulation; the catalogue's unless given.", _SHARE),
        "potency": Key("Milligram for milligram, of racemic ketamine; the catalogue's unless given.", _NONE),
    },
    "Sessions": {
        "name": Key("One of `therapies`.", "cbt"),
        "days": Key(
            "Days of the sessions: a list, or first, every and count.", "{first: 2, every: 7, count: 8}", "days"
        ),
    },
    "Adjunct": {
        "name": Key("What it is.", "riluzole"),
        "from_day": Key("Its first day.", "0", "day"),
        "to_day": Key("Its last day.", "28", "day"),
        "max_effect_factor": Key("By what it multiplies the drug's largest effect.", _NONE),
        "half_life_factor": Key("By what it multiplies the drug's half-life.", _NONE),
    },
    "Design": {
        "visits": Key("Days of the assessments, day 0 first.", "[0, 1, 7, 14, 28]", "days"),
        "n_per_arm": Key("Patients in each arm, where all arms are equal.", "60", "patients"),
        "n_total": Key("Patients in all, with any ratio.", "90", "patients"),
        "allocation": Key("Ratio, blocks and strata.", "{ratio: {ketamine: 2, saline: 1}}"),
        "looks": Key("Looks at the data before the end; only `decide` reads them.", "[{share: 0.5}]"),
        "group_sequential": Key(
            "Looks with boundaries, and the accrual that brings patients to them: docs/looks.md.",
            "{accrual_per_month: 5, looks: [{patients: 60}]}",
        ),
        "enrolment": Key(
            "Whom the trial plans to enrol; only a report reads it.",
            "{female: 0.6, hispanic: 0.15, race: {white: 0.7, black: 0.2, asian: 0.1}}",
        ),
    },
    "Allocation": {
        "ratio": Key("Patients by arm in a ratio; 1 each unless given.", "{ketamine: 2, saline: 1}"),
        "block": Key("Patients in a block; the fewest the ratio allows unless given.", "4", "patients"),
        "strata": Key(
            "Factors within which blocks are drawn.", "[{name: site, levels: {a: {share: 0.5}, b: {share: 0.5}}}]"
        ),
    },
    "Stratum": {
        "name": Key("The factor's word, usable as a covariate.", "site"),
        "levels": Key("Its levels; their shares sum to 1.", "{a: {share: 0.5}, b: {share: 0.5}}"),
    },
    "Level": {
        "share": Key("Share of the patients.", "0.5", "share"),
        "shift": Key("By how much their trait baseline is higher.", _POINTS),
    },
    "Look": {
        "share": Key("Share of the patients who have been followed up.", "0.5", "share"),
        "futility": Key("Stop where the predictive probability of `go` is below it.", "0.05", "probability"),
        "efficacy": Key(
            "Stop with go where the effect beats the margin with this probability.", "0.995", "probability"
        ),
    },
    "GroupSequential": {
        "looks": Key("The looks before the end, in order.", "[{patients: 60}, {month: 20}]"),
        "accrual_per_month": Key("Patients randomised in a month, evenly.", "5", "patients"),
        "recruitment": Key("Whether it goes on while the patients of a look are followed up, or stops.", "stops"),
        "decide": Key(
            "Whether a trial that a look stops is decided by it, or once those under way are followed up.",
            "at_follow_up",
        ),
        "spending": Key("How the type I error is spent, as `boundaries` takes it.", "hsd:-4"),
        "spend_at": Key("Whether errors are spent at a look's planned information or at its own.", "own"),
        "sided": Key("1: on the side of benefit, at half of the two-sided level.", "1"),
        "futility": Key("Futility as `boundaries` takes it.", "cp:0.1"),
        "binding": Key("Whether efficacy counts on stopping for futility.", "true"),
        "power": Key("The power that spending for futility is planned for.", "0.9", "probability"),
    },
    "SequentialLook": {
        "month": Key("Months after the first patient is randomised.", "12", "months"),
        "patients": Key("When so many have reached the primary visit.", "60", "patients"),
        "information": Key("When the analysis is expected to have this share of its information.", "0.5", "share"),
    },
    "Estimand": {
        "contrast": Key(
            "`a - b` of two arms; in a 2×2 also f:g, f or main(f); of one arm its id.", "ketamine_cbt - ketamine"
        ),
        "day": Key("A visit after randomisation.", "28", "day"),
        "outcome": Key("Which of several outcomes, by its name; the primary one unless given.", "sleep"),
        "endpoint": Key("What is compared on that day.", "score"),
        "strategies": Key("How intercurrent events are handled.", "{rescue: treatment_policy}"),
        "methods": Key("Its own methods of analysis, in place of analysis.methods.", "[mmrm]"),
        "margin": Key("Margin of non-inferiority; of a time, a hazard ratio.", "3", "the endpoint's"),
        "benchmark": Key("Of one arm, the value that the test asks about.", "0.4", "the endpoint's"),
    },
    "Strategies": {
        "rescue": Key("Rescue medication.", "treatment_policy"),
        "open_label_ketamine": Key("Ketamine outside the protocol.", "treatment_policy"),
        "therapy_discontinuation": Key("Sessions stopped for good.", "treatment_policy"),
        "missed_infusions": Key("The first infusion not received.", "treatment_policy"),
        "composite_value": Key("The score of a failure, with composite.", "baseline"),
    },
    "NaturalCourse": {
        "change": Key("Improvement in the long run.", "{value: 3, sd: 7, unit: points, source: assumption, note: why}"),
        "time_constant": Key("Time in which 63 % of it has come.", _DAYS),
        "immediate": Key(
            "What being in the trial changes in every patient from the first day.",
            "{change: {value: 2, unit: points, source: assumption, note: why},"
            " onset: {value: 0.04, unit: day, source: assumption, note: why}}",
        ),
    },
    "ImmediateChange": {
        "change": Key("Improvement in the long run.", _POINTS),
        "onset": Key("Time constant of its rise from day 0.", _DAYS),
    },
    "Expectancy": {
        "drug": Key(
            "From believing that one received the drug.",
            "{effect: {value: 4, unit: points, source: assumption, note: why},"
            " belief: {value: 0.7, unit: share, source: assumption, note: why},"
            " onset: {value: 1, unit: day, source: assumption, note: why},"
            " half_life: {value: 28, unit: day, source: assumption, note: why}}",
        ),
        "therapy": Key(
            "From having the therapy hoped for.",
            "{effect: {value: 2, unit: points, source: assumption, note: why},"
            " onset: {value: 7, unit: day, source: assumption, note: why},"
            " half_life: {value: 60, unit: day, source: assumption, note: why}}",
        ),
    },
    "DrugExpectancy": {
        "effect": Key("Improvement of who believes it.", _POINTS),
        "belief": Key("Probability of believing it, one or one an arm.", _SHARE),
        "onset": Key("Time constant of its rise from the first dose.", _DAYS),
        "half_life": Key("Half-life with which it fades from the first dose on.", _DAYS),
        "renewed": Key("Whether each dose renews it, so that it fades from the latest dose on.", "true"),
        "disappointment": Key("Worsening of who does not believe it.", _POINTS),
    },
    "TherapyExpectancy": {
        "effect": Key("Improvement of who has the therapy hoped for.", _POINTS),
        "onset": Key("Time constant of its rise from randomisation.", _DAYS),
        "half_life": Key("Time in which it halves.", _DAYS),
        "disappointment": Key("Worsening of who has another therapy.", _POINTS),
    },
    "Conduct": {
        "missed_doses": Key("Probability that a single dose is missed.", _SHARE),
        "missed_sessions": Key("Probability that a single session is missed.", _SHARE),
        "stop_doses": Key("Hazard a day of stopping doses for good.", _PER_DAY),
        "stop_sessions": Key("Hazard a day of stopping sessions for good.", _PER_DAY),
        "rescue": Key("Rescue medication, by what triggers it and what it does.", _RESCUE),
        "open_label_ketamine": Key("Ketamine outside the protocol, described as rescue is.", _RESCUE),
        "dropout": Key("Patients who leave: their scores are missing from then on.", f"{{hazard: {_PER_DAY}}}"),
    },
    "Rescue": {
        "from_day": Key("The first day on which it may be taken.", "14", "day"),
        "effect": Key("Improvement it adds.", _POINTS),
        "onset": Key("Time constant of its rise.", _DAYS),
        "half_life": Key("Days after which half of its effect is left.", _DAYS),
        "share_taking": Key("Probability that a patient past the trigger takes it.", _SHARE),
        "score_at_least": Key("The trigger where lower is better.", "30", "points"),
        "score_at_most": Key("The trigger where higher is better.", "30", "points"),
    },
    "Dropout": {
        "hazard": Key("Hazard a day at the mean baseline score, one or one an arm.", _PER_DAY),
        "last_score": Key(
            "Rise of the log hazard with each point of the last score seen: missing at random.",
            "{value: 0.02, unit: per_point, source: assumption, note: why}",
        ),
        "current_latent": Key(
            "Rise of the log hazard with each point of the unseen score: missing not at random.",
            "{value: 0.02, unit: per_point, source: assumption, note: why}",
        ),
        "afterwards": Key("What the outcome of those who left does.", "off_treatment"),
    },
    "Randomisation": {
        "day": Key("The day of randomisation.", "7", "day"),
        "run_in": Key("What every patient receives before.", f"{{doses: {_DOSES}}}"),
    },
    "RunIn": {
        "doses": Key("The doses before randomisation.", _DOSES),
        "eligible": Key("Who of them is randomised; all unless given.", "{improved_by: 0.5, on_day: 7}"),
    },
    "Eligible": {
        "improved_by": Key("Least improvement, as a share of the day-0 score.", "0.5", "share"),
        "on_day": Key("The visit at which it is asked.", "7", "day"),
    },
    "Relapse": {
        "response_day": Key("The visit at which response is asked.", "14", "day"),
        "fraction": Key("Relapse is an improvement below this share of the baseline.", "0.5", "share"),
        "confirmed": Key("Whether the next visit must show it too.", "true"),
        "origin": Key("From when times run.", "randomisation"),
        "among": Key("In whom: all randomised (no response is a failure) or responders.", "randomised"),
    },
    "Engagement": {
        "sessions": Key("At least this many sessions attended.", "6", "sessions"),
        "share": Key("At least this share of the sessions planned by the estimand's day.", "0.75"),
    },
    "Analysis": {
        "methods": Key("Methods of analysis; what fits the trial unless given (docs/analyses.md).", "[mmrm]"),
        "covariates": Key("Covariates of adjusted methods; baseline and strata unless given.", "[baseline]"),
        "alpha": Key("Two-sided level.", "0.05", "probability"),
        "covariance": Key("Covariance structures of the MMRM, tried in order.", "[us, cs]"),
        "df": Key("Degrees of freedom of mixed models.", "kenward-roger"),
        "residual": Key("Residual variance of the partially nested model.", "common"),
        "imputation": Key("Strategies of reference_based, each analysed.", "[MAR, JR]"),
        "reference_for": Key("The reference arm of an arm, for imputation.", "{ketamine: saline}"),
        "inference": Key("Standard errors of reference_based: the jackknife, or Rubin's rules.", "rubin"),
        "imputations": Key("Imputed data sets, with Rubin's rules.", "100"),
        "missing_response": Key(
            "A missing response, remission or sustained response: left out or a failure.", "failure"
        ),
        "sandwich": Key("Whether the MMRM's errors are those that do not rest on its covariance structure.", "false"),
        "constrained_baseline": Key("Whether the MMRM takes the baseline as an outcome with one mean.", "false"),
        "multiplicity": Key("How the level is shared among the estimands.", "{procedure: holm}"),
    },
    "Multiplicity": {
        "procedure": Key("The procedure.", "fixed_sequence"),
        "families": Key("Number of estimands in each family, with gatekeeping.", "[1, 2]", "estimands"),
    },
    "Prior": {
        "name": Key("A named prior of the catalogue.", "depression_iv_2026"),
        "population": Key("Its population that the trial is of.", "depression"),
        "also": Key(
            "Distributions of single numbers, by path.",
            "{therapies.cbt.max_effect: {source: assumption, note: why, normal: {mean: 6, sd: 2}}}",
        ),
    },
    "Distribution": {
        "source": Key("As of a number.", "assumption"),
        "normal": Key("A normal distribution.", "{mean: 6, sd: 2}"),
        "lognormal": Key("A log-normal distribution.", "{median: 2.5, log_sd: 0.6}"),
        "beta": Key("A beta distribution.", "{a: 2, b: 8}"),
        "uniform": Key("A uniform distribution.", "{low: 2, high: 8}"),
        "note": Key("Why it is assumed.", "no trial has measured it"),
        "derived": Key("How it was worked out.", "half of g 0.43"),
    },
    "Normal": {"mean": Key("Mean.", "6", "the number's"), "sd": Key("Standard deviation.", "2", "the number's")},
    "Lognormal": {
        "median": Key("Median.", "2.5", "the number's"),
        "log_sd": Key("Standard deviation of the logarithm.", "0.6"),
    },
    "Beta": {"a": Key("First shape; the mean is a / (a + b).", "2"), "b": Key("Second shape.", "8")},
    "Uniform": {"low": Key("Lower end.", "2", "the number's"), "high": Key("Upper end.", "8", "the number's")},
    "Sensitivity": {
        "ranges": Key(
            "By path, the 10 and 90 % of a number; else those of its prior, of its spread, or a fifth less and a"
            " quarter more.",
            "{drug.half_life: {low: 3, high: 14, source: assumption, note: why}}",
        ),
        "worlds": Key(
            "By label, worlds that are tried beside those that every report tries.",
            "{no drug effect: {values: {drug.share: 0.01}}}",
        ),
    },
    "Range": {
        "low": Key("The number's 10 %.", "3", "the number's"),
        "high": Key("The number's 90 %.", "14", "the number's"),
        "source": Key("A key of the catalogue or of `sources`, or assumption.", "assumption"),
        "note": Key("Why it was assumed; an assumption needs one.", "why"),
    },
    "World": {
        "values": Key("Values by path, set together.", "{drug.half_life: 3}"),
        "asks": Key(
            "Whether the treatment still works there (power) or every finding is wrong (false_claims).", "power"
        ),
    },
    "Enrolment": {
        "female": Key("Share of women.", "0.6", "share"),
        "hispanic": Key("Share of Hispanic or Latino patients.", "0.15", "share"),
        "race": Key("Shares by race, which sum to 1.", "{white: 0.7, black: 0.2, asian: 0.1}", "share"),
    },
    "DecisionRule": {
        "margin": Key("The effect to be beaten, towards benefit.", "0", "the endpoint's"),
        "go": Key("Go if the effect beats the margin with at least this probability.", "0.975", "probability"),
        "no_go": Key("No go if with at most this probability.", "0.1", "probability"),
        "rope": Key("Half width of the region of practical equivalence.", "3", "the endpoint's"),
        "rope_probability": Key(
            "No difference if the effect lies within with at least this probability.", "0.9", "probability"
        ),
        "priors": Key("What the analysis believes, by name or stated.", '[weak, skeptical, "normal(0, 0.2)"]'),
        "design_priors": Key("What is true.", "[scenario, evidence]"),
        "own_priors": Key(
            "Further names: what is believed of the effect asked about.",
            "{ours: {interaction: 'normal(0.1, 0.2)', source: assumption, note: why}}",
        ),
        "nuisance": Key(
            "Values of other numbers, by path, at which the type I error is told; in place of the usual ones.",
            "{measurement.deviation_sd: [4, 8]}",
        ),
    },
    "OwnPrior": {
        "source": Key("As of a number.", "assumption"),
        "drug": Key("Of an effect of the drug, in SDs of the outcome towards benefit.", "normal(0, 1)"),
        "therapy": Key("Of an effect of the therapy, likewise.", "t(0.3, 0.2, 4)"),
        "interaction": Key("Of an interaction, likewise.", "0.8 normal(0, 0.25) + 0.2 normal(0, 1)"),
        "note": Key("Why it is assumed.", "what the steering committee expects"),
        "derived": Key("How it was worked out.", "the pooled estimate, its SE doubled"),
    },
    "Clinic": {
        "sites": Key("The sites.", "[{id: a, referrals: {value: 8, unit: per_month, source: assumption, note: why}}]"),
        "recruitment": Key(
            "From referral to randomisation.",
            "{consent: {value: 0.5, unit: share, source: assumption, note: why},"
            " screen_failure: {value: 0.2, unit: share, source: assumption, note: why},"
            " screening: {value: 14, unit: day, source: assumption, note: why}}",
        ),
        "therapists": Key(
            "The plan for each therapy that an arm gives.", "{cbt: {caseload: 8, sessions_per_week: 12}}"
        ),
        "hours": Key("When the sites work.", "{opens: 9, closes: 17}"),
        "infusions": Key("How doses are given.", "{minutes: 40}"),
        "sessions": Key("When sessions may fall.", "{from_hours: 24, to_hours: 48}"),
        "ratings": Key("How visits are rated.", "{minutes: 60}"),
        "costs": Key("What a unit costs.", "{currency: EUR}"),
        "clock": Key("What protocol days count from.", "first_infusion"),
        "start_month": Key("The month of day 0.", "9", "month"),
    },
    "Site": {
        "id": Key("Its word.", "zurich"),
        "referrals": Key(
            "People sent a month once it runs in full.",
            "{value: 8, log_sd: 0.3, unit: per_month, source: assumption, note: why}",
        ),
        "opens_day": Key("The day on which it is to open.", "0", "day"),
        "chairs": Key("Chairs for infusions.", "2", "chairs"),
        "nurses": Key("Nurses.", "1", "nurses"),
        "raters": Key("Blinded raters.", "1", "raters"),
        "therapists": Key("Therapists for each therapy.", "{cbt: 3}", "therapists"),
    },
    "Recruitment": {
        "consent": Key("Share of people referred who consent.", _SHARE),
        "screen_failure": Key("Share of those who fail for reasons other than the entry criterion.", _SHARE),
        "screening": Key("From referral to randomisation.", _DAYS),
        "opening_delay": Key("Mean delay of a site's opening.", _DAYS),
        "ramp": Key("From opening until referrals reach their rate.", _DAYS),
        "seasonality": Key("How far referrals rise in the peak month, as a share.", _SHARE),
        "peak_month": Key("The month with most referrals.", "1", "month"),
        "by_entry": Key("Whether the entry criterion turns people away.", "true"),
        "loss_while_waiting": Key("Hazard a day of leaving while waiting.", _PER_DAY),
    },
    "TherapistPlan": {
        "caseload": Key("Patients of one therapist at a time.", "8", "patients"),
        "sessions_per_week": Key("Sessions a therapist gives.", "12", "per week"),
        "training_days": Key("Training before the first session.", "30", "days"),
        "shared": Key("Whether colleagues stand in when a week is full.", "true"),
        "leave": Key("Share of weeks away.", _SHARE),
        "turnover": Key(
            "Hazard a year of leaving for good.", "{value: 0.2, unit: per_year, source: assumption, note: why}"
        ),
        "hiring": Key("Time until a successor is found.", _DAYS),
    },
    "Hours": {
        "weekdays": Key("Working days.", "[mon, tue, wed, thu, fri]"),
        "opens": Key("Opening hour.", "8", "hours"),
        "closes": Key("Closing hour.", "18", "hours"),
    },
    "Infusions": {
        "minutes": Key("Length of an infusion.", "40", "minutes"),
        "monitoring_minutes": Key("Monitoring after it.", "120", "minutes"),
        "clearing_minutes": Key("Clearing up.", "15", "minutes"),
        "patients_per_nurse": Key("Patients whom a nurse watches at a time.", "2", "patients"),
        "late_days": Key("A dose later than this is missed.", "3", "days"),
        "weekdays": Key("Days on which doses are given; all working days unless given.", "[mon, thu]"),
        "wait_for_therapist": Key("Whether the first infusion waits for a place in therapy.", "false"),
        "booking": Key("What becomes of appointments.", _BOOKING),
    },
    "Booking": {
        "cancelled": Key("Probability that an appointment is cancelled.", _SHARE),
        "no_show": Key("Probability that it is kept free in vain.", _SHARE),
        "rebook_days": Key("Time after which the next is asked for.", "1", "days"),
        "attempts": Key("Appointments at most.", "3", "appointments"),
    },
    "SessionRules": {
        "from_hours": Key("Begin of the window promised after a dose.", "24", "hours"),
        "to_hours": Key("End of that window.", "48", "hours"),
        "after_window": Key("What becomes of a session later than its window.", "give"),
        "window_days": Key("Other sessions are out of their window after this.", "3", "days"),
        "late_days": Key("A session later than this is missed.", "14", "days"),
        "group_wait_days": Key("How long the first member of a group waits for it to fill.", "3", "days"),
        "booking": Key("What becomes of appointments.", _BOOKING),
    },
    "Ratings": {
        "minutes": Key("Length of a visit.", "60", "minutes"),
        "window_days": Key("A visit later than this is out of its window.", "3", "days"),
        "late_days": Key("A visit later than this is missed.", "7", "days"),
        "booking": Key("What becomes of appointments.", _BOOKING),
    },
    "Costs": {
        "currency": Key("The currency.", "EUR"),
        "trial_month": Key("Co-ordination, a month.", _MONEY),
        "site_opening": Key("Opening a site.", _MONEY),
        "site_month": Key("Keeping a site, a month.", _MONEY),
        "chair_month": Key("Keeping a chair, a month.", _MONEY),
        "nurse_month": Key("A nurse, a month.", _MONEY),
        "rater_month": Key("A rater, a month.", _MONEY),
        "therapist_month": Key("A therapist, a month.", _MONEY),
        "therapist_training": Key("Training a therapist.", _MONEY),
        "screening": Key("Each person who consents.", _MONEY),
        "dose": Key("Each dose: drug and consumables.", _MONEY),
        "visit": Key("Each visit made, the patient's payment included.", _MONEY),
    },
}
