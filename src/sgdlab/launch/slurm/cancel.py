"""Cancelling submissions: by a mark that their jobs look for, and at Slurm."""

from __future__ import annotations

from collections.abc import Collection

from sgdlab.errors import UserError
from sgdlab.launch.slurm.queue import cancel_jobs
from sgdlab.launch.slurm.submission import Submission, counting_submissions
from sgdlab.launch.slurm.submit import taking_turns
from sgdlab.runs.store import Store


def cancel(store: Store, titles: Collection[str]) -> list[Submission]:
    """Withdraw these sweeps from their submissions; return those that nobody else wants, which are cancelled.

    Runs that a submission of other sweeps has too are interrupted, and its jobs go on with them where they
    were. Marked first: jobs end by that mark should Slurm not be there to be told.

    Raises
    ------
    UserError
        If one command submitted these sweeps together with others; or if Slurm doesn't answer: marked all
        the same.
    """
    alive = counting_submissions(store)
    wishes = [(s, sweeps) for s in alive for sweeps in s.wanted_by() if set(sweeps) & set(titles)]
    for _, sweeps in wishes:
        others = sorted(set(sweeps) - set(titles))
        if others:
            raise UserError(
                f"one command submitted these sweeps together with {', '.join(others)}; "
                "name them all to cancel it"
            )
    with taking_turns(store):
        for submission, sweeps in wishes:
            submission.withdraw(sweeps)
    cancelled = [submission for submission in alive if submission.is_cancelled()]
    try:
        cancel_jobs([submission.job_name for submission in cancelled])
    except UserError as error:
        raise UserError(
            f"{error}; the jobs are marked as cancelled, and end by themselves as soon as they see it"
        ) from error
    return cancelled
