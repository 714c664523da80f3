# %% [markdown]
# # Several outcomes: what is gained by measuring more than one thing?
#
# A trial of PTSD measures symptoms, sleep and mood in the same patients, and somebody will ask which
# of them the trial can answer. This notebook adds sleep and depression to a trial with one primary
# outcome, sees what each can show, and what correction for several tests costs.
#
# The trial is `wet_ptsd`. How strongly the other outcomes follow the primary one, and how they
# correlate with it, are assumptions made here. Every ± is one Monte Carlo standard error (MCSE).

# %%
import matplotlib.pyplot as plt

import kaptrial as kt

plt.style.use("figures.mplstyle")
REPLICATES = 600
SEED = 1

# %% [markdown]
# ## One illness, three scales
#
# Whatever improves the primary outcome improves another one by its *loading*: so many points for one
# of the primary. Here the drug does more for mood than for sleep, and the therapy about as much for
# both.

# %%
why = {"source": "assumption", "note": "chosen for this notebook; no trial has reported it"}
points, ratio = why | {"unit": "points"}, why | {"unit": "none"}
spread = {"deviation_sd": {"value": 3} | points, "rater_sd": {"value": 1} | points}
ups_and_downs = {"deviation_time_constant": why | {"value": 14, "unit": "day"}}
together = {"baseline": {"value": 0.4} | ratio, "deviation": {"value": 0.3} | ratio}
parts = ("drug", "therapy", "natural_course", "expectancy")
SLEEP = dict(zip(parts, (0.15, 0.3, 0.2, 0.2), strict=True))
MOOD = dict(zip(parts, (0.35, 0.25, 0.25, 0.25), strict=True))
loads = [{"per": "point"} | {part: {"value": x} | ratio for part, x in each.items()} for each in (SLEEP, MOOD)]

# %%
common = {"measurement": spread | ups_and_downs, "correlation": together}
outcomes = {
    "ptsd": {"scale": "CAPS-5", "primary": True},
    "sleep": {"scale": "ISI", "baseline": {"value": 17, "sd": 4} | points, "loadings": loads[0]} | common,
    "mood": {"scale": "PHQ-9", "baseline": {"value": 15, "sd": 4} | points, "loadings": loads[1]} | common,
}
contrast, methods = "ketamine_wet - ketamine_contact", ["nested"]
secondary = [{"contrast": contrast, "day": 92, "outcome": name, "methods": methods} for name in ("sleep", "mood")]
asked = {"outcome": None, "outcomes": outcomes, "secondary": secondary, "estimand.methods": methods, "variants": {}}
scenario = kt.load_scenario("wet_ptsd", asked)

# %% [markdown]
# ## How they move together
#
# The course of each in the two arms, as the share of the baseline that is left, so that one axis
# holds all three.

# %%
trials = kt.simulate(scenario, seed=SEED, replicates=min(REPLICATES, 60)).to_frame()
COLUMNS = {"ptsd": ("score", "baseline"), "sleep": ("sleep", "sleep_baseline"), "mood": ("mood", "mood_baseline")}
NAMES = {"ptsd": "PTSD (CAPS-5)", "sleep": "sleep (ISI)", "mood": "mood (PHQ-9)"}
means = trials.groupby(["arm", "day"])[[column for pair in COLUMNS.values() for column in pair]].mean()
figure, axes = plt.subplots(figsize=(3.5, 2.8))
for i, (name, (score, baseline)) in enumerate(COLUMNS.items()):
    for arm, style in (("ketamine_contact", "--"), ("ketamine_wet", "-")):
        left = 100 * means.loc[arm, score] / means.loc[arm, baseline]
        axes.plot(left.index, left, style, color=f"C{i}", label=NAMES[name] if style == "-" else None)
axes.set(xlabel="Day (dashed: supportive contact)", ylabel="Left of the baseline (%)", ylim=(0, 100))
axes.legend(ncols=1, loc="lower right")
plt.show()

# %%
last = trials[trials["day"] == scenario.estimand.day].rename(columns={"score": "ptsd"})
correlation = last[list(NAMES)].corr()
print(f"Correlations of the scores on day {scenario.estimand.day:g}, both arms together")
correlation.round(2)

# %% [markdown]
# With the primary outcome the others correlate more closely than was declared, because the same
# treatment moves them all.
#
# ## What each can show
#
# Three questions in one trial are three chances to be wrong. Holm's procedure keeps the chance of any
# false claim at the level of one test.

# %%
holm = scenario.with_values({"analysis.multiplicity": {"procedure": "holm"}})
SIZES = [60, 120, 180]
results = kt.power(holm, vary={"design.n_per_arm": SIZES}, replicates=REPLICATES, seed=SEED)
frame = results.to_frame().rename(columns={"design.n_per_arm": "n"})
frame["value ± MCSE"] = [f"{v:.3f} ± {e:.3f}" for v, e in zip(frame["value"], frame["mcse"], strict=True)]
each = frame[frame["metric"].isin(["power", "power_multiplicity", "type_i_error"]) & frame["outcome"].notna()]
print(f"nested; {REPLICATES} replicates; seed {SEED}")
each.pivot(index=["outcome", "metric"], columns="n", values="value ± MCSE")

# %%
figure, axes = plt.subplots()
for i, (name, label) in enumerate(NAMES.items()):
    for metric, style in (("power", "o-"), ("power_multiplicity", "s--")):
        rows = each[(each["outcome"] == name) & (each["metric"] == metric)]
        axes.plot(rows["n"], rows["value"], style, color=f"C{i}", label=label if style == "o-" else None)
axes.axhline(0.8, color="0.6", lw=0.7)
axes.set(xlabel="Patients per arm (solid: alone, dashed: by Holm)", ylabel="Power", ylim=(0, 1))
axes.set_xticks(SIZES)
axes.legend(loc="lower right")
plt.show()

# %% [markdown]
# ## Any of them, or all of them?
#
# *Any*: at least one is shown, the usual hope. *All*: every one is shown, what "works on symptoms,
# sleep and mood" promises. Between them lies what a trial may claim. Beside them is the chance of any
# false claim when the therapy does nothing.

# %%
JOINT = {"power_any": "any", "power_all": "all", "familywise_error_therapy": "any false claim"}
joint = frame[frame["metric"].isin(JOINT)]
figure, axes = plt.subplots()
for (metric, label), style in zip(JOINT.items(), ["o-", "s--", "^:"], strict=True):
    rows = joint[joint["metric"] == metric]
    axes.errorbar(rows["n"], rows["value"], yerr=1.96 * rows["mcse"], fmt=style, label=label)
axes.axhline(scenario.analysis.alpha, color="0.6", lw=0.7)
axes.set(xlabel="Patients per arm", ylabel="Probability (95 % Monte Carlo)", ylim=(0, 1))
axes.set_xticks(SIZES)
figure.legend(loc="outside lower center", ncols=3)
plt.show()

# %%
print(f"Holm over {len(NAMES)} outcomes; nested; {REPLICATES} replicates; seed {SEED}")
joint.pivot(index="metric", columns="n", values="value ± MCSE").loc[list(JOINT)]

# %% [markdown]
# More outcomes raise the chance to show something and lower the chance to show everything. Which of
# the two a trial needs should stand in its protocol before anybody counts.
#
# ## Change this
#
# - Let mood follow the therapy more closely (`MOOD`, second number 0.5). Which outcome would then be
#   the better primary?
# - Raise `together` to 0.8: do correlated outcomes cost or save patients under Holm?
# - Test in order instead, `{"procedure": "fixed_sequence"}` (docs/analyses.md): who pays for the
#   order?
