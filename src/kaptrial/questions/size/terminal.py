"""What `kaptrial size` says on the terminal."""

from __future__ import annotations

from kaptrial.output.tables import key, number, of_rows, text
from kaptrial.output.terminal import by_mcse, error, paragraph, table, with_controls
from kaptrial.questions.size.answer import Answer, SizeResults
from kaptrial.questions.size.staffed import FLAT
from kaptrial.questions.size.staffed_answer import StaffedResults
from kaptrial.questions.size.with_looks import Figure


def show(results: SizeResults | StaffedResults) -> None:
    """Either of the two answers."""
    if isinstance(results, StaffedResults):
        show_staffed(results)
    else:
        show_size(results)


def show_size(results: SizeResults) -> None:
    """The value found with its interval, the check by fresh replicates, the closed form, and the points tried."""
    answer, provenance = results.answer, results.provenance
    if results.headline is not None:
        paragraph(f"{results.headline.text}\n")
    paragraph(
        f"{provenance['title']}\nseed {provenance['seed']}, {provenance['replicates']} replicates a point,"
        f" kaptrial {provenance['version']}{with_controls(provenance)}\n",
    )
    paragraph(
        f"analysis: {answer.analysis}; contrast: {answer.contrast}; endpoint: {answer.endpoint}; day: {answer.day:g}\n",
    )
    lines = [
        (answer.said(p.value), f"{by_mcse(p.power, p.mcse)} ± {error(p.mcse)}", p.replicates) for p in answer.tried
    ]
    table(*of_rows([(answer.path, key), ("power", number), ("replicates", number)], lines))
    for line in size_lines(answer):
        paragraph(line)


def size_lines(answer: Answer) -> list[str]:
    """The answer in sentences."""
    lines = []
    goal = f"{100 * answer.target:g} % power"
    if answer.value is None:
        lines.append(f"\n{answer.path}: {goal} is not reached.")
    else:
        which = {"largest": "at most", "size": "", "minimal_detectable": "minimal detectable"}.get(
            answer.metric, "at least"
        )
        lines.append(f"\n{answer.path} for {goal}: {which} {answer.said(answer.value)}".replace(":  ", ": "))
        if answer.lower is not None:
            lines[-1] += (
                f" (95 % interval {answer.said(answer.lower)} to {answer.said(answer.upper)},"
                f" 99.9 % {answer.said(answer.lower_999)} to {answer.said(answer.upper_999)};"
                " Monte Carlo error only)."
            )
        lines.append(
            f"Power there in {answer.achieved_replicates} fresh replicates (seed {answer.achieved_seed}):"
            f" {by_mcse(answer.achieved, answer.achieved_mcse)} ± {error(answer.achieved_mcse)}."
        )
    lines += looks_lines(answer)
    if answer.closed_form is not None:
        how = {
            "exact": "Closed form (its conditions hold)",
            "approximate": "A t test with the simulated SE (approximate)",
        }[answer.closed_form_kind or "approximate"]
        lines.append(f"{how}: {answer.said(answer.closed_form)}.")
    if answer.ceiling is not None:
        most = f"{by_mcse(answer.ceiling, answer.ceiling_mcse)} ± {error(answer.ceiling_mcse)}"
        lines.append(f"Highest power within reach: {most}.")
    if answer.message:
        lines.append(answer.message[0].upper() + answer.message[1:] + ".")
    return lines


def looks_lines(answer: Answer) -> list[str]:
    """What looks take and give, in sentences; none of a trial without them."""
    without, at, lines = answer.without_looks, answer.at_answer, []
    if without is not None and without.value is None:
        lines.append(f"Without looks: {without.message}.")
    elif without is not None:
        ends = f" (95 % interval {without.said(without.lower)} to {without.said(without.upper)})"
        lines.append(f"Without looks: {without.said(without.value)}{'' if without.lower is None else ends}")
        if answer.inflation is not None:
            lines[-1] += f"; with them {_figure(answer.inflation)} times as many"
        lines[-1] += "."
    if at is None:
        return lines
    looks = ", ".join(f"{n} (month {month:.1f})" for n, month in zip(at.patients, at.months, strict=True))
    lines.append(f"Looks, by patients at the primary visit: {looks}.")
    text = f"Patients randomised on average: {_figure(at.expected_n)} of {at.max_n}"
    if at.expected_n_null is not None and at.type_i_error is not None:
        text += f"; {_figure(at.expected_n_null)} without an effect, where type I error is {_figure(at.type_i_error)}"
    lines.append(f"{text}.")
    return lines


def _figure(figure: Figure) -> str:
    return f"{by_mcse(figure.value, figure.mcse)} ± {error(figure.mcse)}"


def show_staffed(results: StaffedResults) -> None:
    """The cheapest plan, the plans around it, how flat the cost is there, and the square-root rule."""
    answer, provenance = results.answer, results.provenance
    if results.headline is not None:
        paragraph(f"{results.headline.text}\n")
    paragraph(
        f"{provenance['title']}\nseed {provenance['seed']}, {provenance['replicates']} replicates a point,"
        f" kaptrial {provenance['version']}{with_controls(provenance)}\n",
    )
    heads = [(answer.path, key), ("patients", number), ("therapists", number), ("caseload", number), ("cost", number)]
    rows = [
        (
            plan.n,
            plan.n_total,
            plan.therapists,
            f"{plan.caseload:.1f}",
            f"{plan.cost:,.0f}",
            f"{by_mcse(plan.power, plan.mcse)} ± {error(plan.mcse)}",
            "cheapest" if i == answer.chosen else "",
        )
        for i, plan in enumerate(answer.plans)
    ]
    table(*of_rows([*heads, ("power", number), ("", text)], rows))
    for line in staffed_lines(results):
        paragraph(line)


def staffed_lines(results: StaffedResults) -> list[str]:
    """The answer in sentences."""
    answer, lines = results.answer, []
    plan = answer.plan
    if plan is not None:
        if answer.lower is not None and answer.upper is not None:
            lines.append(
                f"\n{answer.path} with {plan.therapists} therapists: 95 % interval {answer.lower} to {answer.upper}"
                " (Monte Carlo error only)."
            )
        lines.append(
            f"Power there in {answer.achieved_replicates} fresh replicates (seed {answer.achieved_seed}):"
            f" {by_mcse(answer.achieved, answer.achieved_mcse)} ± {error(answer.achieved_mcse)}."
        )
        if answer.type_i_error is not None:
            rate = f"{by_mcse(answer.type_i_error, answer.type_i_error_mcse)} ± {error(answer.type_i_error_mcse)}"
            lines.append(f"Type I error there: {rate}.")
        if answer.flat is not None:
            few, many = answer.flat
            lines.append(
                f"Cost is flat near the cheapest plan: with {few} to {many} therapists, and the patients that are"
                f" enough for them, it is {100 * FLAT:g} % higher at most."
                if few < many
                else f"With any other number of therapists cost is more than {100 * FLAT:g} % higher."
            )
        lines.append(
            f"By the square-root rule (variances known, normal test): {answer.path} = {answer.closed_n:.1f} and"
            f" {answer.closed_therapists:.1f} therapists."
        )
    lines += [f"{'' if note.severity == 'information' else note.severity + ': '}{note.text}" for note in results.notes]
    return lines
