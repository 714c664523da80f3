# %% [markdown]
# # How long does an infusion last, and what do more of them add?
#
# The effect of one infusion of ketamine is gone in most patients within weeks, and nobody knows the
# rate well. This notebook shows what the published trials say about that rate, what one dose, a
# series and a series with maintenance look like in the model, and when a trial of six infusions
# against one should look for the difference.
#
# Whatever is not said to be published here is an assumption of the scenario `cbt_after_ketamine`,
# whose notes say why it was made. Every ± is one Monte Carlo standard error (MCSE): how exactly the
# simulation is known, not the world.

# %%
import matplotlib.pyplot as plt

import kaptrial as kt

plt.style.use("figures.mplstyle")
REPLICATES = 1000
SEED = 1

# %% [markdown]
# ## What the trials so far say
#
# The model was fitted to the published trials of depression. Two of its numbers are about duration:
# the half-life of the drug's effect in a typical patient, and how much half-lives differ between
# patients.

# %%
card = kt.evidence.card().to_frame().set_index("figure")
duration = card[card.index.str.contains("half-li|loss of response|still well")]
duration[["unit", "q05", "median", "q95", "published"]].round(2)

# %% [markdown]
# The interval (5 to 95 %) of the half-life is wide. Here is the mean course after one infusion at its
# two ends and in the middle, in the same simulated patients.

# %%
infusion = {"agent": "ketamine", "route": "IV", "mg_per_kg": 0.5}
SCHEDULES = {
    "one": [0],
    "six": [0, 2, 4, 7, 9, 11],
    "six_weekly": [0, 2, 4, 7, 9, 11, *range(18, 82, 7)],
}
LABELS = {"one": "one infusion", "six": "six infusions", "six_weekly": "six, then weekly"}
arms = [{"id": name, "label": LABELS[name], "doses": [infusion | {"days": days}]} for name, days in SCHEDULES.items()]
without_therapy = {"therapies": {}, "expectancy": {}, "variants": {}, "secondary": []}
trial = {"arms": arms, "design.visits": [0, 1, 3, 7, 11, 14, 18, 21, 28, 42, 56, 70, 84]}
question = {"estimand.contrast": "six - one", "estimand.strategies": {"missed_infusions": "treatment_policy"}}
scenario = kt.load_scenario("cbt_after_ketamine", without_therapy | trial | question)

# %%
half_lives = card.loc["half-life of the drug's effect, median patient", ["q05", "median", "q95"]].astype(float)
trials = kt.simulate(scenario, seed=SEED, replicates=60, values={"drug.half_life": half_lives.tolist()}).to_frame()
trials["half_life"] = half_lives.to_numpy()[(trials["replicate"]) % 3]
courses = trials[trials["arm"] == "one"].pivot_table(index="day", columns="half_life", values="latent")
figure, axes = plt.subplots()
for days, marker in zip(courses.columns, "osD", strict=True):
    axes.plot(courses.index, courses[days], f"{marker}-", label=f"{days:.1f} days")
axes.set(xlabel="Days after one infusion", ylabel="MADRS (points), mean", ylim=(0, None))
axes.legend(title="Half-life of the typical patient", loc="lower right")
plt.show()

# %% [markdown]
# ## One, six, or six and then weekly
#
# The model's own half-life has a median of a week and a wide spread: a few patients keep the effect
# for months. `kaptrial` draws the decay after one infusion and after the series, beside the shares of
# patients responding that were published (diamonds).

# %%
results = kt.power(scenario, vary={"estimand.day": [14, 28, 42, 56, 84]}, replicates=REPLICATES, seed=SEED)
results.plot("decay")

# %%
results.plot("trajectories")

# %% [markdown]
# A series does two things: it goes deeper, because one dose is not yet the largest effect, and it
# starts the decay later. Once dosing stops both curves fall at the same rate. Only the arm that goes
# on being treated stays down.
#
# ## When would a trial see it?
#
# Six infusions against one, by the day of the primary outcome. The grey line is the type I error: how
# often the trial would claim a difference if the drug did nothing.

# %%
results.plot("power_by_day")

# %%
table = results.to_frame().query("metric in ['truth', 'power', 'type_i_error']")
table["value ± MCSE"] = [f"{v:.3f} ± {e:.3f}" for v, e in zip(table["value"], table["mcse"], strict=True)]
print(f"{scenario.design.n_per_arm} patients an arm, {table['analysis'].iloc[0]}, {REPLICATES} replicates, seed {SEED}")
table.pivot(index="estimand.day", columns="metric", values="value ± MCSE")

# %% [markdown]
# The comparison is easiest just after the series and hardest at the end, when little of either is
# left. A trial that asks whether a series *lasts* has to measure late, and is then asking about a
# small difference.
#
# ## Change this
#
# - In `SCHEDULES`, spread the six infusions over six weeks. How far does the depth of the series
#   depend on spacing?
# - Add `"drug.half_life.log_sd": 0.5` to `trial`: without patients who keep the effect, which
#   published figure is missed?
# - Compare `six_weekly - six` instead of `six - one`. On which day is maintenance seen best?
