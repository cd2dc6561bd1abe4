"""Commands about what has become of runs: status, retry, cancel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import typer

from sgdlab.cli.arguments import Arguments, AsJson, OptionalArguments, Scale, arguments_or_all
from sgdlab.cli.output import console, print_json, table
from sgdlab.cli.request import open_request
from sgdlab.cli.submissions_view import print_submissions
from sgdlab.errors import UsageError
from sgdlab.launch.slurm.overview import look_at_jobs
from sgdlab.runs.retrying import clear_failed
from sgdlab.sweeps.standing import Standing, standing_of
from sgdlab.sweeps.survey import verified


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("status")(status)
    app.command("retry")(retry)
    app.command("cancel")(cancel_submissions)


def status(
    arguments: OptionalArguments = None,
    scale: Scale = "laptop",
    as_json: AsJson = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every file, also those that show no sign of a change.")
    ] = False,
) -> None:
    """Tell the state of every run of these sweeps, from the run folders; without a name, of all sweeps."""
    named = [argument for argument in arguments or () if "=" not in argument]
    with open_request(arguments_or_all(arguments, scale), scale) as request:
        censuses = {"": request.census()} if named else request.censuses()
        if verify:
            censuses = {name: verified(census, request.store) for name, census in censuses.items()}
        standings = {name: standing_of(census, request.store) for name, census in censuses.items()}
        is_work_left = any(census.missing for census in censuses.values())
        jobs = look_at_jobs(request.store, request.titles, request.wanted(), is_work_left)
    if not named:
        _print_overview(standings, as_json)
    elif as_json:
        print_json({**standings[""].to_dict(), "submissions": [view.to_dict() for view in jobs.submissions]})
    else:
        print_standing(standings[""])
    if not as_json:
        print_submissions(jobs)


def retry(
    arguments: Arguments,
    scale: Scale = "laptop",
    state: Annotated[
        Literal["failed", "damaged"], typer.Option(help="Which runs to clear, to be trained again.")
    ] = "failed",
    error: Annotated[str, typer.Option(help="Only those whose error has this text in it.")] = "",
) -> None:
    """Clear failed or damaged runs; `sgdlab run` trains them again."""
    if error and state != "failed":
        raise UsageError("--error goes with --state failed: damaged runs have no error")
    with open_request(arguments, scale) as request:
        found = request.census()
        if state == "failed":
            keys = clear_failed(request.store, found.failed, error)
        else:
            keys = verified(found, request.store).damaged
            for key in keys:
                request.store.discard(key)
    print(f"{len(keys)} {state} runs cleared; `sgdlab run` trains them again")


def cancel_submissions(arguments: Arguments, scale: Scale = "laptop") -> None:
    """Cancel the Slurm jobs of these sweeps; runs that other sweeps want go on there, and nothing is lost."""
    from sgdlab.launch.slurm.cancel import cancel

    with open_request(arguments, scale) as request:
        cancelled = cancel(request.store, request.titles)
    for submission in cancelled:
        print(f"cancelled job {submission.job_id() or submission.job_name}")
    if cancelled:
        print("`sgdlab run` goes on where they were")
    else:
        print("nothing to cancel: there are no jobs that only these sweeps want")


def print_standing(standing: Standing) -> None:
    """Print how many runs are in which state, what failed and why, and what is damaged."""
    counts = table("state", "runs", numeric=("runs",))
    for state, number in standing.counts.items():
        counts.add_row(state, str(number))
    console().print(counts)
    if standing.unknown_since:
        print(
            f"unknown since {standing.unknown_since}: nothing was heard of their workers; if those are gone,"
        )
        print("`sgdlab run` goes on with these runs")
    for failure in standing.failures:
        print(f"{failure.key[:12]} failed: {failure.error}\n             log: {failure.log}")
    if standing.failures:
        print("To train failed runs again: sgdlab retry SWEEP, then sgdlab run SWEEP")
    print(*standing.damages, sep="\n", end="\n" if standing.damages else "")


def _print_overview(standings: Mapping[str, Standing], as_json: bool) -> None:
    if as_json:
        print_json({name: standing.to_dict() for name, standing in standings.items()})
        return
    states = ("done", "diverged", "running", "unknown", "failed", "damaged")
    listing = table("sweep", "runs", *states, "to train", numeric=("runs", *states, "to train"))
    for name, standing in standings.items():
        numbers = [standing.counts[state] for state in states]
        total = sum(standing.counts.values())
        listing.add_row(name, *map(str, (total, *numbers, total - sum(numbers))))
    console().print(listing)
