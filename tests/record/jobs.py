"""What the record holds: runs of every command that computes numbers, small and under seed 1."""

from __future__ import annotations

from pathlib import Path

from tests import DATA, ROOT

SCENARIOS = sorted((ROOT / "scenarios").glob("*.yaml"))
TWO_ARMS, FACTORIAL = DATA / "two_arm_monotone.csv", DATA / "factorial_intermittent.csv"
NESTED, RELAPSE = DATA / "partially_nested.csv", DATA / "relapse.csv"
DAYS, CROSSOVER = DATA / "abstinent_days.csv", DATA / "crossover.csv"
FACTORS = ("--factor", "ketamine", "--factor", "therapy")
KETAMINE = ("--reference", "ketamine")
KARE, CLINIC = (ROOT / "scenarios" / f"{name}.yaml" for name in ("kare_factorial", "clinic_one_therapist_short"))
STARTER = ROOT / "scenarios" / "starter.yaml"


def _analyse(file: Path, method: str, *options: object) -> tuple[object, ...]:
    return ("analyse", file, "--method", method, *options)


def _analyses() -> dict[str, tuple[object, ...]]:
    imputed = ("--inference", "rubin", "--imputations", 20)
    jobs = {
        f"two_arms_{method}": _analyse(TWO_ARMS, method, *KETAMINE)
        for method in ("ancova", "difference", "mmrm", "reference_based", "response", "firth")
    }
    jobs |= {
        f"factorial_{method}": _analyse(FACTORIAL, method, *FACTORS)
        for method in ("ancova", "difference", "mmrm", "response")
    }
    jobs |= {f"relapse_{method}": _analyse(RELAPSE, method, *KETAMINE) for method in ("logrank", "cox")}
    jobs["relapse_rmst"] = _analyse(RELAPSE, "rmst", *KETAMINE, "--horizon", 180)
    jobs |= {f"days_{method}": _analyse(DAYS, method, *FACTORS) for method in ("abstinent_days", "beta_binomial")}
    jobs |= {
        "two_arms_kenward_roger": _analyse(TWO_ARMS, "mmrm", *KETAMINE, "--df", "kenward-roger"),
        "two_arms_clda": _analyse(TWO_ARMS, "mmrm", *KETAMINE, "--constrained-baseline"),
        "two_arms_tipping": _analyse(TWO_ARMS, "reference_based", *KETAMINE, "--imputation", "JR", "--tipping-point"),
        "two_arms_rubin": _analyse(TWO_ARMS, "reference_based", *KETAMINE, *imputed),
        "two_arms_margin": _analyse(TWO_ARMS, "ancova", *KETAMINE, "--margin", 3),
        "factorial_site": _analyse(FACTORIAL, "mmrm", *FACTORS, "--covariate", "site", "--target-day", 28),
        "nested": _analyse(NESTED, "nested", *KETAMINE),
        "nested_by_arm": _analyse(NESTED, "nested", *KETAMINE, "--residual", "by_arm", "--df", "kenward-roger"),
        "nested_mmrm": _analyse(NESTED, "nested_mmrm", *KETAMINE),
        "days_counts": _analyse(DAYS, "counts", *FACTORS, "--score", "abstinent_days", "--days", "days"),
        "crossover": _analyse(CROSSOVER, "crossover"),
        "crossover_first": _analyse(CROSSOVER, "crossover", "--first-period-only"),
    }
    return {f"analyse_{name}": job for name, job in jobs.items()}


PLAIN = "--no-control-variates"
JOBS: dict[str, tuple[object, ...]] = {
    **{f"power_{path.stem}": ("power", path, "--replicates", 256, PLAIN) for path in SCENARIOS},
    "power_vary": ("power", STARTER, "--replicates", 256, "--vary", "design.n_per_arm=20,40", PLAIN),
    "power_controlled": ("power", STARTER, "--replicates", 256, "--vary", "design.n_per_arm=20,40"),
    "power_clinic": ("power", CLINIC, "--replicates", 128, "--clinic", "--no-nulls", PLAIN),
    **_analyses(),
    "size": ("size", STARTER, "--power", 0.8, "--replicates", 400, PLAIN),
    "size_controlled": ("size", STARTER, "--power", 0.8, "--replicates", 400),
    "size_effect": (
        "size", STARTER, "--power", 0.8, "--replicates", 400, "--over", "therapies.cbt.max_effect", "--between", "1,15",
        PLAIN,
    ),
    "size_staffed": (
        "size", ROOT / "scenarios" / "kap_package.yaml", "--power", 0.5, "--replicates", 100,
        "--over", "design.n_per_arm", "--over", "therapies.kap.therapists.count",
        "--cost", "medical=1000", "--cost", "kap=2000", "--cost", "therapies.kap.therapists=8000", PLAIN,
    ),
    "looks": ("looks", ROOT / "scenarios" / "depression_futility_look.yaml", "--replicates", 256, "--no-variants"),
    "looks_follow_up": ("looks", ROOT / "scenarios" / "ptsd_prolonged_exposure.yaml", "--replicates", 256),
    "looks_size": ("size", ROOT / "scenarios" / "depression_futility_look.yaml", "--power", 0.8, "--replicates", 200),
    "looks_assurance": (
        "assurance", ROOT / "scenarios" / "ptsd_prolonged_exposure.yaml", "--draws", 4, "--prior",
        "depression_iv_2026b",
    ),
    "looks_compare": (
        "compare", ROOT / "scenarios" / "depression_futility_look.yaml", "--replicates", 256, "--vary",
        "design.group_sequential=null",
    ),
    "boundaries": (
        "boundaries", "--information", ".3,.7,1", "--power", 0.8, "--futility", "obf", "--binding",
        "--pending", ".16,.2", "--statistic", "1,2.6",
    ),
    "compare": (
        "compare", STARTER, ROOT / "scenarios" / "ptsd_repeated_midazolam.yaml", "--replicates", 256, "--draws", 4,
        "--prior", "depression_iv_2026b", PLAIN,
    ),
    "assurance": (
        "assurance", ROOT / "scenarios" / "depression_single_infusion.yaml", "--prior", "depression_iv_2026",
        "--draws", 4, "--replicates", 128, PLAIN,
    ),
    "decide": (
        "decide", KARE, "--replicates", 256, "--design-prior", "scenario,null,evidence", "--prior", "weak,skeptical",
        "--rope", 3, "--interim", 0.5,
    ),
    "decide_prior": (
        "decide", ROOT / "scenarios" / "depression_series_with_cbt.yaml", "--design-prior", "prior", "--draws", 4,
    ),
    "clinic": ("clinic", CLINIC, "--replicates", 16),
    "clinic_plans": ("clinic", CLINIC, "--replicates", 128, "--vary", "clinic.sites[0].therapists.cbt=3,4"),
    "fit_scores": ("fit", FACTORIAL, *FACTORS, "--draws", 200, "--prior", "weak,evidence", "--margin", 3),
    "fit_binary": (
        "fit", TWO_ARMS, *KETAMINE, "--likelihood", "binary", "--draws", 200, "--prior", "skeptical", "--role",
        "therapy",
    ),
    "fit_days": ("fit", DAYS, *FACTORS, "--likelihood", "abstinent_days", "--draws", 200),
    "evidence_replicate": ("evidence", "replicate", "all", "--replicates", 200),
}  # fmt: skip
# Seconds in all, one of each kind; what the sampler draws is the same to the last bit on one kind of processor only.
SAMPLE = (
    "power_starter", "power_rescue_and_dropout", "power_oral_titration_single_arm", "analyse_two_arms_mmrm",
    "analyse_nested", "analyse_relapse_rmst", "analyse_days_abstinent_days", "analyse_crossover", "assurance", "clinic",
)  # fmt: skip
