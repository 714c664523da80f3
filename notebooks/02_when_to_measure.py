# %% [markdown]
# # When should we measure?
#
# A trial of ketamine with and without psychotherapy can be ruined by its calendar: too early there
# has been no therapy yet, and late the drug's effect is gone and scores vary most. This notebook
# takes one trial (six infusions, then CBT or usual care, all patients randomised before the first
# infusion) and asks on which day its primary outcome finds most, in three worlds in which therapy
# works and one in which it does not.
#
# The worlds are assumptions, explained in the notes of the scenario `cbt_after_ketamine`. Every ± is
# one Monte Carlo standard error (MCSE).

# %%
import matplotlib.pyplot as plt

import kaptrial as kt

plt.style.use("figures.mplstyle")
REPLICATES = 1000
SEED = 1
DAYS = [1, 7, 14, 28, 56, 84]

# %%
scenario = kt.load_scenario("cbt_after_ketamine", {"secondary": []})
print(scenario.question)
print("Worlds:", ", ".join([scenario.base_label, *scenario.variants]))
results = kt.power(scenario, vary={"estimand.day": DAYS}, replicates=REPLICATES, seed=SEED)

# %% [markdown]
# ## What happens to the patients
#
# Below the courses are the days of infusions and sessions. The first session comes the day after the
# last infusion.

# %%
results.plot("trajectories")

# %% [markdown]
# ## What is true on each day, and what the trial finds
#
# Above: the difference between the arms that an endlessly large trial would find. In the three worlds
# with a therapy that works the arms end about equally far apart; what differs is how early. Below:
# power, and the type I error (no therapy, no hope).

# %%
results.plot("power_by_day")

# %% [markdown]
# A little of the difference is there in every world, also in the one without any effect: patients who
# drew the therapy that they hoped for feel better, and those who did not feel worse. Open trials
# measure this too.

# %%
frame = results.to_frame()
frame["text"] = [f"{v:.2f} ± {e:.2f}" for v, e in zip(frame["value"], frame["mcse"], strict=True)]
about = frame.iloc[0]
print(f"{scenario.design.n_per_arm} an arm; {about['analysis']}; {REPLICATES} replicates; seed {SEED}; value ± MCSE")
shown = frame[frame["metric"].isin(["power", "type_i_error"])]
shown.pivot(index=["metric", "variant"], columns="estimand.day", values="text")

# %% [markdown]
# ## What it costs to measure on the wrong day
#
# The smallest difference that the trial would find with 80 % power. It grows with time, because the
# patients' courses part; the effect grows too, and the best day is the one at which it has outgrown
# the noise by most.

# %%
rows = frame[frame["metric"].isin(["truth", "detectable_difference"]) & (frame["variant"] == scenario.base_label)]
wide = rows.pivot(index="estimand.day", columns="metric", values="value").abs()
figure, axes = plt.subplots()
axes.plot(wide.index, wide["detectable_difference"], "o-", label="detectable with 80 % power")
axes.plot(wide.index, wide["truth"], "s--", label=f"true ({scenario.base_label})")
axes.set(xlabel="Day of the primary outcome", ylabel="Difference (MADRS points)", ylim=(0, None))
axes.legend(loc="lower right")
plt.show()

# %%
power = frame[(frame["metric"] == "power") & (frame["variant"] != "no added effect")]
best = power.loc[power.groupby("variant")["value"].idxmax()]
early = power[power["estimand.day"] == min(DAYS)]
error = frame[frame["metric"] == "type_i_error"]
for row in best.itertuples():
    print(f"{row.variant}: most power on day {row.day:g}, {row.text}")
print(f"On day {min(DAYS)} no world has more than {early['value'].max():.2f}.")
print(f"Type I error over all days: {error['value'].min():.3f} to {error['value'].max():.3f}.")

# %% [markdown]
# The day that suits one hypothesis misses another. If you believe in a window after the infusion,
# measure within weeks; if you believe in a therapy that adds or that keeps the drug's effect, measure
# at the end.
#
# ## Change this
#
# - Put more therapists into the trial: `{"therapies.cbt.therapists.caseload": 5}`. Which days gain
#   most?
# - Let the first session come two weeks later (the days of `arms[1].therapy.days`). Is there still a
#   window to see?
# - Make the drug's effect shorter (`"drug.half_life.value": 3`). Which world suffers?
