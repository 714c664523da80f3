# %% [markdown]
# # Assurance and size: how many patients, if the effect is not known?
#
# A sample size is worked out for one effect, and the effect is a guess. Assurance is power averaged
# over what is believed of the effect: the chance that the trial will succeed, as far as anybody
# knows. This notebook sizes a trial of one infusion against midazolam by both, and shows why more
# patients do not mend a doubtful effect.
#
# What is believed is the catalogue's prior `depression_iv_2026b`, the response model fitted to 22
# published trials. Every ± is one Monte Carlo standard error (MCSE).

# %%
import matplotlib.pyplot as plt
import pandas as pd

import kaptrial as kt

plt.style.use("figures.mplstyle")
REPLICATES = 1000
DRAWS = 200
SEED = 1
PRIOR = "depression_iv_2026b"

# %%
asked = {"estimand.methods": ["mmrm"], "secondary": [], "variants": {}, "estimand.day": 7}
scenario = kt.load_scenario("depression_single_infusion", asked)
print(scenario.question)
print(f"Primary outcome: {scenario.estimand.contrast}, {scenario.scale.id}, day {scenario.estimand.day:g}")

# %% [markdown]
# ## The size for one effect
#
# The usual calculation: the scenario's own numbers are taken as true.

# %%
size = kt.size(scenario, power=0.9, replicates=REPLICATES, seed=SEED)
print(size.headline.text)
tried = pd.DataFrame(
    [(each.value, each.power, each.mcse) for each in size.answer.tried], columns=["n", "power", "mcse"]
)
tried = tried.sort_values("n")
figure, axes = plt.subplots()
axes.errorbar(tried["n"], tried["power"], yerr=1.96 * tried["mcse"], fmt="o-")
axes.axhline(0.9, color="0.6", lw=0.7)
axes.axvline(size.answer.value, color="C1", ls="--")
axes.set(xlabel="Patients (two to one)", ylabel="Power (95 % Monte Carlo)")
plt.show()

# %% [markdown]
# The dashed line is the answer, and the points are what was simulated to find it.
#
# ## What is believed of the effect
#
# Each draw of the prior is a world that fits the published trials; here is the true difference in
# each.

# %%
n = int(size.answer.value)
planned = scenario.with_values({"design.n_total": 3 * -(-n // 3)})
believed = kt.assurance(planned, prior=PRIOR, draws=DRAWS, seed=SEED)
by_draw = believed.by_draw.pivot(index="draw", columns="metric", values="value")
own = believed.to_frame().set_index("metric")["value"]["truth"]
figure, axes = plt.subplots()
axes.hist(by_draw["truth"], bins=20, color="C0", alpha=0.8)
axes.axvline(own, color="C1", ls="--")
axes.set(xlabel="True difference on day 7 (MADRS points)\ndashed: the scenario's own", ylabel="Draws of the prior")
plt.show()

# %%
print(believed.headline.text)
believed.plot("assurance")

# %% [markdown]
# Few worlds give the trial the power on which it was sized: most give it more, and some far less. The
# average is what a funder buys.
#
# ## Would more patients help?
#
# Power at the scenario's own effect, and assurance, by size; and the type I error of the analysis.

# %%
SIZES = [36, 72, 144, 288]
runs = {
    n: kt.assurance(scenario.with_values({"design.n_total": n}), prior=PRIOR, draws=DRAWS, seed=SEED).to_frame()
    for n in SIZES
}
averages = pd.concat(runs, names=["n"]).reset_index("n")
power = kt.power(scenario, vary={"design.n_total": SIZES}, replicates=REPLICATES, seed=SEED).to_frame()
power = power.rename(columns={"design.n_total": "n"})
both = pd.concat([averages[averages["metric"] != "power"], power[power["metric"].isin(["power", "type_i_error"])]])

# %%
NAMES = {
    "power": "power at the scenario's effect",
    "assurance": "assurance",
    "probability_of_80_power": "probability of 80 % power",
    "type_i_error": "type I error",
}
figure, axes = plt.subplots(figsize=(3.5, 2.8))
for (metric, name), style in zip(NAMES.items(), ["o-", "s--", "^-.", "D:"], strict=True):
    rows = both[both["metric"] == metric]
    axes.errorbar(rows["n"], rows["value"], yerr=1.96 * rows["mcse"], fmt=style, label=name)
axes.set(xlabel="Patients in all", ylabel="Probability", ylim=(0, 1.02))
figure.legend(loc="outside lower center", ncols=2)
plt.show()

# %%
both["text"] = [f"{v:.3f} ± {e:.3f}" for v, e in zip(both["value"], both["mcse"], strict=True)]
print(f"mmrm; {DRAWS} draws of {PRIOR}, 128 trials each; power and type I error {REPLICATES} trials; seed {SEED}")
both[both["metric"].isin(NAMES)].pivot(index="n", columns="metric", values="text")[list(NAMES)]

# %% [markdown]
# Power climbs towards one. Assurance climbs more slowly: with few patients it is carried by worlds
# with a larger effect than the scenario's, with many it is held down by those with next to none,
# which no number of patients mends. A proposal that shows both says how much of its promise is size
# and how much is hope.
#
# ## Change this
#
# - `"estimand.day": 1` in `asked`: by how much is the trial safer if it measures at 24 hours?
# - Believe something narrower: leave `prior` out and put `"prior": {"also": {"drug.share": {"beta":
#   ...}}}` into the scenario (docs/design_prior.md has the distributions).
# - Ask for 80 % instead of 90 % (`power=0.8`). How much assurance is lost for how many patients?
