"""Submitting what a plan needs, once: whoever comes second finds the first one's jobs.

Two commands take turns by a lock, which a killed one loses. The intent is written before sbatch is called. A
killed command may leave an intent without an answer: then Slurm is asked for the jobs by their name, and
where it knows none, the intent is declared void; should jobs turn up after all, they end at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from filelock import FileLock

from sgdlab.config.execution import SlurmLauncher
from sgdlab.launch.code import snapshot_code
from sgdlab.launch.slurm.job_folder import COMES_BACK
from sgdlab.launch.slurm.queue import Queue, look, look_anew
from sgdlab.launch.slurm.sbatch import RefusedError, submit_array
from sgdlab.launch.slurm.submission import (
    Intent,
    Submission,
    counting_submissions,
    folder_of_submissions,
)
from sgdlab.runs.files import naming
from sgdlab.runs.store import Store
from sgdlab.sweeps.plan import FrozenPlan

MakeJob = Callable[[Submission], Callable[[], object]]
"""Gives what each job of a submission calls; it is pickled."""


@dataclass(frozen=True)
class Submitted:
    """What a command has submitted, and what was there before."""

    submission: Submission | None  # None: there were jobs enough
    num_jobs: int
    num_jobs_before: int  # of the same plan, waiting or running


def submit(
    plan: FrozenPlan,
    store: Store,
    num_jobs: int,
    make_job: MakeJob,
    on_wait: Callable[[float], None] = lambda _: None,
) -> Submitted:
    """Submit what is missing to `num_jobs` jobs of a plan; to be called within `taking_turns`.

    Parameters
    ----------
    plan
        The frozen plan.
    store
        Where its runs are stored.
    num_jobs
        How many jobs of this plan there are to be at most, those in the queue included.
    make_job
        What the jobs call.
    on_wait
        Told how many seconds it takes until Slurm may be asked again.

    Raises
    ------
    UserError
        If Slurm refuses, or can't be asked; then nothing was submitted.
    """
    num_before = _num_jobs(plan, store, on_wait)
    num_more = num_jobs - num_before
    if num_more <= 0:
        return Submitted(None, 0, num_before)
    return Submitted(_submit(plan, store, num_more, make_job), num_more, num_before)


def submit_successor(plan: FrozenPlan, store: Store, make_job: MakeJob) -> Submission:
    """Submit one job more, from a job that ends while work is left; raises as `submit` does."""
    with taking_turns(store):
        return _submit(plan, store, 1, make_job)


def num_useful_jobs(plan: FrozenPlan, store: Store) -> int:
    """Return how many jobs a plan can use: no more than the launcher allows, nor than there are packs."""
    launcher = plan.execution.launcher
    assert isinstance(launcher, SlurmLauncher)
    num_open = sum(not all(map(store.is_settled, pack.keys)) for pack in plan.packs)
    return min(launcher.num_jobs, math.ceil(num_open / launcher.workers_per_job))


@contextmanager
def taking_turns(store: Store) -> Iterator[None]:
    """Be the only command of this store that freezes a plan and submits it, or cancels.

    Raises
    ------
    StoreError
        If the store can't be written.
    """
    folder = folder_of_submissions(store)
    with naming(store.root):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock"):
            yield


def _num_jobs(plan: FrozenPlan, store: Store, on_wait: Callable[[float], None]) -> int:
    """Count the jobs of a plan that wait or run."""
    counting = counting_submissions(store, plan.id)
    if not counting:
        return 0
    unanswered = [submission for submission in counting if submission.job_id() is None]
    queue = look_anew(store, on_wait) if unanswered else look(store)
    if queue.error:
        queue = look_anew(store, on_wait)
    for submission in unanswered:
        _resolve(submission, queue)
    for submission in counting:
        submission.want(plan.sweeps)
    return sum(
        len(queue.jobs_of(submission)) if submission in unanswered else _num_alive(submission, queue)
        for submission in counting
    )


def _resolve(submission: Submission, queue: Queue) -> None:
    """Find out what became of an intent whose command was killed before it noted Slurm's answer."""
    found = queue.jobs_of(submission)
    if found:
        submission.record_job(found[0].id.partition("_")[0])
    else:
        submission.decide("void")  # unless one of its jobs has begun


def _num_alive(submission: Submission, queue: Queue) -> int:
    """Count the jobs that are in the queue, or have come into it since Slurm was asked, and haven't ended."""
    indices = {job.index for job in queue.jobs_of(submission)}
    if submission.name not in queue.knows:
        indices = set(range(submission.intent.num_jobs))
    ends = {job.index: job.ended() for job in submission.jobs()}
    over = {index for index, ended in ends.items() if ended and ended.reason not in COMES_BACK}
    return len(indices - over)


def _submit(plan: FrozenPlan, store: Store, num_jobs: int, make_job: MakeJob) -> Submission:
    launcher = plan.execution.launcher
    assert isinstance(launcher, SlurmLauncher)
    code = snapshot_code(store)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    intent = Intent(plan.id, plan.sweeps, num_jobs, len(plan.runs), str(code), now)
    submission = Submission.create(store, plan, intent)
    try:
        job_id = submit_array(
            submission.submitit_folder,
            submission.job_name,
            launcher,
            num_jobs,
            code,
            make_job(submission),
        )
    except RefusedError:
        submission.decide("void")
        raise
    submission.record_job(job_id)
    return submission
