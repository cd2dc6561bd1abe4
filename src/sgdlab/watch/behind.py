"""What is behind each row: the screen that enter opens."""

from __future__ import annotations

from functools import partial

from textual.screen import Screen

from sgdlab.launch.live.reader import LiveReader
from sgdlab.launch.live.state import LiveState
from sgdlab.launch.slurm.overview import Jobs
from sgdlab.watch import details
from sgdlab.watch.screens import RunsScreen, TextScreen
from sgdlab.watch.tables import find_group
from sgdlab.watch.words import shown_lines, standing


def screen_behind(
    table: str | None, row: str, live: LiveState, jobs: Jobs | None, reader: LiveReader
) -> Screen[None] | None:
    """Return the screen behind a row of a table; None where there is nothing behind it any more."""
    about_run = partial(details.about_run, live=live, store=reader.store)
    if table == "sweeps":
        for sweep in live.sweeps:
            if sweep.title == row:
                text = f"{row}: {standing(sweep)}"
                return RunsScreen(text, partial(reader.runs_of, row), about_run)
    if table == "workers-table":
        for worker in live.workers:
            if worker.attempt == row:
                title = f"worker {worker.host}:{worker.pid}"
                return TextScreen(title, partial(details.about_worker, worker))
    if table == "failures-table":
        group = find_group(live, row)
        if group is None:
            return TextScreen("damage", partial(shown_lines, row))
        return TextScreen("runs that failed", partial(details.about_failure, group))
    if table == "ends-table":
        run = next((run for run in reader.runs_of("") if run.key == row), None)
        return TextScreen(f"run {row}", partial(about_run, run)) if run else None
    if table == "jobs-table" and jobs is not None:
        for view in jobs.submissions:
            if view.name == row:
                return TextScreen(f"job {view.job}", partial(details.about_submission, view))
    return None
