"""Cancelling submissions: by a mark that their jobs look for, and at Slurm."""

from __future__ import annotations

from collections.abc import Collection

from sgdlab.errors import UserError
from sgdlab.launch.slurm.queue import cancel_jobs
from sgdlab.launch.slurm.submission import Submission, submissions
from sgdlab.runs.store import Store


def cancel(store: Store, titles: Collection[str]) -> list[Submission]:
    """Cancel the submissions of some sweeps; return those that weren't cancelled before.

    Runs that a submission of other sweeps wants too are interrupted, and its jobs go on with them where they
    were. Marked first: jobs end by that mark should Slurm not be there to be told.

    Raises
    ------
    UserError
        If one command submitted these sweeps together with others; or if Slurm doesn't answer: marked all
        the same.
    """
    concerned = [s for s in submissions(store) if set(s.intent.sweeps) & set(titles)]
    alive = [s for s in concerned if not s.is_void() and not s.is_cancelled()]
    for submission in alive:
        others = sorted(set(submission.intent.sweeps) - set(titles))
        if others:
            raise UserError(
                f"one command submitted these sweeps together with {', '.join(others)}; "
                "name them all to cancel it"
            )
    for submission in alive:
        submission.cancel()
    try:
        cancel_jobs([submission.job_name for submission in alive])
    except UserError as error:
        raise UserError(
            f"{error}; the jobs are marked as cancelled, and end by themselves as soon as they see it"
        ) from error
    return alive
