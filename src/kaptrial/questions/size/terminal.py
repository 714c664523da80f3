"""What `kaptrial size` says on the terminal."""

from __future__ import annotations

from kaptrial.output.tables import key, number, of_rows
from kaptrial.output.terminal import by_mcse, error, paragraph, table
from kaptrial.questions.size.answer import Answer, SizeResults


def show_size(results: SizeResults) -> None:
    """The value found with its interval, the check by fresh replicates, the closed form, and the points tried."""
    answer, provenance = results.answer, results.provenance
    if results.headline is not None:
        paragraph(f"{results.headline.text}\n")
    paragraph(
        f"{provenance['title']}\nseed {provenance['seed']}, {provenance['replicates']} replicates a point,"
        f" kaptrial {provenance['version']}\n",
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
