"""Commands about results: results, figure, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sgdlab.analysis.claims import judge
from sgdlab.analysis.collect import observe
from sgdlab.analysis.penalty_error import describe_penalty_error
from sgdlab.analysis.tables import csv_of, describe_left_out, record_of_row, record_of_verdict, rows
from sgdlab.cli.output import print_json
from sgdlab.cli.request import Arguments, AsJson, Scale, open_request
from sgdlab.cli.results_view import print_points, print_verdicts
from sgdlab.sweeps.spec import Sweep

Folder = Annotated[Path, typer.Option(help="Where to write.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("results")(results)
    app.command("figure")(figure)
    app.command("report")(report)


def results(
    arguments: Arguments,
    scale: Scale = "laptop",
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Show each point by the protocol (best k of n), the claims, and what was left out and why."""
    records = []
    with open_request(arguments, scale) as request:
        for sweep in request.sweeps:
            observations = observe(sweep, request.wanted(sweep), request.store)
            found = rows(sweep, observations)
            verdicts = judge(sweep, observations)
            cautions = describe_penalty_error(observations)
            if as_csv:
                print(csv_of(found), end="")
            elif as_json:
                records.append(
                    {
                        "sweep": f"{sweep.name} @ {sweep.scale}",
                        "points": [record_of_row(row) for row in found],
                        "claims": [record_of_verdict(verdict) for verdict in verdicts],
                        "cautions": cautions,
                    }
                )
            else:
                print_points(sweep, found)
                print()
                print_verdicts(verdicts)
                for line in (*describe_left_out(found), *cautions):
                    print(line)
    if as_json:
        print_json(records)


def figure(arguments: Arguments, scale: Scale = "laptop", folder: Folder = Path("outputs/figures")) -> None:
    """Draw the figures as PNG, PDF and SVG, and judge the claims."""
    from sgdlab.analysis.figure_series import figure_series
    from sgdlab.analysis.figures import draw

    with open_request(arguments, scale) as request:
        for sweep in request.sweeps:
            observations = observe(sweep, request.wanted(sweep), request.store)
            written = draw(figure_series(sweep, observations), folder, _name_of(sweep))
            print(f"{sweep.name} @ {sweep.scale}:", *written, sep="\n  ")
            print_verdicts(judge(sweep, observations))


def report(
    arguments: Arguments,
    scale: Scale = "laptop",
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("outputs/report.html"),
) -> None:
    """Write one self-contained page: figures, claims, protocol tables, settings, times, provenance."""
    from sgdlab.analysis.timing import timings_of
    from sgdlab.dashboard.provenance import provenance_of
    from sgdlab.dashboard.report import write_report
    from sgdlab.dashboard.section import section_of

    with open_request(arguments, scale) as request:
        sections = []
        for sweep in request.sweeps:
            wanted = request.wanted(sweep)
            observations = observe(sweep, wanted, request.store)
            keys = {row.key for row in wanted}
            provenance, timings = provenance_of(keys, request.store), timings_of(keys, request.store)
            sections.append(section_of(sweep, observations, provenance, timings))
    print(f"report: {write_report(sections, out)}")


def _name_of(sweep: Sweep) -> str:
    """Name the figure's files after the sweep, its scale, and the panels where they were chosen."""
    parts = [sweep.name.replace("/", "-"), sweep.scale]
    if list(sweep.panels) != ["main"]:
        parts += sweep.panels
    return "-".join(parts)
