# %% [markdown]
# # Expectancy and a broken blind
#
# Patients feel ketamine, and those who feel nothing know what they did not get. If belief itself
# lowers the score, a trial with a broken blind finds a difference that is partly, or wholly, belief.
# This notebook separates the two: what the drug does, what belief does, and how often belief alone
# would be reported as an effect of the drug.
#
# The scenario is `depression_single_infusion`, with the size and the comparator (midazolam) of
# Murrough 2013. How much belief is worth, and who believes what, nobody has measured: both are
# assumptions. Every ± is one Monte Carlo standard error (MCSE).

# %%
import matplotlib.pyplot as plt

import kaptrial as kt

plt.style.use("figures.mplstyle")
REPLICATES = 1000
SEED = 1

# %%
asked = {"estimand.methods": ["mmrm"], "secondary": [], "variants": {}}
scenario = kt.load_scenario("depression_single_infusion", asked)
belief = scenario.expectancy.drug
print(f"Believing that one had ketamine is worth {belief.effect.value:g} {belief.effect.unit} at most.")
believers = "expectancy.drug.belief.by_arm.midazolam"
SHARES = [0.05, 0.3, 0.5, 0.7, 0.9]
results = kt.power(scenario, vary={believers: SHARES}, replicates=REPLICATES, seed=SEED)
frame = results.to_frame().rename(columns={believers: "believing"})

# %% [markdown]
# ## What the trial looks like
#
# One infusion of either drug. The rest of the improvement with midazolam is what entering a trial
# does within a day, and belief.

# %%
kt.power(scenario, replicates=min(REPLICATES, 128), seed=SEED).plot("trajectories")

# %% [markdown]
# ## How much of the difference is the drug?
#
# Nine in ten of the ketamine arm believe that they had it. Midazolam sedates, so some of the control
# arm do too. The fewer they are, the larger the difference between the arms, and none of that growth
# is the drug's.

# %%
truth = frame[frame["metric"].isin(["truth", "truth_without_expectancy"])]
truth = truth.pivot(index="believing", columns="metric", values="value").abs()
figure, axes = plt.subplots()
x = 100 * truth.index
axes.bar(x, truth["truth_without_expectancy"], width=12, label="the drug")
part = truth["truth"] - truth["truth_without_expectancy"]
axes.bar(x, part, width=12, bottom=truth["truth_without_expectancy"], hatch="///", label="belief")
axes.set(xlabel="Controls who believe they had ketamine (%)", ylabel="Difference at 24 h\n(MADRS points)")
axes.set_ylim(0, 1.3 * truth["truth"].max())
axes.legend(ncols=2)
plt.show()

# %%
share = part / truth["truth"]
for believing in SHARES:
    print(f"{100 * believing:.0f} % of controls believe: {100 * share[believing]:.0f} % of the difference is belief")

# %% [markdown]
# Where as many controls as treated patients believe, nothing is left of it, or a little less than
# nothing: belief in both arms takes some of the room that the scale has for the drug.
#
# ## What the trial would report
#
# Three rates. *Power*: the drug works and belief does what it does. *Belief alone*: the drug does
# nothing, but patients believe as before. *Type I error*: neither drug nor belief does anything.

# %%
NAMES = {"power": "power", "expectancy_only_rate": "belief alone", "type_i_error": "type I error"}
figure, axes = plt.subplots()
for (metric, name), style in zip(NAMES.items(), ["o-", "s--", "^:"], strict=True):
    rows = frame[frame["metric"] == metric]
    axes.errorbar(100 * rows["believing"], rows["value"], yerr=1.96 * rows["mcse"], fmt=style, label=name)
axes.set(xlabel="Controls who believe they had ketamine (%)", ylabel="Significant trials (share)", ylim=(0, 1.02))
axes.legend(loc="center right")
plt.show()

# %%
shown = frame[frame["metric"].isin(NAMES)].copy()
shown["text"] = [f"{v:.3f} ± {e:.3f}" for v, e in zip(shown["value"], shown["mcse"], strict=True)]
print(f"{scenario.n_total} patients, two to one; {shown['analysis'].iloc[0]}; {REPLICATES} replicates; seed {SEED}")
shown.pivot(index="believing", columns="metric", values="text")[list(NAMES)]

# %% [markdown]
# When hardly a control is fooled, most trials of a drug that does nothing would come out significant.
# Their analysis is right (the type I error is what it should be): the design is wrong. More patients
# make this worse, not better.

# %%
SIZES = [36, 72, 144, 288]
open_label = scenario.with_values({believers: 0.05})
by_size = kt.power(open_label, vary={"design.n_total": SIZES}, replicates=REPLICATES, seed=SEED).to_frame()
figure, axes = plt.subplots()
for (metric, name), style in zip(NAMES.items(), ["o-", "s--", "^:"], strict=True):
    rows = by_size[by_size["metric"] == metric]
    axes.errorbar(rows["design.n_total"], rows["value"], yerr=1.96 * rows["mcse"], fmt=style, label=name)
axes.set(xlabel="Patients in all, nearly all controls unblinded", ylabel="Significant trials (share)", ylim=(0, 1.02))
axes.legend(loc="center right")
plt.show()

# %% [markdown]
# A proposal should therefore say who will be asked for their guess and when, which comparator is
# felt, and what the trial would conclude if most controls guess right.
#
# ## Change this
#
# - Halve what belief is worth: `"expectancy.drug.effect.value": 3` in `asked`. What is left of
#   "belief alone"?
# - Move the primary outcome to day 7 (`"estimand.day": 7`), when belief has begun to fade.
# - Fool everybody alike: set both arms' beliefs to 0.7. What does the perfect blind cost in power?
