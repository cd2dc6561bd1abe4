"""Commands about sweeps: list, plan, run, status, retry, migrate."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from sgdlab.analysis.penalty_error import describe_summaries
from sgdlab.cli.output import console, print_json, table
from sgdlab.cli.plan_view import print_forecast
from sgdlab.cli.request import Arguments, AsJson, OptionalArguments, Request, Scale, open_request
from sgdlab.config.compose import open_composer, validate_execution
from sgdlab.launch.devices import num_workers
from sgdlab.launch.measuring import known_costs, measure_steps
from sgdlab.runs.migrate import migrate
from sgdlab.runs.store import Store
from sgdlab.sweeps.files import describe_sweeps
from sgdlab.sweeps.forecast import forecast, unmeasured_steps
from sgdlab.sweeps.standing import Standing, standing_of
from sgdlab.sweeps.survey import Survey, survey, verify

Measure = Annotated[
    bool, typer.Option("--measure", help="First measure the speed of what was never measured here.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("list")(list_sweeps)
    app.command("plan")(plan)
    app.command("run")(run)
    app.command("status")(status)
    app.command("retry")(retry)
    app.command("migrate")(migrate_store)


def list_sweeps(as_json: AsJson = False) -> None:
    """List every sweep: paper, figure, scales, title."""
    rows = list(describe_sweeps())
    if as_json:
        print_json([row.__dict__ for row in rows])
        return
    listing = table("sweep", "scales", "title")  # a sweep's name tells its paper and figure
    for row in rows:
        listing.add_row(row.name, " ".join(row.scales), row.title)
    console.print(listing)


def plan(
    arguments: Arguments, scale: Scale = "laptop", as_json: AsJson = False, measure: Measure = False
) -> None:
    """Show what a run of these sweeps would train, and what it would take; submits nothing."""
    with open_request(arguments, scale) as request:
        found = survey(request.sweeps, request.composer, request.store)
        if measure:
            _measure(found, request)
        costs = known_costs(request.execution, request.store)
        expected = forecast(found, request.execution, num_workers(request.execution.launcher), costs)
    names = [f"{sweep.name} @ {sweep.scale}" for sweep in request.sweeps]
    if as_json:
        print_json({"sweeps": names, **expected.to_dict()})
    else:
        print_forecast(expected)


def run(
    arguments: Arguments, scale: Scale = "laptop", as_json: AsJson = False, measure: Measure = False
) -> None:
    """Train what is missing, on this machine; the same command goes on where it was interrupted."""
    from sgdlab.dashboard.live_run import contexts_of, train_with_view

    with open_request(arguments, scale) as request:
        found = survey(request.sweeps, request.composer, request.store)
        if measure:
            _measure(found, request)
        names = [f"{sweep.name} @ {sweep.scale}" for sweep in request.sweeps]
        contexts = contexts_of(request.sweeps, request.composer)
        train_with_view(names, found, contexts, request.execution, request.store)
        found = survey(request.sweeps, request.composer, request.store)
        _report_outcome(request, found, as_json)


def status(arguments: OptionalArguments = None, scale: Scale = "laptop", as_json: AsJson = False) -> None:
    """Tell the state of every run of these sweeps, from the run folders; without a name, of all sweeps."""
    named = [argument for argument in arguments or () if "=" not in argument]
    everything = [] if named else [sweep.name for sweep in describe_sweeps() if scale in sweep.scales]
    with open_request([*everything, *(arguments or ())], scale) as request:
        if named:
            found = verify(survey(request.sweeps, request.composer, request.store), request.store)
            standing = standing_of(found, request.store)
            if as_json:
                print_json(standing.to_dict())
            else:
                _print_standing(standing)
        else:
            _print_overview(request, as_json)


def retry(
    arguments: Arguments,
    scale: Scale = "laptop",
    state: Annotated[
        Literal["failed", "damaged"], typer.Option(help="Which runs to clear, to be trained again.")
    ] = "failed",
) -> None:
    """Clear failed or damaged runs; `sgdlab run` trains them again."""
    with open_request(arguments, scale) as request:
        found = survey(request.sweeps, request.composer, request.store)
        keys = found.failed if state == "failed" else verify(found, request.store).damaged
        for key in keys:
            request.store.discard(key)
    print(f"{len(keys)} {state} runs cleared; `sgdlab run` trains them again")


def migrate_store(overrides: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Give stored runs the keys of the present schema, after a default has changed."""
    with open_composer() as composer:
        execution = validate_execution(composer, composer.parse(overrides or []))
    moved = migrate(Store(execution.folders.store))
    for old, new in moved:
        print(f"{old} → {new}")
    print(f"{len(moved)} runs have a new key")


def _measure(found: Survey, request: Request) -> None:
    """Measure the steps of the missing runs of which too little is known; tell of each as it begins."""
    costs = known_costs(request.execution, request.store)
    steps = unmeasured_steps(found.missing.values(), request.execution, costs)
    if steps:
        measure_steps(steps, request.execution, lambda line: print(line, file=sys.stderr))


def _report_outcome(request: Request, found: Survey, as_json: bool) -> None:
    standing = standing_of(found, request.store)
    cautions = describe_summaries(
        {key: run.summary for key, run in found.stored.items()},
        [key for key in found.stored if found.wanted[key].differences_kinks],
    )
    if as_json:
        print_json({**standing.to_dict(), "cautions": cautions})
    else:
        _print_standing(standing)
        print(*cautions, sep="\n", end="\n" if cautions else "")
    if standing.failures or standing.damages:
        raise typer.Exit(1)


def _print_overview(request: Request, as_json: bool) -> None:
    surveys = {sweep.name: survey([sweep], request.composer, request.store) for sweep in request.sweeps}
    standings = {name: standing_of(found, request.store) for name, found in surveys.items()}
    if as_json:
        print_json({name: standing.to_dict() for name, standing in standings.items()})
        return
    states = ("done", "diverged", "running", "failed", "damaged")
    listing = table("sweep", "runs", *states, "to train", numeric=("runs", *states, "to train"))
    for name, standing in standings.items():
        numbers = [standing.counts[state] for state in states]
        total = sum(standing.counts.values())
        listing.add_row(name, *map(str, (total, *numbers, total - sum(numbers))))
    console.print(listing)


def _print_standing(standing: Standing) -> None:
    counts = table("state", "runs", numeric=("runs",))
    for state, number in standing.counts.items():
        counts.add_row(state, str(number))
    console.print(counts)
    for failure in standing.failures:
        print(f"{failure.key[:12]} failed: {failure.error}\n             log: {failure.log}")
    if standing.failures:
        print("To train failed runs again: sgdlab retry SWEEP, then sgdlab run SWEEP")
    print(*standing.damages, sep="\n", end="\n" if standing.damages else "")
