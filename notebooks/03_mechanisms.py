# %% [markdown]
# # Additive, window or durability: what can tell them apart?
#
# Psychotherapy may simply add to ketamine; it may be learnt better in the days after an infusion (a
# window, γ); or it may keep the drug's effect from fading (durability, κ). A trial that finds a
# difference at its end has not shown which. This notebook asks what would: mean scores over time, the
# shape of their distribution, the timing of sessions as a randomised question, or a model fitted to
# everything at once.
#
# All three mechanisms are hypotheses and their sizes assumptions. Every ± is one Monte Carlo standard
# error (MCSE).

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import kaptrial as kt

plt.style.use("figures.mplstyle")
REPLICATES = 1000
DRAWS = 200
SEED = 1

# %% [markdown]
# ## 1. Mean scores over time
#
# The same trial (six infusions, then CBT or usual care) in each world. The worlds were made so that
# they end alike.

# %%
shipped = kt.load_scenario("cbt_after_ketamine", {"secondary": [], "conduct": {}})
chosen = {name: values for name, values in shipped.variants.items() if name != "no added effect"}
worlds = {"additive": {}} | chosen
dense = {"design.visits": [0, 7, 14, 18, 21, 28, 35, 42, 56, 70, 84], "estimand.strategies": {}}
simulated = {
    name: kt.simulate(shipped.with_values(dense | values), seed=SEED, replicates=100).to_frame()
    for name, values in worlds.items()
}
patients = pd.concat(simulated, names=["world"]).reset_index("world")

# %%
means = patients.pivot_table(index=["world", "replicate", "day"], columns="arm", values="latent")
difference = means["ketamine_cbt"] - means["ketamine_tau"]
by_day = difference.groupby(["world", "day"]).agg(["mean", "sem"])
figure, axes = plt.subplots()
for name, marker in zip(worlds, "osD", strict=True):
    days = by_day.loc[name]
    axes.errorbar(days.index, days["mean"], yerr=days["sem"], fmt=f"{marker}-", label=name)
axes.set(xlabel="Day", ylabel="CBT minus usual care\n(MADRS points, latent)")
axes.legend()
plt.show()

# %% [markdown]
# The window shows early and the other two cannot be told apart by their means. Whether a trial could
# *see* the early difference is another matter: the whole gap between the curves is a point or two.
#
# ## 2. Who benefits
#
# Therapy that adds helps everybody alike; therapy that keeps the drug's effect helps those whom the
# drug has helped. So the arms differ not only in their means but in their shape.

# %%
last = patients[patients["day"] == patients["day"].max()]
share = np.linspace(0.02, 0.98, 97)
ranked = last.groupby(["world", "arm"])["latent"].quantile(share).unstack("arm")
figure, axes = plt.subplots()
for name, style in zip(worlds, ["-", "--", ":"], strict=True):
    gain = ranked.loc[name, "ketamine_cbt"] - ranked.loc[name, "ketamine_tau"]
    axes.plot(100 * share, gain, style, label=name)
axes.axhline(0, color="0.6", lw=0.7)
axes.set(xlabel="Patients, from best to worst on day 84 (%)", ylabel="CBT minus usual care\n(MADRS points)")
axes.legend()
plt.show()

# %% [markdown]
# With durability the gain is largest among patients who do well, and hardly any is left for those
# whom the drug never helped; without it the curve is flatter. It takes very many patients to see a
# shape, but it is a reason to report responders beside means.
#
# ## 3. Randomise the timing
#
# If there is a window, the same session is worth more the day after an infusion than a week later. In
# this scenario both arms have the same infusions and the same number of sessions, and only the lag is
# randomised.

# %%
timing = kt.power(
    kt.load_scenario("depression_timing_window", {"estimand.methods": ["nested_mmrm"], "secondary": []}),
    vary={"design.n_per_arm": [100, 200, 300]},
    replicates=REPLICATES,
    seed=SEED,
)
timing.plot("power_curve")

# %%
frame = timing.to_frame().query("metric in ['truth', 'power', 'type_i_error', 'false_synergy_rate']")
frame["value ± MCSE"] = [f"{v:.3f} ± {e:.3f}" for v, e in zip(frame["value"], frame["mcse"], strict=True)]
print(f"{frame['analysis'].iloc[0]}, {REPLICATES} replicates, seed {SEED}")
frame.pivot(index=["variant", "metric"], columns="design.n_per_arm", values="value ± MCSE")

# %% [markdown]
# This is the design that asks the question directly, and its answer is clean: without a window the
# arms do not differ. It is dear, because only the lag differs.
#
# ## 4. Fit the mechanisms to one trial
#
# A 2×2 (ketamine or midazolam, CBT or usual care), simulated once, and a model of the whole course
# with γ and κ free. *Contraction* says how much of what we did not know before the data have taken
# away: near 0, the prior speaks.

# %%
factorial = kt.load_scenario("ketamine_by_cbt", {"design.n_per_arm": 100})
fitted = kt.mechanism(factorial, seed=SEED, draws=DRAWS).to_frame()
special = fitted[fitted["parameter"].isin(["gamma", "kappa", "xi"])].set_index("variant")
columns = ["parameter", "prior_lower", "prior_upper", "lower", "median", "upper", "contraction", "r_hat"]
print(f"One trial of {factorial.n_total} patients; NUTS, {DRAWS} draws of each of four chains, seed {SEED}")
special[columns].round(2)

# %%
figure, axes = plt.subplots()
for y, row in enumerate(special.itertuples()):
    axes.plot([row.prior_lower, row.prior_upper], [y + 0.12] * 2, color="0.7", lw=4)
    axes.errorbar(row.median, y - 0.12, xerr=[[row.median - row.lower], [row.upper - row.median]], fmt="o", color="C0")
axes.set_yticks(range(len(special)), [f"{row.Index}\n({row.parameter})" for row in special.itertuples()])
axes.set(xlabel="Size of the mechanism (0 is none)\ngrey: prior, blue: after the trial; 95 %")
plt.show()

# %%
truth = {name: getattr(factorial.therapies["cbt"], name) or 0 for name in ("gamma", "kappa", "xi")}
print("True in this simulated world:", truth)
for row in special.itertuples():
    print(
        f"{row.Index}: as much as {row.upper:.1f} is still possible; {100 * row.contraction:.0f} % of the doubt is gone"
    )

# %% [markdown]
# One trial, large as these trials go, leaves mechanisms possible that would matter and are not there.
# It says most about durability, where ketamine with and without therapy is followed while it fades,
# and little about overlap.
#
# So: means over time show a window, if the early visits are there; the shape of the scores hints at
# durability; only randomised timing asks about the window and nothing else; and no model replaces a
# design that asks the question.
#
# ## Change this
#
# - `"therapies.cbt.gamma.value": 6` in the timing trial: how large must a window be for 100 patients
#   an arm?
# - Give `factorial` a `{"therapies.cbt.kappa": 1.5}`. Does the fit find it?
# - Let the sessions of the timing trial start three days after the infusion instead of one
#   (`arms[1].therapy.days`).
