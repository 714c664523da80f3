"""`kaptrial boundaries …`: a group-sequential design from its errors and looks, without a scenario."""

from __future__ import annotations

from typing import Annotated

import typer

from kaptrial.cli.options import Folder, JsonFile, check_outputs, hand_over, numbers_in


def boundaries(
    information: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Looks, as shares of the information; the last is the end.")
    ] = None,
    alpha: Annotated[float, typer.Option(help="Type I error; of both sides with --sided 2.")] = 0.025,
    sided: Annotated[int, typer.Option(help="1 or 2.")] = 1,
    spending: Annotated[
        str,
        typer.Option(
            metavar="WAY", help="obf, pocock, hsd:GAMMA, kd:RHO, wt:DELTA, hp, hp:Z, or alpha spent by each look."
        ),
    ] = "obf",
    power: Annotated[float | None, typer.Option(help="The power that the trial is to have.")] = None,
    futility: Annotated[
        str | None,
        typer.Option(
            metavar="WAY",
            help="1 − power spent by obf, pocock, hsd:GAMMA, kd:RHO or a list; or cp:C, pp:C: stop where the"
            " conditional or the predictive power is below C.",
        ),
    ] = None,
    binding: Annotated[
        bool, typer.Option("--binding/--non-binding", help="Whether efficacy counts on stopping for futility.")
    ] = False,
    pending: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help="Information of patients under way at each look but the last."),
    ] = None,
    observed: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Information that the looks held so far really had.")
    ] = None,
    statistic: Annotated[str | None, typer.Option(metavar="Z,…", help="z at the looks held so far.")] = None,
    se: Annotated[float | None, typer.Option(help="Standard error of the estimate where the trial ended.")] = None,
    output: Folder = None,
    json_file: JsonFile = None,
) -> None:
    """Boundaries of a group-sequential design: efficacy and futility at each look, errors spent, size, stopping.

    By numerical integration, for looks at any information; with statistics, what they say: conditional and predictive
    power, and at the end a stagewise p-value, a median-unbiased estimate and its interval.
    """
    from kaptrial.questions.looks import boundaries as room
    from kaptrial.questions.looks.terminal import show_boundaries

    check_outputs(output, json_file)
    results = room.answer(
        alpha=alpha,
        sided=sided,
        spending=spending,
        information=room.needed(numbers_in("--information", information)),
        power=power,
        futility=futility,
        binding=binding,
        pending=numbers_in("--pending", pending),
        observed=numbers_in("--observed", observed),
        statistics=numbers_in("--statistic", statistic),
        se=se,
    )
    hand_over(results, lambda: show_boundaries(results), json_file, output)
