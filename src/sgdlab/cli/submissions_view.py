"""Submissions for people."""

from __future__ import annotations

import time

from sgdlab.launch.slurm.overview import Jobs, SubmissionView
from sgdlab.launch.slurm.queue import Queue


def print_submissions(jobs: Jobs) -> None:
    """Print what has become of each submission, and how old Slurm's answer is where that matters."""
    if not jobs.submissions:
        return
    print()
    for view in jobs.submissions:
        print(
            f"job {view.job or 'not known yet'}  {_jobs(view)}  ({view.num_runs} runs, submitted {view.at})"
        )
        if view.num_dropped:
            print(
                f"    the sweep file, conf or overrides have changed since: {view.num_dropped} of its runs "
                "aren't asked for any more; it trains what was submitted"
            )
        for ended in view.broken[:1]:
            more = f"; so did {len(view.broken) - 1} more" if len(view.broken) > 1 else ""
            print(f"    a job on {ended.host} could train nothing{more}: {ended.text}")
        if view.last_words:
            print("    no job is left, and none said why; the last words of one:")
            print(*(f"      {line}" for line in view.last_words), sep="\n")
        if view.broken or view.last_words:
            print(f"    logs: {view.log_folder}")
    if jobs.queue.error:
        print(f"Slurm doesn't answer ({jobs.queue.error}); what it said of jobs is {_age(jobs.queue)} old")


def _jobs(view: SubmissionView) -> str:
    """Write how many of its jobs are in which of Slurm's states."""
    if not view.is_known:
        return f"{view.num_jobs} jobs, submitted a moment ago"
    if not view.queued:
        return f"{view.num_jobs} jobs, none left; `sgdlab run` submits what is missing"
    states = [f"{number} {state.lower()}" for state, number in sorted(view.queued.items())]
    reasons = f" ({', '.join(view.waits_for)})" if view.waits_for else ""
    return f"{view.num_jobs} jobs: {', '.join(states)}{reasons}"


def _age(queue: Queue) -> str:
    seconds = time.time() - queue.answered_at
    if not queue.answered_at:
        return "not there: it never answered"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
