"""The powers and type I errors in the notes of the shipped scenarios are what `power` and `looks` give.

A sentence of the notes stands here with each number replaced by where it comes from: `<metric:places; column=value>`,
the first such row of 4,000 trials under seed 1 (2,048 where they run in the clinic), or `<metric.mcse:places; …>`.
"""

from __future__ import annotations

import re

import pytest
import yaml

import kaptrial as kt
from kaptrial.cli.options import cells_of
from kaptrial.questions.power.characteristics import characteristics
from tests import SCENARIOS

pytestmark = pytest.mark.validation

REPLICATES = 4000
SAID = "4,000 replicates, seed 1, MCSE at most .008"
FIELD = re.compile(r"<(\w+)(\.mcse)?:(\d)((?:; \w+=[^>;]+)*)>")
CLINIC = "clinic_one_therapist_short"
THERAPISTS = "clinic.sites[0].therapists.cbt"

Settings = dict[str, object]
SENTENCES: list[tuple[str, Settings, str]] = [
    ("alcohol_low_dose_control", {}, "power <power:2> by quasi-binomial regression, type I error <type_i_error:3>"),
    (
        "alcohol_single_infusion_met", {},
        "power <power:2> by quasi-binomial regression (type I error <type_i_error:3>;",
    ),
    (
        "alcohol_single_infusion_met", {},
        "the beta-binomial test rejects a true null too often (<type_i_error:3; analysis=beta_binomial>, with power"
        " <power:2; analysis=beta_binomial>); the difference of means does not (<type_i_error:3; analysis=difference>)"
        " and has less power (<power:2; analysis=difference>)",
    ),
    (
        "anxiety_ascending_dose", {},
        "Power with 15 an arm, by ANCOVA: <power:2; contrast=high - midazolam>, <power:2; contrast=middle - midazolam>"
        " and <power:2; contrast=low - midazolam> from the highest dose down (type I errors"
        " <type_i_error:3; contrast=high - midazolam>, <type_i_error:3; contrast=middle - midazolam> and"
        " <type_i_error:3; contrast=low - midazolam>;",
    ),
    (
        "cocaine_single_infusion_mindfulness", {},
        "Power <power:2> by quasi-binomial regression with 55 patients (type I error <type_i_error:3>;",
    ),
    (
        "cocaine_single_infusion_mindfulness", {},
        "power <power:2; endpoint=abstinent_last>, type I error <type_i_error:3; endpoint=abstinent_last>",
    ),
    (
        "cocaine_single_infusion_mindfulness", {},
        "(coverage <coverage:2; analysis=beta_binomial>, power <power:2; analysis=beta_binomial>, type I error"
        " <type_i_error:3; analysis=beta_binomial>)",
    ),
    (
        "depression_asat_training", {},
        "its type I error for training against sham is <type_i_error:3>, with power <power:2>",
    ),
    (
        "depression_esketamine_cbt", {},
        "power <power:2> by the nested MMRM, type I error <type_i_error:3>",
    ),
    (
        "depression_maintenance", {},
        "<power:2; day=42> by day 42 at a type I error of <type_i_error:3; day=42>, <power:2; day=98> by day 98 at"
        " <type_i_error:3; day=98>;",
    ),
    (
        "depression_noninferiority_ect", {},
        "the power is <power_non_inferiority:3> (power_non_inferiority)",
    ),
    (
        "depression_noninferiority_ect", {},
        "93 an arm show it in half of the trials (<power_non_inferiority:2; variant=equally good>)",
    ),
    (
        "depression_noninferiority_ect", {"design.n_per_arm": 186},
        "twice as many in <power_non_inferiority:2; variant=equally good>",
    ),
    (
        "depression_noninferiority_ect", {},
        "an ordinary test for a difference, in the variant its type I error (<power:3; variant=equally good>)",
    ),
    (
        "depression_oral_at_home", {},
        "a power of <power:2> by MMRM, type I error <type_i_error:3>",
    ),
    (
        "depression_randomised_withdrawal", {},
        "Power is <power:2> with 60 an arm by Cox regression, type I error <type_i_error:3>",
    ),
    (
        "depression_riluzole_adjunct", {},
        "its power is <power:2>, with a fourfold half-life <power:2; variant=half-life times four> (log-rank, type I"
        " error <type_i_error:3>;",
    ),
    (
        "depression_series_frequency", {},
        "17 an arm are plenty (power <power:2> and <power:2; contrast=thrice_weekly - saline> by MMRM, type I errors"
        " <type_i_error:3> and <type_i_error:3; contrast=thrice_weekly - saline>;",
    ),
    (
        "depression_series_frequency", {},
        "its power, <power:3; contrast=thrice_weekly - twice_weekly>, is hardly more than its type I error,"
        " <type_i_error:3; contrast=thrice_weekly - twice_weekly>",
    ),
    (
        "depression_series_with_cbt", {},
        "110 an arm have a power of <power:2> with the therapists in the model (nested, type I error <type_i_error:3>;"
        " MMRM without them <power:2; analysis=mmrm> at <type_i_error:3; analysis=mmrm>;",
    ),
    (
        "depression_single_infusion", {},
        "Power at 24 h is <power:2> by MMRM, <power:2; variant=perfect blind> if the blind were perfect (type I error"
        " <type_i_error:3>;",
    ),
    (
        "depression_single_infusion", {},
        "belief alone would reject in <expectancy_only_rate:2; variant=nobody is fooled> of the trials",
    ),
    (
        "depression_timing_window", {},
        "100 an arm have a power of <power:2> by the nested MMRM, type I error <type_i_error:3>",
    ),
    (
        "depression_timing_window", {"design.n_per_arm": 320},
        "320 an arm have <power:2>, at <type_i_error:3>",
    ),
    (
        "kap_package", {},
        "Power with 35 an arm is <power:2> when the therapists are counted (nested;",
    ),
    (
        "ocd_crossover", {},
        "Fisher's test of response <power:2> (type I error <type_i_error:3>, as nobody responds to saline; the"
        " published first phase has p = .077), ANCOVA of the score <power:2; analysis=ancova; day=7> (<type_i_error:3;"
        " analysis=ancova; day=7>)",
    ),
    (
        "ocd_exposure", {},
        "Power with 40 an arm, by logistic regression: <power:2; day=15> at the end of exposure (type I error"
        " <type_i_error:3; day=15>), <power:2; day=28> two weeks later (<type_i_error:3; day=28>)",
    ),
    (
        "oral_titration_single_arm", {},
        "Power to find more than 40 % responding on day 42: <power_better:2; day=42>, on day 70: <power_better:2;"
        " day=70> (exact test, whose type I error is at most .05;",
    ),
    (
        "ptsd_both_drug_or_therapy", {},
        "(10.4 points, power <power:2>), against exposure alone it sees little (2.2 points, of which 0.7 are hope;"
        " power <power:2; contrast=ketamine_therapy - therapy>), by the nested MMRM; type I errors <type_i_error:3> and"
        " <type_i_error:3; contrast=ketamine_therapy - therapy>;",
    ),
    (
        "ptsd_emdr", {},
        "Power <power:2; day=28> with 40 an arm on day 28, <power:2; day=56> on day 56 (MMRM, type I errors"
        " <type_i_error:3; day=28> and <type_i_error:3; day=56>;",
    ),
    (
        "ptsd_exposure_two_doses", {},
        "power <power:2> and <power:2; contrast=low_dose - midazolam> by the nested MMRM, type I errors"
        " <type_i_error:3> and <type_i_error:3; contrast=low_dose - midazolam>;",
    ),
    (
        "ptsd_exposure_two_doses", {"estimand.day": 14, "secondary[0].day": 14},
        "5.4 and 3.3 points with power <power:2> and <power:2; contrast=low_dose - midazolam>, type I errors"
        " <type_i_error:3> and <type_i_error:3; contrast=low_dose - midazolam>.",
    ),
    (
        "ptsd_prolonged_exposure", {},
        "with a power of <power:2; day=71> for 50 an arm (MMRM, type I error <type_i_error:3; day=71>; 4,000"
        " replicates, seed 1, MCSE at most .008); day 21 is where such a drug shows (4.9 points, <power:2; day=21> at"
        " <type_i_error:3; day=21>)",
    ),
    (
        "ptsd_prolonged_exposure", {},
        "on day 71 (6.6 points, <power:2; day=71; variant=window synergy (γ)>)",
    ),
    (
        "ptsd_repeated_midazolam", {},
        "15 an arm would have a power of <power:2> (ANCOVA, type I error <type_i_error:3>;",
    ),
    (
        "ptsd_repeated_midazolam", {},
        "were it half as large, <power:2; variant=half the effect>,",
    ),
    (
        "ptsd_week_long_dose", {},
        "Power <power:2> for the full dose and <power:2; contrast=low_dose - midazolam> for the low one (MMRM, type I"
        " errors <type_i_error:3> and <type_i_error:3; contrast=low_dose - midazolam>;",
    ),
    (
        "ptsd_week_long_dose", {},
        "-1.7 and -2.7, and <power:2; variant=additive> for the full dose",
    ),
    (
        "ptsd_week_long_dose", {},
        "which 54 an arm cannot see (power <power:2; contrast=full_dose - low_dose>)",
    ),
    (
        "bipolar_single_infusion", {},
        "With 30 an arm the power at 24 h is <power:2; day=1; endpoint=score> by MMRM (9.2 points, type I error"
        " <type_i_error:3; day=1; endpoint=score>;",
    ),
    (
        "bipolar_single_infusion", {},
        "on day 7 <power:2; day=7> (6.3 points, type I error <type_i_error:3; day=7>)",
    ),
    (
        "borderline_dbt", {},
        "60 an arm have a power of <power:2; day=84> by the nested MMRM (3.1 points, type I error"
        " <type_i_error:3; day=84>;",
    ),
    (
        "borderline_dbt", {},
        "in the variant, where therapy adds nothing, such a trial rejects in <power:3; variant=no added effect;"
        " day=84>",
    ),
    (
        "depression_series_midazolam", {},
        "31 an arm would have a power of <power:2; day=25; endpoint=score> for the 11.1 points that the medians"
        " give (MMRM, type I error <type_i_error:3; day=25; endpoint=score>;",
    ),
    (
        "depression_series_midazolam", {},
        "for the 3.2 points of the variant it is <power:2; variant=as in karmadep2_2025; day=25; endpoint=score>",
    ),
    (
        "eating_disorder_cbt", {},
        "60 an arm see a quarter of a point on day 28 with a power of <power:2; day=28> (nested MMRM, type I"
        " error <type_i_error:3; day=28>), and on day 140, when nothing is left of it, with <power:2; day=140>"
        " (<type_i_error:3; day=140>;",
    ),
    (
        "eating_disorder_cbt", {},
        "with a window <power:2; variant=window (γ = 0.5); day=28> and <power:2; variant=window (γ = 0.5);"
        " day=140>",
    ),
    (
        "ocd_series_midazolam", {},
        "Power with 25 an arm on day 14, by MMRM: <power:2; day=14; endpoint=score> (8.8 points, type I error"
        " <type_i_error:3; day=14; endpoint=score>), on day 42 <power:2; day=42> (5.2 points, <type_i_error:3;"
        " day=42>;",
    ),
    (
        "ptsd_sleep_and_mood", {},
        "Power with 30 an arm on day 14, by MMRM: PTSD <power:2; outcome=ptsd>, depression <power:2;"
        " outcome=depression>, sleep <power:2; outcome=sleep>; by Holm's procedure over the three"
        " <power_multiplicity:2; outcome=ptsd>, <power_multiplicity:2; outcome=depression> and"
        " <power_multiplicity:2; outcome=sleep>, all three <power_all:2> (type I errors <type_i_error:3;"
        " outcome=ptsd>, <type_i_error:3; outcome=depression> and <type_i_error:3; outcome=sleep>;",
    ),
    (
        "ptsd_sleep_and_mood", {},
        "With half the effect all three are shown in <power_all:2; variant=half the effect> of the trials",
    ),
    (
        "ptsd_two_doses_saline", {},
        "Belief alone, 5 points, would be found in <power:2; variant=belief alone> of such trials by MMRM, with"
        " type I errors of <type_i_error:3; contrast=high - saline> and <type_i_error:3; contrast=low - saline>"
        " where neither acts",
    ),
    (
        "social_anxiety_cbt", {},
        "Power with 50 an arm, by the nested MMRM: <power:2; day=28; endpoint=score> on day 28 (11.7 points, type"
        " I error <type_i_error:3; day=28; endpoint=score>), <power:2; day=84> on day 84 (5.8 points,"
        " <type_i_error:3; day=84>;",
    ),
    (
        "social_anxiety_cbt", {},
        "with a window <power:2; variant=window (γ = 0.5); day=84> on day 84",
    ),
    (
        "suicidality_24h", {},
        "Power with 40 an arm, by ANCOVA: depression <power:3; outcome=depression> at 24 h, ideation <power:3;"
        " outcome=ideation; day=1>, in the sequence <power_multiplicity:3; outcome=ideation; day=1> (type I errors"
        " <type_i_error:3; outcome=depression> and <type_i_error:3; outcome=ideation; day=1>;",
    ),
    (
        "suicidality_24h", {},
        "Should the drug move ideation only with mood (variant), the sequence has a power of"
        " <power_multiplicity:2; variant=ideation follows mood; outcome=ideation; day=1>",
    ),
    (
        "cannabis_days_of_use", {},
        "60 an arm have a power of <power:2; endpoint=days_used> for a rate of days of use lower by 22 %, by"
        " negative binomial regression (type I error <type_i_error:3; endpoint=days_used>), <power:2;"
        " endpoint=percent_abstinent_days> for the share of days abstinent (<type_i_error:3;"
        " endpoint=percent_abstinent_days>), and <power:2; endpoint=abstinent_last> for abstinence over the last"
        " two weeks (<type_i_error:3; endpoint=abstinent_last>;",
    ),
    (
        "opioid_repeated_sessions", {},
        "60 an arm have a power of <power:2; variant=as declared; analysis=logrank> by the log-rank test of the"
        " time to the first use (type I error <type_i_error:3; variant=as declared; analysis=logrank>), and"
        " <power:2; variant=as declared; analysis=response> for abstinence through the year (<type_i_error:3;"
        " variant=as declared; analysis=response>;",
    ),
    (
        "opioid_repeated_sessions", {},
        "27 an arm, as in krupitsky2007, <power:2; variant=as large as krupitsky2007; analysis=logrank> and"
        " <power:2; variant=as large as krupitsky2007; analysis=response>",
    ),
]  # fmt: skip


def notes_of(scenario: str) -> str:
    raw = yaml.safe_load((SCENARIOS / f"{scenario}.yaml").read_text(encoding="utf-8"))
    return " ".join(str(raw.get("notes", "")).split())


def filled_in(sentence: str, rows: list[dict]) -> str:
    """The sentence with its numbers."""

    def number(field: re.Match[str]) -> str:
        metric, mcse, places, conditions = field.groups()
        wanted = dict(each.split("=", 1) for each in conditions.split("; ")[1:])
        row = next(
            row for row in rows
            if row["metric"] == metric and all(_shown(row[name]) == value for name, value in wanted.items())
        )  # fmt: skip
        return f"{row['mcse' if mcse else 'value']:.{places}f}".removeprefix("0")

    return FIELD.sub(number, sentence)


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


# Of the plan with so many therapists, run in its clinic; and without it, with the caseload of as many.
IN_CLINIC = {
    4: ("<power:3> (<power.mcse:3>)", "<type_i_error:3> with four and"),
    3: (
        "<power:3> (<power.mcse:3>)", "and <type_i_error:3> with three (.006)", "the rest of the way to <power:2>.",
        "(ancova) would put power at <power:2; analysis=ancova> with three of them, at a type I error of"
        " <type_i_error:2; analysis=ancova>",
    ),
}  # fmt: skip
WITHOUT = {50: "that alone makes <power:2> (<power.mcse:3>) into", 67: "into <power:2> (<power.mcse:3>), by"}

# By `kaptrial looks`.
LOOKS = {
    "depression_futility_look": (
        "The look comes in month <months:1; look=1>, when <n_followed:0; look=1> of <max_n:0> patients have reached day"
        " 112 and <under_way:0; look=1> more are under way; it has <information:2; look=1> of the information.",
        "Power is <power:2> with it and <fixed_power:2> without, the one-sided type I error <type_i_error:3> and"
        " <fixed_type_i_error:3>. It stops <stop_futility_type_i_error:2; look=1> of the trials without an effect, and"
        " <stop_futility:2; look=1> of those with one; <expected_n:0> patients are randomised on average,"
        f" <expected_n_type_i_error:0> without an effect. {SAID}.",
    ),
    "depression_randomised_withdrawal": (
        "they come in months <months:1; look=1> and <months:1; look=2>, with <n_randomised:0; look=1> and"
        " <n_randomised:0; look=2> of <max_n:0> patients randomised, <n_followed:0; look=1> and"
        " <n_followed:0; look=2> of them for as long as day 294.",
        "They stop <stop_efficacy:2; look=1> and <stop_efficacy:2; look=2> of the trials. Power is <power:2> with them"
        " and <fixed_power:2> without, the type I error <type_i_error:3> and <fixed_type_i_error:3>; a trial takes"
        " <expected_months:1> months on average instead of <fixed_months:1>, and <expected_n:0> patients. At the end"
        " the log hazard ratio is <mean_estimate:2> on average where the truth is <truth:2>, and"
        " <mean_bias_adjusted:2> once adjusted for the looks.",
    ),
    "ptsd_prolonged_exposure": (
        "in month <months:1; look=1>, with <under_way:0; look=1> more under way, who are followed up by month"
        " <months_decided:1; look=1> before a trial that it stops is decided.",
        "It stops <stop_futility:2; look=1; variant=additive> of the trials for futility if drug and exposure only add;"
        " <expected_n:0; variant=additive> patients are then randomised on average. In the window it stops"
        " <stop_futility:2; look=1; variant=window synergy (γ)> for futility and"
        " <stop_efficacy:2; look=1; variant=window synergy (γ)> for efficacy; power is"
        " <power:2; variant=window synergy (γ)> with it and <fixed_power:2; variant=window synergy (γ)> without, the"
        " one-sided type I error <type_i_error:3> and <fixed_type_i_error:3>.",
    ),
}

QUOTING = sorted({scenario for scenario, *_ in SENTENCES})


@pytest.mark.parametrize("scenario", QUOTING)
def test_notes_quote_what_the_command_gives(scenario):
    notes, rows = notes_of(scenario), {}
    assert SAID in notes
    for _, settings, sentence in [each for each in SENTENCES if each[0] == scenario]:
        key = str(settings)
        if key not in rows:
            said = [f"{path}={value}" for path, value in settings.items()]
            cells = cells_of(SCENARIOS / f"{scenario}.yaml", said, None)
            results = characteristics(cells, seed=1, replicates=REPLICATES, controls=True)
            rows[key] = [result.cell.columns | row.flat() for result in results for row in result.rows]
        assert filled_in(sentence, rows[key]) in notes
    for row in rows["{}"]:
        assert row["metric"] not in ("power", "type_i_error") or row["mcse"] < 0.0085


@pytest.mark.parametrize("scenario", LOOKS)
def test_notes_quote_what_looks_give(scenario):
    notes, rows = notes_of(scenario), kt.looks(scenario, replicates=REPLICATES, seed=1, workers=2).flat()
    assert SAID in notes
    for sentence in LOOKS[scenario]:
        assert filled_in(sentence, rows) in notes
    for row in rows:
        assert row["metric"] not in ("power", "fixed_power", "type_i_error", "stop_futility") or row["mcse"] < 0.0085


@pytest.mark.parametrize("therapists", IN_CLINIC)
def test_notes_quote_what_the_clinic_gives(therapists):
    notes = notes_of(CLINIC)
    assert "In 2,048 trials run through the clinic (seed 1, MCSE in brackets)" in notes
    rows = kt.power(CLINIC, vary={THERAPISTS: [therapists]}, replicates=2048, seed=1, clinic=True, workers=2).flat()
    for sentence in IN_CLINIC[therapists]:
        assert filled_in(sentence, rows) in notes


@pytest.mark.parametrize("caseload", WITHOUT)
def test_notes_quote_what_the_same_trial_gives_without_its_clinic(caseload):
    vary = {"therapies.cbt.therapists.caseload": [caseload]}
    rows = kt.power(CLINIC, vary=vary, replicates=REPLICATES, seed=1).flat()
    assert filled_in(WITHOUT[caseload], rows) in notes_of(CLINIC)


def test_no_other_notes_quote_a_power():
    quoting = {
        path.stem
        for path in SCENARIOS.glob("*.yaml")
        if re.search(r"([Pp]ower|type I error)[^.]{0,40} \(?\.\d", notes_of(path.stem))
    }
    assert quoting <= {*QUOTING, *LOOKS, CLINIC}
