"""``sgdlab sync``: offline W&B runs go to the server."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from sgdlab.cli.output import format_duration, print_json, show_running
from sgdlab.cli.request import AsJson, OptionalArguments, Request, Scale, arguments_or_all, open_request
from sgdlab.config.execution import WandbTracker
from sgdlab.errors import UsageError, UserError

if TYPE_CHECKING:
    from rich.status import Status

    from sgdlab.tracking.upload import OfflineRun, Progress

_LINE_EVERY_S = 10.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sync")(sync)


def sync(
    arguments: OptionalArguments = None,
    scale: Scale = "laptop",
    project: Annotated[
        str | None, typer.Option(help="Upload to this project, and not to that of the export.")
    ] = None,
    entity: Annotated[
        str | None, typer.Option(help="Upload to this user or team, and not to that of the export.")
    ] = None,
    num_at_once: Annotated[int, typer.Option("--parallel", min=1, help="Runs uploaded at once.")] = 16,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be uploaded.")] = False,
    as_json: AsJson = False,
) -> None:
    """Upload offline W&B runs, each once; the same command goes on where it was interrupted.

    Without a name all of them; summaries that sweeps of this scale lack are written first.
    """
    from sgdlab.tracking.upload import Destination, offline_runs, upload

    named = [argument for argument in arguments or () if "=" not in argument]
    with open_request(arguments_or_all(arguments, scale), scale) as request:
        tracker = request.execution.tracker
        if not isinstance(tracker, WandbTracker):
            raise UsageError("tracker=none keeps no runs for Weights & Biases; leave it out")
        if not dry_run:
            _write_missing_summaries(request, tracker)
        chosen = _ids_of(request) if named else None
    runs = [run for run in offline_runs(tracker) if chosen is None or run.id in chosen]
    if dry_run:
        _print_waiting(runs, as_json)
        return
    with _Watch() as watch:
        progress = upload(runs, tracker, Destination(project, entity), num_at_once, watch.show)
    _print_outcome(progress, len(runs), as_json)


def _write_missing_summaries(request: Request, tracker: WandbTracker) -> None:
    """Write the summary of each sweep whose runs are all exported; what can't be written stops nothing."""
    from sgdlab.orchestration.summarizing import summarize_exported
    from sgdlab.tracking.staging import exported_keys

    exported = exported_keys(tracker)
    if not exported:
        return
    for sweep, known in zip(request.sweeps, request.known(), strict=True):
        if exported.isdisjoint(known.keys):
            continue
        try:
            summarize_exported(sweep, known, request.store, tracker, exported)
        except UserError as error:
            print(f"no summary of {sweep.name}: {error}", file=sys.stderr)


def _ids_of(request: Request) -> set[str]:
    from sgdlab.tracking.summary_export import summary_id

    summaries = {summary_id(known.name, request.scale) for known in request.known()}
    return {*request.wanted(), *summaries}


def _print_waiting(runs: Sequence[OfflineRun], as_json: bool) -> None:
    waiting = [run for run in runs if not run.is_uploaded]
    if as_json:
        listed = [{"run": run.id, "folder": str(run.folder)} for run in waiting]
        print_json({"waiting": listed, "num_uploaded_before": len(runs) - len(waiting)})
        return
    print(*(run.folder for run in waiting), sep="\n", end="\n" if waiting else "")
    print(f"{_count(len(waiting))} to upload, {len(runs) - len(waiting)} uploaded before")


def _print_outcome(progress: Progress, num_runs: int, as_json: bool) -> None:
    num_before = num_runs - progress.num_runs
    if as_json:
        failed = [{"run": run, "error": error} for run, error in progress.failed.items()]
        print_json(
            {"num_uploaded": progress.num_uploaded, "num_uploaded_before": num_before, "failed": failed}
        )
    else:
        print(f"{_count(progress.num_uploaded)} uploaded, {num_before} before")
    if progress.failed:
        reasons = dict.fromkeys(progress.failed.values())
        for reason in reasons:
            refused = [run for run, error in progress.failed.items() if error == reason]
            print(f"{', '.join(run[:12] for run in refused)}: {reason}", file=sys.stderr)
        raise UserError(
            f"{len(progress.failed)} of {_count(progress.num_runs)} could not be uploaded; "
            "the same command tries them again"
        )


def _count(number: int) -> str:
    return f"{number} run{'' if number == 1 else 's'}"


class _Watch:
    """Shows how far an upload has come: in place on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._status: AbstractContextManager[Status | None] = nullcontext()
        self._shown: Status | None = None
        self._printed_at = time.monotonic()

    def __enter__(self) -> _Watch:
        if sys.stderr.isatty():
            self._status = show_running("asking Weights & Biases")
            self._shown = self._status.__enter__()
        return self

    def __exit__(self, *what: object) -> None:
        self._status.__exit__(None, None, None)

    def show(self, progress: Progress) -> None:
        """Take in how far it is."""
        left = progress.seconds_left
        parts = [f"{progress.num_uploaded}/{progress.num_runs} runs uploaded"]
        parts += [f"{len(progress.failed)} failed"] if progress.failed else []
        parts += ["time left unknown" if left is None else f"{format_duration(left)} left"]
        line = " · ".join(parts)
        if self._shown is not None:
            self._shown.update(line)
        elif time.monotonic() - self._printed_at >= _LINE_EVERY_S:
            print(line, file=sys.stderr)
            self._printed_at = time.monotonic()
