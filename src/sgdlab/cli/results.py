"""Commands about results: results, claims, export, report."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sgdlab.cli.arguments import Arguments, AsJson, Scale
from sgdlab.cli.request import open_request
from sgdlab.errors import UsageError

if TYPE_CHECKING:
    from sgdlab.sweeps.outlook import Outlook


class ExportFormat(StrEnum):
    """What tables are written as."""

    csv = "csv"
    parquet = "parquet"
    json = "json"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("results")(results)
    app.command("claims")(claims)
    app.command("export")(export)
    app.command("report")(report)


def results(
    arguments: Arguments,
    scale: Scale = "laptop",
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    point: Annotated[
        str | None,
        typer.Option(
            "--explain",
            metavar="POINT",
            help="Show the runs behind a point, which were kept and why: 'optimizer.lr=2**-6, grid=sgd'.",
        ),
    ] = None,
    test_images: Annotated[
        bool, typer.Option("--test-images", help="Resample the test images, too, in the interval over all n.")
    ] = False,
) -> None:
    """Show each point by the protocol (best k of n), the claims, and what was left out and why."""
    from sgdlab.analysis.claims import judge
    from sgdlab.analysis.collect import observe
    from sgdlab.analysis.explain import explain
    from sgdlab.analysis.optimum_table import optimum_rows
    from sgdlab.analysis.penalty_error import describe_penalty_error
    from sgdlab.analysis.seed_rounds import describe_rounds
    from sgdlab.analysis.tables import rows, write_csv
    from sgdlab.cli.explanation_view import print_explanations
    from sgdlab.cli.results_view import print_results, results_as_json

    with open_request(arguments, scale) as request:
        asked = list(zip(request.sweeps, request.known(), strict=True))
        store = request.store
    if point is not None:
        explained = [
            (sweep, explain(sweep, observe(sweep, known, store), point, store.read_curves))
            for sweep, known in asked
        ]
        print_explanations(explained, as_json)
        return
    between = "[" if as_json else ""
    for sweep, known in asked:
        observations = observe(sweep, known, store)
        found = rows(sweep, observations, store.read_curves if test_images else None)
        cautions = [*describe_rounds(sweep, observations), *describe_penalty_error(observations)]
        if as_csv:
            write_csv(found, sys.stdout)
            continue
        optima, verdicts = optimum_rows(sweep, observations), judge(sweep, observations)
        if as_json:
            print(between)
            between = ","
            sys.stdout.writelines(results_as_json(sweep, found, optima, verdicts, cautions))
        else:
            print_results(sweep, found, optima, verdicts, cautions)
    if as_json:
        print("]")


def claims(arguments: Arguments, scale: Scale = "laptop", as_json: AsJson = False) -> None:
    """Show the claims of some sweeps in one table: verdict, number with its interval, what was expected."""
    from sgdlab.analysis.claims import judge
    from sgdlab.analysis.collect import observe
    from sgdlab.cli.claims_view import print_claims

    with open_request(arguments, scale) as request:
        judged = [
            (sweep, judge(sweep, observe(sweep, known, request.store)))
            for sweep, known in zip(request.sweeps, request.known(), strict=True)
        ]
    print_claims(judged, as_json)


def export(
    arguments: Arguments,
    scale: Scale = "laptop",
    folder: Annotated[Path, typer.Option(help="Where to write.")] = Path("outputs/export"),
    kind: Annotated[ExportFormat, typer.Option("--format", help="Of the tables.")] = ExportFormat.csv,
) -> None:
    """Write runs, curves, points and claims as tidy tables with units; `figure --from` draws from them."""
    from sgdlab.analysis.collect import observe
    from sgdlab.analysis.export import write_export

    with open_request(arguments, scale) as request:
        store = request.store
        seen = [
            (sweep, observe(sweep, known, store))
            for sweep, known in zip(request.sweeps, request.known(), strict=True)
        ]
        print("export:", *write_export(seen, store.read_curves, folder, kind.value), sep="\n  ")


def report(
    arguments: Arguments,
    scale: Scale = "laptop",
    out: Annotated[Path, typer.Option(help="The page to write: .html, or .md for Markdown.")] = Path(
        "outputs/report.html"
    ),
) -> None:
    """Write one page: figures, claims, protocol tables, settings, times, provenance.

    As Markdown: figures, claims, and what the sweeps take at the paper's own scale.
    """
    from sgdlab.analysis.collect import observe
    from sgdlab.analysis.timing import timings_of
    from sgdlab.reports.failures import failures_of
    from sgdlab.reports.html_page import write_report
    from sgdlab.reports.markdown_page import write_results_page
    from sgdlab.reports.provenance import provenance_of
    from sgdlab.reports.section import section_of

    if out.suffix not in (".html", ".md"):
        raise UsageError(f"--out={out}: a report is an .html page or an .md page")

    with open_request(arguments, scale) as request:
        sections, trained = [], set[str]()
        for sweep, known in zip(request.sweeps, request.known(), strict=True):
            observations, keys = observe(sweep, known, request.store), set(known.keys)
            timings = timings_of(keys, request.store) if out.suffix == ".html" else []
            provenance = provenance_of(keys, request.store)
            failed = [one.key for one in observations if one.state == "failed"]
            failures = failures_of(failed, request.store)
            sections.append(section_of(sweep, observations, provenance, timings, failures))
            trained |= {one.key for one in observations if one.state in ("done", "diverged")}
        about_execution, store = request.about_execution, request.store
    if out.suffix == ".html":
        print(f"report: {write_report(sections, out, read_curves=store.read_curves)}")
    else:
        outlook = _outlook_at("paper", arguments, about_execution)
        print(f"report: {write_results_page(sections, out, len(trained), outlook)}")


def _outlook_at(scale: str, arguments: Sequence[str], about_execution: Sequence[str]) -> Outlook | None:
    """Tell what those of the named sweeps take that have a scale; None if there is none."""
    from sgdlab.launch.devices import num_workers
    from sgdlab.launch.measuring import known_costs
    from sgdlab.sweeps.files import scales_of
    from sgdlab.sweeps.finding import find_sweep, names_meant_by
    from sgdlab.sweeps.outlook import look_out

    named = [name for argument in arguments if "=" not in argument for name in names_meant_by(argument)]
    having_it = [name for name in named if scale in scales_of(find_sweep(name))]
    if not having_it:
        return None
    with open_request([*having_it, *about_execution], scale) as request:
        execution = request.execution
        costs = known_costs(execution, request.store)
        return look_out(request.runs(), scale, execution, num_workers(execution.launcher), costs)
