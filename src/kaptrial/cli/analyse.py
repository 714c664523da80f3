"""`kaptrial analyse`: a data set, real or simulated, by a method of the table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from kaptrial.cli.options import Command, JsonFile, ResponseFraction, check_outputs, hand_over, numbers_in
from kaptrial.errors import FieldError

# Options of the command itself, which every method has.
OWN = ("data", "method", "json_file", "help")


class AnalyseCommand(Command):
    """With `--method NAME --help` it lists the options of that method; its help ends with the table of methods."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta["method"] = _method_among(args)
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed

    def get_help(self, ctx: Any) -> str:
        if ctx.meta["method"] is not None:
            ctx.meta["shown"] = (*OWN, *_method(ctx.meta["method"]).options)
        text: str = super().get_help(ctx)
        return text

    def get_params(self, ctx: Any) -> list[Any]:
        params = super().get_params(ctx)
        shown = ctx.meta.get("shown")
        return [each for each in params if shown is None or each.name in shown]

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        from kaptrial.method_table import methods

        with formatter.section("Methods"):
            formatter.write_dl([(each.name, each.summary) for each in methods().values()])
        formatter.write_text("`--method NAME --help` lists the options of one.")


def _method_among(args: Sequence[str]) -> str | None:
    """The method that the arguments name, before they are parsed."""
    for i, text in enumerate(args):
        if text == "--method":
            return args[i + 1] if i + 1 < len(args) else None
        if text.startswith("--method="):
            return text.removeprefix("--method=")
    return None


def _method(name: str) -> Any:
    from kaptrial.method_table import method_name, methods

    try:
        return methods()[method_name(name)]
    except FieldError as error:
        raise error.below("method") from None


def analyse(
    ctx: typer.Context,
    data: Annotated[Path, typer.Argument(metavar="DATA.csv", help="One row a patient and visit (docs/analyses.md).")],
    method: Annotated[str, typer.Option(help="One of the methods listed below.")] = "ancova",
    patient: Annotated[str, typer.Option(help="Column of the patient.")] = "patient",
    arm: Annotated[str, typer.Option(help="Column of the arm.")] = "arm",
    reference: Annotated[str | None, typer.Option(help="Arm (or treatment) on the right of each contrast.")] = None,
    reference_for: Annotated[
        list[str] | None,
        typer.Option(metavar="ARM=REFERENCE", help="Whose course patients of an arm take (reference_based)."),
    ] = None,
    day: Annotated[str, typer.Option(help="Column of the day.")] = "day",
    score: Annotated[str | None, typer.Option(help="Column of the outcome; else the method's usual name.")] = None,
    baseline: Annotated[str | None, typer.Option(help="Column of the baseline score; '' for none.")] = None,
    factors: Annotated[list[str] | None, typer.Option("--factor", help="Column coded 0/1; give two for a 2×2.")] = None,
    covariates: Annotated[
        list[str] | None, typer.Option("--covariate", help="Covariate column; may be repeated.")
    ] = None,
    categories: Annotated[
        list[str] | None, typer.Option("--category", help="Covariate whose numbers are names of levels.")
    ] = None,
    therapist: Annotated[str | None, typer.Option(help="Column of the therapist; empty without one.")] = None,
    time: Annotated[str | None, typer.Option(help="Column of the time to event or censoring.")] = None,
    event: Annotated[str | None, typer.Option(help="Column coded 1 for an event, 0 for censoring.")] = None,
    stratum: Annotated[str | None, typer.Option(help="Column of strata.")] = None,
    of: Annotated[str | None, typer.Option("--of", "--days", help="Column of days counted, or of exposure.")] = None,
    period: Annotated[str, typer.Option(help="Column of the period.")] = "period",
    treatment: Annotated[str, typer.Option(help="Column of the treatment.")] = "treatment",
    sequence: Annotated[str, typer.Option(help="Column of the sequence.")] = "sequence",
    target_day: Annotated[
        float | None, typer.Option("--target-day", "--horizon", help="Only this day; for rmst, up to it.")
    ] = None,
    visits: Annotated[str | None, typer.Option(help="Days that rows are taken to, the nearest, with commas.")] = None,
    window: Annotated[
        float | None,
        typer.Option(min=0.0, help="Farthest that a row may be from its visit; else half the shortest gap of visits."),
    ] = None,
    alpha: Annotated[float, typer.Option(min=0.0001, max=0.5, help="Two-sided level.")] = 0.05,
    covariance: Annotated[
        str, typer.Option(help="Structures tried in order: us, toeph, toep, ar1h, ar1, csh, cs.")
    ] = "us,toeph,ar1h,cs",
    df: Annotated[
        str | None, typer.Option(help="satterthwaite (usual) or kenward-roger (usual for crossover).")
    ] = None,
    sandwich: Annotated[
        bool, typer.Option("--sandwich", help="Standard errors that do not rest on the covariance structure (mmrm).")
    ] = False,
    constrained_baseline: Annotated[
        bool, typer.Option("--constrained-baseline", help="The baseline as an outcome (cLDA).")
    ] = False,
    residual: Annotated[str, typer.Option(help="Residual variance: common or by_arm.")] = "common",
    crossed: Annotated[str | None, typer.Option(help="Factor crossed with the therapists of a 2×2.")] = None,
    therapy_from: Annotated[
        float | None, typer.Option(help="Day of the first session: therapists affect only later visits (nested_mmrm).")
    ] = None,
    imputation: Annotated[
        str, typer.Option(help="MAR, JR, CR, CIR, LMCF; several with commas.")
    ] = "MAR,JR,CR,CIR,LMCF",
    inference: Annotated[str, typer.Option(help="jackknife or rubin.")] = "jackknife",
    imputations: Annotated[int, typer.Option(min=2, help="Imputed data sets (with --inference rubin).")] = 100,
    delta: Annotated[float, typer.Option(help="Points added to imputed scores outside the reference arm.")] = 0.0,
    tipping_point: Annotated[
        bool, typer.Option("--tipping-point", help="The delta at which significance is lost.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="For multiple imputation.")] = 1,
    better: Annotated[
        str | None,
        typer.Option(help="Which way is better, lower or higher; unless given higher for rmst and days of success."),
    ] = None,
    best: Annotated[float, typer.Option(help="The best score.")] = 0.0,
    response_fraction: ResponseFraction = 0.5,
    missing_response: Annotated[
        str, typer.Option(help="A response that is missing: left_out, or a failure.")
    ] = "left_out",
    margin: Annotated[
        float | None, typer.Option(min=0.0, help="Non-inferiority margin; of a ratio, such as a hazard ratio, a ratio.")
    ] = None,
    first_period_only: Annotated[bool, typer.Option("--first-period-only", help="Compare the first periods.")] = False,
    json_file: JsonFile = None,
) -> None:
    """Analyse a real or simulated data set with the estimators that power assumes."""
    from dataclasses import fields

    from kaptrial import api
    from kaptrial.methods.options import Options
    from kaptrial.methods.terminal import show_analysis

    row = _method(method)
    said = {each.name: ctx.params[each.name] for each in fields(Options)}
    given = [name for name in said if ctx.get_parameter_source(name).name == "COMMANDLINE"]  # type: ignore[union-attr]
    for name in ("factors", "covariates", "categories"):
        said[name] = tuple(said[name] or ())
    for name in ("covariance", "imputation"):
        said[name] = _parts(said[name])
    said["visits"] = numbers_in("--visits", said["visits"])
    said["reference_for"] = tuple(_pair(text) for text in said["reference_for"] or ())
    check_outputs(None, json_file)
    results = api.analyse(data, row.name, **{name: said[name] for name in given})
    hand_over(results, lambda: show_analysis(results), json_file)


def _parts(text: str) -> Iterable[str]:
    """Words with commas between them."""
    return tuple(part.strip() for part in text.split(","))


def _pair(text: str) -> tuple[str, str]:
    """An arm and its reference."""
    arm, _, reference = text.partition("=")
    if not (arm.strip() and reference.strip()):
        raise FieldError("reference_for", text, "must be ARM=REFERENCE")
    return arm.strip(), reference.strip()
