# %% [markdown]
# # A grant from A to Z
#
# A funder asks the same questions each time: what is the question, who takes part, how many patients
# and why, what would spoil the plan, and does the budget hold? This notebook answers them for one
# trial, in the order of a call, and ends with the pack: the words, tables and figures that go into
# the proposal.
#
# The trial is after `wet_ptsd`: in chronic PTSD, does written exposure therapy add to six infusions
# of ketamine? The scenario says which of its numbers are published; its therapy's effect is the
# weakest of them. Every ± is one Monte Carlo standard error (MCSE).

# %%
import matplotlib.pyplot as plt

import kaptrial as kt

plt.style.use("figures.mplstyle")
REPLICATES = 400
SEED = 1

# %% [markdown]
# ## "What is known?"
#
# Trials of the catalogue in PTSD that had a psychotherapy, with or without a comparator.

# %%
known = kt.evidence.list("ptsd", therapy=True).to_frame()
known.head(8)

# %% [markdown]
# ## "What is the question, and in whom?"

# %%
plain = {"secondary": [], "design.visits": [0, 8, 14, 28, 56, 92]}
scenario = kt.load_scenario("wet_ptsd", plain)
print(scenario.question)
print("In:", scenario.population.description)
for arm in scenario.arms:
    print(f"{arm.label}: {len(arm.doses[0].days)} infusions, {len(arm.therapy.days)} sessions")
print(f"Primary outcome: {scenario.scale.id}, day {scenario.estimand.day:g}")

# %% [markdown]
# ## "How many patients?"
#
# First with the effect as the open study suggests, then with a smaller one: a plan that stands on the
# hopeful number alone will not convince.

# %%
effect = "therapies.wet.max_effect.value"
EFFECTS, SIZES = [7, 9, 11], [60, 90, 120]
grid = kt.power(
    scenario.with_values({"variants": {}}),
    vary={effect: EFFECTS, "design.n_per_arm": SIZES},
    replicates=REPLICATES,
    seed=SEED,
)
grid.plot("power_map")

# %%
rates = grid.to_frame().query("metric in ['power', 'truth', 'type_i_error']").rename(columns={effect: "effect"})
rates["value ± MCSE"] = [f"{v:.3f} ± {e:.3f}" for v, e in zip(rates["value"], rates["mcse"], strict=True)]
print(f"{rates['analysis'].iloc[0]}; {REPLICATES} replicates; seed {SEED}")
rates.pivot(index=["effect", "metric"], columns="design.n_per_arm", values="value ± MCSE")

# %% [markdown]
# The size that we ask for is the largest of these, and the effect that it is planned on is the middle
# one.

# %%
plan = scenario.with_values({"design.n_per_arm": max(SIZES), effect: EFFECTS[1]})
size = kt.size(plan, power=0.8, replicates=REPLICATES, seed=SEED)
print(size.headline.text)

# %% [markdown]
# ## "What if you are wrong?"
#
# The pack moves every assumption in turn and tries adverse worlds: a shorter half-life, dropout that
# is not at random, fewer therapists, belief in place of effect. It does not soften the verdict.

# %%
pack = kt.report(plan, replicates=REPLICATES, seed=SEED)
print(pack.headline.text)
numbers = pack.to_frame().set_index("key")
print("Verdict over all worlds:", numbers.loc["verdict", "shown"])
worlds = numbers[numbers.index.str.startswith("world.")]
parts = worlds.index.str.removeprefix("world.").str.rsplit(".", n=1)
worlds = worlds.assign(world=[part[0] for part in parts], what=[part[-1] for part in parts])
worlds.pivot(index="world", columns="what", values="shown")[["power", "false_claims", "verdict"]].fillna("")

# %%
figure, axes = plt.subplots(figsize=(3.5, 2.8))
names = list(worlds["world"].unique())
for what, marker in (("power", "o"), ("false_claims", "s")):
    rows = worlds[worlds["what"] == what]
    at = [names.index(name) for name in rows["world"]]
    error = 1.96 * rows["mcse"].astype(float)
    axes.errorbar(rows["value"].astype(float), at, xerr=error, fmt=marker, label=what.replace("_", " "))
axes.axvline(plan.analysis.alpha, color="0.6", lw=0.7)
axes.axvline(0.8, color="0.6", lw=0.7, ls=":")
axes.set_yticks(range(len(names)), names)
axes.set(xlabel="Share of trials (95 % Monte Carlo)", xlim=(0, 1))
figure.legend(loc="outside lower center", ncols=2)
plt.show()

# %% [markdown]
# One assumption at a time, moved to the 10 and the 90 % of its range; the eight that move power most.

# %%
rows = numbers[numbers.index.str.match(r"tornado\..*\.(low|high)\.power")]["value"].astype(float)
sides = rows.index.str.extract(r"tornado\.(.*)\.(low|high)\.power")
tornado = rows.groupby([sides[0].to_numpy(), sides[1].to_numpy()]).first().unstack()
tornado = tornado.loc[(tornado["high"] - tornado["low"]).abs().sort_values().index[-8:]]
figure, axes = plt.subplots(figsize=(3.5, 2.8))
axes.hlines(range(len(tornado)), tornado["low"], tornado["high"], color="0.7", lw=4)
axes.plot(tornado["low"], range(len(tornado)), "o", label="low")
axes.plot(tornado["high"], range(len(tornado)), "s", label="high")
axes.set_yticks(range(len(tornado)), tornado.index.str.replace("therapies.", "").str.replace("_", " "))
axes.set(xlabel=f"Power ({REPLICATES // 4} trials each, the same ones)")
figure.legend(loc="outside lower center", ncols=2)
plt.show()

# %% [markdown]
# Read the worlds that do not pass before you send anything: each is a sentence that a reviewer will
# write if you do not.
#
# ## "Who is lost on the way?"

# %%
flow = numbers[numbers.index.str.startswith("flow.")]["shown"]
flow.index = flow.index.str.removeprefix("flow.")
flow.to_frame()

# %% [markdown]
# ## The pack
#
# Everything above and more, ready for a proposal: a lay summary, the justification of the sample size
# in a sentence, a paragraph and a page, the schedule of SPIRIT, assumptions with their sources,
# methods, limits, checklists and references.

# %%
print("Sections:", ", ".join(section.title for section in pack.sections if section.applies))
print("Figures:", ", ".join(pack.figures_drawn))
print(f"{len(pack.rows)} numbers, the same in every format")

# %% [markdown]
# To write it: `pack.write("pack")`, or `kaptrial report wet_ptsd.yaml -o pack` on the command line.
# The folder holds HTML, Word and Markdown, figures for one and two columns, tables as CSV, and a list
# of references.
#
# ## Change this
#
# - Add a budget for therapists: `kt.size` with two paths (see notebook 05) on this scenario.
# - Give `wet_ptsd` a design prior for its effect (`prior`, docs/design_prior.md): the pack then has
#   its assurance.
# - Ask for one section alone, `kt.report(plan, only=["sample_size"])`, and read it as the reviewer
#   will.
