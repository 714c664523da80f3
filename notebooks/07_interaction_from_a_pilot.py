# %% [markdown]
# # A Bayesian reading of a pilot: is the combination more than the sum?
#
# A pilot of a few dozen patients cannot show an interaction, but it can be read for what it is worth
# and passed on. This notebook simulates one pilot 2×2 (ketamine or midazolam, CBT or usual care),
# reads it under several priors, and uses what is then believed to design the trial that follows.
#
# The pilot is synthetic, from the scenario `ketamine_by_cbt` in a world with a synergy, which is an
# assumption. Monte Carlo standard errors (MCSE) of posterior means and of shares of trials are shown.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import kaptrial as kt

plt.style.use("figures.mplstyle")
REPLICATES = 1000
DRAWS = 400
SEED = 7

# %%
world = kt.load_scenario("ketamine_by_cbt")
print("Worlds of the scenario:", ", ".join([world.base_label, *(world.variants or {})]))
synergy = {"therapies.cbt.gamma": 2, "variants": {}, "secondary": []}
pilot_plan = kt.load_scenario("ketamine_by_cbt", synergy | {"design.n_per_arm": 12})
day = pilot_plan.estimand.day
truth = kt.truth(pilot_plan, seed=SEED).to_frame().iloc[0]
print(f"True interaction on day {day:g}: {truth['value']:.2f} ± {truth['mcse']:.2f} points, {truth['contrast']}")
pilot = kt.simulate(pilot_plan, seed=SEED).to_frame()
print(f"The pilot: {pilot['patient'].nunique()} patients")

# %%
means = pilot.groupby(["arm", "day"])["score"].agg(["mean", "sem"]).reset_index()
figure, axes = plt.subplots(figsize=(3.5, 2.7))
for (arm, rows), marker in zip(means.groupby("arm"), "osD^", strict=True):
    axes.errorbar(rows["day"], rows["mean"], yerr=rows["sem"], marker=marker, label=arm.replace("_", " + "))
axes.set(xlabel="Day", ylabel="MADRS, mean ± SE", ylim=(0, None))
figure.legend(loc="outside lower center", ncols=2)
plt.show()

# %% [markdown]
# ## What the pilot says, and what the prior says
#
# The same data under four priors. The first knows nearly nothing, the second doubts, the third hopes,
# the fourth is what trials of therapy with other drugs leave room for.

# %%
PRIORS = ["weak", "skeptical", "optimistic", "evidence"]
read = kt.fit(pilot_plan, prior=PRIORS, margin=3.0, seed=SEED, draws=DRAWS)
table = read.to_frame()
asked = table[(table["contrast"] == truth["contrast"]) & (table["measure"] == "difference") & (table["day"] == day)]
asked = asked.set_index("prior")
sampled = pd.DataFrame(read.provenance["diagnostics"]).T
print(f"NUTS, {DRAWS} draws of each of four chains, seed {SEED}; R-hat up to {sampled['r_hat'].max():.3f}")
asked[["mean", "mcse_mean", "lower", "upper", "p_favours_left", "p_beyond_margin"]].round(2)

# %%
figure, axes = plt.subplots()
reach = [asked["mean"] - asked["lower"], asked["upper"] - asked["mean"]]
axes.errorbar(asked["mean"], range(len(asked)), xerr=reach, fmt="o")
axes.axvline(0, color="0.6", lw=0.7)
axes.axvline(truth["value"], color="C1", ls="--", label="truth of this world")
axes.set_yticks(range(len(asked)), asked.index)
axes.set_ylim(len(asked) - 0.5, -1.2)
axes.set(xlabel="Interaction (MADRS points, 95 %)\nleft: more than the sum")
axes.legend(loc="upper left")
plt.show()
for note in read.notes:
    if note.code == "large_prior":
        print(note.text)

# %% [markdown]
# The intervals are as wide as the effects that anybody hopes for, and the strong priors are worth
# more patients than the pilot had. Reading "promising" into such a mean is reading noise.
#
# ## From the pilot to the next trial
#
# What is believed after the pilot, under the prior `evidence`, becomes what is drawn as true when the
# next trial is simulated. For comparison: no interaction at all, and the belief before the pilot.

# %%
after = asked.loc["evidence"]
unit = read.provenance["unit_sd"]
believed = f"normal({-after['mean'] / unit:.2f}, {after['sd'] / unit:.2f})"
print(f"After the pilot, in SDs of {unit:.1f} points, towards benefit: {believed}")
SIZES = [50, 100, 200]
rule = {"priors": ["weak"], "design_priors": ["null", "evidence", believed]}
plan = kt.load_scenario("ketamine_by_cbt", synergy | {"therapies.cbt.gamma": 0})
result = kt.decide(plan, vary={"design.n_per_arm": SIZES}, replicates=REPLICATES, nuisance=False, seed=SEED, **rule)
result.plot("decisions")

# %%
rates = result.to_frame()
rates = rates[rates["metric"].isin(["go", "consider", "no_go", "wrong_verdict"])]
rates["value ± MCSE"] = [f"{v:.3f} ± {e:.3f}" for v, e in zip(rates["value"], rates["mcse"], strict=True)]
print(f"Analysed with the weak prior; {REPLICATES} trials each, seed {SEED}")
rates.pivot(index=["design_prior", "design.n_per_arm"], columns="metric", values="value ± MCSE")

# %% [markdown]
# The share of "go" without any interaction (`null`) is the type I error; averaged over a belief it is
# the assurance. Here the pilot raises what the next trial promises. Was that knowledge, or luck?
#
# ## How often would a pilot of this size mislead?
#
# The estimated interaction in many pilots, in this world with a synergy and in one without: how often
# does it point against a synergy, and how often to one of three points and more?

# %%
pilots = {
    "synergy": kt.power(pilot_plan, replicates=REPLICATES, seed=SEED, nulls=False),
    "none": kt.power(pilot_plan.with_values({"therapies.cbt.gamma": 0}), replicates=REPLICATES, seed=SEED, nulls=False),
}
figure, axes = plt.subplots()
for (name, run), style in zip(pilots.items(), ["-", "--"], strict=True):
    fit = next(iter(run.cells[0].fits.values()))
    axes.hist(fit.estimate, bins=30, histtype="step", ls=style, label=name)
    against, large = np.mean(fit.estimate > 0), np.mean(fit.estimate <= -3)
    error = 0.5 / len(fit.estimate) ** 0.5
    print(f"{name}: {against:.2f} point against a synergy, {large:.2f} to 3 points or more (MCSE at most {error:.2f})")
axes.axvline(0, color="0.6", lw=0.7)
axes.set(xlabel="Estimated interaction of a pilot (MADRS points)", ylabel="Pilots")
axes.legend(title="true interaction")
plt.show()

# %% [markdown]
# The two histograms overlap widely: a pilot of this size cannot choose between the two worlds. It can
# say how many patients agree to take part, how many sessions they attend and how far scores spread,
# and those are what it should be asked.
#
# ## Change this
#
# - Another `SEED` is another pilot. How often does the first look promising?
# - A pilot of 30 a cell: which of the four priors still decides?
# - Pass on the reading of the optimist (`asked.loc["optimistic"]`). What does the next trial then
#   promise?
