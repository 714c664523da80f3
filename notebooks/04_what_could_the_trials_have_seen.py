# %% [markdown]
# # What could the trials so far have seen?
#
# Three trials randomised a psychological treatment in patients given ketamine, and none shows that
# the two together do more than the sum of each. That is easily read as "therapy adds nothing". So:
# what could each of them have found?
#
# | trial | who was randomised to what | can it estimate an interaction? |
# |---|---|---|
# | KARE (Grabski 2022) | ketamine or saline × relapse prevention or education, alcohol | yes |
# | Wilkinson 2021 | responders to six infusions: CBT or usual care, depression | no, all had ketamine |
# | Price 2022 (ASAT) | three of four cells of ketamine × training, depression | no, one cell is missing |
#
# Here they are run in simulation at the sizes that they had; the scenarios say which of their numbers
# are published and which assumed (most are). Every ± is one Monte Carlo standard error (MCSE).

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import kaptrial as kt

plt.style.use("figures.mplstyle")
REPLICATES = 1000
DRAWS = 40
SEED = 2022

# %% [markdown]
# ## The trials as they were, in a world where therapy does what is plausible
#
# The yardstick: psychotherapy added to an antidepressant drug is worth the Hedges' g below (none of
# those trials is of ketamine). That is the plausible effect of a therapy given the drug. An
# interaction is what both do beyond the sum; half of the therapy's whole effect would be a large one,
# and is taken as plausible.

# %%
g = kt.evidence.show("cuijpers2014").to_frame().iloc[0]
print(f"{g['statistic']}: {g['value']} (95 % interval {g['ci95'][0]} to {g['ci95'][1]}; {g['note']})")
kare = {"therapies.relapse_prevention.gamma": 2.5, "design.n_per_arm": 24, "estimand.methods": ["difference"]}
cbt = {"design.n_per_arm": 14, "therapies.cbt.max_effect": 6, "estimand.methods": ["mmrm"]}
asat = {"design.n_per_arm": 51, "therapies.asat.max_effect": 3.6}
plain = {"secondary": [], "variants": {}}
scenarios = {
    "KARE": kt.load_scenario("kare_factorial", kare | plain),
    "Wilkinson": kt.load_scenario("depression_series_with_cbt", cbt | plain),
    "Price": kt.load_scenario("depression_asat_training", asat | plain),
}
results = {name: kt.power(s, replicates=REPLICATES, seed=SEED) for name, s in scenarios.items()}

# %%
rows = pd.concat([result.to_frame().assign(trial=name) for name, result in results.items()])
primary = rows.groupby("trial", sort=False)["analysis"].first()
rows = rows[rows["analysis"] == rows["trial"].map(primary)].set_index(["trial", "metric"])
asked = ["power", "type_i_error", "false_synergy_rate"]
shown = rows[rows.index.get_level_values("metric").isin(asked)].copy()
shown["value ± MCSE"] = [f"{v:.3f} ± {e:.3f}" for v, e in zip(shown["value"], shown["mcse"], strict=True)]
print(f"{REPLICATES} replicates, seed {SEED}")
shown[["analysis", "contrast", "day", "value ± MCSE"]]

# %% [markdown]
# ## What was detectable, and what is plausible
#
# *Detectable*: the true value that the trial would find in four of five repetitions. For the two
# trials that could not estimate an interaction, the last two lines say what they could have, had they
# been a 2×2 with as many patients a cell (four means in place of two: a standard error √2 times as
# large).

# %%
read = kt.evidence.show("grabski2022_kare").to_frame()
kare_sd = read[read["statistic"].str.startswith("SD of % days abstinent")]["value"].astype(float).mean()
truth = {name: kt.truth(s, seed=SEED).to_frame().filter(like="sd_") for name, s in scenarios.items()}
sd = {"KARE": kare_sd} | {name: truth[name].iloc[0].mean() for name in ("Wilkinson", "Price")}
detectable = rows.xs("detectable_difference", level="metric")
cases = pd.DataFrame(
    [("KARE", "interaction", 1), ("Wilkinson", "therapy", 1), ("Price", "therapy", 1)]
    + [(name, "interaction, as a 2×2", np.sqrt(2)) for name in ("Wilkinson", "Price")],
    columns=["trial", "question", "factor"],
)
cases["n a group"] = [scenarios[name].design.n_per_arm for name in cases["trial"]]
cases["SD"] = cases["trial"].map(sd)

# %%
cases["detectable"] = cases["factor"] * cases["trial"].map(detectable["value"]) / cases["SD"]
cases["MCSE"] = cases["factor"] * cases["trial"].map(detectable["mcse"]) / cases["SD"]
cases["plausible"] = g["value"] / np.where(cases["question"] == "therapy", 1, 2)
cases["ratio"] = cases["detectable"] / cases["plausible"]
cases.drop(columns="factor").round(3)

# %%
figure, axes = plt.subplots(figsize=(3.5, 2.6))
y = np.arange(len(cases))
low, high = (g["ci95"][i] * cases["plausible"] / g["value"] for i in (0, 1))
axes.hlines(y, low, high, color="C2", lw=5, alpha=0.5, label="plausible (95 %)")
axes.errorbar(cases["detectable"], y, xerr=1.96 * cases["MCSE"], fmt="o", color="C1", label="detectable")
axes.set_yticks(y, cases["trial"] + ":\n" + cases["question"].str.replace(", as", ",\nas"))
axes.invert_yaxis()
axes.set(xlabel="Effect in SDs", xlim=(0, None))
figure.legend(loc="outside lower center", ncols=2)
plt.show()

# %% [markdown]
# ## The only 2×2, and the end of its scale
#
# KARE counted days abstinent, and there are no more than all of them. Beyond the sum of both effects
# the scale leaves less room than the trial needed.

# %%
results["KARE"].plot("interaction_room")

# %% [markdown]
# ## Power averaged over what may be believed
#
# One effect is one guess. Each scenario holds a wide belief about what its therapy does (its median
# is the yardstick); the assurance is the average of power over it.

# %%
believed = {name: kt.assurance(s, draws=DRAWS, seed=SEED) for name, s in scenarios.items()}
averages = pd.concat([result.to_frame().assign(trial=name) for name, result in believed.items()])
averages = averages[averages["analysis"] == averages["trial"].map(primary)]
averages = averages[averages["metric"].isin(["power", "assurance", "probability_of_80_power"])]
figure, axes = plt.subplots()
for (name, rates), shift in zip(averages.groupby("metric", sort=False), (-0.25, 0, 0.25), strict=True):
    at = np.arange(len(rates)) + shift
    axes.bar(
        at, rates["value"], yerr=1.96 * rates["mcse"], width=0.23, label=name.replace("_", " ").replace("80 ", "80 % ")
    )
axes.axhline(0.8, color="0.6", lw=0.7)
axes.set_xticks(range(len(scenarios)), list(scenarios))
axes.set(ylabel="Probability (95 % Monte Carlo)", ylim=(0, 1.35))
axes.legend(loc="upper left")
plt.show()

# %%
averages["value ± MCSE"] = [f"{v:.2f} ± {e:.3f}" for v, e in zip(averages["value"], averages["mcse"], strict=True)]
print(f"{DRAWS} draws, 128 trials each, seed {SEED}")
averages.pivot(index="trial", columns="metric", values="value ± MCSE").loc[list(scenarios)]

# %% [markdown]
# ## How large would a trial have to be?
#
# With n times as many patients the detectable effect falls by √n, so the size that makes the
# plausible effect detectable follows from the ratio in the table.

# %%
cases["needed"] = (cases["n a group"] * cases["ratio"] ** 2).round(-1).astype(int)
figure, axes = plt.subplots(figsize=(3.5, 2.6))
axes.plot(cases["n a group"], y, "o", mfc="white", label="had")
axes.plot(cases["needed"], y, "s", label="needed for 80 % power")
axes.hlines(y, cases["n a group"], cases["needed"], color="0.7", lw=1, zorder=0)
axes.set_yticks(y, cases["trial"] + ":\n" + cases["question"].str.replace(", as", ",\nas"))
axes.invert_yaxis()
axes.set(xscale="log", xlabel="Patients in each group")
axes.set_xticks([10, 100, 1000], ["10", "100", "1000"])
figure.legend(loc="outside lower center", ncols=2)
plt.show()
for row in cases.itertuples():
    print(f"{row.trial}, {row.question}: some {row.needed:,} a group")

# %% [markdown]
# None of the three could have seen a plausible interaction, and only one could estimate one at all.
# That no trial has shown one says next to nothing about whether there is one.
#
# What this rests on is mostly assumption: the spread of the scores, the course, the dropout, and
# KARE's control cell. The g comes from psychotherapy added to antidepressants; after ketamine it may
# do less. The beliefs exclude harm, and so err towards hope.
#
# ## Change this
#
# - Give KARE four times as many patients (`"design.n_per_arm": 96`). Does the scale now leave enough
#   room?
# - Let the plausible interaction be the whole effect of the therapy instead of half: which trial
#   comes near?
# - Analyse Wilkinson's trial with its therapists (`"estimand.methods": ["nested"]`). What is left of
#   its power?
