"""Commands about sweeps: list, plan, run, migrate."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sgdlab.cli.arguments import Arguments, AsJson, Scale
from sgdlab.cli.output import console, print_json, table
from sgdlab.cli.request import Request, open_request, print_left_out
from sgdlab.cli.standing import print_standing
from sgdlab.runs.store import Store
from sgdlab.sweeps.standing import standing_of
from sgdlab.sweeps.survey import Survey, survey_runs

Measure = Annotated[
    bool, typer.Option("--measure", help="First measure the speed of what was never measured here.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("list")(list_sweeps)
    app.command("plan")(plan)
    app.command("run")(run)
    app.command("migrate")(migrate_store)


def list_sweeps(as_json: AsJson = False) -> None:
    """List every sweep: paper, figure, scales, title."""
    from sgdlab.sweeps.files import describe_sweeps

    rows = list(describe_sweeps())
    if as_json:
        print_json([row.__dict__ for row in rows])
        return
    listing = table("sweep", "scales", "title")  # a sweep's name tells its paper and figure
    for row in rows:
        listing.add_row(row.name, " ".join(row.scales), row.title)
    console().print(listing)


def plan(
    arguments: Arguments, scale: Scale = "laptop", as_json: AsJson = False, measure: Measure = False
) -> None:
    """Show what a run of these sweeps would train, and what it would take; submits nothing."""
    from sgdlab.cli.plan_view import print_forecast
    from sgdlab.launch.devices import num_workers
    from sgdlab.launch.measuring import known_costs
    from sgdlab.sweeps.forecast import forecast

    with open_request(arguments, scale) as request:
        found, execution = request.survey(), request.execution
        print_left_out(request)
        if measure:
            _measure(found, request)
        costs = known_costs(execution, request.store)
        expected = forecast(found, execution, num_workers(execution.launcher), costs)
    if as_json:
        print_json({"sweeps": request.titles, **expected.to_dict()})
    else:
        print_forecast(expected)


def run(
    arguments: Arguments, scale: Scale = "laptop", as_json: AsJson = False, measure: Measure = False
) -> None:
    """Train what is missing, here or on a cluster; the same command goes on where it was interrupted."""
    from sgdlab.orchestration.undertaking import Undertaking, undertake
    from sgdlab.tracking.contexts import contexts_of

    with open_request(arguments, scale) as request:
        execution = request.execution
        found = request.survey()
        print_left_out(request)
        if measure:
            _measure(found, request)
        contexts = contexts_of(zip(request.sweeps, request.known(), strict=True))
        sweeps = tuple(request.sweeps_as_written)
        extended = frozenset(sweep.name for sweep in sweeps if sweep.extend.when == "auto")
        undertaking = Undertaking(tuple(request.titles), sweeps, extended)
        found = undertake(undertaking, found, contexts, execution, request.store, request.composer)
        after = survey_runs(found.wanted, request.store, found.num_asked)
        standing, cautions = standing_of(after, request.store), _cautions(after, request.store)
    if as_json:
        print_json({**standing.to_dict(), "cautions": cautions})
    else:
        print_standing(standing)
        print(*cautions, sep="\n", end="\n" if cautions else "")
    if standing.failures or standing.damages:
        raise typer.Exit(1)


def migrate_store(overrides: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Give stored runs the keys of the present schema, after a default has changed."""
    from sgdlab.config.compose import open_composer, validate_execution
    from sgdlab.runs.migrate import migrate

    with open_composer() as composer:
        execution = validate_execution(composer, composer.parse(overrides or []))
    moved = migrate(Store(execution.folders.store))
    for old, new in moved:
        print(f"{old} → {new}")
    print(f"{len(moved)} runs have a new key")


def _measure(found: Survey, request: Request) -> None:
    """Measure the steps of the missing runs of which too little is known; tell of each as it begins."""
    from sgdlab.launch.measuring import known_costs, measure_steps
    from sgdlab.sweeps.forecast import unmeasured_steps

    costs = known_costs(request.execution, request.store)
    steps = unmeasured_steps(found.missing.values(), request.execution, costs)
    if steps:
        measure_steps(steps, request.execution, lambda line: print(line, file=sys.stderr))


def _cautions(found: Survey, store: Store) -> list[str]:
    from sgdlab.analysis.penalty_error import describe_summaries
    from sgdlab.runs.index import Index

    with Index(store) as index:
        summaries = {key: run.summary for key, run in index.lookup(found.stored).items()}
    return describe_summaries(summaries, [key for key in summaries if found.wanted[key].differences_kinks])
