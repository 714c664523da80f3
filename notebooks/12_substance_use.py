# %% [markdown]
# # Substance use: which of the many outcomes should be primary?
#
# A trial of alcohol use can count days abstinent, heavy drinking days or the time to relapse, all
# from the same diary. This notebook takes one trial of a single infusion within motivational
# enhancement therapy, gives its patients drinks as well as days, and asks what each endpoint shows
# and at what type I error.
#
# The scenario is `alcohol_single_infusion_met`, after Dakwar 2020, which published no size of its
# effects; so every number about the world is an assumption. Every ± is one Monte Carlo standard error
# (MCSE).

# %%
import matplotlib.pyplot as plt

import kaptrial as kt

plt.style.use("figures.mplstyle")
REPLICATES = 600
SEED = 1

# %% [markdown]
# ## From days to drinks
#
# The scenario counts days with and without use. Drinks on a day of use, and what the endpoints ask of
# them, are added here.

# %%
why = {"source": "assumption", "note": "chosen for this notebook"}
amount = {
    "mean": why | {"value": 8, "log_sd": 0.6, "unit": "drinks"},
    "dispersion": why | {"value": 0.5, "unit": "none"},
    "loading": why | {"value": 0.2, "unit": "none"},
    "heavy_from": 5,
}

# %%
contrast = "ketamine - midazolam"
ENDPOINTS = ["heavy_days", "drinks_per_day", "abstinent_last", "time_to_first_use", "time_to_confirmed_relapse"]
settings = {
    "outcome": {"scale": "percent_abstinent_days", "amount": amount, "use": {"abstinent_last": 7, "relapse_days": 3}},
    "estimand.methods": ["abstinent_days", "difference"],
    "secondary": [{"contrast": contrast, "day": 21, "endpoint": endpoint} for endpoint in ENDPOINTS],
    "variants": {},
}
scenario = kt.load_scenario("alcohol_single_infusion_met", settings)
print(scenario.question)

# %% [markdown]
# ## Three weeks of a diary

# %%
SIZES = [20, 40, 80]
results = kt.power(scenario, vary={"design.n_per_arm": SIZES}, replicates=REPLICATES, seed=SEED)
results.plot("trajectories")

# %%
trials = kt.simulate(scenario, seed=SEED, replicates=min(REPLICATES, 200)).to_frame()
last = trials[trials["day"] == scenario.estimand.day]
figure, axes = plt.subplots()
for (arm, rows), hatch in zip(last.groupby("arm"), ["", "///"], strict=True):
    axes.hist(rows["score"].dropna(), bins=21, density=True, alpha=0.5, hatch=hatch, label=arm)
axes.set(xlabel="Days abstinent in the last week (%)", ylabel="Density of patients")
axes.legend(loc="upper center")
plt.show()

# %% [markdown]
# These are not bell curves. Many patients are abstinent on every day and some on none, and the
# analyses of scores were not made for that.
#
# ## What each endpoint finds

# %%
frame = results.to_frame().rename(columns={"design.n_per_arm": "n"})
frame["name"] = frame["endpoint"].str.replace("_", " ") + "\n(" + frame["analysis"].str.replace("_", " ") + ")"
asked = frame[frame["metric"].isin(["power", "type_i_error"]) & (frame["n"] == SIZES[0])]
rates = asked.pivot(index="name", columns="metric", values=["value", "mcse"])
rates = rates.sort_values(("value", "power"))
figure, axes = plt.subplots(figsize=(3.5, 3.6))
for metric, style, label in (("power", "o", "power"), ("type_i_error", "s", "type I error")):
    error = 1.96 * rates["mcse"][metric]
    axes.errorbar(rates["value"][metric], range(len(rates)), xerr=error, fmt=style, label=label)
axes.axvline(scenario.analysis.alpha, color="0.6", lw=0.7)
axes.set_yticks(range(len(rates)), rates.index)
axes.set(xlabel="Significant trials (95 % Monte Carlo)", xlim=(0, 1))
axes.legend(loc="lower right")
plt.show()

# %%
shown = frame[frame["metric"].isin(["truth", "power", "type_i_error"]) & (frame["n"] == SIZES[0])].copy()
shown["value ± MCSE"] = [f"{v:.3f} ± {e:.3f}" for v, e in zip(shown["value"], shown["mcse"], strict=True)]
print(f"{scenario.n_total} patients; {REPLICATES} replicates; seed {SEED}; day {scenario.estimand.day:g}")
shown.pivot(index=["endpoint", "analysis", "measure"], columns="metric", values="value ± MCSE")

# %% [markdown]
# All of them come from the same diary and the same effect. An endpoint that asks yes or no, or only
# for the first day of use, throws most of the diary away. An endpoint that uses it all is not thereby
# the right one: the regression of days abstinent has to be read beside its type I error, which for a
# trial this small may be above its level.
#
# ## With more patients

# %%
CHOSEN = ["percent_abstinent_days", "heavy_days", "time_to_first_use", "abstinent_last"]
figure, axes = plt.subplots(figsize=(3.5, 2.8))
power = frame[(frame["metric"] == "power") & (frame["analysis"] != "difference")].set_index("endpoint")
false = frame[(frame["metric"] == "type_i_error") & (frame["analysis"] != "difference")].set_index("endpoint")
for i, (name, marker) in enumerate(zip(CHOSEN, "osD^", strict=True)):
    axes.plot(power.loc[name, "n"], power.loc[name, "value"], f"{marker}-", label=name.replace("_", " "))
    axes.plot(false.loc[name, "n"], false.loc[name, "value"], f"{marker}:", color=f"C{i}", mfc="white")
axes.axhline(0.8, color="0.6", lw=0.7)
axes.set(xlabel="Patients per arm (dotted: type I error)", ylabel="Significant trials (share)", ylim=(0, 1.02))
axes.set_xticks(SIZES)
figure.legend(loc="outside lower center", ncols=2)
plt.show()

# %%
few, many = (false[false["n"] == n] for n in (min(SIZES), max(SIZES)))
for n, rows in ((min(SIZES), few), (max(SIZES), many)):
    largest = rows.loc[rows["value"].idxmax()]
    print(f"{n} an arm: largest type I error {largest['value']:.3f} ± {largest['mcse']:.3f}")

# %% [markdown]
# ## Change this
#
# - Let the drug act on how much is drunk rather than on whether (`"loading"`: 0.6). Which endpoint
#   sees it now?
# - Ask for abstinence on all 21 days (`"abstinent_last": 21`), the strictest question. What is left
#   of its power?
# - Count a patient without an answer as one who has not been abstinent: `"analysis.missing_response":
#   "failure"`.
