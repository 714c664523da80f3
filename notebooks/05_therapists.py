# %% [markdown]
# # Therapists: the patients you cannot count twice
#
# Patients of one therapist resemble each other, because therapists differ. When only one arm has
# therapists, an analysis that ignores them claims effects that are not there, and one that counts
# them has less power than the number of patients suggests. This notebook shows both, and then what
# helps: more therapists, or more patients?
#
# The trial is the scenario `starter` (ketamine with or without CBT, a made-up file) with therapists
# in its CBT arm. Every ± is one Monte Carlo standard error (MCSE).

# %%
import matplotlib.pyplot as plt

import kaptrial as kt

plt.style.use("figures.mplstyle")
REPLICATES = 2000
SEED = 1

# %% [markdown]
# ## How different are therapists?
#
# Reviews of naturalistic and randomised psychotherapy put about a twentieth of the variance of
# outcomes between therapists. On the MADRS, that is an SD between therapists of two points or so.

# %%
between = {"value": 2.0, "unit": "points", "source": "assumption", "note": "near 5 % of the variance"}
scenario = kt.load_scenario(
    "starter",
    {"therapies.cbt.therapists": {"count": 5, "sd": between}, "estimand.methods": ["ancova", "nested"]},
)
spread = kt.truth(scenario, seed=SEED).to_frame().iloc[0]["sd_ketamine_cbt"]
share = between["value"] ** 2 / spread**2
print(f"SD of the MADRS on day 28 with CBT: {spread:.1f} points, of which {100 * share:.0f} % of the variance")
print("between therapists")

# %% [markdown]
# ## The same patients, fewer therapists
#
# `ancova` does not know who treated whom; `nested` has a therapist effect in the CBT arm alone. The
# number of patients is the same everywhere.

# %%
COUNTS = [3, 4, 5, 6, 10, 20, 60]
results = kt.power(scenario, vary={"therapies.cbt.therapists.count": COUNTS}, replicates=REPLICATES, seed=SEED)
frame = results.to_frame().rename(columns={"therapies.cbt.therapists.count": "therapists"})
frame["text"] = [f"{v:.3f} ± {e:.3f}" for v, e in zip(frame["value"], frame["mcse"], strict=True)]
print(f"{scenario.design.n_per_arm} patients an arm, {REPLICATES} replicates, seed {SEED}; value ± MCSE")
shown = frame[frame["metric"].isin(["power", "type_i_error"])]
shown.pivot(index=["metric", "analysis"], columns="therapists", values="text").T

# %%
figure, axes = plt.subplots(2, 1, figsize=(3.5, 3.8), sharex=True)
for axis, metric in zip(axes, ["type_i_error", "power"], strict=True):
    for (name, rows), style in zip(frame[frame["metric"] == metric].groupby("analysis"), ["o-", "s--"], strict=True):
        axis.errorbar(rows["therapists"], rows["value"], yerr=1.96 * rows["mcse"], fmt=style, label=name)
axes[0].axhline(scenario.analysis.alpha, color="0.6", lw=0.7)
axes[0].set(ylabel="Type I error", ylim=(0, None))
axes[1].set(ylabel="Power", xscale="log", xlabel="Therapists in the CBT arm (95 % Monte Carlo)", ylim=(0, 1))
axes[1].set_xticks(COUNTS, COUNTS)
axes[1].minorticks_off()
axes[0].legend()
plt.show()

# %% [markdown]
# With every patient treated by somebody else the two analyses agree. With few therapists the one that
# ignores them claims too much, and its power is not to be had: it comes with false claims. What the
# other loses is nearly all the price of few therapists: their differences do not average out.
#
# ## How much does it depend on how different they are?

# %%
SPREADS = [0.0, 1.0, 2.0, 3.0]
varied = kt.power(scenario, vary={"therapies.cbt.therapists.sd.value": SPREADS}, replicates=REPLICATES, seed=SEED)
by_sd = varied.to_frame().rename(columns={"therapies.cbt.therapists.sd.value": "sd"})
figure, axes = plt.subplots()
for (name, rows), style in zip(by_sd.query("metric == 'power'").groupby("analysis"), ["o-", "s--"], strict=True):
    axes.plot(rows["sd"], rows["value"], style, label=f"power, {name}")
for (name, rows), style in zip(by_sd.query("metric == 'type_i_error'").groupby("analysis"), ["o:", "s:"], strict=True):
    axes.plot(rows["sd"], rows["value"], style, color="0.5", mfc="white", label=f"type I error, {name}")
axes.set(xlabel="SD between five therapists (points)", ylabel="Share of trials", ylim=(0, 1))
axes.legend(ncols=2, loc="center")
plt.show()

# %%
largest = by_sd[by_sd["sd"] == max(SPREADS)].set_index(["analysis", "metric"])
row = largest.loc[("ancova", "type_i_error")]
print(
    f"At an SD of {max(SPREADS):g} the analysis that ignores therapists has a type I error of {row.value:.2f} "
    f"± {row.mcse:.2f}."
)

# %% [markdown]
# Where therapists do not differ at all, the nested analysis still pays a little: with five of them it
# cannot know.
#
# ## More patients or more therapists?
#
# Both cost money. Here are the cheapest pairs with 90 % power, if a patient costs 1,500, one with CBT
# 2,500 and a therapist to train and supervise 6,000 (made-up prices). Each point is a plan with the
# same power.

# %%
plans = kt.size(
    scenario.with_values({"estimand.methods": ["nested"]}),
    power=0.9,
    over=["design.n_per_arm", "therapies.cbt.therapists.count"],
    costs={"ketamine": 1500, "ketamine_cbt": 2500, "therapies.cbt.therapists": 6000},
    replicates=REPLICATES // 4,
    seed=SEED,
)
print(plans.headline.text)
table = plans.to_frame()
table[["therapists", "n", "caseload", "cost", "power", "mcse", "chosen"]].round(3)

# %%
figure, axes = plt.subplots()
axes.plot(table["therapists"], table["n"], "o-", color="C0")
best = table[table["chosen"]].iloc[0]
axes.plot(best["therapists"], best["n"], "o", ms=9, mfc="none", mec="C1")
for row in table.itertuples():
    axes.annotate(f"{row.cost / 1000:.0f}k", (row.therapists, row.n), xytext=(4, 4), textcoords="offset points")
axes.set(xlabel="Therapists", ylabel="Patients per arm", ylim=(0, 1.15 * table["n"].max()))
plt.show()

# %% [markdown]
# The ring is the cheapest plan. To its left the trial pays in patients for therapists that it does
# not have; to its right it trains therapists whom it hardly uses.
#
# ## Change this
#
# - Make therapists dear (`"therapies.cbt.therapists": 20000`). How far does the ring move?
# - Give both arms a therapy with therapists (see the scenario `ptsd_both_drug_or_therapy`). What is
#   left of the problem?
# - Let the therapists differ less, as manuals and supervision promise: `"value": 1.0` in `between`.
