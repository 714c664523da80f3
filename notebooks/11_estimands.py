# %% [markdown]
# # Estimands, dropout and rescue: what does "the effect" mean?
#
# Some patients leave a trial, and some who do badly are given another treatment. What the effect of
# the therapy *is* then depends on the question: whatever else happened, had nobody been rescued, or
# counting rescue as failure? This notebook takes one made-up trial (`rescue_and_dropout`) and shows
# the truth of each question, how well each analysis hits it, and what a plan should say about those
# who left.
#
# Every ± is one Monte Carlo standard error (MCSE).

# %%
import matplotlib.pyplot as plt
import numpy as np

import kaptrial as kt

plt.style.use("figures.mplstyle")
REPLICATES = 1000
SEED = 1

# %%
scenario = kt.load_scenario("rescue_and_dropout", {"variants": {}})
print(scenario.question)
results = kt.power(scenario, replicates=REPLICATES, seed=SEED)
frame = results.to_frame()

# %% [markdown]
# ## Who is still there
#
# How many patients have no score on each day, by arm. Patients who do badly leave more often, so the
# arm without therapy loses a little more.

# %%
trials = kt.simulate(scenario, seed=SEED, replicates=min(REPLICATES, 200)).to_frame()
lost = trials.assign(lost=trials["score"].isna()).pivot_table(index="day", columns="arm", values="lost")
figure, axes = plt.subplots()
for (arm, shares), style in zip(lost.items(), ["o-", "s--"], strict=True):
    axes.plot(shares.index, 100 * shares, style, label=arm)
axes.set(xlabel="Day", ylabel="Patients without a score (%)", ylim=(0, None))
axes.legend(loc="upper left")
plt.show()

# %% [markdown]
# ## One trial, several truths
#
# Each strategy for rescue (ICH E9(R1)) is a question with a truth of its own. All on day 56, CBT
# minus none, MADRS points.

# %%
scores = frame[(frame["endpoint"] == "score")]
truths = scores[(scores["metric"] == "truth") & (scores["analysis"] == "mmrm")]
for row in truths.itertuples():
    print(f"{row.strategies}: {row.value:.2f} ± {row.mcse:.2f}")

# %% [markdown]
# ## Which analysis hits which truth
#
# The point of each line is what the analysis says on average; the dashed line is the truth of its
# question.

# %%
results.plot("estimands")

# %% [markdown]
# For the first question (whatever happened counts) there are several ways of filling in the scores of
# those who left. In this world a patient who leaves loses what was learnt. "Missing at random" (MAR,
# and MMRM) supposes that they go on as those who stayed, "jump to reference" (JR) that they never had
# the therapy; the others are in between.

# %%
policy = scores[scores["strategies"].str.contains("treatment_policy")]
bias = policy[policy["metric"] == "bias"].set_index("analysis")
figure, axes = plt.subplots(figsize=(3.5, 2.8))
axes.errorbar(bias["value"], range(len(bias)), xerr=1.96 * bias["mcse"], fmt="o")
axes.axvline(0, color="0.6", lw=0.7)
axes.set_yticks(range(len(bias)), bias.index.str.replace("reference_based ", "imputed: "))
axes.invert_yaxis()
axes.set(xlabel="Bias (MADRS points; 95 % Monte Carlo)\nleft: says that the therapy does more than it does")
plt.show()

# %%
rates = policy[policy["metric"].isin(["bias", "coverage", "power", "type_i_error"])].copy()
rates["value ± MCSE"] = [f"{v:.3f} ± {e:.3f}" for v, e in zip(rates["value"], rates["mcse"], strict=True)]
print(f"{scenario.design.n_per_arm} patients an arm, {REPLICATES} replicates, seed {SEED}")
rates.pivot(index="analysis", columns="metric", values="value ± MCSE")

# %% [markdown]
# The largest error in this table is none of these choices: analyses that do not know the therapists
# have a type I error well above .05, and the nested one, which knows them, has not.
#
# ## More dropout
#
# How the bias of "missing at random" and of "jump to reference" grows with the number of patients who
# leave.

# %%
HAZARDS = [0.0, 0.003, 0.006, 0.012]
asked = {"secondary": [], "estimand.methods": ["reference_based"]}
varied = kt.power(
    scenario.with_values(asked), vary={"conduct.dropout.hazard.value": HAZARDS}, replicates=REPLICATES, seed=SEED
).to_frame()

# %%
by_hazard = varied[varied["metric"] == "bias"].rename(columns={"conduct.dropout.hazard.value": "hazard"})
chosen = {"reference_based MAR": "o-", "reference_based JR": "s--", "reference_based CIR": "^:"}
figure, axes = plt.subplots()
for name, style in chosen.items():
    rows = by_hazard[by_hazard["analysis"] == name]
    gone = 100 * (1 - np.exp(-rows["hazard"] * scenario.estimand.day))
    axes.errorbar(gone, rows["value"], yerr=1.96 * rows["mcse"], fmt=style, label=name.split()[1])
axes.axhline(0, color="0.6", lw=0.7)
axes.set(xlabel="Gone by day 56, at the mean score (%)", ylabel="Bias (MADRS points)")
axes.legend()
plt.show()

# %% [markdown]
# ## One trial, and how wrong the assumption may be
#
# A tipping point: by how many points would those who left the therapy arm have to be worse than
# assumed before the result is no longer significant?

# %%
trial = kt.simulate(scenario, seed=SEED).to_frame()
options = {"reference": "ketamine", "target_day": scenario.estimand.day, "imputation": ["MAR", "JR"]}
analysed = kt.analyse(trial, "reference_based", **options, tipping_point=True).to_frame()
analysed[["imputation", "measure", "estimate", "lower", "upper", "p"]].round(3)

# %% [markdown]
# A plan that names the strategy, the imputation that fits it and a tipping point has answered the
# question before the data can.
#
# ## Change this
#
# - Let patients who left keep what they learnt: `"conduct.dropout.afterwards": "as_treated"`. Which
#   analysis is right now?
# - Give rescue to everybody who qualifies: `"conduct.rescue.share_taking.value": 1`. Which truths
#   part furthest?
# - Let those leave who are worse than their last score says (`"conduct.dropout.current_latent"`,
#   docs/keys.md).
