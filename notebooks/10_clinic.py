# %% [markdown]
# # The clinic: can it keep the promise of the protocol?
#
# A protocol that says "two sessions within two days after each infusion" is a promise made on behalf
# of a clinic. This notebook runs every patient of such a trial through recruitment, chairs, nurses,
# therapists and raters, sees where they wait, and then asks what the waiting does to the power of the
# trial.
#
# The plan is the scenario `clinic_one_therapist_short`; nearly all of its rates and costs are
# assumptions, and that there is a window in which a session counts for more is its hypothesis. Every
# ± is one Monte Carlo standard error (MCSE).

# %%
import matplotlib.pyplot as plt
import pandas as pd

import kaptrial as kt

plt.style.use("figures.mplstyle")
REPLICATES = 512
SEED = 1

# %%
scenario = kt.load_scenario("clinic_one_therapist_short", {"variants": {}})
print(scenario.question)
results = kt.clinic(scenario, replicates=max(REPLICATES // 4, 16), seed=SEED)
print(results.headline.text)

# %% [markdown]
# ## Who comes, and how long it takes

# %%
results.plot("accrual")

# %% [markdown]
# ## Who is busy
#
# Staff who are busy four fifths of the time cannot give everybody an appointment within two days.

# %%
results.plot("utilisation")

# %% [markdown]
# ## When the sessions really fall

# %%
results.plot("lags")

# %%
kept = results.to_frame().query("table == 'kept' and of == 'ketamine_cbt'").copy()
kept["share ± MCSE"] = [f"{v:.3f} ± {e:.3f}" for v, e in zip(kept["value"], kept["mcse"], strict=True)]
print(f"{results.provenance['replicates']} runs of the clinic, seed {SEED}")
kept[["metric", "share ± MCSE"]]

# %% [markdown]
# ## How many therapists?
#
# The same trial with two to six therapists: sessions in their window, power, and cost. Each trial is
# simulated with the sessions that its clinic gave. Power is by the nested analysis, which counts the
# therapists.

# %%
seats = "clinic.sites[0].therapists.cbt"
plans = kt.clinic(scenario, vary={seats: [2, 3, 4, 5, 6]}, replicates=REPLICATES, seed=SEED)
plans.plot("plans")

# %%
table = plans.to_frame().rename(columns={seats: "therapists"}).set_index("therapists")
shown = pd.DataFrame(
    {
        "power ± MCSE": [f"{r.power:.3f} ± {r.power_mcse:.3f}" for r in table.itertuples()],
        "in window": table["in_window"].round(2).to_numpy(),
        "therapists busy": table["therapists_busy"].round(2).to_numpy(),
        "months": table["months"].round(1).to_numpy(),
        "cost, million EUR": (table["cost"] / 1e6).round(2).to_numpy(),
    },
    index=table.index,
)
print(f"{REPLICATES} replicates, seed {SEED}")
shown

# %% [markdown]
# ## And the type I error?
#
# Power says nothing without it. Here is the trial in its clinic with three and with four therapists,
# under the null: the therapy does nothing. `ancova`, which ignores therapists, is beside `nested` as
# a warning.

# %%
in_clinic = {
    n: kt.power(scenario.with_values({seats: n}), clinic=True, replicates=REPLICATES, seed=SEED).to_frame()
    for n in (3, 4)
}
rates = pd.concat(in_clinic, names=["therapists"]).reset_index("therapists")
rates = rates[rates["metric"].isin(["power", "type_i_error"])]
rates["value ± MCSE"] = [f"{v:.3f} ± {e:.3f}" for v, e in zip(rates["value"], rates["mcse"], strict=True)]
print(f"{REPLICATES} replicates, seed {SEED}")
rates.pivot(index=["therapists", "analysis"], columns="metric", values="value ± MCSE")

# %% [markdown]
# ## What of the loss is waiting?
#
# The same number of therapists without a clinic, every session on its day: what is lost then is
# clustering alone, more patients with each therapist. The rest is the waiting.

# %%
caseload = "therapies.cbt.therapists.caseload"
of_one = {n: -(-scenario.design.n_per_arm // n) for n in in_clinic}
on_the_day = kt.power(scenario, vary={caseload: list(of_one.values())}, replicates=REPLICATES, seed=SEED).to_frame()
planned = on_the_day.query("metric == 'power' and analysis == 'nested'")
real = rates.query("metric == 'power' and analysis == 'nested'")
places = [0, 1]
figure, axes = plt.subplots()
for rows, shift, label in [(planned, -0.17, "every session on its day"), (real, 0.17, "in the clinic")]:
    at = [place + shift for place in places]
    axes.bar(at, rows["value"], yerr=1.96 * rows["mcse"], width=0.32, label=label)
axes.set_xticks(places, [f"{n} therapists" for n in in_clinic])
axes.set(ylabel="Power (95 % Monte Carlo)", ylim=(0, 1.25))
axes.legend(ncols=2)
plt.show()

# %% [markdown]
# A missing therapist costs twice: fewer therapists carry more patients each, and sessions come when
# the window is nearly shut. A funder sees neither in a plan that says "therapists as needed".
#
# ## Change this
#
# - Let sessions be given on the day of the infusion too: `"clinic.sessions.from_hours": 2`. What is
#   kept then?
# - Halve the referrals (`"clinic.sites[0].referrals.value": 24`). What is waited for, and how long
#   does the trial take?
# - Take the window away (`{"therapies.cbt.gamma": 0}`): what does one therapist too few cost then?
